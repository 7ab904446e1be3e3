//! Methods in CPython's own calling convention, for the calls that run once per callback.
//!
//! PyO3 builds a tuple for `*args`; here the arguments stay where the caller put them. Measured on an earlier prototype,
//! that halves the price of `call_soon`.

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

/// Turns a result into what CPython expects; a panic becomes a `RuntimeError`.
pub(super) fn outcome(work: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods with the lock held.
    let py = unsafe { Python::assume_attached() };
    let result = catch_unwind(AssertUnwindSafe(|| work(py))).unwrap_or_else(|_| {
        Err(PyRuntimeError::new_err(
            "qtloop: a bug, see the message above",
        ))
    });
    match result {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

/// The arguments of a scheduling call: named positional ones, then the callback's own, and `context`.
pub(super) struct Arguments<'py, const N: usize> {
    pub(super) named: [Bound<'py, PyAny>; N],
    pub(super) rest: Bound<'py, PyTuple>,
    pub(super) context: Option<Bound<'py, PyAny>>,
}

impl<'py, const N: usize> Arguments<'py, N> {
    /// Reads what CPython passed.
    ///
    /// # Safety
    /// The arguments are those of a `METH_FASTCALL | METH_KEYWORDS` call.
    pub(super) unsafe fn read(
        py: Python<'py>,
        function: &str,
        names: [&str; N],
        args: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        keywords: *mut ffi::PyObject,
    ) -> PyResult<Self> {
        // SAFETY: the caller's promise: `count` positional arguments are followed by one per keyword.
        let argument = |index: usize| unsafe { Bound::from_borrowed_ptr(py, *args.add(index)) };
        let count = count.unsigned_abs();
        let mut named: [Option<Bound<'py, PyAny>>; N] =
            std::array::from_fn(|index| (index < count).then(|| argument(index)));
        let mut context = None;
        // SAFETY: the caller's promise: null or a tuple of names.
        if let Some(keywords) = unsafe { Bound::from_borrowed_ptr_or_opt(py, keywords) } {
            for (index, keyword) in keywords.cast::<PyTuple>()?.iter().enumerate() {
                let value = argument(count + index);
                // asyncio's C code passes the interned word, so a look at the pointer is nearly always enough.
                if keyword.is(intern!(py, "context")) || keyword.eq("context")? {
                    context = Some(value).filter(|value| !value.is_none());
                    continue;
                }
                let keyword = keyword.cast::<PyString>()?.to_str()?;
                let place = names
                    .iter()
                    .position(|name| *name == keyword)
                    .ok_or_else(|| {
                        PyTypeError::new_err(format!(
                            "{function}() got an unexpected keyword argument '{keyword}'"
                        ))
                    })?;
                if named[place].replace(value).is_some() {
                    return Err(PyTypeError::new_err(format!(
                        "{function}() got multiple values for argument '{keyword}'"
                    )));
                }
            }
        }
        for (name, value) in names.iter().zip(&named) {
            if value.is_none() {
                return Err(PyTypeError::new_err(format!(
                    "{function}() missing required argument: '{name}'"
                )));
            }
        }
        // SAFETY: the caller's promise.
        let rest = unsafe { tuple(py, args.add(N.min(count)), count.saturating_sub(N))? };
        Ok(Arguments {
            named: named.map(|value| value.expect("checked above")),
            rest,
            context,
        })
    }
}

/// A tuple of `count` objects, filled in place.
///
/// # Safety
/// There are `count` objects at `items`.
unsafe fn tuple(
    py: Python<'_>,
    items: *const *mut ffi::PyObject,
    count: usize,
) -> PyResult<Bound<'_, PyTuple>> {
    // SAFETY: the caller's promise; a new tuple has room for as many references, and each is owned.
    unsafe {
        let tuple = ffi::PyTuple_New(count.cast_signed());
        let tuple = Bound::from_owned_ptr_or_err(py, tuple)?.cast_into_unchecked::<PyTuple>();
        for index in 0..count {
            let item = ffi::Py_NewRef(*items.add(index));
            ffi::PyTuple_SET_ITEM(tuple.as_ptr(), index.cast_signed(), item);
        }
        Ok(tuple)
    }
}

/// Gives `class` a method in the fast calling convention.
pub(super) fn add(
    class: &Bound<'_, PyAny>,
    name: &'static CStr,
    doc: &'static CStr,
    function: ffi::PyCFunctionFastWithKeywords,
) -> PyResult<()> {
    // Leaked once per method: the descriptor points into it.
    let method = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: function,
        },
        ml_flags: (ffi::METH_FASTCALL | ffi::METH_KEYWORDS) as c_int,
        ml_doc: doc.as_ptr(),
    }));
    // SAFETY: `class` is a class, and `method` lives for ever.
    let descriptor = unsafe {
        Bound::from_owned_ptr_or_err(
            class.py(),
            ffi::PyDescr_NewMethod(class.as_ptr().cast::<ffi::PyTypeObject>(), method),
        )?
    };
    class.setattr(name.to_str().expect("a method's name is ASCII"), descriptor)
}
