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

use self::places::PythonPlaces;
use self::python::{Event, Instruments};
use self::qt_track::QtTrack;
use self::tasks::{Named, Task, Tasks};

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
    /// The time at which the last job has ended. Unknown if code of the program may have run since.
    ended: Cell<Ticks>,
    /// The time at which the last poll has ended.
    polled: Cell<Ticks>,
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
    is_recording: Cell<bool>,
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
    task: Option<(Py<PyAny>, Rc<Task>)>,
    /// Unknown if no times were needed when it began.
    began: Ticks,
    subject: Subject,
    /// The methods of instruments for the steps of tasks are called.
    is_step: bool,
}

/// Returns the token of the GIL.
fn token<'py>() -> Python<'py> {
    // SAFETY: jobs are queued and run with the GIL held, see `Job`.
    unsafe { Python::assume_attached() }
}

/// Returns the task that a job steps.
#[inline]
fn stepped<'py>(py: Python<'py>, job: &Job) -> Option<(Bound<'py, PyAny>, Stepped)> {
    // SAFETY: `step::of` runs no Python code.
    let callback = unsafe { job.borrowed_callback(py)? };
    step::of(&callback)
}

impl Observed {
    fn new(in_turns_before: Duration) -> Observed {
        let clock = Clock::default();
        Observed {
            clock: clock.clone(),
            users: Cell::new(0),
            tasks: RefCell::default(),
            places: PythonPlaces::default(),
            totals: RefCell::default(),
            running: RefCell::default(),
            ended: Cell::new(Ticks::UNKNOWN),
            polled: Cell::new(clock.now()),
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
            is_recording: Cell::default(),
        }
    }

    /// Passes the recorder to `record`, if the loop is being recorded. It has recorded Qt's events
    /// so far. `record` runs no Python code.
    #[inline]
    fn record<R>(&self, record: impl FnOnce(&Recorder) -> R) -> Option<R> {
        if !self.is_recording.get() {
            return None;
        }
        let recording = self.recorder.borrow();
        let ActiveRecorder {
            recorder, qt_track, ..
        } = recording.as_ref()?;
        qt_track.flush(recorder);
        Some(record(recorder))
    }

    /// Returns whether the times of jobs are needed, also those of jobs that step no task.
    #[inline]
    fn is_timing(&self) -> bool {
        self.is_recording.get() || self.keeps_accounts.get()
    }

    /// Returns the time, or that of the last poll if no times of jobs are needed.
    #[inline]
    fn now(&self) -> Ticks {
        if self.is_timing() {
            self.clock.now()
        } else {
            self.polled.get()
        }
    }

    /// Notes that a step of a task was scheduled, by a step of the task `by`. Returns the number of
    /// the task, and whether the task is new.
    fn note_scheduled(
        &self,
        task: &Bound<'_, PyAny>,
        stepped: Stepped,
        now: Ticks,
        by: Option<&(Py<PyAny>, Rc<Task>)>,
    ) -> (u32, bool) {
        let address = task.as_ptr().addr();
        if let Some((running, entry)) = by
            && running.as_ptr().addr() == address
        {
            entry.scheduled(true, now);
            return (entry.number, false);
        }
        let mut tasks = self.tasks.borrow_mut();
        // A step that the driver does not run, such as the first one of an eager task, is not known
        // to be running.
        let is_unknown = by.is_none() && tasks.get(address).is_some();
        let is_first = stepped == Stepped::Step && !(is_unknown && step::is_suspended(task));
        let (entry, is_new) = tasks.scheduled(address, is_first, now);
        entry.scheduled(false, now);
        let number = entry.number;
        if is_new {
            self.record_new(&mut tasks, number, by.map_or(0, |(_, entry)| entry.number));
        }
        (number, is_new)
    }

    /// Records that a task was made by another one, and that the tasks that were collected before
    /// have ended.
    fn record_new(&self, tasks: &mut Tasks, number: u32, by: u32) {
        let lost = tasks.take_lost();
        self.record(|recorder| {
            for task in lost {
                recorder.task_finished(task);
            }
            recorder.task_created(number, "", PlaceId::UNKNOWN, by);
        });
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

    /// Notes that a step of a task begins. Returns the entry of the task, and the place of its
    /// coroutine, which the first step reads.
    fn begin_step(&self, task: &Bound<'_, PyAny>, now: Ticks) -> (Rc<Task>, PlaceId) {
        let address = task.as_ptr().addr();
        let known = self.tasks.borrow().get(address).map(Rc::clone);
        let entry = match known {
            Some(entry) => entry,
            None => Rc::clone(self.tasks.borrow_mut().seen(address, now).0),
        };
        entry.begins(now);
        if let Some(named) = entry.named.get() {
            let place = named.place;
            return (entry, place);
        }
        let named = self.name(task);
        let place = named.place;
        self.record(|recorder| recorder.name_task(entry.number, &named.name, place));
        let _ = entry.named.set(named); // the code of a name may have run a step of this task
        self.note_name(&entry);
        (entry, place)
    }

    /// Adopts the job that is running, which steps `task`, if it steps one.
    fn adopt(&self, depth: usize, task: Option<Bound<'_, PyAny>>) {
        let now = self.clock.now();
        self.depth.set(depth);
        self.adopted.set(depth);
        let mut subject = Subject::default();
        let task = task.map(|task| {
            let (entry, place) = self.begin_step(&task, now);
            subject.task = entry.number;
            subject.place = place;
            subject.kind = JobKind::Step;
            (task.unbind(), entry)
        });
        self.push(now, task, subject, false);
    }

    /// Ends the adopted job if a turn of this depth continues or begins.
    fn end_adopted(&self, depth: usize) {
        if depth <= self.adopted.get() {
            self.adopted.set(0);
            self.end_job();
        }
    }

    #[inline(always)] // otherwise it is built in memory and read back in pieces, which stalls
    fn push(
        &self,
        began: Ticks,
        task: Option<(Py<PyAny>, Rc<Task>)>,
        subject: Subject,
        is_step: bool,
    ) {
        let mut running = self.running.borrow_mut();
        running.push(Running {
            task,
            began,
            subject,
            is_step,
        });
        self.note_task(running.last());
    }

    /// Ends the innermost job.
    fn end_job(&self) {
        let mut all = self.running.borrow_mut();
        let Some(running) = all.pop() else { return };
        self.note_task(all.last());
        drop(all);
        if running.task.is_none() && !self.is_timing() {
            return;
        }
        let now = self.now();
        self.ended.set(now);
        if self.keeps_accounts.get() && running.began.is_known() {
            self.add(running.subject.place, now.since(running.began));
        }
        self.record(|recorder| recorder.ends_at(now));
        if let Some((task, entry)) = running.task {
            self.end_step(task.into_bound(token()), &entry, now, running.is_step);
        }
    }

    /// Notes that the step of a task has returned. If the task is done, it leaves the table.
    fn end_step(&self, task: Bound<'_, PyAny>, entry: &Rc<Task>, now: Ticks, is_step: bool) {
        entry.ends(now);
        // A task that has scheduled its next step is not done.
        let is_done = !entry.is_scheduled() && step::is_done(&task).unwrap_or(false);
        if is_done {
            self.note_failure(&task, entry);
            self.record(|recorder| recorder.task_finished(entry.number));
            self.tasks.borrow_mut().remove(task.as_ptr().addr(), entry);
            self.instruments.call(Event::TaskExited, &task);
        }
        if is_step {
            self.instruments.call(Event::AfterTaskStep, &task);
        }
        if is_done || is_step {
            drop(task); // the last reference may run code, as an instrument does
            self.ended.set(Ticks::UNKNOWN);
        }
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
        let by = self.running.borrow().last().map_or(0, |by| by.subject.task);
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
