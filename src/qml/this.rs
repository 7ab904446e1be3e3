//! [`This`]: a weak reference by which tasks use their QML object.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::io;
use std::rc::Rc;

use qmetaobject::{QObject, QPointer};

use super::known;
use crate::qt::{Object, SignalConnection, ToArguments};

/// A weak reference to a QML object, for its tasks. It does not keep the object alive.
///
/// # Memory safety
/// `qmetaobject` lends `self` to slots and property accessors as a plain reference, without a
/// check. [`with`](This::with) cannot see those references, and they do not see the borrow of
/// `with`. In a program that keeps these rules, no reference is used after its value has changed or
/// was freed:
///
/// 1. Emit signals after `with`, by [`emit`](This::emit), and change the rows of a model by
///    [`insert_rows`](This::insert_rows) and the methods beside it. A signal that is emitted inside
///    of `with` runs QML, which reads and changes the object by its slots; emit it as the last
///    statement there, and use no reference into the object after it.
/// 2. A slot that waits by [`block_on`](crate::block_on), or runs a dialog, uses no reference into `self`
///    after that. A slot that returns a [`promise`](super::promise) does not wait.
/// 3. Declare the `qt_base_class!` field first. Rust drops fields in their order, and the object counts as
///    destroyed from the drop of that field on.
///
/// qtloop enforces one more rule: an object is not destroyed inside of its `with`, or while its
/// rows change. If it is, the process ends with a message, before freed memory could be used. A
/// destructor cannot be undone, and a panic cannot pass through Qt. Drop an object, or what owns
/// it, after `with` has returned.
pub struct This<T: QObject> {
    pointer: QPointer<T>,
    guard: Rc<Guard>,
}

/// Ends the process if the object is destroyed while it is in use. All clones of a `This` share it.
struct Guard {
    /// How many [`InUse`] values exist.
    uses: Rc<Cell<usize>>,
    // Its slot is called inside of the object's destructor.
    _connection: Option<SignalConnection>,
}

impl<T: QObject> This<T> {
    /// Makes a reference to an object, for tasks of other objects. An object's own tasks get theirs
    /// from [`spawn`](super::spawn).
    ///
    /// # Panics
    /// Qt does not know the object yet. `engine.set_object_property()` and
    /// `pinned().get_or_create_cpp_object()` make it known.
    #[track_caller]
    pub fn of(object: &T) -> This<T> {
        let known = known(object);
        let uses = Rc::new(Cell::new(0));
        let used = Rc::clone(&uses);
        let destroyed = known.signal("destroyed(QObject*)");
        let connection = destroyed.and_then(|index| {
            SignalConnection::new(&known, index, move |_| {
                if used.get() > 0 {
                    abort();
                }
            })
        });
        This {
            pointer: QPointer::from(object),
            guard: Rc::new(Guard {
                uses,
                _connection: connection,
            }),
        }
    }

    /// Borrows the object for the time of a closure, to read or change it.
    ///
    /// The closure must not destroy the object, and a signal that it emits must be its last
    /// statement: see [Memory safety](This#memory-safety).
    ///
    /// ```no_run
    /// # use qmetaobject::prelude::*;
    /// # use qtloop::qml::This;
    /// # #[derive(QObject, Default)]
    /// # struct Clock {
    /// #     base: qt_base_class!(trait QObject),
    /// #     seconds: qt_property!(u32; NOTIFY ticked),
    /// #     ticked: qt_signal!(),
    /// # }
    /// fn tick(clock: &This<Clock>) -> std::io::Result<()> {
    ///     clock.with(|clock| clock.seconds += 1)?;
    ///     clock.emit("ticked", ())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`AccessError::Destroyed`]: the object was destroyed. [`AccessError::Borrowed`]: this is a
    /// call inside of another `with` or `borrow_mut()` of the object.
    ///
    /// # Aborts
    /// The object is destroyed inside of the closure.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, AccessError> {
        self.check()?;
        let pinned = self.pointer.as_pinned().ok_or(AccessError::Destroyed)?;
        let mut object = pinned.borrow_mut();
        // Declared after the borrow and so dropped before it, also by a panic.
        let _in_use = InUse::new(self);
        Ok(work(&mut object))
    }

    /// Emits a signal of the object by its name, without a borrow: its slots may read and change
    /// the object. As [`Object::invoke`] otherwise.
    ///
    /// # Errors
    /// As [`Object::invoke`].
    pub fn emit(&self, signal: &str, arguments: impl ToArguments) -> io::Result<()> {
        self.object()
            .ok_or(AccessError::Destroyed)?
            .invoke(signal, arguments)
    }

    /// Returns the object as the [`Object`] that other functions of this crate take: for its
    /// signals as futures, its properties by name, and tasks that end with it. `None` after it was
    /// destroyed.
    #[must_use]
    pub fn object(&self) -> Option<Object> {
        // SAFETY: null or alive; `This` is not `Send`, and its objects live on this thread.
        unsafe { Object::from_raw(self.pointer.cpp_ptr()) }
    }

    /// Checks that `with` would succeed.
    pub(super) fn check(&self) -> Result<(), AccessError> {
        let object = self.pointer.cpp_ptr();
        if object.is_null() {
            return Err(AccessError::Destroyed);
        }
        let rust_cell = T::get_object_description().get_rust_refcell;
        // SAFETY: the C++ object is alive, and of this class. The function returns a `TraitObject`
        // of qmetaobject_rust.hpp. That may be null, and a null `*const dyn` is undefined behavior,
        // so it is read as two pointers.
        let parts: TraitObject = unsafe {
            let parts: unsafe extern "C" fn(*mut c_void) -> TraitObject =
                std::mem::transmute(rust_cell);
            parts(object)
        };
        // The destructor of an object that C++ owns sets it to null before it frees the Rust value.
        if parts.data.is_null() {
            return Err(AccessError::Destroyed);
        }
        // SAFETY: as above, and not null, so that the Rust value is alive.
        match unsafe { (*rust_cell(object)).try_borrow_mut() } {
            Ok(_) => Ok(()),
            Err(_) => Err(AccessError::Borrowed),
        }
    }
}

/// The two pointers of a `*const dyn`, as C++ returns them.
#[repr(C)]
struct TraitObject {
    data: *mut c_void,
    _vtable: *mut c_void,
}

/// Marks the object as in use until it is dropped.
pub(super) struct InUse<'a, T: QObject>(&'a This<T>);

impl<'a, T: QObject> InUse<'a, T> {
    pub(super) fn new(this: &'a This<T>) -> InUse<'a, T> {
        let uses = &this.guard.uses;
        uses.set(uses.get() + 1);
        InUse(this)
    }
}

impl<T: QObject> Drop for InUse<'_, T> {
    fn drop(&mut self) {
        // The guard's slot was not called, because C++ code has removed all connections of the
        // object.
        if self.0.pointer.is_null() {
            abort();
        }
        let uses = &self.0.guard.uses;
        uses.set(uses.get() - 1);
    }
}

/// Ends the process: code further up the stack, such as the closure of `with`, still uses the
/// object.
fn abort() -> ! {
    eprintln!(
        "qtloop: an object was destroyed inside of `This::with`, or while its rows changed. \
         Drop the object, or what owns it, after that."
    );
    std::process::abort()
}

impl<T: QObject> Clone for This<T> {
    fn clone(&self) -> This<T> {
        This {
            pointer: self.pointer.clone(),
            guard: Rc::clone(&self.guard),
        }
    }
}

impl<T: QObject> fmt::Debug for This<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("This")
            .field(&self.pointer.cpp_ptr())
            .finish()
    }
}

/// The error of [`This::with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessError {
    /// The object was destroyed.
    Destroyed,
    /// The object is borrowed by a caller: another `with` or `borrow_mut()` that has emitted a
    /// signal or runs a Qt loop.
    Borrowed,
}

impl fmt::Display for AccessError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            AccessError::Destroyed => "the object was destroyed",
            AccessError::Borrowed => {
                "the object is borrowed by a caller: end that `with()` first, and emit the signal or run the dialog after it"
            }
        })
    }
}

impl std::error::Error for AccessError {}

impl From<AccessError> for io::Error {
    fn from(error: AccessError) -> io::Error {
        let kind = match error {
            AccessError::Destroyed => io::ErrorKind::NotConnected,
            AccessError::Borrowed => io::ErrorKind::ResourceBusy,
        };
        io::Error::new(kind, error)
    }
}
