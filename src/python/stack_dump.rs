//! The Python stack of a thread that holds the GIL, by a signal.
//!
//! CPython's `faulthandler.register()` installs a handler that writes the stack of the thread which
//! receives the signal into a pipe. It needs no GIL. `python/qtloop/_stack_dump.py` chooses a
//! signal that the program does not use, and registers it.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libc::c_int;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::read;
use rustix::thread::Pid;

use super::stall::Frame;

/// How long a thread has time to receive the signal: one that runs does so at once.
const ANSWER: Duration = Duration::from_millis(200);

/// The handler writes the stack in pieces. After this time without one, it is complete.
const QUIET: Duration = Duration::from_millis(4);

/// The most bytes of a stack that are read. The handler writes at most 100 frames.
const MAX_BYTES: usize = 64 * 1024;

/// Reads the stacks of threads. Shared by the watchdogs of all loops.
pub(super) struct Dumper {
    signal: c_int,
    /// The address of faulthandler's handler.
    handler: usize,
    pipe: OwnedFd,
    /// Whether a signal was sent whose stack has not arrived.
    is_pending: Mutex<bool>,
}

/// The Python half's handle of a [`Dumper`].
#[pyclass(frozen, module = "qtloop._native")]
pub(super) struct StackDump(pub(super) Arc<Dumper>);

#[pymethods]
impl StackDump {
    /// Takes a signal that was passed to `faulthandler.register()`, and the reading end of its
    /// pipe, which it closes.
    #[new]
    fn new(signal: c_int, pipe: RawFd) -> StackDump {
        // SAFETY: the Python half passes the ownership of the descriptor.
        let pipe = unsafe { OwnedFd::from_raw_fd(pipe) };
        StackDump(Arc::new(Dumper {
            signal,
            handler: handler_of(signal).unwrap_or(libc::SIG_DFL),
            pipe,
            is_pending: Mutex::new(false),
        }))
    }

    /// Returns a real-time signal that nothing in this process handles; None if there is none.
    #[staticmethod]
    fn free_signal() -> Option<c_int> {
        // From the top: programs that use such signals count from SIGRTMIN. SIGRTMAX is valgrind's.
        (libc::SIGRTMIN()..libc::SIGRTMAX())
            .rev()
            .find(|signal| handler_of(*signal) == Some(libc::SIG_DFL))
    }

    /// Returns whether a signal was sent that its thread has not received. Unregistering it would
    /// then end the process.
    fn is_pending(&self) -> bool {
        *self
            .0
            .is_pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the address of the handler of a signal; `None` for an error.
fn handler_of(signal: c_int) -> Option<usize> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null pointer changes nothing, and the action is written if the call succeeds.
    unsafe {
        (libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0)
            .then(|| action.assume_init().sa_sigaction)
    }
}

/// Returns whether a thread of this process has blocked a signal; true if that is not known.
fn is_blocked(thread: Pid, signal: c_int) -> bool {
    let path = format!("/proc/self/task/{}/status", thread.as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

impl Dumper {
    /// Returns the stack of a thread, innermost frame first; `None` if it cannot be read. The
    /// thread may hold the GIL. System calls of foreign code in it may end with `EINTR`.
    pub(super) fn stack(&self, thread: Pid) -> Option<Vec<Frame>> {
        let mut is_pending = self
            .is_pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.read(Duration::ZERO).is_empty() {
            *is_pending = false; // the late answer to an earlier signal
        }
        let is_ours = handler_of(self.signal) == Some(self.handler);
        if *is_pending || !is_ours || is_blocked(thread, self.signal) {
            return None;
        }
        // SAFETY: the call has no effect on memory. A thread that has ended is an error.
        let result = unsafe {
            libc::syscall(
                libc::SYS_tgkill,
                process::id(),
                thread.as_raw_nonzero().get(),
                self.signal,
            )
        };
        if result != 0 {
            return None;
        }
        *is_pending = true;
        let text = self.read(ANSWER);
        if text.is_empty() {
            return None;
        }
        *is_pending = false;
        Some(parse(&String::from_utf8_lossy(&text)))
    }

    /// Reads what the handler writes, if it begins to within `patience`.
    fn read(&self, mut patience: Duration) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < MAX_BYTES && self.is_readable(patience) {
            let mut piece = [0; 4096];
            match read(&self.pipe, &mut piece) {
                Ok(length @ 1..) => bytes.extend_from_slice(&piece[..length]),
                _ => break,
            }
            patience = QUIET;
        }
        bytes
    }

    fn is_readable(&self, patience: Duration) -> bool {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        let mut polled = [PollFd::new(&self.pipe, PollFlags::IN)];
        matches!(poll(&mut polled, Some(&timeout)), Ok(1..))
    }
}

/// Parses the text of faulthandler, whose frames are `  File "NAME", line NUMBER in FUNCTION`.
fn parse(text: &str) -> Vec<Frame> {
    text.lines().filter_map(parse_frame).collect()
}

fn parse_frame(line: &str) -> Option<Frame> {
    let rest = line.trim_start().strip_prefix("File ")?;
    // A name may contain quotes, commas and blanks.
    let (rest, function) = rest.rsplit_once(" in ")?;
    let (file, line) = rest.rsplit_once(", line ")?;
    let file = file.strip_prefix('"').unwrap_or(file);
    let file = file.strip_suffix('"').unwrap_or(file);
    Some(Frame {
        file: unescape(file),
        line: line.parse().unwrap_or(0),
        function: unescape(function),
    })
}

/// Decodes `\xHH`, `\uHHHH` and `\UHHHHHHHH`, which faulthandler writes for other characters than
/// those of ASCII.
fn unescape(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        decoded.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = match rest.as_bytes().get(1) {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let code = rest.get(2..2 + digits).filter(|code| !code.is_empty());
        let character = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        if let Some(character) = character.and_then(char::from_u32) {
            decoded.push(character);
            rest = &rest[2 + digits..];
        } else {
            decoded.push('\\');
            rest = &rest[1..];
        }
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, line: u32, function: &str) -> Frame {
        Frame {
            file: file.to_owned(),
            line,
            function: function.to_owned(),
        }
    }

    #[test]
    fn frames_are_parsed_innermost_first() {
        let text = "Stack (most recent call first):\n  File \"/a b/foo.py\", line 41 in load\n  \
                    File \"<string>\", line 3 in <module>\n  ...\n";
        let expected = [
            frame("/a b/foo.py", 41, "load"),
            frame("<string>", 3, "<module>"),
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn odd_names_are_parsed() {
        let text = "  File \"/x\", line 1 in y.py\", line 7 in f\n  File \"/h\\xe4.py\", line 2 in \\u4e00\n\
                    File ???, line ??? in ???\n  File \"C:\\new\\\", line 5 in g\n";
        let expected = [
            frame("/x\", line 1 in y.py", 7, "f"),
            frame("/hä.py", 2, "一"),
            frame("???", 0, "???"),
            frame("C:\\new\\", 5, "g"),
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn text_without_frames_gives_an_empty_stack() {
        assert_eq!(
            parse("Stack (most recent call first):\n  <no Python frame>\n"),
            []
        );
    }
}
