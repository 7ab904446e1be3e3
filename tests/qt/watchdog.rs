//! The reports of a Rust loop's watchdog.

use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use qtloop::core::{NestedLoop, app};
use qtloop::task::{Builder, Stall};
use qtloop::{Loop, spawn_local, time};

use crate::trials;
use crate::world::attached;

trials![
    blocked_task_is_reported_while_it_blocks_and_at_its_end,
    blocked_task_is_reported_with_its_name_or_where_it_was_spawned,
    blocked_task_of_another_thread_is_reported,
    nested_loop_and_idle_loop_are_not_reported,
    work_outside_of_a_qt_loop_is_not_reported,
    loop_that_delivers_posted_events_is_not_reported,
    removed_watchdog_reports_the_end_and_nothing_more,
    watchdog_replaced_while_blocked_reports_again,
    panic_of_the_handler_does_not_end_the_watchdog,
];

const THRESHOLD: Duration = Duration::from_millis(40);
/// A threshold that nothing reaches by accident, also under valgrind.
const LONG: Duration = Duration::from_millis(300);
/// A report must come within this time; it takes a few milliseconds.
const SOON: Duration = Duration::from_secs(10);

/// Returns a loop with a watchdog, and its reports.
fn watched_loop(threshold: Duration) -> (Loop, Receiver<Stall>) {
    let event_loop = attached();
    let (send, reports) = channel();
    event_loop
        .set_watchdog(threshold, move |stall| {
            let _ = send.send(stall.clone());
        })
        .expect("a thread");
    (event_loop, reports)
}

/// Blocks this thread until there is a report; returns it.
fn block_until_reported(reports: &Receiver<Stall>) -> Stall {
    reports.recv_timeout(SOON).expect("a report")
}

fn blocked_task_is_reported_while_it_blocks_and_at_its_end() {
    let (event_loop, reports) = watched_loop(THRESHOLD);
    event_loop.block_on(async {
        time::sleep(Duration::from_millis(1)).await;
        let stall = block_until_reported(&reports);
        assert!(!stall.is_over());
        assert!(stall.elapsed() >= THRESHOLD);
        assert!(!stall.has_window());
        time::sleep(Duration::from_millis(1)).await;
        let end = block_until_reported(&reports);
        assert!(end.is_over());
        assert!(end.elapsed() >= stall.elapsed());
    });
    drop(event_loop);
    assert!(reports.recv().is_err());
}

fn blocked_task_is_reported_with_its_name_or_where_it_was_spawned() {
    let (event_loop, reports) = watched_loop(THRESHOLD);
    let reports = Rc::new(reports);
    event_loop.block_on(async {
        let blocking = Rc::clone(&reports);
        let block = async move { block_until_reported(&blocking) };
        let named = Builder::new().name("refresh").spawn_local(block);
        assert_eq!(named.await.expect("no panic").task(), Some("refresh"));
        assert_eq!(block_until_reported(&reports).task(), Some("refresh"));

        let blocking = Rc::clone(&reports);
        let unnamed = spawn_local(async move { block_until_reported(&blocking) });
        let line = line!() - 1;
        let stall = unnamed.await.expect("no panic");
        let place = format!("{}:{line}:", file!());
        assert!(stall.task().expect("a place").starts_with(&place));
    });
}

fn blocked_task_of_another_thread_is_reported() {
    let blocked = thread::spawn(|| {
        let (event_loop, reports) = watched_loop(THRESHOLD);
        event_loop.block_on(async {
            time::sleep(Duration::from_millis(1)).await;
            !block_until_reported(&reports).is_over()
        })
    });
    assert!(blocked.join().expect("no panic"));
}

fn nested_loop_and_idle_loop_are_not_reported() {
    let (event_loop, reports) = watched_loop(LONG);
    event_loop.block_on(async {
        let nested = Rc::new(NestedLoop::new());
        let exiting = Rc::clone(&nested);
        spawn_local(async move {
            time::sleep(2 * LONG).await;
            exiting.exit(0);
        });
        let _ = nested.exec();
        time::sleep(2 * LONG).await;
    });
    drop(event_loop);
    assert!(reports.recv().is_err());
}

fn work_outside_of_a_qt_loop_is_not_reported() {
    let (event_loop, reports) = watched_loop(LONG);
    event_loop.block_on(async { time::sleep(Duration::from_millis(1)).await });
    // No Qt loop runs on this thread, so no event waits.
    thread::sleep(2 * LONG);
    drop(event_loop);
    assert!(reports.recv().is_err());
}

fn loop_that_delivers_posted_events_is_not_reported() {
    let (event_loop, reports) = watched_loop(LONG);
    event_loop.block_on(async {
        time::sleep(Duration::from_millis(1)).await;
        let end = Instant::now() + 2 * LONG;
        while Instant::now() < end {
            app::send_posted_events();
        }
    });
    drop(event_loop);
    assert!(reports.recv().is_err());
}

fn removed_watchdog_reports_the_end_and_nothing_more() {
    let (event_loop, reports) = watched_loop(THRESHOLD);
    event_loop.block_on(async {
        time::sleep(Duration::from_millis(1)).await;
        assert!(!block_until_reported(&reports).is_over());
    });
    // The stall has ended with block_on(), or ends now.
    event_loop.remove_watchdog();
    assert!(block_until_reported(&reports).is_over());
    assert!(reports.recv().is_err());
    drop(event_loop);
}

fn watchdog_replaced_while_blocked_reports_again() {
    let (event_loop, reports) = watched_loop(THRESHOLD);
    let (send, later) = channel();
    event_loop.block_on(async {
        time::sleep(Duration::from_millis(1)).await;
        assert!(!block_until_reported(&reports).is_over());
        event_loop
            .set_watchdog(THRESHOLD, move |stall| {
                let _ = send.send(stall.is_over());
            })
            .expect("a thread");
        assert!(block_until_reported(&reports).is_over());
        assert!(!later.recv_timeout(SOON).expect("a report"));
    });
    drop(event_loop);
    assert_eq!(later.iter().collect::<Vec<_>>(), [true]);
}

fn panic_of_the_handler_does_not_end_the_watchdog() {
    let event_loop = attached();
    let (send, reports) = channel();
    event_loop
        .set_watchdog(THRESHOLD, move |stall| {
            let _ = send.send(stall.is_over());
            assert!(stall.is_over(), "a test: this panic is caught");
        })
        .expect("a thread");
    event_loop.block_on(async {
        time::sleep(Duration::from_millis(1)).await;
        assert!(!reports.recv_timeout(SOON).expect("a report"));
        time::sleep(Duration::from_millis(1)).await;
        assert!(reports.recv_timeout(SOON).expect("the end"));
    });
}
