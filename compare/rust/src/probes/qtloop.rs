//! qtloop, attached to the loop of a `QApplication` as in a program with a window.

use std::net::TcpStream;
use std::time::Duration;

use futures_lite::future::BoxedLocal;
use qmetaobject::{QmlEngine, single_shot};
use qtloop::qt::OwnedObject;

use super::qt;
use super::toolkit::{Answer, Bell, Stream, Toolkit};

pub struct Qtloop;

impl Toolkit for Qtloop {
    fn run(main: BoxedLocal<()>) {
        let engine = QmlEngine::new();
        let event_loop = qtloop::Loop::attach().expect("there is an application");
        Self::spawn(main);
        event_loop.exec();
        drop(event_loop);
        drop(engine);
    }

    fn quit() {
        qtloop::quit(0);
    }

    fn spawn(task: BoxedLocal<()>) {
        drop(qtloop::spawn_local(task));
    }

    fn nested_loop(time: Duration) {
        qt::nested_loop(time);
    }

    fn call(callback: impl FnMut() + 'static) {
        single_shot(Duration::ZERO, callback);
    }

    fn join<T: 'static>(task: BoxedLocal<T>) -> Result<BoxedLocal<Result<T, String>>, Answer> {
        let task = qtloop::spawn_local(task);
        Ok(Box::pin(async {
            task.await.map_err(|error| error.to_string())
        }))
    }

    fn abortable(task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        let task = qtloop::spawn_local(task);
        Ok(Box::new(move || task.abort()))
    }

    fn block_on(future: BoxedLocal<()>) -> Result<(), Answer> {
        qtloop::block_on(future);
        Ok(())
    }

    fn sleep(time: Duration) -> Result<BoxedLocal<()>, Answer> {
        Ok(Box::pin(qtloop::time::sleep(time)))
    }

    fn adopt(stream: TcpStream) -> Result<Box<dyn Stream>, Answer> {
        let stream = qtloop::net::TcpStream::try_from(stream);
        Ok(Box::new(stream.expect("it is a socket")))
    }

    fn scoped(task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        let object = OwnedObject::new();
        drop(qtloop::spawn_scoped(&object, task));
        Ok(Box::new(move || drop(object)))
    }

    fn bell() -> Result<Bell, Answer> {
        let object = OwnedObject::new();
        let (ringing, listening) = ((*object).clone(), (*object).clone());
        Ok(Bell {
            // Only a new name emits the signal.
            ring: Box::new(move || ringing.set_name(&format!("{}x", ringing.name()))),
            rung: Box::new(move || {
                let rung = qtloop::signal::once(&listening, "objectNameChanged");
                let rung = rung.expect("the object is alive, and has it");
                Box::pin(async { rung.await.is_ok() })
            }),
            destroy: Box::new(move || drop(object)),
        })
    }
}
