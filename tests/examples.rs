//! Tests of the small examples, each run as a program.

mod programs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};

use programs::{build, build_as, command, ended, folder, limit, send};
use rustix::process::Signal;

/// Runs an example until it exits.
fn run(mut command: Command) -> (Option<i32>, String, String) {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let child = child.expect("it starts");
    let _limit = limit(child.id());
    ended(&child.wait_with_output().expect("it ends"))
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

#[test]
fn clock_ticks_the_given_number_of_times() {
    let mut clock = command(&build("clock"));
    clock.arg("2");
    let (code, output, errors) = run(clock);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(output.lines().count(), 2, "{output}");
    assert!(
        output.lines().all(|line| line.ends_with(" µs late")),
        "{output}"
    );
}

#[test]
fn error_of_main_is_printed_and_is_the_exit_code() {
    let mut clock = command(&build("clock"));
    clock.arg("often");
    let (code, output, errors) = run(clock);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.starts_with("Error: "), "{errors}");
}

#[test]
fn socket_timer_and_task_of_tokio_are_awaited_on_the_qt_thread() {
    let (code, output, errors) = run(command(&build("tokio")));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let expected = "a socket of tokio read \"hello\"\na task of tokio returned 55\n";
    assert_eq!(output, expected);
}

#[test]
fn ctrl_c_ends_the_clock() {
    let mut child = command(&build("clock"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let _limit = limit(child.id());
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    assert!(line(&mut output).contains(" UTC, "));
    send(child.id(), Signal::INT);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn echo_server_answers_all_clients_and_exits_cleanly() {
    let mut child = command(&build("tcp_echo"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let _limit = limit(child.id());
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let head = line(&mut output);
    let address = head.strip_prefix("echoing at ").expect("an address");

    // One client stays connected while the others are served, and until the end.
    let _idle = TcpStream::connect(address).expect("it listens");
    for words in ["hello", "world"] {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(words.as_bytes()).expect("it takes them");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut echo = String::new();
        stream.read_to_string(&mut echo).expect("it answers");
        assert_eq!(echo, words);
    }
    send(child.id(), Signal::TERM);
    assert_eq!(line(&mut output), "3 connections, 10 bytes echoed");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn signals_of_all_kinds_are_received() {
    let (code, output, errors) = run(command(&build("signals")));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let lines: Vec<&str> = output.lines().collect();
    let expected = [
        "it is called Ada now",
        "it is called Grace now",
        "it is called Barbara now",
        "SIGHUP was received",
        "the application is about to quit",
    ];
    assert_eq!(lines, expected);
}

#[cfg(feature = "qml")]
#[test]
fn task_continues_while_dialogs_are_open() {
    let mut dialog = command(&build("dialog"));
    dialog.arg("--by-itself");
    let (code, output, errors) = run(dialog);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    let questions = [
        "Save the file? Yes; counted ",
        "Close the window? Yes; counted ",
    ];
    assert_eq!(output.lines().count(), questions.len(), "{output}");
    for (line, question) in output.lines().zip(questions) {
        let count = line
            .strip_prefix(question)
            .and_then(|rest| rest.strip_suffix(" meanwhile"));
        let count: u32 = count.and_then(|count| count.parse().ok()).expect(line);
        assert!(count > 2, "{line}");
    }
}

/// Builds an example that is half of a C++ program, and the program, with these libraries of Qt.
fn build_with_cpp(name: &str, libraries: &[&str]) -> PathBuf {
    build_as(name, &["--crate-type", "cdylib"]);
    let folder = folder();
    let (major, qmake) = if cfg!(qt5) {
        (5, "qmake")
    } else {
        (6, "qmake6")
    };
    let qmake = std::env::var("QMAKE").unwrap_or(qmake.to_owned());
    let query = Command::new(qmake)
        .args(["-query", "QT_INSTALL_HEADERS"])
        .output();
    let headers = String::from_utf8(query.expect("qmake is here").stdout).expect("a path");
    let program = folder.join(name);
    let compiler = Command::new("g++")
        .args(["-std=c++17", "-fPIC", "-Wall", "-Wextra", "-Werror"])
        .arg(format!("examples/cpp_host/{name}.cpp"))
        .arg("-o")
        .arg(&program)
        .args(["-isystem", headers.trim()])
        .args(
            libraries
                .iter()
                .map(|library| format!("-lQt{major}{library}")),
        )
        .arg(format!("-l{name}"))
        .args(["-Wl,-rpath,$ORIGIN", "-L"])
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(compiler.expect("g++ is here").success());
    program
}

#[test]
fn rust_task_sets_the_label_of_a_cpp_program_with_an_open_message_box() {
    let program = build_with_cpp("attach", &["Widgets", "Gui", "Core"]);
    let mut attach = command(&program);
    attach.arg("by itself");
    let (code, output, errors) = run(attach);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "before the box: Rust has counted to 0");
    assert!(
        lines[1].starts_with("after the box: Rust has counted to "),
        "{output}"
    );
}

// Its C++ half uses QPromise, which Qt 5 does not have.
#[cfg(not(qt5))]
#[test]
fn operations_of_qt_classes_are_awaited_by_their_signals() {
    let program = build_with_cpp("operations", &["Network", "Core"]);
    let (code, output, errors) = run(command(&program));
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    let expected = [
        "QTimer: 20 ms are over",
        "QFuture: 42",
        "QNetworkReply: hello",
    ];
    assert_eq!(output.lines().collect::<Vec<_>>(), expected);
}
