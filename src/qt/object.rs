//! Somebody else's `QObject`: whether it is still there, and what it has to say.

use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;

#[cfg(not(no_qt))]
use cpp::cpp;

use super::ffi;
use crate::contain::contain;

cpp! {{
    #include <QtCore/QCoreApplication>
    #include <QtCore/QMetaMethod>
    #include <QtCore/QObject>
    #include <QtCore/QPointer>
    #include <QtCore/QVariant>

    using QtloopPointer = QPointer<QObject>;
    using QtloopText = void (*)(void* text, const char* bytes, size_t length);
}}

/// A `QObject` that belongs to somebody else and may be gone any time; this is not what keeps it alive. (`QPointer`)
pub struct Object(NonNull<c_void>);

impl Object {
    /// The object behind a `QObject*`, as other crates and C++ hand it out; `None` if that is null.
    ///
    /// # Safety
    /// It points to a `QObject` that is alive, and lives on this thread.
    #[must_use]
    pub unsafe fn from_raw(object: *mut c_void) -> Option<Object> {
        // SAFETY: the caller's promise.
        let pointer = unsafe {
            cpp!([object as "QObject*"] -> *mut c_void as "void*" {
                return object ? new QtloopPointer(object) : nullptr;
            })
        };
        NonNull::new(pointer).map(Object)
    }

    /// The application object; `None` if there is none, or on another thread than its own.
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

    /// The `QObject*`; null once it is gone.
    #[must_use]
    pub fn as_ptr(&self) -> *mut c_void {
        let pointer = self.0.as_ptr();
        // SAFETY: alive until drop.
        unsafe {
            cpp!([pointer as "QtloopPointer*"] -> *mut c_void as "QObject*" { return pointer->data(); })
        }
    }

    /// Whether it is still there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.as_ptr().is_null()
    }

    /// The name of its class; empty once it is gone.
    #[must_use]
    pub fn class_name(&self) -> String {
        let object = self.as_ptr();
        text(|out, sink| {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([object as "QObject*", out as "void*", sink as "QtloopText"] {
                    if (object) {
                        const char* name = object->metaObject()->className();
                        sink(out, name, strlen(name));
                    }
                });
            }
        })
    }

    /// The index of a signal, by its signature (`"clicked(bool)"`) or its name. Of several of one name it is the last of the class
    /// that is most derived, with all arguments.
    #[must_use]
    pub fn signal(&self, name: &str) -> Option<c_int> {
        let object = self.as_ptr();
        let (bytes, length) = (name.as_ptr(), name.len());
        // SAFETY: null, or alive and of this thread; the name is borrowed for the call.
        let index = unsafe {
            cpp!([object as "QObject*", bytes as "const char*", length as "size_t"] -> c_int as "int" {
                if (!object)
                    return -1;
                const QByteArray name(bytes, qsizetype(length));
                const QMetaObject* meta = object->metaObject();
                if (name.contains('('))
                    return meta->indexOfSignal(QMetaObject::normalizedSignature(name.constData()).constData());
                int found = -1;
                for (int index = meta->methodCount() - 1; index >= 0; --index) {
                    const QMetaMethod method = meta->method(index);
                    const bool whole = !(method.attributes() & QMetaMethod::Cloned);
                    if (method.methodType() == QMetaMethod::Signal && method.name() == name && whole) {
                        found = index;
                        break;
                    }
                }
                return found;
            })
        };
        (index >= 0).then_some(index)
    }

    /// The signatures of all its signals.
    #[must_use]
    pub fn signals(&self) -> Vec<String> {
        let object = self.as_ptr();
        let all = text(|out, sink| {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([object as "QObject*", out as "void*", sink as "QtloopText"] {
                    const QMetaObject* meta = object ? object->metaObject() : nullptr;
                    for (int index = 0; meta && index < meta->methodCount(); ++index) {
                        const QMetaMethod method = meta->method(index);
                        if (method.methodType() == QMetaMethod::Signal) {
                            const QByteArray line = method.methodSignature() + '\n';
                            sink(out, line.constData(), size_t(line.size()));
                        }
                    }
                });
            }
        });
        all.lines().map(str::to_owned).collect()
    }
}

impl Object {
    /// Its name (`QObject::objectName`); empty once it is gone.
    #[must_use]
    pub fn name(&self) -> String {
        let object = self.as_ptr();
        text(|out, sink| {
            // SAFETY: null, or alive and of this thread.
            unsafe {
                cpp!([object as "QObject*", out as "void*", sink as "QtloopText"] {
                    const QByteArray name = object ? object->objectName().toUtf8() : QByteArray();
                    sink(out, name.constData(), size_t(name.size()));
                });
            }
        })
    }

    /// Names it; it says `objectNameChanged(QString)`. Nothing happens once it is gone.
    pub fn set_name(&self, name: &str) {
        let object = self.as_ptr();
        let (bytes, length) = (name.as_ptr(), name.len());
        // SAFETY: null, or alive and of this thread; the name is borrowed for the call.
        unsafe {
            cpp!([object as "QObject*", bytes as "const char*", length as "size_t"] {
                if (object)
                    object->setObjectName(QString::fromUtf8(bytes, qsizetype(length)));
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
        // SAFETY: alive until drop; a copy may be of an object that is gone.
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

/// A plain `QObject` of our own, which ends when this is dropped: something to bind tasks to.
#[derive(Debug)]
pub struct Owned(Object);

impl Owned {
    /// An object of this thread.
    #[must_use]
    pub fn new() -> Owned {
        // SAFETY: alive, and made here.
        let object = unsafe {
            let object = cpp!([] -> *mut c_void as "QObject*" { return new QObject; });
            Object::from_raw(object)
        };
        Owned(object.expect("new does not return null"))
    }
}

impl Default for Owned {
    fn default() -> Owned {
        Owned::new()
    }
}

impl std::ops::Deref for Owned {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let object = self.0.as_ptr();
        // SAFETY: null, if Qt has deleted it, or alive, and of this thread, as `Object` is not `Send`.
        unsafe { cpp!([object as "QObject*"] { delete object; }) }
    }
}

/// Collects what C++ says in pieces.
fn text(say: impl FnOnce(*mut c_void, extern "C" fn(*mut c_void, *const c_char, usize))) -> String {
    extern "C" fn append(text: *mut c_void, bytes: *const c_char, length: usize) {
        // SAFETY: the vector below, for the time of the call, and as many bytes.
        unsafe {
            let piece = std::slice::from_raw_parts(bytes.cast::<u8>(), length);
            (*text.cast::<Vec<u8>>()).extend_from_slice(piece);
        }
    }
    let mut bytes = Vec::new();
    say((&raw mut bytes).cast(), append);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What came with a signal.
pub struct Arguments(NonNull<c_void>);

impl Arguments {
    /// The `QVariantList`.
    #[cfg(feature = "qml")]
    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let list = self.0.as_ptr();
        // SAFETY: alive until drop.
        unsafe {
            cpp!([list as "QVariantList*"] -> usize as "size_t" { return size_t(list->size()); })
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, if it is there, and of a type that Qt can make this of (`QVariant::value`).
    #[must_use]
    pub fn get<T: FromArgument>(&self, index: usize) -> Option<T> {
        if index < self.len() {
            T::from_argument(self, index)
        } else {
            None
        }
    }
}

impl Drop for Arguments {
    fn drop(&mut self) {
        // SAFETY: freed once, here.
        unsafe { ffi::qtloop_arguments_free(self.0.as_ptr()) }
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = formatter.debug_list();
        for index in 0..self.len() {
            list.entry(&self.get::<String>(index));
        }
        list.finish()
    }
}

/// What an argument of a signal can be read as: `i32`, `u32`, `i64`, `f64`, `bool`, `String`, an [`Object`]; with the feature `qml` also
/// `qmetaobject::QVariant`, which may be anything.
pub trait FromArgument: Sized {
    /// The argument of an index that there is.
    #[doc(hidden)]
    fn from_argument(arguments: &Arguments, index: usize) -> Option<Self>;
}

impl FromArgument for i64 {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<i64> {
        let (list, mut value) = (arguments.0.as_ptr(), 0_i64);
        let out = &raw mut value;
        // SAFETY: alive until drop, and it has so many.
        let good = unsafe {
            cpp!([list as "QVariantList*", index as "size_t", out as "qint64*"] -> bool as "bool" {
                bool good = false;
                *out = list->at(qsizetype(index)).toLongLong(&good);
                return good;
            })
        };
        good.then_some(value)
    }
}

impl FromArgument for i32 {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<i32> {
        i64::from_argument(arguments, index)?.try_into().ok()
    }
}

impl FromArgument for u32 {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<u32> {
        i64::from_argument(arguments, index)?.try_into().ok()
    }
}

impl FromArgument for f64 {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<f64> {
        let (list, mut value) = (arguments.0.as_ptr(), 0_f64);
        let out = &raw mut value;
        // SAFETY: alive until drop, and it has so many.
        let good = unsafe {
            cpp!([list as "QVariantList*", index as "size_t", out as "double*"] -> bool as "bool" {
                bool good = false;
                *out = list->at(qsizetype(index)).toDouble(&good);
                return good;
            })
        };
        good.then_some(value)
    }
}

impl FromArgument for bool {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<bool> {
        let list = arguments.0.as_ptr();
        // SAFETY: alive until drop, and it has so many.
        let value = unsafe {
            cpp!([list as "QVariantList*", index as "size_t"] -> c_int as "int" {
                const QVariant& value = list->at(qsizetype(index));
                return value.canConvert<bool>() ? int(value.toBool()) : -1;
            })
        };
        (value >= 0).then_some(value == 1)
    }
}

impl FromArgument for String {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<String> {
        let (list, mut good) = (arguments.0.as_ptr(), false);
        let is_text = &raw mut good;
        let value = text(|out, sink| {
            // SAFETY: alive until drop, and it has so many.
            unsafe {
                cpp!([list as "QVariantList*", index as "size_t", is_text as "bool*", out as "void*", sink as "QtloopText"] {
                    const QVariant& value = list->at(qsizetype(index));
                    *is_text = value.canConvert<QString>();
                    if (*is_text) {
                        const QByteArray bytes = value.toString().toUtf8();
                        sink(out, bytes.constData(), size_t(bytes.size()));
                    }
                });
            }
        });
        good.then_some(value)
    }
}

impl FromArgument for Object {
    fn from_argument(arguments: &Arguments, index: usize) -> Option<Object> {
        let list = arguments.0.as_ptr();
        // SAFETY: alive until drop, and it has so many; an object is kept as a pointer that knows when it has gone.
        unsafe {
            let object = cpp!([list as "QVariantList*", index as "size_t"] -> *mut c_void as "QObject*" {
                return list->at(qsizetype(index)).value<QPointer<QObject>>().data();
            });
            Object::from_raw(object)
        }
    }
}

type Heard = Rc<dyn Fn(Option<Arguments>)>;

/// Hears one signal of an object, and its end: then `None` comes, and no more after it.
pub struct Ear {
    ear: NonNull<ffi::QtloopEar>,
    // What the C++ side points to. Boxed, because an `Rc<dyn Fn>` is two words and `void *` is one.
    _heard: Box<Heard>,
}

impl Ear {
    /// Listens to the signal of that index; `None` if the object is gone, or has no such signal. `heard` is called on this thread, inside of Qt, and may
    /// drop the ear; a panic in it ends there, with its message on standard error.
    #[must_use]
    pub fn new(
        object: &Object,
        signal: c_int,
        heard: impl Fn(Option<Arguments>) + 'static,
    ) -> Option<Ear> {
        let object = object.as_ptr();
        if object.is_null() {
            return None;
        }
        let heard: Box<Heard> = Box::new(Rc::new(heard));
        let data = std::ptr::from_ref::<Heard>(&heard)
            .cast_mut()
            .cast::<c_void>();
        // SAFETY: the object is alive, the index is looked up, and the closure outlives the ear.
        let ear = unsafe { ffi::qtloop_ear_new(object, signal, trampoline, data) };
        Some(Ear {
            ear: NonNull::new(ear)?,
            _heard: heard,
        })
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // SAFETY: freed once, here; no call begins after it, and one that is under way holds its own share of the closure.
        unsafe { ffi::qtloop_ear_free(self.ear.as_ptr()) }
    }
}

impl fmt::Debug for Ear {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Ear").field(&self.ear).finish()
    }
}

extern "C" fn trampoline(data: *mut c_void, arguments: *mut c_void) {
    // SAFETY: `data` is the closure of an ear that is alive at this moment; the clone lives on if it drops the ear.
    let heard = unsafe { Rc::clone(&*data.cast::<Heard>()) };
    let arguments = NonNull::new(arguments).map(Arguments);
    // Qt's frames below must not be unwound.
    contain(|| heard(arguments));
}
