//! Signals as futures and streams: Qt's by [`once`], [`stream`], [`latest`] and [`property`], the
//! system's by [`ctrl_c`], [`terminate`] and [`unix`].
//!
//! ```no_run
//! # async fn example(slider: qtloop::qt::Object) -> Result<(), Box<dyn std::error::Error>> {
//! use futures_lite::StreamExt;
//! use qtloop::{qt::Object, signal};
//!
//! let application = Object::application().expect("the main thread");
//! let quits = signal::once(&application, "aboutToQuit")?;
//!
//! let mut values = signal::latest(&slider, "valueChanged")?.typed::<(i32,)>()?;
//! while let Some((value,)) = values.next().await {
//!     println!("{value}");
//! }
//! quits.await?;
//! # Ok(())
//! # }
//! ```

mod property;
mod stream;
mod unix;

pub use crate::qt::Destroyed;
pub use property::{Property, property};
pub use stream::{Once, Signals, latest, once, stream};
pub use unix::{NextSignal, SignalKind, UnixSignals, ctrl_c, terminate, unix};
