//! A minimal front end: jobs are closures in an `Rc`, and a program runs until a job stops it.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::time::Duration;

use libtest_mimic::Trial;
use qtloop::core::app;
use qtloop::core::{Driver, Linger, Wakeup};
use qtloop::core::{Priority, Queueable, Time};

/// Longer than any test takes, even under valgrind on a busy machine; a test that reaches it hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A budget that has room for many jobs of one turn, also under valgrind.
pub(crate) const LONG_TURN: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub(crate) struct Job {
    run: Rc<dyn Fn(&World)>,
    priority: Priority,
}

impl Queueable for Job {
    fn repeat(&self) -> Job {
        self.clone()
    }

    fn priority(&self) -> Priority {
        self.priority
    }
}

/// A driver on the main thread, and a log that jobs write to.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) driver: Rc<Driver<Job>>,
    diary: Rc<RefCell<Vec<String>>>,
    /// The number of times that a turn has lingered.
    pub(crate) lingers: Rc<Cell<u32>>,
}

impl Job {
    pub(crate) fn run(&self, world: &World) {
        (self.run)(world);
    }

    /// Returns the job with another priority.
    pub(crate) fn at(&self, priority: Priority) -> Job {
        let run = Rc::clone(&self.run);
        Job { run, priority }
    }
}

pub(crate) fn job(run: impl Fn(&World) + 'static) -> Job {
    job_of(Priority::NORMAL, run)
}

pub(crate) fn job_of(priority: Priority, run: impl Fn(&World) + 'static) -> Job {
    let run = Rc::new(run);
    Job { run, priority }
}

impl World {
    /// Makes a driver whose timers use the timerfd, or a `QTimer` if the test run says so.
    pub(crate) fn new() -> World {
        let timer_fd = std::env::var_os("QTLOOP_TIMER").is_none_or(|value| value != "qtimer");
        World {
            driver: Driver::new(timer_fd).expect("three descriptors"),
            diary: Rc::default(),
            lingers: Rc::default(),
        }
    }

    /// Attaches the driver to this thread's Qt loop. A stop exits the application's `exec()`.
    pub(crate) fn attach(&self) {
        let (diary, lingers) = (Rc::clone(&self.diary), Rc::clone(&self.lingers));
        let driver = Rc::downgrade(&self.driver);
        let face = move |wakeup: Wakeup<'_, Job>| {
            let Some(driver) = Weak::upgrade(&driver) else {
                return;
            };
            let world = World {
                driver,
                diary: Rc::clone(&diary),
                lingers: Rc::clone(&lingers),
            };
            let Some(mut turn) = wakeup.turn() else {
                return;
            };
            loop {
                for job in turn.by_ref() {
                    job.run(&world);
                }
                if !turn.linger(Linger::wait) {
                    break;
                }
                lingers.set(lingers.get() + 1);
            }
        };
        let exit = || {
            let runs = app::level() > 0;
            app::exit(0);
            runs
        };
        self.driver.attach(face, exit).expect("a descriptor");
    }

    /// Runs the application until a job stops it or it quits; fails if neither happens.
    pub(crate) fn run(&self) -> i32 {
        let limit = Time::now() + LIMIT;
        let guard = self.driver.push_at(limit, job(|_| panic!("the test hung")));
        self.attach();
        self.driver.begin_run(|| app::exit(0));
        let code = app::exec();
        self.driver.end_run();
        self.driver.detach();
        drop(self.driver.cancel(guard));
        code
    }

    pub(crate) fn soon(&self, run: impl Fn(&World) + 'static) {
        self.driver.push(job(run));
    }

    pub(crate) fn soon_at(&self, priority: Priority, run: impl Fn(&World) + 'static) {
        self.driver.push(job_of(priority, run));
    }

    pub(crate) fn after(&self, delay: Duration, run: impl Fn(&World) + 'static) {
        self.driver.push_at(Time::now() + delay, job(run));
    }

    pub(crate) fn stop(&self) {
        self.driver.stop();
    }

    pub(crate) fn write(&self, entry: impl Into<String>) {
        self.diary.borrow_mut().push(entry.into());
    }

    /// Returns the number of entries since the log was read.
    pub(crate) fn written(&self) -> usize {
        self.diary.borrow().len()
    }

    /// Removes and returns the entries of the log.
    pub(crate) fn read(&self) -> Vec<String> {
        self.diary.take()
    }
}

/// Makes a test with the name of its function; it fails if the function panics.
pub(crate) fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        catch_unwind(AssertUnwindSafe(test)).map_err(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            words
                .unwrap_or_else(|| "a panic without words".to_owned())
                .into()
        })
    })
}

/// The tests of a module, each named as its function.
#[macro_export]
macro_rules! trials {
    ($($(#[$when:meta])* $test:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$($(#[$when])* $crate::world::trial(stringify!($test), $test)),*]
        }
    };
}

/// Makes a loop of tasks on this thread.
#[cfg(feature = "tasks")]
pub(crate) fn attached() -> qtloop::Loop {
    qtloop::Loop::attach().expect("a loop")
}

/// Returns the result of a future on a new loop, within a time limit.
#[cfg(feature = "tasks")]
pub(crate) fn run<T>(future: impl Future<Output = std::io::Result<T>>) -> T {
    let limited = async { qtloop::time::timeout(2 * LIMIT, future).await };
    attached()
        .block_on(limited)
        .expect("the test hung")
        .expect("no error")
}
