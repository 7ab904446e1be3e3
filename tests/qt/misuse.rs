//! Tests of misuse: it ends in an error or a panic with a message, not in a hang or a crash.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::pending;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, set_hook, take_hook};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use qtloop::core::{NestedLoop, SignalConnection};
use qtloop::io::Async;
use qtloop::net::{UdpSocket, UnixStream};
use qtloop::qt::{Object, OwnedObject};
use qtloop::task::{self, yield_now};
use qtloop::time::{interval, sleep, timeout};
use qtloop::{Loop, signal, spawn_local};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::tasks::{run, settle};
use crate::trials;
use crate::world::attached;

trials![
    loop_dropped_inside_a_nested_loop_of_its_task_is_sound,
    destroyed_object_is_no_argument_of_its_signal,
    connection_to_a_slot_is_refused,
    panic_with_a_panicking_payload_is_contained,
    block_on_in_a_destructor_during_close_panics_with_a_message,
    block_on_of_a_dropped_loop_panics_with_a_message,
    another_executor_may_poll_sockets_without_a_limit,
    passed_descriptor_between_bytes_does_not_lose_the_rest,
    stream_of_a_dropped_loop_is_an_error,
    waiter_on_another_thread_is_woken_with_an_error_when_the_loop_closes,
    sleep_of_zero_yields,
    interval_that_never_keeps_up_yields,
    panicking_wakers_do_not_stop_the_close_of_a_loop,
    panicking_waker_does_not_prevent_other_wake_ups,
    second_watch_of_a_descriptor_is_refused_and_the_first_continues,
    file_that_always_returns_would_block_is_an_error,
    another_executor_inside_a_task_completes_on_a_ready_socket,
    too_many_nested_waits_panic_and_do_not_overflow_the_stack,
    replaced_poller_is_reported_once_and_timers_still_fire,
];

/// Returns the numbers of the epoll descriptors of this process, in order.
fn epoll_descriptors() -> BTreeSet<RawFd> {
    let open = std::fs::read_dir("/proc/self/fd").expect("Linux");
    open.filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_epoll = std::fs::read_link(&path).ok()? == Path::new("anon_inode:[eventpoll]");
        is_epoll.then(|| path.file_name()?.to_str()?.parse().ok())?
    })
    .collect()
}

/// Replaces the file of a descriptor that another value owns, as a program does by mistake.
#[allow(unsafe_code)]
fn replace(fd: RawFd) {
    let other = std::fs::File::open("/dev/null").expect("it exists");
    // SAFETY: the number is open, and not closed here.
    let mut owned = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
    rustix::io::dup2(other, &mut owned).expect("both are open");
}

fn replaced_poller_is_reported_once_and_timers_still_fire() {
    let before = epoll_descriptors();
    let event_loop = attached();
    let poller = *epoll_descriptors()
        .difference(&before)
        .next()
        .expect("its poller");
    replace(poller);
    let reports = Arc::new(Mutex::new(Vec::new()));
    let hook = take_hook();
    set_hook(Box::new({
        let reports = Arc::clone(&reports);
        move |panic| reports.lock().expect("no panic").push(panic.to_string())
    }));
    event_loop.block_on(async {
        sleep(Duration::from_millis(5)).await;
        sleep(Duration::from_millis(5)).await;
    });
    drop(event_loop);
    set_hook(hook);
    let reports = reports.lock().expect("no panic");
    let [report] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert!(
        report.contains("cannot watch its descriptors any more"),
        "{report}"
    );
}

/// Makes a loop that a task may drop.
fn shared_loop() -> Rc<RefCell<Option<Loop>>> {
    Rc::new(RefCell::new(Some(attached())))
}

/// Returns the message of a panic.
fn words(panicking: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .expect("words")
}

fn loop_dropped_inside_a_nested_loop_of_its_task_is_sound() {
    let event_loop = shared_loop();
    let (nested_loop, outer) = (Rc::new(NestedLoop::new()), Rc::new(NestedLoop::new()));
    let (leaving, ending) = (Rc::clone(&nested_loop), Rc::clone(&outer));
    let dropping = Rc::clone(&event_loop);
    spawn_local(async move {
        spawn_local(async move {
            drop(dropping.take());
            // Qt processes further events in there, including deferred deletions.
            leaving.exit(0);
        });
        let _ = nested_loop.exec();
        ending.exit(0);
    });
    let _ = outer.exec();
    assert!(event_loop.borrow().is_none());
}

fn destroyed_object_is_no_argument_of_its_signal() {
    let event_loop = attached();
    let object = OwnedObject::new();
    let destroyed = signal::once(&object, "destroyed(QObject*)").expect("a signal");
    drop(object);
    let arguments = run(&event_loop, destroyed).expect("it was said");
    assert!(arguments.get::<Object>(0).is_none());
}

fn connection_to_a_slot_is_refused() {
    let object = OwnedObject::new();
    let delete_later = 3; // a slot: after destroyed(QObject*), destroyed() and objectNameChanged(QString)
    for index in [-1, i32::MIN, i32::MAX, 1000, delete_later] {
        assert!(
            SignalConnection::new(&object, index, |_| ()).is_none(),
            "{index}"
        );
    }
    let named = object.signal("objectNameChanged").expect("a signal");
    assert!(SignalConnection::new(&object, named, |_| ()).is_some());
}

/// Panics when it is dropped; the payload of the panic does so, too, this number of times.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

fn panic_with_a_panicking_payload_is_contained() {
    let event_loop = attached();
    let handle = event_loop.handle();
    for depth in 1..4 {
        let bomb = Bomb(depth);
        let task = spawn_local(async move {
            let _bomb = bomb;
            pending::<()>().await;
        });
        settle(&event_loop);
        task.abort();
        assert!(matches!(run(&event_loop, task), Err(error) if error.is_cancelled()));
        handle
            .invoke(move || panic_any(Bomb(depth)))
            .expect("a loop");
        settle(&event_loop);
    }
    drop(event_loop);
    let bomb = Bomb(2);
    let task = handle.spawn(async move {
        let _bomb = bomb;
        pending::<()>().await;
    });
    assert!(task.is_finished());
}

fn block_on_in_a_destructor_during_close_panics_with_a_message() {
    struct Waits(Rc<RefCell<String>>);
    impl Drop for Waits {
        fn drop(&mut self) {
            let said = words(|| qtloop::block_on(sleep(Duration::ZERO)));
            self.0.replace(said);
        }
    }
    let event_loop = attached();
    let said = Rc::new(RefCell::new(String::new()));
    let waits = Waits(Rc::clone(&said));
    spawn_local(async move {
        let _waits = waits;
        pending::<()>().await;
    });
    settle(&event_loop);
    drop(event_loop);
    assert!(said.borrow().contains("needs a loop"), "{said:?}");
}

fn block_on_of_a_dropped_loop_panics_with_a_message() {
    let event_loop = shared_loop();
    let dropping = Rc::clone(&event_loop);
    spawn_local(async move {
        yield_now().await;
        drop(dropping.take());
    });
    let said = words(|| qtloop::block_on(pending::<()>()));
    assert!(said.contains("keep it"), "{said}");
}

fn another_executor_may_poll_sockets_without_a_limit() {
    let event_loop = attached();
    let udp = run(&event_loop, UdpSocket::bind("127.0.0.1:0")).expect("a socket");
    let to = udp.local_addr().expect("an address");
    // A task spends its whole budget, and its time.
    let udp = Rc::new(udp);
    let sends = Rc::clone(&udp);
    let task = spawn_local(async move {
        for _ in 0..300 {
            sends.send_to(b"x", to).await.expect("sent");
        }
    });
    run(&event_loop, task).expect("a result");
    for _ in 0..300 {
        let sent = future::block_on(future::poll_once(udp.send_to(b"y", to)));
        assert_eq!(sent.expect("it is ready").expect("sent"), 1);
    }
}

fn passed_descriptor_between_bytes_does_not_lose_the_rest() {
    let event_loop = attached();
    let (ours, mut peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let mut ours = UnixStream::try_from(ours).expect("a stream");
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let task = spawn_local(async move {
        let mut buffer = [0; 64];
        let mut heard = Vec::new();
        sender.send(()).await.expect("a receiver");
        while heard.len() < 5 {
            let count = ours.read(&mut buffer).await.expect("read");
            heard.extend_from_slice(&buffer[..count]);
        }
        heard
    });
    run(&event_loop, receiver.recv()).expect("it waits");
    settle(&event_loop);
    let passed = std::io::stdin();
    let descriptors = [passed.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    assert!(message.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = [IoSlice::new(b"fd")];
    sendmsg(&peer, &bytes, &mut message, SendFlags::empty()).expect("sent");
    peer.write_all(b"abc").expect("sent");
    assert_eq!(run(&event_loop, task).expect("a result"), b"fdabc");
}

fn stream_of_a_dropped_loop_is_an_error() {
    let event_loop = attached();
    let (ours, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let ours = UnixStream::try_from(ours).expect("a stream");
    drop(event_loop);
    let event_loop = attached();
    let reading = async { (&ours).read(&mut [0; 8]).await };
    let error = run(&event_loop, reading).expect_err("its loop is gone");
    assert_eq!(error.kind(), ErrorKind::NotConnected);
}

fn waiter_on_another_thread_is_woken_with_an_error_when_the_loop_closes() {
    let event_loop = attached();
    let (ours, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let ours = UnixStream::try_from(ours).expect("a stream");
    let slow = sleep(Duration::from_secs(3600));
    let (tell, told) = async_channel::bounded(2);
    let threads = [
        std::thread::spawn({
            let tell = tell.clone();
            move || {
                let mut reading = std::pin::pin!(async { (&ours).read(&mut [0; 8]).await });
                assert!(future::block_on(future::poll_once(&mut reading)).is_none());
                tell.send_blocking(()).expect("a receiver");
                let error = future::block_on(reading).expect_err("its loop is gone");
                assert_eq!(error.kind(), ErrorKind::NotConnected);
            }
        }),
        std::thread::spawn(move || {
            let mut slow = std::pin::pin!(slow);
            assert!(future::block_on(future::poll_once(&mut slow)).is_none());
            tell.send_blocking(()).expect("a receiver");
            let said = words(|| future::block_on(slow));
            assert!(said.contains("was closed"), "{said}");
        }),
    ];
    for _ in 0..2 {
        run(&event_loop, told.recv()).expect("it waits");
    }
    settle(&event_loop);
    drop(event_loop);
    for thread in threads {
        thread.join().expect("no other panic");
    }
}

fn sleep_of_zero_yields() {
    let event_loop = attached();
    let count = Rc::new(Cell::new(0));
    let counts = Rc::clone(&count);
    let other = spawn_local(async move {
        loop {
            counts.set(counts.get() + 1);
            yield_now().await;
        }
    });
    let sleeping = async {
        for _ in 0..50 {
            sleep(Duration::ZERO).await;
        }
    };
    run(&event_loop, spawn_local(sleeping)).expect("a result");
    assert!(count.get() >= 49, "{}", count.get());
    other.abort();
}

fn interval_that_never_keeps_up_yields() {
    let event_loop = attached();
    let busy = spawn_local(async {
        let mut beat = interval(Duration::from_nanos(1));
        loop {
            beat.tick().await;
        }
    });
    let other = spawn_local(async { timeout(Duration::from_secs(20), yield_now()).await });
    run(&event_loop, other)
        .expect("a result")
        .expect("its turn came");
    busy.abort();
}

/// A waker that panics.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}

/// Polls once, with a waker that panics.
fn poll_with_panic<F: Future + Unpin>(future: &mut F) {
    let waker = Waker::from(Arc::new(Panics));
    let mut context = Context::from_waker(&waker);
    assert!(std::pin::Pin::new(future).poll(&mut context).is_pending());
}

fn panicking_wakers_do_not_stop_the_close_of_a_loop() {
    let event_loop = attached();
    let mut tasks: Vec<_> = (0..3).map(|_| spawn_local(pending::<()>())).collect();
    tasks.iter_mut().for_each(poll_with_panic);
    for _ in 0..3 {
        let bomb = Bomb(1);
        let invoked = event_loop.handle().invoke(move || drop(bomb));
        invoked.expect("a loop");
    }
    drop(event_loop);
    assert!(tasks.iter().all(task::JoinHandle::is_finished));
}

fn panicking_waker_does_not_prevent_other_wake_ups() {
    let event_loop = attached();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let reader = Rc::new(Async::new(reader).expect("a descriptor"));
    let first = Rc::clone(&reader);
    let mut bad = Box::pin(async move { first.readable().await });
    poll_with_panic(&mut bad);
    let task = spawn_local(async move { reader.readable().await });
    settle(&event_loop);
    writer.write_all(b"x").expect("written");
    run(&event_loop, task).expect("a result").expect("ready");
}

fn second_watch_of_a_descriptor_is_refused_and_the_first_continues() {
    let event_loop = attached();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let reader = Rc::new(reader);
    let first = Async::new(Rc::clone(&reader)).expect("a descriptor");
    let second = Async::new(reader).expect("a descriptor");
    let waiting = spawn_local(async move { first.readable().await });
    settle(&event_loop);
    let error = run(&event_loop, second.readable()).expect_err("there is one already");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    writer.write_all(b"x").expect("written");
    run(&event_loop, waiting).expect("a result").expect("ready");
}

fn file_that_always_returns_would_block_is_an_error() {
    let event_loop = attached();
    let file = std::fs::File::open("Cargo.toml").expect("a file");
    let file = Async::new(file).expect("a descriptor");
    let reading = file.read_with(|_| Err::<(), _>(ErrorKind::WouldBlock.into()));
    let error = run(&event_loop, reading).expect_err("nobody would tell of news");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

fn another_executor_inside_a_task_completes_on_a_ready_socket() {
    let event_loop = attached();
    let (ours, mut peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let mut ours = UnixStream::try_from(ours).expect("a stream");
    let task = spawn_local(async move {
        // As many bytes as the system buffers for a peer that does not read yet.
        for _ in 0..200 {
            future::block_on(ours.write_all(b"x")).expect("sent");
        }
    });
    run(&event_loop, task).expect("a result");
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).expect("read");
    assert_eq!(bytes.len(), 200);
}

fn too_many_nested_waits_panic_and_do_not_overflow_the_stack() {
    let event_loop = attached();
    let (tell, told) = async_channel::bounded::<()>(1);
    let mut tasks: Vec<_> = (0..260)
        .map(|_| {
            let told = told.clone();
            spawn_local(async move { qtloop::block_on(told.recv()).is_err() })
        })
        .collect();
    let last = tasks.pop().expect("one of them");
    let ending = spawn_local(async move {
        let result = last.await;
        drop(tell);
        result
    });
    let ended = run(&event_loop, ending).expect("it waits as it should");
    let error = ended.expect_err("it was one too many");
    assert!(error.to_string().contains("spawn_local()"), "{error}");
    let first = run(&event_loop, tasks.swap_remove(0));
    assert!(first.expect("it was in time"));
}
