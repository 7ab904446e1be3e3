//! The classes of our handles: where their parts lie, how they are made and how they end.
//!
//! Each is a subclass of asyncio's class, so its slots come first; behind them lies a *tail* of our own. asyncio's slots
//! hold what every handle has. What most handles have not got is not stored but told: `_args` is made of the arguments in
//! the tail when somebody asks, and `_cancelled`, `_repr` and `_source_traceback` have their defaults while their slots
//! are empty. Memory of dead handles is kept for the next ones, up to [`KEPT`] of a class.
//!
//! Longer than a file should be: it is all that may know where the parts lie.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_uint, c_ulong, c_void};
use std::mem::MaybeUninit;
use std::ptr;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::python::gil::Guarded;
use crate::python::method;
use crate::reactor::TimerKey;

/// More arguments than these are in a tuple.
pub(super) const INLINE: usize = 3;

/// As many handles as a busy turn has; a quarter of a megabyte at the most, for all classes together.
const KEPT: usize = 1024;

/// Handles that hold handles that hold handles are freed one inside the other down to here, and then one by one.
const DEEP: usize = 32;

/// What a handle of ours has behind asyncio's slots. All zero bytes are a good tail.
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

/// Where `asyncio.Handle` keeps its slots: byte offsets from the start of the object.
#[derive(Debug)]
pub(super) struct Slots {
    pub(super) callback: isize,
    pub(super) args: isize,
    pub(super) cancelled: isize,
    pub(super) loop_: isize,
    pub(super) source_traceback: isize,
    pub(super) repr: isize,
    pub(super) context: isize,
    /// Of `asyncio.TimerHandle`.
    pub(super) when: isize,
    weak: isize,
}

impl Slots {
    /// Those that hold references, with which a handle begins empty.
    fn held(&self) -> [isize; 7] {
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

/// One class.
pub(super) struct Class {
    pub(super) class: Py<PyAny>,
    /// Where its tail begins.
    pub(super) tail: isize,
    /// The offset of a reference that it has beside those of `asyncio.Handle`.
    own: Option<isize>,
    /// Objects without references or owner, ready to be used again.
    kept: Guarded<RefCell<Vec<*mut ffi::PyObject>>>,
}

/// The class of handles of `call_soon_threadsafe`, which other threads may cancel while they run.
pub(super) struct ThreadSafe {
    pub(super) class: Class,
    /// The offset of its lock.
    pub(super) lock: isize,
    /// Makes a lock.
    pub(super) rlock: Py<PyAny>,
}

/// Our classes.
pub(super) struct Types {
    pub(super) handle: Class,
    pub(super) timer: Class,
    pub(super) watch: Class,
    /// From Python 3.14 on.
    pub(super) threadsafe: Option<ThreadSafe>,
    pub(super) slots: Slots,
    deep: Guarded<Deep>,
}

/// Handles that are being freed.
#[derive(Default)]
struct Deep {
    level: Cell<usize>,
    waiting: RefCell<Vec<*mut ffi::PyObject>>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

pub(super) fn types(py: Python<'_>) -> &Types {
    TYPES.get(py).expect("made when the module is")
}

/// Makes the classes. Called once, by the module.
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
        deep: Guarded::new(Deep::default()),
    };
    module.add("Handle", &types.handle.class)?;
    module.add("TimerHandle", &types.timer.class)?;
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

fn property(name: &'static CStr, get: ffi::getter, set: Option<ffi::setter>) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: name.as_ptr(),
        get: Some(get),
        set,
        doc: ptr::null(),
        closure: ptr::null_mut(),
    }
}

/// Makes a subclass of `base` whose tail has `tail` bytes. `own` is the slot that `base` has beside those of
/// `asyncio.Handle`. Without `cancel` the subclass inherits the method.
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
        property(c"_args", get_args, Some(set_args)),
        property(c"_cancelled", get_cancelled, Some(set_cancelled)),
        property(c"_repr", get_repr, Some(set_repr)),
        property(
            c"_source_traceback",
            get_source_traceback,
            Some(set_source_traceback),
        ),
    ];
    if name == c"qtloop._native.TimerHandle" {
        properties.push(property(c"_when", get_when, Some(set_when)));
        properties.push(property(c"_scheduled", get_scheduled, None));
    }
    // SAFETY: a definition of zeros is the end of the list.
    properties.push(unsafe { std::mem::zeroed() });
    let properties = properties.leak();
    let mut spec_slots = [
        slot(ffi::Py_tp_methods, methods.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, properties.as_mut_ptr().cast()),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
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
    // SAFETY: the specification is complete and outlives the call; name, methods and properties live for ever.
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
        kept: Guarded::new(RefCell::default()),
    })
}

fn slot(slot: c_int, function: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot {
        slot,
        pfunc: function,
    }
}

impl Class {
    /// A handle with empty slots, which the garbage collector does not know yet: fill it, then [`track`].
    #[inline]
    pub(super) fn make(&self, py: Python<'_>) -> PyResult<*mut ffi::PyObject> {
        let class = self.class.as_ptr().cast::<ffi::PyTypeObject>();
        let kept = self.kept.get(py).borrow_mut().pop();
        // SAFETY: what is kept was an object of this class, and its slots and its tail are empty.
        unsafe {
            if let Some(object) = kept {
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
    /// The class of one of our handles.
    #[inline]
    fn class_of(&self, handle: *mut ffi::PyObject) -> &Class {
        let threadsafe = self.threadsafe.as_ref().map(|threadsafe| &threadsafe.class);
        [&self.handle, &self.timer]
            .into_iter()
            .chain(threadsafe)
            .find(|class| class.is_class_of(handle))
            .unwrap_or(&self.watch)
    }

    /// Whether it is a handle that we have made, and so has a tail.
    #[inline]
    pub(super) fn is_ours(&self, handle: *mut ffi::PyObject) -> bool {
        self.class_of(handle).is_class_of(handle)
    }

    /// # Safety
    /// It is one of our handles.
    #[inline]
    pub(super) unsafe fn tail(&self, handle: *mut ffi::PyObject) -> *mut Tail {
        // SAFETY: the caller's promise.
        unsafe { at(handle, self.class_of(handle).tail) }
    }
}

/// A pointer to a slot of a handle, or to its tail.
///
/// # Safety
/// `handle` is an `asyncio.Handle` and `offset` one of its slots' or its tail's.
#[inline]
pub(super) unsafe fn at<T>(handle: *mut ffi::PyObject, offset: isize) -> *mut T {
    // SAFETY: the caller's promise; slots and tails are aligned to the word.
    unsafe { handle.cast::<u8>().offset(offset).cast::<T>() }
}

/// What a slot holds, borrowed; null if it is empty.
///
/// # Safety
/// As [`at`].
#[inline]
pub(super) unsafe fn get(handle: *mut ffi::PyObject, offset: isize) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    unsafe { *at::<*mut ffi::PyObject>(handle, offset) }
}

/// Puts a reference of its own into an empty slot.
///
/// # Safety
/// As [`at`]; the lock is held; the slot is empty.
#[inline]
pub(super) unsafe fn fill(handle: *mut ffi::PyObject, offset: isize, value: *mut ffi::PyObject) {
    // SAFETY: the caller's promise.
    unsafe { *at(handle, offset) = value }
}

/// Puts a new reference to `value` into a slot, and lets go of what was there, last of all.
///
/// # Safety
/// As [`at`]; the lock is held; `value` may be null.
pub(super) unsafe fn set(handle: *mut ffi::PyObject, offset: isize, value: *mut ffi::PyObject) {
    // SAFETY: the slot holds null or an owned reference. What is dropped may run code, so the slot is in order before.
    unsafe {
        ffi::Py_XINCREF(value);
        let old = ptr::replace(at::<*mut ffi::PyObject>(handle, offset), value);
        ffi::Py_XDECREF(old);
    }
}

/// Lets go of the arguments in a handle's tail.
///
/// # Safety
/// It is alive; the lock is held.
#[inline]
pub(super) unsafe fn drop_arguments(tail: *mut Tail) {
    // SAFETY: the caller's promise. The count goes first: what is dropped may run code.
    unsafe {
        for index in 0..std::mem::take(&mut (*tail).count) {
            ffi::Py_DECREF((*tail).args[index]);
        }
    }
}

unsafe extern "C" fn traverse(
    handle: *mut ffi::PyObject,
    visit: ffi::visitproc,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the collector calls it for a handle of ours, with the lock held.
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

unsafe extern "C" fn clear(handle: *mut ffi::PyObject) -> c_int {
    // SAFETY: as in `traverse`.
    unsafe {
        let types = types(Python::assume_attached());
        empty(types, types.class_of(handle), handle);
    }
    0
}

/// Lets go of all that a handle holds.
///
/// # Safety
/// It is a handle of that class; the lock is held.
#[inline]
unsafe fn empty(types: &Types, class: &Class, handle: *mut ffi::PyObject) {
    // SAFETY: the caller's promise. Each place is empty before what was in it is dropped, which may run code.
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

unsafe extern "C" fn dealloc(handle: *mut ffi::PyObject) {
    // SAFETY: the last reference is gone, and the lock is held.
    unsafe {
        let py = Python::assume_attached();
        let types = types(py);
        ffi::PyObject_GC_UnTrack(handle.cast());
        let deep = types.deep.get(py);
        if deep.level.get() >= DEEP {
            deep.waiting.borrow_mut().push(handle);
            return;
        }
        deep.level.set(deep.level.get() + 1);
        free(py, types, handle);
        if deep.level.get() == 1 {
            loop {
                let next = deep.waiting.borrow_mut().pop();
                let Some(next) = next else { break };
                free(py, types, next);
            }
        }
        deep.level.set(deep.level.get() - 1);
    }
}

/// # Safety
/// As `dealloc`.
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
        let mut kept = class.kept.get(py).borrow_mut();
        if kept.len() < KEPT {
            kept.push(handle);
        } else {
            drop(kept);
            ffi::PyObject_GC_Del(handle.cast());
        }
        // Each object of a class that was made at run time owns a reference to it.
        ffi::Py_DECREF(type_object.cast());
    }
}

// What asyncio's Python code reads and writes.

/// A getter for a slot, with what it says while the slot is empty.
macro_rules! property {
    ($get:ident, $set:ident, $slot:ident, $default:expr) => {
        unsafe extern "C" fn $get(
            handle: *mut ffi::PyObject,
            _: *mut c_void,
        ) -> *mut ffi::PyObject {
            // SAFETY: the descriptor has checked the class; the lock is held.
            unsafe {
                let value = get(handle, types(Python::assume_attached()).slots.$slot);
                ffi::Py_NewRef(if value.is_null() { $default } else { value })
            }
        }

        unsafe extern "C" fn $set(
            handle: *mut ffi::PyObject,
            value: *mut ffi::PyObject,
            _: *mut c_void,
        ) -> c_int {
            // SAFETY: as in the getter; null is to delete it, and then it has its default.
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

unsafe extern "C" fn get_args(handle: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    method::outcome(|py| {
        // SAFETY: the descriptor has checked the class; the lock is held.
        unsafe {
            let types = types(py);
            let args = get(handle, types.slots.args);
            if !args.is_null() {
                return Ok(Bound::from_borrowed_ptr(py, args).unbind());
            }
            let tail = types.tail(handle);
            let args = method::tuple(py, (*tail).args.as_ptr(), (*tail).count)?;
            Ok(args.into_any().unbind())
        }
    })
}

unsafe extern "C" fn set_args(
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

unsafe extern "C" fn get_when(handle: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: the descriptor has checked the class; the lock is held.
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

unsafe extern "C" fn set_when(
    handle: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    _: *mut c_void,
) -> c_int {
    // SAFETY: as in the getter.
    unsafe { set(handle, types(Python::assume_attached()).slots.when, value) }
    0
}

unsafe extern "C" fn get_scheduled(
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
