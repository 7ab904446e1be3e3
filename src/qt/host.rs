//! A `QObject` that calls one closure on its thread, when a descriptor is readable or a time has
//! passed.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use rustix::io::{DupFlags, dup3};

use super::activity;
use super::table::{QtloopHost, table};
use crate::panic::catch_panic;

type Callback = Rc<dyn Fn()>;

/// A `QObject` with a socket notifier and a timer. Make the application object before it.
///
/// Drop it on its own thread. A host that is dropped on another thread begins no more turns. Its
/// descriptor and closure, which Qt may be using, are kept until its thread makes or drops another
/// host or, after its thread has ended, until any thread does.
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<qtloop::core::Host>();
/// ```
pub struct Host(Option<Parts>, PhantomData<*const ()>);

/// The parts of a host.
struct Parts {
    host: NonNull<QtloopHost>,
    // The C++ side points to it. Boxed, because an `Rc<dyn Fn>` is two words and `void *` is one.
    _turn: Box<Callback>,
    descriptor: Arc<OwnedFd>,
    thread: ThreadId,
    /// The host's thread has ended, after it has stopped its hosts.
    has_ended: Arc<AtomicBool>,
}

// SAFETY: parts are only sent into `RETIRED`. `free_retired` takes only parts of the calling thread
// and of threads that have ended.
unsafe impl Send for Parts {}

/// Hosts that were dropped on another thread than their own.
static RETIRED: Mutex<Vec<Parts>> = Mutex::new(Vec::new());

/// The hosts of a thread. When the thread ends, their notifiers and timers are stopped, so that any
/// thread may free them.
struct ThreadHosts {
    hosts: RefCell<Vec<NonNull<QtloopHost>>>,
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
            unsafe { (table().host_silence)(host.as_ptr()) };
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
    /// Frees the host. Call it on the host's own thread, or after that has ended.
    fn free(self) {
        // An error means that the list was dropped with its thread, so the host is not in it.
        let _ = HOSTS.try_with(|mine| mine.hosts.borrow_mut().retain(|host| *host != self.host));
        // SAFETY: freed once, here. No call begins after it, and one that is under way holds a
        // reference to the closure.
        unsafe { (table().host_free)(self.host.as_ptr()) };
    }
}

impl Host {
    /// Makes a host on this thread. `turn` may do anything, including dropping the host. A panic in
    /// it is caught; its message is on standard error.
    #[must_use]
    pub fn new(descriptor: OwnedFd, turn: impl Fn() + 'static) -> Host {
        free_retired();
        let turn: Box<Callback> = Box::new(Rc::new(turn));
        let data = std::ptr::from_ref::<Callback>(&turn)
            .cast_mut()
            .cast::<c_void>();
        // SAFETY: the closure and the descriptor outlive the host's last call, see `drop`.
        let host = unsafe { (table().host_new)(descriptor.as_raw_fd(), trampoline, data) };
        let host = NonNull::new(host).expect("new does not return null");
        // Thread-local data are dropped in reverse: the list is made after Qt's, so it is dropped
        // first.
        let has_ended = HOSTS.with(|mine| {
            mine.hosts.borrow_mut().push(host);
            Arc::clone(&mine.has_ended)
        });
        let parts = Parts {
            host,
            _turn: turn,
            descriptor: Arc::new(descriptor),
            thread: thread::current().id(),
            has_ended,
        };
        Host(Some(parts), PhantomData)
    }

    fn parts(&self) -> &Parts {
        self.0.as_ref().expect("taken only by drop")
    }

    /// Requests a turn as soon as Qt has processed its own events, and further turns until armed
    /// otherwise. Before the first one, a readable descriptor begins no turn.
    pub fn arm_now(&self) {
        self.arm_msec(0);
    }

    /// Requests the next turn when the descriptor is readable or `delay` has passed, in whole
    /// milliseconds rounded up and at most 24 days. With `None`, only the descriptor begins a turn.
    pub fn arm(&self, delay: Option<Duration>) {
        self.arm_msec(delay.map_or(-1, |delay| {
            // A timer must never be early, so round up.
            c_int::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
        }));
    }

    /// Returns how often the application has emitted `aboutToQuit` since the host was made; 0 if
    /// the host is not on the application's thread.
    #[must_use]
    pub fn quits(&self) -> u32 {
        // SAFETY: as in `arm_msec`.
        unsafe { (table().host_quits)(self.parts().host.as_ptr()) }
    }

    /// Replaces the file behind the descriptor's number, for a forked child, which must not use its
    /// parent's poller.
    ///
    /// # Errors
    /// The error of the operating system; `ResourceBusy` while a clone of the
    /// [`descriptor`](Host::descriptor) exists.
    pub fn redirect(&mut self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        // The driver holds it only during a wait, in which its thread cannot fork.
        let parts = self.0.as_mut().expect("taken only by drop");
        let own = Arc::get_mut(&mut parts.descriptor).ok_or(io::ErrorKind::ResourceBusy)?;
        Ok(dup3(descriptor, own, DupFlags::CLOEXEC)?)
    }

    /// Returns the host's descriptor, for a wait that processes no Qt events.
    #[must_use]
    pub fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.parts().descriptor)
    }

    fn arm_msec(&self, msec: c_int) {
        // SAFETY: the host is alive until drop, and `Host` is not `Send`, so this is its thread.
        unsafe { (table().host_arm)(self.parts().host.as_ptr(), msec) }
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
                unsafe { (table().host_retire)(parts.host.as_ptr()) };
            }
            let mut retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner);
            retired.push(parts);
            drop(retired);
            free_retired();
        }
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
    // SAFETY: `data` is the closure of a host that is alive now; the clone outlives a host that it
    // drops.
    let turn = unsafe { Rc::clone(&*data.cast::<Callback>()) };
    // Qt's frames below must not be unwound.
    catch_panic(|| activity::in_turn(|| turn()));
}
