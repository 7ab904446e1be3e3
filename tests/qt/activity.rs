//! Tests of `qt::activity`: busy and waiting threads, and their events.

use std::cell::RefCell;
use std::ffi::CStr;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use qtloop::core::activity::{Activity, ActivityObserver, Observation, observe, times};
use qtloop::core::{NestedLoop, app};
use qtloop::{spawn_local, time};

use crate::trials;
use crate::world::attached;

trials![
    task_makes_the_thread_busy_and_a_timer_lets_it_wait,
    events_are_reported_with_the_class_of_the_receiver,
    observer_without_events_gets_none,
    observation_dropped_inside_an_event_leaves_the_other_one,
    observation_dropped_on_another_thread_ends,
    thread_is_busy_for_an_observer_that_is_added_inside_a_task,
    nested_loop_waits_and_begins_again,
    other_thread_has_activities_of_its_own,
    busy_and_waiting_times_are_measured,
    ping_is_progress_of_a_busy_thread,
];

const MS: Duration = Duration::from_millis(1);

/// Keeps a list of its calls.
#[derive(Default)]
struct Log {
    activities: RefCell<Vec<Activity>>,
    events: RefCell<Vec<(String, i32)>>,
}

impl ActivityObserver for Log {
    fn changed(&self, activity: Activity, _: Instant) {
        self.activities.borrow_mut().push(activity);
    }

    fn event(&self, receiver: &CStr, kind: i32) {
        let receiver = receiver.to_string_lossy().into_owned();
        self.events.borrow_mut().push((receiver, kind));
    }
}

const BEGINS: Activity = Activity::Begins { has_window: false };

fn log(wants_events: bool) -> (Rc<Log>, Observation) {
    let log = Rc::new(Log::default());
    let observation = observe(log.clone(), wants_events);
    (log, observation)
}

impl Log {
    /// Returns the activities without progress, and forgets them.
    fn take(&self) -> Vec<Activity> {
        let mut activities = self.activities.take();
        activities.retain(|activity| *activity != Activity::Progresses);
        activities
    }
}

/// Waits in short sleeps until `is_done`. A single sleep may be over before Qt waits.
async fn until(is_done: impl Fn() -> bool) {
    while !is_done() {
        time::sleep(2 * MS).await;
    }
}

fn task_makes_the_thread_busy_and_a_timer_lets_it_wait() {
    let event_loop = attached();
    let (log, _observation) = log(false);
    assert_eq!(log.take(), []);
    event_loop.block_on(async {
        log.take();
        until(|| log.activities.borrow().len() >= 4).await;
        let activities = log.take();
        for pair in activities.chunks(2) {
            assert_eq!(pair, [Activity::Waits, BEGINS]);
        }
    });
    assert_eq!(log.take(), [Activity::Waits]);
}

fn events_are_reported_with_the_class_of_the_receiver() {
    const META_CALL: i32 = 43;
    let event_loop = attached();
    let (log, _observation) = log(true);
    app::post(|| {});
    let posted = ("QCoreApplication".to_owned(), META_CALL);
    event_loop.block_on(until(|| log.events.borrow().contains(&posted)));
}

fn observer_without_events_gets_none() {
    let event_loop = attached();
    let (with, _observation) = log(true);
    let (without, _other) = log(false);
    event_loop.block_on(until(|| !with.events.borrow().is_empty()));
    assert!(without.events.borrow().is_empty());
    assert!(!without.take().is_empty());
}

fn observation_dropped_inside_an_event_leaves_the_other_one() {
    let event_loop = attached();
    let (first, observation) = log(true);
    let (second, _other) = log(true);
    event_loop.block_on(async move {
        until(|| !first.events.borrow().is_empty()).await;
        let dropping = spawn_local(async move { drop(observation) });
        dropping.await.expect("no panic");
        first.activities.take();
        first.events.take();
        second.events.take();
        until(|| !second.events.borrow().is_empty()).await;
        assert_eq!(first.activities.take(), []);
        assert!(first.events.take().is_empty());
    });
}

fn observation_dropped_on_another_thread_ends() {
    let event_loop = attached();
    let (log, observation) = log(true);
    event_loop.block_on(until(|| !log.events.borrow().is_empty()));
    thread::spawn(move || drop(observation))
        .join()
        .expect("no panic");
    log.activities.take();
    log.events.take();
    // The next observer finds a thread that works as before.
    let (next, _observation) = self::log(true);
    event_loop.block_on(until(|| !next.events.borrow().is_empty()));
    assert_eq!(log.activities.take(), []);
    assert!(log.events.take().is_empty());
}

fn thread_is_busy_for_an_observer_that_is_added_inside_a_task() {
    let event_loop = attached();
    event_loop.block_on(async {
        let (log, _observation) = log(false);
        assert_eq!(log.take(), [BEGINS]);
    });
    let (log, _observation) = log(false);
    assert_eq!(log.take(), []);
}

fn nested_loop_waits_and_begins_again() {
    let event_loop = attached();
    let (log, _observation) = log(false);
    event_loop.block_on(async {
        let nested = Rc::new(NestedLoop::new());
        let exiting = Rc::clone(&nested);
        spawn_local(async move {
            time::sleep(20 * MS).await;
            exiting.exit(0);
        });
        time::sleep(MS).await;
        log.take();
        let _ = nested.exec();
        let activities = log.take();
        assert!(activities.contains(&Activity::Waits));
        // The code behind the nested loop is work, not a wait.
        assert_eq!(activities.last(), Some(&BEGINS));
    });
}

fn other_thread_has_activities_of_its_own() {
    let event_loop = attached();
    let (here, _observation) = log(false);
    let there = thread::spawn(|| {
        let event_loop = attached();
        let (log, _observation) = log(false);
        event_loop.block_on(until(|| log.activities.borrow().contains(&Activity::Waits)));
        log.take()
    });
    let there = there.join().expect("no panic");
    assert!(there.contains(&BEGINS));
    assert_eq!(here.take(), []);
    drop(event_loop);
}

fn busy_and_waiting_times_are_measured() {
    let event_loop = attached();
    assert!(times().is_none());
    let (_log, _observation) = log(false);
    let began = Instant::now();
    event_loop.block_on(async {
        thread::sleep(20 * MS);
        time::sleep(200 * MS).await;
    });
    let whole = began.elapsed();
    let first = times().expect("an observed thread");
    assert!(first.busy >= 20 * MS);
    assert!(first.waiting > Duration::ZERO);
    assert!(first.busy + first.waiting <= whole);
    thread::sleep(2 * MS);
    assert_eq!(times(), Some(first)); // no Qt loop runs
}

fn ping_is_progress_of_a_busy_thread() {
    let event_loop = attached();
    let (log, observation) = log(false);
    event_loop.block_on(async {
        log.activities.take();
        let pinger = observation.pinger();
        let pinging = thread::spawn(move || pinger.ping());
        pinging.join().expect("no panic");
        assert_eq!(log.activities.take(), []);
        app::send_posted_events();
        assert_eq!(log.activities.take(), [Activity::Progresses]);
    });
    let pinger = observation.pinger();
    drop(observation);
    pinger.ping();
    app::send_posted_events();
    assert_eq!(log.take(), [Activity::Waits]);
}
