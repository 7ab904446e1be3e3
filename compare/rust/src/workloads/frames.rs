//! The lateness of frames while eight connections download as fast as they can.

use std::cell::Cell;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::AsyncReadExt;

use crate::measure::{Figure, Lateness, Unit, steps};
use crate::peers::Io;

const CONNECTIONS: usize = 8;
const PERIOD: Duration = Duration::from_millis(16);
const CHUNK: usize = 64 * 1024;

pub fn measure<P: Io>(peer: &P) -> Vec<Figure> {
    let count = steps(250);
    let (own, speed) = beside_downloads(peer, own_ticks::<P>(count));
    let mut figures = of("the loop's timer of 16 ms", &own);
    figures.push(Figure::new(
        "downloads beside it",
        Unit::BytesPerSecond,
        speed,
    ));
    if let Some(ticks) = P::window_ticks(PERIOD, count) {
        let (window, speed) = beside_downloads(peer, ticks);
        figures.extend(of("a QTimer of 16 ms", &window));
        figures.push(Figure::new(
            "downloads beside the QTimer",
            Unit::BytesPerSecond,
            speed,
        ));
    }
    figures
}

fn of(row: &str, lateness: &Lateness) -> Vec<Figure> {
    vec![
        lateness.percentile(row, 50.0),
        lateness.percentile(row, 99.0),
        lateness.max(row),
    ]
}

async fn own_ticks<P: Io>(count: usize) -> Lateness {
    let mut lateness = Lateness::new();
    for _ in 0..count {
        let due = Instant::now() + PERIOD;
        P::sleep(PERIOD).await;
        lateness.record(due);
    }
    lateness
}

/// Returns the lateness of the ticks, and the bytes received per second.
fn beside_downloads<P: Io>(
    peer: &P,
    ticks: impl Future<Output = Lateness> + 'static,
) -> (Lateness, f64) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || send(&listener));
    let results = peer.run(async move {
        let received = Rc::new(Cell::new(0));
        let is_over = Rc::new(Cell::new(false));
        let downloads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let stream = TcpStream::connect(address).expect("it listens");
                stream.set_nonblocking(true).expect("sockets can");
                P::spawn_local(download::<P>(
                    stream,
                    Rc::clone(&received),
                    Rc::clone(&is_over),
                ))
            })
            .collect();
        let start = Instant::now();
        let lateness = ticks.await;
        let speed = received.get() as f64 / start.elapsed().as_secs_f64();
        is_over.set(true);
        for download in downloads {
            download.await;
        }
        (lateness, speed)
    });
    server.join().expect("it does not panic");
    results
}

async fn download<P: Io>(stream: TcpStream, received: Rc<Cell<usize>>, is_over: Rc<Cell<bool>>) {
    let mut stream = P::adopt(stream).expect("it is a socket");
    let mut buffer = vec![0; CHUNK];
    while !is_over.get()
        && let Ok(count @ 1..) = stream.read(&mut buffer).await
    {
        received.set(received.get() + count);
    }
}

/// Sends to all connections in turn until one of them is closed.
fn send(listener: &TcpListener) {
    let mut streams: Vec<_> = listener
        .incoming()
        .take(CONNECTIONS)
        .map(|stream| stream.expect("the loop connects"))
        .collect();
    let chunk = vec![0; CHUNK];
    while streams
        .iter_mut()
        .all(|stream| stream.write_all(&chunk).is_ok())
    {}
}
