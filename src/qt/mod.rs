//! Qt's objects and values: an [`Object`] with its properties, slots and signals, and the types of
//! their [`Arguments`].
//!
//! Objects belong to the thread that made them, and their types are not `Send`.

#![allow(unsafe_code)]

#[doc(hidden)]
pub mod activity;
#[doc(hidden)]
pub mod app;
pub(crate) mod argument;
pub(crate) mod arguments;
pub(crate) mod connection;
mod ffi;
mod geometry;
pub(crate) mod host;
#[cfg(feature = "python")]
mod host_loop;
mod lookup;
pub(crate) mod nested_loop;
mod object;
mod property;
mod read;
mod text;
pub(crate) mod variant;
mod write;

pub use argument::{FromArgument, ToArgument};
pub use arguments::{Arguments, FromArguments, ToArguments};
#[cfg(feature = "tasks")]
pub(crate) use connection::SignalConnection;
pub use geometry::{Point, PointF, Rect, RectF, Size, SizeF};
pub(crate) use host::Host;
#[cfg(feature = "python")]
pub(crate) use host_loop::HostLoop;
#[cfg(any(feature = "tasks", feature = "python"))]
pub(crate) use nested_loop::NestedLoop;
pub use object::{Destroyed, Object, OwnedObject};
#[cfg(feature = "tasks")]
pub(crate) use property::PropertyInfo;
