//! The end of handles: the functions of the garbage collector, and the memory kept for reuse.

use std::ffi::{c_int, c_void};
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::class::{Class, Tail, Types, at, get, set, types};

/// The maximum number of free handles per class: as many as a busy turn has. At most a quarter of a
/// megabyte in total.
const MAX_FREE: usize = 1024;

/// The maximum recursion of freeing handles that hold handles. Deeper ones are queued and freed one
/// by one.
const MAX_DEPTH: usize = 32;

/// Drops the arguments in a handle's tail.
///
/// # Safety
/// The handle is alive; the GIL is held.
#[inline]
pub(super) unsafe fn drop_arguments(tail: *mut Tail) {
    // SAFETY: the caller's promise. The count is reset first, because a drop may run code.
    unsafe {
        for index in 0..std::mem::take(&mut (*tail).count) {
            ffi::Py_DECREF((*tail).args[index]);
        }
    }
}

pub(super) unsafe extern "C" fn traverse(
    handle: *mut ffi::PyObject,
    visit: ffi::visitproc,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the collector calls it for a native handle, with the GIL held.
    unsafe {
        let py = Python::assume_attached();
        let types = types(py);
        let tail = &*types.tail(handle);
        let class = ffi::Py_TYPE(handle).cast::<ffi::PyObject>();
        let slots = types
            .slots
            .held()
            .into_iter()
            .chain(types.class_of(handle).own);
        let held = slots.map(|slot| get(handle, slot));
        let args = tail.args[..tail.count].iter().copied();
        for object in held.chain(args).chain([class]) {
            if !object.is_null() {
                let stop = visit(object, data);
                if stop != 0 {
                    return stop;
                }
            }
        }
    }
    0
}

pub(super) unsafe extern "C" fn clear(handle: *mut ffi::PyObject) -> c_int {
    // SAFETY: as in `traverse`.
    unsafe {
        let types = types(Python::assume_attached());
        empty(types, types.class_of(handle), handle);
    }
    0
}

/// Drops all references of a handle.
///
/// # Safety
/// The handle is of that class; the GIL is held.
#[inline]
unsafe fn empty(types: &Types, class: &Class, handle: *mut ffi::PyObject) {
    // SAFETY: the caller's promise. Each slot is emptied before its reference is dropped, which may
    // run code.
    unsafe {
        let tail = at::<Tail>(handle, class.tail);
        drop_arguments(tail);
        for slot in types.slots.held() {
            let held = ptr::replace(at::<*mut ffi::PyObject>(handle, slot), ptr::null_mut());
            if !held.is_null() {
                ffi::Py_DECREF(held);
            }
        }
        if let Some(own) = class.own {
            set(handle, own, ptr::null_mut());
        }
    }
}

pub(super) unsafe extern "C" fn dealloc(handle: *mut ffi::PyObject) {
    // SAFETY: CPython calls it when the last reference was dropped, with the GIL held.
    unsafe {
        let py = Python::assume_attached();
        let types = types(py);
        ffi::PyObject_GC_UnTrack(handle.cast());
        let state = types.dealloc.get(py);
        if state.depth.get() >= MAX_DEPTH {
            state.waiting.borrow_mut().push(handle);
            return;
        }
        state.depth.set(state.depth.get() + 1);
        free(py, types, handle);
        if state.depth.get() == 1 {
            loop {
                let next = state.waiting.borrow_mut().pop();
                let Some(next) = next else { break };
                free(py, types, next);
            }
        }
        state.depth.set(state.depth.get() - 1);
    }
}

/// Empties a handle, then keeps its memory for reuse or frees it.
///
/// # Safety
/// As for `dealloc`.
#[inline]
unsafe fn free(py: Python<'_>, types: &Types, handle: *mut ffi::PyObject) {
    // SAFETY: the caller's promise.
    unsafe {
        if !get(handle, types.slots.weak).is_null() {
            ffi::PyObject_ClearWeakRefs(handle);
        }
        let class = types.class_of(handle);
        empty(types, class, handle);
        let type_object = ffi::Py_TYPE(handle);
        let mut free_list = class.free.get(py).borrow_mut();
        if free_list.len() < MAX_FREE {
            free_list.push(handle);
        } else {
            drop(free_list);
            ffi::PyObject_GC_Del(handle.cast());
        }
        // An object owns a reference to its heap type.
        ffi::Py_DECREF(type_object.cast());
    }
}
