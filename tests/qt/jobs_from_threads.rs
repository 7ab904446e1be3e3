//! Tests that jobs from other threads arrive, wake the loop, and are not lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use qtloop::core::app;
use qtloop::core::{Driver, Wakeup};
use qtloop::core::{Queueable, Time};

use crate::trials;

trials![
    jobs_of_eight_threads_arrive_in_the_order_of_each_thread,
    job_of_another_thread_wakes_the_loop,
    loop_runs_in_a_thread_that_qt_did_not_start,
];

fn timer_fd() -> bool {
    std::env::var_os("QTLOOP_TIMER").is_none_or(|value| value != "qtimer")
}

/// The sending thread's number, and the number of jobs it had sent before.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Note(usize, usize);

impl Queueable for Note {
    fn repeat(&self) -> Note {
        *self
    }
}

/// A driver that records its jobs, and stops at the last one.
fn collecting(expected: usize) -> (Rc<Driver<Note>>, Rc<RefCell<Vec<Note>>>) {
    let driver = Driver::new(timer_fd()).expect("three descriptors");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (diary, stopping) = (Rc::clone(&seen), Rc::downgrade(&driver));
    let face = move |wakeup: Wakeup<'_, Note>| {
        for note in wakeup.turn().into_iter().flatten() {
            diary.borrow_mut().push(note);
            if diary.borrow().len() == expected
                && let Some(driver) = stopping.upgrade()
            {
                driver.stop();
            }
        }
    };
    driver.attach(face, || true).expect("a descriptor");
    driver.begin_run(|| app::exit(0));
    (driver, seen)
}

fn jobs_of_eight_threads_arrive_in_the_order_of_each_thread() {
    const EACH: usize = 2_000;
    let (driver, seen) = collecting(8 * EACH);
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let remote = driver.remote();
            std::thread::spawn(move || {
                for sent in 0..EACH {
                    remote.send(Note(thread, sent)).expect("the loop lives");
                }
            })
        })
        .collect();
    assert_eq!(app::exec(), 0);
    driver.detach();
    for thread in threads {
        thread.join().expect("no panic in a sender");
    }
    let mut next = [0; 8];
    for Note(thread, sent) in seen.take() {
        assert_eq!(sent, next[thread], "thread {thread} out of order");
        next[thread] += 1;
    }
    assert_eq!(next, [EACH; 8]);
}

fn job_of_another_thread_wakes_the_loop() {
    let (driver, seen) = collecting(1);
    let remote = driver.remote();
    let thread = std::thread::spawn(move || {
        std::thread::park_timeout(Duration::from_millis(5));
        remote.send(Note(0, 0)).expect("the loop lives");
    });
    assert_eq!(app::exec(), 0);
    driver.detach();
    thread.join().expect("no panic in the sender");
    assert_eq!(seen.take(), [Note(0, 0)]);
}

fn loop_runs_in_a_thread_that_qt_did_not_start() {
    let (ended, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let driver: Rc<Driver<&str>> = Driver::new(timer_fd()).expect("three descriptors");
        let stopping = Rc::downgrade(&driver);
        let face = move |wakeup: Wakeup<'_, &'static str>| {
            for _ in wakeup.turn().into_iter().flatten() {
                if let Some(driver) = stopping.upgrade() {
                    driver.stop();
                }
            }
        };
        driver.attach(face, || true).expect("a descriptor");
        driver.begin_run(|| app::thread_exit(0));
        driver.push_at(Time::now() + Duration::from_millis(1), "stop");
        let code = app::thread_exec();
        driver.detach();
        ended.send(code).expect("the test waits");
    });
    assert_eq!(end.recv_timeout(Duration::from_secs(30)), Ok(0));
    thread.join().expect("no panic in the thread");
}
