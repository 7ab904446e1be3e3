//! Files as they come: written on a thread of the pool, for a disk may be slow, and the window must not wait for it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hyper::body::Bytes;
use qtloop::task;

fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

/// Writes some bytes. A write whose task is cancelled goes on unseen, and is made again.
pub async fn write(path: PathBuf, at: u64, bytes: Bytes) -> io::Result<()> {
    task::unblock(move || {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        options.open(part_of(&path))?.write_all_at(&bytes, at)
    })
    .await
}

/// Gives the whole file its name; an older, longer part may have been there.
pub async fn complete(path: PathBuf, size: u64) -> io::Result<()> {
    task::unblock(move || {
        let part = part_of(&path);
        File::options().write(true).open(&part)?.set_len(size)?;
        fs::rename(part, path)
    })
    .await
}
