//! The cost of the core inside a real Qt loop: a job, a timer, a job from another thread.
//!
//! A sample runs [`JOBS`] jobs, so its µs are ns per job, and Mitem/s are millions of jobs per
//! second. Samples that run in Qt include one complete `exec()`; [`empty_exec`] measures its cost.

use std::rc::{Rc, Weak};
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use qtloop::core::app;
use qtloop::core::{Driver, Wakeup};
use qtloop::core::{Queueable, Reactor, Remote, Time, Timers};

const JOBS: u32 = 1000;

/// The time budget of a turn: the driver's default.
const BUDGET: Duration = Duration::from_millis(2);

/// Longer than any sample, so a timer set to it is never due.
const FAR: Duration = Duration::from_secs(3600);

/// A job without its own allocation, so that only the core is measured. The number is how many jobs
/// follow.
#[derive(Clone, Copy)]
enum Job {
    Nothing,
    Soon(u32),
    Timer(u32),
    Remote(u32),
    SetAndCancel(u32),
    Stop,
}

impl Queueable for Job {
    fn repeat(&self) -> Job {
        *self
    }
}

type World = (Rc<Driver<Job>>, Remote<Job>);

fn world(budget: Duration) -> World {
    let driver = Driver::new(true).expect("three descriptors");
    driver.set_budget(budget);
    let remote = driver.remote();
    (driver, remote)
}

fn run(job: Job, driver: &Driver<Job>, remote: &Remote<Job>) {
    match job {
        Job::Nothing => {}
        Job::Soon(0) | Job::Timer(0) | Job::Remote(0) | Job::Stop => driver.stop(),
        Job::Soon(left) => driver.push(Job::Soon(left - 1)),
        Job::Timer(left) => {
            driver.push_at(Time::now(), Job::Timer(left - 1));
        }
        Job::Remote(left) => assert!(remote.send(Job::Remote(left - 1)).is_ok()),
        Job::SetAndCancel(times) => {
            let when = Time::now() + FAR;
            for _ in 0..times {
                let key = driver.push_at(when, Job::Nothing);
                assert!(driver.cancel(key).is_some());
            }
            driver.stop();
        }
    }
}

/// Runs Qt until a job stops it.
fn exec((driver, remote): &World) {
    let (driver_of_face, remote) = (Rc::downgrade(driver), remote.clone());
    let face = move |wakeup: Wakeup<'_, Job>| {
        if let Some(driver) = Weak::upgrade(&driver_of_face) {
            for job in wakeup.turn().into_iter().flatten() {
                run(job, &driver, &remote);
            }
        }
    };
    driver.attach(face, || true).expect("a descriptor");
    driver.begin_run(|| app::exit(0));
    assert_eq!(app::exec(), 0);
    driver.end_run();
    driver.detach();
}

/// Runs Qt until the jobs that `queue` queues, and the jobs that follow from them, have run.
fn bench_in_qt(bencher: Bencher, budget: Duration, queue: impl Fn(&Driver<Job>)) {
    let world = world(budget);
    bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
        queue(&world.0);
        exec(&world);
    });
}

#[divan::bench]
fn empty_exec(bencher: Bencher) {
    let world = world(BUDGET);
    bencher.bench_local(|| {
        world.0.stop();
        exec(&world);
    });
}

mod job {
    use super::*;

    /// Each job queues the next one, which forms its own batch.
    #[divan::bench]
    fn batches_of_one(bencher: Bencher) {
        bench_in_qt(bencher, BUDGET, |driver| driver.push(Job::Soon(JOBS)));
    }

    /// The same without a budget: each job is its own turn, with a return to Qt.
    #[divan::bench]
    fn turns_of_one(bencher: Bencher) {
        bench_in_qt(bencher, Duration::ZERO, |driver| {
            driver.push(Job::Soon(JOBS))
        });
    }

    #[divan::bench]
    fn batch_of_1000(bencher: Bencher) {
        bench_in_qt(bencher, BUDGET, |driver| {
            (1..JOBS).for_each(|_| driver.push(Job::Nothing));
            driver.push(Job::Stop);
        });
    }
}

mod timer {
    use super::*;

    /// Each timer's job sets the next timer, which is due at once.
    #[divan::bench]
    fn driver_set_and_fire(bencher: Bencher) {
        bench_in_qt(bencher, BUDGET, |driver| driver.push(Job::Timer(JOBS)));
    }

    #[divan::bench]
    fn driver_set_and_cancel(bencher: Bencher) {
        bench_in_qt(bencher, BUDGET, |driver| {
            driver.push(Job::SetAndCancel(JOBS));
        });
    }

    /// The heap alone, with `others` waiting timers.
    #[divan::bench(args = [0, 1000])]
    fn heap_set_and_fire(bencher: Bencher, others: i64) {
        let mut timers = heap_of(others);
        bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
            for when in 0..i64::from(JOBS) {
                let when = Time::from_nanos(when);
                timers.insert(when, Job::Nothing);
                assert!(timers.pop_due(black_box(when)).is_some());
            }
        });
    }

    #[divan::bench(args = [0, 1000])]
    fn heap_set_and_cancel(bencher: Bencher, others: i64) {
        let mut timers = heap_of(others);
        bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
            for when in 0..i64::from(JOBS) {
                let key = timers.insert(Time::from_nanos(when), Job::Nothing);
                assert!(timers.cancel(black_box(key)).is_some());
            }
        });
    }

    fn heap_of(others: i64) -> Timers<Job> {
        let mut timers = Timers::new();
        for other in 0..others {
            timers.insert(Time::from_nanos(i64::from(JOBS) + other), Job::Nothing);
        }
        timers
    }
}

mod remote {
    use super::*;

    /// Each job sends the next one, so each costs a wake-up.
    #[divan::bench]
    fn driver_send_and_run(bencher: Bencher) {
        bench_in_qt(bencher, BUDGET, |driver| driver.push(Job::Remote(JOBS)));
    }

    /// Without Qt: `sends` jobs between two collections.
    #[divan::bench(args = [1, 1000])]
    fn send_and_take(bencher: Bencher, sends: u32) {
        let mut reactor = Reactor::new(true).expect("three descriptors");
        let remote = reactor.remote();
        let now = Time::now();
        bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
            for _ in 0..JOBS / sends {
                (0..sends).for_each(|_| assert!(remote.send(Job::Nothing).is_ok()));
                reactor.collect(now).expect("a sound poller");
                while let Some(job) = reactor.pop() {
                    black_box(job);
                }
            }
        });
    }
}

/// The recorder alone, without a driver and a front end.
#[cfg(feature = "record")]
mod recorder {
    use qtloop::core::{Clock, Place, PlaceId, Places, Recorder, Subject};

    use super::*;

    fn recorder() -> Recorder {
        Recorder::new(100_000, Rc::new(Places::default())).expect("5 MB")
    }

    /// Returns a job of one of 16 tasks. Each task has another place.
    fn subject(number: u32) -> Subject {
        let task = number % 16 + 1;
        Subject {
            task,
            place: PlaceId(task + 1),
            ..Subject::default()
        }
    }

    #[divan::bench]
    fn clock_read(bencher: Bencher) {
        let clock = Clock::default();
        bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
            for _ in 0..JOBS {
                black_box(clock.now());
            }
        });
    }

    /// Each job queues the next one.
    #[divan::bench]
    fn queued_begins_ends(bencher: Bencher) {
        let recorder = recorder();
        let mut mark = recorder.queued(subject(0));
        bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
            for number in 0..JOBS {
                recorder.begins(mark, subject(number));
                mark = recorder.queued(subject(number + 1));
                recorder.ends();
            }
        });
    }

    /// A job queues `JOBS` others, which then run in a batch.
    #[divan::bench]
    fn batch_queued_begins_ends(bencher: Bencher) {
        let recorder = recorder();
        let mut marks = vec![0; JOBS as usize];
        bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
            recorder.begins(0, subject(0));
            for (number, mark) in (0..JOBS).zip(&mut marks) {
                *mark = recorder.queued(subject(number));
            }
            recorder.ends();
            for (number, mark) in (0..JOBS).zip(&marks) {
                recorder.begins(*mark, subject(number));
                recorder.ends();
            }
        });
    }

    /// A job whose record is made when it begins: that of a descriptor.
    #[divan::bench]
    fn begins_ends(bencher: Bencher) {
        let recorder = recorder();
        bencher.counter(ItemsCount::new(JOBS)).bench_local(|| {
            for number in 0..JOBS {
                recorder.begins(0, subject(number));
                recorder.ends();
            }
        });
    }
    /// Saves a million jobs of 1,000 tasks, each queued by another one.
    #[divan::bench(args = ["trace.json", "trace.json.gz"], sample_count = 3)]
    fn save_million_jobs(bencher: Bencher, name: &str) {
        let places = Rc::new(Places::default());
        let place = |number: u32| {
            let place = Place {
                file: "/home/user/project/package/module.py".into(),
                line: number,
                function: format!("Class.method_{number}").into(),
            };
            places.by_value(place)
        };
        let places_of_tasks: Vec<PlaceId> = (0..100).map(place).collect();
        let recorder = Recorder::new(1_000_000, places.clone()).expect("48 MB");
        let subject = |number: u32| Subject {
            task: number % 1000 + 1,
            place: places_of_tasks[number as usize % 100],
            ..Subject::default()
        };
        let mut mark = recorder.queued(subject(0));
        for number in 0..999_999 {
            recorder.begins(mark, subject(number));
            mark = recorder.queued(subject(number + 1));
            recorder.ends();
        }
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join(name);
        bencher.bench_local(|| recorder.save(&path).expect("space for it"));
    }
}

fn main() {
    app::ensure(std::env::args_os());
    divan::main();
}
