//! Errors of callbacks and of the operating system, as Python exceptions.

use std::io;

use pyo3::exceptions::{
    PyBaseException, PyKeyboardInterrupt, PyOSError, PyRuntimeError, PySystemExit,
};
use pyo3::prelude::*;

/// Returns whether an error stops the loop: KeyboardInterrupt and SystemExit do.
pub(super) fn is_fatal(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py)
}

/// Reports a callback's error by `tell`, or returns it if it stops the loop.
pub(super) fn report<'py>(
    event_loop: &Bound<'py, PyAny>,
    result: PyResult<()>,
    tell: impl FnOnce(Py<PyBaseException>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<()> {
    let py = event_loop.py();
    let Err(error) = result else { return Ok(()) };
    if is_fatal(py, &error) {
        return Err(error);
    }
    match tell(error.into_value(py)) {
        Err(error) if is_fatal(py, &error) => Err(error),
        Err(error) => {
            error.write_unraisable(py, Some(event_loop));
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

#[cold]
pub(super) fn closed() -> PyErr {
    PyRuntimeError::new_err("Event loop is closed")
}

/// Converts an I/O error to the subclass of `OSError` for its number.
pub(super) fn os_error(error: io::Error) -> PyErr {
    match error.raw_os_error() {
        Some(number) => {
            let message = error.to_string();
            let end = message.find(" (os error").unwrap_or(message.len());
            PyOSError::new_err((number, message[..end].to_owned()))
        }
        None => error.into(),
    }
}
