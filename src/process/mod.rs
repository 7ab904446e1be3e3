//! Child processes: [`Command`] starts one, and [`Child`] awaits its pipes and its end.
//!
//! The names and their meaning are those of
//! [tokio::process](https://docs.rs/tokio/latest/tokio/process/).
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use std::time::Duration;
//! use qtloop::{process::Command, time::timeout};
//!
//! let mut grep = Command::new("grep");
//! grep.args(["-r", "needle", "haystack"]).kill_on_drop(true);
//! let output = timeout(Duration::from_secs(9), grep.output()).await??;
//! println!("{} bytes, {}", output.stdout.len(), output.status);
//! # Ok(())
//! # }
//! ```
//!
//! **Dropped children.** A [`Child`] that is dropped continues to run, unless
//! [`Command::kill_on_drop`] is set: then it gets `SIGKILL`. In both cases the loop of
//! [`spawn`](Command::spawn) waits for its end and reaps it, so no zombie remains. A child whose
//! loop closes before that is reaped by the first [`spawn`](Command::spawn) of any loop after its
//! end.
//!
//! **Systems without pidfds**, such as Linux before 5.3: each [`wait`](Child::wait) occupies a
//! thread of the pool of [`unblock`](crate::task::unblock), and all dropped children are reaped by
//! the next `spawn`.

mod child;
mod orphan;
mod pipes;

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use crate::task::expect_current;

pub use child::Child;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};

/// A builder of child processes: [`std::process::Command`], whose children are awaited.
///
/// Other methods, such as `uid()` and `pre_exec()` of
/// [`CommandExt`](std::os::unix::process::CommandExt), are called on
/// [`as_std_mut`](Command::as_std_mut).
#[derive(Debug)]
pub struct Command {
    std: std::process::Command,
    kill_on_drop: bool,
    /// Whether [`Command::stdin`] and its like were called.
    is_set: [bool; 3],
}

impl Command {
    /// Returns a command that runs a program without arguments, in the environment and directory of
    /// this process.
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        std::process::Command::new(program).into()
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Command {
        self.std.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(
        &mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> &mut Command {
        self.std.args(arguments);
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.std.env(key, value);
        self
    }

    /// Sets variables of the child's environment.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Command {
        self.std.envs(variables);
        self
    }

    /// Removes a variable from the child's environment.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Clears the child's environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// Sets the child's working directory.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Command {
        self.std.current_dir(directory);
        self
    }

    /// Sets the child's standard input. The default is this process's own, and `Stdio::null()` for
    /// [`output`](Command::output).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Command {
        self.std.stdin(stdin);
        self.is_set[0] = true;
        self
    }

    /// Sets the child's standard output. The default is this process's own, and a pipe for
    /// [`output`](Command::output).
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// use std::process::Stdio;
    /// use qtloop::process::Command;
    ///
    /// let mut ls = Command::new("ls").stdout(Stdio::piped()).spawn()?;
    /// let names = ls.stdout.take().expect("a pipe");
    /// let count = Command::new("wc").arg("-l").stdin(names).output().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Command {
        self.std.stdout(stdout);
        self.is_set[1] = true;
        self
    }

    /// Sets the child's standard error. The default is this process's own, and a pipe for
    /// [`output`](Command::output).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Command {
        self.std.stderr(stderr);
        self.is_set[2] = true;
        self
    }

    /// Sets whether a child gets `SIGKILL` when its [`Child`], or the future of
    /// [`status`](Command::status) or [`output`](Command::output), is dropped before the child's
    /// end was seen. The default is that it continues to run.
    pub fn kill_on_drop(&mut self, kills: bool) -> &mut Command {
        self.kill_on_drop = kills;
        self
    }

    /// Returns the command of the standard library.
    #[must_use]
    pub fn as_std(&self) -> &std::process::Command {
        &self.std
    }

    /// Returns the command of the standard library, for its methods that are not here.
    /// [`output`](Command::output) does not see standard streams that are set in this way, and
    /// replaces them.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }

    /// Starts the process. Its file descriptors belong to this thread's loop; the [`Child`] may be
    /// used on any thread.
    ///
    /// # Errors
    /// `NotFound`: there is no such program. `PermissionDenied`: it may not be executed. Other
    /// errors are those of the operating system, which has no process or file descriptor left.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        let event_loop = expect_current("Command::spawn()"); // before there is a process
        orphan::reap();
        Child::new(self.std.spawn()?, event_loop.shared(), self.kill_on_drop)
    }

    /// Starts the process, and waits for its end. Its standard streams are this process's own
    /// unless they are set; pipes to them are closed at once.
    ///
    /// The process starts when this is called. When the future is dropped it continues to run,
    /// unless [`kill_on_drop`](Command::kill_on_drop) is set.
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn).
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send + use<> {
        let child = self.spawn();
        async move {
            let mut child = child?;
            // A child that fills a pipe which is not read would never end.
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the process, and waits for its end and for all its output. Standard output and
    /// standard error are pipes unless they are set, and standard input is empty.
    ///
    /// The process starts when this is called. When the future is dropped it continues to run,
    /// unless [`kill_on_drop`](Command::kill_on_drop) is set: set it where a
    /// [`timeout`](crate::time::timeout) is to end the process.
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let output = qtloop::process::Command::new("uname").arg("-r").output().await?;
    /// println!("{}", String::from_utf8_lossy(&output.stdout));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn). A program that ends with an error is no error: see the
    /// `status` of the result.
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop).
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + Send + use<> {
        let [stdin, stdout, stderr] = self.is_set;
        if !stdin {
            self.std.stdin(Stdio::null());
        }
        if !stdout {
            self.std.stdout(Stdio::piped());
        }
        if !stderr {
            self.std.stderr(Stdio::piped());
        }
        let child = self.spawn();
        async move { child?.wait_with_output().await }
    }
}

/// Takes a command as it is. Its standard streams count as not set: [`Command::output`] replaces
/// them.
impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Command {
        Command {
            std,
            kill_on_drop: false,
            is_set: [false; 3],
        }
    }
}
