//! The watchdog of a Python loop: passes reports to a Python thread, and reads the stack of a loop
//! that holds the GIL.
//!
//! Two threads take part. The watchdog's own thread never takes the GIL. It posts each report to
//! the *reporter*, a Python thread, which logs it. If the reporter does not get the GIL in 20 ms,
//! the watchdog reads the stack by a signal, and writes the report to standard error itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::thread::{Pid, gettid};

use super::error::os_error;
use super::gil;
use super::stack_dump::{Dumper, StackDump};
use super::stall::{Frame, Libraries, Sentence};
use super::state::EventLoop;
use crate::instruments::watchdog::{self, Report, RunningTask};

/// How long the reporter has time to take the GIL. A loop that runs Python code passes it on after
/// the switch interval, 5 ms.
const GIL_REFUSED: Duration = Duration::from_millis(20);

/// A frame in Python: file, line, function.
type Row = (String, u32, String);

fn rows(stack: &[Frame]) -> Vec<Row> {
    let row = |frame: &Frame| (frame.file.clone(), frame.line, frame.function.clone());
    stack.iter().map(row).collect()
}

fn frames(rows: Vec<Row>) -> Vec<Frame> {
    let frame = |(file, line, function)| Frame {
        file,
        line,
        function,
    };
    rows.into_iter().map(frame).collect()
}

/// Reports on their way to the reporter.
#[derive(Default)]
struct Mail {
    state: Mutex<MailState>,
    posted: Condvar,
    taken: Condvar,
}

#[derive(Default)]
struct MailState {
    reports: VecDeque<Report>,
    /// The numbers of reports that were posted, and that the reporter has taken or skipped.
    posted: u64,
    taken: u64,
    /// The stack that a signal has brought, and the number of its stall.
    stack: Option<(u64, Vec<Frame>)>,
    /// The reporter waits for a report, or for the GIL to take one. Otherwise it logs one, or runs
    /// the program's handler.
    is_idle: bool,
    has_stopped: bool,
}

impl Mail {
    fn lock(&self) -> MutexGuard<'_, MailState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts a report, and returns its number.
    fn post(&self, report: Report) -> u64 {
        let mut state = self.lock();
        state.reports.push_back(report);
        state.posted += 1;
        self.posted.notify_one();
        state.posted
    }

    /// Waits until the reporter has taken a report. Returns false if it does not get the GIL, and
    /// true if it is busy with another report.
    fn wait_until_taken(&self, number: u64) -> bool {
        let waits = |state: &mut MailState| state.taken < number && !state.has_stopped;
        let state = self
            .taken
            .wait_timeout_while(self.lock(), GIL_REFUSED, waits);
        let state = state.unwrap_or_else(PoisonError::into_inner).0;
        state.taken >= number || !state.is_idle
    }

    fn stop(&self) {
        self.lock().has_stopped = true;
        self.posted.notify_one();
        self.taken.notify_one();
    }

    /// Waits for a report or the end.
    fn wait_until_posted(&self) {
        let waits = |state: &mut MailState| state.reports.is_empty() && !state.has_stopped;
        let mut state = self.lock();
        state.is_idle = true;
        drop(self.posted.wait_while(state, waits));
    }

    /// Takes the next report that is not out of date, and the stack of its stall if a signal has
    /// brought it.
    fn take(&self) -> Option<(Report, Option<Vec<Frame>>)> {
        let mut state = self.lock();
        state.is_idle = false;
        let mut taken = None;
        while let Some(report) = state.reports.pop_front() {
            state.taken += 1;
            // If the stall has ended, the report of its end follows.
            if report.is_over || report.stall.is_current() && state.reports.is_empty() {
                taken = Some(report);
                break;
            }
        }
        self.taken.notify_one();
        let report = taken?;
        let number = report.stall.number();
        let stack = state.stack.as_ref().filter(|(of, _)| *of == number);
        Some((report, stack.map(|(_, stack)| stack.clone())))
    }
}

/// The data of a report besides its stall.
struct Surroundings {
    /// The loop's thread.
    thread: Pid,
    /// Its name; `None` for the application's thread.
    thread_name: Option<String>,
    libraries: Libraries,
    dumper: Option<Arc<Dumper>>,
    /// The descriptor of standard error, if reports are written there.
    error_fd: Option<RawFd>,
}

impl Surroundings {
    /// Reports a stall without the GIL. Returns the stack.
    fn report(&self, report: &Report) -> Option<Vec<Frame>> {
        let stack = self
            .dumper
            .as_ref()
            .and_then(|dumper| dumper.stack(self.thread));
        let frames = stack.as_deref().unwrap_or_default();
        let sentence = Sentence {
            elapsed: report.elapsed,
            is_over: report.is_over,
            has_window: report.has_window,
            thread: self.thread_name.as_deref(),
            location: self.libraries.location(frames).map(|index| &frames[index]),
            task: report.task.as_deref(),
            chain: &[],
        };
        if let Some(fd) = self.error_fd {
            let line = format!("qtloop: {}\n", sentence.text(&self.libraries));
            // SAFETY: the descriptor is that of `sys.stderr`. The file is not dropped, so it stays
            // open; if the program has closed it, the write fails.
            let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
            let _ = file.write_all(line.as_bytes());
        }
        stack
    }
}

/// The watchdog of one loop, on the thread that has made it, until `stop()`.
#[pyclass(frozen, module = "qtloop._native")]
pub(super) struct Watchdog {
    watchdog: Mutex<Option<watchdog::Watchdog>>,
    running_task: Arc<RunningTask>,
    mail: Arc<Mail>,
    surroundings: Arc<Surroundings>,
    process: u32,
}

#[pymethods]
impl Watchdog {
    #[new]
    #[pyo3(signature = (event_loop, seconds, dump, error_fd, thread_name, hidden, installed))]
    #[allow(clippy::too_many_arguments)] // the Python half has one call
    fn new(
        event_loop: &Bound<'_, EventLoop>,
        seconds: f64,
        dump: Option<&Bound<'_, StackDump>>,
        error_fd: Option<RawFd>,
        thread_name: Option<String>,
        hidden: Vec<String>,
        installed: Vec<String>,
    ) -> PyResult<Watchdog> {
        let threshold = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("watchdog: {error}")))?;
        let mail = Arc::new(Mail::default());
        let surroundings = Arc::new(Surroundings {
            thread: gettid(),
            thread_name,
            libraries: Libraries { hidden, installed },
            dumper: dump.map(|dump| Arc::clone(&dump.get().0)),
            error_fd,
        });
        let report = {
            let (mail, surroundings) = (Arc::clone(&mail), Arc::clone(&surroundings));
            move |report: Report| {
                let number = mail.post(report.clone());
                if !report.is_over && !mail.wait_until_taken(number) {
                    let stack = surroundings.report(&report);
                    if let Some(stack) = stack {
                        mail.lock().stack = Some((report.stall.number(), stack));
                    }
                }
            }
        };
        let watchdog = watchdog::Watchdog::new(threshold, report).map_err(os_error)?;
        let state = event_loop.get().state(event_loop.py());
        let running_task = watchdog.running_task();
        let observed = state.observe(event_loop)?;
        if observed.note_tasks(Arc::clone(&running_task)) {
            state.unobserve(); // the watchdog before will not do it
        }
        Ok(Watchdog {
            watchdog: Mutex::new(Some(watchdog)),
            running_task,
            mail,
            surroundings,
            process: process::id(),
        })
    }

    /// Waits for the next report, without the GIL. Returns None after stop(), else: the seconds,
    /// whether the stall is over, whether there is a window, the name of the task, the stack that a
    /// signal has brought (innermost frame first) or None, and the number of the stall.
    #[allow(clippy::type_complexity)] // it is a tuple of Python
    fn next(
        &self,
        py: Python<'_>,
    ) -> Option<(f64, bool, bool, Option<String>, Option<Vec<Row>>, u64)> {
        loop {
            gil::release(py, || self.mail.wait_until_posted());
            if let Some((report, stack)) = self.mail.take() {
                let elapsed = if report.is_over {
                    report.elapsed
                } else {
                    report.stall.elapsed()
                };
                return Some((
                    elapsed.as_secs_f64(),
                    report.is_over,
                    report.has_window,
                    report.task.map(|task| task.to_string()),
                    stack.map(|stack| rows(&stack)),
                    report.stall.number(),
                ));
            }
            let state = self.mail.lock();
            if state.has_stopped && state.reports.is_empty() {
                return None;
            }
        }
    }

    /// Returns the index of the frame that a report names, in a stack with the innermost frame
    /// first, and the sentence of the report.
    #[allow(clippy::too_many_arguments)] // the Python half has one call
    fn describe(
        &self,
        seconds: f64,
        is_over: bool,
        has_window: bool,
        task: Option<&str>,
        stack: Vec<Row>,
        chain: Vec<Row>,
    ) -> (Option<usize>, String) {
        let (stack, chain) = (frames(stack), frames(chain));
        let libraries = &self.surroundings.libraries;
        let index = libraries.location(&stack);
        let sentence = Sentence {
            elapsed: Duration::try_from_secs_f64(seconds).unwrap_or_default(),
            is_over,
            has_window,
            thread: self.surroundings.thread_name.as_deref(),
            location: index.map(|index| &stack[index]),
            task,
            chain: &chain,
        };
        (index, sentence.text(libraries))
    }

    /// Ends the watchdog, after its last report was posted. Idempotent; on any thread. In a forked
    /// child it only forgets the threads of the parent.
    fn stop(&self, py: Python<'_>, event_loop: &Bound<'_, EventLoop>) {
        let state = event_loop.get().state(py);
        let observed = state.observed.borrow().clone();
        if observed.is_some_and(|observed| observed.stop_noting(&self.running_task)) {
            state.unobserve();
        }
        if self.process != process::id() {
            // The locks may be held by threads that this process does not have.
            if let Ok(mut watchdog) = self.watchdog.try_lock() {
                drop(watchdog.take());
            }
            return;
        }
        let watchdog = self
            .watchdog
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        gil::release(py, || drop(watchdog));
        self.mail.stop();
    }
}
