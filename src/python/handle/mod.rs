//! Native subclasses of asyncio's `Handle` and `TimerHandle`: made, cancelled and run natively.
//!
//! They have the same attributes, repr and `isinstance` as asyncio's. Native code writes their
//! slots directly (see [`class`]), and up to three arguments are stored in the handle itself and
//! passed to the callback without a tuple. A plain `asyncio.Handle`, which asyncio's signal code
//! makes, runs as well.

mod class;
mod dealloc;
mod getters;

use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;

use pyo3::Borrowed;
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;

use self::class::{Class, INLINE, Slots, Tail, TimerTail, WatchTail, at, fill, get, set, types};
use super::job::direction;
use super::job::{Job, Kind};
use super::state::EventLoop;
use super::vectorcall;
use crate::reactor::{Direction, Priority, TimerKey};

use self::dealloc::drop_arguments;

pub(super) use self::class::init;

/// The parts of a handle to make, borrowed from the caller. If `context` is null, the current one
/// is copied.
pub(super) struct Call<'a> {
    pub(super) event_loop: *mut ffi::PyObject,
    pub(super) callback: *mut ffi::PyObject,
    pub(super) args: &'a [*mut ffi::PyObject],
    pub(super) context: *mut ffi::PyObject,
    /// In debug mode asyncio's own constructor runs, which records where the handle was made.
    pub(super) debug: bool,
    /// The priority of the job.
    pub(super) priority: Priority,
}

impl Call<'_> {
    /// Makes a handle of `class`, as `asyncio.Handle(callback, args, loop, context)` does.
    ///
    /// # Safety
    /// The pointers are to live objects of the types that their names say.
    #[inline]
    unsafe fn make<'py>(
        &self,
        py: Python<'py>,
        class: &Class,
        slots: &Slots,
    ) -> PyResult<Bound<'py, PyAny>> {
        if self.debug {
            // SAFETY: the caller's promise.
            return unsafe { self.make_in_debug_mode(py, class) };
        }
        // SAFETY: the slots of a new handle are empty, and each gets an owned reference. After an
        // error the handle is dropped, which allows empty slots.
        unsafe {
            let made = class.make(py)?;
            let owned = Bound::from_owned_ptr(py, made);
            let context = if self.context.is_null() {
                ffi::PyContext_CopyCurrent()
            } else {
                ffi::Py_NewRef(self.context)
            };
            if context.is_null() {
                return Err(PyErr::fetch(py));
            }
            fill(made, slots.context, context);
            fill(made, slots.loop_, ffi::Py_NewRef(self.event_loop));
            fill(made, slots.callback, ffi::Py_NewRef(self.callback));
            if self.args.len() <= INLINE {
                let tail = at::<Tail>(made, class.tail);
                for (index, &argument) in self.args.iter().enumerate() {
                    (*tail).args[index] = ffi::Py_NewRef(argument);
                }
                (*tail).count = self.args.len();
            } else {
                let args = vectorcall::tuple(py, self.args.as_ptr(), self.args.len())?;
                fill(made, slots.args, args.into_ptr());
            }
            ffi::PyObject_GC_Track(made.cast());
            Ok(owned)
        }
    }

    #[cold]
    unsafe fn make_in_debug_mode<'py>(
        &self,
        py: Python<'py>,
        class: &Class,
    ) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the caller's promise.
        unsafe {
            let made = class
                .class
                .bind(py)
                .call_method1("__new__", (&class.class,))?;
            let base = py.import("asyncio.events")?.getattr("Handle")?;
            base.call_method1(
                "__init__",
                (
                    &made,
                    Bound::from_borrowed_ptr(py, self.callback),
                    vectorcall::tuple(py, self.args.as_ptr(), self.args.len())?,
                    Bound::from_borrowed_ptr(py, self.event_loop),
                    Bound::from_borrowed_ptr_or_opt(py, self.context),
                ),
            )?;
            Ok(made)
        }
    }

    /// Makes a handle for `call_soon`, and its job.
    ///
    /// # Safety
    /// As for `make`.
    #[inline]
    pub(super) unsafe fn soon<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Job)> {
        let types = types(py);
        // SAFETY: the caller's promise.
        let made = unsafe { self.make(py, &types.handle, &types.slots)? };
        let job = Job::new(&made, Kind::Plain, self.priority);
        Ok((made, job))
    }

    /// Makes a handle for `call_soon_threadsafe`, and its job.
    ///
    /// # Safety
    /// As for `make`.
    pub(super) unsafe fn threadsafe<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Job)> {
        let types = types(py);
        // SAFETY: the caller's promise; the new handle is of the class that has this slot.
        unsafe {
            let Some(threadsafe) = &types.threadsafe else {
                return self.soon(py);
            };
            let made = self.make(py, &threadsafe.class, &types.slots)?;
            let lock = threadsafe.rlock.call0(py)?;
            set(made.as_ptr(), threadsafe.lock, lock.as_ptr());
            let job = Job::new(&made, Kind::ThreadSafe, self.priority);
            Ok((made, job))
        }
    }

    /// Makes a handle for `call_at`, not scheduled yet, and its job. `given` is the Python object
    /// of the deadline. If it is null, the getter of `_when` makes a float.
    ///
    /// # Safety
    /// As for `make`.
    #[inline]
    pub(super) unsafe fn timer<'py>(
        &self,
        py: Python<'py>,
        when: f64,
        given: *mut ffi::PyObject,
    ) -> PyResult<(Bound<'py, PyAny>, Job)> {
        let types = types(py);
        // SAFETY: the caller's promise, and `made` is a native timer handle.
        unsafe {
            let made = self.make(py, &types.timer, &types.slots)?;
            set(made.as_ptr(), types.slots.when, given);
            (*at::<TimerTail>(made.as_ptr(), types.timer.tail)).when = when;
            let job = Job::new(&made, Kind::Timer, self.priority);
            Ok((made, job))
        }
    }

    /// Makes a handle for `add_reader` or `add_writer`, and its job.
    ///
    /// # Safety
    /// As for `make`.
    pub(super) unsafe fn watch<'py>(
        &self,
        py: Python<'py>,
        fd: RawFd,
        direction: Direction,
    ) -> PyResult<(Bound<'py, PyAny>, Job)> {
        let types = types(py);
        // SAFETY: the caller's promise, and `made` is a native watch handle.
        unsafe {
            let made = self.make(py, &types.watch, &types.slots)?;
            let tail = at::<WatchTail>(made.as_ptr(), types.watch.tail);
            (*tail).fd = fd;
            (*tail).is_writer = direction == Direction::Write;
            let job = Job::new(&made, Kind::Watch, self.priority);
            Ok((made, job))
        }
    }
}

/// Stores the key of a timer in its handle, and marks the handle as scheduled.
#[inline]
pub(super) fn set_scheduled(handle: &Bound<'_, PyAny>, key: TimerKey) {
    let types = types(handle.py());
    // SAFETY: the caller made it by `Call::timer`.
    unsafe {
        let tail = at::<TimerTail>(handle.as_ptr(), types.timer.tail);
        (*tail).scheduled = true;
        (*tail).key = MaybeUninit::new(key);
    }
}

/// Marks a timer handle as not scheduled, and returns its key if it was scheduled.
///
/// # Safety
/// `handle` is a native timer handle.
#[inline]
unsafe fn take_scheduled(py: Python<'_>, handle: *mut ffi::PyObject) -> Option<TimerKey> {
    let types = types(py);
    // SAFETY: the caller's promise.
    unsafe {
        let tail = at::<TimerTail>(handle, types.timer.tail);
        let was = std::mem::replace(&mut (*tail).scheduled, false);
        was.then(|| (*tail).key.assume_init())
    }
}

/// Returns whether `value` is an `asyncio.Handle`, and so can be a [`Job`].
pub(super) fn is_handle(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.is_instance(&value.py().import("asyncio.events")?.getattr("Handle")?)
}

/// References to the callback, context and arguments during a call: the callback may cancel the
/// handle, which empties its slots.
struct CallReferences([*mut ffi::PyObject; 3 + INLINE], usize);

impl Drop for CallReferences {
    fn drop(&mut self) {
        for &object in &self.0[..self.1] {
            // SAFETY: the GIL is held, and `CallReferences` owns the references.
            unsafe { ffi::Py_DECREF(object) }
        }
    }
}

/// Methods for jobs that are handles.
impl Job {
    /// Marks a timer that is due as not scheduled.
    #[inline]
    pub(super) fn unschedule(&self, py: Python<'_>) {
        if self.kind == Kind::Timer {
            // SAFETY: only `Call::timer` makes jobs of this kind.
            unsafe { take_scheduled(py, self.object.as_ptr()) };
        }
    }

    /// Returns the descriptor and direction of a reader or writer.
    #[inline]
    pub(super) fn watched(&self, py: Python<'_>) -> Option<(RawFd, Direction)> {
        if self.kind != Kind::Watch {
            return None;
        }
        // SAFETY: only `Call::watch` makes jobs of this kind.
        let tail = unsafe { &*at::<WatchTail>(self.object.as_ptr(), types(py).watch.tail) };
        Some((tail.fd, direction(tail.is_writer)))
    }

    /// Returns the callback of a handle that was not cancelled; `None` for a transport.
    pub(super) fn callback<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: a new reference is made before any other code runs.
        let callback = unsafe { self.borrowed_callback(py)? };
        Some(callback.to_owned())
    }

    /// Returns the callback like [`callback`](Job::callback), without a new reference.
    ///
    /// # Safety
    /// No code that may cancel the handle runs while the result is used.
    #[inline]
    pub(super) unsafe fn borrowed_callback<'a, 'py>(
        &'a self,
        py: Python<'py>,
    ) -> Option<Borrowed<'a, 'py, PyAny>> {
        if matches!(self.kind, Kind::Transport(_)) {
            return None;
        }
        // SAFETY: the job is a handle; the slot holds a callback or is empty. The caller keeps it.
        unsafe {
            let callback = get(self.object.as_ptr(), types(py).slots.callback);
            (!callback.is_null()).then(|| Borrowed::from_ptr(py, callback))
        }
    }

    #[inline]
    pub(super) fn is_cancelled(&self, py: Python<'_>) -> bool {
        // SAFETY: the job is a handle.
        unsafe { get(self.object.as_ptr(), types(py).slots.cancelled) == ffi::Py_True() }
    }

    /// Returns whether the handle's context can be entered: not if a caller on this thread's stack
    /// has entered it.
    pub(super) fn can_enter(&self, py: Python<'_>) -> bool {
        // SAFETY: the slot holds a context, kept alive by the handle; the GIL is held.
        unsafe {
            let context = get(self.object.as_ptr(), types(py).slots.context);
            if ffi::PyContext_Enter(context) < 0 {
                ffi::PyErr_Clear();
                return false;
            }
            ffi::PyContext_Exit(context);
        }
        true
    }

    /// Calls the callback in the handle's context. Returns the callback's error.
    #[inline]
    pub(super) fn call(&self, py: Python<'_>) -> PyResult<()> {
        if self.kind == Kind::ThreadSafe {
            self.call_locked(py)
        } else {
            self.call_unlocked(py)
        }
    }

    /// Calls the callback with the handle's lock held: `cancel()` and `cancelled()` on another
    /// thread wait for it.
    #[inline(never)]
    fn call_locked(&self, py: Python<'_>) -> PyResult<()> {
        let slot = types(py)
            .threadsafe
            .as_ref()
            .map(|threadsafe| threadsafe.lock);
        // SAFETY: only `Call::threadsafe` makes jobs of this kind.
        let lock = slot.and_then(|slot| unsafe {
            Bound::from_borrowed_ptr_or_opt(py, get(self.object.as_ptr(), slot))
        });
        let lock = lock.ok_or_else(never_initialised)?;
        lock.call_method0(intern!(py, "acquire"))?;
        // Another thread may have cancelled it while this thread waited for the lock.
        let result = if self.is_cancelled(py) {
            Ok(())
        } else {
            self.call_unlocked(py)
        };
        lock.call_method0(intern!(py, "release")).and(result)
    }

    #[inline(always)] // it is part of the loop over all jobs
    fn call_unlocked(&self, py: Python<'_>) -> PyResult<()> {
        let types = types(py);
        let slots = &types.slots;
        let handle = self.object.as_ptr();
        // SAFETY: the slots hold what asyncio keeps in them, or null; the GIL is held.
        unsafe {
            let callback = get(handle, slots.callback);
            let context = get(handle, slots.context);
            let args = get(handle, slots.args);
            if callback.is_null() || context.is_null() {
                return Err(never_initialised());
            }
            // The first element is free for CPython to store a bound method's `self` in.
            let mut call = [ptr::null_mut(); 1 + INLINE];
            let mut held = CallReferences([ptr::null_mut(); 3 + INLINE], 0);
            let mut hold = |object| {
                held.0[held.1] = ffi::Py_NewRef(object);
                held.1 += 1;
            };
            hold(callback);
            hold(context);
            let (first, count) = if args.is_null() && types.is_ours(handle) {
                let tail = types.tail(handle);
                let count = (*tail).count;
                for index in 0..count {
                    call[1 + index] = (*tail).args[index];
                    hold(call[1 + index]);
                }
                (
                    call.as_mut_ptr().add(1),
                    count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                )
            } else if args.is_null() {
                return Err(never_initialised());
            } else {
                // `asyncio.Handle` accepts any sequence.
                let args = Bound::from_owned_ptr_or_err(py, ffi::PySequence_Tuple(args))?;
                hold(args.as_ptr());
                let items = args.as_ptr().cast::<ffi::PyTupleObject>();
                let items = (&raw mut (*items).ob_item).cast::<*mut ffi::PyObject>();
                (items, ffi::PyTuple_GET_SIZE(args.as_ptr()).unsigned_abs())
            };
            if ffi::PyContext_Enter(context) < 0 {
                return Err(PyErr::fetch(py));
            }
            let result = ffi::PyObject_Vectorcall(callback, first, count, ptr::null_mut());
            let left = ffi::PyContext_Exit(context);
            if result.is_null() || left < 0 {
                ffi::Py_XDECREF(result);
                return Err(PyErr::fetch(py));
            }
            ffi::Py_DECREF(result);
        }
        Ok(())
    }
}

#[cold]
fn never_initialised() -> PyErr {
    PyRuntimeError::new_err("a Handle that was never initialised")
}

/// Does what asyncio's `Handle.cancel` and `TimerHandle.cancel` do, step by step.
fn cancel(py: Python<'_>, handle: *mut ffi::PyObject, is_timer: bool) -> PyResult<()> {
    let types = types(py);
    let slots = &types.slots;
    // SAFETY: the method descriptor has checked the class; the GIL is held.
    unsafe {
        if get(handle, slots.cancelled) == ffi::Py_True() {
            return Ok(());
        }
        let Some(event_loop) = Bound::from_borrowed_ptr_or_opt(py, get(handle, slots.loop_)) else {
            return Err(never_initialised());
        };
        set(handle, slots.cancelled, ffi::Py_True());
        let native = event_loop.cast::<EventLoop>().ok();
        let debug = match native {
            Some(event_loop) => event_loop.get().is_debug(py),
            None => event_loop.call_method0("get_debug")?.is_truthy()?,
        };
        if debug {
            let repr = Bound::from_borrowed_ptr(py, handle).repr()?;
            set(handle, slots.repr, repr.as_ptr());
        }
        let waiting = if is_timer {
            take_scheduled(py, handle)
        } else {
            None
        };
        if let (Some(key), Some(event_loop)) = (waiting, native) {
            drop(event_loop.get().cancel_timer(py, key));
        }
        set(handle, slots.callback, ffi::Py_None());
        set(handle, slots.args, ffi::Py_None());
        drop_arguments(types.tail(handle));
    }
    Ok(())
}

unsafe extern "C" fn cancel_plain(
    handle: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    vectorcall::outcome(|py| cancel(py, handle, false).map(|()| py.None()))
}

unsafe extern "C" fn cancel_timer(
    handle: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    vectorcall::outcome(|py| cancel(py, handle, true).map(|()| py.None()))
}
