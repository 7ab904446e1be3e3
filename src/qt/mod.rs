//! What the loop needs of Qt, made safe: a [`Host`] that calls back, a [`Nest`] to wait in, an [`Ear`]
//! for the signals of any [`Object`], and the [`app`].
//!
//! All of the crate's `unsafe` about Qt is in this folder. Objects here belong to the thread that made them, and their
//! types are not `Send`.

#![allow(unsafe_code)]

pub mod app;
mod ffi;
mod host;
mod nest;
mod object;

pub use host::{Host, Linger};
pub use nest::Nest;
pub use object::{Arguments, Ear, FromArgument, Object, Owned};
