//! A child process that asks one question.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};

use super::Name;
use super::questions::Question;
use super::toolkit::Answer;

/// The time after which a question counts as hanging.
const LIMIT: Duration = Duration::from_secs(10);

/// Returns the answer of a child process, or how that process ended.
pub fn ask(question: Question, name: Name) -> Answer {
    let (output, is_late) = run(question, name).expect("this program can be run");
    // How the process exits after its answer is not part of the question.
    if let Ok(answer) = serde_json::from_slice(&output.stdout) {
        return answer;
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    // The first line is the cause, and the rest follows from it.
    let first = errors.lines().find(|line| line.contains("panicked at"));
    let reason = match first.and_then(|line| errors.split_once(line)) {
        Some((_, rest)) => rest.trim_start().lines().next().unwrap_or_default(),
        None => errors.lines().last().unwrap_or("it says nothing"),
    };
    if is_late {
        Answer::Hangs(format!("no answer in {LIMIT:?}"))
    } else if output.status.signal().is_some() {
        Answer::Aborts(format!("{}: {reason}", output.status))
    } else {
        Answer::No(format!("{}: {reason}", output.status))
    }
}

/// Returns the output of the child, and whether it was killed.
fn run(question: Question, name: Name) -> io::Result<(Output, bool)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["probe", &question.to_string(), &name.to_string()])
        .env("QT_QPA_PLATFORM", "offscreen")
        .env("SLINT_BACKEND", "qt")
        .env_remove("QT_NO_GLIB")
        .env_remove("QTLOOP_TIMER")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    while child.try_wait()?.is_none() && start.elapsed() < LIMIT {
        thread::sleep(Duration::from_millis(10));
    }
    let is_late = child.try_wait()?.is_none();
    child.kill()?;
    Ok((child.wait_with_output()?, is_late))
}

/// Asks the question; runs in the child process.
pub fn be_child(question: Question, name: Name) {
    let tell = |answer: Answer| {
        let told = writeln!(io::stdout(), "{}", serde_json::json!(answer));
        exit(i32::from(told.is_err()));
    };
    match name {
        Name::Qtloop => question.ask::<super::qtloop::Qtloop>(tell),
        Name::Glib => question.ask::<super::glib::Glib>(tell),
        #[cfg(feature = "probes")]
        Name::Slint => question.ask::<super::slint::Slint>(tell),
        #[cfg(not(feature = "probes"))]
        Name::Slint => tell(Answer::Unknown),
        Name::Qmetaobject => question.ask::<super::qmetaobject::Qmetaobject>(tell),
        Name::CxxQt | Name::Winio => unreachable!("they are read"),
    }
    eprintln!("the loop has ended without an answer");
    exit(1);
}
