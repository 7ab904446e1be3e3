//! The examples as programs: built with the features and the profile of the tests, run beside them, and ended after a while.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Where cargo puts what it builds for these tests.
pub(crate) fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let profile = test.ancestors().nth(2).expect("target/debug/deps/test");
    profile.join("examples")
}

/// Builds an example, if `cargo test` has not done so yet.
pub(crate) fn build(name: &str) -> PathBuf {
    build_as(name, &[])
}

/// As `build`, with more to say to `cargo rustc`.
pub(crate) fn build_as(name: &str, arguments: &[&str]) -> PathBuf {
    let folder = folder();
    let profile = folder.parent().expect("target/debug");
    let profile_name = profile.file_name().and_then(|name| name.to_str());
    let features = [
        ("qml", cfg!(feature = "qml")),
        ("hyper", cfg!(feature = "hyper")),
        ("tokio-io", cfg!(feature = "tokio-io")),
        ("tracing", cfg!(feature = "tracing")),
        ("python", cfg!(feature = "python")),
    ];
    let features = features.iter().filter(|(_, is_on)| *is_on);
    let features: Vec<&str> = features.map(|(name, _)| *name).collect();
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["rustc", "--quiet", "--example", name, "--features"])
        .arg(features.join(","))
        .args([
            "--profile",
            profile_name.map_or("dev", |name| if name == "debug" { "dev" } else { name }),
        ])
        .args(arguments)
        .arg("--target-dir")
        .arg(profile.parent().expect("target"))
        .status();
    assert!(
        status.expect("cargo is here").success(),
        "{name} does not build"
    );
    folder.join(name)
}

/// A program without a display; what Qt has to say comes on standard error.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("QT_QPA_PLATFORM", "offscreen")
        .env("QT_QUICK_BACKEND", "software")
        .env("QT_FORCE_STDERR_LOGGING", "1");
    command
}

/// Kills a process that has not ended in time; dropped when it has.
pub(crate) struct Limit(#[allow(dead_code)] mpsc::Sender<()>);

pub(crate) fn limit(pid: u32) -> Limit {
    let (ended, wait) = mpsc::channel::<()>();
    thread::spawn(move || {
        if wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            send(pid, Signal::KILL);
        }
    });
    Limit(ended)
}

/// Sends a signal to a process that was not waited for yet.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("a number")).expect("a process");
    kill_process(pid, signal).expect("it is our child");
}

/// Its exit code, and what it has printed.
pub(crate) fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let errors = text(&output.stderr);
    // Remarks of Qt's own about where it runs are none of ours.
    let is_ours =
        |line: &&str| !line.contains("propagateSizeHints") && !line.contains("XDG_RUNTIME_DIR");
    let errors = errors.lines().filter(is_ours);
    let errors = errors.collect::<Vec<_>>().join("\n");
    (output.status.code(), text(&output.stdout), errors)
}
