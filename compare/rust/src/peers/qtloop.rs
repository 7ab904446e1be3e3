//! qtloop, attached to the loop of a `QApplication` as in a program with a window.

use std::ffi::c_void;
use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cpp::cpp;
use qmetaobject::QmlEngine;
use qtloop::core::SignalConnection;
use qtloop::qt::Object;
use qtloop::task::{Builder, Priority};

use super::{Io, Tasks};
use crate::measure::Lateness;

cpp! {{
    #include <QtCore/QTimer>
}}

pub struct Qtloop {
    event_loop: qtloop::Loop,
    // The application, which is dropped last.
    _engine: QmlEngine,
}

impl Tasks for Qtloop {
    fn new() -> Qtloop {
        let engine = QmlEngine::new();
        Qtloop {
            event_loop: qtloop::Loop::attach().expect("there is an application"),
            _engine: engine,
        }
    }

    fn run<F: Future<Output: 'static> + 'static>(&self, main: F) -> F::Output {
        let main = qtloop::spawn_local(main);
        self.event_loop.block_on(main).expect("it does not panic")
    }

    fn spawn<F>(future: F) -> impl Future<Output = ()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::spawn_local(future)
    }
}

impl Io for Qtloop {
    type Stream = qtloop::net::TcpStream;

    fn spawn_local<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()> {
        let task = qtloop::spawn_local(future);
        async { task.await.expect("it does not panic") }
    }

    fn spawn_high<F: Future<Output = ()> + 'static>(future: F) -> impl Future<Output = ()> {
        let task = Builder::new().priority(Priority::HIGH).spawn_local(future);
        async { task.await.expect("it does not panic") }
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> {
        qtloop::time::sleep(duration)
    }

    fn adopt(stream: TcpStream) -> io::Result<Self::Stream> {
        stream.try_into()
    }

    fn window_ticks(period: Duration, count: usize) -> Option<impl Future<Output = Lateness>> {
        Some(ticks(period, count))
    }
}

/// Ticks of a precise `QTimer`, seen from its own slot.
async fn ticks(period: Duration, count: usize) -> Lateness {
    let milliseconds = i32::try_from(period.as_millis()).expect("a short period");
    // SAFETY: a timer of this thread, which has an application; it is freed below.
    let timer = unsafe {
        cpp!([milliseconds as "int"] -> *mut c_void as "QTimer*" {
            auto timer = new QTimer;
            timer->setTimerType(Qt::PreciseTimer);
            timer->start(milliseconds);
            return timer;
        })
    };
    let mut due = Instant::now() + period;
    // SAFETY: it is alive, and of this thread.
    let object = unsafe { Object::from_raw(timer) }.expect("not null");
    let signal = object.signal("timeout()").expect("timers have it");
    let (sender, ticks) = async_channel::unbounded();
    let connection = SignalConnection::new(&object, signal, move |_| {
        let _ = sender.try_send(Instant::now());
    });
    let mut lateness = Lateness::new();
    for _ in 0..count {
        let tick = ticks.recv().await.expect("the connection has the sender");
        let late = tick.saturating_duration_since(due);
        lateness.record_late(late);
        // As in Qt, a tick that is late by a whole period starts a new sequence.
        due = if late < period { due } else { tick } + period;
    }
    drop(connection);
    // SAFETY: it is alive, and owned here.
    unsafe { cpp!([timer as "QTimer*"] { delete timer; }) };
    lateness
}
