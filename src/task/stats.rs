//! `Stats`: counts and times of a loop.

use std::time::Duration;

use super::{Loop, Priority};

/// A snapshot of a loop: the numbers of jobs and tasks that wait in it, and its counts and times
/// since it was attached.
///
/// A *job* is a poll of a task, a timer, a readiness event of a descriptor, or a call of another
/// thread. A *turn* is one call from Qt: the loop runs jobs until none is ready, or its time budget
/// is spent. Times are those of the monotonic clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The number of jobs that are ready, for each priority that has some, from the highest one.
    /// Jobs of other threads count at the highest priority in use.
    pub ready: Vec<(Priority, usize)>,
    /// The number of timers that wait for their deadlines.
    pub timers: usize,
    /// The number of file descriptors for which tasks wait.
    pub watched_fds: usize,
    /// The number of tasks that have not completed.
    pub tasks: usize,
    /// The number of turns. Includes turns inside jobs, which a Qt loop begins that a task runs.
    pub turns: u64,
    /// The number of jobs that have begun.
    pub jobs: u64,
    /// The number of turns that an event or a deadline has begun. Qt begins the other turns at
    /// once, because jobs were ready.
    pub wakeups: u64,
    /// The number of times that a turn has asked the operating system for events.
    pub polls: u64,
    /// The number of times that a turn has waited for the next event: see [`Loop::set_linger`].
    pub lingers: u64,
    /// The number of these waits that an event has ended.
    pub linger_hits: u64,
    /// The time in turns, including their polls and waits. While a task runs a Qt event loop, only
    /// the turns inside that loop count. A turn reads the clock after up to 16 quick jobs, so each
    /// can be too short by a few microseconds.
    pub time_in_turns: Duration,
    /// The longest time of a turn: for so long, Qt could not process its events. If turns have run
    /// inside a task, the parts of its turn before and after them count separately.
    pub longest_turn: Duration,
    /// The number of timers that have become ready.
    pub timers_fired: u64,
    /// The mean time from the deadline of a timer to the poll that has made it ready.
    pub mean_timer_lateness: Duration,
    /// The longest of these times.
    pub max_timer_lateness: Duration,
}

impl Loop {
    /// Returns the counts and times of the loop. They are always on. The call counts the tasks and
    /// the descriptors one by one, so its cost grows with their number.
    ///
    /// ```no_run
    /// # let event_loop = qtloop::Loop::attach()?;
    /// let stats = event_loop.stats();
    /// println!("{} tasks, longest turn {:?}", stats.tasks, stats.longest_turn);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let driver = self.0.driver.stats();
        Stats {
            ready: driver.ready,
            timers: driver.timers,
            watched_fds: driver.watches,
            tasks: self.0.tasks.count(),
            turns: driver.turns,
            jobs: driver.jobs,
            wakeups: driver.wakeups,
            polls: driver.polls,
            lingers: driver.lingers,
            linger_hits: driver.linger_hits,
            time_in_turns: driver.in_turns,
            longest_turn: driver.longest_turn,
            timers_fired: driver.fired.count,
            mean_timer_lateness: driver.fired.mean_lateness(),
            max_timer_lateness: driver.fired.max_lateness,
        }
    }
}
