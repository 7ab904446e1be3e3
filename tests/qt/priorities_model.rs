//! A reactor with random priorities, against a model: a list of jobs and a count of retentions.

use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use qtloop::core::{Direction, Priority, Queueable, Reactor, Time, TimerKey};

use crate::trials;

trials![reactor_behaves_as_the_model];

#[derive(Clone, Copy, Debug, PartialEq)]
struct Job {
    number: usize,
    priority: Priority,
}

impl Queueable for Job {
    fn repeat(&self) -> Job {
        *self
    }

    fn priority(&self) -> Priority {
        self.priority
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Push(Priority),
    PushFront(Priority),
    Pop,
    PopFrom(Priority),
    Retain(Priority),
    Release,
    /// Moves every second job of the first priority to the second one.
    Requeue(Priority, Priority),
    PushAt(Priority, i64),
    Cancel(usize),
    /// Collects timers that are due at this time.
    Collect(i64),
    /// Watches one of two sockets; with `true`, once.
    Watch(usize, Priority, bool),
    Unwatch(usize),
    Rearm(usize),
}

fn priority() -> impl Strategy<Value = Priority> {
    prop::sample::select(vec![-100, -1, 0, 1, 100])
        .prop_map(|number| Priority::new(number).expect("in range"))
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        4 => priority().prop_map(Push),
        1 => priority().prop_map(PushFront),
        4 => Just(Pop),
        1 => priority().prop_map(PopFrom),
        1 => priority().prop_map(Retain),
        1 => Just(Release),
        1 => (priority(), priority()).prop_map(|(from, to)| Requeue(from, to)),
        2 => (priority(), 0..50_i64).prop_map(|(priority, when)| PushAt(priority, when)),
        1 => (0..9_usize).prop_map(Cancel),
        1 => (0..50_i64).prop_map(Collect),
        2 => (0..2_usize, priority(), any::<bool>())
            .prop_map(|(socket, priority, once)| Watch(socket, priority, once)),
        1 => (0..2_usize).prop_map(Unwatch),
        1 => (0..2_usize).prop_map(Rearm),
    ]
}

struct Watch {
    job: Job,
    is_once: bool,
    is_armed: bool,
}

/// The jobs in the order in which they became ready; timers and watches.
#[derive(Default)]
struct Model {
    ready: Vec<Job>,
    timers: Vec<(i64, Job, TimerKey)>,
    watches: [Option<Watch>; 2],
    retained: Vec<Priority>,
    now: i64,
    next: usize,
}

impl Model {
    fn job(&mut self, priority: Priority) -> Job {
        self.next += 1;
        let number = self.next;
        Job { number, priority }
    }

    /// Returns the place of the first job of the first priority.
    fn first(&self) -> Option<usize> {
        let ready = self.ready.iter().enumerate();
        ready
            .min_by_key(|(index, job)| (job.priority, *index))
            .map(|(index, _)| index)
    }

    fn in_use(&self) -> impl Iterator<Item = Priority> {
        let watched = self
            .watches
            .iter()
            .flatten()
            .map(|watch| watch.job.priority);
        let timed = self.timers.iter().map(|(_, job, _)| job.priority);
        let ready = self.ready.iter().map(|job| job.priority);
        ready
            .chain(timed)
            .chain(watched)
            .chain(self.retained.iter().copied())
    }

    fn apply(&mut self, reactor: &mut Reactor<Job>, sockets: [RawFd; 2], operation: Operation) {
        let at = |time| Time::from_nanos(time);
        match operation {
            Operation::Push(priority) => {
                let job = self.job(priority);
                self.ready.push(job);
                reactor.push(job);
            }
            Operation::PushFront(priority) => {
                let job = self.job(priority);
                self.ready.insert(0, job);
                reactor.push_front(job);
            }
            Operation::Pop => {
                let expected = self.first().map(|index| self.ready.remove(index));
                assert_eq!(reactor.pop(), expected);
            }
            Operation::PopFrom(priority) => {
                let index = self.ready.iter().position(|job| job.priority == priority);
                let expected = index.map(|index| self.ready.remove(index));
                assert_eq!(reactor.pop_from(priority), expected);
            }
            Operation::Retain(priority) => {
                self.retained.push(priority);
                reactor.retain(priority);
            }
            Operation::Release => {
                if let Some(priority) = self.retained.pop() {
                    reactor.release(priority);
                }
            }
            Operation::Requeue(from, to) => {
                let moves = |job: &mut Job| {
                    let moves = job.priority == from && job.number.is_multiple_of(2);
                    if moves {
                        job.priority = to;
                    }
                    moves
                };
                reactor.requeue(from, moves);
                let (moved, stay) = self
                    .ready
                    .iter()
                    .partition::<Vec<Job>, _>(|job| moves(&mut { **job }));
                self.ready = stay;
                self.ready.extend(moved.into_iter().map(|job| Job {
                    priority: to,
                    ..job
                }));
            }
            Operation::PushAt(priority, after) => {
                let (job, when) = (self.job(priority), self.now + after);
                let key = reactor.push_at(at(when), job);
                self.timers.push((when, job, key));
            }
            Operation::Cancel(index) => {
                if index < self.timers.len() {
                    let (_, job, key) = self.timers.remove(index);
                    assert_eq!(reactor.cancel(key), Some(job));
                    assert_eq!(reactor.cancel(key), None);
                }
            }
            Operation::Collect(after) => {
                self.now += after;
                // Both sockets are readable, in no order.
                let mut fired = Vec::new();
                for place in &mut self.watches {
                    if let Some(watch) = place.as_mut().filter(|watch| watch.is_armed) {
                        watch.is_armed = false;
                        fired.push(watch.job);
                    }
                    place.take_if(|watch| watch.is_once && !watch.is_armed);
                }
                reactor.collect(at(self.now)).expect("a poller");
                self.timers
                    .sort_by_key(|(when, job, _)| (job.priority, *when, job.number));
                let due: Vec<Job> = {
                    let now = self.now;
                    self.timers
                        .extract_if(.., |(when, ..)| *when <= now)
                        .map(|(_, job, _)| job)
                        .collect()
                };
                self.collected(reactor, fired);
                self.ready.extend(due);
            }
            Operation::Watch(socket, priority, is_once) => {
                let (job, fd) = (self.job(priority), sockets[socket]);
                let replaced = if is_once {
                    reactor.watch_once(fd, Direction::Read, job)
                } else {
                    reactor.watch(fd, Direction::Read, job)
                };
                let fresh = Watch {
                    job,
                    is_once,
                    is_armed: true,
                };
                let before = self.watches[socket].replace(fresh).map(|watch| watch.job);
                assert_eq!(replaced.expect("a watch"), [before, None]);
            }
            Operation::Unwatch(socket) => {
                let expected = self.watches[socket].take().map(|watch| watch.job);
                assert_eq!(
                    reactor.unwatch(sockets[socket], Direction::Read, |_| true),
                    expected
                );
            }
            Operation::Rearm(socket) => {
                if let Some(watch) = &mut self.watches[socket] {
                    watch.is_armed = true;
                }
                reactor.rearm(sockets[socket], Direction::Read, |_| true);
            }
        }
    }

    /// Adds the jobs of descriptors in the order in which the poller has reported them.
    fn collected(&mut self, reactor: &Reactor<Job>, mut fired: Vec<Job>) {
        let mut order = Vec::new();
        reactor.visit_queued(|job| order.push(job.number));
        // The same job may be ready since an earlier event.
        fired.sort_by_key(|job| order.iter().rposition(|number| *number == job.number));
        self.ready.extend(fired);
    }

    fn check(&self, reactor: &Reactor<Job>) {
        assert_eq!(reactor.ready(), self.ready.len());
        assert_eq!(reactor.timed(), self.timers.len());
        let mut ready = self.ready.clone();
        ready.sort_by_key(|job| job.priority); // stable
        let mut queued = Vec::new();
        reactor.visit_queued(|job| queued.push(*job));
        assert_eq!(queued, ready);
        let highest = self
            .in_use()
            .min()
            .unwrap_or_default()
            .min(Priority::NORMAL);
        assert_eq!(reactor.highest(), highest);
        let is_plain = self.in_use().all(|priority| priority == Priority::NORMAL);
        assert_eq!(reactor.is_plain(), is_plain);
        assert_eq!(
            reactor.first_ready(None),
            ready.first().map(|job| job.priority)
        );
    }
}

fn reactor_behaves_as_the_model() {
    proptest!(ProptestConfig::with_cases(300), |(operations in prop::collection::vec(operation(), 1..60))| {
        let mut reactor = Reactor::new(false).expect("two descriptors");
        let pairs = [UnixStream::pair(), UnixStream::pair()].map(|pair| pair.expect("a socket pair"));
        for (one, _) in &pairs {
            std::io::Write::write_all(&mut &*one, b"x").expect("room");
        }
        let sockets = pairs.each_ref().map(|(_, other)| other.as_raw_fd());
        let mut model = Model::default();
        for operation in operations {
            model.apply(&mut reactor, sockets, operation);
            model.check(&reactor);
        }
    });
}
