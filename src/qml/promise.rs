//! A JavaScript `Promise` that is settled from Rust.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;

#[cfg(not(no_qt))]
use cpp::cpp;
use qmetaobject::{QJSValue, QVariant};

use crate::task::JoinError;

cpp! {{
    #include <QtCore/QPointer>
    #include <QtCore/QVariant>
    #include <QtQml/QJSEngine>
    #include <QtQml/QJSValue>

    struct QtloopPromise
    {
        QPointer<QJSEngine> engine;
        QJSValue promise;
        QJSValue resolve;
        QJSValue reject;
    };
}}

/// A JavaScript promise. It is rejected if it is dropped unsettled, such as when the loop drops its
/// task.
pub(super) struct Promise {
    parts: NonNull<c_void>,
    is_settled: bool,
}

impl Promise {
    /// Makes a promise of the JavaScript engine that knows this `QObject`; `None` if no engine
    /// does.
    ///
    /// # Safety
    /// The object is alive, and lives on this thread.
    pub(super) unsafe fn new(object: *mut c_void) -> Option<Promise> {
        // SAFETY: the caller's promise.
        let promise = unsafe {
            cpp!([object as "QObject*"] -> *mut c_void as "QtloopPromise*" {
                QJSEngine* engine = qjsEngine(object);
                if (!engine)
                    return nullptr;
                const QJSValue parts = engine->evaluate(QStringLiteral(
                  "(() => { const it = {};"
                  " it.promise = new Promise((resolve, reject) => { it.resolve = resolve; it.reject = reject; });"
                  " return it; })()"));
                return new QtloopPromise{ engine,
                                          parts.property(QStringLiteral("promise")),
                                          parts.property(QStringLiteral("resolve")),
                                          parts.property(QStringLiteral("reject")) };
            })
        };
        NonNull::new(promise).map(|parts| Promise {
            parts,
            is_settled: false,
        })
    }

    /// Returns the promise as a value for QML.
    pub(super) fn value(&self) -> QJSValue {
        let promise = self.parts.as_ptr();
        // SAFETY: alive until drop.
        unsafe {
            cpp!([promise as "QtloopPromise*"] -> QJSValue as "QJSValue" { return promise->promise; })
        }
    }

    /// Fulfils the promise. Does nothing if the engine was destroyed.
    pub(super) fn resolve(mut self, value: QVariant) {
        self.is_settled = true;
        let promise = self.parts.as_ptr();
        // SAFETY: alive until drop.
        unsafe {
            cpp!([promise as "QtloopPromise*", value as "QVariant"] {
                if (promise->engine)
                    promise->resolve.call({ promise->engine->toScriptValue(value) });
            });
        }
    }

    /// Rejects the promise with a JavaScript `Error` of this message.
    pub(super) fn reject(mut self, message: &str) {
        self.refuse(message);
    }

    fn refuse(&mut self, message: &str) {
        self.is_settled = true;
        let promise = self.parts.as_ptr();
        let (bytes, length) = (message.as_ptr(), message.len());
        // SAFETY: alive until drop; the message is borrowed for the call.
        unsafe {
            cpp!([promise as "QtloopPromise*", bytes as "const char*", length as "size_t"] {
                if (promise->engine) {
                    const QString message = QString::fromUtf8(qtloop_name(bytes, length));
                    promise->reject.call({ promise->engine->newErrorObject(QJSValue::GenericError, message) });
                }
            });
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.is_settled {
            self.refuse(&JoinError::cancelled().to_string());
        }
        let promise = self.parts.as_ptr();
        // SAFETY: freed once, here.
        unsafe { cpp!([promise as "QtloopPromise*"] { delete promise; }) }
    }
}

impl fmt::Debug for Promise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Promise").field(&self.parts).finish()
    }
}
