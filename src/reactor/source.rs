//! Who waits for which descriptor, over mio's poller, with the level-triggered promise of `add_reader`.
//!
//! mio reports edges: each change once. asyncio promises levels: a reader is called again as long as there is something
//! to read. So a waiter is taken out of service when its job is handed out and put back by [`Sources::rearm`], after
//! the job has run; registering anew makes the kernel look again. That costs one system call per readiness event, and
//! it buys that a job which waits in the queue, or is inside a modal dialog, is not called a second time.

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

const SIDES: [Side; 2] = [Side::Read, Side::Write];

impl Side {
    fn interest(self) -> Interest {
        match self {
            Side::Read => Interest::READABLE,
            Side::Write => Interest::WRITABLE,
        }
    }

    fn is_ready(self, event: &Event) -> bool {
        event.is_error()
            || match self {
                Side::Read => event.is_readable() || event.is_read_closed(),
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
    /// False from the moment the job is handed out until `rearm`.
    armed: bool,
}

/// A descriptor's slot. Its number is the descriptor's; its generation tells the owners of that number apart.
#[derive(Debug)]
struct Source<J> {
    generation: u32,
    registered: bool,
    waiters: [Option<Waiter<J>>; 2],
}

impl<J> Source<J> {
    fn interest(&self) -> Option<Interest> {
        let wanted = SIDES
            .into_iter()
            .filter(|&side| self.waiters[side as usize].is_some());
        wanted.map(Side::interest).reduce(|one, other| one | other)
    }

    /// Tells the kernel what is wanted now. It forgets a descriptor that was closed, and may remember one whose
    /// number was given back, so a registration that is not as expected is made anew.
    fn apply(&mut self, registry: &Registry, fd: RawFd) -> io::Result<()> {
        let Some(interest) = self.interest() else {
            if self.registered {
                self.registered = false;
                self.generation = self.generation.wrapping_add(1);
                // The descriptor may be closed already, and then the kernel has forgotten it.
                let _ = registry.deregister(&mut SourceFd(&fd));
            }
            return Ok(());
        };
        if self.registered {
            match registry.reregister(&mut SourceFd(&fd), token(fd, self.generation), interest) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.generation = self.generation.wrapping_add(1);
                }
                other => return other,
            }
        }
        let token = token(fd, self.generation);
        match registry.register(&mut SourceFd(&fd), token, interest) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                registry.reregister(&mut SourceFd(&fd), token, interest)?;
            }
            other => other?,
        }
        self.registered = true;
        Ok(())
    }
}

// A descriptor has 31 bits and a generation 32: both fit, and no pair is one of the two reserved tokens, whose
// upper half would be a descriptor with the sign bit set.
fn token(fd: RawFd, generation: u32) -> Token {
    Token((fd.unsigned_abs() as usize) << 32 | generation as usize)
}

#[allow(clippy::cast_possible_truncation)]
fn slot(token: Token) -> (usize, u32) {
    (token.0 >> 32, token.0 as u32)
}

/// The descriptors of one loop.
#[derive(Debug)]
pub(super) struct Sources<J> {
    poll: Poll,
    events: Events,
    slots: Vec<Source<J>>,
}

impl<J: Recur> Sources<J> {
    pub(super) fn new() -> io::Result<Sources<J>> {
        Ok(Sources {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            slots: Vec::new(),
        })
    }

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// The descriptor that is readable while an event waits to be collected.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.registry().as_fd()
    }

    /// Replaces the waiter of one side of `fd` and returns it.
    pub(super) fn watch(&mut self, fd: RawFd, side: Side, job: J) -> io::Result<Option<J>> {
        let index = usize::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc_ebadf()))?;
        while self.slots.len() <= index {
            self.slots.push(Source {
                generation: 0,
                registered: false,
                waiters: [None, None],
            });
        }
        let source = &mut self.slots[index];
        let waiter = Waiter { job, armed: true };
        let replaced = source.waiters[side as usize].replace(waiter);
        match source.apply(self.poll.registry(), fd) {
            Ok(()) => Ok(replaced.map(|waiter| waiter.job)),
            Err(error) => {
                source.waiters[side as usize] = replaced;
                Err(error)
            }
        }
    }

    /// Removes the waiter of one side of `fd` and returns it. `fd` may be closed.
    pub(super) fn unwatch(&mut self, fd: RawFd, side: Side) -> Option<J> {
        let source = self.slots.get_mut(usize::try_from(fd).ok()?)?;
        let waiter = source.waiters[side as usize].take()?;
        // What is left of a closed descriptor cannot be registered, and needs not be.
        let _ = source.apply(self.poll.registry(), fd);
        Some(waiter.job)
    }

    /// Whether one side of `fd` has a waiter.
    pub(super) fn is_watched(&self, fd: RawFd, side: Side) -> bool {
        let source = usize::try_from(fd)
            .ok()
            .and_then(|index| self.slots.get(index));
        source.is_some_and(|source| source.waiters[side as usize].is_some())
    }

    /// Puts the waiter back into service if it is the one for which `is_mine` says so.
    pub(super) fn rearm(&mut self, fd: RawFd, side: Side, is_mine: impl FnOnce(&J) -> bool) {
        let Some(source) = usize::try_from(fd)
            .ok()
            .and_then(|index| self.slots.get_mut(index))
        else {
            return;
        };
        let Some(waiter) = source.waiters[side as usize].as_mut() else {
            return;
        };
        if !waiter.armed && is_mine(&waiter.job) {
            waiter.armed = true;
            // A descriptor that its owner closed stays silent, as it does in asyncio.
            let _ = source.apply(self.poll.registry(), fd);
        }
    }

    /// Moves the jobs of ready descriptors to the end of `ready`. Returns whether the waker was rung.
    pub(super) fn collect(&mut self, ready: &mut impl Extend<J>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            other => other?,
        }
        let mut rung = false;
        for event in &self.events {
            match event.token() {
                WAKER => rung = true,
                ALARM => {}
                token => {
                    let (index, generation) = slot(token);
                    let Some(source) = self.slots.get_mut(index) else {
                        continue;
                    };
                    if source.generation != generation {
                        continue;
                    }
                    for side in SIDES {
                        let Some(waiter) = source.waiters[side as usize].as_mut() else {
                            continue;
                        };
                        if waiter.armed && side.is_ready(event) {
                            waiter.armed = false;
                            ready.extend(Some(waiter.job.again()));
                        }
                    }
                }
            }
        }
        Ok(rung)
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &J> {
        self.slots
            .iter()
            .flat_map(|source| &source.waiters)
            .flatten()
            .map(|waiter| &waiter.job)
    }
}

fn libc_ebadf() -> i32 {
    rustix::io::Errno::BADF.raw_os_error()
}
