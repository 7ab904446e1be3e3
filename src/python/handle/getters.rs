//! The attributes of handles that asyncio's Python code reads and writes: getters and setters in
//! CPython's convention.

use std::ffi::{c_int, c_void};

use pyo3::ffi;
use pyo3::prelude::*;

use super::class::{TimerTail, at, get, set, types};
use super::dealloc::drop_arguments;
use crate::python::vectorcall;

pub(super) unsafe extern "C" fn get_args(
    handle: *mut ffi::PyObject,
    _: *mut c_void,
) -> *mut ffi::PyObject {
    vectorcall::outcome(|py| {
        // SAFETY: the descriptor has checked the class; the GIL is held.
        unsafe {
            let types = types(py);
            let args = get(handle, types.slots.args);
            if !args.is_null() {
                return Ok(Bound::from_borrowed_ptr(py, args).unbind());
            }
            let tail = types.tail(handle);
            let args = vectorcall::tuple(py, (*tail).args.as_ptr(), (*tail).count)?;
            Ok(args.into_any().unbind())
        }
    })
}

pub(super) unsafe extern "C" fn set_args(
    handle: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _: *mut c_void,
) -> c_int {
    // SAFETY: as in the getter.
    unsafe {
        let types = types(Python::assume_attached());
        set(handle, types.slots.args, value);
        drop_arguments(types.tail(handle));
    }
    0
}

pub(super) unsafe extern "C" fn get_when(
    handle: *mut ffi::PyObject,
    _: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: the descriptor has checked the class; the GIL is held.
    unsafe {
        let types = types(Python::assume_attached());
        let when = get(handle, types.slots.when);
        if when.is_null() {
            let tail = at::<TimerTail>(handle, types.timer.tail);
            ffi::PyFloat_FromDouble((*tail).when)
        } else {
            ffi::Py_NewRef(when)
        }
    }
}

pub(super) unsafe extern "C" fn set_when(
    handle: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _: *mut c_void,
) -> c_int {
    // SAFETY: as in the getter.
    unsafe { set(handle, types(Python::assume_attached()).slots.when, value) }
    0
}

pub(super) unsafe extern "C" fn get_scheduled(
    handle: *mut ffi::PyObject,
    _: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: as in the other getters.
    unsafe {
        let types = types(Python::assume_attached());
        let tail = at::<TimerTail>(handle, types.timer.tail);
        ffi::PyBool_FromLong((*tail).scheduled.into())
    }
}

/// Defines the getter and the setter of a slot. The getter returns the default while the slot is
/// empty.
macro_rules! property {
    ($get:ident, $set:ident, $slot:ident, $default:expr) => {
        pub(super) unsafe extern "C" fn $get(
            handle: *mut ffi::PyObject,
            _: *mut c_void,
        ) -> *mut ffi::PyObject {
            // SAFETY: the descriptor has checked the class; the GIL is held.
            unsafe {
                let value = get(handle, types(Python::assume_attached()).slots.$slot);
                ffi::Py_NewRef(if value.is_null() { $default } else { value })
            }
        }

        pub(super) unsafe extern "C" fn $set(
            handle: *mut ffi::PyObject,
            value: *mut ffi::PyObject,
            _: *mut c_void,
        ) -> c_int {
            // SAFETY: as in the getter. Null means that the attribute is deleted; then it has its
            // default.
            unsafe { set(handle, types(Python::assume_attached()).slots.$slot, value) }
            0
        }
    };
}

property!(get_cancelled, set_cancelled, cancelled, ffi::Py_False());
property!(get_repr, set_repr, repr, ffi::Py_None());
property!(
    get_source_traceback,
    set_source_traceback,
    source_traceback,
    ffi::Py_None()
);
