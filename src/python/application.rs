//! Passes events of the application object to a Python callback.

use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use super::error::is_fatal;
use super::gil;
use super::running::raise_in_main;
use crate::qt::app;

/// A strong reference to the callback; null if there is none. Atomic, because Qt calls `notify`
/// without the GIL.
static CALLBACK: AtomicPtr<ffi::PyObject> = AtomicPtr::new(std::ptr::null_mut());

/// Replaces the callback.
pub(super) fn watch(py: Python<'_>, callback: Option<Py<PyAny>>) {
    let pointer = callback.map_or(std::ptr::null_mut(), Py::into_ptr);
    let before = CALLBACK.swap(pointer, Ordering::AcqRel);
    // SAFETY: `CALLBACK` owned the reference.
    drop(unsafe { Bound::from_owned_ptr_or_opt(py, before) });
    app::watch(notify);
}

fn notify(event: app::Event) {
    // Without a callback the interpreter may have ended.
    if CALLBACK.load(Ordering::Acquire).is_null() {
        return;
    }
    let name = match event {
        app::Event::Made => "made",
        app::Event::Quits => "quits",
        app::Event::QuitDone => "quit done",
        app::Event::Destroyed => "destroyed",
        app::Event::Doubled => "doubled",
    };
    gil::enter(|py| {
        // Read again with the GIL: only its holder replaces the callback.
        let callback = CALLBACK.load(Ordering::Acquire);
        // SAFETY: the pointer is null or a reference that `CALLBACK` owns; dropping it takes the
        // GIL.
        let Some(callback) = (unsafe { Bound::from_borrowed_ptr_or_opt(py, callback) }) else {
            return;
        };
        if let Err(error) = callback.call1((name,)) {
            // A KeyboardInterrupt is the program's, which Qt is about to return to.
            if !(is_fatal(py, &error) && raise_in_main(py, &error)) {
                error.write_unraisable(py, Some(&callback));
            }
        }
    });
}
