//! One event loop for Qt and async code.
//!
//! Four nouns and one verb. A [`Host`](qt::Host) is a `QObject` that calls back on its Qt thread. A
//! [`Reactor`](reactor::Reactor) knows which jobs are ready. A [`Driver`] joins the two and hands the jobs of one
//! *turn* to a face, which runs them. A [`Remote`](reactor::Remote) is the way in from other threads. Nothing is
//! pumped, no second loop runs in a thread, and nothing wakes when nothing is due.
//!
//! The features `python` (an asyncio loop, as the Python module `qtloop`) and `qml` (a driver beside a QML engine)
//! are faces on that core; without them the crate links QtCore and nothing else. `docs/ARCHITECTURE.md` tells one turn
//! step by step; [`driver`] is where to start reading.

#![recursion_limit = "1024"]

pub mod driver;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "qml")]
pub mod qml;
pub mod qt;
pub mod reactor;

pub use driver::{Driver, Quits, Turn, Wakeup};

/// README's program is compiled with the documentation tests.
#[cfg(all(doctest, feature = "qml"))]
#[doc = include_str!("../README.md")]
mod readme {}
