//! Tests of child processes: pipes, output, exit, and the thread and loop that wait.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use qtloop::process::{Child, ChildStdin, Command};
use qtloop::spawn_local;
use qtloop::task::{unblock, yield_now};
use qtloop::time::timeout;
use rustix::process::{getpid, getuid};

use crate::trials;
use crate::world::{attached, run};

trials![
    child_reads_and_writes_its_pipes,
    output_reads_both_pipes_at_once,
    output_sets_pipes_and_closes_input,
    output_keeps_streams_that_were_set,
    status_closes_pipes_that_are_not_read,
    environment_and_directory_are_passed_to_the_child,
    wait_may_be_dropped_and_called_again,
    wait_closes_standard_input,
    wait_of_a_child_that_has_ended_returns_at_once,
    kill_waits_until_the_child_has_ended,
    program_that_cannot_run_is_an_error,
    output_of_one_child_is_the_input_of_another,
    owned_fd_of_a_pipe_blocks,
    child_is_awaited_on_another_thread,
    child_whose_loop_was_closed_is_an_error,
    #[cfg(feature = "tokio-io")]
    pipes_implement_the_traits_of_tokio,
];

pub(crate) fn shell(script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]);
    shell
}

/// Whether the system reports the end of a process by a file descriptor. Old valgrinds cannot, nor
/// other systems than Linux.
pub(crate) fn has_pidfds() -> bool {
    #[cfg(target_os = "linux")]
    let has = rustix::process::pidfd_open(getpid(), rustix::process::PidfdFlags::empty()).is_ok();
    #[cfg(not(target_os = "linux"))]
    let has = false;
    has
}

/// Returns the state letter of a process; `None` if it does not exist, not even as a zombie.
#[cfg(target_os = "linux")]
pub(crate) fn state(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// Starts a process that runs until end of file on its input.
pub(crate) fn cat() -> io::Result<(Child, ChildStdin)> {
    let mut cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let stdin = cat.stdin.take().expect("a pipe");
    Ok((cat, stdin))
}

fn child_reads_and_writes_its_pipes() {
    run(async {
        let mut cat = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = cat.stdin.take().expect("a pipe");
        stdin.write_all(b"to and fro").await?;
        stdin.flush().await?;
        drop(stdin);
        let mut said = String::new();
        let mut stdout = cat.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut said).await?;
        assert_eq!(said, "to and fro");
        assert!(cat.stderr.is_none());
        assert!(cat.wait().await?.success());
        assert!(cat.wait().await?.success());
        assert!(cat.try_wait()?.is_some());
        Ok(())
    });
}

fn output_reads_both_pipes_at_once() {
    run(async {
        let script = "head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero; exit 3";
        let output = shell(script).output().await?;
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (1_000_000, 1_000_000)
        );
        assert_eq!(output.status.code(), Some(3));
        Ok(())
    });
}

fn output_sets_pipes_and_closes_input() {
    run(async {
        let mut command = shell("echo out; echo err >&2; cat");
        for _ in 0..2 {
            let output = command.output().await?;
            assert_eq!(
                (&*output.stdout, &*output.stderr),
                (&b"out\n"[..], &b"err\n"[..])
            );
        }
        let mut std = std::process::Command::new("echo");
        std.arg("of std").stdout(Stdio::null());
        let output = Command::from(std).output().await?;
        assert_eq!(output.stdout, b"of std\n");
        Ok(())
    });
}

fn output_keeps_streams_that_were_set() {
    run(async {
        let mut file = tempfile::tempfile()?;
        let mut command = shell("cat; echo out; echo err >&2");
        let (mut other, input) = io::pipe().map(|(reader, writer)| (writer, reader))?;
        io::Write::write_all(&mut other, b"in ")?;
        drop(other);
        command.stdin(input).stdout(file.try_clone()?);
        let output = command.output().await?;
        assert_eq!(
            (&*output.stdout, &*output.stderr),
            (&b""[..], &b"err\n"[..])
        );
        let mut text = String::new();
        io::Seek::rewind(&mut file)?;
        io::Read::read_to_string(&mut file, &mut text)?;
        assert_eq!(text, "in out\n");
        Ok(())
    });
}

fn status_closes_pipes_that_are_not_read() {
    run(async {
        let mut command = shell("cat >/dev/null; head -c 1000000 /dev/zero; exit 4");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        assert_eq!(command.status().await?.code(), Some(4));
        Ok(())
    });
}

fn environment_and_directory_are_passed_to_the_child() {
    run(async {
        let mut command = shell("echo $ONE $TWO $THREE $FOUR; pwd");
        command
            .env_clear()
            .env("ONE", "1")
            .envs([("TWO", "2"), ("THREE", "3")])
            .env("FOUR", "4")
            .env_remove("THREE")
            .current_dir("/");
        assert_eq!(command.as_std().get_program(), "sh");
        assert_eq!(command.output().await?.stdout, b"1 2 4\n/\n");
        Ok(())
    });
}

fn wait_may_be_dropped_and_called_again() {
    run(async {
        let (mut cat, stdin) = cat()?;
        assert!(cat.try_wait()?.is_none());
        for _ in 0..2 {
            let waiting = timeout(Duration::from_millis(1), cat.wait()).await;
            assert!(waiting.is_err());
        }
        drop(stdin);
        assert!(cat.wait().await?.success());
        Ok(())
    });
}

fn wait_closes_standard_input() {
    run(async {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn()?;
        assert!(cat.wait().await?.success());
        assert!(cat.stdin.is_none());
        Ok(())
    });
}

fn wait_of_a_child_that_has_ended_returns_at_once() {
    run(async {
        let mut child = shell("exit 5").stdout(Stdio::piped()).spawn()?;
        // End of file on its output shows that it ends.
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_to_end(&mut Vec::new()).await?;
        #[cfg(target_os = "linux")]
        while state(child.id().expect("not waited for")) != Some('Z') {
            yield_now().await;
        }
        assert_eq!(child.wait().await?.code(), Some(5));
        Ok(())
    });
}

fn kill_waits_until_the_child_has_ended() {
    run(async {
        let (mut cat, _stdin) = cat()?;
        assert!(cat.id().expect("it runs") > 0);
        cat.kill().await?;
        assert_eq!(cat.id(), None);
        assert_eq!(cat.wait().await?.code(), None);
        cat.start_kill()?; // there is no process to kill, which is no error
        Ok(())
    });
}

fn program_that_cannot_run_is_an_error() {
    run(async {
        let own = |program: &str| {
            let mut command = Command::new(program);
            // This makes std fork by itself: valgrind loses the error of posix_spawn().
            command.as_std_mut().uid(getuid().as_raw());
            command
        };
        let error = own("/no/such/program").spawn().expect_err("nothing");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = own("no-such-program-in-the-path").output().await;
        assert_eq!(error.expect_err("nothing").kind(), io::ErrorKind::NotFound);
        let error = own("no-such-program-in-the-path").status().await;
        assert_eq!(error.expect_err("nothing").kind(), io::ErrorKind::NotFound);
        let text = tempfile::NamedTempFile::new()?;
        fs::set_permissions(text.path(), fs::Permissions::from_mode(0o600))?;
        let path = text.path().to_str().expect("a name");
        let error = own(path).spawn().expect_err("no program");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        Ok(())
    });
}

fn output_of_one_child_is_the_input_of_another() {
    run(async {
        let mut zeros = shell("head -c 1000000 /dev/zero")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = zeros.stdout.take().expect("a pipe");
        let mut first = [1; 10];
        stdout.read_exact(&mut first).await?;
        let output = Command::new("wc").arg("-c").stdin(stdout).output().await?;
        let count = String::from_utf8_lossy(&output.stdout);
        assert_eq!(count.trim(), "999990");
        assert!(zeros.wait().await?.success());
        Ok(())
    });
}

fn owned_fd_of_a_pipe_blocks() {
    run(async {
        let mut child = shell("echo out").stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("a pipe");
        let flags = rustix::fs::fcntl_getfl(&stdout)?;
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
        let blocking = stdout.into_owned_fd()?;
        let flags = rustix::fs::fcntl_getfl(&blocking)?;
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
        child.wait().await.map(drop)
    });
}

fn child_is_awaited_on_another_thread() {
    run(async {
        let (mut cat, mut stdin) = cat()?;
        let (sender, receiver) = async_channel::bounded(1);
        let elsewhere = unblock(move || {
            future::block_on(async {
                assert!(future::poll_once(cat.wait()).await.is_none());
                sender.send(()).await.expect("a receiver");
                cat.wait().await
            })
        });
        let elsewhere = spawn_local(elsewhere);
        receiver.recv().await.expect("it waits");
        stdin.write_all(b"line").await?;
        drop(stdin);
        // The pipes of this child are read on the other thread.
        let echo = shell("echo out; echo err >&2")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = unblock(move || future::block_on(echo.wait_with_output())).await?;
        assert_eq!(
            (&*output.stdout, &*output.stderr),
            (&b"out\n"[..], &b"err\n"[..])
        );
        assert!(elsewhere.await??.success());
        Ok(())
    });
}

fn child_whose_loop_was_closed_is_an_error() {
    if !has_pidfds() {
        return; // without pidfds a thread waits, which needs no loop
    }
    let event_loop = attached();
    let (mut cat, stdin) = cat().expect("a process");
    let (sender, receiver) = std::sync::mpsc::channel();
    let elsewhere = std::thread::spawn(move || {
        let result = future::block_on(async {
            let mut waiting = pin!(cat.wait());
            assert!(future::poll_once(&mut waiting).await.is_none());
            sender.send(()).expect("a receiver");
            waiting.await
        });
        (result, cat)
    });
    receiver.recv().expect("it waits");
    drop(event_loop);
    let (result, mut cat) = elsewhere.join().expect("no panic");
    let error = result.expect_err("there is no loop");
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    cat.start_kill().expect("it runs");
    drop(stdin);
}

#[cfg(feature = "tokio-io")]
fn pipes_implement_the_traits_of_tokio() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    run(async {
        let mut command = shell("cat; echo err >&2");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("a pipe");
        AsyncWriteExt::write_all(&mut stdin, b"in").await?;
        AsyncWriteExt::shutdown(&mut stdin).await?;
        drop(stdin);
        let (mut out, mut err) = (String::new(), String::new());
        let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        AsyncReadExt::read_to_string(stdout.as_mut().expect("a pipe"), &mut out).await?;
        AsyncReadExt::read_to_string(stderr.as_mut().expect("a pipe"), &mut err).await?;
        assert_eq!((&*out, &*err), ("in", "err\n"));
        child.wait().await.map(drop)
    });
}

/// The futures and types of this module may be sent and shared.
#[allow(dead_code)]
fn process_futures_and_types_are_send() {
    fn send_and_sync<T: Send + Sync>(_: &T) {}
    fn send<F: Future + Send + 'static>(_: F) {}
    let mut command = Command::new("true");
    send(command.status());
    send(command.output());
    if let Ok(child) = command.spawn() {
        send_and_sync(&child);
        send(child.wait_with_output());
    }
}
