//! One event loop for Qt and async code.
//!
//! Four nouns and one verb. A [`Host`](qt::Host) is a `QObject` that calls back on its Qt thread. A
//! [`Reactor`](reactor::Reactor) knows which jobs are ready. A [`Driver`] joins the two and hands the jobs of one
//! *turn* to a face, which runs them. A [`Remote`](reactor::Remote) is the way in from other threads. Nothing is
//! pumped, no second loop runs in a thread, and nothing wakes when nothing is due.
//!
//! On that core stand faces. The default one, the feature `tasks`, is async Rust inside of a Qt application: a [`Loop`] that is
//! attached to the Qt loop of its thread, [`spawn_local`], and futures for [`time`], sockets ([`net`], [`io`]), [`signal`]s of Qt's
//! objects and of the system, and [`process`]es:
//!
//! ```no_run
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//! use qtloop::net::TcpStream;
//!
//! # fn main() -> std::io::Result<()> {
//! let event_loop = qtloop::Loop::with_app(std::env::args_os())?; // `attach()` where there is a Qt application
//! qtloop::spawn_local(async {
//!     let mut stream = TcpStream::connect(("localhost", 7)).await?;
//!     stream.write_all(b"hello").await?;
//!     let mut answer = [0; 5];
//!     stream.read_exact(&mut answer).await?;
//!     qtloop::quit(0);
//!     std::io::Result::Ok(())
//! });
//! event_loop.exec();
//! # Ok(())
//! # }
//! ```
//!
//! The feature `hyper` adds HTTP clients and servers, `tokio-io` has the streams implement tokio's traits too.
//!
//! The feature `qml` adds tasks of QML objects, whose methods QML can wait for; `python` is another face, an asyncio loop, as the Python module
//! `qtloop`. Whichever are chosen, the crate links QtCore and nothing else, but for `qml`. `docs/ARCHITECTURE.md` tells one turn
//! step by step; [`driver`] is where to start reading.

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

mod contain;
pub mod driver;
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
pub mod reactor;
#[cfg(feature = "tasks")]
pub mod signal;
#[cfg(feature = "tasks")]
pub mod task;
#[cfg(feature = "tasks")]
pub mod time;

pub use driver::{Driver, Quits, Turn, Wakeup};
#[cfg(feature = "tasks")]
pub use task::{Handle, JoinError, JoinHandle, Loop, block_on, quit, spawn_local, spawn_scoped};

/// README's program is compiled with the documentation tests.
#[cfg(all(doctest, feature = "qml"))]
#[doc = include_str!("../README.md")]
mod readme {}
