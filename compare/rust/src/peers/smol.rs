//! smol: a `LocalExecutor` on this thread, and the global executor, which has its own thread.

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use smol::{Async, LocalExecutor, Timer};

use super::{Io, Tasks};

thread_local! {
    static EXECUTOR: LocalExecutor<'static> = const { LocalExecutor::new() };
}

pub struct Smol;

impl Tasks for Smol {
    fn new() -> Smol {
        Smol
    }

    fn run<F: Future<Output: 'static> + 'static>(&self, main: F) -> F::Output {
        EXECUTOR.with(|executor| smol::block_on(executor.run(executor.spawn(main))))
    }

    fn spawn<F>(future: F) -> impl Future<Output = ()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::spawn_local(future)
    }
}

impl Io for Smol {
    type Stream = Async<TcpStream>;

    fn spawn_local<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()> {
        EXECUTOR.with(|executor| executor.spawn(future))
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    fn adopt(stream: TcpStream) -> io::Result<Self::Stream> {
        Async::new(stream)
    }
}

pub struct SmolGlobal;

impl Tasks for SmolGlobal {
    fn new() -> SmolGlobal {
        SmolGlobal
    }

    /// Runs on this thread, like the `main` of a program with smol; its tasks run on the other
    /// thread.
    fn run<F: Future<Output: 'static> + 'static>(&self, main: F) -> F::Output {
        smol::block_on(main)
    }

    fn spawn<F>(future: F) -> impl Future<Output = ()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        smol::spawn(future)
    }
}
