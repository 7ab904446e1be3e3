//! qmetaobject: `execute_async` posts a Qt event for each wake-up. It cannot await a task, and has
//! no timers and no sockets.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use futures_lite::future::yield_now;
use qmetaobject::{QmlEngine, execute_async};

use super::Tasks;

pub struct Qmetaobject(Rc<QmlEngine>);

impl Tasks for Qmetaobject {
    fn new() -> Qmetaobject {
        Qmetaobject(Rc::new(QmlEngine::new()))
    }

    fn run<F: Future<Output: 'static> + 'static>(&self, main: F) -> F::Output {
        let result = Rc::new(Cell::new(None));
        let (keep, engine) = (Rc::clone(&result), Rc::clone(&self.0));
        execute_async(async move {
            // The first poll is before `exec`, which could not be exited then.
            yield_now().await;
            keep.set(Some(main.await));
            engine.quit();
        });
        self.0.exec();
        result.take().expect("it has quit behind it")
    }

    fn spawn<F>(future: F) -> impl Future<Output = ()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // A program must do this itself to learn that a task has completed.
        let (sender, end) = async_channel::bounded(1);
        execute_async(async move {
            future.await;
            let _ = sender.try_send(());
        });
        async move { end.recv().await.expect("it does not panic") }
    }
}
