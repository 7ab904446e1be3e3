//! The emissions of an object's signal, as a stream or a future.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;

use crate::qt::{Arguments, Destroyed, FromArguments, Object, SignalConnection};
use crate::task::take_budget_of_cheap;

/// Which emissions wait until they are fetched.
#[derive(Clone, Copy)]
enum Buffering {
    /// The oldest; newer ones are dropped without a count.
    First,
    All,
    /// At most this number; older ones are dropped and counted.
    Newest(usize),
}

/// The emissions that wait, shared by the stream and the connection's closure.
struct Queue {
    emissions: VecDeque<Arguments>,
    keep: Buffering,
    lagged: u64,
    is_over: bool,
    waiting: Option<Waker>,
}

impl Queue {
    /// Adds an emission. Returns the one to drop, if the queue is full: its destructor is user
    /// code, which must not find the queue borrowed.
    fn push(&mut self, arguments: Arguments) -> Option<Arguments> {
        match self.keep {
            Buffering::First if !self.emissions.is_empty() => return Some(arguments),
            Buffering::Newest(capacity) if self.emissions.len() >= capacity => {
                self.lagged += 1;
                let oldest = self.emissions.pop_front();
                self.emissions.push_back(arguments);
                return oldest;
            }
            _ => self.emissions.push_back(arguments),
        }
        None
    }
}

/// A stream of the emissions of a signal, from the call of [`stream`] or [`latest`] on. It ends
/// when the object is destroyed, after the emissions that came before.
///
/// It takes part in the budget of its task: a task that answers each emission with another one
/// yields to timers, sockets and windows. Dropping it disconnects from the signal.
pub struct Signals<T = Arguments> {
    queue: Rc<RefCell<Queue>>,
    connection: SignalConnection,
    reads: PhantomData<fn() -> T>,
}

/// Connects to a signal, and returns a stream of all its emissions, in order.
///
/// The signal is named by its name or its signature: `"clicked"`, `"clicked(bool)"`. The stream is
/// lossless: emissions wait without a limit until they are fetched. [`Signals::bounded`] sets a
/// limit, and [`latest`] keeps the newest one only.
///
/// An emission on another thread is delivered on this one when Qt next processes the events of this
/// thread; its arguments are copied on the emitting thread. No [`Loop`](crate::Loop) is needed.
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
/// `NotFound`: the object has no such signal; the message lists its signals, the nearest name
/// first. `NotConnected`: the object was destroyed.
pub fn stream(object: &Object, signal: &str) -> io::Result<Signals> {
    connect(object, signal, Buffering::All)
}

/// Connects to a signal, and returns a stream that keeps only the newest emission: for values that
/// replace each other, such as those of a slider or a progress bar. As [`stream`] otherwise.
///
/// [`Signals::lagged`] counts the dropped emissions.
///
/// ```no_run
/// # async fn example(slider: qtloop::qt::Object) -> std::io::Result<()> {
/// use futures_lite::StreamExt;
/// use qtloop::signal;
///
/// let mut values = signal::latest(&slider, "valueChanged")?.typed::<(i32,)>()?;
/// while let Some((value,)) = values.next().await {
///     // Takes its time. The next value is the newest one.
///     println!("{value}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`stream`].
pub fn latest(object: &Object, signal: &str) -> io::Result<Signals> {
    connect(object, signal, Buffering::Newest(1))
}

/// Connects to a signal, and returns a future of its first emission from this call on.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use qtloop::{qt::Object, signal};
///
/// let application = Object::application().expect("the main thread");
/// let renamed = signal::once(&application, "objectNameChanged(QString)")?;
/// let (name,) = renamed.typed::<(String,)>()?.await?;
/// println!("{name}");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`stream`]. The error of the future is [`Destroyed`]: the object was destroyed without an
/// emission.
pub fn once(object: &Object, signal: &str) -> io::Result<Once> {
    connect(object, signal, Buffering::First).map(Once)
}

fn connect(object: &Object, signal: &str, keep: Buffering) -> io::Result<Signals> {
    let index = object
        .signal(signal)
        .ok_or_else(|| object.no_such("signal", signal, object.signals()))?;
    let queue = Rc::new(RefCell::new(Queue {
        emissions: VecDeque::new(),
        keep,
        lagged: 0,
        is_over: false,
        waiting: None,
    }));
    let fills = Rc::clone(&queue);
    let connection = SignalConnection::new(object, index, move |arguments| {
        let mut queue = fills.borrow_mut();
        let dropped = match arguments {
            Some(arguments) => queue.push(arguments),
            None => {
                queue.is_over = true;
                None
            }
        };
        let waiting = queue.waiting.take();
        drop(queue);
        if let Some(waker) = waiting {
            waker.wake();
        }
        drop(dropped);
    });
    Ok(Signals {
        queue,
        connection: connection.ok_or(Destroyed)?,
        reads: PhantomData,
    })
}

impl<T: FromArguments> Signals<T> {
    /// Reads the arguments as a tuple of types, which are checked now.
    ///
    /// The tuple may be shorter than the list of parameters. Each type must be able to hold every
    /// value of its parameter: an `int` is read as `i32`, `i64` or `f64`. For other conversions,
    /// and for objects, which may be destroyed before they are fetched, use `Option<T>`:
    /// [`FromArgument`](crate::qt::FromArgument) has the table.
    ///
    /// ```no_run
    /// # fn example(tabs: qtloop::qt::Object) -> std::io::Result<()> {
    /// let moves = qtloop::signal::stream(&tabs, "tabMoved")?.typed::<(i32, i32)>()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput`: a parameter cannot be read as that type, or there are fewer parameters. The
    /// message names both types.
    pub fn typed<U: FromArguments>(self) -> io::Result<Signals<U>> {
        let types = self.connection.types();
        U::check(&types).map_err(|(index, mismatch)| {
            let (signal, count) = (self.connection.signal(), types.len());
            let message = match mismatch {
                Some(mismatch) => format!("argument {index} of {signal} is {mismatch}"),
                None => {
                    format!("{signal} has no argument {index}, counted from 0: there are {count}")
                }
            };
            io::Error::new(io::ErrorKind::InvalidInput, message)
        })?;
        Ok(Signals {
            queue: self.queue,
            connection: self.connection,
            reads: PhantomData,
        })
    }

    /// Limits the number of emissions that wait. One more drops the oldest, which [`lagged`]
    /// counts.
    ///
    /// # Panics
    /// The capacity is zero.
    ///
    /// [`lagged`]: Signals::lagged
    #[must_use]
    pub fn bounded(self, capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a stream of signals needs a capacity above zero"
        );
        let mut queue = self.queue.borrow_mut();
        queue.keep = Buffering::Newest(capacity);
        let excess = queue.emissions.len().saturating_sub(capacity);
        queue.lagged += excess as u64;
        let dropped = queue.emissions.drain(..excess).collect::<Vec<_>>();
        drop(queue);
        drop(dropped);
        self
    }

    /// Returns the number of emissions that were dropped for newer ones since the last call.
    pub fn lagged(&mut self) -> u64 {
        std::mem::take(&mut self.queue.borrow_mut().lagged)
    }

    /// Returns the oldest emission that waits, if there is one.
    pub fn try_next(&mut self) -> Option<T> {
        loop {
            let arguments = self.queue.borrow_mut().emissions.pop_front()?;
            // `typed` has checked the types, so every emission converts, and this loop runs once.
            if let Some(value) = T::read(arguments) {
                return Some(value);
            }
        }
    }

    /// Drops the emissions that wait. [`lagged`](Signals::lagged) does not count them.
    pub fn clear(&mut self) {
        let dropped = std::mem::take(&mut self.queue.borrow_mut().emissions);
        drop(dropped);
    }
}

impl<T> Signals<T> {
    /// Returns the number of emissions that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.borrow().emissions.len()
    }

    /// Returns whether no emission waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: FromArguments> Stream for Signals<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if !self.is_empty() {
            ready!(take_budget_of_cheap(context));
            if let Some(value) = self.try_next() {
                return Poll::Ready(Some(value));
            }
        }
        if self.queue.borrow().is_over {
            return Poll::Ready(None);
        }
        // To clone or drop a waker runs user code, which must not find the queue borrowed.
        let waker = context.waker().clone();
        let before = self.queue.borrow_mut().waiting.replace(waker);
        drop(before);
        Poll::Pending
    }
}

impl<T> fmt::Debug for Signals<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue.borrow();
        formatter
            .debug_struct("Signals")
            .field("len", &queue.emissions.len())
            .field("lagged", &queue.lagged)
            .field("is_over", &queue.is_over)
            .finish_non_exhaustive()
    }
}

/// A future of the first emission of a signal, made by [`once`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Once<T = Arguments>(Signals<T>);

impl<T: FromArguments> Once<T> {
    /// Reads the arguments as a tuple of types, which are checked now; see [`Signals::typed`].
    ///
    /// # Errors
    /// As [`Signals::typed`].
    pub fn typed<U: FromArguments>(self) -> io::Result<Once<U>> {
        self.0.typed().map(Once)
    }
}

impl<T: FromArguments> Future for Once<T> {
    type Output = Result<T, Destroyed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll_next(context)
            .map(|arguments| arguments.ok_or(Destroyed))
    }
}
