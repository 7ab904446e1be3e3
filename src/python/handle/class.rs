//! The native handle classes: their memory layout and allocation.
//!
//! Each is a subclass of asyncio's class. Its memory begins with asyncio's slots, followed by a
//! native *tail*. Attributes that most handles do not use have no stored value: the getter of
//! `_args` makes a tuple of the arguments in the tail, and those of `_cancelled`, `_repr` and
//! `_source_traceback` return the default while the slot is empty. The memory of freed handles is
//! reused: see `dealloc.rs`.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_uint, c_ulong, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use super::{dealloc, getters};
use crate::python::gil::GilProtected;
use crate::reactor::TimerKey;

/// The number of arguments that fit in the tail; more are stored as a tuple.
pub(super) const INLINE: usize = 3;

/// The memory behind asyncio's slots. All zero bytes are a valid tail.
#[repr(C)]
pub(super) struct Tail {
    /// The arguments, while asyncio's slot for them is empty.
    pub(super) args: [*mut ffi::PyObject; INLINE],
    pub(super) count: usize,
}

/// The tail of a timer handle.
#[repr(C)]
pub(super) struct TimerTail {
    pub(super) tail: Tail,
    /// The deadline, while asyncio's slot for it is empty.
    pub(super) when: f64,
    pub(super) scheduled: bool,
    pub(super) key: MaybeUninit<TimerKey>,
}

/// The tail of the handle of a reader or writer.
#[repr(C)]
pub(super) struct WatchTail {
    pub(super) tail: Tail,
    pub(super) fd: c_int,
    pub(super) is_writer: bool,
}

/// The byte offsets of the slots of `asyncio.Handle`, from the start of the object.
#[derive(Debug)]
pub(super) struct Slots {
    pub(super) callback: isize,
    pub(super) args: isize,
    pub(super) cancelled: isize,
    pub(super) loop_: isize,
    pub(super) source_traceback: isize,
    pub(super) repr: isize,
    pub(super) context: isize,
    /// The slot of `asyncio.TimerHandle`.
    pub(super) when: isize,
    pub(super) weak: isize,
}

impl Slots {
    /// Returns the slots that hold references. They are empty in a new handle.
    pub(super) fn held(&self) -> [isize; 7] {
        [
            self.callback,
            self.args,
            self.context,
            self.loop_,
            self.cancelled,
            self.repr,
            self.source_traceback,
        ]
    }
}

/// One native handle class.
pub(super) struct Class {
    pub(super) class: Py<PyAny>,
    /// The offset of its tail.
    pub(super) tail: isize,
    /// The offset of a reference that it has in addition to those of `asyncio.Handle`.
    pub(super) own: Option<isize>,
    /// Freed objects with empty slots, ready to be reused.
    pub(super) free: GilProtected<RefCell<Vec<*mut ffi::PyObject>>>,
}

/// The class of handles of `call_soon_threadsafe`, which other threads may cancel while they run.
pub(super) struct ThreadSafe {
    pub(super) class: Class,
    /// The offset of its lock.
    pub(super) lock: isize,
    /// Makes a lock.
    pub(super) rlock: Py<PyAny>,
}

/// The native handle classes.
pub(super) struct Types {
    pub(super) handle: Class,
    pub(super) timer: Class,
    pub(super) watch: Class,
    /// From Python 3.14 on.
    pub(super) threadsafe: Option<ThreadSafe>,
    pub(super) slots: Slots,
    pub(super) dealloc: GilProtected<DeallocState>,
}

/// Handles that are being freed.
#[derive(Default)]
pub(super) struct DeallocState {
    /// How many calls of `dealloc` are on the stack.
    pub(super) depth: Cell<usize>,
    pub(super) waiting: RefCell<Vec<*mut ffi::PyObject>>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

pub(super) fn types(py: Python<'_>) -> &Types {
    TYPES.get(py).expect("made when the module is")
}

/// Makes the classes. The module calls it once.
pub(in crate::python) fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let events = py.import("asyncio.events")?;
    let (handle, timer) = (events.getattr("Handle")?, events.getattr("TimerHandle")?);
    // SAFETY: it is a class.
    let weak = unsafe { (*handle.as_ptr().cast::<ffi::PyTypeObject>()).tp_weaklistoffset };
    let slots = Slots {
        callback: offset(&handle, "_callback")?,
        args: offset(&handle, "_args")?,
        cancelled: offset(&handle, "_cancelled")?,
        loop_: offset(&handle, "_loop")?,
        source_traceback: offset(&handle, "_source_traceback")?,
        repr: offset(&handle, "_repr")?,
        context: offset(&handle, "_context")?,
        when: offset(&timer, "_when")?,
        weak,
    };
    let threadsafe = match events.getattr_opt("_ThreadSafeHandle")? {
        Some(base) => {
            let lock = offset(&base, "_lock")?;
            let name = c"qtloop._native._ThreadSafeHandle";
            Some(ThreadSafe {
                // It keeps asyncio's `cancel`, which takes the lock.
                class: subclass(&base, name, size_of::<Tail>(), Some(lock), None)?,
                lock,
                rlock: py.import("_thread")?.getattr("RLock")?.unbind(),
            })
        }
        None => None,
    };
    let types = Types {
        handle: subclass(
            &handle,
            c"qtloop._native.Handle",
            size_of::<Tail>(),
            None,
            Some(super::cancel_plain),
        )?,
        timer: subclass(
            &timer,
            c"qtloop._native.TimerHandle",
            size_of::<TimerTail>(),
            Some(slots.when),
            Some(super::cancel_timer),
        )?,
        watch: subclass(
            &handle,
            c"qtloop._native.Handle",
            size_of::<WatchTail>(),
            None,
            Some(super::cancel_plain),
        )?,
        threadsafe,
        slots,
        dealloc: GilProtected::new(DeallocState::default()),
    };
    module.add("Handle", &types.handle.class)?;
    module.add("TimerHandle", &types.timer.class)?;
    // After a second import in this process the first classes stay in use.
    let _ = TYPES.set(py, types);
    Ok(())
}

/// Returns the offset of one of a class's `__slots__`.
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
    // SAFETY: a member descriptor has this layout in every supported version; the cast is for 3.10,
    // where PyO3 names another type for the same pointer.
    Ok(unsafe { (*(*descriptor).d_member.cast::<ffi::PyMemberDef>()).offset })
}

fn property(name: &'static CStr, get: ffi::getter, set: Option<ffi::setter>) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set,
        doc: ptr::null(),
        closure: ptr::null_mut(),
    }
}

/// Makes a subclass of `base` whose tail has `tail` bytes. `own` is the slot that `base` has in
/// addition to those of `asyncio.Handle`. Without `cancel` the subclass inherits the method.
fn subclass(
    base: &Bound<'_, PyAny>,
    name: &'static CStr,
    tail: usize,
    own: Option<isize>,
    cancel: Option<ffi::PyCFunction>,
) -> PyResult<Class> {
    let base_type = base.as_ptr().cast::<ffi::PyTypeObject>();
    // SAFETY: `base` is a class.
    let begin = unsafe { (*base_type).tp_basicsize };
    let mut methods = Vec::new();
    if let Some(cancel) = cancel {
        methods.push(ffi::PyMethodDef {
            ml_name: c"cancel".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer {
                PyCFunction: cancel,
            },
            ml_flags: ffi::METH_NOARGS,
            ml_doc: c"Cancel the call, and let go of the callback and its arguments at once."
                .as_ptr(),
        });
    }
    methods.push(ffi::PyMethodDef::zeroed());
    // Leaked once per class: the descriptors point into it.
    let methods = methods.leak();
    let mut properties = vec![
        property(c"_args", getters::get_args, Some(getters::set_args)),
        property(
            c"_cancelled",
            getters::get_cancelled,
            Some(getters::set_cancelled),
        ),
        property(c"_repr", getters::get_repr, Some(getters::set_repr)),
        property(
            c"_source_traceback",
            getters::get_source_traceback,
            Some(getters::set_source_traceback),
        ),
    ];
    if name == c"qtloop._native.TimerHandle" {
        properties.push(property(
            c"_when",
            getters::get_when,
            Some(getters::set_when),
        ));
        properties.push(property(c"_scheduled", getters::get_scheduled, None));
    }
    // SAFETY: a definition of zeros marks the end of the list.
    properties.push(unsafe { std::mem::zeroed() });
    let properties = properties.leak();
    let mut spec_slots = [
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, properties.as_mut_ptr().cast()),
        slot(ffi::Py_tp_dealloc, dealloc::dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, dealloc::traverse as *mut c_void),
        slot(ffi::Py_tp_clear, dealloc::clear as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let size = begin as usize + tail.next_multiple_of(align_of::<usize>());
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: c_int::try_from(size).expect("a handle is small"),
        itemsize: 0,
        #[allow(clippy::cast_possible_truncation)]
        flags: ((ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC) as c_ulong) as c_uint,
        slots: spec_slots.as_mut_ptr(),
    };
    let bases = PyTuple::new(base.py(), [base])?;
    // SAFETY: the specification is complete and outlives the call; name, methods and properties
    // live for ever.
    let class = unsafe {
        Bound::from_owned_ptr_or_err(
            base.py(),
            ffi::PyType_FromSpecWithBases(&raw mut spec, bases.as_ptr()),
        )?
    };
    Ok(Class {
        class: class.unbind(),
        tail: begin,
        own,
        free: GilProtected::new(RefCell::default()),
    })
}

fn slot(slot: c_int, function: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot {
        slot,
        pfunc: function,
    }
}

impl Class {
    /// Makes a handle with empty slots. The caller fills it, then calls `PyObject_GC_Track`.
    #[inline]
    pub(super) fn make(&self, py: Python<'_>) -> PyResult<*mut ffi::PyObject> {
        let class = self.class.as_ptr().cast::<ffi::PyTypeObject>();
        let free = self.free.get(py).borrow_mut().pop();
        // SAFETY: a free object was one of this class, and `empty` has cleared its slots and its
        // tail.
        unsafe {
            if let Some(object) = free {
                return Ok(ffi::PyObject_Init(object, class));
            }
            let object = ffi::PyType_GenericAlloc(class, 0);
            if object.is_null() {
                return Err(PyErr::fetch(py));
            }
            ffi::PyObject_GC_UnTrack(object.cast());
            Ok(object)
        }
    }

    #[inline]
    pub(super) fn is_class_of(&self, object: *mut ffi::PyObject) -> bool {
        // SAFETY: the callers hold the object.
        unsafe { ffi::Py_TYPE(object).cast::<ffi::PyObject>() == self.class.as_ptr() }
    }
}

impl Types {
    /// Returns the class of a native handle.
    #[inline]
    pub(super) fn class_of(&self, handle: *mut ffi::PyObject) -> &Class {
        let threadsafe = self.threadsafe.as_ref().map(|threadsafe| &threadsafe.class);
        [&self.handle, &self.timer]
            .into_iter()
            .chain(threadsafe)
            .find(|class| class.is_class_of(handle))
            .unwrap_or(&self.watch)
    }

    /// Returns whether a handle is of a native class, and so has a tail.
    #[inline]
    pub(super) fn is_ours(&self, handle: *mut ffi::PyObject) -> bool {
        self.class_of(handle).is_class_of(handle)
    }

    /// Returns the tail of a native handle.
    ///
    /// # Safety
    /// `handle` is of a native class.
    #[inline]
    pub(super) unsafe fn tail(&self, handle: *mut ffi::PyObject) -> *mut Tail {
        // SAFETY: the caller's promise.
        unsafe { at(handle, self.class_of(handle).tail) }
    }
}

/// Returns a pointer to a slot of a handle, or to its tail.
///
/// # Safety
/// `handle` is an `asyncio.Handle`, and `offset` is that of one of its slots or of its tail.
#[inline]
pub(super) unsafe fn at<T>(handle: *mut ffi::PyObject, offset: isize) -> *mut T {
    // SAFETY: the caller's promise; slots and tails are aligned to the word.
    unsafe { handle.cast::<u8>().offset(offset).cast::<T>() }
}

/// Returns a slot's object, borrowed; null if the slot is empty.
///
/// # Safety
/// As for [`at`].
#[inline]
pub(super) unsafe fn get(handle: *mut ffi::PyObject, offset: isize) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe { *at::<*mut ffi::PyObject>(handle, offset) }
}

/// Moves a reference into an empty slot.
///
/// # Safety
/// As for [`at`]; the GIL is held; the slot is empty.
#[inline]
pub(super) unsafe fn fill(handle: *mut ffi::PyObject, offset: isize, value: *mut ffi::PyObject) {
    // SAFETY: the caller's promise.
    unsafe { *at(handle, offset) = value }
}

/// Stores a new reference to `value` in a slot, then drops the previous one.
///
/// # Safety
/// As for [`at`]; the GIL is held; `value` may be null.
pub(super) unsafe fn set(handle: *mut ffi::PyObject, offset: isize, value: *mut ffi::PyObject) {
    // SAFETY: the slot holds null or an owned reference. The drop may run code, so the slot is set
    // before.
    unsafe {
        ffi::Py_XINCREF(value);
        let old = ptr::replace(at::<*mut ffi::PyObject>(handle, offset), value);
        ffi::Py_XDECREF(old);
    }
}
