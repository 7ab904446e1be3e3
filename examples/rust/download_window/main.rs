//! A download window on one loop: Qt Quick paints, hyper fetches over qtloop's sockets, and an open
//! question stops neither.
//!
//!     cargo run --release --features qml,hyper,record --example download_window                      files from a small server in the same loop
//!     cargo run --release --features qml,hyper,record --example download_window https://host/file    files of your own
//!     ... --example download_window -- --screenshot a.png                                     fetch, take a picture, report, end
//!
//! F12 opens a panel with figures of the event loop.
//!
//! Without a GPU, set QT_QUICK_BACKEND=software; without a display, also QT_QPA_PLATFORM=offscreen.

#![allow(clippy::print_stdout)]
// The modules are private to the program.
#![allow(unreachable_pub)]
// The derive macro of `QObject` generates code that these lints refuse.
#![allow(clippy::useless_transmute)]

mod disk;
mod download;
mod downloads;
mod frames;
mod instruments;
mod request;
mod server;
mod text;
mod unattended;
mod window;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use futures_lite::future;
use qmetaobject::prelude::*;
use qmetaobject::{QMessageLogContext, QtMsgType, install_message_handler};
use qtloop::qml::This;
use qtloop::{Loop, signal, spawn_local};

use downloads::Downloads;
use frames::Frames;
use instruments::Instruments;
use unattended::Camera;

/// Fetch files in a window that stays smooth, on one loop for Qt and async Rust.
#[derive(Parser)]
struct Options {
    /// Fetch this instead of the examples
    #[arg(value_name = "URL")]
    urls: Vec<String>,
    /// Keep the files in this folder
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    /// Run by itself, then report
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,
    /// Open the panel with figures of the event loop, as F12 does, and record a trace
    #[arg(long)]
    instruments: bool,
    /// Save traces in this file
    #[arg(long, value_name = "FILE", default_value = "trace.json.gz")]
    trace: PathBuf,
    /// Seconds of silence after which a server is given up
    #[arg(long, value_name = "S", default_value = "15", value_parser = positive)]
    timeout: f64,
    /// How many example files
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u16).range(1..))]
    files: u16,
    /// Megabytes of the largest example file
    #[arg(long, value_name = "MB", default_value = "12", value_parser = positive)]
    size: f64,
    /// Megabytes a second of the fastest example file
    #[arg(long, value_name = "MB/S", default_value = "1.5", value_parser = positive)]
    rate: f64,
}

/// Parses a positive number.
fn positive(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1e-6..1e6).contains(number));
    number.ok_or_else(|| format!("{text} is not a number above zero"))
}

fn main() -> ExitCode {
    let options = Options::parse();
    install_message_handler(Some(print_message));

    // They are dropped in the reverse of this order: the tasks, the window, then its objects.
    let silence = Duration::from_secs_f64(options.timeout);
    let downloads = QObjectBox::new(Downloads::new(options.save.clone(), silence));
    let frames = QObjectBox::new(Frames::default());
    let camera = QObjectBox::new(Camera::default());
    let instruments = QObjectBox::new(Instruments::new(options.trace.clone()));
    let mut engine = QmlEngine::new();
    engine.set_object_property("downloads".into(), downloads.pinned());
    engine.set_object_property("frames".into(), frames.pinned());
    engine.set_object_property("camera".into(), camera.pinned());
    engine.set_object_property("instruments".into(), instruments.pinned());
    let event_loop = match Loop::attach() {
        Ok(event_loop) => Rc::new(event_loop),
        Err(error) => return fail(&error),
    };

    window::load(&mut engine);
    let instruments = instruments.pinned();
    instruments.borrow_mut().observe(Rc::downgrade(&event_loop));
    if options.instruments {
        instruments.borrow_mut().toggle();
        instruments.borrow_mut().record();
    }
    if !camera.pinned().borrow().is_there {
        return fail(&"The window could not be loaded.");
    }

    let downloads = This::of(downloads.pinned().borrow());
    let frames = This::of(frames.pinned().borrow());
    let instruments = This::of(instruments.borrow());
    let camera = This::of(camera.pinned().borrow());
    spawn_local(async move {
        let work = run_window(options, downloads, frames, instruments, camera);
        let code = future::or(work, stop_signal()).await;
        qtloop::quit(code.unwrap_or_else(|error| {
            fail(&error);
            1
        }));
    });
    ExitCode::from(event_loop.exec() as u8)
}

/// Fills the list, and shows it until the user closes the window or the unattended run ends; returns
/// the exit code.
async fn run_window(
    options: Options,
    downloads: This<Downloads>,
    frames: This<Frames>,
    instruments: This<Instruments>,
    camera: This<Camera>,
) -> std::io::Result<i32> {
    if let Some(folder) = &options.save {
        std::fs::create_dir_all(folder)?;
    }
    let mut urls = options.urls;
    if urls.is_empty() {
        let files = server::catalogue(options.files.into(), options.size * 1e6, options.rate * 1e6);
        urls = server::serve(files).await?;
    }
    for url in &urls {
        Downloads::add(&downloads, url)?;
    }
    downloads.with(|all| all.show())?;
    match options.screenshot {
        Some(picture) => {
            let is_whole = unattended::run(&downloads, &frames, &camera, &picture).await?;
            if instruments.with(|panel| panel.is_recording())? {
                instruments.with(Instruments::save)?;
                println!("{}.", instruments.with(|panel| panel.message())?);
            }
            Ok(if is_whole { 0 } else { 1 })
        }
        // From now on, the user decides; closing the window quits.
        None => future::pending().await,
    }
}

/// Waits for Ctrl-C or SIGTERM; returns the exit code.
async fn stop_signal() -> std::io::Result<i32> {
    let interrupt = async { signal::ctrl_c().await.map(|()| 130) };
    let terminate = async { signal::terminate().await.map(|()| 0) };
    future::or(interrupt, terminate).await
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}

/// Makes Qt and QML print messages to standard error; Debian's Qt would use the system's journal.
extern "C" fn print_message(_: QtMsgType, _: &QMessageLogContext, message: &QString) {
    eprintln!("{message}");
}
