//! Tells an [`Observer`] about the tasks whose jobs a driver queues and runs.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::cell::TaskRef;
use super::observer::{Observer, ScheduledBy, TaskMeta};
use super::{Job, LoopCore};
use crate::driver;
use crate::panic::catch_panic;

/// The observer of a loop, if there is one.
#[derive(Default)]
pub(super) struct Observed(RefCell<Option<Rc<Translator>>>);

impl Observed {
    pub(super) fn set_observer(&self, core: &Rc<LoopCore>, observer: Option<Rc<dyn Observer>>) {
        let translator = observer.map(|observer| {
            Rc::new(Translator {
                core: Rc::downgrade(core),
                observer: RefCell::new(Some(observer)),
                jobs: RefCell::default(),
                turns: Cell::new(0),
                is_telling: Cell::new(false),
            })
        });
        let before = self.0.replace(translator.clone());
        core.driver
            .set_observer(translator.map(|translator| translator as Rc<dyn driver::Observer<Job>>));
        // A caller up the stack may hold the translator.
        let before = before.and_then(|before| before.observer.take());
        drop(before); // its destructor is user code
    }

    /// Tells the observer that a task is about to be queued for its first poll.
    #[cold]
    pub(super) fn spawned(&self, task: &TaskRef) {
        self.tell(|observer| observer.on_task_spawn(TaskMeta(task)));
    }

    /// Tells the observer that a task was cancelled with its loop.
    pub(super) fn cancelled(&self, task: &TaskRef) {
        self.tell(|observer| observer.on_task_terminate(TaskMeta(task)));
    }

    /// Returns whether a method of the observer is running.
    pub(super) fn is_telling(&self) -> bool {
        let translator = self.0.borrow();
        translator
            .as_ref()
            .is_some_and(|translator| translator.is_telling.get())
    }

    fn tell(&self, tell: impl FnOnce(&dyn Observer)) {
        let translator = self.0.borrow().clone();
        if let Some(translator) = translator {
            translator.tell(tell);
        }
    }
}

/// Translates jobs to tasks.
struct Translator {
    core: Weak<LoopCore>,
    /// `None` if it was replaced, or has panicked.
    observer: RefCell<Option<Rc<dyn Observer>>>,
    /// The jobs that have begun and have not ended, which are nested in one another.
    jobs: RefCell<Vec<RunningJob>>,
    /// The number of turns that the observer was told of and that have not ended.
    turns: Cell<usize>,
    /// A method of the observer is running. Its own work is not observed, so it cannot recurse.
    is_telling: Cell<bool>,
}

#[derive(Clone)]
struct RunningJob {
    kind: Kind,
    /// The observer was told that it begins.
    is_told: bool,
}

/// What a job wakes or polls tasks for.
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

impl Translator {
    /// Calls a method of the observer. Returns false if it was not called, because another one is
    /// running, or because the observer was removed.
    fn tell(&self, tell: impl FnOnce(&dyn Observer)) -> bool {
        let Some(observer) = self.observer.borrow().clone() else {
            return false;
        };
        if self.is_telling.replace(true) {
            return false;
        }
        // The method, and a destructor, are user code.
        let result = catch_panic(|| {
            tell(&*observer);
            drop(observer);
        });
        self.is_telling.set(false);
        let is_set = self.observer.borrow().is_some();
        if result.is_none()
            && is_set
            && let Some(core) = self.core.upgrade()
        {
            catch_panic(|| core.observed.set_observer(&core, None));
        }
        true
    }

    /// Returns the job that the running code belongs to. A slot in a Qt event loop that the job
    /// runs does not.
    fn running_job(&self) -> Option<Kind> {
        let core = self.core.upgrade()?;
        if !core.driver.is_in_job() {
            return None;
        }
        self.jobs.borrow().last().map(|job| job.kind.clone())
    }
}

impl driver::Observer<Job> for Translator {
    fn queued(&self, job: &mut Job) {
        let Job::Poll(queued) = job else {
            return;
        };
        let task = queued.task();
        let job = self.running_job();
        let by = match &job {
            Some(Kind::Poll(task)) => ScheduledBy::Task(TaskMeta(task)),
            Some(Kind::Timer) => ScheduledBy::Timer,
            Some(Kind::Descriptor) => ScheduledBy::Descriptor,
            Some(Kind::Thread) => ScheduledBy::Thread,
            Some(Kind::Call) => ScheduledBy::Call,
            None => ScheduledBy::Outside,
        };
        self.tell(|observer| observer.on_task_schedule(TaskMeta(&task), by));
    }

    fn begins(&self, job: &mut Job) {
        let kind = Kind::of(job);
        let is_told = match &kind {
            // A task that has completed while it was queued is not polled again.
            Kind::Poll(task) if !task.is_finished() => {
                self.tell(|observer| observer.on_before_task_poll(TaskMeta(task)))
            }
            _ => false,
        };
        self.jobs.borrow_mut().push(RunningJob { kind, is_told });
    }

    fn ends(&self) {
        // Empty for a job that has set this observer.
        let job = self.jobs.borrow_mut().pop();
        if let Some(RunningJob {
            kind: Kind::Poll(task),
            is_told: true,
        }) = job
        {
            let meta = TaskMeta(&task);
            self.tell(|observer| observer.on_after_task_poll(meta));
            if task.is_finished() {
                self.tell(|observer| observer.on_task_terminate(meta));
            }
        }
    }

    fn turn_begins(&self, depth: usize) {
        if self.tell(|observer| observer.on_turn_begin(depth)) {
            self.turns.set(self.turns.get() + 1);
        }
    }

    fn turn_ends(&self, depth: usize) {
        // Zero for a turn whose job has set this observer.
        if self.turns.get() > 0 && self.tell(|observer| observer.on_turn_end(depth)) {
            self.turns.set(self.turns.get() - 1);
        }
    }

    fn poll_begins(&self, timeout: Duration) {
        self.tell(|observer| observer.on_before_io_wait(timeout));
    }

    fn poll_ends(&self, timeout: Duration) {
        self.tell(|observer| observer.on_after_io_wait(timeout));
    }
}
