//! Runs: how the Qt loop that serves a driver is stopped, and when a turn may run.

use std::rc::Rc;

use super::{Driver, MAX_NESTED_AT_LEVEL};
use crate::qt::Host;
use crate::reactor::Queueable;

/// The state of the Qt loop of a run. During a run, outermost turns run jobs in the first phase
/// only; outside of a run, in each phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// See [`Driver::set_paused`].
    Paused,
    /// `exit_run` was called for a stop.
    Exited,
    /// The application has emitted `aboutToQuit`.
    ApplicationQuit,
}

/// A stop that was requested and has not had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    None,
    /// The batch under way is the last; between turns, the next batch is.
    Now,
    /// There was no Qt loop to exit: the next run ends after its first batch.
    NextRun,
}

impl<J: Queueable + 'static> Driver<J> {
    /// Begins a run: `exit` exits the Qt loop that the caller is about to enter, and is called at
    /// the end of the turn that finds a [`stop`](Driver::stop). The application's `aboutToQuit`
    /// ends the run too: the batch under way is then the last, and jobs that the quit has made
    /// ready stay queued. The driver must be attached, on this thread.
    pub fn begin_run(&self, exit: impl Fn() + 'static) {
        let quits = self.host.borrow().as_ref().map_or(0, Host::quits);
        self.quits_before.set(quits);
        self.exit_run.replace(Some(Rc::new(exit)));
        self.phase.set(Phase::Running);
        if self.stop.get() == Stop::NextRun {
            self.stop.set(Stop::Now);
        }
        self.forked_at.set(None);
        // Always arm for the first turn: `stop` may have been called before the run.
        self.arm();
    }

    /// Ends the run, after its Qt loop has returned. Clears a stop that has not had its effect.
    pub fn end_run(&self) {
        let exit = self.exit_run.take();
        self.stop.set(Stop::None);
        if self.phase.get() == Phase::Paused {
            self.phase.set(Phase::Running);
        }
        drop(exit);
        if self.is_here() {
            self.arm_for_next(false);
        }
    }

    /// Returns whether a run has begun and not ended.
    #[must_use]
    pub fn is_run(&self) -> bool {
        self.exit_run.borrow().is_some()
    }

    /// Pauses or resumes the outermost turns of a run, for a Qt loop that is probably about to
    /// quit. Nested turns are not paused.
    pub fn set_paused(&self, paused: bool) {
        match (paused, self.phase.get()) {
            (true, Phase::Running) => self.phase.set(Phase::Paused),
            (false, Phase::Paused) => self.phase.set(Phase::Running),
            _ => {}
        }
        if !paused && self.is_here() {
            self.arm_for_next(false);
        }
    }

    /// Returns whether `stop`, and not Qt, ended the Qt loop of this run or, outside of a run, of
    /// the last one.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.phase.get() == Phase::Exited
    }

    /// Exits the Qt loop of the run after the batch that is running, or after one more batch.
    /// Outside of a run, calls the `exit` of [`attach`](Driver::attach) instead.
    pub fn stop(&self) {
        self.stop.set(Stop::Now);
        self.arm_now();
    }

    /// Ends the next run after its first batch. No effect on any other Qt loop.
    pub fn stop_next_run(&self) {
        self.stop.set(Stop::NextRun);
    }

    /// Returns whether [`stop`](Driver::stop) or [`stop_next_run`](Driver::stop_next_run) was
    /// called and has not had its effect yet.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.get() != Stop::None
    }

    /// Takes back a [`stop`](Driver::stop) or [`stop_next_run`](Driver::stop_next_run) that has not
    /// had its effect yet.
    pub fn cancel_stop(&self) {
        self.stop.set(Stop::None);
    }

    /// Returns whether the batch that is running is the last.
    pub(super) fn stops_now(&self) -> bool {
        self.stop.get() == Stop::Now
    }

    /// Runs `wait`, a nested event loop that only a job can exit. Turns run in it even if the Qt
    /// loop of the run is ending.
    pub fn in_nested_wait<R>(&self, wait: impl FnOnce() -> R) -> R {
        self.nested_waits.set(self.nested_waits.get() + 1);
        self.arm_now();
        let result = wait();
        self.nested_waits.set(self.nested_waits.get() - 1);
        result
    }

    /// Returns whether a turn may run at this depth.
    ///
    /// In a run, outermost turns end with the Qt loop of the run. Turns inside a job, or inside a
    /// nested wait, continue: only they can end what the job waits for. In a forked child, no turn
    /// runs inside the job that forked.
    pub(super) fn may_run(&self, depth: usize) -> bool {
        if self
            .forked_at
            .get()
            .is_some_and(|forked_at| depth > forked_at)
        {
            return false;
        }
        let is_outermost = depth == 1 && self.nested_waits.get() == 0;
        !is_outermost || !self.is_run() || self.phase() == Phase::Running
    }

    /// Returns the phase of the run, and checks first whether the application has quit. The host
    /// only counts quits and does not call the driver: `aboutToQuit` is emitted outside the front
    /// end's scope, so another thread may be using the driver at that time.
    pub(super) fn phase(&self) -> Phase {
        let has_quit = || {
            let quits = self.host.borrow().as_ref().map_or(0, Host::quits);
            quits != self.quits_before.get()
        };
        if self.phase.get() == Phase::Running && has_quit() {
            self.phase.set(Phase::ApplicationQuit);
        }
        self.phase.get()
    }

    /// Returns whether the innermost turn may begin a batch. See [`MAX_NESTED_AT_LEVEL`].
    pub(super) fn may_begin_batch(&self) -> bool {
        self.level.get().nested <= MAX_NESTED_AT_LEVEL && self.may_run(self.depth.get())
    }

    /// Exits the Qt loop if a stop was requested, and arms for the next turn; called when a turn
    /// ends.
    pub(super) fn end_turn(&self, rests: bool) {
        if self.stops_now() && self.is_attached() {
            if self.is_run() {
                if !self.has_exited() {
                    self.phase.set(Phase::Exited);
                    self.stop.set(Stop::None);
                    let exit = self.exit_run.borrow().clone();
                    if let Some(exit) = exit {
                        exit();
                    }
                }
            } else {
                let exit = self.exit_unrun.borrow().clone();
                let has_exited = exit.is_some_and(|exit| exit());
                self.stop.set(if has_exited {
                    Stop::None
                } else {
                    Stop::NextRun
                });
            }
        }
        if self.may_run(self.depth.get() + 1) {
            // Also if the run was exited: a job may run a nested Qt loop that only a job of a later
            // turn exits.
            self.arm_for_next(rests);
        } else {
            self.disarm();
        }
    }
}
