//! What the loop needs of Qt, made safe: a [`Host`] that calls back, a [`Nest`] to wait in, and the [`app`].
//!
//! All of the crate's `unsafe` about Qt is in this folder. Objects here belong to the thread that made them, and their
//! types are not `Send`.

#![allow(unsafe_code)]

pub mod app;
mod ffi;
mod host;
mod nest;

pub use host::{Host, Linger};
pub use nest::Nest;
