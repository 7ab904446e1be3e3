//! The recorder: a bounded ring of jobs, turns, polls and Qt events, and the times of each code
//! location.
//!
//! It lives on the loop's thread. A front end calls it from its observer of the driver. A method
//! reads the clock once, or takes the time that the call before it has read.

mod clock;
mod names;
mod open;
mod places;
mod qt_events;
mod record;
mod ring;
mod save;
mod state;
#[cfg(test)]
mod tests;
mod top;
mod trace;

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use clock::{Clock, Ticks};
pub use places::{Place, PlaceId, Places};
pub use record::{JobKind, Subject};
pub use top::{Order, PlaceTimes, Quantiles};

use clock::{Anchor, Scale};
use open::Span;
use record::{Record, What};
use ring::Ring;
use state::State;

/// The number of records of all recorders that have stopped. The marks of a recorder begin here, so
/// that a job that an earlier one has marked is not found in its ring.
static RECORDED: AtomicU64 = AtomicU64::new(0);

/// Records what a loop does, from [`new`](Recorder::new) to [`stop`](Recorder::stop).
///
/// A *mark* is the number of a record. The front end keeps it in the job, where 0 means none.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    places: Rc<Places>,
    begin: Anchor,
    first: u64,
    state: RefCell<State>,
}

impl Recorder {
    /// Begins a recording of at most `events` events, 48 bytes each. The oldest are overwritten.
    /// Call [`begins`](Recorder::begins) for a job that is running.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `events` is not from 1 to 2³¹, `OutOfMemory` if the system refuses the
    /// memory.
    pub fn new(events: usize, places: Rc<Places>) -> io::Result<Recorder> {
        let first = RECORDED.load(Ordering::Relaxed);
        Recorder::with_clock(events, places, Clock::default(), first)
    }

    /// Begins a recording whose first record has the number that follows `first`.
    fn with_clock(
        events: usize,
        places: Rc<Places>,
        clock: Clock,
        first: u64,
    ) -> io::Result<Recorder> {
        let number = u32::try_from(first % u64::from(u32::MAX)).expect("it is below u32::MAX") + 1;
        let ring = Ring::new(events, number)?;
        let begin = clock.anchor();
        Ok(Recorder {
            clock,
            places,
            begin,
            first,
            state: RefCell::new(State::new(ring)),
        })
    }

    /// Ends the recording: spans that have begun end now. The front end calls no other recording
    /// method after it.
    pub fn stop(&self) {
        let mut state = self.state.borrow_mut();
        if state.end.is_some() {
            return;
        }
        let end = self.clock.anchor();
        state.now = self.clock.now();
        state.end_wait();
        state.end_qt_event();
        while !state.open.is_empty() {
            state.close_last();
        }
        state.end = Some(end);
        RECORDED.fetch_max(self.first + state.ring.pushed(), Ordering::Relaxed);
    }

    /// Records that running code has queued a job that is ready, and returns its mark.
    #[inline]
    pub fn queued(&self, subject: Subject) -> u32 {
        self.queued_at(self.clock.now(), subject)
    }

    /// Records a job like [`queued`](Recorder::queued), at a time that the caller has read.
    #[inline]
    pub fn queued_at(&self, now: Ticks, subject: Subject) -> u32 {
        let mut state = self.state.borrow_mut();
        state.now = now;
        state.is_fresh = false;
        state.push_job(now, now, subject)
    }

    /// Records that running code has queued a job for a later time, and returns its mark.
    #[inline]
    pub fn timer_set(&self, subject: Subject) -> u32 {
        let mut state = self.state.borrow_mut();
        let now = state.read_after_code(&self.clock);
        state.push_job(now, Ticks::UNKNOWN, subject)
    }

    /// Records that a job has become ready in a poll, and returns its mark. `mark` is the one that
    /// [`timer_set`](Recorder::timer_set) has returned, or 0.
    #[inline]
    pub fn collected(&self, mark: u32, subject: Subject) -> u32 {
        let now = self.state.borrow_mut().read(&self.clock);
        self.collected_at(now, mark, subject)
    }

    /// Records a job like [`collected`](Recorder::collected), at a time that the caller has read.
    #[inline]
    pub fn collected_at(&self, now: Ticks, mark: u32, subject: Subject) -> u32 {
        let mut state = self.state.borrow_mut();
        state.now = now;
        state.is_fresh = true; // the loop itself is running
        if let Some((_, job)) = state.waiting_job(mark, subject) {
            job.ready = now;
            return mark;
        }
        let record = Record::job(Ticks::UNKNOWN, now, 0, subject);
        state.ring.push(record)
    }

    /// Records that a job begins. `mark` is its mark, or 0.
    #[inline]
    pub fn begins(&self, mark: u32, subject: Subject) {
        let mut state = self.state.borrow_mut();
        let now = state.read(&self.clock);
        state.begin_job(now, mark, subject);
    }

    /// Records a job like [`begins`](Recorder::begins), at a time that the caller has read.
    #[inline]
    pub fn begins_at(&self, now: Ticks, mark: u32, subject: Subject) {
        self.state.borrow_mut().begin_job(now, mark, subject);
    }

    /// Records that the job that began last has ended. It does nothing if that job began before the
    /// recording.
    #[inline]
    pub fn ends(&self) {
        self.ends_at(self.clock.now());
    }

    /// Ends a job like [`ends`](Recorder::ends), at a time that the caller has read.
    #[inline]
    pub fn ends_at(&self, now: Ticks) {
        let mut state = self.state.borrow_mut();
        state.now = now;
        state.is_fresh = true;
        state.end_qt_event();
        state.close(|span| matches!(span, Span::Job { .. }));
    }

    /// Records that a turn begins. `depth` is 1 for a turn outside of any job.
    pub fn turn_begins(&self, depth: usize) {
        let depth = u16::try_from(depth).unwrap_or(u16::MAX);
        let mut state = self.state.borrow_mut();
        state.now = self.clock.now();
        state.is_fresh = true;
        state.end_wait();
        state.end_qt_event();
        state.open(Span::Turn { depth });
    }

    /// Records that the turn that began last has ended.
    pub fn turn_ends(&self) {
        let mut state = self.state.borrow_mut();
        state.read_after_code(&self.clock);
        state.close(|span| matches!(span, Span::Turn { .. }));
    }

    /// Records that the loop asks the operating system for events, and waits for up to `timeout`.
    pub fn poll_begins(&self, timeout: Duration) {
        self.poll_begins_at(self.clock.now(), timeout);
    }

    /// Begins a poll like [`poll_begins`](Recorder::poll_begins), at a time that the caller has
    /// read.
    pub fn poll_begins_at(&self, now: Ticks, timeout: Duration) {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let mut state = self.state.borrow_mut();
        state.now = now;
        state.is_fresh = false;
        state.open(Span::Poll { nanos });
    }

    /// Records that the poll or the wait has ended.
    pub fn poll_ends(&self) {
        self.poll_ends_at(self.clock.now());
    }

    /// Ends a poll like [`poll_ends`](Recorder::poll_ends), at a time that the caller has read.
    pub fn poll_ends_at(&self, now: Ticks) {
        let mut state = self.state.borrow_mut();
        state.now = now;
        state.is_fresh = true;
        state.close(|span| matches!(span, Span::Poll { .. }));
    }

    /// Records that a task was created. Its number is not 0, and is not used again. A trace shows
    /// the name, or the place if it is empty. `parent` is the task that has created it, or 0.
    pub fn task_created(&self, number: u32, name: &str, place: PlaceId, parent: u32) {
        let mut state = self.state.borrow_mut();
        state.tasks.add(number, name, place);
        let task = number;
        let created = What::TaskCreated {
            task,
            place,
            parent,
        };
        state.push_instant(&self.clock, created);
    }

    /// Names a task that was created before the recording, or renames one.
    pub fn name_task(&self, number: u32, name: &str, place: PlaceId) {
        self.state.borrow_mut().tasks.add(number, name, place);
    }

    /// Records that a task has finished, or was dropped. Its name is forgotten when its last record
    /// is overwritten.
    pub fn task_finished(&self, number: u32) {
        let mut state = self.state.borrow_mut();
        state.push_instant(&self.clock, What::TaskFinished { task: number });
        let State { tasks, ring, .. } = &mut *state;
        tasks.finish(number, ring.pushed(), ring.dropped());
    }

    /// Records that Qt delivers an event to an object of a class. The handling ends with the next
    /// event, turn or wait, or with the job that runs the Qt event loop.
    pub fn qt_event(&self, class: &str, event_type: u16) {
        self.qt_event_at(self.clock.now(), class, event_type);
    }

    /// Records an event like [`qt_event`](Recorder::qt_event) that began at a time that is not
    /// before that of the last call.
    pub fn qt_event_at(&self, at: Ticks, class: &str, event_type: u16) {
        let mut state = self.state.borrow_mut();
        state.now = at;
        state.is_fresh = false;
        state.end_wait();
        state.end_qt_event();
        let class = state.classes.intern(class);
        let event = What::QtEvent {
            class,
            number: event_type,
        };
        state.qt_event = Some(Record::span(state.now, event));
    }

    /// Records that Qt is about to wait for events.
    pub fn qt_blocks(&self) {
        self.qt_blocks_at(self.clock.now());
    }

    /// Records that Qt was about to wait for events at a time that is not before that of the last
    /// call.
    pub fn qt_blocks_at(&self, at: Ticks) {
        let mut state = self.state.borrow_mut();
        state.now = at;
        state.is_fresh = false;
        state.end_qt_event();
        let now = state.now;
        state.waiting.get_or_insert(now);
    }

    /// Returns the number of events in the ring.
    #[must_use]
    pub fn events(&self) -> usize {
        self.state.borrow().ring.len()
    }

    /// Returns the number of events that newer ones have overwritten.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state.borrow().ring.dropped()
    }

    /// Returns the first `n` places in an order, with the times of all jobs that have ended, also
    /// of those that are no longer in the ring.
    #[must_use]
    pub fn top(&self, n: usize, order: Order) -> Vec<PlaceTimes> {
        let state = self.state.borrow();
        let scale = self.scale(&state);
        state.top.first(n, order, &self.places, &scale)
    }

    /// Returns the time from the begin of the recording to its end, or until now.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let state = self.state.borrow();
        let scale = self.scale(&state);
        Duration::from_nanos(scale.since_begin(self.end(&state)))
    }

    /// Writes the events in the ring to a file, as a Chrome trace. A path that ends in `.gz` is
    /// compressed. An existing file is replaced when the new one is complete.
    ///
    /// Spans that have not ended end now in the file.
    ///
    /// # Errors
    ///
    /// Those of the file system, with the path in the message.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        save::save(path, |mut out| self.write(&mut out))
    }

    /// Writes the events in the ring, as a Chrome trace.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let state = self.state.borrow();
        let now = self.end(&state);
        trace::write(out, &state, &self.places, &self.scale(&state), now)
    }

    /// Returns the end of the recording, or the current time.
    fn end(&self, state: &State) -> Ticks {
        state.end.map_or_else(|| self.clock.now(), Anchor::ticks)
    }

    fn scale(&self, state: &State) -> Scale {
        let end = state.end.unwrap_or_else(|| self.clock.anchor());
        self.clock.scale(self.begin, end)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}
