//! Checks of the application object while this crate runs its event loop.
//!
//! Qt does not survive a second application, nor the destruction of the first one inside of
//! `QCoreApplication::exec()`. A `QmlEngine` makes and destroys an application, so both are easy
//! mistakes.

use std::cell::Cell;
use std::sync::Once;

use super::current;
use crate::qt::app::{self, Event};

thread_local! {
    /// A second application was made on this thread.
    static IS_DOUBLED: Cell<bool> = const { Cell::new(false) };

    /// [`exec`] runs `QCoreApplication::exec()` on this thread.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Watches the application object. Only the first call has an effect.
pub(super) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| app::watch(on_event));
}

/// Called on the application's thread, inside of its constructor or destructor.
fn on_event(event: Event) {
    match event {
        Event::Doubled => {
            IS_DOUBLED.set(true);
            if app::level() > 0 {
                // Not by the application, which may be destroyed before the event loop runs again.
                app::thread_exit(-1);
            }
            if let Some(core) = current() {
                core.exit_nested_loops();
            }
        }
        Event::Destroyed if RUNS.get() && !IS_DOUBLED.get() => {
            eprintln!(
                "qtloop: the Qt application, or the QML engine that has made it, was destroyed inside of \
                 its event loop. Keep it in `main` until `run()` or `exec()` has returned."
            );
            // The event loop would use freed memory, and a destructor cannot be undone.
            std::process::abort();
        }
        _ => {}
    }
}

/// Runs the event loop of this thread. Returns -1 if there is no application. Call [`check`] after
/// it.
///
/// # Panics
/// A second application was made before.
#[track_caller]
pub(crate) fn exec() -> i32 {
    check();
    if !app::exists() {
        -1
    } else if app::is_main_thread() {
        let outer = RUNS.replace(true);
        let code = app::exec();
        RUNS.set(outer);
        code
    } else {
        app::thread_exec()
    }
}

/// # Panics
/// A second application was made since the last call.
#[track_caller]
pub(crate) fn check() {
    assert!(
        !IS_DOUBLED.take(),
        "a second Qt application, or a QML engine that makes one, was made: make it before `Loop::attach()`, \
         and without `run()` or `Loop::with_app()`, which make a `QCoreApplication`"
    );
}
