//! Child processes whose pipes and end are awaited.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Output};

use futures_io::AsyncRead;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::io::Async;
use crate::task::expect_current;

/// Starts a command. Its pipes are those that it was told to have, by `Stdio::piped()`.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use std::process::{Command, Stdio};
///
/// let ls = qtloop::process::spawn(Command::new("ls").stdout(Stdio::piped()))?;
/// let output = ls.output().await?;
/// println!("{} bytes, {}", output.stdout.len(), output.status);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// There is no such program, it may not be run, or the operating system has no more room.
///
/// # Panics
/// This thread has no [`Loop`](crate::Loop).
#[track_caller]
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let _ = expect_current("process::spawn()"); // before there is a process
    let mut child = command.spawn()?;
    let stdin = child
        .stdin
        .take()
        .map(|pipe| Async::new(PipeWriter::from(OwnedFd::from(pipe))));
    let stdout = child
        .stdout
        .take()
        .map(|pipe| Async::new(PipeReader::from(OwnedFd::from(pipe))));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| Async::new(PipeReader::from(OwnedFd::from(pipe))));
    Ok(Child {
        stdin: stdin.transpose()?,
        stdout: stdout.transpose()?,
        stderr: stderr.transpose()?,
        child,
    })
}

/// A process that was started. Dropped, it goes on by itself, as std's does.
#[derive(Debug)]
pub struct Child {
    /// What it reads.
    pub stdin: Option<Async<PipeWriter>>,
    /// What it says.
    pub stdout: Option<Async<PipeReader>>,
    /// What it complains of.
    pub stderr: Option<Async<PipeReader>>,
    child: std::process::Child,
}

impl Child {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it by force (`SIGKILL`); [`wait`](Child::wait) says when it has.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }

    /// Its exit status, if it has ended.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Closes its standard input, and waits for its end. May be asked again, and dropped before.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.stdin = None;
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        match pidfd(pid) {
            Ok(descriptor) => Async::new(descriptor)?.readable().await?,
            // A system without such descriptors: a thread waits.
            Err(_) => {
                crate::task::unblock(move || {
                    rustix::process::waitid(
                        WaitId::Pid(pid),
                        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
                    )
                    .map(drop)
                })
                .await?;
            }
        }
        self.child.wait() // which it need not any more
    }

    /// Closes its standard input, and waits for its end, with all that it has said.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub async fn output(mut self) -> io::Result<Output> {
        self.stdin = None;
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        // Both at a time: a full pipe that nobody reads would hold the process up.
        let complaints = crate::task::spawn_local(read(stderr)).abort_on_drop();
        let stdout = read(stdout).await?;
        let stderr = complaints.await??;
        Ok(Output {
            status: self.wait().await?,
            stdout,
            stderr,
        })
    }
}

#[cfg(target_os = "linux")]
fn pidfd(pid: Pid) -> rustix::io::Result<OwnedFd> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK)
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_: Pid) -> rustix::io::Result<OwnedFd> {
    Err(rustix::io::Errno::NOSYS)
}

/// All of it.
async fn read(pipe: Option<Async<PipeReader>>) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else {
        return Ok(Vec::new());
    };
    let (mut all, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let piece = std::future::poll_fn(|context| {
            std::pin::Pin::new(&mut pipe).poll_read(context, &mut buffer)
        });
        match piece.await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}
