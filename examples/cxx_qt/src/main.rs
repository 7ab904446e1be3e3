//! A task that changes a property of a cxx-qt object, and ends when the object is destroyed.
//!
//! Run it in this folder; it needs no display. It prints each temperature up to the argument (5 if there
//! is none), destroys the kettle, and awaits the end of the task:
//!
//!     cargo run -- 3

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use cxx_qt::{QObject, casting::Upcast};
use futures_lite::StreamExt;
use qtloop::qt::Object;
use qtloop::{JoinHandle, signal, spawn_scoped, time};

use bridge::Kettle;

#[cxx_qt::bridge]
mod bridge {
    extern "RustQt" {
        #[qobject]
        #[qproperty(i32, degrees)]
        type Kettle = super::KettleRust;
    }

    unsafe extern "C++" {
        include!("cxx_qt_example/src/new_object.h");

        #[cxx_name = "newObject"]
        fn new_kettle() -> UniquePtr<Kettle>;
    }
}

#[derive(Default)]
pub struct KettleRust {
    degrees: i32,
}

impl Kettle {
    /// Starts a task that heats the water by one degree each 10 milliseconds.
    ///
    /// A `#[qinvokable]` can do the same. Unlike a closure of cxx-qt's `qt_thread().queue()`, the task can
    /// await, need not be `Send`, and is dropped when the object is destroyed.
    fn heat(&self) -> JoinHandle<io::Result<()>> {
        let kettle = object(self);
        spawn_scoped(&kettle.clone(), async move {
            loop {
                time::sleep(Duration::from_millis(10)).await;
                let degrees: i32 = kettle.property("degrees")?;
                kettle.set_property("degrees", degrees + 1)?; // emits `degreesChanged`
            }
        })
    }
}

/// Returns a weak reference to a cxx-qt object, as qtloop's functions take it.
fn object<T: Upcast<QObject>>(object: &T) -> Object {
    let object: *const QObject = object.upcast();
    // SAFETY: the object behind a reference is alive. cxx-qt objects are not `Send`, so no other thread
    // destroys it.
    let object = unsafe { Object::from_raw(object.cast_mut().cast()) };
    object.expect("the object lives on this thread")
}

async fn boil(limit: i32) -> Result<(), Box<dyn Error>> {
    let kettle = bridge::new_kettle();
    let mut values = signal::property::<i32>(&object(&*kettle), "degrees")?;
    let heating = kettle.heat();
    while let Some(degrees) = values.next().await {
        println!("{degrees} °C");
        if degrees >= limit {
            break;
        }
    }
    drop(kettle);
    println!("the kettle is destroyed");
    let is_aborted = heating.await.is_err();
    println!("its task is aborted: {is_aborted}");
    Ok(())
}

fn main() -> ExitCode {
    let limit = std::env::args().nth(1).and_then(|limit| limit.parse().ok());
    qtloop::run(boil(limit.unwrap_or(5)))
}
