//! The watchdog of a loop: `Loop::set_watchdog`.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::cell::TaskRef;
use super::observed::{Observed, Slot, TaskObserver};
use super::{Id, Job, Loop};
use crate::driver::Observer;
use crate::instruments::watchdog::{Report, RunningTask, Watchdog};
use crate::panic::catch_panic;

/// A report of the watchdog: the thread of a loop is or was blocked. See [`Loop::set_watchdog`].
#[derive(Clone, Debug)]
pub struct Stall(Report);

impl Stall {
    /// Returns how long the thread has been blocked so far or, if it [is over](Stall::is_over), in
    /// total.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// Returns whether the thread has continued.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over
    }

    /// Returns whether the thread is that of the application, and the application shows a window.
    #[must_use]
    pub fn has_window(&self) -> bool {
        self.0.has_window
    }

    /// Returns the name of the task that blocks the thread or, without a
    /// [name](super::Builder::name), where it was spawned: file, line and column. `None` if a slot
    /// or an event handler blocks it, or the future of [`block_on`](super::block_on).
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        self.0.task.as_deref()
    }
}

/// Notes the running task for the reports.
struct Note {
    note: Arc<RunningTask>,
    /// The tasks that have a name in the note.
    named: RefCell<FxHashSet<Id>>,
    /// The tasks of the running jobs, the outermost job first.
    running: RefCell<Vec<Option<TaskRef>>>,
}

impl Note {
    fn name(&self, task: &TaskRef) {
        let name = match task.name() {
            Some(name) => name.into(),
            None => task.spawned_at().to_string().into(),
        };
        self.note.name(task.id().get(), name);
    }

    fn forget(&self, task: &TaskRef) {
        if self.named.borrow_mut().remove(&task.id()) {
            self.note.forget(task.id().get());
        }
    }
}

impl Observer<Job> for Note {
    fn begins(&self, job: &mut Job) {
        let task = match job {
            Job::Poll(queued) => Some(queued.task()),
            _ => None,
        };
        if let Some(task) = &task
            && self.named.borrow_mut().insert(task.id())
        {
            self.name(task);
        }
        self.note.set(number(task.as_ref()));
        self.running.borrow_mut().push(task);
    }

    fn ends(&self) {
        let mut running = self.running.borrow_mut();
        // Without an entry, the job began before the watchdog was set.
        let ended = running.pop().flatten();
        self.note
            .set(number(running.last().and_then(Option::as_ref)));
        drop(running);
        if let Some(task) = ended
            && task.is_finished()
        {
            self.forget(&task);
        }
    }
}

impl TaskObserver for Note {
    fn spawned(&self, _: &TaskRef) {}

    fn cancelled(&self, task: &TaskRef) {
        self.forget(task);
    }
}

/// Returns the number of a task for the note.
fn number(task: Option<&TaskRef>) -> u32 {
    task.map_or(0, |task| task.id().get())
}

impl Loop {
    /// Reports when a task, a slot or an event handler blocks this thread for longer than
    /// `threshold`.
    ///
    /// `handler` is called on the thread `qtloop-watchdog` while this thread is still blocked: at
    /// the threshold, after 1 s and after 8 s. It is called once more when that is over, with the
    /// total. A panic in it is caught; its message is on standard error.
    ///
    /// A nested Qt event loop, such as that of a dialog, does not block. Neither does a loop around
    /// `processEvents()`. While Qt waits for events, the watchdog does not wake. On another thread
    /// than the application's, only tasks, and what Qt delivers after them before it waits again,
    /// are watched.
    ///
    /// A second call replaces the watchdog.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let event_loop = qtloop::Loop::with_app(std::env::args_os())?;
    /// event_loop.set_watchdog(Duration::from_millis(200), |stall| {
    ///     eprintln!("blocked for {:?}", stall.elapsed());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn set_watchdog(
        &self,
        threshold: Duration,
        mut handler: impl FnMut(&Stall) + Send + 'static,
    ) -> io::Result<()> {
        self.remove_watchdog();
        let watchdog = Watchdog::new(threshold, move |report| {
            catch_panic(|| handler(&Stall(report)));
        })?;
        let note = Note {
            note: watchdog.running_task(),
            named: RefCell::default(),
            running: RefCell::default(),
        };
        Observed::set(self.core(), Slot::Watchdog, Some(Rc::new(note)));
        self.core().watchdog.replace(Some(watchdog));
        Ok(())
    }

    /// Ends the watchdog, after its last report. A stall that is not over is reported as over now.
    pub fn remove_watchdog(&self) {
        Observed::set(self.core(), Slot::Watchdog, None);
        drop(self.core().watchdog.take());
    }
}
