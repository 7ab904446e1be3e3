//! [`Timeout`]: a future with a limit.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::Sleep;
use super::clock::moment;
use crate::task::{has_budget, unbudgeted};

/// Awaits a future for this long at most. The future is dropped with the [`Timeout`] either way.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use std::time::Duration;
/// use qtloop::{net::TcpStream, time::timeout};
///
/// let connecting = TcpStream::connect("localhost:8000");
/// let stream = timeout(Duration::from_secs(3), connecting).await??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Elapsed`]: the time had passed before the future was ready.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop). The future's panics are those of [`Sleep`].
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: Sleep::after("timeout()", duration),
    }
}

/// Awaits a future until this moment at the latest; see [`timeout`].
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use std::time::{Duration, Instant};
/// use qtloop::{net::TcpStream, time::timeout_at};
///
/// // Three seconds for both.
/// let deadline = Instant::now() + Duration::from_secs(3);
/// let one = timeout_at(deadline, TcpStream::connect("localhost:8000")).await??;
/// let other = timeout_at(deadline, TcpStream::connect("localhost:8001")).await??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Elapsed`]: the moment had passed before the future was ready.
///
/// # Panics
/// As [`timeout`].
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: Sleep::until("timeout_at()", moment(deadline)),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = has_budget();
        // A result that is ready when the time is up counts.
        if let Poll::Ready(result) = this.future.poll(context) {
            return Poll::Ready(Ok(result));
        }
        let poll = || Pin::new(this.sleep).poll(context).map(|()| Err(Elapsed));
        // A future that spends the budget in each poll would otherwise never time out.
        if had_budget && !has_budget() {
            unbudgeted(poll)
        } else {
            poll()
        }
    }
}

/// The error of [`timeout`]: the time had passed before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed;

plain_error!(Elapsed, TimedOut, "the deadline has elapsed");
