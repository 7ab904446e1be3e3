//! The value of an object's property, now and after each change.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;

use crate::qt::{Destroyed, FromArgument, Object, PropertyInfo, SignalConnection};
use crate::task::take_budget_of_cheap;

/// Shared by the stream and the connection's closure.
struct State {
    is_changed: bool,
    is_over: bool,
    waiting: Option<Waker>,
}

/// A stream of a property's value, made by [`property`].
pub struct Property<T> {
    object: Object,
    name: String,
    info: PropertyInfo,
    state: Rc<RefCell<State>>,
    _connection: SignalConnection,
    reads: PhantomData<fn() -> T>,
}

/// Returns a stream of a property's value: the current value first, then the value after each
/// change.
///
/// The stream listens to the property's NOTIFY signal, and reads the property when it is polled. So
/// it yields the newest value, and one item may stand for several changes. It ends when the object
/// is destroyed. A constant property is yielded once.
///
/// ```no_run
/// # async fn example(download: qtloop::qt::Object) -> std::io::Result<()> {
/// use futures_lite::StreamExt;
///
/// let mut running = qtloop::signal::property::<bool>(&download, "running")?;
/// while running.next().await == Some(true) {}
/// println!("not running any more, or destroyed");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `NotFound`: the object has no such property; the message lists its properties, the nearest name
/// first. `Unsupported`: the property has no NOTIFY signal and is not constant. `InvalidInput`: not
/// every value of the property can be read as a `T`; use `Option<T>`. `NotConnected`: the object
/// was destroyed.
pub fn property<T: FromArgument>(object: &Object, name: &str) -> io::Result<Property<T>> {
    let info = object.property_info(name)?;
    let place = || format!("{}::{name}", object.class_name());
    if let Err(mismatch) = info.check::<T>() {
        let message = format!("{} is {mismatch}", place());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let notify = match info.notify {
        Some(index) => Some(index),
        // For the end of a constant property.
        None if info.is_constant => object.signal("destroyed(QObject*)"),
        None => {
            let message = format!(
                "{} has no NOTIFY signal, so that its changes are unknown",
                place()
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
    };
    let state = Rc::new(RefCell::new(State {
        is_changed: true,
        is_over: false,
        waiting: None,
    }));
    let changes = Rc::clone(&state);
    let connection = SignalConnection::new(object, notify.ok_or(Destroyed)?, move |arguments| {
        let mut state = changes.borrow_mut();
        match arguments {
            Some(_) => state.is_changed = true,
            None => state.is_over = true,
        }
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    });
    Ok(Property {
        object: object.clone(),
        name: name.to_owned(),
        info,
        state,
        _connection: connection.ok_or(Destroyed)?,
        reads: PhantomData,
    })
}

impl<T: FromArgument> Stream for Property<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let is_changed = self.state.borrow().is_changed;
        if is_changed && self.object.is_alive() {
            ready!(take_budget_of_cheap(context));
            self.state.borrow_mut().is_changed = false;
            let value = self.object.read_property(&self.name, self.info);
            // Fails only if the getter has destroyed the object.
            if let Some(value) = T::read(value.borrow()) {
                return Poll::Ready(Some(value));
            }
        }
        if self.state.borrow().is_over || !self.object.is_alive() {
            return Poll::Ready(None);
        }
        // Cloning and dropping a waker is foreign code, which must not find the state borrowed.
        let waker = context.waker().clone();
        let before = self.state.borrow_mut().waiting.replace(waker);
        drop(before);
        Poll::Pending
    }
}

impl<T> fmt::Debug for Property<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Property")
            .field("object", &self.object)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
