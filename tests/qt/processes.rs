//! Child processes, and the system's signals.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use qtloop::process::spawn;
use qtloop::signal::{self, SignalKind};
use qtloop::spawn_local;
use qtloop::time::{sleep, timeout};
use rustix::process::{Pid, Signal, getpid, getuid, kill_process};

use crate::trials;
use crate::world::run;

trials![
    a_process_talks_through_its_pipes,
    all_that_a_process_says_is_its_output,
    the_end_of_a_process_is_awaited,
    a_process_is_ended_by_force,
    a_program_that_is_not_there_is_an_error,
    a_signal_of_the_system_is_awaited,
];

fn a_process_talks_through_its_pipes() {
    run(async {
        let mut cat = spawn(
            Command::new("cat")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )?;
        let mut stdin = cat.stdin.take().expect("a pipe");
        stdin.write_all(b"to and fro").await?;
        drop(stdin);
        let mut said = String::new();
        cat.stdout
            .take()
            .expect("a pipe")
            .read_to_string(&mut said)
            .await?;
        assert_eq!(said, "to and fro");
        assert!(cat.wait().await?.success());
        assert!(cat.wait().await?.success());
        Ok(())
    });
}

fn all_that_a_process_says_is_its_output() {
    run(async {
        let script = "head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2; exit 3";
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = spawn(&mut shell)?.output().await?;
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (200_000, 200_000)
        );
        assert_eq!(output.status.code(), Some(3));
        Ok(())
    });
}

fn the_end_of_a_process_is_awaited() {
    run(async {
        let mut read = spawn(
            Command::new("cat")
                .stdin(Stdio::piped())
                .stdout(Stdio::null()),
        )?;
        assert!(read.try_wait()?.is_none());
        let stdin = read.stdin.take();
        assert!(
            timeout(Duration::from_millis(1), read.wait())
                .await
                .is_err()
        );
        drop(stdin);
        assert!(read.wait().await?.success());
        Ok(())
    });
}

fn a_process_is_ended_by_force() {
    run(async {
        let mut child = spawn(Command::new("cat").stdin(Stdio::piped()))?;
        assert!(child.id() > 0);
        child.kill()?;
        assert_eq!(child.wait().await?.code(), None);
        Ok(())
    });
}

fn a_program_that_is_not_there_is_an_error() {
    run(async {
        let mut command = Command::new("/no/such/program");
        // So std forks by itself; valgrind loses the error of posix_spawn().
        command.uid(getuid().as_raw());
        let error = spawn(&mut command).expect_err("nothing");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        Ok(())
    });
}

fn a_signal_of_the_system_is_awaited() {
    let own: Pid = getpid();
    run(async {
        let interrupted = spawn_local(signal::ctrl_c());
        let ended = spawn_local(signal::terminate());
        let mut hang_ups = signal::unix(SignalKind::hangup())?;
        sleep(Duration::from_millis(1)).await;
        for (number, count) in [(Signal::INT, 1), (Signal::TERM, 1), (Signal::HUP, 2)] {
            for _ in 0..count {
                kill_process(own, number)?;
            }
        }
        interrupted.await??;
        ended.await??;
        hang_ups.next().await.expect("it has no end");
        assert!(signal::unix(SignalKind::from_raw(9)).is_err());
        Ok(())
    });
}
