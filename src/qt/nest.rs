//! A nested `QEventLoop`, which processes Qt's events until `leave` is called.

use std::fmt;
use std::ptr::NonNull;

use super::ffi;

/// A nested `QEventLoop` for one wait: after `leave`, `exec` returns at once.
pub struct Nest(NonNull<ffi::QtloopNest>);

impl Nest {
    /// Makes a nested event loop on this thread.
    #[must_use]
    pub fn new() -> Nest {
        // SAFETY: no preconditions.
        let nest = unsafe { ffi::qtloop_nest_new() };
        Nest(NonNull::new(nest).expect("new does not return null"))
    }

    /// Processes Qt's events until [`leave`](Nest::leave), and returns its code. Without `insist`,
    /// it also returns when the application or thread quits, with Qt's code. If Qt is already
    /// quitting when it begins, it waits for `leave` nevertheless.
    #[must_use]
    pub fn exec(&self, insist: bool) -> i32 {
        // SAFETY: alive until drop, and `Nest` is not `Send`, so this is its thread.
        unsafe { ffi::qtloop_nest_exec(self.0.as_ptr(), insist) }
    }

    /// Exits [`exec`](Nest::exec), which returns after the Qt loops nested inside it have returned.
    pub fn leave(&self, code: i32) {
        // SAFETY: as in `exec`.
        unsafe { ffi::qtloop_nest_exit(self.0.as_ptr(), code) }
    }
}

impl Default for Nest {
    fn default() -> Nest {
        Nest::new()
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        // SAFETY: freed once, here; `exec` borrows the nest, so it is not running.
        unsafe { ffi::qtloop_nest_free(self.0.as_ptr()) }
    }
}

impl fmt::Debug for Nest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Nest").field(&self.0).finish()
    }
}
