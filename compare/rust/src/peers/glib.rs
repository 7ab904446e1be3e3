//! glib: a `MainContext`, with its timeouts and gio's sockets, as a GTK program has it.

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use gio::prelude::{IOStreamExtManual, SocketExt};
use gio::{IOStreamAsyncReadWrite, SocketConnection};
use glib::MainContext;

use super::{Io, Tasks};

pub struct Glib(MainContext);

impl Tasks for Glib {
    fn new() -> Glib {
        Glib(MainContext::default())
    }

    fn run<F: Future<Output: 'static> + 'static>(&self, main: F) -> F::Output {
        let main = async move { glib::spawn_future_local(main).await };
        self.0.block_on(main).expect("it does not panic")
    }

    fn spawn<F>(future: F) -> impl Future<Output = ()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::spawn_local(future)
    }
}

impl Io for Glib {
    type Stream = IOStreamAsyncReadWrite<SocketConnection>;

    fn spawn_local<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()> {
        let task = glib::spawn_future_local(future);
        async { task.await.expect("it does not panic") }
    }

    fn spawn_high<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()> {
        let context = MainContext::ref_thread_default();
        let task = context.spawn_local_with_priority(glib::Priority::HIGH, future);
        async { task.await.expect("it does not panic") }
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> {
        glib::timeout_future(duration)
    }

    fn adopt(stream: TcpStream) -> io::Result<Self::Stream> {
        let socket = gio::Socket::from_fd(stream.into()).map_err(io::Error::other)?;
        let connection = socket.connection_factory_create_connection();
        connection
            .into_async_read_write()
            .map_err(|_| io::Error::other("gio cannot poll it"))
    }
}
