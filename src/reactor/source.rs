//! The watched file descriptors, on mio's poller, level-triggered as `add_reader` requires.
//!
//! mio is edge-triggered: it reports each change once. asyncio is level-triggered: a reader is
//! called again while data are left. So a waiter is disarmed when its job is made ready, and
//! [`Sources::rearm`] re-arms it after the job has run; registering again makes the kernel check
//! the descriptor. That costs one system call per readiness event. In return, a job that is still
//! queued, or is inside a modal dialog, is not called a second time.
//!
//! Our own transports drain the descriptor (until `EAGAIN` or a short read), and save that call
//! with [`Trigger::Edge`]. An event that arrives while their job is disarmed is remembered, and the
//! job is due again at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use rustc_hash::FxHashMap;

use super::Queueable;
use super::event::Readiness;
use super::lanes::Lanes;
use super::linger::{Buffer, Linger};

/// The direction of a descriptor that a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Data, end of file, or an error.
    Read,
    /// Space in the send buffer, or an error.
    Write,
}

/// When a waiter becomes due again after its job has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Whenever the descriptor is still ready.
    Level,
    /// Never. The descriptor stays registered with the poller for the next waiter of this kind,
    /// which saves the calls that register and deregister it.
    Once,
    /// After an event that was collected since the job was made ready. For a job that drains the
    /// descriptor (until `EAGAIN` or a short read).
    Edge,
}

const DIRECTIONS: [Direction; 2] = [Direction::Read, Direction::Write];

impl Direction {
    fn interest(self, trigger: Trigger) -> Interest {
        match (self, trigger) {
            (Direction::Read, Trigger::Level | Trigger::Once) => Interest::READABLE,
            // A read stops before urgent data, and no other event reports the data behind them.
            (Direction::Read, Trigger::Edge) => Interest::READABLE | Interest::PRIORITY,
            (Direction::Write, _) => Interest::WRITABLE,
        }
    }
}

/// The maximum number of events of one poll.
pub(super) const EVENTS: usize = 1024;

/// The events of the waker and the timerfd only end the wait; they have no job.
pub(super) const WAKER: Token = Token(usize::MAX);
pub(super) const TIMER: Token = Token(usize::MAX - 1);

/// A job that waits for one direction of a descriptor.
#[derive(Debug)]
struct Waiter<J> {
    job: J,
    trigger: Trigger,
    /// False from the time the job is made ready until `rearm`.
    armed: bool,
    /// An event was collected while the waiter was not armed. Only with [`Trigger::Edge`].
    missed: bool,
}

/// A watched descriptor. The generation distinguishes files that have had the same number.
#[derive(Debug)]
struct Source<J> {
    generation: u32,
    /// It is registered with the kernel, which deregisters a file when it is closed.
    registered: bool,
    /// There was a hang-up, an error or urgent data: a short read does not mean that all data were
    /// read.
    hung_up: bool,
    waiters: [Option<Waiter<J>>; 2],
}

impl<J> Source<J> {
    fn interest(&self) -> Option<Interest> {
        DIRECTIONS
            .into_iter()
            .filter_map(|direction| {
                let waiter = self.waiters[direction as usize].as_ref()?;
                Some(direction.interest(waiter.trigger))
            })
            .reduce(|one, other| one | other)
    }

    /// Registers the descriptor with a poller that does not know it. If that fails, it reports no
    /// events.
    fn register(&mut self, registry: &Registry, fd: RawFd) {
        let Some(interest) = self.interest() else {
            return;
        };
        let token = token(fd, self.generation);
        self.registered = match registry.register(&mut SourceFd(&fd), token, interest) {
            Ok(()) => true,
            // A new waiter has registered it since.
            Err(error) => error.kind() == io::ErrorKind::AlreadyExists,
        };
    }

    /// Registers the same file again, so that the kernel checks it. A closed file reports no
    /// events, as in asyncio: the number may belong to another file by now.
    fn renew(&mut self, registry: &Registry, fd: RawFd) {
        let Some(interest) = self.interest().filter(|_| self.registered) else {
            return;
        };
        let token = token(fd, self.generation);
        self.registered = registry
            .reregister(&mut SourceFd(&fd), token, interest)
            .is_ok();
    }
}

// A descriptor has 31 bits and a generation 32, so both fit. No pair is one of the two reserved
// tokens: the upper half of those would be a descriptor with the sign bit set.
fn token(fd: RawFd, generation: u32) -> Token {
    Token((fd.unsigned_abs() as usize) << 32 | generation as usize)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn parts(token: Token) -> (RawFd, u32) {
    ((token.0 >> 32) as RawFd, token.0 as u32)
}

/// The result of a poll, apart from jobs.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// The waker has fired.
    pub(super) rung: bool,
    /// A descriptor was ready.
    pub(super) active: bool,
}

/// The events of one poll while they are passed to the waiters.
struct Delivery<'a, J> {
    sources: &'a mut FxHashMap<RawFd, Source<J>>,
    lanes: &'a mut Lanes<J>,
    collected: Collected,
    /// Descriptors without a waiter.
    unwanted: Vec<RawFd>,
}

impl<'a, J: Queueable> Delivery<'a, J> {
    fn new(
        sources: &'a mut FxHashMap<RawFd, Source<J>>,
        lanes: &'a mut Lanes<J>,
    ) -> Delivery<'a, J> {
        Delivery {
            sources,
            lanes,
            collected: Collected::default(),
            unwanted: Vec::new(),
        }
    }

    fn deliver(&mut self, event: Readiness) {
        if event.token == WAKER {
            self.collected.rung = true;
        }
        let (fd, generation) = parts(event.token);
        let source = self.sources.get_mut(&fd);
        let Some(source) = source.filter(|source| source.generation == generation) else {
            return;
        };
        if source.interest().is_none() {
            self.unwanted.push(fd);
            return;
        }
        self.collected.active = true;
        source.hung_up |= event.hung_up;
        for direction in DIRECTIONS {
            let place = &mut source.waiters[direction as usize];
            let is_ready = event.is_ready[direction as usize];
            let Some(waiter) = place.as_mut().filter(|_| is_ready) else {
                continue;
            };
            if waiter.trigger == Trigger::Once {
                if let Some(Waiter { job, .. }) = place.take() {
                    let priority = job.priority();
                    self.lanes.push(job);
                    self.lanes.release(priority);
                }
            } else if waiter.armed {
                waiter.armed = false;
                self.lanes.push(waiter.job.repeat());
            } else {
                waiter.missed = waiter.trigger == Trigger::Edge;
            }
        }
    }

    fn end(self) -> (Collected, Vec<RawFd>) {
        (self.collected, self.unwanted)
    }
}

/// The poller of a loop, for other threads that deregister a descriptor before they close it. epoll
/// tracks open files, not descriptors, so closing one of two duplicates leaves the registration.
/// The reactor's own entry stays: after `deregister`, call [unwatch](super::Reactor::unwatch) and
/// [restore](super::Reactor::restore) on the loop's thread.
#[derive(Debug)]
pub struct Poller(Registry);

impl Poller {
    /// Deregisters a descriptor. Does nothing if it is not registered.
    pub fn deregister(&self, fd: RawFd) {
        let _ = self.0.deregister(&mut SourceFd(&fd));
    }
}

/// The descriptors of one loop.
#[derive(Debug)]
pub(super) struct Sources<J> {
    poll: Poll,
    events: Events,
    /// The buffer of the next [`Linger`].
    lingered: Buffer,
    /// By descriptor. Its hash need not resist chosen keys: the kernel assigns the numbers.
    sources: FxHashMap<RawFd, Source<J>>,
    next_generation: u32,
    /// The sources of another poller were adopted, and are not registered with this one yet.
    is_adopted: bool,
}

impl<J: Queueable> Sources<J> {
    pub(super) fn new() -> io::Result<Sources<J>> {
        Ok(Sources {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            lingered: Buffer::default(),
            sources: FxHashMap::default(),
            next_generation: 0,
            is_adopted: false,
        })
    }

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    pub(super) fn poller(&self) -> io::Result<Poller> {
        self.registry().try_clone().map(Poller)
    }

    /// Takes over the waiters of another poller. They are registered when jobs are next collected:
    /// until then, a ready descriptor does not wake the loop.
    pub(super) fn adopt(&mut self, other: &mut Sources<J>) {
        self.next_generation = other.next_generation;
        self.sources = std::mem::take(&mut other.sources);
        self.is_adopted = true;
    }

    fn register_adopted(&mut self) {
        if std::mem::take(&mut self.is_adopted) {
            for (&fd, source) in &mut self.sources {
                source.register(self.poll.registry(), fd);
            }
        }
    }

    /// Returns the descriptor that is readable while an event waits to be collected.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    /// Sets the waiter of one direction of `fd`, and returns the jobs of the waiters that it
    /// replaces. These are the one of that direction, and the one of the other direction if it
    /// watched a closed file whose number `fd` now has.
    pub(super) fn watch(
        &mut self,
        fd: RawFd,
        direction: Direction,
        trigger: Trigger,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        let registry = self.poll.registry();
        let interest = direction.interest(trigger);
        let known = self.sources.get_mut(&fd);
        if let Some(source) = known.filter(|source| source.registered) {
            if source.interest().is_none() {
                source.hung_up = false; // it was set for an earlier waiter
            }
            let other = source.waiters[1 - direction as usize].as_ref();
            let both = other.map_or(interest, |other| {
                interest | DIRECTIONS[1 - direction as usize].interest(other.trigger)
            });
            match registry.reregister(&mut SourceFd(&fd), token(fd, source.generation), both) {
                Ok(()) => return Ok([self.replace(fd, direction, trigger, job), None]),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let token = token(fd, generation);
        match registry.register(&mut SourceFd(&fd), token, interest) {
            // The descriptor was closed, and the same file has the same number again.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                registry.reregister(&mut SourceFd(&fd), token, interest)?;
            }
            other => other?,
        }
        let fresh = Source {
            generation,
            registered: true,
            hung_up: false,
            waiters: [None, None],
        };
        let gone = self.sources.insert(fd, fresh).map(|source| source.waiters);
        self.replace(fd, direction, trigger, job);
        Ok(gone
            .unwrap_or_default()
            .map(|waiter| waiter.map(|waiter| waiter.job)))
    }

    fn replace(&mut self, fd: RawFd, direction: Direction, trigger: Trigger, job: J) -> Option<J> {
        let waiter = &mut self.sources.get_mut(&fd)?.waiters[direction as usize];
        let fresh = Waiter {
            job,
            trigger,
            armed: true,
            missed: false,
        };
        waiter.replace(fresh).map(|waiter| waiter.job)
    }

    /// Removes the waiter of one direction of `fd` if `is_mine` accepts its job, and returns the
    /// job. `fd` may be closed.
    pub(super) fn unwatch(
        &mut self,
        fd: RawFd,
        direction: Direction,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        let source = self.sources.get_mut(&fd)?;
        let waiter = source.waiters[direction as usize].take_if(|waiter| is_mine(&waiter.job))?;
        if source.interest().is_some() {
            source.renew(self.poll.registry(), fd);
        } else {
            self.deregister(fd);
        }
        Some(waiter.job)
    }

    /// Returns the job that waits for one direction of `fd`.
    pub(super) fn job_mut(&mut self, fd: RawFd, direction: Direction) -> Option<&mut J> {
        let source = self.sources.get_mut(&fd)?;
        let waiter = source.waiters[direction as usize].as_mut()?;
        Some(&mut waiter.job)
    }

    /// Registers `fd` again for its remaining waiters, after a [`Poller`] has deregistered it.
    pub(super) fn restore(&mut self, fd: RawFd) {
        if let Some(source) = self.sources.get_mut(&fd) {
            source.register(self.poll.registry(), fd);
        }
    }

    fn deregister(&mut self, fd: RawFd) {
        if self
            .sources
            .remove(&fd)
            .is_some_and(|source| source.registered)
        {
            // The descriptor may be closed already; then the kernel has deregistered it.
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Returns the number of descriptors with a waiter.
    pub(super) fn len(&self) -> usize {
        let watched = |source: &&Source<J>| source.interest().is_some();
        self.sources.values().filter(watched).count()
    }

    /// Returns whether one direction of `fd` has a waiter.
    pub(super) fn is_watched(&self, fd: RawFd, direction: Direction) -> bool {
        self.sources
            .get(&fd)
            .is_some_and(|source| source.waiters[direction as usize].is_some())
    }

    /// Returns whether `fd` has reported a hang-up, an error or urgent data since it was watched.
    pub(super) fn is_hung_up(&self, fd: RawFd) -> bool {
        self.sources.get(&fd).is_some_and(|source| source.hung_up)
    }

    /// Re-arms the waiter if `is_mine` accepts its job. If that is due again already, returns it
    /// and leaves the waiter disarmed.
    pub(super) fn rearm(
        &mut self,
        fd: RawFd,
        direction: Direction,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        let source = self.sources.get_mut(&fd)?;
        let waiter = source.waiters[direction as usize].as_mut()?;
        if waiter.armed || !is_mine(&waiter.job) {
            return None;
        }
        if std::mem::take(&mut waiter.missed) {
            return Some(waiter.job.repeat());
        }
        waiter.armed = true;
        if waiter.trigger == Trigger::Level {
            source.renew(self.poll.registry(), fd);
        }
        None
    }

    /// Polls, and queues the jobs of ready descriptors. Disarms their waiters, and removes those
    /// with [`Trigger::Once`].
    pub(super) fn collect(&mut self, lanes: &mut Lanes<J>) -> io::Result<Collected> {
        self.register_adopted();
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Collected::default());
            }
            other => other?,
        }
        let mut delivery = Delivery::new(&mut self.sources, lanes);
        self.events
            .iter()
            .for_each(|event| delivery.deliver(Readiness::from(event)));
        let (collected, unwanted) = delivery.end();
        unwanted.into_iter().for_each(|fd| self.deregister(fd));
        Ok(collected)
    }

    /// Returns a wait of at most `timeout`. `descriptor` is that of this poller, or a duplicate.
    pub(super) fn linger(&mut self, descriptor: Arc<OwnedFd>, timeout: Duration) -> Linger {
        self.register_adopted();
        Linger::new(descriptor, timeout, std::mem::take(&mut self.lingered))
    }

    /// Queues the jobs of the descriptors that were ready in the wait. See [`Sources::collect`].
    pub(super) fn end_linger(
        &mut self,
        linger: Linger,
        lanes: &mut Lanes<J>,
    ) -> io::Result<Collected> {
        let Some(mut events) = linger.into_events() else {
            return self.collect(lanes);
        };
        let mut delivery = Delivery::new(&mut self.sources, lanes);
        events.drain().for_each(|event| delivery.deliver(event));
        let (collected, unwanted) = delivery.end();
        self.lingered = events;
        unwanted.into_iter().for_each(|fd| self.deregister(fd));
        Ok(collected)
    }

    /// Removes and returns all jobs; no descriptor is watched any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = J> {
        std::mem::take(&mut self.sources)
            .into_values()
            .flat_map(|source| source.waiters)
            .flatten()
            .map(|waiter| waiter.job)
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &J> {
        self.sources
            .values()
            .flat_map(|source| &source.waiters)
            .flatten()
            .map(|waiter| &waiter.job)
    }

    /// Returns each watched direction of a descriptor and its job, in no order.
    pub(super) fn waiters(&self) -> impl Iterator<Item = (RawFd, Direction, &J)> {
        self.sources.iter().flat_map(|(&fd, source)| {
            let pairs = DIRECTIONS.into_iter().zip(&source.waiters);
            pairs
                .filter_map(move |(direction, waiter)| Some((fd, direction, &waiter.as_ref()?.job)))
        })
    }
}
