//! slint: `spawn_local` and `Timer`, with its Qt backend, which needs no window and can be nested.

use std::time::Duration;

use futures_lite::future::BoxedLocal;
use slint::Timer;

use super::qt;
use super::toolkit::{Answer, Toolkit};

pub struct Slint;

impl Toolkit for Slint {
    fn run(main: BoxedLocal<()>) {
        Self::spawn(main);
        slint::run_event_loop_until_quit().expect("there is a backend");
    }

    fn quit() {
        slint::quit_event_loop().expect("it runs");
    }

    fn spawn(task: BoxedLocal<()>) {
        drop(slint::spawn_local(task).expect("there is a backend"));
    }

    fn nested_loop(time: Duration) {
        qt::nested_loop(time);
    }

    fn call(callback: impl FnMut() + 'static) {
        Timer::single_shot(Duration::ZERO, callback);
    }

    fn join<T: 'static>(task: BoxedLocal<T>) -> Result<BoxedLocal<Result<T, String>>, Answer> {
        let task = slint::spawn_local(task).expect("there is a backend");
        Ok(Box::pin(async { Ok(task.await) }))
    }

    fn abortable(task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        let task = slint::spawn_local(task).expect("there is a backend");
        Ok(Box::new(move || task.abort()))
    }

    fn sleep(time: Duration) -> Result<BoxedLocal<()>, Answer> {
        let (sender, end) = async_channel::bounded(1);
        Timer::single_shot(time, move || {
            let _ = sender.try_send(());
        });
        Ok(Box::pin(async move {
            end.recv().await.expect("the timer has the sender");
        }))
    }
}
