//! The priorities of tasks, and of the jobs that they schedule.
//!
//! asyncio's C Task passes two kinds of callback to `call_soon`, its step and its wake-up, and both
//! name the task. So a job finds the priority of its task without a context variable and without
//! another Task class. A table has the tasks whose priority is not the normal one. It is read only
//! while a priority is in use.

use std::cell::{Cell, OnceCell, RefCell};
use std::os::fd::RawFd;
use std::rc::{Rc, Weak};

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyInt, PyTuple};
use rustc_hash::FxHashMap;

use super::gil::GilProtected;
use super::job::Job;
use super::running;
use super::state::{EventLoop, State};
use super::step::{self, Stepped};
use crate::reactor::{Direction, Priority};

/// The tasks of a loop with another priority than the normal one, or to which a program has given
/// that one.
#[derive(Default)]
pub(super) struct TaskPriorities {
    tasks: RefCell<Table>,
    /// The callback of the weak references: it removes a task that was collected.
    collected: OnceCell<Py<PyAny>>,
    /// The highest priority of the tasks that the running job of a watch has woken.
    pub(super) woken: Cell<Option<Priority>>,
}

/// Entries by the address of their task. A task leaves the table when it is done or collected.
#[derive(Default)]
struct Table {
    entries: FxHashMap<usize, Entry>,
    /// The addresses of tasks, by that of the weak reference.
    by_reference: FxHashMap<usize, usize>,
}

struct Entry {
    priority: Priority,
    /// A weak reference to the task.
    task: Py<PyAny>,
}

impl Table {
    /// Adds an entry, and returns that which it replaces.
    fn insert(&mut self, address: usize, entry: Entry) -> Option<Entry> {
        let before = self.remove(address);
        self.by_reference
            .insert(entry.task.as_ptr().addr(), address);
        self.entries.insert(address, entry);
        before
    }

    fn remove(&mut self, address: usize) -> Option<Entry> {
        let entry = self.entries.remove(&address)?;
        self.by_reference.remove(&entry.task.as_ptr().addr());
        Some(entry)
    }
}

impl TaskPriorities {
    fn get(&self, task: &Bound<'_, PyAny>) -> Option<Priority> {
        let tasks = self.tasks.borrow();
        let entry = tasks.entries.get(&address(task))?;
        Some(entry.priority)
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(tasks) = self.tasks.try_borrow() {
            for entry in tasks.entries.values() {
                visit.call(&entry.task)?;
            }
        }
        Ok(())
    }

    /// Empties the table, for a loop that is closed. The caller drops the result outside of
    /// borrows.
    pub(super) fn take(&self) -> impl Sized + use<> {
        self.tasks.take()
    }
}

fn address(object: &Bound<'_, PyAny>) -> usize {
    object.as_ptr().addr()
}

impl State {
    /// Returns the priority of the running job, for what it schedules.
    #[inline]
    pub(super) fn running_priority(&self) -> Priority {
        let driver = self.driver.borrow();
        driver
            .as_ref()
            .map_or(Priority::NORMAL, |driver| driver.priority())
    }

    /// Returns the priority of a job that calls `callback`: that of the task that it steps, or that
    /// of the running job.
    pub(super) fn job_priority(
        self: &Rc<Self>,
        callback: &Bound<'_, PyAny>,
        running: Priority,
    ) -> Priority {
        let Some((task, stepped)) = step::of(callback) else {
            return running;
        };
        match (self.priorities.get(&task), stepped) {
            (Some(priority), Stepped::Step) => priority,
            (Some(priority), Stepped::WakeUp) => {
                self.note_woken(priority);
                priority
            }
            // A step of a task that is not in the table is its first one. The task schedules later
            // ones itself, and then runs with the normal priority.
            (None, Stepped::Step) if running != Priority::NORMAL => self.add_task(&task, running),
            (None, Stepped::Step) => running,
            (None, Stepped::WakeUp) => {
                self.note_woken(Priority::NORMAL);
                Priority::NORMAL
            }
        }
    }

    fn note_woken(&self, priority: Priority) {
        let highest = self.priorities.woken.get();
        let highest = highest.map_or(priority, |highest| highest.min(priority));
        self.priorities.woken.set(Some(highest));
    }

    /// Runs the job of a watch. If it wakes tasks, the watch has the highest priority of these from
    /// now on, unless its own is higher. So a connection that one task has made serves a task of a
    /// higher priority from the second event on.
    pub(super) fn run_watch(
        &self,
        fd: RawFd,
        direction: Direction,
        job: &Job,
        run: impl FnOnce() -> PyResult<()>,
    ) -> PyResult<()> {
        let outer = self.priorities.woken.take();
        let result = run();
        let woken = self.priorities.woken.replace(outer);
        if let Some(woken) = woken
            && woken != job.priority
            && let Ok(driver) = self.driver()
        {
            driver.change_watch(fd, direction, |watch| {
                if watch.object.is(&*job.object) {
                    watch.rise_to(woken);
                }
            });
        }
        result
    }

    /// Adds a task to the table, and returns its priority.
    fn add_task(self: &Rc<Self>, task: &Bound<'_, PyAny>, priority: Priority) -> Priority {
        let py = task.py();
        let entry = self.collected(py).and_then(|collected| {
            let weak = py.import("weakref")?.getattr("ref")?;
            let task = weak.call1((task, collected))?.unbind();
            Ok(Entry { priority, task })
        });
        match (entry, self.driver()) {
            (Ok(entry), Ok(driver)) => {
                driver.retain(priority);
                let before = self
                    .priorities
                    .tasks
                    .borrow_mut()
                    .insert(address(task), entry);
                if let Some(before) = before {
                    driver.release(before.priority);
                }
                priority
            }
            // Without a weak reference the task could not leave the table.
            _ => Priority::NORMAL,
        }
    }

    /// Returns the callback for weak references. It removes the task of a reference.
    fn collected<'py>(self: &Rc<Self>, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        if self.priorities.collected.get().is_none() {
            let state = GilProtected::new(Rc::downgrade(self));
            let collected =
                move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
                    if let Some(state) = Weak::upgrade(state.get(args.py())) {
                        state.remove_reference(&args.get_item(0)?);
                    }
                    Ok(())
                };
            let function = PyCFunction::new_closure(py, None, None, collected)?;
            let _ = self.priorities.collected.set(function.into_any().unbind());
        }
        let collected = self.priorities.collected.get().expect("set above");
        Ok(collected.bind(py))
    }

    fn remove_reference(&self, reference: &Bound<'_, PyAny>) {
        let mut tasks = self.priorities.tasks.borrow_mut();
        let found = tasks.by_reference.get(&address(reference)).copied();
        let entry = found.and_then(|address| tasks.remove(address));
        drop(tasks);
        self.release(entry);
    }

    /// Removes a task from the table, if it is there.
    fn remove_task(&self, task: &Bound<'_, PyAny>) {
        let entry = self.priorities.tasks.borrow_mut().remove(address(task));
        self.release(entry);
    }

    fn release(&self, entry: Option<Entry>) {
        if let (Some(entry), Ok(driver)) = (entry, self.driver()) {
            driver.release(entry.priority);
        }
    }

    /// Removes the task that a job has stepped from the table, if it is done.
    pub(super) fn forget_if_done(&self, py: Python<'_>, job: &Job) -> PyResult<()> {
        let callback = job.callback(py);
        if let Some((task, _)) = callback.and_then(|callback| step::of(&callback))
            && self.priorities.get(&task).is_some()
            && step::is_done(&task)?
        {
            self.remove_task(&task);
        }
        Ok(())
    }

    /// Returns the priority of a task.
    fn task_priority(&self, task: &Bound<'_, PyAny>) -> PyResult<Priority> {
        if let Some(priority) = self.priorities.get(task) {
            return Ok(priority);
        }
        // An eager task is not in the table during its first step.
        Ok(if is_current(task)? {
            self.running_priority()
        } else {
            Priority::NORMAL
        })
    }

    /// Makes a task by `make`, with a priority or, without one, with that of the running job.
    pub(super) fn with_priority<'py>(
        self: &Rc<Self>,
        priority: Option<Priority>,
        make: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let driver = self.driver()?;
        let priority = priority.unwrap_or_else(|| driver.priority());
        // A task that is made schedules its first step, or begins it if it is eager.
        let (made, priority) = driver.with_priority(priority, make);
        let made = made?;
        let is_known = self.priorities.get(&made).is_some();
        if (is_known || priority != Priority::NORMAL) && step::is_task(&made) {
            if step::is_done(&made)? {
                self.remove_task(&made);
            } else if !is_known {
                // The first step of an eager task is not scheduled.
                self.add_task(&made, priority);
            }
        }
        Ok(made)
    }

    fn set_task_priority(self: &Rc<Self>, task: &Bound<'_, PyAny>, to: Priority) -> PyResult<()> {
        let py = task.py();
        let from = self.task_priority(task)?;
        if from == to || step::is_done(task)? {
            return Ok(());
        }
        let driver = self.driver()?;
        // Keep the lane in use until the jobs have moved.
        driver.retain(from);
        self.add_task(task, to);
        let change = |job: &mut Job| {
            let moves = job.callback(py).and_then(|callback| step::of(&callback));
            let moves = moves.is_some_and(|(stepped, _)| stepped.is(task));
            if moves {
                job.priority = to;
            }
            moves
        };
        driver.requeue(from, change);
        for (_, job) in self.deferred.borrow_mut().iter_mut() {
            change(job);
        }
        driver.release(from);
        if is_current(task)? {
            driver.change_priority(to);
        }
        Ok(())
    }
}

/// Returns whether a task is the current one of its loop.
fn is_current(task: &Bound<'_, PyAny>) -> PyResult<bool> {
    let current = running::current_task(&step::event_loop(task)?)?;
    Ok(current.is_some_and(|current| current.is(task)))
}

/// Reads a priority that a program has passed.
pub(super) fn read(number: &Bound<'_, PyAny>) -> PyResult<Priority> {
    let is_number = number.is_instance_of::<PyInt>() || number.hasattr("__index__")?;
    if !is_number {
        return Err(PyTypeError::new_err(format!(
            "priority must be a whole number, such as qtloop.Priority.HIGH, not {}",
            number.repr()?
        )));
    }
    let py = number.py();
    let priority = match number.extract::<i8>() {
        Err(error) if !error.is_instance_of::<PyOverflowError>(py) => return Err(error),
        small => small.ok().and_then(Priority::new),
    };
    priority.ok_or_else(|| {
        PyValueError::new_err(format!(
            "priority must be from -100 (qtloop.Priority.HIGH) to 100 (qtloop.Priority.LOW), not {number}"
        ))
    })
}

/// Raises the exception for a priority that is not one.
#[pyfunction]
pub(super) fn check_priority(priority: &Bound<'_, PyAny>) -> PyResult<()> {
    read(priority).map(drop)
}

/// Returns the state of the loop of a task.
fn state_of(task: &Bound<'_, PyAny>) -> PyResult<Rc<State>> {
    let py = task.py();
    if !step::is_task(task) {
        return Err(PyTypeError::new_err(format!(
            "an asyncio.Task is required, not {}",
            task.repr()?
        )));
    }
    let event_loop = step::event_loop(task)?;
    match event_loop.cast::<EventLoop>() {
        Ok(event_loop) => Ok(Rc::clone(event_loop.get().state(py))),
        Err(_) => Err(PyTypeError::new_err(format!(
            "only the tasks of a QEventLoop have a priority; this one belongs to {}",
            event_loop.repr()?
        ))),
    }
}

/// Returns the priority of a task of a `QEventLoop`, from -100 to 100; 0 if it is done. Call it on
/// the loop's thread. TypeError for other tasks and objects.
#[pyfunction]
pub(super) fn get_priority(task: &Bound<'_, PyAny>) -> PyResult<i8> {
    Ok(state_of(task)?.task_priority(task)?.get())
}

/// Sets the priority of a task of a `QEventLoop`, from -100 to 100. Its step that is queued moves
/// behind those of that priority. Timers that it has started keep theirs. A watch or connection
/// that wakes the task rises to a higher priority at that event. No effect if the task is done.
/// Call it on the loop's thread.
///
/// TypeError for other tasks and objects, ValueError for other numbers.
#[pyfunction]
pub(super) fn set_priority(task: &Bound<'_, PyAny>, priority: &Bound<'_, PyAny>) -> PyResult<()> {
    let priority = read(priority)?;
    state_of(task)?.set_task_priority(task, priority)
}
