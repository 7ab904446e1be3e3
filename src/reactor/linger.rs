//! A wait for events while the reactor is not borrowed, so that other threads may use it.
//!
//! mio waits whole milliseconds only. [`Linger::wait`] calls `epoll_pwait2()` on mio's epoll set,
//! which also takes the events: the wait and the poll are one system call.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::event::Readiness;
use super::source::EVENTS;

/// The system call has failed: Linux before 5.11 has no `epoll_pwait2()`, and some sandboxes and
/// valgrind refuse it.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// The events of one wait. It has no memory until the first one.
#[derive(Default)]
pub(super) struct Buffer(Vec<epoll::Event>);

impl Buffer {
    /// Removes and returns the events.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Readiness> {
        self.0.drain(..).map(|event| Readiness::from(&event))
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Buffer")
            .field(&self.0.len())
            .finish()
    }
}

/// A wait until a descriptor or another thread has an event, or a time has passed. Pass it back to
/// [`Reactor::end_linger`](super::Reactor::end_linger), or its events are lost.
#[derive(Debug)]
pub struct Linger {
    descriptor: Arc<OwnedFd>,
    timeout: Duration,
    buffer: Buffer,
    /// The events could not be taken, and are still in the epoll set.
    must_poll: bool,
}

impl Linger {
    /// `descriptor` is that of the poller, or a duplicate of it. `buffer` is empty.
    pub(super) fn new(descriptor: Arc<OwnedFd>, timeout: Duration, mut buffer: Buffer) -> Linger {
        buffer.0.reserve(EVENTS);
        Linger {
            descriptor,
            timeout,
            buffer,
            must_poll: false,
        }
    }

    /// Blocks until there is an event or the time has passed; a signal may end the wait early.
    pub fn wait(&mut self) {
        let timeout = Timespec {
            tv_sec: self.timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: self.timeout.subsec_nanos().into(),
        };
        if !IS_REFUSED.load(Ordering::Relaxed) {
            let events = spare_capacity(&mut self.buffer.0);
            match epoll::wait(&*self.descriptor, events, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => return,
                Err(_) => IS_REFUSED.store(true, Ordering::Relaxed),
            }
        }
        self.must_poll = true;
        // Ignore the result: the poll reports the events.
        let _ = poll(
            &mut [PollFd::new(&*self.descriptor, PollFlags::IN)],
            Some(&timeout),
        );
    }

    /// Returns the buffer with the events, or `None` if the poller must be asked for them.
    pub(super) fn into_events(self) -> Option<Buffer> {
        (!self.must_poll).then_some(self.buffer)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::Write;
    use std::net::Shutdown;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;

    use mio::unix::SourceFd;
    use mio::{Events, Interest, Token};

    use super::*;
    use crate::reactor::{Direction, Reactor};

    const LONG: Duration = Duration::from_secs(60);

    /// Lingers, and returns the jobs that the wait has brought.
    fn linger(
        reactor: &mut Reactor<&'static str>,
        timeout: Duration,
        wait: impl FnOnce(&mut Linger),
    ) -> Vec<&'static str> {
        let descriptor = reactor.descriptor().try_clone_to_owned();
        let descriptor = Arc::new(descriptor.expect("a descriptor"));
        let mut linger = reactor.linger(descriptor, timeout);
        wait(&mut linger);
        reactor.end_linger(linger).expect("a poller");
        std::iter::from_fn(|| reactor.pop()).collect()
    }

    #[test]
    fn an_event_and_a_job_of_another_thread_end_the_wait() {
        let mut reactor = Reactor::new(true).expect("three descriptors");
        let (near, mut far) = UnixStream::pair().expect("a socket pair");
        reactor
            .watch(near.as_raw_fd(), Direction::Read, "io")
            .expect("watch");
        far.write_all(b"x").expect("write");
        assert_eq!(linger(&mut reactor, LONG, Linger::wait), ["io"]);
        assert!(reactor.take_active());
        reactor.remote().send("remote").expect("the loop lives");
        assert_eq!(linger(&mut reactor, LONG, Linger::wait), ["remote"]);
    }

    #[test]
    fn a_wait_without_an_event_brings_nothing() {
        let mut reactor = Reactor::<&str>::new(true).expect("three descriptors");
        let timeout = Duration::from_micros(100);
        assert!(linger(&mut reactor, timeout, Linger::wait).is_empty());
        assert!(!reactor.take_active());
    }

    #[test]
    fn events_that_the_wait_could_not_take_are_polled() {
        let mut reactor = Reactor::new(true).expect("three descriptors");
        reactor.remote().send("remote").expect("the loop lives");
        let refused = |linger: &mut Linger| linger.must_poll = true;
        assert_eq!(linger(&mut reactor, LONG, refused), ["remote"]);
    }

    #[test]
    fn an_event_means_the_same_by_both_system_calls() {
        let mut poller = mio::Poll::new().expect("a poller");
        let (near, mut far) = UnixStream::pair().expect("a socket pair");
        let fd = near.as_raw_fd();
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = poller.registry();
        registry
            .register(&mut SourceFd(&fd), Token(7), both)
            .expect("register");
        let check = |poller: &mut mio::Poll| {
            let mut events = Events::with_capacity(EVENTS);
            poller.poll(&mut events, Some(LONG)).expect("poll");
            let expected: Vec<Readiness> = events.iter().map(Readiness::from).collect();
            let registry = poller.registry();
            registry
                .reregister(&mut SourceFd(&fd), Token(7), both)
                .expect("the kernel checks it again");
            let descriptor = registry.as_fd().try_clone_to_owned();
            let descriptor = Arc::new(descriptor.expect("a descriptor"));
            let mut linger = Linger::new(descriptor, LONG, Buffer::default());
            linger.wait();
            // `None`: this system has only one of the two.
            if let Some(mut events) = linger.into_events() {
                assert_eq!(events.drain().collect::<Vec<_>>(), expected);
            }
            registry
                .reregister(&mut SourceFd(&fd), Token(7), both)
                .expect("the kernel checks it again");
            expected
        };
        assert_eq!(check(&mut poller)[0].is_ready, [false, true]);
        far.write_all(b"x").expect("write");
        assert_eq!(check(&mut poller)[0].is_ready, [true, true]);
        far.shutdown(Shutdown::Write).expect("shutdown");
        assert!(check(&mut poller)[0].hung_up);
        drop(far);
        assert!(check(&mut poller)[0].hung_up);
    }
}
