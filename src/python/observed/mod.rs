//! What the instruments of a Python loop are told about its jobs.
//!
//! [`Observed`] is the driver's observer while at least one instrument is on. It finds the task
//! that a job steps and the place of its code, keeps the table of live tasks, and passes all of it
//! to the instruments.

mod accounts;
mod places;
mod python;
mod recording;
mod tasks;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::job::{Job, Kind};
use super::state::State;
use super::step::{self, Stepped};
use crate::driver::Observer;
use crate::instruments::recorder::{Clock, JobKind, PlaceId, Recorder, Subject, Ticks};
use crate::reactor::{Queueable, Time};

use self::places::PythonPlaces;
use self::python::{Event, Instruments};
use self::tasks::{Named, Tasks};

pub(super) use self::accounts::{observe_tasks, place_accounts, task_accounts};
pub(super) use self::python::{add_instrument, remove_instrument};
pub(super) use self::recording::{Recording, start_recording};

/// The observer of a loop.
pub(super) struct Observed {
    clock: Clock,
    /// The number of instruments that are on.
    users: Cell<usize>,
    tasks: RefCell<Tasks>,
    places: PythonPlaces,
    /// The time of the jobs of each place.
    totals: RefCell<Vec<Total>>,
    /// The jobs that run, nested in one another.
    running: RefCell<Vec<Running>>,
    recorder: RefCell<Option<Rc<Recorder>>>,
    instruments: Instruments,
}

/// The time of the jobs of one place.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    jobs: u64,
    time: u64,
    worst: u64,
}

/// A job that runs.
struct Running {
    /// Its task, if it steps one. It is kept alive, so that no other task can have its address.
    task: Option<Py<PyAny>>,
    address: usize,
    /// The instruments were called before the step.
    is_step: bool,
    subject: Subject,
    began: Ticks,
}

/// Returns the token of the GIL.
fn token<'py>() -> Python<'py> {
    // SAFETY: jobs are queued and run with the GIL held, see `Job`.
    unsafe { Python::assume_attached() }
}

fn kind_of(job: &Job, is_step: bool) -> JobKind {
    match job.kind {
        _ if is_step => JobKind::Step,
        Kind::Plain => JobKind::Callback,
        Kind::ThreadSafe => JobKind::Remote,
        Kind::Timer => JobKind::Timer,
        Kind::Watch => JobKind::Reader,
        Kind::Transport(_) => JobKind::Transport,
    }
}

/// Returns the task that a job steps.
fn stepped<'py>(py: Python<'py>, job: &Job) -> Option<(Bound<'py, PyAny>, Stepped)> {
    step::of(&job.callback(py)?)
}

impl Observed {
    fn new() -> Observed {
        Observed {
            clock: Clock::default(),
            users: Cell::new(0),
            tasks: RefCell::default(),
            places: PythonPlaces::default(),
            totals: RefCell::default(),
            running: RefCell::default(),
            recorder: RefCell::default(),
            instruments: Instruments::default(),
        }
    }

    /// Returns the address and the number of the task whose step runs, or zeros.
    fn running_task(&self) -> (usize, u32) {
        let running = self.running.borrow();
        let last = running.last();
        last.map_or((0, 0), |running| (running.address, running.subject.task))
    }

    /// Notes that a job has become ready, scheduled by the task `by`. Returns its subject, without
    /// a place. `tell` is called for each event of its task.
    fn note_ready(
        &self,
        job: &Job,
        now: Ticks,
        by: (usize, u32),
        tell: impl Fn(Event, &Bound<'_, PyAny>),
    ) -> Subject {
        let stepped = stepped(token(), job);
        let task = stepped.as_ref().map_or(0, |(task, stepped)| {
            let (number, is_new) = self.note_scheduled(task, *stepped, now, by);
            if is_new {
                tell(Event::TaskSpawned, task);
            }
            tell(Event::TaskScheduled, task);
            number
        });
        Subject {
            task,
            place: PlaceId::UNKNOWN,
            priority: job.priority(),
            kind: kind_of(job, stepped.is_some()),
        }
    }

    /// Notes that a step of a task was scheduled. Returns its number, and whether it is new.
    fn note_scheduled(
        &self,
        task: &Bound<'_, PyAny>,
        stepped: Stepped,
        now: Ticks,
        by: (usize, u32),
    ) -> (u32, bool) {
        let address = task.as_ptr().addr();
        let mut tasks = self.tasks.borrow_mut();
        // The step in which the observer was set is not known to be running.
        let is_unknown = by.0 == 0 && tasks.contains(address);
        let is_first = stepped == Stepped::Step && !(is_unknown && step::is_suspended(task));
        let (task, is_new) = tasks.scheduled(address, by.0, is_first, now);
        if is_new && let Some(recorder) = &*self.recorder.borrow() {
            recorder.task_created(task.number, "", PlaceId::UNKNOWN, by.1);
        }
        (task.number, is_new)
    }

    /// Reads the name and the place of a task, which its first step does once.
    fn name(&self, task: &Bound<'_, PyAny>) -> Named {
        let name = step::name(task).unwrap_or_default();
        let coroutine = step::coroutine(task);
        let place = coroutine.map_or(PlaceId::UNKNOWN, |coroutine| {
            self.places.of_coroutine(&coroutine)
        });
        Named { name, place }
    }

    fn place_of(&self, py: Python<'_>, job: &Job) -> PlaceId {
        match job.callback(py) {
            Some(callback) => self.places.of_callback(&callback),
            None if matches!(job.kind, Kind::Transport(_)) => {
                self.places.of_transport(job.object.bind(py))
            }
            None => PlaceId::UNKNOWN,
        }
    }

    /// Returns the place of a task's coroutine. If the task is new here, names it first.
    fn begin_step(&self, task: &Bound<'_, PyAny>, now: Ticks) -> (u32, PlaceId) {
        let address = task.as_ptr().addr();
        let named = {
            let mut tasks = self.tasks.borrow_mut();
            let (entry, _) = tasks.seen(address, now);
            entry.begins(now);
            match &entry.named {
                Some(named) => return (entry.number, named.place),
                None => entry.number,
            }
        };
        let number = named;
        let named = self.name(task);
        let place = named.place;
        if let Some(recorder) = &*self.recorder.borrow() {
            recorder.name_task(number, &named.name, place);
        }
        if let Some(entry) = self.tasks.borrow_mut().get_mut(address) {
            entry.named = Some(named);
        }
        (number, place)
    }

    fn add(&self, place: PlaceId, took: u64) {
        let mut totals = self.totals.borrow_mut();
        let index = place.0 as usize;
        if totals.len() <= index {
            totals.resize(index + 1, Total::default());
        }
        let total = &mut totals[index];
        total.jobs += 1;
        total.time += took;
        total.worst = total.worst.max(took);
    }
}

impl Observer<Job> for Observed {
    fn queued(&self, job: &mut Job) {
        let now = self.clock.now();
        let by = self.running_task();
        let subject = self.note_ready(job, now, by, |event, task| {
            self.instruments.call(event, task);
        });
        if let Some(recorder) = &*self.recorder.borrow() {
            job.mark = recorder.queued(subject);
        }
    }

    fn timer_set(&self, _when: Time, job: &mut Job) {
        if let Some(recorder) = &*self.recorder.borrow() {
            let subject = Subject {
                task: 0,
                place: PlaceId::UNKNOWN,
                priority: job.priority(),
                kind: JobKind::Timer,
            };
            job.mark = recorder.timer_set(subject);
        }
    }

    fn collected(&self, job: &mut Job) {
        let now = self.clock.now();
        let subject = self.note_ready(job, now, (0, 0), |event, task| {
            self.instruments.keep(event, task);
        });
        if let Some(recorder) = &*self.recorder.borrow() {
            job.mark = recorder.collected(job.mark, subject);
        }
    }

    fn collection_ends(&self) {
        self.instruments.deliver(token());
    }

    fn begins(&self, job: &mut Job) {
        let py = token();
        self.instruments.end_wait(py);
        let now = self.clock.now();
        let stepped = stepped(py, job);
        let (task, place) = match &stepped {
            Some((task, _)) => self.begin_step(task, now),
            None => (0, self.place_of(py, job)),
        };
        let subject = Subject {
            task,
            place,
            priority: job.priority(),
            kind: kind_of(job, stepped.is_some()),
        };
        if let Some(recorder) = &*self.recorder.borrow() {
            recorder.begins(job.mark, subject);
        }
        let task = stepped.map(|(task, _)| task);
        // If its context is in use, the job is deferred and does not run.
        let is_step = self.instruments.wants_steps() && task.is_some() && job.can_enter(py);
        if is_step && let Some(task) = &task {
            self.instruments.call(Event::BeforeTaskStep, task);
        }
        self.running.borrow_mut().push(Running {
            address: task.as_ref().map_or(0, |task| task.as_ptr().addr()),
            task: task.map(Bound::unbind),
            is_step,
            subject,
            began: now,
        });
    }

    fn ends(&self) {
        let Some(running) = self.running.borrow_mut().pop() else {
            return; // the observer was set while the job ran
        };
        let py = token();
        self.instruments.end_wait(py);
        let now = self.clock.now();
        self.add(running.subject.place, now.since(running.began));
        if let Some(recorder) = &*self.recorder.borrow() {
            recorder.ends();
        }
        if let Some(task) = running.task {
            let task = task.into_bound(py);
            let is_done = step::is_done(&task).unwrap_or(false);
            let mut tasks = self.tasks.borrow_mut();
            if let Some(entry) = tasks.get_mut(running.address) {
                entry.ends(now);
                if is_done {
                    if let Some(recorder) = &*self.recorder.borrow() {
                        recorder.task_finished(entry.number);
                    }
                    tasks.remove(running.address);
                }
            }
            drop(tasks);
            if is_done {
                self.instruments.call(Event::TaskExited, &task);
            }
            if running.is_step {
                self.instruments.call(Event::AfterTaskStep, &task);
            }
            drop(task); // the last reference may run code
        }
    }

    fn turn_begins(&self, depth: usize) {
        if let Some(recorder) = &*self.recorder.borrow() {
            recorder.turn_begins(depth);
        }
    }

    fn turn_ends(&self, _depth: usize) {
        if let Some(recorder) = &*self.recorder.borrow() {
            recorder.turn_ends();
        }
    }

    fn waits(&self, timeout: Option<Duration>) {
        self.instruments.begin_wait(token(), timeout);
    }

    fn poll_begins(&self, timeout: Duration) {
        self.instruments.end_wait(token());
        if let Some(recorder) = &*self.recorder.borrow() {
            recorder.poll_begins(timeout);
        }
    }

    fn poll_ends(&self, _timeout: Duration) {
        if let Some(recorder) = &*self.recorder.borrow() {
            recorder.poll_ends();
        }
    }
}

impl Observed {
    /// Notes that a task was made. The first step of an eager task is not scheduled.
    pub(super) fn created(&self, task: &Bound<'_, PyAny>) {
        if step::is_done(task).unwrap_or(true) {
            self.instruments.call(Event::TaskSpawned, task);
            self.instruments.call(Event::TaskExited, task);
            return;
        }
        let by = self.running_task().1;
        let is_new = {
            let mut tasks = self.tasks.borrow_mut();
            let (task, is_new) = tasks.seen(task.as_ptr().addr(), self.clock.now());
            if is_new && let Some(recorder) = &*self.recorder.borrow() {
                recorder.task_created(task.number, "", PlaceId::UNKNOWN, by);
            }
            is_new
        };
        if is_new {
            self.instruments.call(Event::TaskSpawned, task);
        }
    }

    /// Visits the objects of the user, for the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.instruments.traverse(visit)
    }
}

impl State {
    /// Tells the instruments about a task that was made.
    #[inline]
    pub(super) fn note_task(&self, task: &Bound<'_, PyAny>) {
        let observed = self.observed.borrow().clone(); // an instrument may change it
        if let Some(observed) = observed {
            observed.created(task);
        }
    }

    /// Returns the observer of the loop, for an instrument that is turned on. Pair it with
    /// [`State::unobserve`].
    pub(super) fn observe(&self) -> PyResult<Rc<Observed>> {
        let driver = self.driver()?;
        let mut slot = self.observed.borrow_mut();
        let observed = slot.get_or_insert_with(|| {
            let observed = Rc::new(Observed::new());
            driver.set_observer(Some(Rc::clone(&observed) as Rc<dyn Observer<Job>>));
            observed
        });
        observed.users.set(observed.users.get() + 1);
        Ok(Rc::clone(observed))
    }

    /// Takes back one [`State::observe`]. The last one removes the observer.
    pub(super) fn unobserve(&self) {
        let mut slot = self.observed.borrow_mut();
        let Some(observed) = &*slot else { return };
        observed.users.set(observed.users.get() - 1);
        if observed.users.get() > 0 {
            return;
        }
        let observed = slot.take();
        drop(slot);
        if let Ok(driver) = self.driver() {
            driver.set_observer(None);
        }
        drop(observed);
    }
}
