//! Who waits gives up, or what he waits for goes: nothing is left of the one, and the other is told.

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
    who_gave_up_reading_is_asked_once_more_and_forgotten,
    who_polls_by_himself_hears_of_news_however_many_gave_up,
    #[cfg(target_os = "linux")]
    a_handle_of_a_loop_that_is_gone_holds_no_descriptor,
    a_destructor_at_the_end_of_the_loop_is_told_that_it_is_gone,
    a_destructor_at_the_end_of_the_loop_may_wait_for_a_thread_that_waits_for_it,
    a_sleep_that_was_polled_and_dropped_on_another_thread_leaves_no_timer,
    a_sleep_that_was_polled_on_another_thread_and_dropped_here_leaves_no_timer,
    #[cfg(target_os = "linux")]
    a_stream_dropped_on_another_thread_leaves_the_poller_though_its_file_lives_on,
    one_half_of_a_socket_hears_after_the_other_was_dropped_here,
    one_half_of_a_socket_hears_after_the_other_was_dropped_on_another_thread,
    a_loop_that_goes_before_it_has_heard_of_those_who_wait_tells_them,
    infinite_sleep_ends_with_its_loop,
    blocking_work_goes_on_when_nobody_waits_for_it,
];

const HOUR: Duration = Duration::from_secs(3600);

fn pair() -> (Async<UnixStream>, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("a pair");
    (Async::new(ours).expect("a descriptor"), peer)
}

/// A waker that is counted by its shares.
struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future once; whoever keeps the waker has a share of what is returned.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Arc<Counted> {
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    counted
}

/// Polls a read once, with a waker that nobody has seen; whoever keeps it has a share of what is returned.
fn give_up_reading(stream: &Async<UnixStream>) -> Arc<Counted> {
    poll_once(pin!(future::poll_fn(|context| {
        let mut reader = stream;
        std::pin::Pin::new(&mut reader).poll_read(context, &mut [0; 8])
    })))
}

fn who_gave_up_reading_is_asked_once_more_and_forgotten() {
    let _event_loop = attached();
    let (ours, _peer) = pair();
    let all: Vec<_> = (0..1000).map(|_| give_up_reading(&ours)).collect();
    let kept = all.iter().filter(|one| Arc::strong_count(one) > 1).count();
    // At most 64 are registered, and 64 were woken to see whether they register again.
    assert!(kept <= 2 * 64, "{kept} are kept");
}

fn who_polls_by_himself_hears_of_news_however_many_gave_up() {
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
fn a_handle_of_a_loop_that_is_gone_holds_no_descriptor() {
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

fn a_destructor_at_the_end_of_the_loop_is_told_that_it_is_gone() {
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

fn a_destructor_at_the_end_of_the_loop_may_wait_for_a_thread_that_waits_for_it() {
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

fn a_sleep_that_was_polled_and_dropped_on_another_thread_leaves_no_timer() {
    let event_loop = attached();
    let slow = sleep(HOUR);
    let thread = std::thread::spawn(move || poll_once(pin!(slow)));
    let counted = thread.join().expect("no panic");
    settle(&event_loop);
    assert_eq!(Arc::strong_count(&counted), 1);
}

fn a_sleep_that_was_polled_on_another_thread_and_dropped_here_leaves_no_timer() {
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

/// How many files the process's pollers look after.
#[cfg(target_os = "linux")]
fn polled() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").expect("Linux has it");
    let texts = descriptors.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts
        .map(|text| text.lines().filter(|line| line.starts_with("tfd:")).count())
        .sum()
}

#[cfg(target_os = "linux")]
fn a_stream_dropped_on_another_thread_leaves_the_poller_though_its_file_lives_on() {
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

/// Two objects wait for one socket, a side each; the writing one is dropped so, and the reading one hears all the same.
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

fn one_half_of_a_socket_hears_after_the_other_was_dropped_here() {
    drop_a_half(drop);
}

fn one_half_of_a_socket_hears_after_the_other_was_dropped_on_another_thread() {
    drop_a_half(|writer| {
        let thread = std::thread::spawn(move || drop(writer));
        thread.join().expect("no panic");
    });
}

fn a_loop_that_goes_before_it_has_heard_of_those_who_wait_tells_them() {
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
    settle(&event_loop); // the loop has their timers now
    drop(event_loop);
    for sleeper in sleepers {
        let panic = sleeper.join().expect_err("nothing would end its sleep");
        let message = panic.downcast_ref::<&str>().expect("a message");
        assert!(message.contains("was closed"), "{message}");
    }
}

fn blocking_work_goes_on_when_nobody_waits_for_it() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let event_loop = attached();
    let (tell, told) = async_channel::unbounded();
    for _ in 0..100 {
        let tell = tell.clone();
        let work = unblock(move || {
            DONE.fetch_add(1, Ordering::Relaxed);
            tell.send_blocking(()).expect("a receiver");
        });
        // It may be done by the end of the first poll.
        let _ = future::block_on(future::poll_once(work));
    }
    run(&event_loop, async {
        for _ in 0..100 {
            told.recv().await.expect("work");
        }
    });
    assert_eq!(DONE.load(Ordering::Relaxed), 100);
}
