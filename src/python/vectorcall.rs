//! Methods in CPython's vectorcall convention, for calls that run once per callback.
//!
//! PyO3 builds a tuple for `*args`; here the arguments stay in the caller's array. In a prototype
//! this halved the cost of `call_soon`.

use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};

/// Runs `work` and returns its result as CPython expects it; a panic becomes a `RuntimeError`.
pub(super) fn outcome(work: impl FnOnce(Python<'_>) -> PyResult<Py<PyAny>>) -> *mut ffi::PyObject {
    // SAFETY: CPython calls methods with the GIL held.
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

/// The borrowed arguments of a scheduling call: its named positional arguments, those for the
/// callback, and `context`, which may be null.
pub(super) struct Arguments<'a, const N: usize> {
    pub(super) named: [*mut ffi::PyObject; N],
    pub(super) rest: &'a [*mut ffi::PyObject],
    pub(super) context: *mut ffi::PyObject,
}

/// Runs the body of a scheduling method on its parsed [`Arguments`].
///
/// # Safety
/// The arguments are those of a `METH_FASTCALL | METH_KEYWORDS` call.
#[inline]
pub(super) unsafe fn scheduling<const N: usize>(
    function: &str,
    names: [&str; N],
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
    work: impl FnOnce(Python<'_>, &Arguments<'_, N>) -> PyResult<Py<PyAny>>,
) -> *mut ffi::PyObject {
    outcome(|py| {
        // SAFETY: the caller's promise.
        let arguments = unsafe { Arguments::read(py, function, names, args, count, keywords)? };
        work(py, &arguments)
    })
}

/// Returns all arguments that CPython passed: `count` positional ones, then one per keyword.
///
/// # Safety
/// The arguments are those of a `METH_FASTCALL | METH_KEYWORDS` call that does not return during
/// `'a`.
#[inline]
pub(super) unsafe fn given<'a>(
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> &'a [*mut ffi::PyObject] {
    // SAFETY: the caller's promise; `args` may be null if there are none.
    unsafe {
        let by_keyword = if keywords.is_null() {
            0
        } else {
            ffi::PyTuple_GET_SIZE(keywords)
        };
        match count.unsigned_abs() + by_keyword.unsigned_abs() {
            0 => &[],
            all => std::slice::from_raw_parts(args, all),
        }
    }
}

impl<'a, const N: usize> Arguments<'a, N> {
    /// Parses the arguments that CPython passed.
    ///
    /// # Safety
    /// As for [`given`].
    #[inline]
    unsafe fn read(
        py: Python<'_>,
        function: &str,
        names: [&str; N],
        args: *const *mut ffi::PyObject,
        count: ffi::Py_ssize_t,
        keywords: *mut ffi::PyObject,
    ) -> PyResult<Self> {
        // SAFETY: the caller's promise.
        let given: &'a [*mut ffi::PyObject] = unsafe { given(args, count, keywords) };
        let (positional, by_keyword) = given.split_at(count.unsigned_abs());
        let mut named = [ptr::null_mut(); N];
        for (name, value) in named.iter_mut().zip(positional) {
            *name = *value;
        }
        let mut context = ptr::null_mut();
        for (index, &value) in by_keyword.iter().enumerate() {
            // SAFETY: the caller's promise: there is a name for each.
            let keyword = unsafe { ffi::PyTuple_GET_ITEM(keywords, index.cast_signed()) };
            // asyncio's C code passes the interned string, so comparing pointers is nearly always
            // enough.
            if keyword == intern!(py, "context").as_ptr() {
                context = value;
            } else {
                // SAFETY: as above.
                let keyword = unsafe { Bound::from_borrowed_ptr(py, keyword) };
                let keyword = keyword.cast::<PyString>()?.to_str()?;
                if keyword == "context" {
                    context = value;
                } else {
                    let place = place(function, names, keyword)?;
                    if !std::mem::replace(&mut named[place], value).is_null() {
                        return Err(PyTypeError::new_err(format!(
                            "{function}() got multiple values for argument '{keyword}'"
                        )));
                    }
                }
            }
        }
        if let Some(missing) = named.iter().position(|value| value.is_null()) {
            return Err(PyTypeError::new_err(format!(
                "{function}() missing required argument: '{}'",
                names[missing]
            )));
        }
        // SAFETY: the GIL is held.
        if context == unsafe { ffi::Py_None() } {
            context = ptr::null_mut();
        }
        Ok(Arguments {
            named,
            rest: &positional[N.min(positional.len())..],
            context,
        })
    }
}

#[cold]
fn place<const N: usize>(function: &str, names: [&str; N], keyword: &str) -> PyResult<usize> {
    names
        .iter()
        .position(|name| *name == keyword)
        .ok_or_else(|| {
            PyTypeError::new_err(format!(
                "{function}() got an unexpected keyword argument '{keyword}'"
            ))
        })
}

/// Makes a tuple of `count` objects.
///
/// # Safety
/// There are `count` objects at `items`.
pub(super) unsafe fn tuple(
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

/// Adds a method in the vectorcall convention to `class`.
pub(super) fn add(
    class: &Bound<'_, PyType>,
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
            ffi::PyDescr_NewMethod(class.as_type_ptr(), method),
        )?
    };
    class.setattr(name.to_str().expect("a method's name is ASCII"), descriptor)
}
