//! The measured loops, and the interface that a workload uses.

mod glib;
mod qmetaobject;
mod qtloop;
mod smol;
mod tokio;

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use clap::ValueEnum;
use futures_lite::{AsyncRead, AsyncWrite};
use serde::{Deserialize, Serialize};

use crate::measure::Lateness;

pub use self::glib::Glib;
pub use self::qmetaobject::Qmetaobject;
pub use self::qtloop::Qtloop;
pub use self::smol::{Smol, SmolGlobal};
pub use self::tokio::Tokio;

/// The loops by name, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Inside the loop of a `QApplication`
    Qtloop,
    /// smol's `LocalExecutor` on one thread, in its `block_on`
    Smol,
    /// smol's own executor, which has a thread of its own
    SmolGlobal,
    /// tokio's `current_thread` runtime with a `LocalSet`
    Tokio,
    /// glib's `MainContext`, with gio's sockets
    Glib,
    /// qmetaobject's `execute_async`, in the loop of a `QApplication`
    Qmetaobject,
}

/// A loop that runs tasks.
pub trait Tasks: 'static {
    fn new() -> Self;

    /// Runs the loop until this future completes, as a task if the loop can.
    fn run<F: Future<Output: 'static> + 'static>(&self, main: F) -> F::Output;

    /// Spawns a task, inside `run`; the future that it returns waits for the task.
    fn spawn<F>(future: F) -> impl Future<Output = ()>
    where
        F: Future<Output = ()> + Send + 'static;
}

/// A loop that also has timers and sockets, all on one thread.
pub trait Io: Tasks {
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    fn spawn_local<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()>;

    /// Spawns a task whose priority is higher than that of the others, if the loop has priorities.
    fn spawn_high<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()> {
        Self::spawn_local(future)
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()>;

    /// Converts a connected, non-blocking socket to a stream of the loop.
    fn adopt(stream: TcpStream) -> io::Result<Self::Stream>;

    /// Returns the lateness of that many ticks of a window's timer, which is not the loop's; `None`
    /// without a window.
    fn window_ticks(_period: Duration, _count: usize) -> Option<impl Future<Output = Lateness>> {
        None::<std::future::Ready<Lateness>>
    }
}
