//! Objects of QtCore's classes, and emissions of their signals on any thread, for the tests. The
//! C++ functions are called by the names of the Itanium C++ ABI.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::null_mut;

use qtloop::qt::Object;

unsafe extern "C" {
    #[link_name = "_Znwm"]
    fn operator_new(size: usize) -> *mut c_void;
    #[link_name = "_ZN7QObjectC1EPS_"]
    fn object_new(object: *mut c_void, parent: *mut c_void);
    #[link_name = "_ZN7QObjectD0Ev"]
    fn object_delete(object: *mut c_void);
    #[link_name = "_ZN7QObject12moveToThreadEP7QThread"]
    fn object_move(object: *mut c_void, thread: *mut c_void);
    #[link_name = "_ZN7QThread13currentThreadEv"]
    fn current_thread() -> *mut c_void;
    #[link_name = "_ZN13QSignalMapperC1EP7QObject"]
    fn mapper_new(mapper: *mut c_void, parent: *mut c_void);
    #[link_name = "_ZN13QSignalMapperD0Ev"]
    fn mapper_delete(mapper: *mut c_void);
    #[link_name = "_ZN13QSignalMapper9mappedIntEi"]
    fn mapper_mapped_int(mapper: *mut c_void, number: i32);
    #[link_name = "_ZN13QSignalMapper12mappedObjectEP7QObject"]
    fn mapper_mapped_object(mapper: *mut c_void, object: *mut c_void);
    #[link_name = "_ZN6QTimerC1EP7QObject"]
    fn timer_new(timer: *mut c_void, parent: *mut c_void);
    #[link_name = "_ZN6QTimerD0Ev"]
    fn timer_delete(timer: *mut c_void);
    #[link_name = "_ZN19QIdentityProxyModelC1EP7QObject"]
    fn model_new(model: *mut c_void, parent: *mut c_void);
    #[link_name = "_ZN19QIdentityProxyModelD0Ev"]
    fn model_delete(model: *mut c_void);
    #[link_name = "_ZN15QPauseAnimationC1EP7QObject"]
    fn pause_new(pause: *mut c_void, parent: *mut c_void);
    #[link_name = "_ZN15QPauseAnimationD0Ev"]
    fn pause_delete(pause: *mut c_void);
}

/// The classes have a virtual table and a `d` pointer.
const SIZE: usize = 16;

/// In Qt 5 a `QTimer` has four more members, of the size of an `int`.
const TIMER_SIZE: usize = if cfg!(qt5) { 32 } else { SIZE };

type Construct = unsafe extern "C" fn(*mut c_void, *mut c_void);
type Delete = unsafe extern "C" fn(*mut c_void);

/// An owned object.
pub(crate) struct Owner {
    object: *mut c_void,
    delete: Delete,
}

// SAFETY: each test uses and deletes an object on the object's own thread, except by `emitter`.
unsafe impl Send for Owner {}

impl Owner {
    fn new(size: usize, construct: Construct, delete: Delete) -> Owner {
        // SAFETY: the classes have this size, and the constructors fill it.
        unsafe {
            let object = operator_new(size);
            construct(object, null_mut());
            Owner { object, delete }
        }
    }

    pub(crate) fn object() -> Owner {
        Owner::new(SIZE, object_new, object_delete)
    }

    /// A `QTimer`.
    pub(crate) fn timer() -> Owner {
        Owner::new(TIMER_SIZE, timer_new, timer_delete)
    }

    /// A `QPauseAnimation`, with the signal `stateChanged(QAbstractAnimation::State, ..)`.
    pub(crate) fn pause() -> Owner {
        Owner::new(SIZE, pause_new, pause_delete)
    }

    /// A `QIdentityProxyModel`, with the signal `headerDataChanged(Qt::Orientation, int, int)`.
    pub(crate) fn model() -> Owner {
        Owner::new(SIZE, model_new, model_delete)
    }

    /// A `QSignalMapper`, with the signals `mappedInt(int)` and `mappedObject(QObject*)`.
    pub(crate) fn mapper() -> Owner {
        Owner::new(SIZE, mapper_new, mapper_delete)
    }

    /// The object, as C++ code hands it to Rust.
    pub(crate) fn get(&self) -> Option<Object> {
        // SAFETY: alive.
        unsafe { Object::from_raw(self.object) }
    }

    /// Moves the object from this thread to another one.
    pub(crate) fn move_to(&self, thread: Thread) {
        // SAFETY: alive, and of this thread.
        unsafe { object_move(self.object, thread.0) }
    }

    /// Emits signals of a `QSignalMapper` on any thread, as long as it is alive.
    pub(crate) fn emitter(&self) -> Emitter {
        Emitter(self.object)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: alive, and deleted once, here.
        unsafe { (self.delete)(self.object) }
    }
}

/// See [`Owner::emitter`].
#[derive(Clone, Copy)]
pub(crate) struct Emitter(*mut c_void);

// SAFETY: signals are emitted on any thread; the tests keep the object alive.
unsafe impl Send for Emitter {}

impl Emitter {
    pub(crate) fn int(self, number: i32) {
        // SAFETY: alive.
        unsafe { mapper_mapped_int(self.0, number) }
    }

    pub(crate) fn object(self, argument: &Owner) {
        // SAFETY: alive, both.
        unsafe { mapper_mapped_object(self.0, argument.object) }
    }
}

/// A `QThread*`.
#[derive(Clone, Copy)]
pub(crate) struct Thread(*mut c_void);

// SAFETY: a pointer that is only passed to `move_to`.
unsafe impl Send for Thread {}

impl Thread {
    pub(crate) fn current() -> Thread {
        // SAFETY: it may be called on any thread.
        unsafe { Thread(current_thread()) }
    }

    /// Objects that were moved there live on no thread.
    pub(crate) fn none() -> Thread {
        Thread(null_mut())
    }
}
