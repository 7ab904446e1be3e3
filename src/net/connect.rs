//! TCP connections to one of several addresses: "Happy Eyeballs" (RFC 8305).

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::address::{ToSocketAddrs, resolve};
use crate::io::Async;
use crate::task::{LoopShared, expect_current};
use crate::time::{Sleep, sleep};

/// The *connection attempt delay* of RFC 8305, section 8.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Makes a TCP socket for the family of an address.
pub(super) fn socket_for(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(
        family,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// Connects to the address that answers first. Each next attempt begins when the one before has
/// failed, or after [`ATTEMPT_DELAY`]. Drops, and so closes, the sockets of all other attempts.
pub(super) async fn connect(addresses: impl ToSocketAddrs) -> io::Result<Async<TcpStream>> {
    let shared = Arc::clone(expect_current("TcpStream::connect()").shared());
    let delay = sleep(ATTEMPT_DELAY);
    let mut race = Attempts {
        addresses: interleave(resolve(addresses).await?),
        attempts: Vec::new(),
        failed: None,
        delay,
        shared,
    };
    poll_fn(|context| race.poll(context)).await
}

/// Orders addresses so that the families alternate, beginning with that of the first (RFC 8305,
/// section 4). The order within a family stays the system's, of RFC 6724.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let is_first_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == is_first_ipv4);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(|| {
        let next = one.next().or_else(|| other.next());
        std::mem::swap(&mut one, &mut other);
        next
    })
    .collect()
}

/// The attempts of one `connect`.
struct Attempts {
    /// The addresses without an attempt so far.
    addresses: VecDeque<SocketAddr>,
    attempts: Vec<Async<TcpStream>>,
    /// The latest error.
    failed: Option<io::Error>,
    /// Completes when the next attempt begins, however the others fare.
    delay: Sleep,
    shared: Arc<LoopShared>,
}

impl Attempts {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Async<TcpStream>>> {
        let mut has_failed = false;
        loop {
            let mut index = 0;
            while index < self.attempts.len() {
                match poll_attempt(&self.attempts[index], context) {
                    Poll::Pending => index += 1,
                    Poll::Ready(Ok(())) => {
                        return Poll::Ready(Ok(self.attempts.swap_remove(index)));
                    }
                    Poll::Ready(Err(error)) => {
                        self.failed = Some(error);
                        drop(self.attempts.swap_remove(index));
                        has_failed = true;
                    }
                }
            }
            if self.addresses.is_empty() {
                return match self.failed.take_if(|_| self.attempts.is_empty()) {
                    Some(error) => Poll::Ready(Err(error)),
                    None => Poll::Pending,
                };
            }
            if !has_failed && !self.attempts.is_empty() {
                ready!(Pin::new(&mut self.delay).poll(context));
            }
            if let Some(address) = self.addresses.pop_front() {
                match start(address) {
                    Ok(socket) => {
                        self.attempts.push(Async::watched_by(&self.shared, socket));
                        has_failed = false;
                    }
                    Err(error) => {
                        self.failed = Some(error);
                        has_failed = true;
                    }
                }
                if !self.addresses.is_empty() {
                    self.delay.reset(Instant::now() + ATTEMPT_DELAY);
                }
            }
        }
    }
}

fn start(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket_for(address)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

fn poll_attempt(attempt: &Async<TcpStream>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
    ready!(attempt.poll_writable(context))?;
    Poll::Ready(match attempt.get_ref().take_error()? {
        Some(error) => Err(error),
        None => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_keep_their_order() {
        let parsed = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(parsed);
        let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(parsed);
        assert_eq!(Vec::from(interleave(given.to_vec())), expected);
        let given = ["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"].map(parsed);
        let expected = ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"].map(parsed);
        assert_eq!(Vec::from(interleave(given.to_vec())), expected);
        assert!(interleave(Vec::new()).is_empty());
    }
}
