//! A weak reference to a `QObject`, and an owned object.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;

#[cfg(not(no_qt))]
use cpp::cpp;

use super::text::text;

cpp! {{
    #include <QtCore/QCoreApplication>
    #include <QtCore/QObject>
    #include <QtCore/QPointer>
    #include <QtCore/QThread>

    using QtloopPointer = QPointer<QObject>;
}}

/// A weak reference to a `QObject` of this thread (`QPointer`). It does not keep the object alive.
///
/// After the object was destroyed, or moved to another thread, each method says that it was
/// destroyed.
pub struct Object(NonNull<c_void>);

impl Object {
    /// Refers to the object behind a `QObject*`, as other crates and C++ pass it.
    ///
    /// Returns `None` if the pointer is null, or if the object lives on another thread
    /// (`QObject::thread()`): a reference to an object never leaves the object's thread.
    ///
    /// # Safety
    /// The pointer is null, or points to a `QObject` that is alive. As long as the object lives on
    /// this thread, no other thread destroys it, which Qt forbids anyway. If it moves to another
    /// thread (`QObject::moveToThread`), no reference to it is used here while that thread may
    /// destroy it.
    #[must_use]
    pub unsafe fn from_raw(object: *mut c_void) -> Option<Object> {
        // SAFETY: the caller's promise.
        let pointer = unsafe {
            cpp!([object as "QObject*"] -> *mut c_void as "void*" {
                return object && object->thread() == QThread::currentThread() ? new QtloopPointer(object) : nullptr;
            })
        };
        NonNull::new(pointer).map(Object)
    }

    /// Returns the application object; `None` if there is none, or if it lives on another thread.
    #[must_use]
    pub fn application() -> Option<Object> {
        if !super::app::is_main_thread() {
            return None;
        }
        // SAFETY: a global, of this thread.
        unsafe {
            let object =
                cpp!([] -> *mut c_void as "QObject*" { return QCoreApplication::instance(); });
            Object::from_raw(object)
        }
    }

    /// Returns the `QObject*`; null after the object was destroyed or moved to another thread.
    #[must_use]
    pub fn as_ptr(&self) -> *mut c_void {
        let pointer = self.0.as_ptr();
        // SAFETY: the QPointer is alive until drop, and its object is null or alive, by `from_raw`.
        unsafe {
            cpp!([pointer as "QtloopPointer*"] -> *mut c_void as "QObject*" {
                QObject* object = pointer->data();
                return object && object->thread() == QThread::currentThread() ? object : nullptr;
            })
        }
    }

    /// Returns whether the object is still alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.as_ptr().is_null()
    }

    /// Returns the name of the object's class; empty after the object was destroyed.
    #[must_use]
    pub fn class_name(&self) -> String {
        let object = self.as_ptr();
        text(|out, sink| {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([object as "QObject*", out as "void*", sink as "QtloopSink"] {
                    if (object) {
                        const char* name = object->metaObject()->className();
                        sink(out, name, strlen(name));
                    }
                });
            }
        })
    }

    /// Returns the object's name (`QObject::objectName`); empty after the object was destroyed.
    #[must_use]
    pub fn name(&self) -> String {
        let object = self.as_ptr();
        text(|out, sink| {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([object as "QObject*", out as "void*", sink as "QtloopSink"] {
                    const QByteArray name = object ? object->objectName().toUtf8() : QByteArray();
                    sink(out, name.constData(), size_t(name.size()));
                });
            }
        })
    }

    /// Sets the object's name, which emits `objectNameChanged(QString)` if the name is another one.
    /// Does nothing after the object was destroyed.
    pub fn set_name(&self, name: &str) {
        let object = self.as_ptr();
        let (bytes, length) = (name.as_ptr(), name.len());
        // SAFETY: null, or alive and of this thread; the name is borrowed for the call.
        unsafe {
            cpp!([object as "QObject*", bytes as "const char*", length as "size_t"] {
                if (object)
                    object->setObjectName(QString::fromUtf8(qtloop_name(bytes, length)));
            });
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let pointer = self.0.as_ptr();
        // SAFETY: freed once, here.
        unsafe { cpp!([pointer as "QtloopPointer*"] { delete pointer; }) }
    }
}

impl Clone for Object {
    fn clone(&self) -> Object {
        let pointer = self.0.as_ptr();
        // SAFETY: alive until drop; a QPointer to a destroyed object may be copied.
        let copy = unsafe {
            cpp!([pointer as "QtloopPointer*"] -> *mut c_void as "void*" { return new QtloopPointer(*pointer); })
        };
        Object(NonNull::new(copy).expect("new does not return null"))
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Object")
            .field(&self.class_name())
            .field(&self.as_ptr())
            .finish()
    }
}

/// A plain `QObject` that is destroyed when this is dropped; tasks can be bound to it.
#[derive(Debug)]
pub struct OwnedObject(Object);

impl OwnedObject {
    /// Makes an object that lives on this thread.
    #[must_use]
    pub fn new() -> OwnedObject {
        // SAFETY: alive, and made here.
        let object = unsafe {
            let object = cpp!([] -> *mut c_void as "QObject*" { return new QObject; });
            Object::from_raw(object)
        };
        OwnedObject(object.expect("new does not return null"))
    }
}

impl Default for OwnedObject {
    fn default() -> OwnedObject {
        OwnedObject::new()
    }
}

impl std::ops::Deref for OwnedObject {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl Drop for OwnedObject {
    fn drop(&mut self) {
        let object = self.0.as_ptr();
        // SAFETY: null, or alive and of this thread. `OwnedObject` is not `Send`.
        unsafe { cpp!([object as "QObject*"] { delete object; }) }
    }
}

/// The error of an operation on an object that was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destroyed;

impl fmt::Display for Destroyed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the object was destroyed")
    }
}

impl std::error::Error for Destroyed {}

impl From<Destroyed> for std::io::Error {
    fn from(error: Destroyed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::NotConnected, error)
    }
}
