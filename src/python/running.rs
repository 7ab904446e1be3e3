//! asyncio's running loop and current task of this thread, which a turn replaces and restores.
//!
//! A turn may begin in a slot, inside a task's step (a modal dialog) or inside another loop's turn.
//! For the time of the turn its loop is the running loop, and no task is current. asyncio's own C
//! functions do the replacement: no Python code runs in which a signal handler could raise.

use std::ffi::{c_int, c_void};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::error::is_fatal;

/// The functions of asyncio that this module calls.
struct Functions {
    running_loop: Py<PyAny>,
    set_running_loop: Py<PyAny>,
    current_task: Py<PyAny>,
    /// From Python 3.12 on.
    swap_current_task: Option<Py<PyAny>>,
    enter_task: Py<PyAny>,
    leave_task: Py<PyAny>,
    get_asyncgen_hooks: Py<PyAny>,
    set_asyncgen_hooks: Py<PyAny>,
}

static FUNCTIONS: PyOnceLock<Functions> = PyOnceLock::new();

fn functions(py: Python<'_>) -> PyResult<&Functions> {
    FUNCTIONS.get_or_try_init(py, || {
        // Import asyncio first: if `_asyncio` imported it, asyncio would find an incomplete
        // `_asyncio` and use its Python code instead.
        py.import("asyncio")?;
        let native = py.import("_asyncio")?;
        let sys = py.import("sys")?;
        let current_task = match native.getattr_opt("current_task")? {
            Some(function) => function,
            // Before Python 3.12 the function is Python code, in which a pending call could raise.
            None => py
                .import("asyncio.tasks")?
                .getattr("_current_tasks")?
                .getattr("get")?,
        };
        Ok(Functions {
            running_loop: native.getattr("_get_running_loop")?.unbind(),
            set_running_loop: native.getattr("_set_running_loop")?.unbind(),
            current_task: current_task.unbind(),
            swap_current_task: native.getattr_opt("_swap_current_task")?.map(Bound::unbind),
            enter_task: native.getattr("_enter_task")?.unbind(),
            leave_task: native.getattr("_leave_task")?.unbind(),
            get_asyncgen_hooks: sys.getattr("get_asyncgen_hooks")?.unbind(),
            set_asyncgen_hooks: sys.getattr("set_asyncgen_hooks")?.unbind(),
        })
    })
}

/// Returns the thread's running loop; `None` if there is none.
pub(super) fn running_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let running = functions(py)?.running_loop.bind(py).call0()?;
    Ok(Some(running).filter(|running| !running.is_none()))
}

/// Returns the current task of a loop; `None` if none is current.
pub(super) fn current_task<'py>(
    event_loop: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = event_loop.py();
    let current = functions(py)?.current_task.bind(py).call1((event_loop,))?;
    Ok(Some(current).filter(|current| !current.is_none()))
}

fn set_running_loop(py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let set = functions(py)?.set_running_loop.bind(py);
    set.call1((event_loop,)).map(drop)
}

/// Makes `task` the current task of `event_loop`, and returns the previous one. From Python 3.14 on
/// the loop must be the running one.
fn swap_current_task<'py>(
    event_loop: &Bound<'py, PyAny>,
    task: Option<Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = event_loop.py();
    let functions = functions(py)?;
    let before = current_task(event_loop)?;
    if let Some(swap) = &functions.swap_current_task {
        // The first releases of 3.12 raise KeyError if there is no task to remove.
        if before.is_some() || task.is_some() {
            swap.bind(py).call1((event_loop, task))?;
        }
    } else {
        if let Some(before) = &before {
            functions.leave_task.bind(py).call1((event_loop, before))?;
        }
        if let Some(task) = task {
            functions.enter_task.bind(py).call1((event_loop, task))?;
        }
    }
    Ok(before)
}

/// The state of the thread before a turn: the running loop with its current task, and the hooks for
/// asynchronous generators.
pub(super) struct ThreadState<'py> {
    event_loop: Option<Bound<'py, PyAny>>,
    task: Option<Bound<'py, PyAny>>,
    /// `None` if the turn's loop was the running one.
    hooks: Option<Bound<'py, PyAny>>,
}

impl<'py> ThreadState<'py> {
    /// Makes `event_loop` the running loop, without a current task.
    pub(super) fn replace(event_loop: &Bound<'py, PyAny>) -> PyResult<ThreadState<'py>> {
        let py = event_loop.py();
        let running = running_loop(py)?;
        // Remove the task first, while its loop is still the running one.
        let task = match &running {
            Some(running) => swap_current_task(running, None)?,
            None => None,
        };
        let mut outer = ThreadState {
            event_loop: running,
            task,
            hooks: None,
        };
        if outer.is_foreign_to(event_loop) {
            let replaced = outer.replace_loop(event_loop);
            if let Err(error) = replaced {
                outer.restore(event_loop);
                return Err(error);
            }
        }
        Ok(outer)
    }

    fn replace_loop(&mut self, event_loop: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        let functions = functions(py)?;
        let hooks = PyDict::new(py);
        hooks.set_item(
            intern!(py, "firstiter"),
            event_loop.getattr(intern!(py, "_asyncgen_firstiter_hook"))?,
        )?;
        hooks.set_item(
            intern!(py, "finalizer"),
            event_loop.getattr(intern!(py, "_asyncgen_finalizer_hook"))?,
        )?;
        self.hooks = Some(functions.get_asyncgen_hooks.bind(py).call0()?);
        set_running_loop(py, Some(event_loop))?;
        let set = functions.set_asyncgen_hooks.bind(py);
        set.call((), Some(&hooks)).map(drop)
    }

    /// Returns whether another loop, or none, was running.
    pub(super) fn is_foreign_to(&self, event_loop: &Bound<'py, PyAny>) -> bool {
        self.event_loop
            .as_ref()
            .is_none_or(|outer| !outer.is(event_loop))
    }

    /// Returns whether another loop was running.
    pub(super) fn is_another_loop(&self, event_loop: &Bound<'py, PyAny>) -> bool {
        self.event_loop.is_some() && self.is_foreign_to(event_loop)
    }

    /// Returns whether the turn is inside a task's step.
    pub(super) fn has_task(&self) -> bool {
        self.task.is_some()
    }

    /// Wakes the loop that was running, if it is another one, before a fatal error is set for the
    /// main thread: the bytecode of the queued callback raises it.
    pub(super) fn wake_for(&self, event_loop: &Bound<'py, PyAny>, error: &PyErr) {
        let py = event_loop.py();
        if let Some(outer) = &self.event_loop
            && self.is_another_loop(event_loop)
            && is_fatal(py, error)
        {
            let nothing = event_loop.getattr(intern!(py, "_has_room"));
            let name = intern!(py, "call_soon_threadsafe");
            let queued = nothing.and_then(|nothing| outer.call_method1(name, (nothing, 0)));
            if let Err(error) = queued {
                error.write_unraisable(py, Some(outer));
            }
        }
    }

    /// Restores the state. `event_loop` is the turn's loop, for the report of an error.
    pub(super) fn restore(self, event_loop: &Bound<'py, PyAny>) {
        let py = event_loop.py();
        let mut results = Vec::new();
        if let Some(hooks) = &self.hooks {
            results.push(set_running_loop(py, self.event_loop.as_ref()));
            results.push(functions(py).and_then(|functions| {
                let hooks = (hooks.get_item(0)?, hooks.get_item(1)?);
                functions.set_asyncgen_hooks.bind(py).call1(hooks).map(drop)
            }));
        }
        if let (Some(outer), Some(task)) = (&self.event_loop, self.task) {
            results.push(swap_current_task(outer, Some(task)).map(drop));
        }
        for error in results.into_iter().filter_map(Result::err) {
            error.write_unraisable(py, Some(event_loop));
        }
    }
}

/// In a forked child, resets the current task after the step that has forked. asyncio resets the
/// running loop in the child, and from Python 3.14 on it cannot leave a task without a running
/// loop: the step fails, the task stays the current one, and no other task can be entered. Returns
/// the result of the step itself.
#[cold]
pub(super) fn leave_forked_task(
    event_loop: &Bound<'_, PyAny>,
    result: PyResult<()>,
) -> PyResult<()> {
    let py = event_loop.py();
    if running_loop(py)?.is_none() {
        set_running_loop(py, Some(event_loop))?;
    }
    swap_current_task(event_loop, None)?;
    match result {
        Err(error) if error.to_string().ends_with("is not the running loop") => {
            let before = error.value(py).getattr("__context__")?;
            if before.is_none() {
                Ok(())
            } else {
                Err(PyErr::from_value(before))
            }
        }
        other => other,
    }
}

/// Makes the main thread raise an error before its next bytecode, as a signal handler does. Returns
/// false on another thread, and if too many calls are pending.
pub(super) fn raise_in_main(py: Python<'_>, error: &PyErr) -> bool {
    extern "C" fn raise(value: *mut c_void) -> c_int {
        // SAFETY: CPython calls this once, with the GIL held; the reference was passed below.
        let value = unsafe {
            let py = Python::assume_attached();
            Bound::from_owned_ptr(py, value.cast())
        };
        let py = value.py();
        PyErr::from_value(value).restore(py);
        -1
    }
    let is_main = || -> PyResult<bool> {
        let threading = py.import("threading")?;
        let main = threading.call_method0("main_thread")?.getattr("ident")?;
        main.eq(threading.call_method0("get_ident")?)
    };
    if !is_main().unwrap_or(false) {
        return false;
    }
    let value = error.value(py).clone().into_ptr();
    // SAFETY: the function takes the reference.
    let is_pending = unsafe { ffi::Py_AddPendingCall(Some(raise), value.cast()) } == 0;
    if !is_pending {
        // SAFETY: the call has failed, so the reference is still owned here.
        drop(unsafe { Bound::from_owned_ptr(py, value) });
    }
    is_pending
}

/// Looks the functions up when the module is loaded, so that a missing one fails the import.
pub(super) fn init(py: Python<'_>) -> PyResult<()> {
    functions(py)
        .map(drop)
        .map_err(|error| PyRuntimeError::new_err(format!("asyncio has changed: {error}")))
}
