//! One event loop for Qt and async code.
//!
//! A [`Loop`] gives tasks, timers and sockets to the Qt loop of its thread: [`spawn_local`] begins a task, and futures wait for [`time`], sockets
//! ([`net`], [`io`]), [`signal`]s of Qt's objects and of the system, and [`process`]es. Nothing is pumped, no second loop runs in a thread, and nothing
//! wakes when nothing is due.
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
//!     qtloop::run(greet()) // or `Loop::attach()`, where something else runs Qt's loop
//! }
//! ```
//!
//! | feature | |
//! |---|---|
//! | `tasks` | all of the above; on by default |
//! | `qml` | tasks of QML objects (`qmetaobject`'s), and promises for QML |
//! | `hyper` | HTTP clients and servers, by hyper |
//! | `tokio-io` | the streams implement tokio's traits, too |
//! | `tracing` | a span per task |
//! | `python` | another face: the Python module `qtloop`, an asyncio loop |
//!
//! Whichever are chosen, the crate links QtCore and nothing else, but for `qml`. README has a table of what to write for what.
//!
//! `docs/ARCHITECTURE.md` tells how the loop works inside.

#![recursion_limit = "1024"]

// Where loom runs, the crates that tasks need do not compile.
#[cfg(all(test, loom))]
#[path = "task/latch.rs"]
#[allow(dead_code, reason = "its tests use less of it than tasks do")]
mod latch;

/// In place of `cpp::cpp`, where there is no Qt to compile it against.
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

/// What makes an error of a type that says one thing, also as an `io::Error` of that kind.
#[cfg(feature = "tasks")]
macro_rules! plain_error {
    ($error:ident, $kind:ident, $words:literal) => {
        impl std::fmt::Display for $error {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str($words)
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

mod contain;
mod driver;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "tasks")]
pub mod io;
#[cfg(feature = "tasks")]
pub mod net;
#[cfg(feature = "tasks")]
pub mod process;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "qml")]
pub mod qml;
pub mod qt;
mod reactor;
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
pub use task::{Handle, JoinError, JoinHandle, Loop, block_on, quit, spawn_local, spawn_scoped};

/// The parts that the two APIs are built of, for tests, benchmarks and further front ends. They may
/// change in any release.
///
/// A [`Host`](core::Host) is a `QObject` that calls back on its Qt thread. A [`Reactor`](core::Reactor)
/// knows which jobs are ready. A [`Driver`](core::Driver) joins the two, and hands the jobs of one
/// turn to a front end, which runs them. Other threads send jobs by a [`Remote`](core::Remote).
#[doc(hidden)]
pub mod core {
    pub use crate::driver::{Driver, Turn, Wakeup};
    pub use crate::qt::app;
    pub use crate::qt::connection::Ear;
    pub use crate::qt::host::{Host, Linger};
    pub use crate::qt::nest::Nest;
    pub use crate::reactor::{Poller, Reactor, Recur, Remote, Side, Time, TimerKey, Timers, Wake};
}

/// README's program is compiled with the documentation tests.
#[cfg(all(doctest, feature = "qml"))]
#[doc = include_str!("../README.md")]
mod readme {}
