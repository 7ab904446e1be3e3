//! A nested `QEventLoop`, which processes Qt's events until `exit` is called.

use std::fmt;
use std::ptr::NonNull;

use super::activity;
use super::table::{QtloopNestedLoop, table};

/// A nested `QEventLoop` for one wait: after `exit`, `exec` returns at once.
pub struct NestedLoop(NonNull<QtloopNestedLoop>);

impl NestedLoop {
    /// Makes a nested event loop on this thread.
    #[must_use]
    pub fn new() -> NestedLoop {
        // SAFETY: no preconditions.
        let nested_loop = unsafe { (table().nested_loop_new)() };
        NestedLoop(NonNull::new(nested_loop).expect("new does not return null"))
    }

    /// Processes Qt's events until [`exit`](NestedLoop::exit) and returns its code. It also returns
    /// when the application or the thread quits, with Qt's code. If Qt is already quitting when it
    /// begins, it waits for `exit` nevertheless.
    #[must_use]
    pub fn exec(&self) -> i32 {
        self.exec_with(false)
    }

    /// Processes Qt's events until [`exit`](NestedLoop::exit), and returns its code. Continues
    /// while the application or the thread quits.
    pub fn exec_until_exit(&self) -> i32 {
        self.exec_with(true)
    }

    fn exec_with(&self, until_exit: bool) -> i32 {
        // SAFETY: alive until drop, and `NestedLoop` is not `Send`, so this is its thread.
        let code = unsafe { (table().nested_loop_exec)(self.0.as_ptr(), until_exit) };
        activity::loop_returned();
        code
    }

    /// Exits [`exec`](NestedLoop::exec), which returns after the Qt loops nested inside it have
    /// returned.
    pub fn exit(&self, code: i32) {
        // SAFETY: as in `exec_with`.
        unsafe { (table().nested_loop_exit)(self.0.as_ptr(), code) }
    }
}

impl Default for NestedLoop {
    fn default() -> NestedLoop {
        NestedLoop::new()
    }
}

impl Drop for NestedLoop {
    fn drop(&mut self) {
        // SAFETY: freed once, here; `exec` borrows the nested loop, so it is not running.
        unsafe { (table().nested_loop_free)(self.0.as_ptr()) }
    }
}

impl fmt::Debug for NestedLoop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("NestedLoop").field(&self.0).finish()
    }
}
