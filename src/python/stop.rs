//! Stops a loop: by `stop()`, or by an exception that the caller of `run_forever` must see.

use pyo3::prelude::*;

use super::error::is_fatal;
use super::running;
use super::state::State;
use crate::qt::app;

impl State {
    /// Stops the loop with an error, as [`State::fail`] does in most cases. But outside a run and
    /// an attach(), no code of this library can raise a KeyboardInterrupt or SystemExit of the main
    /// thread: then the program's own `exec()` is exited, and the error is raised where that
    /// returns.
    ///
    /// No bytecode may run between this call and the return to Qt: the error would be raised in it.
    pub(super) fn stop_with(&self, event_loop: &Bound<'_, PyAny>, error: PyErr) {
        let py = event_loop.py();
        if self.is_owned.get() || !is_fatal(py, &error) || !running::raise_in_main(py, &error) {
            self.fail(event_loop, error);
        } else if !self.is_quitting.get() {
            self.exit_unrun(event_loop);
        }
    }

    /// Stops the loop with an error, which this run or the next one raises, or `close()`. The first
    /// error is kept; a later one is only reported.
    pub(super) fn fail(&self, event_loop: &Bound<'_, PyAny>, error: PyErr) {
        let first = self.fatal.borrow().is_none();
        if first {
            self.fatal.replace(Some(error));
        } else {
            error.write_unraisable(event_loop.py(), Some(event_loop));
        }
        self.stop(event_loop);
    }

    /// Exits the Qt loop that serves this loop: that of the run, after the current batch, or the
    /// program's own `exec()`, at once. If it is called on another thread, a turn of the loop does
    /// it. If there is no Qt loop, the next run ends after its first batch, as in asyncio.
    pub(super) fn stop(&self, event_loop: &Bound<'_, PyAny>) {
        let Ok(driver) = self.driver() else { return };
        if driver.is_run() || (driver.is_attached() && !driver.is_here()) {
            driver.stop();
        } else if !self.is_quitting.get() && !self.exit_unrun(event_loop) {
            // In a slot of aboutToQuit the program's exec() is about to return anyway.
            driver.stop_next_run();
        }
    }

    /// Exits the Qt loop of the run, and the nested ones in which Python code waits.
    pub(super) fn exit_run(&self) {
        for nested_loop in &*self.nested_loops.borrow() {
            nested_loop.exit(0);
        }
        let host_loop = self.host_loop.borrow().clone();
        if let Some(host_loop) = host_loop {
            host_loop.exit();
        }
    }

    /// Exits the program's own `exec()`, outside of a run. Returns false if there is none, or if it
    /// serves a callback of another loop.
    fn exit_unrun(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        let running = running::running_loop(event_loop.py()).ok().flatten();
        let is_another = running.is_some_and(|running| !running.is(event_loop));
        !is_another && self.exit_exec()
    }

    /// Does what `exit_unrun` does. The caller knows that the running loop is this one or none.
    pub(super) fn exit_exec(&self) -> bool {
        if app::level() == 0 || self.is_inside_another.get() {
            return false;
        }
        for nested_loop in &*self.nested_loops.borrow() {
            nested_loop.exit(0);
        }
        if app::is_main_thread() {
            app::exit(0);
        } else {
            app::thread_exit(0);
        }
        true
    }
}
