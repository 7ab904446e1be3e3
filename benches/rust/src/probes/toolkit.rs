//! What a question may ask of a toolkit, and the answers there are.

use std::fmt;
use std::net::TcpStream;
use std::time::Duration;

use futures_lite::future::BoxedLocal;
use futures_lite::{AsyncRead, AsyncWrite};
use serde::{Deserialize, Serialize};

/// The answer to one question; what it holds is the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Yes,
    Number(u64),
    No(String),
    /// There is nothing of the kind that could be asked.
    HasNone,
    /// There was none in time.
    Hangs(String),
    /// A signal has killed the process.
    Aborts(String),
    /// Not looked into.
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

/// Answers no, for that reason, unless it is a fact.
pub fn check(fact: bool, otherwise: impl Into<String>) -> Result<(), Answer> {
    if fact {
        Ok(())
    } else {
        Err(Answer::No(otherwise.into()))
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A toolkit whose loop runs tasks. What it may lack has an answer in place of it.
pub trait Toolkit: 'static {
    /// Runs the loop with this task in it, until `quit`, and leaves nothing of it that can be left.
    fn run(main: BoxedLocal<()>);

    fn quit();

    fn spawn(task: BoxedLocal<()>);

    /// Runs the loop for that time inside of this call, as a modal dialog does.
    fn nest(time: Duration);

    /// Has the loop call back, later and not in a task.
    fn call(callback: impl FnMut() + 'static);

    /// Begins a task; the future is that of its result, or of what went wrong with it.
    fn join<T: 'static>(_task: BoxedLocal<T>) -> Result<BoxedLocal<Result<T, String>>, Answer> {
        Err(Answer::HasNone)
    }

    /// Begins a task; the closure aborts it.
    fn abortable(_task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        Err(Answer::HasNone)
    }

    fn block_on(_future: BoxedLocal<()>) -> Result<(), Answer> {
        Err(Answer::HasNone)
    }

    fn sleep(_time: Duration) -> Result<BoxedLocal<()>, Answer> {
        Err(Answer::HasNone)
    }

    /// A connected socket, which does not block, as the loop's own.
    fn adopt(_stream: TcpStream) -> Result<Box<dyn Stream>, Answer> {
        Err(Answer::HasNone)
    }

    /// Begins a task that ends with an object of the toolkit's; the closure destroys that.
    fn scoped(_task: BoxedLocal<()>) -> Result<Box<dyn FnOnce()>, Answer> {
        let by_hand = "by hand: a weak reference that the task looks through after each wait";
        Err(Answer::No(by_hand.to_owned()))
    }

    /// An object of the toolkit's with a signal.
    fn bell() -> Result<Bell, Answer> {
        Err(Answer::HasNone)
    }
}

/// An object that rings.
pub struct Bell {
    pub ring: Box<dyn Fn()>,
    /// A future of the next ring; false if the object is gone.
    pub rung: Box<dyn Fn() -> BoxedLocal<bool>>,
    pub destroy: Box<dyn FnOnce()>,
}
