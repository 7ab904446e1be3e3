//! Writes downloaded data to files, on a thread pool: a disk may be slow, and the window must not
//! wait.

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

/// Writes bytes. If the task is cancelled, the write continues on its thread, and is repeated
/// later.
pub async fn write(path: PathBuf, at: u64, bytes: Bytes) -> io::Result<()> {
    task::unblock(move || {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        options.open(part_of(&path))?.write_all_at(&bytes, at)
    })
    .await
}

/// Truncates the complete file to its size, because an older part may be longer, and renames it.
pub async fn complete(path: PathBuf, size: u64) -> io::Result<()> {
    task::unblock(move || {
        let part = part_of(&path);
        File::options().write(true).open(&part)?.set_len(size)?;
        fs::rename(part, path)
    })
    .await
}
