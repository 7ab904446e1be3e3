//! The recorder against a model that forgets nothing.

use proptest::prelude::*;

use super::*;

/// A call of the recorder. Numbers choose among the marks and the tasks that there are.
#[derive(Clone, Debug)]
enum Call {
    Queued { task: u32 },
    TimerSet { task: u32 },
    Collected { mark: usize },
    CollectedNew { task: u32 },
    Begins { mark: usize },
    BeginsUnmarked { task: u32 },
    Ends,
    TurnBegins,
    TurnEnds,
    PollBegins,
    PollEnds,
    TaskCreated { task: u32 },
    TaskFinished { task: u32 },
    QtEvent,
    QtBlocks,
}

fn call() -> impl Strategy<Value = Call> {
    let task = || 0_u32..4;
    let mark = || 0_usize..20;
    prop_oneof![
        4 => task().prop_map(|task| Call::Queued { task }),
        1 => task().prop_map(|task| Call::TimerSet { task }),
        2 => mark().prop_map(|mark| Call::Collected { mark }),
        1 => task().prop_map(|task| Call::CollectedNew { task }),
        5 => mark().prop_map(|mark| Call::Begins { mark }),
        1 => task().prop_map(|task| Call::BeginsUnmarked { task }),
        6 => Just(Call::Ends),
        1 => Just(Call::TurnBegins),
        1 => Just(Call::TurnEnds),
        1 => Just(Call::PollBegins),
        1 => Just(Call::PollEnds),
        1 => (1_u32..4).prop_map(|task| Call::TaskCreated { task }),
        1 => (1_u32..4).prop_map(|task| Call::TaskFinished { task }),
        1 => Just(Call::QtEvent),
        1 => Just(Call::QtBlocks),
    ]
}

/// A record of the model. A waker is an index of the model's list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Entry {
    kind: Kind,
    created: u64,
    ready: u64,
    started: u64,
    ended: u64,
    task: u32,
    waker: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Kind {
    #[default]
    Job,
    Turn,
    Poll,
    Created,
    Finished,
    Qt,
}

struct Open {
    kind: Kind,
    /// The index of a job; it has no meaning for others.
    index: usize,
    started: u64,
    task: u32,
    /// The time that is not its own.
    inside: u64,
}

#[derive(Default)]
struct Model {
    capacity: usize,
    first: u64,
    entries: Vec<Entry>,
    open: Vec<Open>,
    qt: Option<u64>,
    waiting: Option<u64>,
    /// The number of jobs that have ended, and the sum of their run times.
    jobs: u64,
    total: u64,
}

impl Model {
    fn push(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn is_kept(&self, index: usize) -> bool {
        index + self.capacity >= self.entries.len()
    }

    /// Returns the number of the record of an index.
    fn number(&self, index: usize) -> u32 {
        let number = (self.first + index as u64) % u64::from(u32::MAX) + 1;
        u32::try_from(number).expect("it is at most u32::MAX")
    }

    fn waker(&self) -> Option<usize> {
        let jobs = self.open.iter().filter(|open| open.kind == Kind::Job);
        jobs.map(|open| open.index).next_back()
    }

    fn can_begin(&self, index: usize) -> bool {
        let entry = self.entries[index];
        entry.kind == Kind::Job && self.is_kept(index) && entry.started == 0
    }

    fn begins(&mut self, now: u64, marked: Option<usize>, task: u32) {
        let index = marked.filter(|index| self.can_begin(*index));
        let index = index.unwrap_or_else(|| {
            self.push(Entry {
                task,
                ..Entry::default()
            })
        });
        self.entries[index].started = now;
        self.opens(now, Kind::Job, index, task);
    }

    fn opens(&mut self, now: u64, kind: Kind, index: usize, task: u32) {
        self.open.push(Open {
            kind,
            index,
            started: now,
            task,
            inside: 0,
        });
    }

    fn closes(&mut self, now: u64, kind: Kind) {
        let Some(at) = self.open.iter().rposition(|open| open.kind == kind) else {
            return;
        };
        self.wait_ends(now);
        while self.open.len() > at {
            self.closes_last(now);
        }
    }

    fn closes_last(&mut self, now: u64) {
        let open = self.open.pop().expect("it is open");
        let took = now - open.started;
        if let Some(outer) = self.open.last_mut() {
            outer.inside += took;
        }
        let is_job = open.kind == Kind::Job;
        if is_job {
            self.jobs += 1;
            self.total += took - open.inside;
        }
        if is_job && self.is_kept(open.index) {
            self.entries[open.index].ended = now;
        } else {
            self.push(Entry {
                kind: open.kind,
                started: open.started,
                ended: now,
                task: open.task,
                ..Entry::default()
            });
        }
    }

    fn qt_ends(&mut self, now: u64) {
        if let Some(started) = self.qt.take() {
            self.push(Entry {
                kind: Kind::Qt,
                started,
                ended: now,
                ..Entry::default()
            });
        }
    }

    fn wait_ends(&mut self, now: u64) {
        if let Some(since) = self.waiting.take()
            && let Some(open) = self.open.last_mut()
        {
            open.inside += now - since.max(open.started);
        }
    }

    fn instant(&mut self, now: u64, kind: Kind, task: u32) {
        self.push(Entry {
            kind,
            started: now,
            ended: now,
            task,
            ..Entry::default()
        });
    }
}

/// A recorder and its model, which get the same calls.
struct Both {
    world: World,
    model: Model,
    /// The marks of jobs, each with the index of its record.
    marks: Vec<(u32, usize, u32)>,
}

impl Both {
    fn new(capacity: usize, first: u64) -> Both {
        Both {
            world: World::after(capacity, first),
            model: Model {
                capacity,
                first,
                ..Model::default()
            },
            marks: Vec::new(),
        }
    }

    fn job(&self, task: u32) -> Subject {
        self.world.subject(task, "job")
    }

    fn marked(&self, choice: usize) -> Option<(u32, usize, u32)> {
        let back = choice % self.marks.len().max(1);
        self.marks.iter().rev().nth(back).copied()
    }

    fn queues(&mut self, entry: Entry, mark: u32) {
        let task = entry.task;
        let index = self.model.push(entry);
        assert_eq!(mark, self.model.number(index));
        self.marks.push((mark, index, task));
    }

    fn collected(&mut self, now: u64, choice: usize) {
        let Some((mark, index, task)) = self.marked(choice) else {
            return;
        };
        let new = self.world.recorder.collected(mark, self.job(task));
        if self.model.can_begin(index) {
            self.model.entries[index].ready = now;
            assert_eq!(new, mark);
        } else {
            let entry = Entry {
                ready: now,
                task,
                ..Entry::default()
            };
            self.queues(entry, new);
        }
    }

    fn call(&mut self, call: &Call) {
        self.world.pass(100);
        let now = self.world.now();
        self.told(call, now);
    }

    fn told(&mut self, call: &Call, now: u64) {
        let waker = self.model.waker();
        let queued = |ready, task| Entry {
            created: now,
            ready,
            task,
            waker,
            ..Entry::default()
        };
        // Time passes before each call, as if code of the program had run.
        self.world.recorder.state.borrow_mut().is_fresh = false;
        let recorder = &self.world.recorder;
        match *call {
            Call::Queued { task } => {
                let mark = recorder.queued(self.job(task));
                self.queues(queued(now, task), mark);
            }
            Call::TimerSet { task } => {
                let mark = recorder.timer_set(self.job(task));
                self.queues(queued(0, task), mark);
            }
            Call::Collected { mark } => self.collected(now, mark),
            Call::CollectedNew { task } => {
                let mark = recorder.collected(0, self.job(task));
                let entry = Entry {
                    ready: now,
                    task,
                    ..Entry::default()
                };
                self.queues(entry, mark);
            }
            Call::Begins { mark } => {
                if let Some((mark, index, task)) = self.marked(mark) {
                    recorder.begins(mark, self.job(task));
                    self.model.begins(now, Some(index), task);
                }
            }
            Call::BeginsUnmarked { task } => {
                recorder.begins(0, self.job(task));
                self.model.begins(now, None, task);
            }
            Call::Ends => {
                recorder.ends();
                self.model.qt_ends(now);
                self.model.closes(now, Kind::Job);
            }
            Call::TurnBegins => {
                recorder.turn_begins(1);
                self.model.wait_ends(now);
                self.model.qt_ends(now);
                self.model.opens(now, Kind::Turn, 0, 0);
            }
            Call::TurnEnds => {
                recorder.turn_ends();
                self.model.closes(now, Kind::Turn);
            }
            Call::PollBegins => {
                recorder.poll_begins(Duration::ZERO);
                self.model.opens(now, Kind::Poll, 0, 0);
            }
            Call::PollEnds => {
                recorder.poll_ends();
                self.model.closes(now, Kind::Poll);
            }
            Call::TaskCreated { task } => {
                recorder.task_created(task, "name", PlaceId::UNKNOWN, 0);
                self.model.instant(now, Kind::Created, task);
            }
            Call::TaskFinished { task } => {
                recorder.task_finished(task);
                self.model.instant(now, Kind::Finished, task);
            }
            Call::QtEvent => {
                recorder.qt_event("QWidget", 12);
                self.model.wait_ends(now);
                self.model.qt_ends(now);
                self.model.qt = Some(now);
            }
            Call::QtBlocks => {
                recorder.qt_blocks();
                self.model.qt_ends(now);
                self.model.waiting.get_or_insert(now);
            }
        }
    }

    /// Compares the ring with the last records of the model.
    fn compare(&self) {
        let state = self.world.recorder.state.borrow();
        let model = &self.model;
        let kept = model.entries.len().min(model.capacity);
        let begin = model.entries.len() - kept;
        assert_eq!(state.ring.len(), kept);
        assert_eq!(state.ring.dropped(), begin as u64);
        for (index, (number, record)) in (begin..).zip(state.ring.iter()) {
            assert_eq!(number, model.number(index));
            let expected = model.entries[index];
            assert_eq!(
                entry(record),
                Entry {
                    waker: None,
                    ..expected
                }
            );
            if let What::Job(job) = record.what {
                let waker = expected.waker.map_or(0, |waker| model.number(waker));
                assert_eq!(job.waker, waker);
            }
        }
    }
}

/// Returns a record as one of the model, without its waker.
fn entry(record: &Record) -> Entry {
    let (kind, created, ready) = match record.what {
        What::Job(job) => (Kind::Job, job.created.0, job.ready.0),
        What::Turn { .. } => (Kind::Turn, 0, 0),
        What::Poll { .. } => (Kind::Poll, 0, 0),
        What::TaskCreated { .. } => (Kind::Created, 0, 0),
        What::TaskFinished { .. } => (Kind::Finished, 0, 0),
        What::QtEvent { .. } => (Kind::Qt, 0, 0),
    };
    Entry {
        kind,
        created,
        ready,
        started: record.started.0,
        ended: record.ended.0,
        task: record.what.task(),
        waker: None,
    }
}

proptest! {
    #[test]
    fn ring_has_the_last_records_of_a_model_that_forgets_nothing(
        capacity in 1_usize..40,
        before_wrap in 0_u64..60,
        calls in prop::collection::vec(call(), 0..200),
    ) {
        // The numbers of the records begin again within the recording, or just after it.
        let first = u64::from(u32::MAX) - before_wrap;
        let mut both = Both::new(capacity, first);
        for call in &calls {
            both.call(call);
            both.compare();
        }
        both.world.trace();
        both.world.pass(100);
        let now = both.world.now();
        both.world.recorder.stop();
        both.model.wait_ends(now);
        both.model.qt_ends(now);
        while !both.model.open.is_empty() {
            both.model.closes_last(now);
        }
        both.compare();
        let trace = both.world.trace();
        let arrows = events(&trace).iter().filter(|event| event["ph"] == "s").count();
        prop_assert_eq!(arrows, expected_arrows(&both.model));
        let top = both.world.recorder.top(10, Order::Total);
        let jobs: u64 = top.iter().map(|times| times.count).sum();
        let total: Duration = top.iter().map(|times| times.total).sum();
        prop_assert_eq!((jobs, total), (both.model.jobs, Duration::from_nanos(both.model.total)));
    }
}

/// Returns the number of jobs in the ring that have begun and whose waker is in the ring, too.
fn expected_arrows(model: &Model) -> usize {
    let begin = model.entries.len().saturating_sub(model.capacity);
    let jobs = model.entries[begin..].iter();
    let has_arrow = |entry: &&Entry| {
        let is_kept = entry.waker.is_some_and(|waker| model.is_kept(waker));
        entry.kind == Kind::Job && entry.started != 0 && is_kept
    };
    jobs.filter(has_arrow).count()
}
