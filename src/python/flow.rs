//! The flow control of a transport, and the errors of its protocol and its system calls.

use std::io;

use pyo3::intern;
use pyo3::prelude::*;

use super::endpoint::EndpointState;
use super::error::is_fatal;
use crate::reactor::Direction;

impl EndpointState {
    /// Called after a write of queued data, all or a part of it. If data is left, the job is
    /// re-armed if `is_full`, queued again if not. `is_full` says that the system had no room; an
    /// event follows when it has. If none is left, writing ends and `_on_flushed()` is called.
    pub(super) fn flushed(&self, transport: &Bound<'_, PyAny>, is_full: bool) -> PyResult<()> {
        let resumed = self.resume_protocol(transport);
        if self.is_lost() {
            self.unwatch_write(transport);
            return resumed;
        }
        if self.queued.get() > 0 {
            if is_full {
                self.rearm(transport, Direction::Write);
            } else {
                self.repeat(transport, Direction::Write)?;
            }
            return resumed;
        }
        self.unwatch_write(transport);
        resumed?;
        let py = transport.py();
        transport.call_method0(intern!(py, "_on_flushed")).map(drop)
    }

    /// Counts a dropped write; logs a warning if there were too many. Returns false.
    #[cold]
    pub(super) fn drop_write(&self, py: Python<'_>, warning: &str) -> PyResult<bool> {
        let left = self.connlost_log_threshold.get();
        self.connlost_log_threshold.set(left.saturating_sub(1));
        if left == 0 {
            let logger = py.import("asyncio.log")?.getattr("logger")?;
            logger.call_method1("warning", (warning,))?;
        }
        Ok(false)
    }

    /// Calls `pause_writing()`, once, if more than the high limit is queued.
    pub(super) fn pause_protocol(&self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let (high, _) = self.limits.get();
        if self.queued.get() <= high || self.has_paused_protocol.replace(true) {
            return Ok(());
        }
        self.tell_protocol(transport, "pause_writing")
    }

    /// Calls `resume_writing()` if the protocol is paused and at most the low limit is queued.
    pub(super) fn resume_protocol(&self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let (_, low) = self.limits.get();
        if self.queued.get() > low || !self.has_paused_protocol.replace(false) {
            return Ok(());
        }
        self.tell_protocol(transport, "resume_writing")
    }

    fn tell_protocol(&self, transport: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
        let py = transport.py();
        let Some(protocol) = self.protocol(py) else {
            return Ok(());
        };
        match protocol.call_method0(method) {
            Err(error) if is_fatal(py, &error) => Err(error),
            Err(error) => {
                let message = format!("protocol.{method}() failed");
                let arguments = (error.into_value(py), message);
                transport
                    .call_method1(intern!(py, "_report"), arguments)
                    .map(drop)
            }
            Ok(_) => Ok(()),
        }
    }
}

/// Calls `_fatal_error()`, which closes the connection. An error that stops the loop is returned
/// instead.
pub(super) fn fail(transport: &Bound<'_, PyAny>, error: PyErr, message: &str) -> PyResult<()> {
    let py = transport.py();
    if is_fatal(py, &error) {
        return Err(error);
    }
    let arguments = (error.into_value(py), message);
    transport
        .call_method1(intern!(py, "_fatal_error"), arguments)
        .map(drop)
}

/// Returns 0 bytes written for `EAGAIN` and `EINTR`, which are no errors here.
pub(super) fn ignore_full(result: rustix::io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
        other => Ok(other?),
    }
}
