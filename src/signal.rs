//! Signals as futures and streams: of Qt's objects by [`once`] and [`stream`], of the system by [`ctrl_c`], [`terminate`] and [`unix`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use qtloop::{qt::Object, signal};
//!
//! let application = Object::application().expect("the main thread");
//! signal::once(&application, "aboutToQuit")?.await?;
//! # Ok(())
//! # }
//! ```

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use signal_hook::SigId;

use crate::io::Async;
use crate::qt::{Arguments, Ear, Object};

/// What was heard, and not fetched yet.
#[derive(Default)]
struct Heard {
    arguments: VecDeque<Arguments>,
    is_over: bool,
    waiting: Option<Waker>,
}

/// Every emission of a signal, in order, from the call of [`stream`] on; none is lost, so fetch them. It ends with the object.
pub struct Signals {
    heard: Rc<RefCell<Heard>>,
    _ear: Ear,
}

/// The emissions of an object's signal, as a `Stream`. The signal goes by its name or signature: `"clicked"`, `"clicked(bool)"`.
///
/// Those of another thread's objects are heard later, on this one. Needs no [`Loop`](crate::Loop).
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use futures_lite::StreamExt;
/// use qtloop::{qt::Object, signal};
///
/// let application = Object::application().expect("the main thread");
/// let mut names = signal::stream(&application, "objectNameChanged")?;
/// while let Some(arguments) = names.next().await {
///     println!("{:?}", arguments.get::<String>(0));
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `NotFound`: the object has no such signal. `NotConnected`: the object is gone.
pub fn stream(object: &Object, signal: &str) -> io::Result<Signals> {
    let gone = || io::Error::new(io::ErrorKind::NotConnected, Destroyed);
    let Some(index) = object.signal(signal) else {
        if !object.is_alive() {
            return Err(gone());
        }
        let (class, all) = (object.class_name(), object.signals().join(", "));
        let words = format!("{class} has no signal {signal:?}; it has {all}");
        return Err(io::Error::new(io::ErrorKind::NotFound, words));
    };
    let heard = Rc::new(RefCell::new(Heard::default()));
    let hears = Rc::clone(&heard);
    let ear = Ear::new(object, index, move |arguments| {
        let mut heard = hears.borrow_mut();
        match arguments {
            Some(arguments) => heard.arguments.push_back(arguments),
            None => heard.is_over = true,
        }
        let waiting = heard.waiting.take();
        drop(heard);
        if let Some(waker) = waiting {
            waker.wake();
        }
    });
    Ok(Signals {
        heard,
        _ear: ear.ok_or_else(gone)?,
    })
}

impl Stream for Signals {
    type Item = Arguments;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arguments>> {
        let mut heard = self.heard.borrow_mut();
        if let Some(arguments) = heard.arguments.pop_front() {
            return Poll::Ready(Some(arguments));
        }
        if heard.is_over {
            return Poll::Ready(None);
        }
        drop(heard);
        // To clone a waker and to drop one is foreign code.
        let waker = context.waker().clone();
        let before = self.heard.borrow_mut().waiting.replace(waker);
        drop(before);
        Poll::Pending
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = self.heard.borrow();
        formatter
            .debug_struct("Signals")
            .field("waiting", &heard.arguments.len())
            .field("is_over", &heard.is_over)
            .finish()
    }
}

/// The first emission of a signal from this call on, as a future; see [`stream`].
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use qtloop::{qt::Object, signal};
///
/// let application = Object::application().expect("the main thread");
/// let arguments = signal::once(&application, "objectNameChanged(QString)")?.await?;
/// println!("{:?}", arguments.get::<String>(0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As `stream`. The future's is [`Destroyed`]: the object has gone before.
pub fn once(object: &Object, signal: &str) -> io::Result<Once> {
    stream(object, signal).map(Once)
}

/// See [`once`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Once(Signals);

impl Future for Once {
    type Output = Result<Arguments, Destroyed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll_next(context)
            .map(|arguments| arguments.ok_or(Destroyed))
    }
}

/// The object is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destroyed;

plain_error!(Destroyed, NotConnected, "the object was destroyed");

/// Each time that a signal of the system has come, from the call of [`unix`] on. Several that come at once may count as one.
#[derive(Debug)]
pub struct UnixSignals {
    bell: Async<UnixStream>,
    id: SigId,
}

/// A signal of the system, by its number, as a `Stream`. From here on it has no other effect, also when the stream is dropped: the
/// process is not ended by it any more.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use futures_lite::StreamExt;
///
/// let mut hangups = qtloop::signal::unix(1)?; // SIGHUP
/// while hangups.next().await.is_some() {
///     println!("the settings are read again");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Some signals cannot be caught; or the operating system has no descriptor left.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn unix(number: i32) -> io::Result<UnixSignals> {
    if signal_hook::consts::FORBIDDEN.contains(&number) {
        let words = format!("signal {number} cannot be caught, or not in a safe way");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
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

/// The next Ctrl-C (`SIGINT`). From the first poll on, and for good, it does not end the process by itself.
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
/// As [`unix`].
///
/// # Panics
/// As [`unix`].
pub async fn ctrl_c() -> io::Result<()> {
    next(unix(signal_hook::consts::SIGINT)?).await
}

/// The next request to end (`SIGTERM`), by a session manager or a supervisor. As [`ctrl_c`].
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
/// As [`unix`].
///
/// # Panics
/// As [`unix`].
pub async fn terminate() -> io::Result<()> {
    next(unix(signal_hook::consts::SIGTERM)?).await
}

async fn next(mut signals: UnixSignals) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut signals).poll_next(context)).await;
    Ok(())
}
