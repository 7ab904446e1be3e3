//! The Qt event loop of a run: how it is entered, and how a stop exits it.

use std::cell::Cell;
use std::fmt;

use super::{NestedLoop, app};

/// The Qt event loop that serves a run.
#[derive(Debug)]
pub(crate) enum HostLoop {
    /// The application's `exec()`, on the main thread.
    Application(ApplicationLoop),
    /// The `exec()` of this thread's `QThread`.
    Thread,
    /// A nested `QEventLoop`.
    Nested(NestedLoop),
}

impl HostLoop {
    /// Returns the outermost Qt event loop that this thread can run: a nested one if one runs
    /// already.
    #[must_use]
    pub(crate) fn here() -> HostLoop {
        if app::level() > 0 {
            HostLoop::nested()
        } else if app::is_main_thread() {
            HostLoop::Application(ApplicationLoop::default())
        } else {
            HostLoop::Thread
        }
    }

    /// Makes a nested event loop on this thread.
    #[must_use]
    pub(crate) fn nested() -> HostLoop {
        HostLoop::Nested(NestedLoop::new())
    }

    /// Runs the Qt event loop until [`exit`](HostLoop::exit) or a quit. Returns its exit code.
    #[must_use]
    pub(crate) fn exec(&self) -> i32 {
        match self {
            HostLoop::Application(_) => app::exec(),
            HostLoop::Thread => app::thread_exec(),
            HostLoop::Nested(nested_loop) => nested_loop.exec(),
        }
    }

    /// Exits the Qt event loop. The application does not quit.
    pub(crate) fn exit(&self) {
        match self {
            HostLoop::Application(application) => application.exit(),
            HostLoop::Thread => app::thread_exit(0),
            HostLoop::Nested(nested_loop) => nested_loop.exit(0),
        }
    }
}

/// The application's `exec()`. Qt emits `aboutToQuit` whenever that ends, so an exit blocks the
/// application's signals until this value is dropped.
#[derive(Default)]
pub(crate) struct ApplicationLoop {
    /// Whether the signals were blocked before `exit` blocked them; `None` before that.
    were_blocked: Cell<Option<bool>>,
}

impl ApplicationLoop {
    fn exit(&self) {
        if self.were_blocked.get().is_none() {
            self.were_blocked.set(Some(app::block_signals(true)));
        }
        app::exit(0);
    }
}

impl Drop for ApplicationLoop {
    fn drop(&mut self) {
        if let Some(blocked) = self.were_blocked.get() {
            app::block_signals(blocked);
        }
    }
}

impl fmt::Debug for ApplicationLoop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_exited = self.were_blocked.get().is_some();
        formatter
            .debug_tuple("ApplicationLoop")
            .field(&has_exited)
            .finish()
    }
}
