//! [`Child`]: a process that was started.

use std::io;
use std::process::{ExitStatus, Output};
use std::sync::Arc;

use futures_util::future::try_join3;

use super::orphan::Process;
use super::pipes::{ChildStderr, ChildStdin, ChildStdout, read_all};
use crate::task::LoopShared;

/// A process that was started by [`Command::spawn`](super::Command::spawn).
///
/// It may be used and awaited on any thread. When the loop of `spawn` closes, waiting returns an
/// error of kind `NotConnected`. See the [module](super) for what a drop does.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// use std::process::Stdio;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use qtloop::process::Command;
///
/// let mut sort = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut stdin = sort.stdin.take().expect("a pipe");
/// stdin.write_all(b"pear\napple\n").await?;
/// drop(stdin); // the end of its input
/// let mut sorted = String::new();
/// sort.stdout.take().expect("a pipe").read_to_string(&mut sorted).await?;
/// assert!(sort.wait().await?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Child {
    /// The pipe to its standard input, if that is `Stdio::piped()`.
    pub stdin: Option<ChildStdin>,
    /// The pipe from its standard output, if that is `Stdio::piped()`.
    pub stdout: Option<ChildStdout>,
    /// The pipe from its standard error, if that is `Stdio::piped()`.
    pub stderr: Option<ChildStderr>,
    /// Dropped last: the pipes are closed before.
    process: Process,
}

impl Child {
    pub(super) fn new(
        mut child: std::process::Child,
        shared: &Arc<LoopShared>,
        kill_on_drop: bool,
    ) -> io::Result<Child> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // First, so that the process is reaped if the pipes cannot be had.
        let process = Process::new(child, shared, kill_on_drop);
        Ok(Child {
            stdin: stdin.map(ChildStdin::new).transpose()?,
            stdout: stdout.map(ChildStdout::new).transpose()?,
            stderr: stderr.map(ChildStderr::new).transpose()?,
            process,
        })
    }

    /// Returns the process ID; `None` after the process has ended and was waited for, since the
    /// system may use the number again.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Sends `SIGKILL`, and returns at once. [`wait`](Child::wait) waits for the end. A process
    /// that has ended is no error.
    ///
    /// # Errors
    /// Those of the operating system: the process may not be killed.
    pub fn start_kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Sends `SIGKILL`, and waits for the end of the process.
    ///
    /// # Errors
    /// As [`start_kill`](Child::start_kill) and [`wait`](Child::wait).
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Returns the exit status if the process has ended, and reaps it.
    ///
    /// # Errors
    /// Those of the operating system: other code of this program has reaped the process.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Closes the pipe to standard input, waits for the end of the process, and returns its exit
    /// status. May be called again, and its future may be dropped.
    ///
    /// A process that fills a pipe blocks until the pipe is read: use
    /// [`wait_with_output`](Child::wait_with_output) for one that writes much.
    ///
    /// # Errors
    /// As [`try_wait`](Child::try_wait); or `NotConnected`: the loop of
    /// [`spawn`](super::Command::spawn) was closed.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.process.wait().await
    }

    /// Closes the pipe to standard input, and waits for the end of the process and for all its
    /// output. Standard output and standard error are read if they are pipes.
    ///
    /// # Errors
    /// As [`wait`](Child::wait), or a pipe cannot be read.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        // All three at once: a full pipe that is not read blocks the process.
        let ends = try_join3(self.wait(), read_all(stdout), read_all(stderr));
        let (status, stdout, stderr) = ends.await?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}
