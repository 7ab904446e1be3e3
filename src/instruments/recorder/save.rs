//! Writes a file that appears only when it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Error, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Calls `write` with a new file, which then replaces the one at `path`. It is compressed if the
/// path ends in `.gz`. A device or a pipe at `path` is written to, not replaced.
pub(super) fn save(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let named = |error: Error| {
        let message = format!("cannot save the trace to {}: {error}", path.display());
        Error::new(error.kind(), message)
    };
    let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file());
    if is_special {
        return write_to(path, path, write).map_err(named);
    }
    // A symbolic link stays, and its target is replaced.
    let real = fs::canonicalize(path);
    let target = real.as_deref().unwrap_or(path);
    let mut part = OsString::from(target);
    part.push(format!(".{}.part", std::process::id()));
    let part = Path::new(&part);
    let saved = write_to(part, path, write).and_then(|()| fs::rename(part, target));
    saved.map_err(|error| {
        // It does not exist if it could not be created; then this error is of no interest.
        let _ = fs::remove_file(part);
        named(error)
    })
}

/// Writes to `file`, in the format that the name of `path` asks for.
fn write_to(
    file: &Path,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, File::create(file)?);
    if path.extension().is_some_and(|end| end == "gz") {
        let mut packed =
            BufWriter::with_capacity(1 << 16, GzEncoder::new(out, Compression::fast()));
        write(&mut packed)?;
        out = packed
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .finish()?;
    } else {
        write(&mut out)?;
    }
    out.flush()
}
