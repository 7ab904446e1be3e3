//! Turns of the Python front end: runs handles and transports, and reports their errors.
//!
//! In a turn inside a task's step, as in a modal dialog, the `contextvars` context of a handle may
//! be in use by a caller on the stack, and cannot be entered. Such a handle is deferred: it is
//! queued again when that caller may have returned.

use pyo3::exceptions::PyRecursionError;
use pyo3::intern;
use pyo3::prelude::*;

use super::datagrams::Datagrams;
use super::endpoint::Endpoint;
use super::error::{is_fatal, os_error, report};
use super::job::{Job, Kind};
use super::running::{self, ThreadState};
use super::slice;
use super::state::{State, this_thread};
use super::stream::Stream;
use crate::driver::Turn;
use crate::reactor::{Direction, Priority, Queueable};

impl State {
    /// Runs one turn, on the loop's thread. `event_loop` is the Python object, an instance of a
    /// subclass of `EventLoop`. An error that stops the loop is passed to [`State::stop_with`].
    pub(super) fn turn(&self, event_loop: &Bound<'_, PyAny>, mut turn: Turn<Job>) {
        let py = event_loop.py();
        let depth = turn.depth();
        if let Err(error) = py.check_signals() {
            return self.stop_with(event_loop, error);
        }
        let outer = match ThreadState::replace(event_loop) {
            Ok(outer) => outer,
            // No job has run; all stay queued for the next turn.
            Err(error) if is_fatal(py, &error) => return self.stop_with(event_loop, error),
            Err(error) => return error.write_unraisable(py, Some(event_loop)),
        };
        let _entered = self.driver().ok().as_ref().map(slice::enter);
        let is_nested = depth > 1 || outer.has_task();
        let before = (self.thread_id.get(), self.is_inside_another.get());
        let woken = self.priorities.woken.take();
        let mut result = Ok(());
        if outer.is_foreign_to(event_loop) {
            self.thread_id.set(Some(this_thread(py)));
            if before.0.is_none() && self.debug.get() {
                result = track_origins(event_loop, true);
            }
        }
        self.is_inside_another
            .set(outer.is_another_loop(event_loop));
        self.retry_deferred(depth);
        let mut has_begun = false;
        let mut has_room = true;
        if is_nested {
            self.nested_turns.set(self.nested_turns.get() + 1);
            turn.rest_if_spinning();
            // If the stack has no room, a callback would be lost, and so would the report of its
            // error.
            has_room = match event_loop.call_method0(intern!(py, "_has_room")) {
                Err(error) if !error.is_instance_of::<PyRecursionError>(py) => {
                    result = result.and(Err(error));
                    false
                }
                room => room.is_ok(),
            };
        }
        while has_room && result.is_ok() {
            if turn.take_polled() {
                // Otherwise a chain of short callbacks would keep the GIL for the interpreter's
                // switch interval, 5 ms, each time that another thread needs it.
                if !std::mem::replace(&mut has_begun, true) {
                    self.gil_sharing.begin_turn(turn.now());
                }
                self.gil_sharing.share(py, turn.now());
            }
            let Some(job) = turn.next() else {
                if turn.linger(|linger| self.gil_sharing.sleep(py, || linger.wait())) {
                    continue;
                }
                break;
            };
            result = self.run(event_loop, &job, is_nested, depth);
            self.bring_back(depth);
        }
        if let Ok(driver) = self.driver()
            && let Some(error) = driver.take_error()
        {
            result = result.and(Err(os_error(error)));
        }
        if let Err(error) = result {
            outer.wake_for(event_loop, &error);
            self.stop_with(event_loop, error);
        }
        self.gil_sharing.end_turn(turn.now());
        drop(turn);
        if outer.is_foreign_to(event_loop) && before.0.is_none() && self.debug.get() {
            let _ = track_origins(event_loop, false);
        }
        outer.restore(event_loop);
        self.priorities.woken.set(woken);
        self.thread_id.set(before.0);
        self.is_inside_another.set(before.1);
        if !self.deferred.borrow().is_empty()
            && let Ok(driver) = self.driver()
        {
            driver.retry_soon();
        }
    }

    /// Runs one job: a direction of a transport, or a handle, which is deferred if its context is
    /// in use. Returns only errors that stop the loop.
    fn run(
        &self,
        event_loop: &Bound<'_, PyAny>,
        job: &Job,
        is_nested: bool,
        depth: usize,
    ) -> PyResult<()> {
        let py = event_loop.py();
        if let Kind::Transport(direction) = job.kind {
            return self.run_transport(event_loop, job, direction);
        }
        job.unschedule(py);
        if job.is_cancelled(py) {
            if let (Some((fd, direction)), Ok(driver)) = (job.watched(py), self.driver()) {
                // The handle was cancelled directly and not by `remove_reader`: deregister it.
                drop(driver.unwatch(fd, direction, |watched| watched.object.is(&*job.object)));
            }
            return Ok(());
        }
        if is_nested && !job.can_enter(py) {
            self.deferred.borrow_mut().push((depth, job.repeat()));
            return Ok(());
        }
        let call = || {
            if self.debug.get() {
                // asyncio's own `Handle._run`, timed.
                event_loop
                    .call_method1(intern!(py, "_run_handle"), (&*job.object,))
                    .map(drop)
            } else {
                job.call(py)
            }
        };
        let mut result = match job.watched(py) {
            None => call(),
            Some((fd, direction)) => {
                let result = self.run_watch(fd, direction, job, call);
                if let Ok(driver) = self.driver() {
                    driver.rearm(fd, direction, |watched| watched.object.is(&*job.object));
                }
                result
            }
        };
        if job.priority != Priority::NORMAL || self.running_priority() != Priority::NORMAL {
            result = result.and(self.forget_if_done(py, job));
        }
        if self.is_forked.get() {
            self.is_forked.set(depth > 1);
            result = running::leave_forked_task(event_loop, result);
        }
        report(event_loop, result, |error| {
            event_loop.call_method1(intern!(py, "_handle_failed"), (&*job.object, error))
        })
    }

    /// Runs one direction of a transport. Returns only errors that stop the loop.
    fn run_transport(
        &self,
        event_loop: &Bound<'_, PyAny>,
        job: &Job,
        direction: Direction,
    ) -> PyResult<()> {
        let py = event_loop.py();
        let transport = job.object.bind(py);
        let io = transport.getattr(intern!(py, "_io"))?;
        let endpoint = io.cast::<Endpoint>()?.get();
        let run = || {
            if self.debug.get() {
                let arguments = (transport, direction == Direction::Write);
                return event_loop
                    .call_method1(intern!(py, "_run_transport"), arguments)
                    .map(drop);
            }
            endpoint.run(py, direction, || match io.cast::<Stream>() {
                Ok(stream) => Stream::work(stream, transport, direction),
                Err(_) => Datagrams::work(io.cast()?, transport, direction),
            })
        };
        let fd = endpoint.get(py).descriptor();
        let result = self.run_watch(fd, direction, job, run);
        report(event_loop, result, |error| {
            let arguments = (transport, direction == Direction::Write, error);
            event_loop.call_method1(intern!(py, "_transport_failed"), arguments)
        })
    }

    /// Queues deferred handles again when a turn of this depth begins. They may have waited for a
    /// context that was entered outside of any turn, such as that of a task started eagerly in a
    /// slot.
    fn retry_deferred(&self, depth: usize) {
        self.bring_back(depth - 1);
    }

    /// Called when a job at this depth has returned. Moves the handles that turns inside the job
    /// have deferred to the front of the queue, because the job may have used their context.
    #[inline]
    fn bring_back(&self, depth: usize) {
        if !self.deferred.borrow().is_empty() {
            self.bring_back_deferred(depth);
        }
    }

    #[cold]
    fn bring_back_deferred(&self, depth: usize) {
        let (back, stay): (Vec<_>, Vec<_>) = self
            .deferred
            .take()
            .into_iter()
            .partition(|(deeper, _)| *deeper > depth);
        self.deferred.replace(stay);
        if let Ok(driver) = self.driver() {
            for (_, job) in back.into_iter().rev() {
                driver.push_front(job);
            }
        }
    }
}

/// Switches the tracking of coroutine origins, for asyncio's debug mode.
fn track_origins(event_loop: &Bound<'_, PyAny>, on: bool) -> PyResult<()> {
    let name = intern!(event_loop.py(), "_set_coroutine_origin_tracking");
    event_loop.call_method1(name, (on,)).map(drop)
}
