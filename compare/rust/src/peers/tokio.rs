//! tokio: a runtime on the current thread, with a `LocalSet` for tasks that are not `Send`.

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::{Io, Tasks};

pub struct Tokio(Runtime);

impl Tasks for Tokio {
    fn new() -> Tokio {
        let runtime = Builder::new_current_thread().enable_all().build();
        Tokio(runtime.expect("three descriptors"))
    }

    fn run<F: Future<Output: 'static> + 'static>(&self, main: F) -> F::Output {
        let tasks = LocalSet::new();
        let main = tasks.spawn_local(main);
        tasks.block_on(&self.0, main).expect("it does not panic")
    }

    fn spawn<F>(future: F) -> impl Future<Output = ()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::spawn_local(future)
    }
}

impl Io for Tokio {
    type Stream = Compat<tokio::net::TcpStream>;

    fn spawn_local<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()> {
        let task = spawn_local(future);
        async { task.await.expect("it does not panic") }
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(duration)
    }

    fn adopt(stream: TcpStream) -> io::Result<Self::Stream> {
        tokio::net::TcpStream::from_std(stream).map(TokioAsyncReadCompatExt::compat)
    }
}
