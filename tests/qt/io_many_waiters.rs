//! Tests of many tasks that wait for one direction of one descriptor with `poll_*` methods.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use qtloop::net::{TcpListener, TcpStream, UnixStream};
use qtloop::task::yield_now;
use qtloop::time::sleep;
use qtloop::{JoinHandle, spawn_local};

use crate::trials;
use crate::world::run;

trials![
    seventy_blocked_writers_stop_polling_and_all_are_woken,
    five_hundred_blocked_writers_stop_polling_and_all_are_woken,
    five_hundred_pollers_of_a_listener_stop_polling_and_all_are_woken,
    many_waiters_on_other_threads_stop_polling_and_all_are_woken,
    many_waiters_that_wait_again_stop_polling_again,
    wakers_of_dropped_futures_do_not_accumulate,
    many_waiters_beside_dropped_futures_stop_polling_and_all_are_woken,
    many_waiters_after_dropped_futures_stop_polling,
];

type Polls = Rc<Cell<u64>>;

/// Counts how often a future is polled.
async fn counted<F: Future>(polls: Polls, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(context)
    })
    .await
}

/// Returns once `count` stays the same over many turns of the loop.
async fn rest(count: impl Fn() -> u64) {
    let mut before = count();
    let mut quiet = 0;
    for _ in 0..20_000 {
        for _ in 0..10 {
            yield_now().await;
        }
        sleep(Duration::from_micros(200)).await;
        let now = count();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        if quiet == 50 {
            return;
        }
    }
    panic!("still polled after {before} polls");
}

/// Returns a stream whose buffer is full, and its other end.
async fn full() -> io::Result<(UnixStream, UnixStream)> {
    let (mut one, other) = UnixStream::pair()?;
    while poll_once(one.write(&[0; 1 << 16]))
        .await
        .transpose()?
        .is_some()
    {}
    Ok((one, other))
}

/// Reads until the other end is closed, and returns the count.
async fn drained(mut stream: UnixStream) -> io::Result<usize> {
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(total),
            count => total += count,
        }
    }
}

fn blocked_writers(count: usize, polls: &Polls, stream: &UnixStream) -> Vec<JoinHandle<()>> {
    let writers = (0..count).map(|_| {
        let mut stream = stream.clone();
        let writing = async move { stream.write_all(&[1; 100]).await.expect("a reader") };
        spawn_local(counted(Rc::clone(polls), writing))
    });
    writers.collect()
}

fn writers_rest_and_are_woken(count: usize) {
    run(async {
        let (one, other) = full().await?;
        let polls = Polls::default();
        let writers = blocked_writers(count, &polls, &one);
        rest(|| polls.get()).await;
        assert!(polls.get() >= count as u64);
        drop(one);
        drained(other).await?;
        for writer in writers {
            writer.await.expect("a result");
        }
        Ok(())
    });
}

fn seventy_blocked_writers_stop_polling_and_all_are_woken() {
    writers_rest_and_are_woken(70);
}

fn five_hundred_blocked_writers_stop_polling_and_all_are_woken() {
    writers_rest_and_are_woken(500);
}

fn five_hundred_pollers_of_a_listener_stop_polling_and_all_are_woken() {
    crate::sockets::allow_many_descriptors();
    run(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await?);
        let address = listener.local_addr()?;
        let polls = Polls::default();
        let accepting: Vec<_> = (0..500)
            .map(|_| {
                let listener = Rc::clone(&listener);
                let next = async move { listener.incoming().next().await };
                spawn_local(counted(Rc::clone(&polls), next))
            })
            .collect();
        rest(|| polls.get()).await;
        let mut streams = Vec::new();
        for _ in 0..500 {
            streams.push(TcpStream::connect(address).await?);
        }
        for task in accepting {
            task.await.expect("a result").expect("no end")?;
        }
        Ok(())
    });
}

fn many_waiters_on_other_threads_stop_polling_and_all_are_woken() {
    run(async {
        let (one, mut other) = UnixStream::pair()?;
        let polls = Arc::new(AtomicU32::new(0));
        let (sender, receiver) = mpsc::channel();
        let threads: Vec<_> = (0..100)
            .map(|_| {
                let (mut one, polls, sender) = (one.clone(), Arc::clone(&polls), sender.clone());
                thread::spawn(move || {
                    let mut buffer = [0];
                    let mut read = pin!(one.read_exact(&mut buffer));
                    let reading = poll_fn(|context| {
                        polls.fetch_add(1, Ordering::Relaxed);
                        read.as_mut().poll(context)
                    });
                    sender.send(()).expect("a receiver");
                    block_on(reading)
                })
            })
            .collect();
        qtloop::task::unblock(move || receiver.iter().take(100).count()).await;
        rest(|| polls.load(Ordering::Relaxed).into()).await;
        // On a busy system they may not run for so long that they seem to have stopped polling.
        let count = polls.load(Ordering::Relaxed);
        assert!(count < 10_000, "{count} polls");
        other.write_all(&[7; 100]).await?;
        qtloop::task::unblock(move || {
            for thread in threads {
                thread.join().expect("no panic").expect("a byte");
            }
        })
        .await;
        Ok(())
    });
}

fn many_waiters_that_wait_again_stop_polling_again() {
    run(async {
        let (one, mut other) = UnixStream::pair()?;
        let polls = Polls::default();
        let got = Polls::default();
        let readers: Vec<_> = (0..200)
            .map(|_| {
                let (mut one, got) = (one.clone(), Rc::clone(&got));
                let reading = async move {
                    while one.read(&mut [0]).await.is_ok_and(|count| count > 0) {
                        got.set(got.get() + 1);
                    }
                };
                spawn_local(counted(Rc::clone(&polls), reading))
            })
            .collect();
        for round in 1..=5 {
            rest(|| polls.get()).await;
            other.write_all(&[0; 300]).await?;
            rest(|| polls.get()).await;
            assert_eq!(got.get(), 300 * round);
        }
        // All of them wait again: the end wakes them once, and checks no more.
        let before = polls.get();
        other.close().await?;
        for reader in readers {
            reader.await.expect("a result");
        }
        assert_eq!(polls.get(), before + 200);
        Ok(())
    });
}

/// A waker that does nothing. How many of them exist says how many are registered.
struct Held(#[allow(dead_code)] Arc<()>);

impl Wake for Held {
    fn wake(self: Arc<Self>) {}
}

/// Polls a read once, with a new waker, and drops it.
fn abandon(stream: &UnixStream, alive: &Arc<()>) {
    let waker = Waker::from(Arc::new(Held(Arc::clone(alive))));
    let (mut stream, mut buffer) = (stream, [0; 9]);
    let reading = pin!(stream.read(&mut buffer));
    assert!(reading.poll(&mut Context::from_waker(&waker)).is_pending());
}

fn wakers_of_dropped_futures_do_not_accumulate() {
    run(async {
        let (one, mut other) = UnixStream::pair()?;
        let alive = Arc::new(());
        for number in 0..10_000 {
            abandon(&one, &alive);
            assert!(Arc::strong_count(&alive) <= 2 * 64 + 1, "{number}");
        }
        // A readiness event drops them all.
        other.write_all(b"x").await?;
        assert_eq!((&one).read(&mut [0; 9]).await?, 1);
        assert_eq!(Arc::strong_count(&alive), 1);
        Ok(())
    });
}

fn many_waiters_beside_dropped_futures_stop_polling_and_all_are_woken() {
    run(async {
        let (one, mut other) = UnixStream::pair()?;
        let polls = Polls::default();
        let readers: Vec<_> = (0..150)
            .map(|_| {
                let mut one = one.clone();
                let reading = async move { one.read_exact(&mut [0]).await };
                spawn_local(counted(Rc::clone(&polls), reading))
            })
            .collect();
        rest(|| polls.get()).await;
        let alive = Arc::new(());
        for number in 0..10_000 {
            abandon(&one, &alive);
            assert!(Arc::strong_count(&alive) <= 2 * 1024, "{number}");
            if number % 50 == 0 {
                yield_now().await;
            }
        }
        rest(|| polls.get()).await;
        // About one poll of a live task per dropped future.
        assert!(polls.get() < 3 * 10_000, "{} polls", polls.get());
        other.write_all(&[0; 150]).await?;
        for reader in readers {
            reader.await.expect("a result")?;
        }
        Ok(())
    });
}

fn many_waiters_after_dropped_futures_stop_polling() {
    run(async {
        let (one, mut other) = UnixStream::pair()?;
        let alive = Arc::new(());
        for _ in 0..10_000 {
            abandon(&one, &alive);
        }
        let polls = Polls::default();
        let readers: Vec<_> = (0..300)
            .map(|_| {
                let mut one = one.clone();
                let reading = async move { one.read_exact(&mut [0]).await };
                spawn_local(counted(Rc::clone(&polls), reading))
            })
            .collect();
        rest(|| polls.get()).await;
        assert!(polls.get() < 100_000, "{} polls", polls.get());
        other.write_all(&[0; 300]).await?;
        for reader in readers {
            reader.await.expect("a result")?;
        }
        Ok(())
    });
}
