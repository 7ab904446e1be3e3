//! [`JoinError`]: the reason why a task has no result.

#![allow(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::io;

type Payload = Box<dyn Any + Send + 'static>;

/// The reason why a task has no result: it was cancelled, or it panicked.
///
/// It follows [tokio's](https://docs.rs/tokio/latest/tokio/task/struct.JoinError.html), and is
/// `Send + Sync`, so `?` converts it to a `Box<dyn Error + Send + Sync>`, an `anyhow::Error` or an
/// [`io::Error`].
///
/// ```no_run
/// use std::error::Error;
///
/// async fn answer() -> Result<u32, Box<dyn Error + Send + Sync>> {
///     Ok(qtloop::spawn_local(async { 6 * 7 }).await?)
/// }
/// ```
pub struct JoinError {
    /// `None`: the task was cancelled.
    panic: Option<Exclusive>,
}

/// The payload of a panic. It need not be `Sync`, so a shared reference gives access to its message
/// only.
struct Exclusive(Payload);

// SAFETY: its only method with `&self` reads the type of the payload, and a payload of type `&str`
// or `String`, which are `Sync`.
unsafe impl Sync for Exclusive {}

impl Exclusive {
    fn message(&self) -> Option<&str> {
        let text = self.0.downcast_ref::<&'static str>().copied();
        text.or_else(|| self.0.downcast_ref::<String>().map(String::as_str))
    }
}

impl JoinError {
    pub(crate) const fn cancelled() -> JoinError {
        JoinError { panic: None }
    }

    pub(super) fn panicked(payload: Payload) -> JoinError {
        JoinError {
            panic: Some(Exclusive(payload)),
        }
    }

    /// Returns whether the task was cancelled: it was aborted, or its object was destroyed, or its
    /// loop was closed.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.panic.is_none()
    }

    /// Returns whether the task panicked. The panic hook has printed the message; the loop and the
    /// other tasks continue.
    ///
    /// ```no_run
    /// # async fn example() {
    /// let error = qtloop::spawn_local(async { panic!("oh no") }).await.expect_err("a panic");
    /// assert!(error.is_panic());
    /// assert_eq!(error.to_string(), "the task panicked: oh no");
    /// # }
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// Returns the payload of the panic, for [`std::panic::resume_unwind`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), qtloop::JoinError> {
    /// match qtloop::spawn_local(async { 5 }).await {
    ///     Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
    ///     other => println!("{}", other?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// The task was cancelled, so there is no payload.
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Payload {
        let Ok(payload) = self.try_into_panic() else {
            panic!("the task was cancelled and did not panic: ask `is_panic()` first");
        };
        payload
    }

    /// Returns the payload of the panic.
    ///
    /// # Errors
    /// Returns the error unchanged if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Payload, JoinError> {
        self.panic
            .map(|payload| payload.0)
            .ok_or_else(JoinError::cancelled)
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.panic.as_ref().map(Exclusive::message) {
            None => formatter.write_str("JoinError::Cancelled"),
            Some(None) => formatter.write_str("JoinError::Panic(..)"),
            Some(Some(message)) => write!(formatter, "JoinError::Panic({message:?})"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.panic.as_ref().map(Exclusive::message) {
            None => formatter.write_str(
                "the task was cancelled: it was aborted, or its object was destroyed, or its loop was closed",
            ),
            Some(None) => formatter.write_str("the task panicked, without a message"),
            Some(Some(message)) => write!(formatter, "the task panicked: {message}"),
        }
    }
}

impl std::error::Error for JoinError {}

/// An error of kind `Other` that holds this one.
impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        io::Error::other(error)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn join_error_is_as_small_as_its_payload() {
        assert_eq!(size_of::<JoinError>(), size_of::<Payload>());
    }

    #[test]
    fn join_error_of_a_payload_without_a_message_is_printed() {
        let error = JoinError::panicked(Box::new(5));
        assert_eq!(error.to_string(), "the task panicked, without a message");
        assert_eq!(format!("{error:?}"), "JoinError::Panic(..)");
        assert_eq!(error.into_panic().downcast_ref::<i32>(), Some(&5));
    }

    #[test]
    #[should_panic(expected = "ask `is_panic()` first")]
    fn into_panic_of_a_cancelled_task_panics() {
        drop(JoinError::cancelled().into_panic());
    }
}
