//! The calls of an observer, and their order.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use qtloop::core::{
    Direction, Driver, Linger, NestedLoop, Observer, Priority, Queueable, Time, VirtualTime,
    Wakeup, app,
};

use crate::trials;
use crate::world::LIMIT;

trials![
    queued_job_is_reported_before_it_begins_and_when_it_ends,
    polls_and_turns_are_reported_around_the_jobs,
    timer_is_reported_when_it_is_set_and_when_it_becomes_ready,
    job_of_a_descriptor_is_reported_when_it_becomes_ready,
    rearmed_job_of_a_missed_edge_is_reported,
    job_of_another_thread_is_reported_when_it_is_collected,
    timer_of_a_jump_of_virtual_time_is_reported,
    jobs_are_reported_in_the_order_of_their_priorities,
    turns_inside_a_job_are_reported_inside_it,
    wait_for_the_next_event_is_reported_with_its_timeout,
    poll_inside_a_job_is_reported_inside_it,
    return_to_qt_without_a_ready_job_is_reported,
    return_to_qt_is_reported_to_an_observer_that_is_set_inside_the_turn,
    turn_of_one_batch_is_reported,
    job_and_turn_that_a_panic_ends_are_reported,
    turn_that_is_dropped_early_is_reported,
    observer_changes_a_job_before_it_is_queued,
    observer_that_is_set_inside_a_job_is_called_for_the_next_one,
    observer_that_is_removed_inside_a_job_is_not_called_any_more,
    observer_that_is_replaced_inside_a_job_is_not_called_for_its_end,
    observer_may_use_the_driver,
];

const HOUR: Duration = Duration::from_secs(3600);

/// A job: the name of an action. The front end calls the action of that name, if there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Note {
    name: &'static str,
    priority: Priority,
}

impl Queueable for Note {
    fn repeat(&self) -> Note {
        *self
    }

    fn priority(&self) -> Priority {
        self.priority
    }
}

fn note(name: &'static str) -> Note {
    note_of(Priority::NORMAL, name)
}

fn note_of(priority: Priority, name: &'static str) -> Note {
    Note { name, priority }
}

type Action = Rc<dyn Fn(&Stage)>;

/// A driver whose observer writes a log.
#[derive(Clone)]
struct Stage {
    driver: Rc<Driver<Note>>,
    actions: Rc<RefCell<Vec<(&'static str, Action)>>>,
    log: Rc<Log>,
}

#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Log {
    fn write(&self, entry: impl Into<String>) {
        self.0.borrow_mut().push(entry.into());
    }

    /// Removes and returns the entries.
    fn read(&self) -> Vec<String> {
        self.0.take()
    }

    /// The same without those of polls, whose number depends on the speed of the machine.
    fn read_jobs(&self) -> Vec<String> {
        let mut entries = self.read();
        let is_of_jobs = |entry: &String| {
            !entry.contains("poll") && !entry.contains("waits") && entry != "all collected"
        };
        entries.retain(is_of_jobs);
        entries
    }
}

impl Observer<Note> for Log {
    fn queued(&self, job: &mut Note) {
        self.write(format!("queued {}", job.name));
    }

    fn timer_set(&self, _when: Time, job: &mut Note) {
        self.write(format!("timer {}", job.name));
    }

    fn collected(&self, job: &mut Note) {
        self.write(format!("collected {}", job.name));
    }

    fn collection_ends(&self) {
        self.write("all collected");
    }

    fn begins(&self, job: &mut Note) {
        self.write(format!("{} begins", job.name));
    }

    fn ends(&self) {
        self.write("ends");
    }

    fn turn_begins(&self, depth: usize) {
        self.write(format!("turn {depth}"));
    }

    fn turn_ends(&self, depth: usize) {
        self.write(format!("end of turn {depth}"));
    }

    fn waits(&self, timeout: Option<Duration>) {
        self.write(match timeout {
            Some(_) => "waits for a timer",
            None => "waits",
        });
    }

    fn poll_begins(&self, timeout: Duration) {
        self.write(format!("poll {}", timeout.is_zero()));
    }

    fn poll_ends(&self, timeout: Duration) {
        self.write(format!("end of poll {}", timeout.is_zero()));
    }
}

impl Stage {
    fn new() -> Stage {
        let timer_fd = std::env::var_os("QTLOOP_TIMER").is_none_or(|value| value != "qtimer");
        let stage = Stage {
            driver: Driver::new(timer_fd).expect("three descriptors"),
            actions: Rc::default(),
            log: Rc::default(),
        };
        stage.driver.set_budget(LIMIT);
        stage.observe();
        stage
    }

    fn observe(&self) {
        let log = Rc::clone(&self.log);
        self.driver.set_observer(Some(log));
    }

    /// Sets the action of all jobs with this name.
    fn on(&self, name: &'static str, action: impl Fn(&Stage) + 'static) {
        self.actions.borrow_mut().push((name, Rc::new(action)));
    }

    fn push(&self, name: &'static str) {
        self.driver.push(note(name));
    }

    fn act(&self, job: Note) {
        let actions = self.actions.borrow();
        let action = actions.iter().find(|(name, _)| *name == job.name);
        let action = action.map(|(_, action)| Rc::clone(action));
        drop(actions);
        if let Some(action) = action {
            action(self);
        }
    }

    /// Runs the application until the job "stop".
    fn run(&self) {
        self.on("stop", |stage| stage.driver.stop());
        self.on("guard", |_| panic!("the test hung"));
        let guard = self.driver.push_at(Time::now() + LIMIT, note("guard"));
        let (actions, log) = (Rc::clone(&self.actions), Rc::clone(&self.log));
        let driver = Rc::downgrade(&self.driver);
        let front_end = move |wakeup: Wakeup<'_, Note>| {
            let (Some(driver), Some(mut turn)) = (driver.upgrade(), wakeup.turn()) else {
                return;
            };
            let stage = Stage {
                driver,
                actions: Rc::clone(&actions),
                log: Rc::clone(&log),
            };
            loop {
                for job in turn.by_ref() {
                    stage.act(job);
                }
                if !turn.linger(Linger::wait) {
                    break;
                }
            }
        };
        self.log.read();
        self.driver
            .attach(front_end, || true)
            .expect("a descriptor");
        self.driver.begin_run(|| app::exit(0));
        let _ = app::exec();
        self.driver.end_run();
        self.driver.detach();
        self.driver.cancel(guard);
    }

    /// Runs the ready jobs without Qt.
    fn run_batch(&self) {
        for job in self.driver.batch() {
            self.act(job);
        }
    }
}

fn queued_job_is_reported_before_it_begins_and_when_it_ends() {
    let stage = Stage::new();
    stage.push("a");
    assert_eq!(stage.log.read(), ["queued a"]);
    stage.on("a", |stage| {
        stage.push("b");
        stage.push("stop");
    });
    stage.run();
    let expected = [
        "turn 1",
        "a begins",
        "queued b",
        "queued stop",
        "ends",
        "b begins",
        "ends",
        "stop begins",
        "ends",
        "end of turn 1",
    ];
    assert_eq!(stage.log.read_jobs(), expected);
}

fn polls_and_turns_are_reported_around_the_jobs() {
    let stage = Stage::new();
    stage.push("stop");
    stage.run();
    let expected = [
        "turn 1",
        "poll true",
        "end of poll true",
        "stop begins",
        "ends",
        "end of turn 1",
    ];
    assert_eq!(stage.log.read(), expected);
}

fn timer_is_reported_when_it_is_set_and_when_it_becomes_ready() {
    let stage = Stage::new();
    stage.driver.push_at(Time::now(), note("stop"));
    assert_eq!(stage.log.read(), ["timer stop"]);
    stage.run();
    let expected = [
        "turn 1",
        "collected stop",
        "stop begins",
        "ends",
        "end of turn 1",
    ];
    assert_eq!(stage.log.read_jobs(), expected);
}

fn job_of_a_descriptor_is_reported_when_it_becomes_ready() {
    let stage = Stage::new();
    let (near, mut far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    far.write_all(&[1]).expect("write");
    let watched = stage.driver.watch(fd, Direction::Read, note("read"));
    watched.expect("watch");
    stage.on("read", move |stage| {
        (&near).read_exact(&mut [0]).expect("read");
        stage.driver.rearm(fd, Direction::Read, |_| true);
        stage.push("stop");
    });
    stage.run();
    let expected = [
        "turn 1",
        "collected read",
        "read begins",
        "queued stop",
        "ends",
        "stop begins",
        "ends",
        "end of turn 1",
    ];
    assert_eq!(stage.log.read_jobs(), expected);
    stage.driver.drain();
}

fn rearmed_job_of_a_missed_edge_is_reported() {
    let stage = Stage::new();
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let fd = near.as_raw_fd();
    (&far).write_all(&[1]).expect("write");
    let watched = stage.driver.watch_edges(fd, Direction::Read, note("edge"));
    watched.expect("watch");
    let count = Cell::new(0);
    stage.on("edge", move |stage| {
        (&near).read_exact(&mut [0]).expect("read");
        count.set(count.get() + 1);
        if count.get() == 2 {
            stage.driver.stop();
            return;
        }
        // The turn ends, and the next one collects the edge: the job is not armed then.
        (&far).write_all(&[1]).expect("write");
        let when = Time::now() + Duration::from_millis(20);
        stage.driver.push_at(when, note("rearm"));
    });
    stage.on("rearm", move |stage| {
        stage.driver.rearm(fd, Direction::Read, |_| true);
    });
    stage.run();
    let mut entries = stage.log.read_jobs();
    entries.retain(|entry| !entry.contains("turn"));
    let expected = [
        "collected edge",
        "edge begins",
        "timer rearm",
        "ends",
        "collected rearm",
        "rearm begins",
        "collected edge",
        "ends",
        "edge begins",
        "ends",
    ];
    assert_eq!(entries, expected);
    stage.driver.drain();
}

fn job_of_another_thread_is_reported_when_it_is_collected() {
    let stage = Stage::new();
    let remote = stage.driver.remote();
    let sender = thread::spawn(move || remote.send(note("stop")).is_ok());
    assert!(sender.join().expect("the thread has ended"));
    assert!(stage.log.read().is_empty());
    stage.run();
    let expected = [
        "turn 1",
        "collected stop",
        "stop begins",
        "ends",
        "end of turn 1",
    ];
    assert_eq!(stage.log.read_jobs(), expected);
}

fn timer_of_a_jump_of_virtual_time_is_reported() {
    let stage = Stage::new();
    let clock = VirtualTime::new(Time::now(), Duration::ZERO, 0);
    stage.driver.set_virtual_time(clock);
    let when = stage.driver.now() + HOUR;
    stage.driver.push_at(when, note("stop"));
    stage.on("guard", |_| ()); // the clock jumps over its deadline
    stage.run();
    let mut entries = stage.log.read_jobs();
    entries.retain(|entry| entry.contains("stop"));
    assert_eq!(entries, ["collected stop", "stop begins"]);
    assert_eq!(stage.driver.stats().fired.max_lateness, Duration::ZERO);
}

fn jobs_are_reported_in_the_order_of_their_priorities() {
    let stage = Stage::new();
    stage.driver.push(note_of(Priority::LOW, "stop"));
    stage.push("normal");
    stage.driver.push(note_of(Priority::HIGH, "high"));
    stage.on("normal", |stage| {
        let when = Time::now();
        stage
            .driver
            .push_at(when, note_of(Priority::HIGH, "high timer"));
        stage.driver.push(note_of(Priority::HIGH, "high again"));
    });
    stage.run();
    let mut entries = stage.log.read_jobs();
    entries.retain(|entry| !entry.starts_with("collected"));
    let begun: Vec<_> = entries
        .iter()
        .filter(|entry| entry.ends_with("begins"))
        .collect();
    assert_eq!(begun[..2], ["high begins", "normal begins"]);
    assert_eq!(begun[4], "stop begins");
    // No job begins before the one before it has ended.
    let mut running = 0;
    for entry in &entries {
        running += i32::from(entry.ends_with("begins")) - i32::from(entry == "ends");
        assert!((0..=1).contains(&running), "{entries:?}");
    }
    assert_eq!(running, 0);
}

fn turns_inside_a_job_are_reported_inside_it() {
    let stage = Stage::new();
    let nested_loop = Rc::new(NestedLoop::new());
    let exited = Rc::clone(&nested_loop);
    stage.push("outer");
    stage.on("outer", move |stage| {
        stage.push("inner");
        nested_loop.exec_until_exit();
        stage.push("stop");
    });
    stage.on("inner", move |_| exited.exit(0));
    stage.run();
    let expected = [
        "turn 1",
        "outer begins",
        "queued inner",
        "turn 2",
        "inner begins",
        "ends",
        "end of turn 2",
        "queued stop",
        "ends",
        "stop begins",
        "ends",
        "end of turn 1",
    ];
    assert_eq!(stage.log.read_jobs(), expected);
}

/// Exchanges this number of bytes with a thread that sends each one back at once.
fn exchange(stage: &Stage, bytes: u8) {
    let (near, mut far) = UnixStream::pair().expect("a socket pair");
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while matches!(far.read(&mut byte), Ok(1)) {
            far.write_all(&byte).expect("write");
        }
    });
    let fd = near.as_raw_fd();
    (&near).write_all(&[bytes]).expect("write");
    let watched = stage.driver.watch(fd, Direction::Read, note("read"));
    watched.expect("watch");
    stage.on("read", move |stage| {
        let mut byte = [0];
        (&near).read_exact(&mut byte).expect("read");
        if byte[0] == 1 {
            stage.push("stop");
        } else {
            (&near).write_all(&[byte[0] - 1]).expect("write");
        }
        stage.driver.rearm(fd, Direction::Read, |_| true);
    });
    stage.driver.set_linger(LIMIT);
    stage.run();
    stage.driver.drain();
    stage.actions.borrow_mut().clear();
    echo.join().expect("the thread ends with its socket");
}

fn wait_for_the_next_event_is_reported_with_its_timeout() {
    let stage = Stage::new();
    exchange(&stage, 10);
    let entries = stage.log.read();
    let wait = [
        "poll false",
        "collected read",
        "all collected",
        "end of poll false",
        "read begins",
        "ends",
    ];
    assert!(
        entries.windows(wait.len()).any(|window| window == wait),
        "{entries:?}"
    );
}

fn poll_inside_a_job_is_reported_inside_it() {
    let stage = Stage::new();
    stage.push("split");
    stage.on("split", |stage| {
        stage.driver.retain(Priority::HIGH);
        let remote = stage.driver.remote();
        assert!(remote.send(note("sent")).is_ok());
        while !stage.driver.should_yield() {}
        stage.driver.release(Priority::HIGH);
        stage.push("stop");
    });
    stage.run();
    let entries = stage.log.read_jobs();
    let expected = [
        "turn 1",
        "split begins",
        "collected sent",
        "queued stop",
        "ends",
    ];
    assert_eq!(entries[..5], expected);
}

fn return_to_qt_without_a_ready_job_is_reported() {
    let stage = Stage::new();
    stage.push("a");
    stage.push("b");
    stage.log.read();
    drop(stage.driver.batch());
    assert_eq!(stage.log.read(), ["turn 1", "end of turn 1"]);
    stage.run_batch();
    assert_eq!(stage.log.read().last().expect("an entry"), "waits");
    stage.driver.push_at(Time::now() + LIMIT, note("timer"));
    drop(stage.driver.batch());
    assert_eq!(
        stage.log.read()[2..],
        ["end of turn 1", "waits for a timer"]
    );
    stage.driver.stop();
    drop(stage.driver.batch());
    assert_eq!(stage.log.read(), ["turn 1", "end of turn 1"]);
}

fn return_to_qt_is_reported_to_an_observer_that_is_set_inside_the_turn() {
    let stage = Stage::new();
    stage.driver.set_observer(None);
    stage.push("a");
    stage.on("a", Stage::observe);
    stage.run_batch();
    assert_eq!(stage.log.read(), ["waits"]);
}

fn turn_of_one_batch_is_reported() {
    let stage = Stage::new();
    stage.push("a");
    stage.log.read();
    stage.run_batch();
    let expected = ["turn 1", "a begins", "ends", "end of turn 1"];
    assert_eq!(stage.log.read_jobs(), expected);
}

fn job_and_turn_that_a_panic_ends_are_reported() {
    let stage = Stage::new();
    stage.push("a");
    stage.push("b");
    stage.log.read();
    stage.on("a", |_| std::panic::resume_unwind(Box::new("a panic")));
    assert!(catch_unwind(AssertUnwindSafe(|| stage.run_batch())).is_err());
    let expected = ["turn 1", "a begins", "ends", "end of turn 1"];
    assert_eq!(stage.log.read_jobs(), expected);
    stage.run_batch();
    let expected = ["turn 1", "b begins", "ends", "end of turn 1"];
    assert_eq!(stage.log.read_jobs(), expected);
}

fn turn_that_is_dropped_early_is_reported() {
    let stage = Stage::new();
    stage.push("a");
    stage.push("b");
    stage.log.read();
    let mut turn = stage.driver.batch();
    assert_eq!(turn.next(), Some(note("a")));
    drop(turn);
    let expected = ["turn 1", "a begins", "ends", "end of turn 1"];
    assert_eq!(stage.log.read_jobs(), expected);
    drop(stage.driver.batch());
    assert_eq!(stage.log.read(), ["turn 1", "end of turn 1"]);
}

struct Rename;

impl Observer<Note> for Rename {
    fn queued(&self, job: &mut Note) {
        job.name = "renamed";
    }
}

fn observer_changes_a_job_before_it_is_queued() {
    let stage = Stage::new();
    stage.driver.set_observer(Some(Rc::new(Rename)));
    stage.push("a");
    let jobs: Vec<_> = stage.driver.batch().collect();
    assert_eq!(jobs, [note("renamed")]);
}

fn observer_that_is_set_inside_a_job_is_called_for_the_next_one() {
    let stage = Stage::new();
    stage.driver.set_observer(None);
    for name in ["a", "b", "c"] {
        stage.push(name);
    }
    stage.on("b", Stage::observe);
    stage.run_batch();
    assert_eq!(stage.log.read_jobs(), ["c begins", "ends"]);
    stage.push("d");
    stage.run_batch();
    let expected = ["queued d", "turn 1", "d begins", "ends", "end of turn 1"];
    assert_eq!(stage.log.read_jobs(), expected);
}

fn observer_that_is_removed_inside_a_job_is_not_called_any_more() {
    let stage = Stage::new();
    for name in ["a", "b"] {
        stage.push(name);
    }
    stage.log.read();
    stage.on("a", |stage| stage.driver.set_observer(None));
    stage.run_batch();
    assert_eq!(stage.log.read(), ["turn 1", "a begins"]);
    stage.push("c");
    stage.run_batch();
    assert!(stage.log.read().is_empty());
    assert_eq!(Rc::strong_count(&stage.log), 1, "the observer was dropped");
}

fn observer_that_is_replaced_inside_a_job_is_not_called_for_its_end() {
    let stage = Stage::new();
    let second = Rc::new(Log::default());
    for name in ["a", "b"] {
        stage.push(name);
    }
    stage.log.read();
    let observer = Rc::clone(&second);
    stage.on("a", move |stage| {
        stage.driver.set_observer(Some(observer.clone()));
    });
    stage.run_batch();
    assert_eq!(stage.log.read(), ["turn 1", "a begins"]);
    assert_eq!(second.read_jobs(), ["b begins", "ends"]);
}

/// Queues a job in each call in which that is allowed, once per call.
struct Meddler {
    driver: Rc<Driver<Note>>,
    left: RefCell<Vec<&'static str>>,
}

impl Meddler {
    fn meddle(&self, name: &'static str) {
        let left = self.left.borrow().contains(&name);
        if left {
            self.left.borrow_mut().retain(|other| *other != name);
            self.driver.push(note(name));
            let _ = (self.driver.stats(), self.driver.should_yield());
        }
    }
}

impl Observer<Note> for Meddler {
    fn queued(&self, _job: &mut Note) {
        self.meddle("queued");
    }

    fn timer_set(&self, _when: Time, _job: &mut Note) {
        self.meddle("timer_set");
    }

    fn collection_ends(&self) {
        self.meddle("collection_ends");
    }

    fn begins(&self, _job: &mut Note) {
        self.meddle("begins");
    }

    fn ends(&self) {
        self.meddle("ends");
    }

    fn turn_begins(&self, _depth: usize) {
        self.meddle("turn_begins");
    }

    fn turn_ends(&self, _depth: usize) {
        self.meddle("turn_ends");
    }

    fn waits(&self, _timeout: Option<Duration>) {
        self.meddle("waits");
    }

    fn poll_begins(&self, _timeout: Duration) {
        self.meddle("poll_begins");
    }

    fn poll_ends(&self, _timeout: Duration) {
        self.meddle("poll_ends");
    }
}

fn observer_may_use_the_driver() {
    let calls = [
        "queued",
        "timer_set",
        "collection_ends",
        "begins",
        "ends",
        "turn_begins",
        "turn_ends",
        "waits",
        "poll_begins",
        "poll_ends",
    ];
    let stage = Stage::new();
    stage.driver.set_observer(Some(Rc::new(Meddler {
        driver: Rc::clone(&stage.driver),
        left: RefCell::new(calls.to_vec()),
    })));
    let seen: Rc<RefCell<Vec<&str>>> = Rc::default();
    for call in calls {
        let seen = Rc::clone(&seen);
        stage.on(call, move |stage| {
            seen.borrow_mut().push(call);
            if seen.borrow().len() == calls.len() {
                stage.driver.stop();
            }
        });
    }
    stage.push("first");
    stage.driver.push_at(Time::now(), note("timer"));
    stage.run();
    let mut seen = seen.take();
    seen.sort_unstable();
    let mut expected = calls;
    expected.sort_unstable();
    assert_eq!(seen, expected);
    stage.driver.set_observer(None); // it keeps the driver alive
}
