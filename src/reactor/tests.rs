//! Tests of the reactor, with strings for jobs: no Qt, no Python, no sleeping.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

type Words = Reactor<&'static str>;

fn reactor() -> Words {
    Reactor::new(true).expect("three descriptors")
}

fn at(nanoseconds: i64) -> Time {
    Time::from_nanos(nanoseconds)
}

fn drain(reactor: &mut Words, now: Time) -> Vec<&'static str> {
    reactor.collect(now).expect("a poller");
    std::iter::from_fn(|| reactor.pop()).collect()
}

fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a socket pair");
    near.set_nonblocking(true).expect("non-blocking");
    (near, far)
}

fn rearm(reactor: &mut Words, fd: RawFd, direction: Direction, word: &str) {
    reactor.rearm(fd, direction, |job| *job == word);
}

#[test]
fn ready_jobs_come_before_io_and_io_before_timers() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    reactor
        .watch(near.as_raw_fd(), Direction::Read, "io")
        .expect("watch");
    far.write_all(b"x").expect("write");
    reactor.push_at(at(1), "timer");
    reactor.push("ready");
    assert_eq!(drain(&mut reactor, at(2)), ["ready", "io", "timer"]);
}

#[test]
fn job_pushed_to_the_front_is_next() {
    let mut reactor = reactor();
    reactor.push("second");
    reactor.push_front("first");
    assert_eq!(drain(&mut reactor, at(0)), ["first", "second"]);
}

#[test]
fn cancel_returns_a_waiting_timer_and_not_a_ready_one() {
    let mut reactor = reactor();
    let (early, late) = (
        reactor.push_at(at(1), "early"),
        reactor.push_at(at(9), "late"),
    );
    reactor.collect(at(1)).expect("a poller");
    assert_eq!(reactor.cancel(early), None);
    assert_eq!(reactor.cancel(late), Some("late"));
    assert_eq!(reactor.next_deadline(), None);
}

#[test]
fn jobs_of_other_threads_arrive_in_order_and_make_the_descriptor_readable() {
    let mut reactor = reactor();
    let remote = reactor.remote();
    std::thread::spawn(move || {
        for word in ["one", "two", "three"] {
            remote.send(word).expect("the loop lives");
        }
    })
    .join()
    .expect("no panic");
    assert!(is_readable(&reactor));
    assert_eq!(drain(&mut reactor, at(0)), ["one", "two", "three"]);
    assert!(!is_readable(&reactor));
}

#[test]
fn the_alarm_makes_the_descriptor_readable_when_the_deadline_has_passed() {
    let mut reactor = reactor();
    reactor.push_at(Time::now(), "due");
    assert!(reactor.arm_timer_fd(Time::now()));
    assert!(is_readable(&reactor));
    assert_eq!(drain(&mut reactor, Time::now()), ["due"]);
}

#[test]
fn timerfd_for_a_close_deadline_serves_several_timers_together() {
    let mut reactor = reactor();
    for microseconds in [10, 20, 30] {
        let when = Time::now() + Duration::from_micros(microseconds);
        reactor.push_at(when, "soon");
    }
    assert!(reactor.arm_timer_fd(Time::now()));
    while !is_readable(&reactor) {}
    assert_eq!(drain(&mut reactor, Time::now()), ["soon"; 3]);
}

#[test]
fn reactor_without_alarm_is_not_readable_at_a_deadline() {
    let mut reactor: Words = Reactor::new(false).expect("two descriptors");
    reactor.push_at(Time::now(), "due");
    assert!(!reactor.arm_timer_fd(Time::now()));
    assert!(!is_readable(&reactor));
}

#[test]
fn a_watch_is_level_triggered_once_its_job_has_run() {
    let mut reactor = reactor();
    let (mut near, mut far) = pair();
    let fd = near.as_raw_fd();
    reactor.watch(fd, Direction::Read, "read").expect("watch");
    far.write_all(b"xy").expect("write");
    assert_eq!(drain(&mut reactor, at(0)), ["read"]);
    assert!(
        drain(&mut reactor, at(0)).is_empty(),
        "called again before it has run"
    );
    rearm(&mut reactor, fd, Direction::Read, "read");
    assert_eq!(
        drain(&mut reactor, at(0)),
        ["read"],
        "one byte is still there"
    );
    let _ = near.read(&mut [0; 2]).expect("two bytes");
    rearm(&mut reactor, fd, Direction::Read, "read");
    assert!(drain(&mut reactor, at(0)).is_empty());
}

#[test]
fn edge_watch_is_due_again_only_after_a_new_event() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let fd = near.as_raw_fd();
    reactor
        .watch_edges(fd, Direction::Read, "read")
        .expect("watch");
    far.write_all(b"x").expect("write");
    assert_eq!(drain(&mut reactor, at(0)), ["read"]);
    rearm(&mut reactor, fd, Direction::Read, "read");
    assert!(
        drain(&mut reactor, at(0)).is_empty(),
        "the byte that was left is no news"
    );
    far.write_all(b"y").expect("write");
    assert_eq!(drain(&mut reactor, at(0)), ["read"]);
}

#[test]
fn event_during_the_job_makes_an_edge_watch_due_once_more() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let fd = near.as_raw_fd();
    reactor
        .watch_edges(fd, Direction::Read, "read")
        .expect("watch");
    far.write_all(b"x").expect("write");
    assert_eq!(drain(&mut reactor, at(0)), ["read"]);
    far.write_all(b"y").expect("write");
    assert!(
        drain(&mut reactor, at(0)).is_empty(),
        "called before its return"
    );
    rearm(&mut reactor, fd, Direction::Read, "read");
    assert_eq!(drain(&mut reactor, at(0)), ["read"]);
    rearm(&mut reactor, fd, Direction::Read, "read");
    assert!(drain(&mut reactor, at(0)).is_empty());
}

#[test]
fn watch_once_is_due_once_and_can_be_set_again() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let fd = near.as_raw_fd();
    far.write_all(b"x").expect("write");
    reactor
        .watch_once(fd, Direction::Read, "first")
        .expect("watch");
    assert_eq!(drain(&mut reactor, at(0)), ["first"]);
    assert!(!reactor.is_watched(fd, Direction::Read));
    far.write_all(b"y").expect("write");
    assert!(drain(&mut reactor, at(0)).is_empty());
    reactor
        .watch_once(fd, Direction::Read, "next")
        .expect("watch");
    assert_eq!(drain(&mut reactor, at(0)), ["next"]);
}

#[test]
fn descriptor_without_waiters_wakes_the_loop_once() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let fd = near.as_raw_fd();
    reactor
        .watch_once(fd, Direction::Read, "job")
        .expect("watch");
    let mut woken = Vec::new();
    for _ in 0..3 {
        far.write_all(b"x").expect("write");
        woken.push(is_readable(&reactor));
        drain(&mut reactor, at(0));
    }
    assert_eq!(
        woken,
        [true, true, false],
        "for the job, for nobody, and not again"
    );
    reactor
        .watch_once(fd, Direction::Read, "again")
        .expect("watch");
    assert_eq!(drain(&mut reactor, at(0)), ["again"]);
}

#[test]
fn unwatch_with_a_foreign_job_keeps_the_watch() {
    let mut reactor = reactor();
    let (near, _far) = pair();
    let fd = near.as_raw_fd();
    reactor.watch(fd, Direction::Read, "mine").expect("watch");
    assert_eq!(
        reactor.unwatch(fd, Direction::Read, |&job| job == "yours"),
        None
    );
    assert_eq!(
        reactor.unwatch(fd, Direction::Read, |&job| job == "mine"),
        Some("mine")
    );
}

#[test]
fn hang_up_is_remembered() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let fd = near.as_raw_fd();
    reactor
        .watch_edges(fd, Direction::Read, "read")
        .expect("watch");
    far.write_all(b"x").expect("write");
    assert_eq!(drain(&mut reactor, at(0)), ["read"]);
    assert!(!reactor.is_hung_up(fd));
    drop(far);
    drain(&mut reactor, at(0));
    assert!(reactor.is_hung_up(fd));
}

#[test]
fn both_directions_of_a_descriptor_are_independent() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let fd = near.as_raw_fd();
    reactor.watch(fd, Direction::Read, "read").expect("watch");
    reactor.watch(fd, Direction::Write, "write").expect("watch");
    assert_eq!(drain(&mut reactor, at(0)), ["write"]);
    far.write_all(b"x").expect("write");
    assert_eq!(
        drain(&mut reactor, at(0)),
        ["read"],
        "the writer has not run"
    );
    assert_eq!(reactor.unwatch(fd, Direction::Read, |_| true), Some("read"));
    rearm(&mut reactor, fd, Direction::Write, "write");
    assert_eq!(drain(&mut reactor, at(0)), ["write"]);
}

#[test]
fn hang_up_makes_reader_and_writer_ready() {
    let mut reactor = reactor();
    let (near, far) = pair();
    let fd = near.as_raw_fd();
    drop(far);
    reactor.watch(fd, Direction::Read, "read").expect("watch");
    reactor.watch(fd, Direction::Write, "write").expect("watch");
    assert_eq!(drain(&mut reactor, at(0)), ["read", "write"]);
}

#[test]
fn replaced_job_is_returned_and_its_rearm_does_not_arm_the_new_one() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let fd = near.as_raw_fd();
    reactor.watch(fd, Direction::Read, "old").expect("watch");
    far.write_all(b"x").expect("write");
    assert_eq!(drain(&mut reactor, at(0)), ["old"]);
    assert_eq!(
        reactor.watch(fd, Direction::Read, "new").expect("watch"),
        [Some("old"), None]
    );
    assert_eq!(drain(&mut reactor, at(0)), ["new"]);
    rearm(&mut reactor, fd, Direction::Read, "old");
    assert!(
        drain(&mut reactor, at(0)).is_empty(),
        "the new job is still running"
    );
}

/// Duplicates the file to the lowest free number from `number` on. Tests that run at the same time
/// use lower numbers.
fn renumbered(stream: &UnixStream, number: RawFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(stream, number).expect("a free descriptor")
}

#[test]
fn event_of_a_closed_descriptor_does_not_reach_the_next_file_of_its_number() {
    let mut reactor = reactor();
    // `near` keeps the kernel's registration of the file alive past the close of its other
    // descriptor.
    let (near, mut far) = pair();
    let closing = renumbered(&near, 700);
    let fd = closing.as_raw_fd();
    reactor
        .watch(fd, Direction::Read, "old owner")
        .expect("watch");
    drop(closing);
    assert_eq!(
        reactor.unwatch(fd, Direction::Read, |_| true),
        Some("old owner")
    );
    let (next, _quiet) = pair();
    let next = renumbered(&next, 700);
    assert_eq!(next.as_raw_fd(), fd, "the number is given out again");
    reactor
        .watch(fd, Direction::Read, "next owner")
        .expect("watch");
    far.write_all(b"x").expect("write");
    assert!(drain(&mut reactor, at(0)).is_empty());
}

#[test]
fn number_closed_without_unwatch_can_be_watched_again() {
    let mut reactor = reactor();
    let closing = renumbered(&pair().0, 800);
    let fd = closing.as_raw_fd();
    reactor
        .watch(fd, Direction::Read, "forgotten")
        .expect("watch");
    drop(closing);
    let (next, mut peer) = pair();
    let next = renumbered(&next, 800);
    assert_eq!(next.as_raw_fd(), fd, "the number is given out again");
    assert_eq!(
        reactor.watch(fd, Direction::Read, "new").expect("watch"),
        [Some("forgotten"), None]
    );
    peer.write_all(b"x").expect("write");
    assert_eq!(drain(&mut reactor, at(0)), ["new"]);
}

#[test]
fn watching_an_unsupported_descriptor_fails_and_changes_nothing() {
    let mut reactor = reactor();
    let file = std::fs::File::open("Cargo.toml").expect("a regular file");
    let refused = reactor
        .watch(file.as_raw_fd(), Direction::Read, "file")
        .expect_err("no readiness");
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    let closed = file.as_raw_fd() + 1000;
    assert!(reactor.watch(closed, Direction::Read, "closed").is_err());
    assert!(reactor.watch(-1, Direction::Read, "negative").is_err());
    assert_eq!(reactor.jobs().count(), 0);
}

#[test]
fn jobs_returns_ready_timed_and_watching_jobs() {
    let mut reactor = reactor();
    let (near, _far) = pair();
    reactor.push("ready");
    reactor.push_at(at(5), "timed");
    reactor
        .watch(near.as_raw_fd(), Direction::Read, "watching")
        .expect("watch");
    let mut jobs: Vec<_> = reactor.jobs().copied().collect();
    jobs.sort_unstable();
    assert_eq!(jobs, ["ready", "timed", "watching"]);
}

#[test]
fn remote_of_a_dropped_reactor_hands_jobs_back() {
    let reactor = reactor();
    let remote = reactor.remote();
    remote.send("unseen").expect("the loop lives");
    drop(reactor);
    assert_eq!(remote.send("late"), Err("late"));
}

#[test]
fn after_fork_keeps_queued_timed_and_watching_jobs() {
    let mut reactor = reactor();
    let (near, mut far) = pair();
    let inherited = reactor.descriptor().as_raw_fd();
    reactor
        .watch(near.as_raw_fd(), Direction::Read, "watching")
        .expect("watch");
    reactor.push("ready");
    reactor.push_at(at(1), "timed");
    let stale = reactor.remote();
    stale.send("sent").expect("the loop lives");
    reactor.after_fork().expect("descriptors");
    assert_ne!(reactor.descriptor().as_raw_fd(), inherited);
    assert_eq!(stale.send("late"), Err("late"));
    far.write_all(b"x").expect("write");
    reactor.remote().send("new").expect("the loop lives");
    assert_eq!(
        drain(&mut reactor, at(1)),
        ["ready", "sent", "watching", "new", "timed"]
    );
    assert!(reactor.arm_timer_fd(Time::now()));
}

#[test]
fn after_fork_keeps_the_timer_slack() {
    let mut reactor = reactor();
    reactor.set_timer_slack(Duration::from_micros(7));
    reactor.after_fork().expect("descriptors");
    let slack = reactor
        .timer_fd
        .as_ref()
        .map(|timer_fd| timer_fd.coalesce_slack);
    assert_eq!(slack, Some(Duration::from_micros(7)));
}

#[test]
fn timers_and_jobs_of_other_threads_become_ready_although_the_poller_has_failed() {
    let mut reactor = reactor();
    reactor.push_at(at(1), "timer");
    reactor.remote().send("sent").expect("the loop lives");
    replace(reactor.descriptor().as_raw_fd());
    reactor.collect(at(1)).expect_err("no poller");
    assert_eq!(reactor.pop(), Some("sent"));
    assert_eq!(reactor.pop(), Some("timer"));
}

/// Replaces the file of a descriptor that another value owns, as a program does by mistake.
#[allow(unsafe_code)]
fn replace(fd: RawFd) {
    let other = std::fs::File::open("/dev/null").expect("it exists");
    // SAFETY: the number is open, and not closed here.
    let mut owned = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
    rustix::io::dup2(other, &mut owned).expect("both are open");
}

fn is_readable(reactor: &Words) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let descriptor = reactor.descriptor();
    let mut polled = [PollFd::new(&descriptor, PollFlags::IN)];
    // A second is far above any delay of a deadline that has passed already.
    let patience = Timespec {
        tv_sec: i64::from(reactor.has_timer_fd()),
        tv_nsec: 0,
    };
    poll(&mut polled, Some(&patience)).expect("poll") == 1
}

#[test]
fn many_due_timers_become_ready_in_parts() {
    let mut reactor: Reactor<&str> = Reactor::new(false).expect("two descriptors");
    let now = Time::now();
    for _ in 0..3000 {
        reactor.push_at(now, "one of many");
    }
    let mut parts = Vec::new();
    while reactor.next_deadline().is_some() {
        let before = reactor.ready();
        reactor.collect_timers(now);
        parts.push(reactor.ready() - before);
    }
    assert_eq!(parts, [1024, 1024, 952]);
}

proptest! {
    /// Pushes at both ends, pops, and due timers, against a plain list.
    #[test]
    fn the_queue_agrees_with_a_list(steps in prop::collection::vec((0..4_u8, 0..8_usize), 0..200)) {
        const WORDS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut reactor = reactor();
        let mut model = std::collections::VecDeque::new();
        for (step, word) in steps {
            match step {
                0 => { reactor.push(WORDS[word]); model.push_back(WORDS[word]); }
                1 => { reactor.push_front(WORDS[word]); model.push_front(WORDS[word]); }
                2 => {
                    reactor.push_at(at(0), WORDS[word]);
                    reactor.collect(at(0)).expect("a poller");
                    model.push_back(WORDS[word]);
                }
                _ => prop_assert_eq!(reactor.pop(), model.pop_front()),
            }
            prop_assert_eq!(reactor.ready(), model.len());
        }
    }
}
