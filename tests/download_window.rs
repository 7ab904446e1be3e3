//! Tests of the download window: downloads, questions, resuming, quitting, and failure messages.

mod programs;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;

use futures_rustls::rustls::{self, ServerConfig, ServerConnection};
use programs::{build, command, ended, limit, send};
use ring::digest;
use rustix::process::Signal;

/// Starts the window with these arguments.
fn start(arguments: &[&str]) -> Child {
    let mut window = command(&build("download_window"));
    let window = window
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    window.spawn().expect("it starts")
}

/// Runs the window unattended, with a picture in this folder; returns its exit code and report.
fn run_unattended(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let picture = folder.join("window.png");
    let picture = picture.to_str().expect("a plain name");
    let child = start(&[&["--screenshot", picture], arguments].concat());
    let _limit = limit(child.id());
    let (code, output, errors) = ended(&child.wait_with_output().expect("it ends"));
    assert_eq!(errors, "", "{output}");
    assert!(
        fs::read(picture)
            .expect("a picture")
            .starts_with(b"\x89PNG")
    );
    (code, output)
}

/// Starts a server for one kind of failure: it reads a request, then calls `answer`.
fn peer(answer: impl Fn(&mut TcpStream, &str) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            answer(&mut stream, &String::from_utf8_lossy(&request[..length]));
        }
    });
    format!("http://{address}/file")
}

/// Starts a server that always sends this answer.
fn says(answer: &'static str) -> String {
    peer(move |stream, _| {
        // The client may have closed the connection.
        let _ = stream.write_all(answer.as_bytes());
    })
}

#[test]
fn files_are_downloaded_intact_and_the_picture_is_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, report) = run_unattended(folder.path(), &["--size", "0.2", "--rate", "5"]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.starts_with("7 of 7 files are here.\n"), "{report}");
    assert_eq!(
        report.matches("same as the server's").count(),
        7,
        "{report}"
    );
    assert!(report.contains("\nFrame time over "), "{report}");
}

#[test]
fn downloads_continue_while_a_question_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, report) = run_unattended(
        folder.path(),
        &["--files", "2", "--size", "2", "--rate", "1"],
    );
    assert_eq!(code, Some(0), "{report}");
    assert!(
        report.contains("While the question was open, the others received "),
        "{report}"
    );
}

#[test]
fn files_are_saved_at_the_chosen_path_and_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("linux-image.iso");
    fs::write(&own, "mine").expect("it can be written");
    let place = folder.path().to_str().expect("a plain name");
    let (code, report) = run_unattended(
        folder.path(),
        &["--size", "0.2", "--rate", "5", "--save", place],
    );
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(fs::read(own).expect("it is there"), b"mine");
    assert!(report.contains("linux-image-2.iso"), "{report}");
    for line in report.lines().filter(|line| line.contains("sha256")) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let file = fs::read(folder.path().join(columns[0])).expect("it is there");
        let sha256 = digest::digest(&digest::SHA256, &file);
        assert!(
            line.contains(&format!("sha256 {}  ", hex(sha256.as_ref()))),
            "{line}"
        );
    }
    let mut left = fs::read_dir(folder.path()).expect("a folder");
    assert!(!left.any(|file| file.expect("a file").path().extension() == Some("part".as_ref())));
}

#[test]
fn unattended_window_with_its_panel_saves_a_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace.json");
    let path = trace.to_str().expect("a plain name");
    let (code, report) = run_unattended(
        folder.path(),
        &[
            "--instruments",
            "--trace",
            path,
            "--files",
            "1",
            "--size",
            "0.2",
        ],
    );
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains(&format!("Saved in {path}.")), "{report}");
    let trace = fs::read_to_string(trace).expect("it is there");
    assert!(trace.contains("download_window::download::Download::start"));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn failure_is_printed_as_a_sentence_and_sets_the_exit_code() {
    let unused = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = format!("http://{}/file", unused.local_addr().expect("it listens"));
    drop(unused);
    let digest = "A".repeat(43);
    let damaged = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nRepr-Digest: sha-256=:{digest}=:\r\n\r\nblue"
    );
    let foreign = says("220 mail.example ESMTP\r\n");
    let silent = peer(|stream, _| {
        let _ = stream.read(&mut [0]); // until the client closes the connection
    });
    let expected = [
        ("not-an-address".to_owned(), "This is not a web address"),
        (
            "ftp://127.0.0.1/file".to_owned(),
            "This is not a web address",
        ),
        (nobody, "refused the connection: no server listens there."),
        (
            says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            "The server has no such file (404).",
        ),
        (
            says("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot so many"),
            "The server closed the connection too early.",
        ),
        (
            says(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-8/9\r\nContent-Length: 4\r\n\r\nblue",
            ),
            "The server sent another part of the file than it was asked for.",
        ),
        (says(damaged.leak()), "checksums differ."),
        (
            says("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"),
            "The server sends us round in circles (too many redirects).",
        ),
        (
            silent,
            "The server stopped sending: nothing came for too long.",
        ),
        (foreign.replace("http:", "https:"), "does not speak TLS"),
        (foreign, "does not speak HTTP."),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let mut arguments = vec!["--timeout", "0.5"];
    arguments.extend(expected.iter().map(|(url, _)| url.as_str()));
    let (code, report) = run_unattended(folder.path(), &arguments);
    assert_eq!(code, Some(1), "{report}");
    let mut lines = report.lines();
    assert_eq!(lines.next(), Some("0 of 11 files are here."));
    for ((url, sentence), line) in expected.iter().zip(lines) {
        assert!(line.contains(sentence), "{url}: {line}");
    }
}

#[test]
fn untrusted_certificate_is_printed_as_a_sentence() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], key)
        .expect("they belong together");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!(
        "https://{}/file",
        listener.local_addr().expect("it listens")
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            // The client aborts the handshake, as the test expects.
            let _ = connection.complete_io(&mut stream.expect("a connection"));
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (code, report) = run_unattended(folder.path(), &[&url]);
    assert_eq!(code, Some(1), "{report}");
    assert!(
        report.contains("The server's certificate is not to be trusted: "),
        "{report}"
    );
}

#[test]
fn redirect_is_followed() {
    let url = peer(|stream, request| {
        let answer = if request.starts_with("GET /file ") {
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: elsewhere?really=yes\r\nContent-Length: 0\r\n\r\n"
        } else if request.starts_with("GET /elsewhere?really=yes ") {
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblue"
        } else {
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        };
        let _ = stream.write_all(answer.as_bytes());
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (code, report) = run_unattended(folder.path(), &[&url]);
    assert_eq!(code, Some(0), "{report}");
    let blue = hex(digest::digest(&digest::SHA256, b"blue").as_ref());
    assert!(
        report.contains(&format!("sha256 {blue}  not published")),
        "{report}"
    );
}

/// Starts a download that does not end, sends a signal during it, and returns the exit code.
fn ends_by(signal: Signal) -> (Option<i32>, String) {
    let (tell, begun) = mpsc::channel();
    let url = peer(move |stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nand then");
        tell.send(()).expect("the test waits");
        let _ = stream.read(&mut [0]);
    });
    let child = start(&["--screenshot", "/dev/null", &url]);
    let _limit = limit(child.id());
    begun.recv().expect("it is asked");
    send(child.id(), signal);
    let (code, _, errors) = ended(&child.wait_with_output().expect("it ends"));
    (code, errors)
}

#[test]
fn ctrl_c_during_downloads_ends_the_program() {
    assert_eq!(ends_by(Signal::INT), (Some(130), String::new()));
}

#[test]
fn sigterm_during_downloads_ends_the_program() {
    assert_eq!(ends_by(Signal::TERM), (Some(0), String::new()));
}
