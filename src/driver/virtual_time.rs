//! Virtual time: a clock that stands still while the loop works, and jumps to the next timer when
//! nothing else can happen before it.
//!
//! Only timers use this clock. The budget of a turn, lingering and polling keep real time. The
//! clock jumps only before the first batch of a turn, so Qt has processed its events since the last
//! jump.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Driver;
use crate::reactor::{Queueable, Time};

/// The clock of one loop. It may be read on any thread.
#[derive(Debug)]
pub struct VirtualTime {
    state: Mutex<State>,
    /// The number of watched descriptors of the front end itself.
    own_watches: usize,
}

#[derive(Clone, Copy, Debug)]
struct State {
    clock: Clock,
    /// How long no job may have run before a jump, while descriptors are watched.
    idle: Duration,
    /// The time to which [`Driver::advance`] moves the clock, with a stop at each timer.
    goal: Time,
    /// [`Driver::popped`] when a job last ran, and the real time at which that was seen.
    popped: Option<u64>,
    silent_since: Time,
}

#[derive(Clone, Copy, Debug)]
enum Clock {
    Paused(Time),
    /// The clock runs with real time. It was `from` at the real time `since`.
    Running {
        from: Time,
        since: Time,
    },
}

impl Clock {
    fn at(self, real: Time) -> Time {
        match self {
            Clock::Paused(now) => now,
            Clock::Running { from, since } => from + real.after(since).unwrap_or_default(),
        }
    }
}

impl VirtualTime {
    /// Makes a clock that is paused at `start`. While more than `own_watches` descriptors are
    /// watched, it jumps only when no job has run for `idle`.
    #[must_use]
    pub fn new(start: Time, idle: Duration, own_watches: usize) -> Arc<VirtualTime> {
        let state = State {
            clock: Clock::Paused(start),
            idle,
            goal: start,
            popped: None,
            silent_since: Time::from_nanos(0),
        };
        Arc::new(VirtualTime {
            state: Mutex::new(state),
            own_watches,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current time of this clock.
    #[must_use]
    pub fn now(&self) -> Time {
        self.at(Time::now())
    }

    fn at(&self, real: Time) -> Time {
        self.state().clock.at(real)
    }

    /// Returns the argument `idle` of [`new`](VirtualTime::new).
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.state().idle
    }

    /// Returns whether the clock is paused, which it is from the start until
    /// [`resume_time`](Driver::resume_time).
    #[must_use]
    pub fn is_paused(&self) -> bool {
        matches!(self.state().clock, Clock::Paused(_))
    }

    /// Pauses the clock at its current time. Returns false if it is paused.
    fn pause(&self, idle: Duration) -> bool {
        let now = self.now();
        let mut state = self.state();
        let was_running = matches!(state.clock, Clock::Running { .. });
        if was_running {
            state.clock = Clock::Paused(now);
            state.goal = now;
            state.idle = idle;
            state.popped = None;
        }
        was_running
    }

    /// Lets the clock run with real time from its current time on. Returns false if it runs.
    fn resume(&self) -> bool {
        let mut state = self.state();
        let Clock::Paused(from) = state.clock else {
            return false;
        };
        let since = Time::now();
        state.clock = Clock::Running { from, since };
        true
    }

    /// Returns the time that the clock has, or is advanced to.
    #[must_use]
    pub fn goal(&self) -> Time {
        let now = self.now();
        self.state().goal.max(now)
    }

    /// Moves the goal, and the clock up to the earliest timer. Returns false if the clock is not
    /// paused.
    #[must_use]
    pub fn advance(&self, by: Duration, earliest: Option<Time>) -> bool {
        let mut state = self.state();
        let Clock::Paused(now) = state.clock else {
            return false;
        };
        state.goal = state.goal.max(now) + by;
        let next = earliest.map_or(state.goal, |when| when.min(state.goal));
        state.clock = Clock::Paused(next.max(now));
        true
    }

    /// Returns the real time until the clock may jump to the earliest timer, or reaches it; `None`
    /// if an event must come first.
    fn wait(
        &self,
        real: Time,
        popped: u64,
        earliest: Option<Time>,
        watches: usize,
        is_held: bool,
    ) -> Option<Duration> {
        let mut state = self.state();
        if state.popped.replace(popped) != Some(popped) {
            state.silent_since = real;
        }
        match state.clock {
            Clock::Running { .. } => earliest?.after(state.clock.at(real)),
            Clock::Paused(now) if state.goal > now => Some(Duration::ZERO),
            Clock::Paused(now) if earliest? <= now => Some(Duration::ZERO),
            Clock::Paused(_) if is_held => None,
            Clock::Paused(_) if watches <= self.own_watches => Some(Duration::ZERO),
            Clock::Paused(_) => (state.silent_since + state.idle).after(real),
        }
    }

    /// Jumps to the earliest timer or the goal of `advance`.
    fn jump(&self, earliest: Option<Time>) {
        let mut state = self.state();
        if let Clock::Paused(now) = state.clock {
            let goal = (state.goal > now).then_some(state.goal);
            let next = [earliest, goal].into_iter().flatten().min();
            state.clock = Clock::Paused(next.map_or(now, |next| next.max(now)));
        }
    }
}

impl<J: Queueable + 'static> Driver<J> {
    /// Makes the timers use this clock. It cannot be replaced by another one.
    pub fn set_virtual_time(&self, time: Arc<VirtualTime>) {
        time.state().popped = None; // it counted the jobs of another loop
        let _ = self.virtual_time.set(time);
        self.arm_now();
    }

    /// Returns the clock of [`set_virtual_time`](Driver::set_virtual_time).
    #[must_use]
    pub fn virtual_time(&self) -> Option<&Arc<VirtualTime>> {
        self.virtual_time.get()
    }

    /// Returns the current time of the clock of the timers.
    #[must_use]
    pub fn now(&self) -> Time {
        self.virtual_time
            .get()
            .map_or_else(Time::now, |time| time.now())
    }

    /// Returns the time of the timers at a real time.
    pub(super) fn timer_time(&self, real: Time) -> Time {
        self.virtual_time.get().map_or(real, |time| time.at(real))
    }

    /// Advances a paused clock. Timers that become due run in the turns that follow, each at its
    /// own time. The clock stops at each deadline on the way until its jobs have run. Returns false
    /// if the clock is not paused.
    #[must_use]
    pub fn advance(&self, by: Duration) -> bool {
        let earliest = self.reactor.borrow_mut().next_deadline();
        let time = self.virtual_time.get();
        let is_paused = time.is_some_and(|time| time.advance(by, earliest));
        self.arm_now();
        is_paused
    }

    /// Pauses the clock again after [`resume_time`](Driver::resume_time). Returns false if it is
    /// paused, or there is none.
    #[must_use]
    pub fn pause_time(&self, idle: Duration) -> bool {
        let time = self.virtual_time.get();
        let was_running = time.is_some_and(|time| time.pause(idle));
        self.arm_now();
        was_running
    }

    /// Lets the clock run with real time from its current time on. Returns false if it runs, or
    /// there is none.
    #[must_use]
    pub fn resume_time(&self) -> bool {
        let was_paused = self.virtual_time.get().is_some_and(|time| time.resume());
        self.arm_now();
        was_paused
    }

    /// Begins an operation outside of the loop: the clock does not jump before its
    /// [`release_time`](Driver::release_time).
    pub fn hold_time(&self) {
        self.holds.set(self.holds.get() + 1);
    }

    /// Ends a [`hold_time`](Driver::hold_time).
    pub fn release_time(&self) {
        self.holds.set(self.holds.get() - 1);
        self.arm_now();
    }

    /// Returns the real time until the next timer is due or the clock may jump; `None` if only an
    /// event can begin a turn. `earliest` is the earliest deadline.
    pub(super) fn wait_for_timers(&self, real: Time, earliest: Option<Time>) -> Option<Duration> {
        let Some(time) = self.virtual_time.get() else {
            return earliest.and_then(|when| when.after(real));
        };
        let watches = self.reactor.borrow().watches();
        let is_held = self.holds.get() > 0;
        time.wait(real, self.popped.get(), earliest, watches, is_held)
    }

    /// Makes the next timers ready if no job is ready and the clock may jump to them.
    pub(super) fn jump(&self, real: Time) {
        let Some(time) = self.virtual_time.get() else {
            return;
        };
        let earliest = self.reactor.borrow_mut().next_deadline();
        let wait = self.wait_for_timers(real, earliest);
        if self.reactor.borrow().ready() == 0 && wait == Some(Duration::ZERO) {
            time.jump(earliest);
            self.collect_timers(real);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(50);
    const HOUR: Duration = Duration::from_secs(3600);

    fn at(nanoseconds: i64) -> Time {
        Time::from_nanos(nanoseconds)
    }

    fn clock(start: i64) -> Arc<VirtualTime> {
        VirtualTime::new(at(start), IDLE, 1)
    }

    #[test]
    fn clock_jumps_to_the_earliest_timer_and_not_beyond() {
        let time = clock(1_700_000_000_000_000_000);
        assert_eq!(time.wait(at(7), 0, None, 0, false), None);
        let next = at(1_700_000_000_000_000_001);
        assert_eq!(
            time.wait(at(7), 0, Some(next), 1, false),
            Some(Duration::ZERO)
        );
        time.jump(Some(next));
        assert_eq!(time.now(), next);
    }

    #[test]
    fn clock_waits_for_silence_while_a_descriptor_is_watched() {
        let time = clock(0);
        let real = at(1_000_000_000);
        assert_eq!(time.wait(real, 1, Some(at(9)), 2, false), Some(IDLE));
        assert_eq!(
            time.wait(real + IDLE / 2, 1, Some(at(9)), 2, false),
            Some(IDLE / 2)
        );
        // A job has run: the silence begins again.
        assert_eq!(time.wait(real + IDLE, 2, Some(at(9)), 2, false), Some(IDLE));
        let later = real + IDLE + IDLE;
        assert_eq!(
            time.wait(later, 2, Some(at(9)), 2, false),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn held_clock_does_not_jump_unless_it_is_advanced() {
        let time = clock(0);
        assert_eq!(time.wait(at(1), 0, Some(at(9)), 0, true), None);
        assert!(time.advance(Duration::from_nanos(20), Some(at(9))));
        assert_eq!(time.now(), at(9));
        assert_eq!(
            time.wait(at(1), 0, Some(at(9)), 0, true),
            Some(Duration::ZERO)
        );
        time.jump(Some(at(15)));
        assert_eq!(time.now(), at(15));
        time.jump(Some(at(21)));
        assert_eq!(time.now(), at(20));
        assert_eq!(time.wait(at(1), 0, Some(at(21)), 0, true), None);
    }

    #[test]
    fn clock_never_moves_back() {
        let time = clock(5);
        time.jump(Some(at(3)));
        assert_eq!(time.now(), at(5));
        assert!(time.advance(Duration::from_nanos(2), Some(at(3))));
        assert_eq!(time.now(), at(5));
    }

    #[test]
    fn resumed_clock_runs_from_its_own_time() {
        let real = Time::now();
        for start in [at(5), real, real + HOUR] {
            let time = VirtualTime::new(start, IDLE, 0);
            assert!(time.resume() && !time.resume());
            assert!(time.now() >= start && time.now() < start + HOUR);
            assert!(!time.advance(IDLE, None));
            assert!(time.pause(IDLE) && !time.pause(IDLE));
            let now = time.now();
            assert_eq!(now, time.now());
            assert!(now >= start);
        }
    }
}
