//! Runs the examples as programs: builds them with the features and the profile of the tests, and
//! stops them after a time limit.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Longer than any program here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Returns cargo's build directory for these tests.
pub(crate) fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a file");
    let profile = test.ancestors().nth(2).expect("target/debug/deps/test");
    profile.join("examples")
}

/// Builds an example, unless `cargo test` has done so.
pub(crate) fn build(name: &str) -> PathBuf {
    build_as(name, &[])
}

/// Builds an example with further arguments for `cargo rustc`.
pub(crate) fn build_as(name: &str, arguments: &[&str]) -> PathBuf {
    let folder = folder();
    let profile = folder.parent().expect("target/debug");
    let profile_name = profile.file_name().and_then(|name| name.to_str());
    let features = [
        ("qml", cfg!(feature = "qml")),
        ("hyper", cfg!(feature = "hyper")),
        ("record", cfg!(feature = "record")),
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

/// Returns the command of a program without a display; Qt's messages are on standard error.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("QT_QPA_PLATFORM", "offscreen")
        .env("QT_QUICK_BACKEND", "software")
        .env("QT_FORCE_STDERR_LOGGING", "1");
    command
}

/// Kills a process that has not exited in time, unless it is dropped before.
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

/// Sends a signal to a process that was not reaped yet.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.try_into().expect("a number")).expect("a process");
    kill_process(pid, signal).expect("it is our child");
}

/// Returns the exit code, the output and the error output.
pub(crate) fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let errors = text(&output.stderr);
    // Ignore Qt's own messages about its environment.
    let is_ours =
        |line: &&str| !line.contains("propagateSizeHints") && !line.contains("XDG_RUNTIME_DIR");
    let errors = errors.lines().filter(is_ours);
    let errors = errors.collect::<Vec<_>>().join("\n");
    (output.status.code(), text(&output.stdout), errors)
}
