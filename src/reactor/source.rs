//! Who waits for which descriptor, over mio's poller, with the level-triggered promise of `add_reader`.
//!
//! mio reports edges: each change once. asyncio promises levels: a reader is called again as long as there is something
//! to read. So a waiter is taken out of service when its job is handed out and put back by [`Sources::rearm`], after
//! the job has run; registering anew makes the kernel look again. That costs one system call per readiness event, and
//! it buys that a job which waits in the queue, or is inside a modal dialog, is not called a second time.
//!
//! Our own transports read until there is no more, and save that call by waiting for [`Trigger::Edge`]: what happens to
//! the descriptor while their job is out of service is remembered, and the job is due again at once.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use super::Recur;

/// What a waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Something to read, end of file, or an error.
    Read,
    /// Room to write, or an error.
    Write,
}

/// When a waiter whose job has run is due again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// As long as the descriptor is ready.
    Level,
    /// Never. The descriptor stays with the poller, where the next waiter of this kind finds it; that saves the calls that
    /// add and remove it.
    Once,
    /// When something has happened to the descriptor since the job was handed out last. For a job that goes on until the
    /// system says that there is no more.
    Edge,
}

const SIDES: [Side; 2] = [Side::Read, Side::Write];

impl Side {
    fn interest(self, trigger: Trigger) -> Interest {
        match (self, trigger) {
            (Side::Read, Trigger::Level | Trigger::Once) => Interest::READABLE,
            // A read ends before urgent data, and nothing else tells of what is behind them.
            (Side::Read, Trigger::Edge) => Interest::READABLE | Interest::PRIORITY,
            (Side::Write, _) => Interest::WRITABLE,
        }
    }

    fn is_ready(self, event: &Event) -> bool {
        event.is_error()
            || match self {
                Side::Read => event.is_readable() || event.is_read_closed() || event.is_priority(),
                Side::Write => event.is_writable() || event.is_write_closed(),
            }
    }
}

/// The waker's and the alarm's events only end the sleep; they have no job.
pub(super) const WAKER: Token = Token(usize::MAX);
pub(super) const ALARM: Token = Token(usize::MAX - 1);

#[derive(Debug)]
struct Waiter<J> {
    job: J,
    trigger: Trigger,
    /// False from the moment the job is handed out until `rearm`.
    armed: bool,
    /// There was an event meanwhile.
    missed: bool,
}

/// A descriptor that is watched. Its generation tells the owners of one number apart.
#[derive(Debug)]
struct Source<J> {
    generation: u32,
    /// The kernel knows it. It forgets a descriptor that is closed.
    registered: bool,
    /// The other end has gone, there was an error, or there are urgent data: where a read ends is not the end.
    hung_up: bool,
    waiters: [Option<Waiter<J>>; 2],
}

impl<J> Source<J> {
    fn interest(&self) -> Option<Interest> {
        SIDES
            .into_iter()
            .filter_map(|side| {
                let waiter = self.waiters[side as usize].as_ref()?;
                Some(side.interest(waiter.trigger))
            })
            .reduce(|one, other| one | other)
    }

    /// Has a poller that does not know it look after it; one that cannot leaves it silent.
    fn register(&mut self, registry: &Registry, fd: RawFd) {
        let Some(interest) = self.interest() else {
            return;
        };
        let token = token(fd, self.generation);
        self.registered = match registry.register(&mut SourceFd(&fd), token, interest) {
            Ok(()) => true,
            // Somebody has begun to wait meanwhile.
            Err(error) => error.kind() == io::ErrorKind::AlreadyExists,
        };
    }

    /// Has the kernel look again, at the same file. A file that is gone stays silent, as it does in asyncio: the number
    /// may be somebody else's by now.
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

// A descriptor has 31 bits and a generation 32: both fit, and no pair is one of the two reserved tokens, whose
// upper half would be a descriptor with the sign bit set.
fn token(fd: RawFd, generation: u32) -> Token {
    Token((fd.unsigned_abs() as usize) << 32 | generation as usize)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn parts(token: Token) -> (RawFd, u32) {
    ((token.0 >> 32) as RawFd, token.0 as u32)
}

/// What a poll has found, apart from jobs.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// The waker was rung.
    pub(super) rung: bool,
    /// A descriptor was ready.
    pub(super) active: bool,
}

/// The poller of a loop, for other threads to take a descriptor out of before they close it: it knows files, not descriptors, and a file
/// lives on if it has another one. What the reactor knows of it stays: whoever did this has it [unwatch](super::Reactor::unwatch) and
/// [restore](super::Reactor::restore).
#[derive(Debug)]
pub struct Poller(Registry);

impl Poller {
    /// The poller forgets a descriptor; it may not know it.
    pub fn forget(&self, fd: RawFd) {
        let _ = self.0.deregister(&mut SourceFd(&fd));
    }
}

/// The descriptors of one loop.
#[derive(Debug)]
pub(super) struct Sources<J> {
    poll: Poll,
    events: Events,
    sources: HashMap<RawFd, Source<J>>,
    next_generation: u32,
    is_adopted: bool,
}

impl<J: Recur> Sources<J> {
    pub(super) fn new() -> io::Result<Sources<J>> {
        Ok(Sources {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            sources: HashMap::new(),
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

    /// Takes the waiters of another poller over. They are registered with the next collecting: until then, what is ready
    /// wakes nobody.
    pub(super) fn adopt(&mut self, other: &mut Sources<J>) {
        self.next_generation = other.next_generation;
        self.sources = std::mem::take(&mut other.sources);
        self.is_adopted = true;
    }

    fn register_adopted(&mut self) {
        for (&fd, source) in &mut self.sources {
            source.register(self.poll.registry(), fd);
        }
    }

    /// The descriptor that is readable while an event waits to be collected.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    /// Sets the waiter of one side of `fd`, and returns those it replaces: the one that was there, and one of the other
    /// side if it waited for a file that has gone and whose number this one has got.
    pub(super) fn watch(
        &mut self,
        fd: RawFd,
        side: Side,
        trigger: Trigger,
        job: J,
    ) -> io::Result<[Option<J>; 2]> {
        let registry = self.poll.registry();
        let interest = side.interest(trigger);
        let known = self.sources.get_mut(&fd);
        if let Some(source) = known.filter(|source| source.registered) {
            if source.interest().is_none() {
                source.hung_up = false; // of a waiter of before
            }
            let other = source.waiters[1 - side as usize].as_ref();
            let both = other.map_or(interest, |other| {
                interest | SIDES[1 - side as usize].interest(other.trigger)
            });
            match registry.reregister(&mut SourceFd(&fd), token(fd, source.generation), both) {
                Ok(()) => return Ok([self.replace(fd, side, trigger, job), None]),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let token = token(fd, generation);
        match registry.register(&mut SourceFd(&fd), token, interest) {
            // Closed, and the same file given the same number again.
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
        self.replace(fd, side, trigger, job);
        Ok(gone
            .unwrap_or_default()
            .map(|waiter| waiter.map(|waiter| waiter.job)))
    }

    fn replace(&mut self, fd: RawFd, side: Side, trigger: Trigger, job: J) -> Option<J> {
        let waiter = &mut self.sources.get_mut(&fd)?.waiters[side as usize];
        let fresh = Waiter {
            job,
            trigger,
            armed: true,
            missed: false,
        };
        waiter.replace(fresh).map(|waiter| waiter.job)
    }

    /// Removes the waiter of one side of `fd`, if `is_mine` knows it, and returns it. `fd` may be closed.
    pub(super) fn unwatch(
        &mut self,
        fd: RawFd,
        side: Side,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        let source = self.sources.get_mut(&fd)?;
        let waiter = source.waiters[side as usize].take_if(|waiter| is_mine(&waiter.job))?;
        if source.interest().is_some() {
            source.renew(self.poll.registry(), fd);
        } else {
            self.forget(fd);
        }
        Some(waiter.job)
    }

    /// A [`Poller`] has forgotten `fd`, and its waiters have left: who still waits for it is registered again.
    pub(super) fn restore(&mut self, fd: RawFd) {
        if let Some(source) = self.sources.get_mut(&fd) {
            source.register(self.poll.registry(), fd);
        }
    }

    fn forget(&mut self, fd: RawFd) {
        if self
            .sources
            .remove(&fd)
            .is_some_and(|source| source.registered)
        {
            // The descriptor may be closed already, and then the kernel has forgotten it.
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Whether one side of `fd` has a waiter.
    pub(super) fn is_watched(&self, fd: RawFd, side: Side) -> bool {
        self.sources
            .get(&fd)
            .is_some_and(|source| source.waiters[side as usize].is_some())
    }

    /// Whether the other end of `fd` has gone, there was an error or there were urgent data, since it is watched.
    pub(super) fn is_hung_up(&self, fd: RawFd) -> bool {
        self.sources.get(&fd).is_some_and(|source| source.hung_up)
    }

    /// Puts the waiter back into service if it is the one for which `is_mine` says so. Returns its job if it is due
    /// already.
    pub(super) fn rearm(
        &mut self,
        fd: RawFd,
        side: Side,
        is_mine: impl FnOnce(&J) -> bool,
    ) -> Option<J> {
        let source = self.sources.get_mut(&fd)?;
        let waiter = source.waiters[side as usize].as_mut()?;
        if waiter.armed || !is_mine(&waiter.job) {
            return None;
        }
        if std::mem::take(&mut waiter.missed) {
            return Some(waiter.job.again());
        }
        waiter.armed = true;
        if waiter.trigger == Trigger::Level {
            source.renew(self.poll.registry(), fd);
        }
        None
    }

    /// Moves the jobs of ready descriptors to the end of `ready`.
    pub(super) fn collect(&mut self, ready: &mut impl Extend<J>) -> io::Result<Collected> {
        if std::mem::take(&mut self.is_adopted) {
            self.register_adopted();
        }
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Collected::default());
            }
            other => other?,
        }
        let mut collected = Collected::default();
        let mut unwanted = Vec::new();
        for event in &self.events {
            match event.token() {
                WAKER => collected.rung = true,
                ALARM => {}
                token => {
                    let (fd, generation) = parts(token);
                    let source = self.sources.get_mut(&fd);
                    let Some(source) = source.filter(|source| source.generation == generation)
                    else {
                        continue;
                    };
                    if source.interest().is_none() {
                        unwanted.push(fd);
                        continue;
                    }
                    collected.active = true;
                    source.hung_up |=
                        event.is_read_closed() || event.is_error() || event.is_priority();
                    for side in SIDES {
                        let place = &mut source.waiters[side as usize];
                        let Some(waiter) = place.as_mut().filter(|_| side.is_ready(event)) else {
                            continue;
                        };
                        if waiter.trigger == Trigger::Once {
                            ready.extend(place.take().map(|waiter| waiter.job));
                        } else if waiter.armed {
                            waiter.armed = false;
                            ready.extend(Some(waiter.job.again()));
                        } else {
                            waiter.missed = waiter.trigger == Trigger::Edge;
                        }
                    }
                }
            }
        }
        for fd in unwanted {
            self.forget(fd);
        }
        Ok(collected)
    }

    /// All jobs, taken out; nothing is watched any more.
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
}
