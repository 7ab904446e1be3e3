//! When a watchdog pings, reports and sleeps: a function of the time, and of the thread's progress.

use std::time::Duration;

/// The durations, besides the threshold, after which a stall that continues is reported again.
const REPEATS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];

/// Nanoseconds of a clock that begins above zero.
pub(super) type Nanos = u64;

/// The next action of the watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait until the thread begins to process events or, after a report, until it has progress.
    Park,
    /// Sleep until this time.
    Sleep(Nanos),
    /// Post a ping to the thread.
    Ping,
    /// Report that the thread has been blocked since its last progress.
    Report,
    /// Report that the stall is over.
    Over,
}

/// The state of the watchdog.
#[derive(Debug)]
pub(super) struct Policy {
    dues: Vec<Nanos>,
    half: Nanos,
    /// The time of the progress that the fields below follow; 0 for none.
    following: Nanos,
    /// When the thread was pinged.
    pinged: Option<Nanos>,
    /// The time until which the last step has slept.
    planned: Option<Nanos>,
    /// The index of the next report in `dues`.
    next: usize,
}

impl Policy {
    pub(super) fn new(threshold: Duration) -> Policy {
        let nanos = |time: Duration| Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX / 4);
        let repeats = REPEATS.into_iter().filter(|repeat| *repeat > threshold);
        Policy {
            dues: std::iter::once(threshold)
                .chain(repeats)
                .map(nanos)
                .collect(),
            half: nanos(threshold / 2),
            following: 0,
            pinged: None,
            planned: None,
            next: 0,
        }
    }

    /// Returns the progress whose stall was reported and is not over; 0 for none.
    pub(super) fn reported(&self) -> Nanos {
        if self.next > 0 { self.following } else { 0 }
    }

    /// Takes back the report of the last step: the thread had progress before it.
    pub(super) fn withdraw(&mut self) {
        self.following = 0;
        self.next = 0;
    }

    /// Returns the next step. `since` is the time of the last progress; 0 while the thread waits.
    pub(super) fn step(&mut self, now: Nanos, since: Nanos) -> Step {
        let planned = self.planned.take();
        if since != self.following {
            if self.next > 0 {
                self.withdraw();
                return Step::Over;
            }
            self.following = since;
            self.pinged = None;
        }
        if since == 0 {
            return Step::Park;
        }
        let has_overslept = planned.is_some_and(|planned| now > planned + self.half);
        if self.next == 0 && has_overslept {
            // The whole process was stopped or starved, and with it the thread: ask it again.
            self.pinged = None;
        }
        let Some(pinged) = self.pinged else {
            if now < since + self.half {
                return self.sleep(since + self.half);
            }
            self.pinged = Some(now);
            self.planned = Some(now);
            return Step::Ping;
        };
        let Some(due) = self.dues.get(self.next) else {
            return Step::Park;
        };
        // The thread has half of the threshold to deliver the ping.
        let due = (since + due).max(pinged + self.half);
        if now < due {
            return self.sleep(due);
        }
        self.next += 1;
        Step::Report
    }

    fn sleep(&mut self, until: Nanos) -> Step {
        self.planned = Some(until);
        Step::Sleep(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = 1_000_000;

    fn policy() -> Policy {
        Policy::new(Duration::from_millis(200))
    }

    /// Runs the steps of a thread that has no progress after `since` until the policy parks, on a
    /// clock that only sleeping moves. Returns the time of each step, in milliseconds.
    fn steps_of_a_stall(policy: &mut Policy, since: Nanos) -> Vec<(Nanos, Step)> {
        let (mut now, mut steps) = (since, Vec::new());
        loop {
            match policy.step(now, since) {
                Step::Sleep(until) => now = until,
                Step::Park => return steps,
                step => steps.push(((now - since) / MILLI, step)),
            }
        }
    }

    #[test]
    fn stall_is_reported_at_the_threshold_and_after_1_and_8_seconds() {
        let mut policy = policy();
        let steps = steps_of_a_stall(&mut policy, 5 * MILLI);
        let expected = [
            (100, Step::Ping),
            (200, Step::Report),
            (1_000, Step::Report),
            (8_000, Step::Report),
        ];
        assert_eq!(steps, expected);
        assert_eq!(policy.reported(), 5 * MILLI);
        assert_eq!(policy.step(9_000 * MILLI, 0), Step::Over);
        assert_eq!(policy.reported(), 0);
        assert_eq!(policy.step(9_000 * MILLI, 0), Step::Park);
    }

    #[test]
    fn threshold_above_the_repeats_is_reported_once() {
        let mut policy = Policy::new(Duration::from_secs(20));
        let steps = steps_of_a_stall(&mut policy, 1);
        assert_eq!(steps, [(10_000, Step::Ping), (20_000, Step::Report)]);
    }

    #[test]
    fn thread_that_waits_causes_no_steps() {
        let mut policy = policy();
        assert_eq!(policy.step(MILLI, 0), Step::Park);
        assert_eq!(policy.step(900_000 * MILLI, 0), Step::Park);
    }

    #[test]
    fn progress_before_the_threshold_begins_a_new_stall() {
        let mut policy = policy();
        let start = 7 * MILLI;
        assert_eq!(policy.step(start, start), Step::Sleep(start + 100 * MILLI));
        assert_eq!(policy.step(start + 100 * MILLI, start), Step::Ping);
        // The ping was delivered after 150 ms.
        let since = start + 150 * MILLI;
        assert_eq!(
            policy.step(start + 200 * MILLI, since),
            Step::Sleep(since + 100 * MILLI)
        );
        assert_eq!(policy.reported(), 0);
    }

    #[test]
    fn progress_after_a_report_ends_the_stall_once() {
        let mut policy = policy();
        steps_of_a_stall(&mut policy, MILLI);
        let since = 8_500 * MILLI;
        assert_eq!(policy.step(8_600 * MILLI, since), Step::Over);
        assert_eq!(
            policy.step(8_500 * MILLI, since),
            Step::Sleep(since + 100 * MILLI)
        );
    }

    #[test]
    fn withdrawn_report_is_not_followed_by_an_end() {
        let mut policy = policy();
        let mut now = MILLI;
        for _ in 0..3 {
            match policy.step(now, MILLI) {
                Step::Sleep(until) => now = until,
                step => assert_eq!(step, Step::Ping),
            }
        }
        assert_eq!(policy.step(now, MILLI), Step::Report);
        policy.withdraw();
        assert_eq!(policy.step(now, 0), Step::Park);
    }

    #[test]
    fn stopped_process_is_not_reported_as_a_stall() {
        let mut policy = policy();
        let start = MILLI;
        assert!(matches!(policy.step(start, start), Step::Sleep(_)));
        assert_eq!(policy.step(start + 100 * MILLI, start), Step::Ping);
        assert!(matches!(
            policy.step(start + 100 * MILLI, start),
            Step::Sleep(_)
        ));
        // A debugger has stopped the process for a minute: the thread is pinged again.
        let resumed = start + 60_000 * MILLI;
        assert_eq!(policy.step(resumed, start), Step::Ping);
        assert_eq!(
            policy.step(resumed, start),
            Step::Sleep(resumed + 100 * MILLI)
        );
        assert_eq!(policy.step(resumed + 101 * MILLI, start), Step::Report);
    }
}
