//! A connection to one signal of an [`Object`] and to its destruction.

use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;

use super::variant::Type;
use super::{Arguments, Object, ffi};
use crate::panic::catch_panic;

type Callback = Rc<dyn Fn(Option<Arguments>)>;

/// A connection to one signal of an object. Dropping it disconnects, and discards emissions of
/// other threads that are not delivered yet.
///
/// The closure is called on the thread that made the connection: inside the emission if that is on
/// the same thread, as with `Qt::AutoConnection`. The arguments of an emission on another thread
/// are copied on that thread, and delivered by an event that is posted to this one. Emissions of
/// one thread are delivered in their order. The last call has no arguments: the object is being
/// destroyed.
pub struct SignalConnection {
    connection: NonNull<ffi::QtloopConnection>,
    // The C++ side points to it. Boxed, because an `Rc<dyn Fn>` is two words and `void *` is one.
    _callback: Box<Callback>,
}

impl SignalConnection {
    /// Connects to the signal with this index, and calls `callback` for each emission.
    ///
    /// Returns `None` if the object was destroyed, or if the index is not that of a signal.
    /// `callback` may drop the connection. A panic in it is caught; its message is on standard
    /// error.
    #[must_use]
    pub fn new(
        object: &Object,
        signal: c_int,
        callback: impl Fn(Option<Arguments>) + 'static,
    ) -> Option<SignalConnection> {
        let object = object.as_ptr();
        if object.is_null() {
            return None;
        }
        let callback: Box<Callback> = Box::new(Rc::new(callback));
        let data = std::ptr::from_ref::<Callback>(&callback)
            .cast_mut()
            .cast::<c_void>();
        // SAFETY: `as_ptr` returns objects that are alive and of this thread; the closure outlives
        // the connection.
        let connection = unsafe { ffi::qtloop_connection_new(object, signal, trampoline, data) };
        Some(SignalConnection {
            connection: NonNull::new(connection)?,
            _callback: callback,
        })
    }

    /// Returns the types of the signal's parameters.
    #[cfg_attr(
        not(feature = "tasks"),
        expect(dead_code, reason = "signal streams use it")
    )]
    pub(crate) fn types(&self) -> Vec<Type> {
        let connection = self.connection.as_ptr();
        // SAFETY: alive until drop.
        let count = unsafe { ffi::qtloop_connection_parameters(connection) };
        (0..count)
            // SAFETY: as above.
            .map(|index| Type::of_id(unsafe { ffi::qtloop_connection_type(connection, index) }))
            .collect()
    }

    /// Returns the name of the signal.
    #[cfg_attr(
        not(feature = "tasks"),
        expect(dead_code, reason = "signal streams use it")
    )]
    pub(crate) fn signal(&self) -> String {
        // SAFETY: alive until drop, and so is the text, which ends with a null.
        let name =
            unsafe { CStr::from_ptr(ffi::qtloop_connection_signal(self.connection.as_ptr())) };
        name.to_string_lossy().into_owned()
    }
}

impl Drop for SignalConnection {
    fn drop(&mut self) {
        // SAFETY: freed once, here. No call begins after it, and a call that runs owns a clone of
        // the closure.
        unsafe { ffi::qtloop_connection_free(self.connection.as_ptr()) }
    }
}

impl fmt::Debug for SignalConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("SignalConnection")
            .field(&self.connection)
            .finish()
    }
}

extern "C" fn trampoline(data: *mut c_void, arguments: *mut c_void) {
    // SAFETY: `data` is the closure of a connection that is alive now; the clone outlives a
    // connection that it drops.
    let callback = unsafe { Rc::clone(&*data.cast::<Callback>()) };
    let arguments = NonNull::new(arguments).map(Arguments::from_list);
    // Qt's frames below must not be unwound.
    catch_panic(|| callback(arguments));
}
