//! The unattended run, for machines without a display: starts the downloads, answers the question,
//! saves a picture, and prints a report.

use std::io;
use std::path::Path;
use std::time::Duration;

use qmetaobject::prelude::*;
use qtloop::qml::{AccessError, This};
use qtloop::{signal, time};

use crate::download::Download;
use crate::downloads::Downloads;
use crate::frames::Frames;
use crate::text::amount;

/// The interval between two checks of the window.
const LOOK: Duration = Duration::from_millis(50);
/// The time that a question stays open.
const THINK: Duration = Duration::from_millis(1500);

/// Takes pictures of the window: QML does it at Rust's request.
#[derive(QObject, Default)]
pub struct Camera {
    base: qt_base_class!(trait QObject),
    take: qt_signal!(path: QString),
    taken: qt_signal!(is_saved: bool),
    /// QML sets it when the window exists.
    pub is_there: qt_property!(bool),
}

/// Acts as a user of the window; returns whether every file arrived intact.
pub async fn run(
    downloads: &This<Downloads>,
    frames: &This<Frames>,
    camera: &This<Camera>,
    picture: &Path,
) -> io::Result<bool> {
    start_all(downloads)?;
    let (mut is_taken, mut has_retried, mut meanwhile) = (false, false, 0);
    loop {
        time::sleep(LOOK).await;
        let active = downloads.with(|all| all.count(Download::is_active))?;
        let asking = downloads.with(|all| all.count(Download::is_asking))?;
        let (received, size) = downloads.with(|all| (all.received(), all.size()))?;
        if asking > 0 {
            // One task waits for the answer. This task and the downloads continue.
            time::sleep(THINK).await;
            meanwhile += downloads.with(|all| all.received())? - received;
            if !is_taken {
                take(frames, camera, picture).await?;
            }
            is_taken = true;
            for row in downloads.with(|all| all.rows())? {
                if row.with(|row| row.is_asking())? {
                    row.emit("answered", (true,))?;
                }
            }
        } else if !is_taken && (active == 0 || received as f64 > 0.7 * size as f64) {
            take(frames, camera, picture).await?;
            is_taken = true;
        } else if is_taken && !has_retried {
            start_all(downloads)?; // retry the failed ones
            has_retried = true;
        } else if active == 0 {
            break;
        }
    }

    let (done, lines) = downloads.with(|all| {
        let width = all.look(|row| row.file().len()).max().unwrap_or(0);
        let lines = all.look(|row| row.report(width));
        (all.count(Download::is_done), lines.collect::<Vec<_>>())
    })?;
    println!("{done} of {} files are here.", lines.len());
    for line in &lines {
        println!("  {line}");
    }
    if meanwhile > 0 {
        let meanwhile = amount(meanwhile as f64);
        println!("While the question was open, the others received {meanwhile}.");
    }
    println!("{}", frames.with(Frames::report)?);
    println!("The picture is in {}.", picture.display());
    Ok(done == lines.len())
}

/// Starts each download that is neither running nor complete.
fn start_all(downloads: &This<Downloads>) -> Result<(), AccessError> {
    for row in downloads.with(|all| all.rows())? {
        row.with(Download::start)?;
    }
    Ok(())
}

/// Saves a picture of the window.
async fn take(frames: &This<Frames>, camera: &This<Camera>, picture: &Path) -> io::Result<()> {
    let path = picture.to_string_lossy();
    let object = camera.object().ok_or(AccessError::Destroyed)?;
    let taken = signal::once(&object, "taken")?;
    frames.with(|frames| frames.is_resting = true)?;
    camera.with(|camera| camera.take(path.as_ref().into()))?;
    let is_saved = taken.await.is_ok_and(|taken| taken.get(0) == Some(true));
    frames.with(|frames| frames.is_resting = false)?;
    match is_saved {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "The picture cannot be written to {path}."
        ))),
    }
}
