//! Qt's objects and values: an [`Object`] with its properties, slots and signals, and the types of
//! their [`Arguments`].
//!
//! Objects belong to the thread that made them, and their types are not `Send`.

// build.rs sets `qt_linked` if the crate links QtCore. The modules without it call Qt through `table`.
#![allow(unsafe_code)]

#[doc(hidden)]
pub mod activity;
#[doc(hidden)]
pub mod app;
#[cfg(qt_linked)]
pub(crate) mod argument;
#[cfg(qt_linked)]
pub(crate) mod arguments;
#[cfg(qt_linked)]
pub(crate) mod connection;
#[cfg(qt_linked)]
mod ffi;
#[cfg(qt_linked)]
mod geometry;
pub(crate) mod host;
#[cfg(feature = "python")]
mod host_loop;
#[cfg(qt_linked)]
mod lookup;
pub(crate) mod nested_loop;
#[cfg(qt_linked)]
mod object;
#[cfg(qt_linked)]
mod property;
#[cfg(qt_linked)]
mod read;
pub(crate) mod table;
#[cfg(qt_linked)]
mod text;
#[cfg(qt_linked)]
pub(crate) mod variant;
#[cfg(qt_linked)]
mod write;

#[cfg(qt_linked)]
pub use argument::{FromArgument, ToArgument};
#[cfg(qt_linked)]
pub use arguments::{Arguments, FromArguments, ToArguments};
#[cfg(feature = "tasks")]
pub(crate) use connection::SignalConnection;
#[cfg(qt_linked)]
pub use geometry::{Point, PointF, Rect, RectF, Size, SizeF};
pub(crate) use host::Host;
#[cfg(feature = "python")]
pub(crate) use host_loop::HostLoop;
#[cfg(any(feature = "tasks", feature = "python"))]
pub(crate) use nested_loop::NestedLoop;
#[cfg(qt_linked)]
pub use object::{Destroyed, Object, OwnedObject};
#[cfg(feature = "tasks")]
pub(crate) use property::PropertyInfo;
