//! Tests of files and of errors.

use std::fs::{self, File};
use std::io::{self, Read};

use flate2::read::GzDecoder;
use tempfile::tempdir;

use super::*;

fn world_with_a_job() -> World {
    let world = World::new(10);
    world.run(0, world.subject(0, "job"), 1_000);
    world
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a directory");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
    entries
        .map(|entry| name(entry).to_string_lossy().into_owned())
        .collect()
}

#[test]
fn number_of_events_must_be_possible() {
    for events in [0, (1 << 31) + 1, usize::MAX] {
        let error = Recorder::new(events, Rc::new(Places::default())).expect_err("no ring");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(
            error
                .to_string()
                .contains("give a number from 1 to 2147483648")
        );
    }
}

#[test]
fn saved_file_replaces_the_one_before_and_leaves_no_other() {
    let folder = tempdir().expect("a directory");
    let path = folder.path().join("trace.json");
    fs::write(&path, "old").expect("a file");
    world_with_a_job().recorder.save(&path).expect("space");
    let text = fs::read(&path).expect("a file");
    check::check(&serde_json::from_slice(&text).expect("JSON"));
    assert_eq!(names(folder.path()), ["trace.json"]);
}

#[test]
fn path_that_ends_in_gz_is_compressed() {
    let folder = tempdir().expect("a directory");
    let path = folder.path().join("trace.json.gz");
    world_with_a_job().recorder.save(&path).expect("space");
    let mut text = String::new();
    let mut file = GzDecoder::new(File::open(&path).expect("a file"));
    file.read_to_string(&mut text).expect("compressed text");
    let trace: Value = serde_json::from_str(&text).expect("JSON");
    check::check(&trace);
    assert_eq!(names(folder.path()), ["trace.json.gz"]);
}

#[test]
fn symbolic_link_stays_and_its_target_is_replaced() {
    let folder = tempdir().expect("a directory");
    let (target, link) = (
        folder.path().join("real.json"),
        folder.path().join("link.json"),
    );
    fs::write(&target, "old").expect("a file");
    std::os::unix::fs::symlink(&target, &link).expect("a link");
    world_with_a_job().recorder.save(&link).expect("space");
    assert!(link.is_symlink());
    assert!(
        fs::read_to_string(&target)
            .expect("a file")
            .starts_with("{\"traceEvents\"")
    );
}

#[test]
fn device_is_written_to_and_not_replaced() {
    let folder = tempdir().expect("a directory");
    let link = folder.path().join("null.json");
    std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
    world_with_a_job().recorder.save(&link).expect("a device");
    assert!(link.is_symlink());
    assert_eq!(fs::read("/dev/null").expect("a device"), b"");
}

#[test]
fn error_names_the_path_and_leaves_no_file() {
    let folder = tempdir().expect("a directory");
    let world = world_with_a_job();
    let missing = folder.path().join("missing/trace.json");
    let error = world.recorder.save(&missing).expect_err("no directory");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("missing/trace.json"), "{error}");

    let full = folder.path().join("full.json");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    let error = world.recorder.save(&full).expect_err("a full device");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("full.json"), "{error}");
    assert_eq!(names(folder.path()), ["full.json"]);
}

#[test]
fn write_that_fails_leaves_the_file_before_and_no_part() {
    let folder = tempdir().expect("a directory");
    let path = folder.path().join("trace.json");
    fs::write(&path, "old").expect("a file");
    let fails = |_: &mut dyn Write| Err(io::Error::from(io::ErrorKind::StorageFull));
    let error = save::save(&path, fails).expect_err("it fails");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "old");
    assert_eq!(names(folder.path()), ["trace.json"]);
}
