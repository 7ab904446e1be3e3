//! Runs code in a `contextvars` context, or in a copy if the context is in use.

use pyo3::ffi;
use pyo3::prelude::*;

/// Runs `work` in a context. Runs it in a copy if the context is in use, because a method of the
/// protocol has opened a dialog and has not returned.
pub(super) fn run_in(
    context: Bound<'_, PyAny>,
    work: impl FnOnce() -> PyResult<()>,
) -> PyResult<()> {
    let py = context.py();
    let mut context = context;
    // SAFETY: it is a context, and the GIL is held.
    unsafe {
        if ffi::PyContext_Enter(context.as_ptr()) < 0 {
            ffi::PyErr_Clear();
            context = Bound::from_owned_ptr_or_err(py, ffi::PyContext_Copy(context.as_ptr()))?;
            if ffi::PyContext_Enter(context.as_ptr()) < 0 {
                return Err(PyErr::fetch(py));
            }
        }
        let result = work();
        ffi::PyContext_Exit(context.as_ptr());
        result
    }
}

/// Returns the context, or a copy if the context is in use.
pub(super) fn usable<'py>(context: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: it is a context, and the GIL is held.
    unsafe {
        if ffi::PyContext_Enter(context.as_ptr()) == 0 {
            ffi::PyContext_Exit(context.as_ptr());
            return Ok(context.clone());
        }
        ffi::PyErr_Clear();
        Bound::from_owned_ptr_or_err(context.py(), ffi::PyContext_Copy(context.as_ptr()))
    }
}
