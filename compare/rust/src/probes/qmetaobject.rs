//! qmetaobject: `execute_async`, `single_shot` and `wait_on_signal`, in the loop of a
//! `QApplication`.

// The derive macro of `QObject` generates such code.
#![allow(clippy::useless_transmute)]

use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::{BoxedLocal, yield_now};
use qmetaobject::{execute_async, prelude::*, single_shot, wait_on_signal};

use super::qt;
use super::toolkit::{Answer, Bell, Toolkit};

pub struct Qmetaobject;

#[derive(QObject, Default)]
struct Ringing {
    base: qt_base_class!(trait QObject),
    rung: qt_signal!(),
}

impl Toolkit for Qmetaobject {
    fn run(main: BoxedLocal<()>) {
        let engine = QmlEngine::new();
        execute_async(async {
            // The first poll is before `exec`.
            yield_now().await;
            main.await;
        });
        engine.exec();
    }

    fn quit() {
        // This is Qt's function.
        ::qtloop::quit(0);
    }

    fn spawn(task: BoxedLocal<()>) {
        execute_async(task);
    }

    fn nested_loop(time: Duration) {
        qt::nested_loop(time);
    }

    fn call(callback: impl FnMut() + 'static) {
        single_shot(Duration::ZERO, callback);
    }

    fn sleep(time: Duration) -> Result<BoxedLocal<()>, Answer> {
        let (sender, end) = async_channel::bounded(1);
        single_shot(time, move || {
            let _ = sender.try_send(());
        });
        Ok(Box::pin(async move {
            end.recv().await.expect("the timer has the sender");
        }))
    }

    fn bell() -> Result<Bell, Answer> {
        let object = Rc::new(QObjectBox::new(Ringing::default()));
        let listening = object.pinned().get_or_create_cpp_object();
        let signal = {
            let object = object.pinned();
            let object = object.borrow();
            object.rung.to_cpp_representation(object)
        };
        let ringing = Rc::downgrade(&object);
        Ok(Bell {
            ring: Box::new(move || {
                let object = ringing.upgrade().expect("it is not destroyed");
                object.pinned().borrow().rung();
            }),
            rung: Box::new(move || {
                // SAFETY: the object is alive now, and has this signal.
                let rung = unsafe { wait_on_signal(listening, signal) };
                Box::pin(async {
                    rung.await;
                    true
                })
            }),
            destroy: Box::new(move || drop(object)),
        })
    }
}
