//! Signals of the operating system.

use std::future::Future;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use signal_hook::SigId;
use signal_hook::consts::{
    FORBIDDEN, SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1,
    SIGUSR2, SIGWINCH,
};

use crate::io::Async;

/// A signal of the operating system, as in
/// [tokio](https://docs.rs/tokio/latest/tokio/signal/unix/struct.SignalKind.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

impl SignalKind {
    /// The signal with this number, which differs between systems.
    #[must_use]
    pub const fn from_raw(number: i32) -> SignalKind {
        SignalKind(number)
    }

    /// Returns the number of the signal.
    #[must_use]
    pub const fn as_raw_value(self) -> i32 {
        self.0
    }

    /// `SIGALRM`: a timer of `alarm()` or `setitimer()` has expired.
    #[must_use]
    pub const fn alarm() -> SignalKind {
        SignalKind(SIGALRM)
    }

    /// `SIGCHLD`: the state of a child process has changed.
    #[must_use]
    pub const fn child() -> SignalKind {
        SignalKind(SIGCHLD)
    }

    /// `SIGHUP`: the terminal was closed, or a daemon shall read its settings again.
    #[must_use]
    pub const fn hangup() -> SignalKind {
        SignalKind(SIGHUP)
    }

    /// `SIGINT`: Ctrl-C was typed.
    #[must_use]
    pub const fn interrupt() -> SignalKind {
        SignalKind(SIGINT)
    }

    /// `SIGIO`: input or output is possible on a file descriptor.
    #[must_use]
    pub const fn io() -> SignalKind {
        SignalKind(SIGIO)
    }

    /// `SIGPIPE`: a pipe without a reader was written to. Rust ignores it.
    #[must_use]
    pub const fn pipe() -> SignalKind {
        SignalKind(SIGPIPE)
    }

    /// `SIGQUIT`: Ctrl-\ was typed.
    #[must_use]
    pub const fn quit() -> SignalKind {
        SignalKind(SIGQUIT)
    }

    /// `SIGTERM`: the process shall end.
    #[must_use]
    pub const fn terminate() -> SignalKind {
        SignalKind(SIGTERM)
    }

    /// `SIGUSR1`: its meaning is the program's.
    #[must_use]
    pub const fn user_defined1() -> SignalKind {
        SignalKind(SIGUSR1)
    }

    /// `SIGUSR2`: its meaning is the program's.
    #[must_use]
    pub const fn user_defined2() -> SignalKind {
        SignalKind(SIGUSR2)
    }

    /// `SIGWINCH`: the size of the terminal has changed.
    #[must_use]
    pub const fn window_change() -> SignalKind {
        SignalKind(SIGWINCH)
    }
}

/// A stream with an item for each time that a signal was received, from the call of [`unix`] on.
/// Several at once may count as one.
#[derive(Debug)]
pub struct UnixSignals {
    bell: Async<UnixStream>,
    id: SigId,
}

/// Listens to a signal of the operating system. From this call on, and also after the stream was
/// dropped, the signal has no other effect: it does not end the process any more.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use futures_lite::StreamExt;
/// use qtloop::signal::{SignalKind, unix};
///
/// let mut hangups = unix(SignalKind::hangup())?;
/// while hangups.next().await.is_some() {
///     println!("the settings are read again");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `InvalidInput`: the signal does not exist, or cannot be caught safely (`SIGKILL`, `SIGSTOP`,
/// `SIGILL`, `SIGFPE`, `SIGSEGV`). Other errors: the process has no file descriptors left.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn unix(kind: SignalKind) -> io::Result<UnixSignals> {
    let number = kind.as_raw_value();
    if FORBIDDEN.contains(&number) {
        let message = format!("signal {number} cannot be caught, or not safely");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let (bell, rope) = UnixStream::pair()?;
    Ok(UnixSignals {
        bell: Async::of("signal::unix()", bell)?,
        id: signal_hook::low_level::pipe::register(number, rope)?,
    })
}

impl Stream for UnixSignals {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<()>> {
        let mut buffer = [0; 64];
        let read = self
            .bell
            .poll_read_with(context, |mut bell| bell.read(&mut buffer));
        read.map(|read| read.is_ok().then_some(()))
    }
}

impl Drop for UnixSignals {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.id);
    }
}

/// A future of the next signal of one kind, made by [`ctrl_c`] and [`terminate`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct NextSignal(io::Result<UnixSignals>);

/// Returns a future of the next Ctrl-C (`SIGINT`).
///
/// The call itself starts to listen, unlike tokio's `ctrl_c`, which starts at the first poll: a
/// Ctrl-C between the call and the first poll completes the future. From the call on, and also
/// after the future was dropped, Ctrl-C does not end the process by itself.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// qtloop::signal::ctrl_c().await?;
/// qtloop::quit(130);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`unix`], as the result of the future.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn ctrl_c() -> NextSignal {
    NextSignal(unix(SignalKind::interrupt()))
}

/// Returns a future of the next `SIGTERM`, by which session managers and supervisors end a process.
/// As [`ctrl_c`] otherwise.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use futures_lite::future::or;
/// use qtloop::signal::{ctrl_c, terminate};
///
/// or(ctrl_c(), terminate()).await?; // whichever comes first
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`unix`], as the result of the future.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn terminate() -> NextSignal {
    NextSignal(unix(SignalKind::terminate()))
}

impl Future for NextSignal {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Ok(signals) => {
                let next = ready!(Pin::new(signals).poll_next(context));
                Poll::Ready(next.ok_or_else(|| io::ErrorKind::BrokenPipe.into()))
            }
            Err(error) => {
                let lost = io::Error::other("the error was returned before");
                Poll::Ready(Err(std::mem::replace(error, lost)))
            }
        }
    }
}
