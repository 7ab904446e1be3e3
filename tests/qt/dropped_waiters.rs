//! Tests that a dropped waiter leaves nothing behind, and that a closed loop wakes its waiters.

use std::future::Future;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_lite::future;
use futures_lite::io::AsyncRead;
use qtloop::io::Async;
use qtloop::spawn_local;
use qtloop::task::unblock;
use qtloop::time::{sleep, sleep_until};

use crate::tasks::{run, settle};
use crate::trials;
use crate::world::attached;

trials![
    wakers_of_dropped_reads_are_bounded,
    manual_poll_is_woken_despite_many_dropped_reads,
    #[cfg(target_os = "linux")]
    handle_of_a_dropped_loop_holds_no_descriptor,
    destructor_during_close_sees_a_closed_loop,
    destructor_during_close_may_join_a_thread_that_waits_for_the_loop,
    sleep_polled_and_dropped_on_another_thread_leaves_no_timer,
    sleep_polled_on_another_thread_and_dropped_here_leaves_no_timer,
    #[cfg(target_os = "linux")]
    stream_dropped_on_another_thread_is_deregistered_while_a_duplicate_is_open,
    reader_is_woken_after_the_writer_was_dropped_here,
    reader_is_woken_after_the_writer_was_dropped_on_another_thread,
    waiters_are_woken_by_a_loop_that_closes_before_registering_them,
    infinite_sleep_ends_with_its_loop,
    dropped_unblock_does_not_stop_the_work,
];

const HOUR: Duration = Duration::from_secs(3600);

fn pair() -> (Async<UnixStream>, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("a pair");
    (Async::new(ours).expect("a descriptor"), peer)
}

/// A waker whose clones are counted.
struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future once. The returned `Arc` counts the clones of its waker that are kept.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Arc<Counted> {
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    counted
}

/// Polls a read once with a new waker, and drops it. The returned `Arc` counts the clones of the
/// waker that are kept.
fn give_up_reading(stream: &Async<UnixStream>) -> Arc<Counted> {
    poll_once(pin!(future::poll_fn(|context| {
        let mut reader = stream;
        std::pin::Pin::new(&mut reader).poll_read(context, &mut [0; 8])
    })))
}

fn wakers_of_dropped_reads_are_bounded() {
    let _event_loop = attached();
    let (ours, _peer) = pair();
    let all: Vec<_> = (0..1000).map(|_| give_up_reading(&ours)).collect();
    let kept = all.iter().filter(|one| Arc::strong_count(one) > 1).count();
    // At most 64 are registered, and 64 were woken to see whether they register again.
    assert!(kept <= 2 * 64, "{kept} are kept");
}

fn manual_poll_is_woken_despite_many_dropped_reads() {
    let event_loop = attached();
    let (ours, mut peer) = pair();
    let ours = Arc::new(ours);
    let reads = Arc::clone(&ours);
    let reading = spawn_local(future::poll_fn(move |context| {
        let mut reader = &*reads;
        std::pin::Pin::new(&mut reader).poll_read(context, &mut [0; 8])
    }));
    settle(&event_loop);
    for _ in 0..500 {
        give_up_reading(&ours);
    }
    settle(&event_loop);
    peer.write_all(b"news").expect("sent");
    let count = run(&event_loop, reading).expect("a result");
    assert_eq!(count.expect("no error"), 4);
}

#[cfg(target_os = "linux")]
fn handle_of_a_dropped_loop_holds_no_descriptor() {
    let descriptors = || {
        std::fs::read_dir("/proc/self/fd")
            .expect("Linux has it")
            .count()
    };
    let before = descriptors();
    let handles: Vec<_> = (0..5).map(|_| attached().handle()).collect();
    assert!(descriptors() <= before);
    assert!(handles[0].invoke(|| ()).is_err());
}

/// Calls a closure when it is dropped.
struct AtEnd<F: FnMut()>(F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn destructor_during_close_sees_a_closed_loop() {
    let event_loop = attached();
    let (handle, (tell, told)) = (event_loop.handle(), mpsc::channel());
    let end = AtEnd(move || {
        let invoked = handle.invoke(|| unreachable!("there is no loop"));
        tell.send(invoked).expect("a receiver");
    });
    spawn_local(async move {
        let _end = end;
        future::pending::<()>().await;
    });
    drop(event_loop);
    assert!(told.recv().expect("it is dropped").is_err());
}

fn destructor_during_close_may_join_a_thread_that_waits_for_the_loop() {
    let event_loop = attached();
    let handle = event_loop.handle();
    let (tell, told) = mpsc::channel();
    let end = AtEnd(move || {
        let handle = handle.clone();
        let waits = move || future::block_on(handle.spawn(async { 1 })).is_err();
        let thread = std::thread::spawn(waits);
        tell.send(thread.join().expect("no panic"))
            .expect("a receiver");
    });
    spawn_local(async move {
        let _end = end;
        future::pending::<()>().await;
    });
    drop(event_loop);
    assert!(told.recv().expect("it is dropped"));
}

fn sleep_polled_and_dropped_on_another_thread_leaves_no_timer() {
    let event_loop = attached();
    let slow = sleep(HOUR);
    let thread = std::thread::spawn(move || poll_once(pin!(slow)));
    let counted = thread.join().expect("no panic");
    settle(&event_loop);
    assert_eq!(Arc::strong_count(&counted), 1);
}

fn sleep_polled_on_another_thread_and_dropped_here_leaves_no_timer() {
    let event_loop = attached();
    let slow = sleep(HOUR);
    let thread = std::thread::spawn(move || {
        let mut slow = Box::pin(slow);
        (poll_once(slow.as_mut()), slow)
    });
    let (counted, slow) = thread.join().expect("no panic");
    drop(slow);
    settle(&event_loop);
    assert_eq!(Arc::strong_count(&counted), 1);
}

/// Returns how many files the pollers of this process watch.
#[cfg(target_os = "linux")]
fn polled() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").expect("Linux has it");
    let texts = descriptors.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts
        .map(|text| text.lines().filter(|line| line.starts_with("tfd:")).count())
        .sum()
}

#[cfg(target_os = "linux")]
fn stream_dropped_on_another_thread_is_deregistered_while_a_duplicate_is_open() {
    use std::os::fd::AsFd;

    let event_loop = attached();
    settle(&event_loop);
    let before = polled();
    let (ours, _peer) = pair();
    let _second = ours.as_fd().try_clone_to_owned().expect("a descriptor");
    {
        let mut reading = pin!(ours.readable());
        poll_once(reading.as_mut());
    }
    assert!(polled() > before);
    std::thread::spawn(move || drop(ours))
        .join()
        .expect("no panic");
    settle(&event_loop);
    assert!(polled() <= before);
}

/// Two objects wait for one socket, one per direction. The writer is dropped by `drop_it`, and the
/// reader must still be woken.
fn drop_a_half(drop_it: impl FnOnce(Async<Arc<UnixStream>>)) {
    let event_loop = attached();
    let (ours, mut peer) = UnixStream::pair().expect("a pair");
    let ours = Arc::new(ours);
    let reader = Async::new(Arc::clone(&ours)).expect("a descriptor");
    let writer = Async::new(ours).expect("a descriptor");
    poll_once(pin!(writer.write_with(|socket| {
        while (&**socket).write(&[0; 4096])? > 0 {}
        Ok(())
    })));
    let reading = spawn_local(async move { reader.readable().await });
    settle(&event_loop);
    drop_it(writer);
    settle(&event_loop);
    peer.write_all(b"x").expect("sent");
    run(&event_loop, reading).expect("a result").expect("news");
}

fn reader_is_woken_after_the_writer_was_dropped_here() {
    drop_a_half(drop);
}

fn reader_is_woken_after_the_writer_was_dropped_on_another_thread() {
    drop_a_half(|writer| {
        let thread = std::thread::spawn(move || drop(writer));
        thread.join().expect("no panic");
    });
}

fn waiters_are_woken_by_a_loop_that_closes_before_registering_them() {
    let event_loop = attached();
    let ((ours, _peer), slow) = (pair(), sleep(HOUR));
    let (tell, told) = mpsc::channel();
    let also = tell.clone();
    let reader = std::thread::spawn(move || {
        let mut reading = pin!(ours.readable());
        assert!(future::block_on(future::poll_once(&mut reading)).is_none());
        tell.send(()).expect("a receiver");
        let error = future::block_on(reading).expect_err("its loop is gone");
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    });
    let sleeper = std::thread::spawn(move || {
        let mut slow = pin!(slow);
        assert!(future::block_on(future::poll_once(&mut slow)).is_none());
        also.send(()).expect("a receiver");
        future::block_on(slow);
    });
    for _ in 0..2 {
        told.recv().expect("it waits");
    }
    drop(event_loop);
    reader.join().expect("no panic");
    sleeper.join().expect_err("nobody would end its sleep");
}

fn infinite_sleep_ends_with_its_loop() {
    let event_loop = attached();
    let now = std::time::Instant::now();
    let far = now.checked_add(Duration::from_secs(1 << 40));
    let sleeps = [
        sleep(Duration::MAX),
        sleep_until(far.unwrap_or(now + HOUR)),
        sleep(HOUR),
    ];
    let (tell, told) = mpsc::channel();
    let sleepers = sleeps.map(|slow| {
        let tell = tell.clone();
        std::thread::spawn(move || {
            let mut slow = pin!(slow);
            assert!(future::block_on(future::poll_once(&mut slow)).is_none());
            tell.send(()).expect("a receiver");
            future::block_on(slow);
        })
    });
    for _ in 0..3 {
        told.recv().expect("it waits");
    }
    settle(&event_loop); // the loop has started their timers now
    drop(event_loop);
    for sleeper in sleepers {
        let panic = sleeper.join().expect_err("nothing would end its sleep");
        let message = panic.downcast_ref::<&str>().expect("a message");
        assert!(message.contains("was closed"), "{message}");
    }
}

fn dropped_unblock_does_not_stop_the_work() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let event_loop = attached();
    let (tell, told) = async_channel::unbounded();
    for _ in 0..100 {
        let tell = tell.clone();
        let work = unblock(move || {
            DONE.fetch_add(1, Ordering::Relaxed);
            tell.send_blocking(()).expect("a receiver");
        });
        // The work may be complete by the end of the first poll.
        let _ = future::block_on(future::poll_once(work));
    }
    run(&event_loop, async {
        for _ in 0..100 {
            told.recv().await.expect("work");
        }
    });
    assert_eq!(DONE.load(Ordering::Relaxed), 100);
}
