//! The interface of a toolkit that the questions use, and the possible answers.

use std::fmt;
use std::net::TcpStream;
use std::time::Duration;

use futures_lite::future::BoxedLocal;
use futures_lite::{AsyncRead, AsyncWrite};
use serde::{Deserialize, Serialize};

/// The answer to one question; its text is the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Yes,
    Number(u64),
    No(String),
    /// The toolkit has no such function.
    HasNone,
    /// There was no answer in time.
    Hangs(String),
    /// A signal has killed the process.
    Aborts(String),
    /// It was not examined.
    Unknown,
}

impl Answer {
    pub fn why(&self) -> Option<&str> {
        match self {
            Answer::No(why) | Answer::Hangs(why) | Answer::Aborts(why) => Some(why),
            Answer::Yes | Answer::Number(_) | Answer::HasNone | Answer::Unknown => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Yes => formatter.write_str("yes"),
            Answer::Number(number) => number.fmt(formatter),
            Answer::No(_) => formatter.write_str("no"),
            Answer::HasNone => formatter.write_str("has none"),
            Answer::Hangs(_) => formatter.write_str("hangs"),
            Answer::Aborts(_) => formatter.write_str("aborts"),
            Answer::Unknown => formatter.write_str("?"),
        }
    }
}

/// Answers no, with that reason, unless the condition is true.
pub fn check(fact: bool, otherwise: impl Into<String>) -> Result<(), Answer> {
    if fact {
        Ok(())
    } else {
        Err(Answer::No(otherwise.into()))
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A toolkit whose loop runs tasks. An operation that it lacks returns an answer instead.
pub trait Toolkit: 'static {
    /// Runs the loop with this task in it, until `quit`, and then drops as much of the loop as
    /// possible.
    fn run(main: BoxedLocal<()>);

    fn quit();

    fn spawn(task: BoxedLocal<()>);

    /// Runs the loop for that time inside this call, as a modal dialog does.
    fn nested_loop(time: Duration);

    /// Calls a function from the loop later, not in a task.
    fn call(callback: impl FnMut() + 'static);

    /// Spawns a task; the future returns its result or its error.
    fn join<T: 'static>(_task: BoxedLocal<T>) -> Result<BoxedLocal<Result<T, String>>, Answer> {
        Err(Answer::HasNone)
    }

    /// Spawns a task; the closure aborts it.
    fn abortable(_task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        Err(Answer::HasNone)
    }

    fn block_on(_future: BoxedLocal<()>) -> Result<(), Answer> {
        Err(Answer::HasNone)
    }

    fn sleep(_time: Duration) -> Result<BoxedLocal<()>, Answer> {
        Err(Answer::HasNone)
    }

    /// Converts a connected, non-blocking socket to a stream of the loop.
    fn adopt(_stream: TcpStream) -> Result<Box<dyn Stream>, Answer> {
        Err(Answer::HasNone)
    }

    /// Spawns a task that is aborted with an object of the toolkit; the closure destroys the
    /// object.
    fn scoped(_task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        let by_hand = "by hand: a weak reference that the task looks through after each wait";
        Err(Answer::No(by_hand.to_owned()))
    }

    /// Makes an object of the toolkit with a signal.
    fn bell() -> Result<Bell, Answer> {
        Err(Answer::HasNone)
    }
}

/// An object with a signal.
pub struct Bell {
    pub ring: Box<dyn Fn()>,
    /// Returns a future of the next emission; false if the object was destroyed.
    pub rung: Box<dyn Fn() -> BoxedLocal<bool>>,
    pub destroy: Box<dyn FnOnce()>,
}
