//! Tests of the lanes against simple models.

use proptest::prelude::*;

use super::*;

/// A job with a priority, which is not used if the job is urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Job {
    number: usize,
    priority: Priority,
    is_urgent: bool,
}

impl Queueable for Job {
    fn repeat(&self) -> Job {
        *self
    }

    fn priority(&self) -> Priority {
        self.priority
    }

    fn is_urgent(&self) -> bool {
        self.is_urgent
    }
}

const HIGH: Priority = Priority::HIGH;
const NORMAL: Priority = Priority::NORMAL;
const LOW: Priority = Priority::LOW;

fn job(number: usize, priority: Priority) -> Job {
    Job {
        number,
        priority,
        is_urgent: false,
    }
}

fn urgent(number: usize) -> Job {
    Job {
        is_urgent: true,
        ..job(number, NORMAL)
    }
}

fn at(nanoseconds: i64) -> Time {
    Time::from_nanos(nanoseconds)
}

fn drain(lanes: &mut Lanes<Job>) -> Vec<usize> {
    std::iter::from_fn(|| lanes.pop())
        .map(|job| job.number)
        .collect()
}

#[test]
fn jobs_are_ordered_by_priority_and_then_by_time() {
    let mut lanes = Lanes::new();
    for (number, priority) in [LOW, NORMAL, HIGH, LOW, NORMAL, HIGH]
        .into_iter()
        .enumerate()
    {
        lanes.push(job(number, priority));
    }
    assert_eq!(drain(&mut lanes), [2, 5, 1, 4, 0, 3]);
    assert!(lanes.is_plain());
}

#[test]
fn job_pushed_to_the_front_is_the_first_of_its_own_priority() {
    let mut lanes = Lanes::new();
    lanes.push(job(0, HIGH));
    lanes.push(job(1, NORMAL));
    lanes.push_front(job(2, NORMAL));
    assert_eq!(drain(&mut lanes), [0, 2, 1]);
}

#[test]
fn urgent_job_runs_with_the_highest_priority_in_use() {
    let mut lanes = Lanes::new();
    lanes.push(job(0, NORMAL));
    lanes.push(urgent(1));
    assert_eq!(drain(&mut lanes), [0, 1], "normal is the highest");
    lanes.push(job(2, LOW));
    lanes.push(job(3, NORMAL));
    lanes.push(urgent(4));
    assert_eq!(drain(&mut lanes), [3, 4, 2], "normal is the highest");
    lanes.retain(HIGH);
    lanes.push(job(5, NORMAL));
    lanes.push(urgent(6));
    lanes.push(job(7, HIGH));
    assert_eq!(drain(&mut lanes), [6, 7, 5]);
}

#[test]
fn lane_is_in_use_while_it_has_jobs_timers_or_is_retained() {
    let mut lanes = Lanes::new();
    assert!(lanes.is_plain());
    lanes.retain(NORMAL);
    lanes.release(NORMAL);
    assert!(lanes.is_plain());
    lanes.push(job(0, HIGH));
    lanes.pop();
    assert!(lanes.is_plain());
    let key = lanes.push_at(at(1), job(0, LOW));
    assert!(!lanes.is_plain());
    lanes.cancel(key);
    assert!(lanes.is_plain());
    lanes.push_at(at(1), job(0, LOW));
    assert_eq!(lanes.collect_timers(at(1), 9), 1);
    assert!(!lanes.is_plain(), "it is ready");
    lanes.pop();
    assert!(lanes.is_plain());
    lanes.retain(HIGH);
    lanes.retain(HIGH);
    lanes.release(HIGH);
    assert_eq!(lanes.highest(), HIGH);
    lanes.release(HIGH);
    assert_eq!(lanes.highest(), NORMAL);
}

#[test]
fn key_of_a_removed_lane_cancels_no_timer_of_the_next_one() {
    let mut lanes = Lanes::new();
    let key = lanes.push_at(at(1), job(0, HIGH));
    lanes.collect_timers(at(1), 9);
    lanes.pop();
    assert!(lanes.is_plain(), "the lane was removed");
    lanes.push_at(at(2), job(1, HIGH));
    assert_eq!(lanes.cancel(key), None);
    assert_eq!(lanes.timed(), 1);
}

#[test]
fn due_timers_of_all_lanes_are_collected_up_to_the_limit() {
    let mut lanes = Lanes::new();
    for (number, priority) in [LOW, NORMAL, HIGH].into_iter().enumerate() {
        lanes.push_at(at(5), job(number, priority));
    }
    lanes.push_at(at(6), job(3, HIGH));
    assert_eq!(lanes.next_due(), Some(at(5)));
    assert_eq!(lanes.collect_timers(at(4), 9), 0);
    assert_eq!(lanes.collect_timers(at(5), 2), 2);
    assert_eq!(drain(&mut lanes), [2, 1], "the higher ones come first");
    assert_eq!(lanes.collect_timers(at(5), 2), 1);
    assert_eq!(drain(&mut lanes), [0]);
    assert_eq!(lanes.next_exact(), Some(at(6)));
}

#[test]
fn only_timers_of_higher_priorities_than_normal_are_exact() {
    let mut lanes = Lanes::new();
    lanes.push_at(at(1), job(0, LOW));
    lanes.push_at(at(2), job(1, NORMAL));
    assert_eq!(lanes.next_exact(), None);
    let almost_normal = Priority::new(-1).expect("a priority");
    lanes.push_at(at(4), job(2, almost_normal));
    lanes.push_at(at(3), job(3, HIGH));
    assert_eq!(lanes.next_exact(), Some(at(3)));
}

#[test]
fn timers_of_all_lanes_are_listed_by_deadline() {
    let mut lanes = Lanes::new();
    for (when, priority) in [(3, HIGH), (1, LOW), (2, NORMAL)] {
        let number = usize::try_from(when).expect("a small number");
        lanes.push_at(at(when), job(number, priority));
    }
    let numbers: Vec<_> = lanes
        .timed_jobs_by_deadline()
        .map(|job| job.number)
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn requeued_jobs_keep_their_order_behind_those_of_the_new_priority() {
    let mut lanes = Lanes::new();
    lanes.push(job(0, HIGH));
    for number in 1..6 {
        lanes.push(job(number, NORMAL));
    }
    lanes.requeue(NORMAL, |job| {
        let moves = job.number % 2 == 0;
        if moves {
            job.priority = HIGH;
        }
        moves
    });
    assert_eq!(drain(&mut lanes), [0, 2, 4, 1, 3, 5]);
    lanes.requeue(LOW, |_| unreachable!("the lane is not in use"));
}

#[derive(Clone, Debug)]
enum Step {
    Push(Priority),
    Urgent,
    PushFront(Priority),
    Pop,
    PushAt(Priority, i64),
    Cancel(usize),
    Advance(i64),
    Retain(Priority),
    Release(usize),
    Requeue(Priority, Priority),
}

fn priorities() -> impl Strategy<Value = Priority> {
    prop::sample::select(vec![-100, -7, 0, 0, 0, 1, 100])
        .prop_map(|number| Priority::new(number).expect("a priority"))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => priorities().prop_map(Step::Push),
        1 => Just(Step::Urgent),
        1 => priorities().prop_map(Step::PushFront),
        5 => Just(Step::Pop),
        2 => (priorities(), 0..50_i64).prop_map(|(priority, delay)| Step::PushAt(priority, delay)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (0..20_i64).prop_map(Step::Advance),
        1 => priorities().prop_map(Step::Retain),
        1 => any::<usize>().prop_map(Step::Release),
        1 => (priorities(), priorities()).prop_map(|(from, to)| Step::Requeue(from, to)),
    ];
    prop::collection::vec(step, 0..300)
}

/// Lists that are searched for their least element: slow, and obviously right.
#[derive(Default)]
struct Model {
    /// Each job with the priority at which it is served.
    ready: Vec<(Priority, Job)>,
    timers: Vec<(i64, Priority, usize)>,
    retained: Vec<Priority>,
}

impl Model {
    fn in_use(&self) -> Vec<Priority> {
        let ready = self.ready.iter().map(|&(priority, _)| priority);
        let timers = self.timers.iter().map(|&(_, priority, _)| priority);
        let retained = self.retained.iter().copied();
        let mut all: Vec<_> = ready.chain(timers).chain(retained).collect();
        all.retain(|&priority| priority != NORMAL);
        all
    }

    fn highest(&self) -> Priority {
        self.in_use().into_iter().fold(NORMAL, Priority::min)
    }

    fn pop(&mut self) -> Option<Job> {
        let first = self.ready.iter().map(|&(priority, _)| priority).min()?;
        let place = self
            .ready
            .iter()
            .position(|&(priority, _)| priority == first)?;
        Some(self.ready.remove(place).1)
    }

    fn requeue(&mut self, from: Priority, to: Priority) {
        let (mut moved, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.ready)
            .into_iter()
            .partition(|(priority, job)| {
                *priority == from && job.number % 2 == 0 && !job.is_urgent
            });
        for (priority, job) in &mut moved {
            (*priority, job.priority) = (to, to);
        }
        self.ready = stay;
        self.ready.extend(moved);
    }
}

proptest! {
    #[test]
    fn lanes_agree_with_lists(steps in steps()) {
        let mut lanes = Lanes::new();
        let mut model = Model::default();
        let mut keys = Vec::new();
        let (mut now, mut number) = (0, 0);
        for step in steps {
            number += 1;
            match step {
                Step::Push(priority) => {
                    lanes.push(job(number, priority));
                    model.ready.push((priority, job(number, priority)));
                }
                Step::Urgent => {
                    model.ready.push((model.highest(), urgent(number)));
                    lanes.push(urgent(number));
                }
                Step::PushFront(priority) => {
                    lanes.push_front(job(number, priority));
                    model.ready.insert(0, (priority, job(number, priority)));
                }
                Step::Pop => prop_assert_eq!(lanes.pop(), model.pop()),
                Step::PushAt(priority, delay) => {
                    let when = now + delay;
                    keys.push((lanes.push_at(at(when), job(number, priority)), number));
                    model.timers.push((when, priority, number));
                }
                Step::Cancel(any) if !keys.is_empty() => {
                    let (key, number) = keys[any % keys.len()];
                    let place = model.timers.iter().position(|timer| timer.2 == number);
                    let found = place.map(|place| model.timers.remove(place).2);
                    prop_assert_eq!(lanes.cancel(key).map(|job| job.number), found);
                }
                Step::Advance(by) => {
                    now += by;
                    let mut due: Vec<_> = model.timers.extract_if(.., |timer| timer.0 <= now).collect();
                    due.sort_by_key(|&(when, priority, number)| (priority, when, number));
                    let due = due.into_iter().map(|(_, priority, number)| (priority, job(number, priority)));
                    model.ready.extend(due);
                    lanes.collect_timers(at(now), usize::MAX);
                }
                Step::Retain(priority) => {
                    lanes.retain(priority);
                    model.retained.push(priority);
                }
                Step::Release(any) if !model.retained.is_empty() => {
                    let any = any % model.retained.len();
                    lanes.release(model.retained.swap_remove(any));
                }
                Step::Requeue(from, to) => {
                    lanes.requeue(from, |job| {
                        let moves = job.number % 2 == 0 && !job.is_urgent;
                        if moves {
                            job.priority = to;
                        }
                        moves
                    });
                    model.requeue(from, to);
                }
                Step::Cancel(_) | Step::Release(_) => {}
            }
            prop_assert_eq!(lanes.ready(), model.ready.len());
            prop_assert_eq!(lanes.timed(), model.timers.len());
            prop_assert_eq!(lanes.is_plain(), model.in_use().is_empty());
            prop_assert_eq!(lanes.highest(), model.highest());
            let earliest = model.timers.iter().map(|timer| at(timer.0)).min();
            prop_assert_eq!(lanes.next_due(), earliest);
        }
        let left = std::iter::from_fn(|| model.pop());
        prop_assert_eq!(std::iter::from_fn(|| lanes.pop()).collect::<Vec<_>>(), left.collect::<Vec<_>>());
        prop_assert_eq!(lanes.drain().len(), model.timers.len());
    }
}
