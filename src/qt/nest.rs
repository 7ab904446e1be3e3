//! A `QEventLoop`: waiting inside Qt until somebody says that the wait is over.

use std::fmt;
use std::ptr::NonNull;

use super::ffi;

/// See the module. It is for one wait: once left, it stays left.
pub struct Nest(NonNull<ffi::QtloopNest>);

impl Nest {
    /// A nest on this thread.
    #[must_use]
    pub fn new() -> Nest {
        // SAFETY: no preconditions.
        let nest = unsafe { ffi::qtloop_nest_new() };
        Nest(NonNull::new(nest).expect("new does not return null"))
    }

    /// Runs Qt's events until [`leave`](Nest::leave), and returns its code. Without `insist`, the application's or
    /// thread's quitting ends it too, with Qt's code; a wait that begins while Qt is quitting already goes on all the same.
    #[must_use]
    pub fn exec(&self, insist: bool) -> i32 {
        // SAFETY: alive until drop, and `Nest` is not `Send`, so this is its thread.
        unsafe { ffi::qtloop_nest_exec(self.0.as_ptr(), insist) }
    }

    /// Ends [`exec`](Nest::exec), as soon as the Qt loops further in have ended.
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
