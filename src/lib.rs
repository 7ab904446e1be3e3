//! One event loop for Qt and async code.
//!
//! A [`Loop`] runs tasks inside the Qt event loop of its thread. [`spawn_local`] starts a task.
//! Tasks await timers ([`time`]), sockets ([`net`], [`io`]), signals of Qt objects and of the
//! system ([`signal`]), and child processes ([`process`]). The crate starts no second event loop,
//! and an idle loop does not wake.
//!
//! ```no_run
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//! use qtloop::net::TcpStream;
//!
//! async fn greet() -> std::io::Result<()> {
//!     let mut stream = TcpStream::connect(("localhost", 7)).await?;
//!     stream.write_all(b"hello").await?;
//!     let mut answer = [0; 5];
//!     stream.read_exact(&mut answer).await
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     qtloop::run(greet())
//! }
//! ```
//!
//! The methods of streams are those of `futures-io`: `cargo add futures-lite` for `AsyncReadExt`.
//! Start a program in one of three ways:
//!
//! - without windows: [`run`], as above;
//! - with a window: make the Qt application, call [`Loop::attach`], show the window, then
//!   [`Loop::run`] or [`Loop::exec`];
//! - in a program whose Qt event loop runs elsewhere, such as in C++: [`Loop::attach`].
//!
//! | feature | |
//! |---|---|
//! | `tasks` | all of the above; on by default |
//! | `qml` | tasks and JavaScript promises of `qmetaobject`'s QML objects |
//! | `hyper` | the runtime traits of hyper, for HTTP clients and servers |
//! | `test-util` | a clock that tests can pause: [`time`] |
//! | `tokio-io` | tokio's `AsyncRead` and `AsyncWrite` for the streams |
//! | `record` | recordings of a loop, as traces: [`Loop`]`::record` |
//! | `tracing` | a span per task |
//! | `python` | the native half of the Python module `qtloop`; not for Rust programs |
//!
//! The crate links QtCore; the feature `qml` links Qt Quick and Qt Widgets, too.
//! `docs/guides/rust/` has a guide for each subject, with whole programs.

#![recursion_limit = "1024"]
// docs.rs has a nightly rustdoc, which shows the feature that each item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Where loom runs, the crates that tasks need do not compile.
#[cfg(all(test, loom))]
#[path = "task/state.rs"]
#[allow(dead_code, reason = "its tests use less of it than tasks do")]
mod state;
#[cfg(all(test, loom))]
#[path = "instruments/watchdog/watch.rs"]
#[allow(dead_code, reason = "its tests use less of it than the watchdog does")]
mod watch;

/// Replaces `cpp::cpp` in a build without Qt.
#[cfg(no_qt)]
macro_rules! cpp {
    ({ $($cpp:tt)* }) => {};
    ([$($names:tt)*] $(-> $result:ty as $type:literal)? { $($cpp:tt)* }) => {{
        fn never() $(-> $result)? {
            unreachable!("this build has no Qt, and is for reading only")
        }
        never()
    }};
}

/// Implements `Error` with a fixed message for a type, and its conversion to an `io::Error` of one
/// kind.
#[cfg(feature = "tasks")]
macro_rules! plain_error {
    ($error:ident, $kind:ident, $message:literal) => {
        impl std::fmt::Display for $error {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str($message)
            }
        }

        impl std::error::Error for $error {}

        impl From<$error> for std::io::Error {
            fn from(error: $error) -> std::io::Error {
                std::io::Error::new(std::io::ErrorKind::$kind, error)
            }
        }
    };
}

mod driver;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(any(feature = "tasks", feature = "python", feature = "record"))]
mod instruments;
#[cfg(feature = "tasks")]
pub mod io;
#[cfg(feature = "tasks")]
pub mod net;
mod panic;
#[cfg(feature = "tasks")]
pub mod process;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "qml")]
pub mod qml;
pub mod qt;
mod reactor;
#[cfg(all(feature = "record", feature = "tasks"))]
pub mod record;
#[cfg(feature = "tasks")]
mod run;
#[cfg(feature = "tasks")]
pub mod signal;
#[cfg(feature = "tasks")]
pub mod task;
#[cfg(feature = "tasks")]
pub mod testing;
#[cfg(feature = "tasks")]
pub mod time;

#[cfg(feature = "tasks")]
pub use run::{Quit, run};
#[cfg(feature = "tasks")]
#[doc(inline)]
pub use task::{
    Handle, JoinError, JoinHandle, Loop, Stats, block_on, quit, spawn_local, spawn_scoped,
};

/// The parts that the two APIs are built of, for tests, benchmarks and further front ends. They may
/// change in any release.
///
/// A [`Host`](core::Host) is a `QObject` that calls back on its Qt thread. A
/// [`Reactor`](core::Reactor) knows which jobs are ready. A [`Driver`](core::Driver) joins the two,
/// and hands the jobs of one turn to a front end, which runs them. Other threads send jobs by a
/// [`Remote`](core::Remote).
#[doc(hidden)]
pub mod core {
    pub use crate::driver::{Driver, DriverStats, Observer, Turn, VirtualTime, Wakeup};
    #[cfg(feature = "record")]
    pub use crate::instruments::recorder::{
        Clock, JobKind, Order, Place, PlaceId, PlaceTimes, Places, Quantiles, Recorder, Subject,
        Ticks,
    };
    #[cfg(qt_linked)]
    pub use crate::qt::connection::SignalConnection;
    pub use crate::qt::host::Host;
    pub use crate::qt::nested_loop::NestedLoop;
    pub use crate::qt::{activity, app};
    pub use crate::reactor::{
        Direction, Linger, Poller, Priority, Queueable, Reactor, Remote, Time, TimerKey,
        TimerStats, Timers, Wake,
    };

    /// Returns whether a priority other than the normal one is in use on the loop.
    #[cfg(feature = "tasks")]
    #[must_use]
    pub fn has_priorities(event_loop: &crate::Loop) -> bool {
        event_loop.core().driver.has_priorities()
    }
}

/// The Rust blocks of README and of docs/, which the documentation tests compile and run.
/// tests/docs.rs checks that no page is missing.
#[cfg(doctest)]
mod pages {
    macro_rules! pages {
        ($($(#[$feature:meta])? $name:ident: $page:literal;)*) => {$(
            $(#[$feature])?
            #[doc = include_str!($page)]
            mod $name {}
        )*};
    }

    pages! {
        #[cfg(feature = "qml")] readme: "../README.md";
        #[cfg(feature = "tasks")] index: "../docs/index.md";
        #[cfg(feature = "qml")] start_rust: "../docs/getting-started/rust.md";
        #[cfg(feature = "tasks")] start_cpp: "../docs/getting-started/cpp.md";
        #[cfg(feature = "tasks")] tasks: "../docs/guides/rust/tasks.md";
        #[cfg(feature = "tasks")] time_and_sockets: "../docs/guides/rust/time-and-sockets.md";
        #[cfg(feature = "tasks")] signals: "../docs/guides/rust/signals.md";
        #[cfg(feature = "qml")] qml: "../docs/guides/rust/qml.md";
        #[cfg(feature = "hyper")] http_and_tls: "../docs/guides/rust/http-and-tls.md";
        #[cfg(feature = "tasks")] beside_tokio: "../docs/guides/rust/beside-tokio.md";
        #[cfg(all(feature = "record", feature = "tasks"))]
        instruments: "../docs/guides/rust/instruments.md";
        #[cfg(feature = "tasks")] fairness: "../docs/concepts/fairness.md";
    }
}
