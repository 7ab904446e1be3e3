//! The observer of a Python loop: finds the task and the code location of each job.
//!
//! [`Observed`] is the driver's observer while at least one instrument is on. It finds the task
//! that a job steps and the place of its code, keeps the table of live tasks, and passes all of it
//! to the instruments.

mod accounts;
mod note;
mod observer;
mod places;
mod python;
mod qt_track;
mod recording;
mod switch;
mod tasks;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

use super::job::{Job, Kind};
use super::step::{self, Stepped};
use crate::instruments::recorder::{Clock, JobKind, PlaceId, Recorder, Subject, Ticks};
use crate::instruments::watchdog::RunningTask;
use crate::qt::activity::{self, Activity, ActivityObserver, Observation};
use crate::reactor::Queueable;

use self::places::PythonPlaces;
use self::python::{Event, Instruments};
use self::qt_track::QtTrack;
use self::tasks::{Named, Tasks};

pub(super) use self::accounts::{observe_tasks, place_accounts, task_accounts, task_changes};
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
    recorder: RefCell<Option<ActiveRecorder>>,
    instruments: Instruments,
    /// Measures how long Qt waits on the thread on which the first instrument was turned on.
    _activity: Observation,
    /// The time that the loop had spent in turns when the first instrument was turned on.
    in_turns_before: Duration,
    /// The time in polls so far, and when the current one began.
    polling: Cell<u64>,
    poll_began: Cell<Ticks>,
    /// The note of the running task for the watchdog, if that is on.
    running_task: RefCell<Option<Arc<RunningTask>>>,
    /// The depth of the innermost turn.
    depth: Cell<usize>,
    /// The depth of the turn whose job was running when this observer was set; zero if that job
    /// has returned. The driver does not report the end of that job.
    adopted: Cell<usize>,
    /// The numbers of done tasks whose exception was not retrieved, and weak references to them.
    failed: RefCell<Vec<(u32, Py<PyWeakrefReference>)>>,
    /// The inspector is open: it reads the totals, and takes the failed tasks.
    keeps_accounts: Cell<bool>,
}

/// The recorder, and what feeds it.
struct ActiveRecorder {
    recorder: Rc<Recorder>,
    qt_track: Arc<QtTrack>,
    _qt_events: Observation,
}

/// An observer that does nothing: while there is one, [`activity::times`] measures how long Qt
/// waits.
struct Times;

impl ActivityObserver for Times {
    fn changed(&self, _activity: Activity, _now: Instant) {}
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
    /// The methods of instruments for the steps of tasks are called.
    is_step: bool,
    subject: Subject,
    began: Ticks,
    /// The note for the watchdog that was replaced when the job began.
    noted_before: Option<Arc<str>>,
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
    fn new(in_turns_before: Duration) -> Observed {
        Observed {
            clock: Clock::default(),
            users: Cell::new(0),
            tasks: RefCell::default(),
            places: PythonPlaces::default(),
            totals: RefCell::default(),
            running: RefCell::default(),
            recorder: RefCell::default(),
            instruments: Instruments::default(),
            _activity: activity::observe(Rc::new(Times), false),
            in_turns_before,
            polling: Cell::new(0),
            poll_began: Cell::new(Ticks::UNKNOWN),
            running_task: RefCell::default(),
            depth: Cell::new(0),
            adopted: Cell::new(0),
            failed: RefCell::default(),
            keeps_accounts: Cell::default(),
        }
    }

    /// Returns the recorder, if the loop is being recorded. It has recorded Qt's events so far.
    #[inline]
    fn recorder(&self) -> Option<Rc<Recorder>> {
        let recording = self.recorder.borrow();
        let recording = recording.as_ref()?;
        recording.qt_track.flush(&recording.recorder);
        Some(Rc::clone(&recording.recorder))
    }

    /// Returns the address and the number of the task whose step runs, or zeros.
    fn running_task(&self) -> (usize, u32) {
        let running = self.running.borrow();
        let last = running.last();
        last.map_or((0, 0), |running| (running.address, running.subject.task))
    }

    /// Notes that a job has become ready, scheduled by the task `by`. Returns its subject, without
    /// a place. Calls `notify` with each event of its task.
    fn note_ready(
        &self,
        job: &Job,
        now: Ticks,
        by: (usize, u32),
        notify: impl Fn(Event, &Bound<'_, PyAny>),
    ) -> Subject {
        let stepped = stepped(token(), job);
        let task = stepped.as_ref().map_or(0, |(task, stepped)| {
            let (number, is_new) = self.note_scheduled(task, *stepped, now, by);
            if is_new {
                notify(Event::TaskSpawned, task);
            }
            notify(Event::TaskScheduled, task);
            number
        });
        Subject {
            task,
            place: PlaceId::UNKNOWN,
            priority: job.priority(),
            kind: kind_of(job, stepped.is_some()),
        }
    }

    /// Notes that a step of a task was scheduled. Returns the number of the task, and whether the
    /// task is new.
    fn note_scheduled(
        &self,
        task: &Bound<'_, PyAny>,
        stepped: Stepped,
        now: Ticks,
        by: (usize, u32),
    ) -> (u32, bool) {
        let address = task.as_ptr().addr();
        let mut tasks = self.tasks.borrow_mut();
        // A step that the driver does not run, such as the first one of an eager task, is not known
        // to be running.
        let is_unknown = by.0 == 0 && tasks.contains(address);
        let is_first = stepped == Stepped::Step && !(is_unknown && step::is_suspended(task));
        let (task, is_new) = tasks.scheduled(address, by.0, is_first, now);
        let number = task.number;
        if is_new {
            self.record_new(&mut tasks, number, by.1);
        }
        (number, is_new)
    }

    /// Records that a task was made by another one, and that the tasks that were collected before
    /// have ended.
    fn record_new(&self, tasks: &mut Tasks, number: u32, by: u32) {
        let lost = tasks.take_lost();
        if let Some(recorder) = self.recorder() {
            for task in lost {
                recorder.task_finished(task);
            }
            recorder.task_created(number, "", PlaceId::UNKNOWN, by);
        }
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

    /// Notes that a step of a task begins. Returns the number of the task and the place of its
    /// coroutine, which the first step reads.
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
        if let Some(recorder) = self.recorder() {
            recorder.name_task(number, &named.name, place);
        }
        if let Some(entry) = self.tasks.borrow_mut().get_mut(address) {
            entry.named = Some(named);
        }
        (number, place)
    }

    /// Adopts the job that is running, which steps `task`, if it steps one.
    fn adopt(&self, depth: usize, task: Option<Bound<'_, PyAny>>) {
        let now = self.clock.now();
        self.depth.set(depth);
        self.adopted.set(depth);
        let (number, place) = match &task {
            Some(task) => self.begin_step(task, now),
            None => (0, PlaceId::UNKNOWN),
        };
        let subject = Subject {
            task: number,
            place,
            kind: if task.is_some() {
                JobKind::Step
            } else {
                JobKind::Callback
            },
            ..Subject::default()
        };
        self.push(now, task, subject, false);
    }

    /// Ends the adopted job if a turn of this depth continues or begins.
    fn end_adopted(&self, depth: usize) {
        if depth <= self.adopted.get() {
            self.adopted.set(0);
            self.end_job();
        }
    }

    fn push(&self, began: Ticks, task: Option<Bound<'_, PyAny>>, subject: Subject, is_step: bool) {
        let address = task.as_ref().map_or(0, |task| task.as_ptr().addr());
        let noted_before = self.note_task(address);
        self.running.borrow_mut().push(Running {
            address,
            task: task.map(Bound::unbind),
            is_step,
            subject,
            began,
            noted_before,
        });
    }

    /// Ends the innermost job.
    fn end_job(&self) {
        let Some(running) = self.running.borrow_mut().pop() else {
            return;
        };
        let now = self.clock.now();
        self.restore_note(running.noted_before);
        if self.keeps_accounts.get() {
            self.add(running.subject.place, now.since(running.began));
        }
        if let Some(recorder) = self.recorder() {
            recorder.ends_at(now);
        }
        if let Some(task) = running.task {
            self.end_step(task.into_bound(token()), now, running.is_step);
        }
    }

    /// Notes that the step of a task has returned. If the task is done, it leaves the table.
    fn end_step(&self, task: Bound<'_, PyAny>, now: Ticks, is_step: bool) {
        let address = task.as_ptr().addr();
        let is_done = step::is_done(&task).unwrap_or(false);
        if is_done {
            self.note_failure(&task);
        }
        let mut tasks = self.tasks.borrow_mut();
        if let Some(entry) = tasks.get_mut(address) {
            entry.ends(now);
            if is_done {
                if let Some(recorder) = self.recorder() {
                    recorder.task_finished(entry.number);
                }
                tasks.remove(address);
            }
        }
        drop(tasks);
        if is_done {
            self.instruments.call(Event::TaskExited, &task);
        }
        if is_step {
            self.instruments.call(Event::AfterTaskStep, &task);
        }
        drop(task); // the last reference may run code
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

impl Observed {
    /// Returns how long the loop has polled since the first instrument was turned on.
    pub(super) fn polling(&self) -> Duration {
        let polling = Ticks(self.polling.get());
        Duration::from_nanos(self.clock.nanos(Ticks::UNKNOWN, polling))
    }

    /// Returns how long Qt has processed its own events, and how long it has waited, since the
    /// first instrument was turned on. `in_turns` is the time in turns. `None` on another thread.
    pub(super) fn times(&self, in_turns: Duration) -> Option<(Duration, Duration)> {
        let times = activity::times()?;
        let in_turns = in_turns.saturating_sub(self.in_turns_before);
        Some((times.busy.saturating_sub(in_turns), times.waiting))
    }

    /// Notes that a task was made. No job runs the first step of an eager task, which may be done.
    pub(super) fn created(&self, task: &Bound<'_, PyAny>) {
        if step::is_done(task).unwrap_or(true) {
            self.instruments.call(Event::TaskSpawned, task);
            self.instruments.call(Event::TaskExited, task);
            return;
        }
        let by = self.running_task().1;
        let is_new = {
            let mut tasks = self.tasks.borrow_mut();
            let (task, is_new) = tasks.created(task.as_ptr().addr(), self.clock.now());
            let number = task.number;
            if is_new {
                self.record_new(&mut tasks, number, by);
            }
            is_new
        };
        if is_new {
            self.instruments.call(Event::TaskSpawned, task);
        }
    }

    /// Visits the objects of the user, for the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.places.traverse(visit)?;
        self.instruments.traverse(visit)
    }
}
