//! What the loop needs of Qt, made safe: a [`Host`] that calls back, a [`Nest`] to wait in, an [`Ear`]
//! for the signals of any [`Object`], and the [`app`].
//!
//! All of the crate's `unsafe` about Qt is in this folder. Objects here belong to the thread that made them, and their
//! types are not `Send`.

#![allow(unsafe_code)]

pub mod app;
pub(crate) mod argument;
pub(crate) mod arguments;
mod connection;
mod ffi;
mod geometry;
mod host;
mod lookup;
mod nest;
mod object;
mod property;
mod read;
mod text;
pub(crate) mod variant;
mod write;

pub use argument::{FromArgument, ToArgument};
pub use arguments::{Arguments, FromArguments, ToArguments};
pub use connection::Ear;
pub use geometry::{Point, PointF, Rect, RectF, Size, SizeF};
pub use host::{Host, Linger};
pub use nest::Nest;
pub use object::{Destroyed, Object, Owned};
#[cfg(feature = "tasks")]
pub(crate) use property::PropertyInfo;
