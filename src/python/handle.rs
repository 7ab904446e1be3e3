//! asyncio's own `Handle` and `TimerHandle`, made and read natively.
//!
//! Our handles are subclasses of asyncio's without a field of Python's own: the same slots, the same repr, the same
//! `isinstance`. What differs is who fills the slots: native code writes them where the class keeps them, which is a
//! fifth of the price of `Handle.__init__`. A plain `asyncio.Handle`, which asyncio's signal code makes, runs as well.

use std::ffi::{CStr, c_int, c_uint, c_ulong, c_void};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::RawFd;
use std::ptr;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use super::event_loop::EventLoop;
use crate::reactor::{Recur, Side, TimerKey};

/// A handle that waits in the loop. Made, copied and dropped with the interpreter's lock held: turns collect and drop
/// inside the face's scope, and all else happens in Python's own calls.
#[derive(Debug)]
pub(super) struct Job(pub(super) ManuallyDrop<Py<PyAny>>);

impl Job {
    pub(super) fn new(handle: &Bound<'_, PyAny>) -> Job {
        Job(ManuallyDrop::new(handle.clone().unbind()))
    }
}

impl Recur for Job {
    fn again(&self) -> Job {
        // SAFETY: the lock is held, see `Job`.
        let py = unsafe { Python::assume_attached() };
        Job(ManuallyDrop::new(self.0.clone_ref(py)))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // `Py` would look for its own count of attachments, find none in a native method, and put the drop off.
        // SAFETY: the lock is held, see `Job`, and the reference is this job's own.
        unsafe { ffi::Py_DECREF(self.0.as_ptr()) }
    }
}

/// Where `asyncio.Handle` keeps its slots: byte offsets from the start of the object.
#[derive(Debug)]
struct Slots {
    callback: isize,
    args: isize,
    cancelled: isize,
    loop_: isize,
    source_traceback: isize,
    repr: isize,
    context: isize,
    // Of `asyncio.TimerHandle`.
    scheduled: isize,
    when: isize,
}

/// Our three classes, and what is needed to fill them.
struct Types {
    handle: Py<PyAny>,
    timer: Py<PyAny>,
    watch: Py<PyAny>,
    /// Where the native part of a timer or a watch begins.
    timer_tail: isize,
    watch_tail: isize,
    slots: Slots,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

/// The native part of a timer handle; all zero bytes mean "not scheduled".
#[repr(C)]
struct TimerTail {
    scheduled: bool,
    key: MaybeUninit<TimerKey>,
}

/// The native part of the handle of a reader or writer.
#[repr(C)]
#[derive(Clone, Copy)]
struct WatchTail {
    fd: c_int,
    is_writer: bool,
}

/// What a handle is to the loop that runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Timer,
    Watch(RawFd, Side),
}

fn types(py: Python<'_>) -> &Types {
    TYPES.get(py).expect("made when the module is")
}

/// Makes the classes. Called once, by the module.
pub(super) fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let events = py.import("asyncio.events")?;
    let (handle, timer) = (events.getattr("Handle")?, events.getattr("TimerHandle")?);
    let slots = Slots {
        callback: offset(&handle, "_callback")?,
        args: offset(&handle, "_args")?,
        cancelled: offset(&handle, "_cancelled")?,
        loop_: offset(&handle, "_loop")?,
        source_traceback: offset(&handle, "_source_traceback")?,
        repr: offset(&handle, "_repr")?,
        context: offset(&handle, "_context")?,
        scheduled: offset(&timer, "_scheduled")?,
        when: offset(&timer, "_when")?,
    };
    let (plain, _) = subclass(&handle, c"qtloop._native.Handle", 0)?;
    let (timed, timer_tail) = subclass(
        &timer,
        c"qtloop._native.TimerHandle",
        size_of::<TimerTail>(),
    )?;
    let (watch, watch_tail) = subclass(&handle, c"qtloop._native.Handle", size_of::<WatchTail>())?;
    module.add("Handle", &plain)?;
    module.add("TimerHandle", &timed)?;
    let types = Types {
        handle: plain.unbind(),
        timer: timed.unbind(),
        watch: watch.unbind(),
        timer_tail,
        watch_tail,
        slots,
    };
    // A second import in this process would make the same classes once more; the first ones stay.
    let _ = TYPES.set(py, types);
    Ok(())
}

/// Where a class keeps one of its `__slots__`.
fn offset(class: &Bound<'_, PyAny>, slot: &str) -> PyResult<isize> {
    let descriptor = class.getattr("__dict__")?.get_item(slot)?;
    let is_member = descriptor.get_type().name()? == "member_descriptor";
    if !is_member {
        return Err(PyRuntimeError::new_err(format!(
            "qtloop does not know this Python's asyncio: {}.{slot} is not a slot",
            class.getattr("__qualname__")?
        )));
    }
    let descriptor = descriptor.as_ptr().cast::<ffi::PyMemberDescrObject>();
    // SAFETY: a member descriptor has this layout in every supported version; the cast is for 3.10, where PyO3 names
    // another type for the same pointer.
    Ok(unsafe { (*(*descriptor).d_member.cast::<ffi::PyMemberDef>()).offset })
}

/// A subclass of `base` with `tail` bytes of its own, and where they begin. Collecting, freeing and weak references are
/// the base's.
fn subclass<'py>(
    base: &Bound<'py, PyAny>,
    name: &'static CStr,
    tail: usize,
) -> PyResult<(Bound<'py, PyAny>, isize)> {
    let base_type = base.as_ptr().cast::<ffi::PyTypeObject>();
    // SAFETY: `base` is a class.
    let begin = unsafe { (*base_type).tp_basicsize };
    let cancel = if tail == size_of::<TimerTail>() {
        cancel_timer
    } else {
        cancel_plain
    };
    // Leaked once per class: the descriptors point into it.
    let methods = Box::leak(Box::new([
        ffi::PyMethodDef {
            ml_name: c"cancel".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer {
                PyCFunction: cancel,
            },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: c"Cancel the call, and let go of the callback and its arguments at once."
                .as_ptr(),
        },
        ffi::PyMethodDef::zeroed(),
    ]));
    let mut spec_slots = [
        ffi::PyType_Slot {
            slot: ffi::Py_tp_methods,
            pfunc: methods.as_mut_ptr().cast::<c_void>(),
        },
        ffi::PyType_Slot {
            slot: 0,
            pfunc: ptr::null_mut(),
        },
    ];
    let size = begin as usize + tail.next_multiple_of(align_of::<usize>());
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: c_int::try_from(size).expect("a handle is small"),
        itemsize: 0,
        #[allow(clippy::cast_possible_truncation)]
        flags: (ffi::Py_TPFLAGS_DEFAULT as c_ulong) as c_uint,
        slots: spec_slots.as_mut_ptr(),
    };
    let bases = PyTuple::new(base.py(), [base])?;
    // SAFETY: the specification is complete and outlives the call; name and methods live for ever.
    let class = unsafe {
        Bound::from_owned_ptr_or_err(
            base.py(),
            ffi::PyType_FromSpecWithBases(&raw mut spec, bases.as_ptr()),
        )?
    };
    Ok((class, begin))
}

/// A pointer to a slot of a handle.
///
/// # Safety
/// `handle` is an `asyncio.Handle` and `offset` one of its slots' or its tail's.
unsafe fn at<T>(handle: *mut ffi::PyObject, offset: isize) -> *mut T {
    // SAFETY: the caller's promise; slots and tails are aligned to the word.
    unsafe { handle.cast::<u8>().offset(offset).cast::<T>() }
}

/// Puts a new reference to `value` into a slot, and lets go of what was there, last of all.
///
/// # Safety
/// As [`at`]; the lock is held.
unsafe fn set(handle: *mut ffi::PyObject, offset: isize, value: *mut ffi::PyObject) {
    // SAFETY: the slot holds null or an owned reference. What is dropped may run code, so the slot is in order before.
    unsafe {
        let slot = at::<*mut ffi::PyObject>(handle, offset);
        ffi::Py_INCREF(value);
        let old = ptr::replace(slot, value);
        ffi::Py_XDECREF(old);
    }
}

/// What a slot holds, borrowed; null if it was never filled.
///
/// # Safety
/// As [`at`].
unsafe fn get(handle: *mut ffi::PyObject, offset: isize) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe { *at::<*mut ffi::PyObject>(handle, offset) }
}

/// What a call is made of. `context` may be `None`, for a copy of the current one.
pub(super) struct Call<'a, 'py> {
    pub(super) event_loop: &'a Bound<'py, PyAny>,
    pub(super) callback: &'a Bound<'py, PyAny>,
    pub(super) args: &'a Bound<'py, PyTuple>,
    pub(super) context: Option<&'a Bound<'py, PyAny>>,
    /// In debug mode a handle remembers where it was made, and asyncio's own constructor sees to that.
    pub(super) debug: bool,
}

impl<'py> Call<'_, 'py> {
    fn py(&self) -> Python<'py> {
        self.event_loop.py()
    }

    /// A handle of `class`, as `asyncio.Handle(callback, args, loop, context)` makes it.
    fn make(&self, class: &Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py();
        if self.debug {
            let made = class.bind(py).call_method1("__new__", (class,))?;
            let base = py.import("asyncio.events")?.getattr("Handle")?;
            base.call_method1(
                "__init__",
                (
                    &made,
                    self.callback,
                    self.args,
                    self.event_loop,
                    self.context,
                ),
            )?;
            return Ok(made);
        }
        let slots = &types(py).slots;
        // SAFETY: `class` is one of ours, and a fresh object's slots are null; each is filled, so that Python finds every
        // attribute. The lock is held.
        unsafe {
            let class = class.as_ptr().cast::<ffi::PyTypeObject>();
            let made = Bound::from_owned_ptr_or_err(py, ffi::PyType_GenericAlloc(class, 0))?;
            let handle = made.as_ptr();
            let context = match self.context {
                Some(context) => context.clone(),
                None => Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())?,
            };
            set(handle, slots.context, context.as_ptr());
            set(handle, slots.loop_, self.event_loop.as_ptr());
            set(handle, slots.callback, self.callback.as_ptr());
            set(handle, slots.args, self.args.as_ptr());
            set(handle, slots.cancelled, ffi::Py_False());
            set(handle, slots.repr, ffi::Py_None());
            set(handle, slots.source_traceback, ffi::Py_None());
            Ok(made)
        }
    }

    /// A handle for `call_soon`.
    pub(super) fn soon(&self) -> PyResult<Bound<'py, PyAny>> {
        self.make(&types(self.py()).handle)
    }

    /// A handle for `call_at`, not scheduled yet.
    pub(super) fn timer(&self, when: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let types = types(self.py());
        let made = self.make(&types.timer)?;
        // SAFETY: it is a timer handle of ours; the lock is held.
        unsafe {
            set(made.as_ptr(), types.slots.when, when.as_ptr());
            set(made.as_ptr(), types.slots.scheduled, ffi::Py_False());
        }
        Ok(made)
    }

    /// A handle for `add_reader` or `add_writer`.
    pub(super) fn watch(&self, fd: RawFd, side: Side) -> PyResult<Bound<'py, PyAny>> {
        let types = types(self.py());
        let made = self.make(&types.watch)?;
        let tail = WatchTail {
            fd,
            is_writer: side == Side::Write,
        };
        // SAFETY: it is a watch handle of ours.
        unsafe { at::<WatchTail>(made.as_ptr(), types.watch_tail).write(tail) };
        Ok(made)
    }
}

/// Notes under which key a timer handle waits in the loop.
pub(super) fn set_scheduled(handle: &Bound<'_, PyAny>, key: TimerKey) {
    let types = types(handle.py());
    // SAFETY: the caller made it by `Call::timer`; the lock is held.
    unsafe {
        let tail = at::<TimerTail>(handle.as_ptr(), types.timer_tail);
        tail.write(TimerTail {
            scheduled: true,
            key: MaybeUninit::new(key),
        });
        set(handle.as_ptr(), types.slots.scheduled, ffi::Py_True());
    }
}

/// Ends a timer's being scheduled, and returns its key if it was.
fn take_scheduled(py: Python<'_>, handle: *mut ffi::PyObject) -> Option<TimerKey> {
    let types = types(py);
    // SAFETY: the callers have seen that it is a timer handle of ours; the lock is held.
    unsafe {
        let tail = at::<TimerTail>(handle, types.timer_tail);
        if !std::mem::replace(&mut (*tail).scheduled, false) {
            return None;
        }
        set(handle, types.slots.scheduled, ffi::Py_False());
        Some((*tail).key.assume_init())
    }
}

/// Whether `value` is an `asyncio.Handle`, and so can be a [`Job`].
pub(super) fn is_handle(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.is_instance(&value.py().import("asyncio.events")?.getattr("Handle")?)
}

impl Job {
    /// What the handle is. A timer that is asked for this has come due.
    pub(super) fn kind(&self, py: Python<'_>) -> Kind {
        let types = types(py);
        // SAFETY: the job is a handle; a class of ours has the tail that is read.
        unsafe {
            let class = ffi::Py_TYPE(self.0.as_ptr()).cast::<ffi::PyObject>();
            if class == types.timer.as_ptr() {
                Kind::Timer
            } else if class == types.watch.as_ptr() {
                let WatchTail { fd, is_writer } =
                    at::<WatchTail>(self.0.as_ptr(), types.watch_tail).read();
                Kind::Watch(fd, if is_writer { Side::Write } else { Side::Read })
            } else {
                Kind::Plain
            }
        }
    }

    /// A timer that has come due is not scheduled any more.
    pub(super) fn unschedule(&self, py: Python<'_>) {
        take_scheduled(py, self.0.as_ptr());
    }

    pub(super) fn is_cancelled(&self, py: Python<'_>) -> bool {
        // SAFETY: the job is a handle.
        unsafe { get(self.0.as_ptr(), types(py).slots.cancelled) == ffi::Py_True() }
    }

    /// Whether the handle's context can be entered now, or is in use further out on this thread's stack.
    pub(super) fn can_enter(&self, py: Python<'_>) -> bool {
        // SAFETY: the slot holds a context, kept alive by the handle; the lock is held.
        unsafe {
            let context = get(self.0.as_ptr(), types(py).slots.context);
            if ffi::PyContext_Enter(context) < 0 {
                ffi::PyErr_Clear();
                return false;
            }
            ffi::PyContext_Exit(context);
        }
        true
    }

    /// Calls the callback in the handle's context. The error is the callback's.
    pub(super) fn call(&self, py: Python<'_>) -> PyResult<()> {
        let slots = &types(py).slots;
        let handle = self.0.as_ptr();
        // SAFETY: the slots hold what asyncio keeps in them, or null. Each is held here for the time of the call, because
        // the callback may cancel the handle, which empties them. The lock is held.
        unsafe {
            let held = |offset| Bound::from_borrowed_ptr_or_opt(py, get(handle, offset));
            let (Some(callback), Some(args), Some(context)) =
                (held(slots.callback), held(slots.args), held(slots.context))
            else {
                return Err(PyRuntimeError::new_err(
                    "a Handle that was never initialised",
                ));
            };
            // asyncio itself takes any sequence.
            let args = Bound::from_owned_ptr_or_err(py, ffi::PySequence_Tuple(args.as_ptr()))?;
            if ffi::PyContext_Enter(context.as_ptr()) < 0 {
                return Err(PyErr::fetch(py));
            }
            let items = args.as_ptr().cast::<ffi::PyTupleObject>();
            let items = (&raw const (*items).ob_item).cast::<*mut ffi::PyObject>();
            let count = ffi::PyTuple_GET_SIZE(args.as_ptr()).unsigned_abs();
            let result = ffi::PyObject_Vectorcall(callback.as_ptr(), items, count, ptr::null_mut());
            let left = ffi::PyContext_Exit(context.as_ptr());
            if result.is_null() || left < 0 {
                ffi::Py_XDECREF(result);
                return Err(PyErr::fetch(py));
            }
            ffi::Py_DECREF(result);
        }
        Ok(())
    }
}

/// `Handle.cancel`, and `TimerHandle.cancel` after it: asyncio's, step by step.
fn cancel(py: Python<'_>, handle: *mut ffi::PyObject, is_timer: bool) -> PyResult<()> {
    let slots = &types(py).slots;
    // SAFETY: the method descriptor has checked the class; the lock is held.
    unsafe {
        if get(handle, slots.cancelled) == ffi::Py_True() {
            return Ok(());
        }
        let Some(event_loop) = Bound::from_borrowed_ptr_or_opt(py, get(handle, slots.loop_)) else {
            return Err(PyRuntimeError::new_err(
                "a Handle that was never initialised",
            ));
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
    }
    Ok(())
}

unsafe extern "C" fn cancel_plain(
    handle: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    super::method::outcome(|py| cancel(py, handle, false).map(|()| py.None()))
}

unsafe extern "C" fn cancel_timer(
    handle: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    super::method::outcome(|py| cancel(py, handle, true).map(|()| py.None()))
}
