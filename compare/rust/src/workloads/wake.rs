//! The delay between a send on another thread and its receipt in a task, with the same channel for
//! all peers.

use std::thread;
use std::time::{Duration, Instant};

use async_channel::{bounded, unbounded};

use crate::measure::{Figure, Lateness, steps};
use crate::peers::Tasks;

/// Long enough for every loop to go to sleep.
const REST: Duration = Duration::from_millis(1);

pub fn measure<P: Tasks>(peer: &P) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (row, number, rest) in [
        ("wake, to and fro", steps(20_000), None),
        ("wake, after 1 ms of rest", steps(500), Some(REST)),
    ] {
        let lateness = latency(peer, number, rest);
        figures.extend([50.0, 99.0].map(|percent| lateness.percentile(row, percent)));
    }
    figures.push(Figure::seconds(
        "one of a million messages",
        per_message(peer, steps(1_000_000)),
    ));
    figures
}

/// Measures from the send on the other thread to the receipt in the task.
fn latency<P: Tasks>(peer: &P, number: usize, rest: Option<Duration>) -> Lateness {
    let (ping, pings) = bounded(1);
    let (pong, pongs) = bounded(1);
    let (result, results) = bounded(1);
    let thread = thread::spawn(move || {
        for _ in 0..number {
            if let Some(rest) = rest {
                thread::sleep(rest);
            }
            ping.send_blocking(Instant::now()).expect("it is heard");
            pongs.recv_blocking().expect("it is answered");
        }
    });
    peer.run(async move {
        P::spawn(async move {
            let mut lateness = Lateness::new();
            while let Ok(sent) = pings.recv().await {
                lateness.record(sent);
                pong.send(()).await.expect("it is awaited");
            }
            let _ = result.try_send(lateness);
        })
        .await;
    });
    thread.join().expect("it does not panic");
    results.try_recv().expect("the task has ended")
}

/// Measures from the first send to the last receipt, per message.
fn per_message<P: Tasks>(peer: &P, number: usize) -> f64 {
    let (sender, messages) = unbounded();
    let start = Instant::now();
    let thread = thread::spawn(move || {
        for message in 0..number {
            sender.try_send(message).expect("it is heard");
        }
    });
    peer.run(async move {
        P::spawn(async move { while messages.recv().await.is_ok() {} }).await;
    });
    let elapsed = start.elapsed();
    thread.join().expect("it does not panic");
    elapsed.as_secs_f64() / number as f64
}
