//! Signals as futures and streams: of a Qt object, of the system, and the last one of the
//! application.
//!
//!     cargo run --example signals

#![allow(clippy::print_stdout)]

use std::env;
use std::error::Error;

use futures_lite::StreamExt;
use qtloop::qt::{Object, OwnedObject};
use qtloop::signal::{self, SignalKind};
use qtloop::{Loop, spawn_local, task};
use rustix::process::{Signal, getpid, kill_process};

/// A stream of all emissions, each with its arguments as a tuple.
async fn names() -> Result<(), Box<dyn Error>> {
    let object = OwnedObject::new();
    let mut names = signal::stream(&object, "objectNameChanged")?.typed::<(String,)>()?;
    let renaming = spawn_local(async move {
        for name in ["Ada", "Grace", "Barbara"] {
            object.set_name(name);
            task::yield_now().await;
        }
        // The object is dropped here, which ends the stream.
    });
    while let Some((name,)) = names.next().await {
        println!("it is called {name} now");
    }
    Ok(renaming.await?)
}

/// A stream of one signal of the system, which this process sends to itself.
async fn hang_up() -> Result<(), Box<dyn Error>> {
    let mut hang_ups = signal::unix(SignalKind::hangup())?;
    kill_process(getpid(), Signal::HUP)?;
    hang_ups.next().await;
    println!("SIGHUP was received");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let event_loop = Loop::with_app(env::args_os())?;
    let application = Object::application().ok_or("this is the main thread")?;
    let goodbye = signal::once(&application, "aboutToQuit")?;
    spawn_local(async {
        let both = async { Ok::<_, Box<dyn Error>>((names().await?, hang_up().await?)) };
        if let Err(error) = both.await {
            eprintln!("{error}");
        }
        qtloop::quit(0);
    });
    event_loop.exec();
    // The future has recorded the emission, although it was not awaited.
    event_loop.block_on(goodbye)?;
    println!("the application is about to quit");
    Ok(())
}
