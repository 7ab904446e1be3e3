//! Translates the jobs of a driver to tasks, for a program's [`Observer`].

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::cell::TaskRef;
use super::observed::{Observed, Slot, TaskObserver};
use super::observer::{Observer, ScheduledBy, TaskMeta};
use super::{Job, Loop, LoopCore};
use crate::driver;
use crate::panic::catch_panic;

/// Calls the methods of a program's observer.
struct Translator {
    core: Weak<LoopCore>,
    observer: Rc<dyn Observer>,
    /// The jobs that have begun and have not ended, nested in one another.
    jobs: RefCell<Vec<RunningJob>>,
    /// The number of turns that have not ended, of those for which the observer was called.
    turns: Cell<usize>,
}

struct RunningJob {
    kind: Kind,
    /// The observer was called for its begin.
    was_called: bool,
}

/// The origin of a wake-up.
#[derive(Clone)]
enum Kind {
    Poll(TaskRef),
    Timer,
    Descriptor,
    Thread,
    Call,
}

impl Kind {
    fn of(job: &Job) -> Kind {
        match job {
            Job::Poll(task) => Kind::Poll(task.task()),
            Job::Due(_) | Job::Wake(_) => Kind::Timer,
            Job::Readable(_) | Job::Writable(_) => Kind::Descriptor,
            Job::Sent(_) | Job::Start(_) => Kind::Thread,
            Job::Call(_) => Kind::Call,
        }
    }
}

impl Loop {
    /// Sets the observer of this loop, which replaces the one before. `None` removes it. See
    /// [`Observer`].
    ///
    /// Tasks that exist already are observed from now on, but not a poll that is running.
    ///
    /// ```no_run
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// use qtloop::task::{Observer, TaskMeta};
    ///
    /// #[derive(Default)]
    /// struct Polls(Cell<u64>);
    ///
    /// impl Observer for Polls {
    ///     fn on_after_task_poll(&self, _task: TaskMeta<'_>) {
    ///         self.0.set(self.0.get() + 1);
    ///     }
    /// }
    ///
    /// # let event_loop = qtloop::Loop::attach()?;
    /// let polls = Rc::new(Polls::default());
    /// event_loop.set_observer(Some(polls.clone()));
    /// let _ = event_loop.run(qtloop::task::yield_now());
    /// event_loop.set_observer(None);
    /// println!("{} polls", polls.0.get());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_observer(&self, observer: Option<Rc<dyn Observer>>) {
        let translator = observer.map(|observer| {
            Rc::new(Translator {
                core: Rc::downgrade(self.core()),
                observer,
                jobs: RefCell::default(),
                turns: Cell::new(0),
            }) as Rc<dyn TaskObserver>
        });
        drop(Observed::set(self.core(), Slot::Observer, translator));
    }
}

impl Translator {
    /// Calls a method of the observer. Returns false if it was not called: another one is running,
    /// or the observer was removed.
    fn call(&self, method: impl FnOnce(&dyn Observer)) -> bool {
        let Some(core) = self.core.upgrade() else {
            return false;
        };
        let is_set = || {
            let current = core.observed.get(Slot::Observer);
            current.is_some_and(|current| ptr::addr_eq(Rc::as_ptr(&current), self))
        };
        if !is_set() || core.observed.is_in_observer.replace(true) {
            return false;
        }
        let result = catch_panic(|| method(&*self.observer));
        core.observed.is_in_observer.set(false);
        if result.is_none() && is_set() {
            // Not the last reference: the caller has one.
            drop(Observed::set(&core, Slot::Observer, None));
        }
        true
    }

    /// Returns the kind of the running job, with its task. `None` outside of any job, also for a
    /// slot in a Qt event loop that a job runs.
    fn running(&self) -> Option<Kind> {
        let core = self.core.upgrade()?;
        if !core.driver.is_in_job() {
            return None;
        }
        self.jobs.borrow().last().map(|job| job.kind.clone())
    }
}

impl TaskObserver for Translator {
    fn spawned(&self, task: &TaskRef) {
        self.call(|observer| observer.on_task_spawn(TaskMeta(task)));
    }

    fn cancelled(&self, task: &TaskRef) {
        self.call(|observer| observer.on_task_terminate(TaskMeta(task)));
    }
}

impl driver::Observer<Job> for Translator {
    fn queued(&self, job: &mut Job) {
        let Job::Poll(queued) = job else {
            return;
        };
        let running = self.running();
        let by = match &running {
            Some(Kind::Poll(task)) => ScheduledBy::Task(TaskMeta(task)),
            Some(Kind::Timer) => ScheduledBy::Timer,
            Some(Kind::Descriptor) => ScheduledBy::Descriptor,
            Some(Kind::Thread) => ScheduledBy::Thread,
            Some(Kind::Call) => ScheduledBy::Call,
            None => ScheduledBy::Outside,
        };
        queued.with_task(|task| {
            self.call(|observer| observer.on_task_schedule(TaskMeta(task), by));
        });
    }

    fn begins(&self, job: &mut Job) {
        let kind = Kind::of(job);
        let was_called = match &kind {
            // A task that has completed while it was queued is not polled again.
            Kind::Poll(task) if !task.is_finished() => {
                self.call(|observer| observer.on_before_task_poll(TaskMeta(task)))
            }
            _ => false,
        };
        self.jobs.borrow_mut().push(RunningJob { kind, was_called });
    }

    fn ends(&self) {
        // There is none if the job that ends has set this observer.
        let job = self.jobs.borrow_mut().pop();
        if let Some(RunningJob {
            kind: Kind::Poll(task),
            was_called: true,
        }) = job
        {
            let meta = TaskMeta(&task);
            self.call(|observer| observer.on_after_task_poll(meta));
            if task.is_finished() {
                self.call(|observer| observer.on_task_terminate(meta));
            }
        }
    }

    fn turn_begins(&self, depth: usize) {
        if self.call(|observer| observer.on_turn_begin(depth)) {
            self.turns.set(self.turns.get() + 1);
        }
    }

    fn turn_ends(&self, depth: usize) {
        // Zero if a job of the turn that ends has set this observer.
        if self.turns.get() > 0 && self.call(|observer| observer.on_turn_end(depth)) {
            self.turns.set(self.turns.get() - 1);
        }
    }

    fn poll_begins(&self, timeout: Duration) {
        self.call(|observer| observer.on_before_io_wait(timeout));
    }

    fn poll_ends(&self, timeout: Duration) {
        self.call(|observer| observer.on_after_io_wait(timeout));
    }
}
