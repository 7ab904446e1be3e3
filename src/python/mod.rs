//! The front end of the Python API: the module `qtloop._native`.
//!
//! Code that runs once per callback or per packet is native and here. Code that runs once per
//! connection or per loop is Python, in `python/qtloop`, on top of asyncio's own code. The `unsafe`
//! code of this folder calls CPython's C API, for the most part in `gil`, `handle` (asyncio's
//! slots) and `vectorcall` (the vectorcall convention).

#![allow(unsafe_code)]

mod application;
mod buffer;
mod context;
mod datagrams;
mod endpoint;
mod error;
mod event_loop;
mod flow;
mod gil;
mod handle;
mod job;
mod monitors;
mod nested_loop;
mod observed;
mod priority;
mod run;
mod running;
mod schedule;
mod slice;
mod stack_dump;
mod stall;
mod state;
mod stats;
mod step;
mod stop;
mod stream;
mod vectorcall;
mod virtual_clock;
mod wall_timer;
mod watchdog;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::qt::{app, table};

/// The native module: its classes, and the Qt functions that the Python half calls without a
/// binding.
#[pymodule(gil_used = true)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::datagrams::Datagrams;
    #[pymodule_export]
    use super::endpoint::Endpoint;
    #[pymodule_export]
    use super::monitors::{count_handles, handles, recent_figures, watches};
    #[pymodule_export]
    use super::nested_loop::NestedLoop;
    #[pymodule_export]
    use super::observed::{
        Recording, add_instrument, observe_tasks, place_accounts, remove_instrument,
        start_recording, task_accounts, task_changes,
    };
    #[pymodule_export]
    use super::priority::{check_priority, get_priority, set_priority};
    #[pymodule_export]
    use super::schedule::add_scheduling_methods;
    #[pymodule_export]
    use super::slice::{Yield, yield_if_needed};
    #[pymodule_export]
    use super::stack_dump::StackDump;
    #[pymodule_export]
    use super::state::EventLoop;
    #[pymodule_export]
    use super::stats::stats;
    #[pymodule_export]
    use super::stream::Stream;
    #[pymodule_export]
    use super::virtual_clock::{VirtualClock, hold_time, nanoseconds, use_clock};
    #[pymodule_export]
    use super::wall_timer::WallTimer;
    #[pymodule_export]
    use super::watchdog::Watchdog;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        super::running::init(module.py())?;
        super::handle::init(module)?;
        super::schedule::init(module)
    }

    /// Sets the Qt functions for the rest of the process: the `table` of `qtloop._qt6` or
    /// `_qt5`. Only the first call has an effect. ImportError if the table belongs to another
    /// version of qtloop.
    #[pyfunction]
    fn set_qt_functions(table: &Bound<'_, PyCapsule>) -> PyResult<()> {
        let pointer = table.pointer_checked(Some(c"QtloopTable"))?;
        // SAFETY: only `cpp/python_module.cpp` makes capsules of this name. Their table is static.
        unsafe { table::install(pointer) }.map_err(|version| {
            let needed = table::VERSION;
            PyImportError::new_err(format!(
                "the Qt functions have version {version}, and qtloop._native needs version \
                 {needed}: pip install --force-reinstall qtloop"
            ))
        })
    }

    /// Returns whether there is an application object.
    #[pyfunction]
    fn app_exists() -> bool {
        app::exists()
    }

    /// Calls `callback(event)` on the application's thread when the application is "made", when it
    /// "quits" (aboutToQuit), when the slots of aboutToQuit have returned ("quit done"), when it is
    /// "destroyed", and when a second one is made ("doubled"). None removes the callback.
    #[pyfunction]
    fn watch_application(py: Python<'_>, callback: Option<Py<PyAny>>) {
        super::application::watch(py, callback);
    }

    /// Handles an exception of a slot: sys.excepthook while Qt serves a loop; see
    /// `qtloop._excepthook`. It is native because no bytecode may run after `stop_with`.
    #[pyfunction]
    fn excepthook(
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let report = error.py().import("qtloop._excepthook")?.getattr("report")?;
        let ended = report.call1((kind, error, traceback))?;
        if let Ok(event_loop) = ended.cast::<EventLoop>() {
            let state = event_loop.get().state(error.py());
            state.stop_with(ended.as_any(), PyErr::from_value(error.clone()));
        }
        Ok(())
    }

    /// Makes a QCoreApplication on this thread, unless there is an application already.
    #[pyfunction]
    fn ensure_app() {
        app::ensure(["qtloop"]);
    }

    /// Delivers the events posted to objects of this thread, without a loop.
    #[pyfunction]
    fn send_posted_events(py: Python<'_>) {
        super::gil::release(py, app::send_posted_events);
    }

    /// Returns whether this is the thread of the application object.
    #[pyfunction]
    fn is_main_thread() -> bool {
        app::is_main_thread()
    }

    /// Returns whether the application shows a window.
    #[pyfunction]
    fn has_visible_window() -> bool {
        app::has_visible_window()
    }

    /// Returns the nesting depth of Qt event loops on this thread; 0 if none runs.
    #[pyfunction]
    fn level() -> i32 {
        app::level()
    }

    /// Removes quit events that are still queued after the application has quit for an earlier one.
    #[pyfunction]
    fn forget_quit() {
        app::forget_quit();
    }

    /// Removes quit events when Qt next delivers queued events, also those queued in between.
    #[pyfunction]
    fn forget_quit_soon() {
        app::forget_quit_soon();
    }
}
