//! Small functions of `QCoreApplication` and `QThread`, as `cpp!` closures.

use std::ffi::{OsString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;

#[cfg(not(no_qt))]
use cpp::cpp;

use super::{activity, ffi};
use crate::panic::catch_panic;

cpp! {{
    #include <dlfcn.h>

    #include <QtCore/QCoreApplication>
    #include <QtCore/QEvent>
    #include <QtCore/QList>
    #include <QtCore/QThread>
    #include <QtCore/QVariant>

    using QtloopPosted = void (*)(void*);

    // QThread::exec is protected, but a subclass may take a pointer to it.
    struct QtloopThread : QThread { static constexpr auto run_events = &QtloopThread::exec; };
}}

/// An event of the application object; see `cpp/host.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was made, or exists when [`watch`] is called. Its constructor may not have returned.
    Made,
    /// It has emitted `aboutToQuit`.
    Quits,
    /// The slots of `aboutToQuit` have returned.
    QuitDone,
    /// Its destructor has begun.
    Destroyed,
    /// A second one was made, which Qt does not support.
    Doubled,
}

static NOTIFY: OnceLock<fn(Event)> = OnceLock::new();

/// Calls `notify`, on the application's thread, for each event of the application object from now
/// on. Only the first call in a process has an effect.
pub fn watch(notify: fn(Event)) {
    extern "C" fn trampoline(event: c_int) {
        let event = match event {
            0 => Event::Made,
            1 => Event::Quits,
            2 => Event::Destroyed,
            3 => Event::Doubled,
            _ => Event::QuitDone,
        };
        if let Some(notify) = NOTIFY.get() {
            // A panic must not unwind through Qt's frames.
            catch_panic(|| notify(event));
        }
    }
    if NOTIFY.set(notify).is_ok() {
        // SAFETY: called once; the function lives as long as the process.
        unsafe { ffi::qtloop_watch_application(trampoline) }
    }
}

/// Returns whether there is an application object.
#[must_use]
pub fn exists() -> bool {
    // SAFETY: reads a global.
    unsafe { cpp!([] -> bool as "bool" { return QCoreApplication::instance() != nullptr; }) }
}

/// Makes a `QCoreApplication`, which lives as long as the process, unless an application exists. Qt
/// then regards this thread as the main thread. The first argument is the program's name, and Qt
/// processes the arguments that it knows (such as `-qmljsdebugger`).
pub fn ensure(arguments: impl IntoIterator<Item = impl Into<OsString>>) {
    if exists() {
        return;
    }
    let texts = arguments.into_iter().map(|argument| {
        // Text after a null byte is lost; the operating system passes none.
        let mut bytes = argument.into().into_vec();
        bytes.push(0);
        bytes.leak().as_mut_ptr().cast()
    });
    let mut texts: Vec<*mut c_char> = texts.collect();
    if texts.is_empty() {
        texts.push(b"qtloop\0".to_vec().leak().as_mut_ptr().cast());
    }
    let count = Box::leak(Box::new(c_int::try_from(texts.len()).unwrap_or(c_int::MAX)));
    texts.push(std::ptr::null_mut());
    let texts = texts.leak().as_mut_ptr();
    // SAFETY: argc and argv must live as long as the application, and do: they are leaked. It is
    // never deleted, because Qt objects of other owners may still be alive when the process ends.
    unsafe {
        cpp!([count as "int*", texts as "char**"] { new QCoreApplication(*count, texts); });
    }
}

/// Returns whether the application shows a window. QtGui is not linked; its function is looked up
/// if the process has loaded it.
#[must_use]
pub fn has_visible_window() -> bool {
    // SAFETY: the function is static and returns a list of pointers to QWindow, whose first base
    // class is QObject. The windows are alive: this is called on the application's thread.
    unsafe {
        cpp!([] -> bool as "bool" {
            using Windows = QList<QObject*>();
            static Windows* windows = nullptr;
            if (!windows) {
                if (void* gui = dlopen(QT_VERSION_MAJOR == 6 ? "libQt6Gui.so.6" : "libQt5Gui.so.5", RTLD_LAZY | RTLD_NOLOAD))
                    windows = reinterpret_cast<Windows*>(dlsym(gui, "_ZN15QGuiApplication15topLevelWindowsEv"));
            }
            if (!windows || !QCoreApplication::instance())
                return false;
            for (QObject* window : windows()) {
                if (window->property("visible").toBool() && !window->property("qtloop_inspector").toBool())
                    return true;
            }
            return false;
        })
    }
}

/// Returns whether the application has windows and quits when the last one closes
/// (`quitOnLastWindowClosed`).
#[must_use]
pub fn quits_with_last_window() -> bool {
    // SAFETY: the pointer is checked. A property of the application is read on its own thread: the
    // callers are slots of its signals.
    unsafe {
        cpp!([] -> bool as "bool" {
            auto* app = QCoreApplication::instance();
            return app && app->property("quitOnLastWindowClosed").toBool();
        })
    }
}

/// Calls `QCoreApplication::quit()`, which closes the windows, unless one refuses, and exits
/// `exec()`.
pub fn quit() {
    // SAFETY: the pointer is checked.
    unsafe {
        // Not only the call: `cpp!` names a closure by a hash of its text, and qmetaobject has one
        // with that text.
        cpp!([] {
            if (QCoreApplication::instance())
                QCoreApplication::quit();
        });
    }
}

/// Returns whether this is the thread of the application object.
#[must_use]
pub fn is_main_thread() -> bool {
    // SAFETY: reads globals.
    unsafe {
        cpp!([] -> bool as "bool" {
            auto* app = QCoreApplication::instance();
            return app && app->thread() == QThread::currentThread();
        })
    }
}

/// Returns how many nested Qt event loops run on this thread.
#[must_use]
pub fn level() -> i32 {
    // SAFETY: reads data of the current thread.
    unsafe { cpp!([] -> i32 as "int" { return QThread::currentThread()->loopLevel(); }) }
}

/// Runs `QCoreApplication::exec()`. Call it on the main thread at level 0.
#[must_use]
pub fn exec() -> i32 {
    // SAFETY: Qt checks its own preconditions, with a message and the code -1.
    let code = unsafe { cpp!([] -> i32 as "int" { return QCoreApplication::exec(); }) };
    activity::loop_returned();
    code
}

/// Exits all Qt loops of the main thread; `exec()` returns the code.
pub fn exit(code: i32) {
    // SAFETY: may be called at any time.
    unsafe { cpp!([code as "int"] { QCoreApplication::exit(code); }) }
}

/// Blocks the application object's signals, or unblocks them. Returns whether they were blocked.
///
/// `exec()` emits `aboutToQuit` whenever it ends, and Qt has no other way to end it. Blocking the
/// signals between `exit()` and the end of `exec()` separates "the loop has stopped" from "the
/// application quits".
pub fn block_signals(block: bool) -> bool {
    // SAFETY: the pointer is checked, and is null after the application was destroyed.
    unsafe {
        cpp!([block as "bool"] -> bool as "bool" {
            auto* app = QCoreApplication::instance();
            return app && app->blockSignals(block);
        })
    }
}

/// Removes quit requests that are still queued, after the application has quit for an earlier one.
pub fn forget_quit() {
    // SAFETY: the pointer is checked.
    unsafe {
        cpp!([] {
            if (auto* app = QCoreApplication::instance())
                QCoreApplication::removePostedEvents(app, QEvent::Quit);
        });
    }
}

/// Removes quit requests that are queued before Qt next delivers queued events.
pub fn forget_quit_soon() {
    post(forget_quit);
}

/// Calls a function on the application's thread when Qt next delivers posted events. The function
/// is never called, and never dropped, if the application is destroyed before.
pub fn post(work: impl FnOnce() + 'static) {
    extern "C" fn call(work: *mut c_void) {
        // SAFETY: made below, and called once.
        let work = unsafe { Box::from_raw(work.cast::<Box<dyn FnOnce()>>()) };
        // A panic must not unwind through Qt's frames.
        catch_panic(*work);
    }
    let work: Box<Box<dyn FnOnce()>> = Box::new(Box::new(work));
    let work: *mut c_void = Box::into_raw(work).cast();
    let call: extern "C" fn(*mut c_void) = call;
    // SAFETY: the pointer to the application is checked. This is its thread: the callers are slots
    // of its signals.
    unsafe {
        cpp!([work as "void*", call as "QtloopPosted"] {
            if (auto* app = QCoreApplication::instance())
                QMetaObject::invokeMethod(app, [work, call] { call(work); }, Qt::QueuedConnection);
        });
    }
}

/// Delivers the events posted to objects of this thread, without an event loop.
pub fn send_posted_events() {
    // SAFETY: may be called at any time there is an application, which is checked.
    unsafe {
        cpp!([] {
            if (QCoreApplication::instance())
                QCoreApplication::sendPostedEvents();
        });
    }
}

/// Runs `exec()` of this thread's `QThread`; this also works in a thread that Qt did not start.
#[must_use]
pub fn thread_exec() -> i32 {
    // SAFETY: it is called on the thread that it runs.
    let code = unsafe {
        cpp!([] -> i32 as "int" {
            return (QThread::currentThread()->*QtloopThread::run_events)();
        })
    };
    activity::loop_returned();
    code
}

/// Exits all Qt loops of this thread.
pub fn thread_exit(code: i32) {
    // SAFETY: `QThread::exit` may be called at any time.
    unsafe { cpp!([code as "int"] { QThread::currentThread()->exit(code); }) }
}
