//! Tests of tasks, handles and wakers on several threads, and after the loop was closed.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use qtloop::task::{unblock, yield_now};
use qtloop::time::sleep;
use qtloop::{Handle, JoinHandle, spawn_local};

use crate::tasks::{run, settle};
use crate::trials;
use crate::world::attached;

trials![
    other_threads_spawn_and_wait,
    handle_current_is_sent_from_a_task_to_a_thread,
    future_that_is_not_send_is_made_on_the_loop_thread,
    closures_of_other_threads_run_in_order,
    calls_to_a_dropped_loop_are_errors,
    waker_may_outlive_its_loop,
    loop_runs_on_another_thread,
    unblock_does_not_block_the_loop,
    task_aborted_from_another_thread_is_dropped_on_the_loop_thread,
    result_without_a_handle_is_dropped_once,
    join_handle_may_move_between_threads_while_it_waits,
    task_woken_by_many_threads_misses_no_wake_up,
    wake_ups_during_the_close_of_a_loop_are_harmless,
    task_sent_to_a_closing_loop_is_dropped,
];

fn other_threads_spawn_and_wait() {
    let event_loop = attached();
    let handle = event_loop.handle();
    let here = thread::current().id();
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let handle = handle.clone();
            thread::spawn(move || {
                let task = handle.spawn(async move {
                    assert_eq!(thread::current().id(), here);
                    sleep(Duration::from_millis(1)).await;
                    number
                });
                futures_lite::future::block_on(task).expect("a result")
            })
        })
        .collect();
    let all = qtloop::task::unblock(|| {
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum::<i32>()
    });
    assert_eq!(run(&event_loop, all), 6);
}

fn handle_current_is_sent_from_a_task_to_a_thread() {
    let event_loop = attached();
    let task = spawn_local(async {
        let handle = Handle::current();
        let asked = unblock(move || handle.spawn(async { thread::current().id() }));
        asked.await.await.expect("a result")
    });
    assert_eq!(
        run(&event_loop, task).expect("a result"),
        thread::current().id()
    );
}

fn future_that_is_not_send_is_made_on_the_loop_thread() {
    let event_loop = attached();
    let handle = event_loop.handle();
    let asked = thread::spawn(move || {
        let task = handle.spawn_from_within(|| {
            let shared = Rc::new(7);
            async move {
                yield_now().await;
                *shared
            }
        });
        futures_lite::future::block_on(task).expect("a result")
    });
    assert_eq!(
        run(
            &event_loop,
            qtloop::task::unblock(|| asked.join().expect("no panic"))
        ),
        7
    );
}

fn closures_of_other_threads_run_in_order() {
    let event_loop = attached();
    let handle = event_loop.handle();
    let (sender, receiver) = mpsc::channel();
    let asking = thread::spawn(move || {
        for number in 0..100 {
            let sender = sender.clone();
            handle
                .invoke(move || sender.send(number).expect("a receiver"))
                .expect("a loop");
        }
    });
    run(
        &event_loop,
        qtloop::task::unblock(|| asking.join().expect("no panic")),
    );
    settle(&event_loop);
    assert_eq!(
        receiver.try_iter().collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
}

fn calls_to_a_dropped_loop_are_errors() {
    let event_loop = attached();
    let handle: Handle = event_loop.handle();
    drop(event_loop);
    let (here, there) = (handle.clone(), handle);
    assert!(here.invoke(|| ()).is_err());
    assert!(
        matches!(futures_lite::future::block_on(here.spawn(async {})), Err(error) if error.is_cancelled())
    );
    thread::spawn(move || {
        assert!(there.invoke(|| ()).is_err());
        assert!(matches!(futures_lite::future::block_on(there.spawn(async {})), Err(error) if error.is_cancelled()));
    })
    .join()
    .expect("no panic");
}

fn waker_may_outlive_its_loop() {
    let event_loop = attached();
    let kept: Rc<RefCell<Option<Waker>>> = Rc::default();
    let keeps = Rc::clone(&kept);
    spawn_local(poll_fn(move |context| {
        keeps.replace(Some(context.waker().clone()));
        Poll::<()>::Pending
    }));
    run(&event_loop, yield_now());
    drop(event_loop);
    let waker = kept.take().expect("a waker");
    waker.wake_by_ref();
    thread::spawn(move || waker.wake())
        .join()
        .expect("no panic");
}

fn loop_runs_on_another_thread() {
    let done = thread::spawn(|| {
        let event_loop = attached();
        spawn_local(async {
            sleep(Duration::from_millis(1)).await;
            qtloop::quit(3);
        });
        event_loop.exec()
    });
    assert_eq!(done.join().expect("no panic"), 3);
}

fn unblock_does_not_block_the_loop() {
    let event_loop = attached();
    let (sender, receiver) = mpsc::channel();
    let waits = qtloop::task::unblock(move || receiver.recv_timeout(Duration::from_secs(30)));
    let task = spawn_local(async move {
        yield_now().await;
        sender.send("sent meanwhile").expect("a receiver");
    });
    assert_eq!(run(&event_loop, waits), Ok("sent meanwhile"));
    run(&event_loop, task).expect("a result");
}

/// Records the thread on which it was dropped.
struct Tell(Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0
            .lock()
            .expect("no panic")
            .push(thread::current().id());
    }
}

fn task_aborted_from_another_thread_is_dropped_on_the_loop_thread() {
    let event_loop = attached();
    let drops = Arc::new(Mutex::new(Vec::new()));
    let tell = Tell(Arc::clone(&drops));
    let task = spawn_local(async move {
        let _tell = tell;
        pending::<()>().await;
    });
    run(&event_loop, yield_now());
    let aborted = unblock(move || {
        task.abort();
        futures_lite::future::block_on(task)
    });
    let result = run(&event_loop, aborted);
    assert!(matches!(result, Err(error) if error.is_cancelled()));
    assert_eq!(*drops.lock().expect("no panic"), [thread::current().id()]);
}

fn result_without_a_handle_is_dropped_once() {
    let event_loop = attached();
    let drops = Arc::new(Mutex::new(Vec::new()));
    let spawn = || {
        let tell = Tell(Arc::clone(&drops));
        spawn_local(async move { tell })
    };
    let count = || drops.lock().expect("no panic").len();

    spawn(); // before its end
    run(&event_loop, yield_now());
    assert_eq!(count(), 1);

    let done = spawn();
    run(&event_loop, yield_now());
    assert_eq!(count(), 1);
    drop(done); // after it
    assert_eq!(count(), 2);

    let elsewhere = spawn();
    run(&event_loop, unblock(move || drop(elsewhere)));
    run(&event_loop, yield_now());
    assert_eq!(count(), 3);

    let taken = run(&event_loop, spawn()).expect("a result");
    assert_eq!(count(), 3);
    drop(taken);
    assert_eq!(count(), 4);
}

fn join_handle_may_move_between_threads_while_it_waits() {
    let event_loop = attached();
    let (sender, receiver) = async_channel::bounded(1);
    let mut task: JoinHandle<i32> = spawn_local(async move { receiver.recv().await.expect("one") });
    let once = run(&event_loop, async {
        yield_now().await;
        futures_lite::future::poll_once(&mut task).await
    });
    assert!(once.is_none());
    sender.send_blocking(7).expect("a receiver");
    let result = run(
        &event_loop,
        unblock(|| futures_lite::future::block_on(task)),
    );
    assert_eq!(result.expect("a result"), 7);
}

fn task_woken_by_many_threads_misses_no_wake_up() {
    const COUNT: u32 = 500;
    let event_loop = attached();
    let count = Arc::new(AtomicU32::new(0));
    let waiting: Arc<Mutex<Option<Waker>>> = Arc::default();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (count, waiting) = (Arc::clone(&count), Arc::clone(&waiting));
            thread::spawn(move || {
                for _ in 0..COUNT {
                    count.fetch_add(1, Ordering::Release);
                    let waker = waiting.lock().expect("no panic").clone();
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                }
            })
        })
        .collect();
    let task = spawn_local(poll_fn(move |context| {
        *waiting.lock().expect("no panic") = Some(context.waker().clone());
        if count.load(Ordering::Acquire) == 4 * COUNT {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    run(&event_loop, task).expect("a result");
    for thread in threads {
        thread.join().expect("no panic");
    }
}

fn wake_ups_during_the_close_of_a_loop_are_harmless() {
    for _ in 0..20 {
        let event_loop = attached();
        let drops = Arc::new(Mutex::new(Vec::new()));
        let (sender, receiver) = mpsc::channel::<Waker>();
        for _ in 0..8 {
            let (tell, sender) = (Tell(Arc::clone(&drops)), sender.clone());
            spawn_local(async move {
                let _tell = tell;
                poll_fn(|context| {
                    let _ = sender.send(context.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            });
        }
        drop(sender);
        // The tasks send their wakers at every poll while they live, so the thread ends with the
        // last task.
        let waking = thread::spawn(move || receiver.iter().for_each(Waker::wake));
        for _ in 0..20 {
            run(&event_loop, yield_now());
        }
        drop(event_loop);
        waking.join().expect("no panic");
        assert_eq!(
            *drops.lock().expect("no panic"),
            [thread::current().id(); 8]
        );
    }
}

fn task_sent_to_a_closing_loop_is_dropped() {
    let event_loop = attached();
    let handle = event_loop.handle();
    let drops = Arc::new(Mutex::new(Vec::new()));
    let tell = Tell(Arc::clone(&drops));
    let sent = thread::spawn(move || {
        handle.spawn(async move {
            let _tell = tell;
            pending::<()>().await;
        })
    });
    let task = sent.join().expect("no panic"); // the loop has run no turn since
    drop(event_loop);
    assert!(task.is_finished());
    assert_eq!(drops.lock().expect("no panic").len(), 1);
}
