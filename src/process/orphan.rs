//! [`Process`]: the file descriptor of a process's end, and the reaping of processes whose `Child`
//! was dropped.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions};

use crate::io::Async;
use crate::task::{Handle, LoopShared, TimeHold, consume_budget, unblock};

/// Children without a loop that waits for them.
static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Reaps the orphans that have ended.
pub(super) fn reap() {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    // An error means that other code has reaped it.
    orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// A child process. Dropped before its end, it becomes an orphan, which its loop waits for.
#[derive(Debug)]
pub(super) struct Process {
    /// `None` only after a drop has made it an orphan.
    child: Option<Child>,
    is_over: bool,
    kill_on_drop: bool,
    /// Readable from the end of the process on; `None` on systems without.
    pidfd: Option<Async<OwnedFd>>,
    handle: Handle,
}

impl Process {
    /// Called on the loop's thread.
    pub(super) fn new(child: Child, shared: &Arc<LoopShared>, kill_on_drop: bool) -> Process {
        let pidfd = pid(&child).ok().and_then(pidfd);
        Process {
            child: Some(child),
            is_over: false,
            kill_on_drop,
            pidfd: pidfd.and_then(|pidfd| Async::new(pidfd).ok()),
            handle: Handle(Arc::clone(shared)),
        }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("there until it is dropped")
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().filter(|_| !self.is_over).map(Child::id)
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        // By the pidfd if possible: if other code has reaped the process, its number may be that of
        // another process.
        match self.pidfd.as_ref().map(send_kill) {
            Some(Ok(()) | Err(Errno::SRCH)) => Ok(()),
            Some(Err(_)) | None => self.child().kill(),
        }
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child().try_wait()?;
        self.is_over = status.is_some();
        Ok(status)
    }

    /// On any thread.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        consume_budget().await;
        let _hold = TimeHold::here();
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            match &self.pidfd {
                Some(pidfd) => pidfd.readable().await?,
                None => wait_on_a_thread(pid(self.child())?).await?,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_over || self.child.is_none() {
            return;
        }
        if self.kill_on_drop {
            // It may have ended already.
            let _ = self.kill();
        }
        if !matches!(self.try_wait(), Ok(None)) {
            return;
        }
        let orphan = Orphan(self.child.take());
        match self.pidfd.take() {
            // A loop that is closed, or closes before the end of the process, drops the task, and
            // with it the orphan.
            Some(pidfd) => drop(self.handle.spawn(orphan.wait(pidfd))),
            None => drop(orphan),
        }
    }
}

/// A child that has to be reaped. Dropped before its end, it is left to the next [`reap`].
struct Orphan(Option<Child>);

impl Orphan {
    async fn wait(mut self, pidfd: Async<OwnedFd>) {
        if pidfd.readable().await.is_ok()
            && let Some(mut child) = self.0.take()
        {
            // It returns at once, with an error if other code has reaped the process.
            let _ = child.wait();
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
            orphans.push(child);
        }
    }
}

fn pid(child: &Child) -> io::Result<Pid> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok(pid.ok_or(io::ErrorKind::InvalidInput)?)
}

/// Waits for the end of a process on a thread of the pool, and does not reap it.
async fn wait_on_a_thread(pid: Pid) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let wait = move || rustix::process::waitid(WaitId::Pid(pid), options).map(drop);
    unblock(wait).await?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn pidfd(pid: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK).ok()
}

#[cfg(target_os = "linux")]
fn send_kill(pidfd: &Async<OwnedFd>) -> Result<(), Errno> {
    rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL)
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(not(target_os = "linux"))]
fn send_kill(_: &Async<OwnedFd>) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
