//! A `QObject` that calls one closure on its thread, when a descriptor is readable or a time has come.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{DupFlags, dup3};

use super::ffi;
use crate::contain::contain;

type Turn = Rc<dyn Fn()>;

/// A `QObject` with a notifier and a timer. Qt needs an application object before there can be one.
///
/// Drop it on its own thread. If it is dropped on another one, it begins no more turns, and its
/// descriptor and closure, which Qt may be using, are kept until its thread makes or drops another
/// host, or has ended.
pub struct Host(Option<Parts>);

/// The parts of a host.
struct Parts {
    host: NonNull<ffi::QtloopHost>,
    // What the C++ side points to. Boxed, because an `Rc<dyn Fn>` is two words and `void *` is one.
    _turn: Box<Turn>,
    descriptor: Arc<OwnedFd>,
    thread: ThreadId,
    /// The host's thread has ended, and has silenced its hosts before.
    has_ended: Arc<AtomicBool>,
}

// SAFETY: parts are only sent into `RETIRED`, from which `free_retired` takes those of its own thread
// and of threads that have ended.
unsafe impl Send for Parts {}

/// Hosts that were dropped on another thread than their own.
static RETIRED: Mutex<Vec<Parts>> = Mutex::new(Vec::new());

/// The hosts of a thread. When the thread ends, they are silenced, so that any thread may free them.
struct ThreadHosts {
    hosts: RefCell<Vec<NonNull<ffi::QtloopHost>>>,
    has_ended: Arc<AtomicBool>,
}

thread_local! {
    static HOSTS: ThreadHosts = ThreadHosts {
        hosts: RefCell::default(),
        has_ended: Arc::default(),
    };
}

impl Drop for ThreadHosts {
    fn drop(&mut self) {
        for host in self.hosts.take() {
            // SAFETY: a host leaves the list before it is freed, and this is its thread.
            unsafe { ffi::qtloop_host_silence(host.as_ptr()) };
        }
        self.has_ended.store(true, Ordering::Release);
    }
}

/// Frees the retired hosts of this thread, and of threads that have ended.
fn free_retired() {
    let here = thread::current().id();
    let mut retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner);
    let free: Vec<Parts> = retired
        .extract_if(.., |parts| {
            parts.thread == here || parts.has_ended.load(Ordering::Acquire)
        })
        .collect();
    drop(retired);
    free.into_iter().for_each(Parts::free);
}

impl Parts {
    /// Call on the host's own thread, or when that has ended.
    fn free(self) {
        // An error: the list was dropped with its thread, so the host is not in it.
        let _ = HOSTS.try_with(|mine| mine.hosts.borrow_mut().retain(|host| *host != self.host));
        // SAFETY: freed once, here. No call begins after it, and one that is under way holds a
        // reference to the closure.
        unsafe { ffi::qtloop_host_free(self.host.as_ptr()) };
    }
}

impl Host {
    /// A host on this thread. `turn` may do anything, also drop the host; a panic in it ends there, with its message
    /// on standard error.
    #[must_use]
    pub fn new(descriptor: OwnedFd, turn: impl Fn() + 'static) -> Host {
        free_retired();
        let turn: Box<Turn> = Box::new(Rc::new(turn));
        let data = std::ptr::from_ref::<Turn>(&turn)
            .cast_mut()
            .cast::<c_void>();
        // SAFETY: the closure and the descriptor outlive the host's last call, see `drop`.
        let host = unsafe { ffi::qtloop_host_new(descriptor.as_raw_fd(), trampoline, data) };
        let host = NonNull::new(host).expect("new does not return null");
        // The list is made after Qt's own data of the thread, and so is dropped before them.
        let has_ended = HOSTS.with(|mine| {
            mine.hosts.borrow_mut().push(host);
            Arc::clone(&mine.has_ended)
        });
        Host(Some(Parts {
            host,
            _turn: turn,
            descriptor: Arc::new(descriptor),
            thread: thread::current().id(),
            has_ended,
        }))
    }

    fn parts(&self) -> &Parts {
        self.0.as_ref().expect("taken only by drop")
    }

    /// The next turn comes after Qt has seen to its own events, and again and again, until armed otherwise.
    pub fn arm_now(&self) {
        self.arm_msec(0);
    }

    /// The next turn comes when `delay` has passed, in whole milliseconds rounded up, at most 24 days from now;
    /// with `None`, when the descriptor is readable and not before.
    pub fn arm(&self, delay: Option<Duration>) {
        self.arm_msec(delay.map_or(-1, |delay| {
            // A timer must never be early, so a part of a millisecond counts whole.
            c_int::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
        }));
    }

    /// How often the application has emitted `aboutToQuit` since the host was made.
    #[must_use]
    pub fn quits(&self) -> u32 {
        // SAFETY: as in `arm_msec`.
        unsafe { ffi::qtloop_host_quits(self.parts().host.as_ptr()) }
    }

    /// Watches another file under the number of its descriptor; for a forked child, which must leave its parent's alone.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn redirect(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        // Shared only for the time of a wait, in which nobody forks.
        let parts = self.0.as_mut().expect("taken only by drop");
        let own = Arc::get_mut(&mut parts.descriptor).ok_or(io::ErrorKind::ResourceBusy)?;
        Ok(dup3(descriptor, own, DupFlags::CLOEXEC)?)
    }

    /// A short wait, without Qt, for what the host waits for.
    #[must_use]
    pub fn linger(&self, timeout: Duration) -> Linger {
        Linger {
            descriptor: Arc::clone(&self.parts().descriptor),
            timeout,
        }
    }

    fn arm_msec(&self, msec: c_int) {
        // SAFETY: the host is alive until drop, and `Host` is not `Send`, so this is its thread.
        unsafe { ffi::qtloop_host_arm(self.parts().host.as_ptr(), msec) }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let Some(parts) = self.0.take() else { return };
        if parts.thread == thread::current().id() {
            parts.free();
            free_retired();
        } else {
            if !parts.has_ended.load(Ordering::Acquire) {
                // SAFETY: the host is alive until it is freed.
                unsafe { ffi::qtloop_host_retire(parts.host.as_ptr()) };
            }
            let mut retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner);
            retired.push(parts);
            drop(retired);
            free_retired();
        }
    }
}

/// A wait until a host's descriptor is readable, at most for the time that was given. Touches nothing of
/// the host's: it may be done while other threads use that.
#[derive(Debug)]
pub struct Linger {
    descriptor: Arc<OwnedFd>,
    timeout: Duration,
}

impl Linger {
    /// Waits. A signal may end it early.
    pub fn wait(&self) {
        let timeout = Timespec {
            tv_sec: self.timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: self.timeout.subsec_nanos().into(),
        };
        // Whatever ends it, the next poll says what there is.
        let _ = poll(
            &mut [PollFd::new(&*self.descriptor, PollFlags::IN)],
            Some(&timeout),
        );
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Host")
            .field(&self.parts().host)
            .finish()
    }
}

extern "C" fn trampoline(data: *mut c_void) {
    // SAFETY: `data` is the closure of a host that is alive at this moment; the clone lives on if the turn drops it.
    let turn = unsafe { Rc::clone(&*data.cast::<Turn>()) };
    // Qt's frames below must not be unwound.
    contain(|| turn());
}
