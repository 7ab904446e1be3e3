//! The events of the poller, from either of the two system calls that take them.

use mio::Token;
use mio::event::Event;
use rustix::event::epoll::{self, EventFlags};

/// One event of the poller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readiness {
    pub(super) token: Token,
    /// By `Direction`.
    pub(super) is_ready: [bool; 2],
    /// There was a hang-up, an error or urgent data.
    pub(super) hung_up: bool,
}

impl From<&Event> for Readiness {
    fn from(event: &Event) -> Readiness {
        let hung_up = event.is_read_closed() || event.is_error() || event.is_priority();
        Readiness {
            token: event.token(),
            is_ready: [
                event.is_readable() || hung_up,
                event.is_writable() || event.is_write_closed() || event.is_error(),
            ],
            hung_up,
        }
    }
}

impl From<&epoll::Event> for Readiness {
    /// Follows mio, whose poller registers the descriptors.
    fn from(event: &epoll::Event) -> Readiness {
        let flags = event.flags;
        let failed = EventFlags::ERR | EventFlags::HUP;
        let end_of_file = EventFlags::IN | EventFlags::RDHUP;
        Readiness {
            token: Token(usize::try_from(event.data.u64()).unwrap_or(usize::MAX)),
            is_ready: [
                flags.intersects(EventFlags::IN | EventFlags::PRI | failed),
                flags.intersects(EventFlags::OUT | failed),
            ],
            hung_up: flags.contains(end_of_file) || flags.intersects(EventFlags::PRI | failed),
        }
    }
}
