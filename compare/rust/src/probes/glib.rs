//! glib: the default `MainContext`, with gio's sockets, as a GTK program has it.

use std::cell::RefCell;
use std::net::TcpStream;
use std::time::Duration;

use futures_lite::future::BoxedLocal;
use gio::prelude::{IOStreamExtManual, SocketExt};
use glib::{MainContext, MainLoop};

use super::toolkit::{Answer, Stream, Toolkit};

pub struct Glib;

thread_local! {
    static MAIN: RefCell<Option<MainLoop>> = const { RefCell::new(None) };
}

impl Toolkit for Glib {
    fn run(main: BoxedLocal<()>) {
        let main_loop = MainLoop::new(None, false);
        MAIN.with(|current| current.replace(Some(main_loop.clone())));
        Self::spawn(main);
        main_loop.run();
    }

    fn quit() {
        if let Some(main_loop) = MAIN.with(RefCell::take) {
            main_loop.quit();
        }
    }

    fn spawn(task: BoxedLocal<()>) {
        drop(glib::spawn_future_local(task));
    }

    fn nested_loop(time: Duration) {
        let nested = MainLoop::new(None, false);
        let leaving = nested.clone();
        glib::timeout_add_local_once(time, move || leaving.quit());
        nested.run();
    }

    fn call(callback: impl FnMut() + 'static) {
        glib::idle_add_local_once(callback);
    }

    fn join<T: 'static>(task: BoxedLocal<T>) -> Result<BoxedLocal<Result<T, String>>, Answer> {
        let task = glib::spawn_future_local(task);
        Ok(Box::pin(async {
            task.await.map_err(|error| error.to_string())
        }))
    }

    fn abortable(task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        let task = glib::spawn_future_local(task);
        Ok(Box::new(move || task.abort()))
    }

    fn block_on(future: BoxedLocal<()>) -> Result<(), Answer> {
        MainContext::default().block_on(future);
        Ok(())
    }

    fn sleep(time: Duration) -> Result<BoxedLocal<()>, Answer> {
        Ok(Box::pin(glib::timeout_future(time)))
    }

    fn adopt(stream: TcpStream) -> Result<Box<dyn Stream>, Answer> {
        let socket = gio::Socket::from_fd(stream.into()).expect("it is a socket");
        let connection = socket.connection_factory_create_connection();
        let stream = connection.into_async_read_write();
        Ok(Box::new(stream.expect("gio can poll a socket")))
    }
}
