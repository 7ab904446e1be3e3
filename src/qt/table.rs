//! The table of Qt functions: `cpp/table.h`, item by item.
//!
//! The Rust API links the table. With the feature `python`, `install` sets it at run time, so that
//! the native module needs no Qt.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::marker::{PhantomData, PhantomPinned};
#[cfg(feature = "python")]
use std::{ptr::NonNull, sync::OnceLock};

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopHost(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopNestedLoop(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopActivity(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// The version of the table that this crate uses.
#[cfg(feature = "python")]
pub(crate) const VERSION: c_uint = 1;

/// The functions. The headers in `cpp/` document them.
#[repr(C)]
pub(super) struct Table {
    pub(super) version: c_uint,
    pub(super) app_watch: unsafe extern "C" fn(notify: extern "C" fn(c_int)),
    pub(super) app_exists: unsafe extern "C" fn() -> bool,
    pub(super) app_new: unsafe extern "C" fn(count: *mut c_int, texts: *mut *mut c_char),
    pub(super) app_has_visible_window: unsafe extern "C" fn() -> bool,
    pub(super) app_quits_with_last_window: unsafe extern "C" fn() -> bool,
    pub(super) app_quit: unsafe extern "C" fn(),
    pub(super) app_is_main_thread: unsafe extern "C" fn() -> bool,
    pub(super) app_level: unsafe extern "C" fn() -> c_int,
    pub(super) app_exec: unsafe extern "C" fn() -> c_int,
    pub(super) app_exit: unsafe extern "C" fn(code: c_int),
    pub(super) app_block_signals: unsafe extern "C" fn(block: bool) -> bool,
    pub(super) app_forget_quit: unsafe extern "C" fn(),
    pub(super) app_post: unsafe extern "C" fn(call: extern "C" fn(*mut c_void), data: *mut c_void),
    pub(super) app_send_posted_events: unsafe extern "C" fn(),
    pub(super) thread_exec: unsafe extern "C" fn() -> c_int,
    pub(super) thread_exit: unsafe extern "C" fn(code: c_int),

    pub(super) host_new: unsafe extern "C" fn(
        fd: c_int,
        turn: extern "C" fn(*mut c_void),
        data: *mut c_void,
    ) -> *mut QtloopHost,
    pub(super) host_free: unsafe extern "C" fn(host: *mut QtloopHost),
    pub(super) host_silence: unsafe extern "C" fn(host: *mut QtloopHost),
    pub(super) host_retire: unsafe extern "C" fn(host: *mut QtloopHost),
    pub(super) host_arm: unsafe extern "C" fn(host: *mut QtloopHost, msec: c_int),
    pub(super) host_quits: unsafe extern "C" fn(host: *const QtloopHost) -> c_uint,

    pub(super) nested_loop_new: unsafe extern "C" fn() -> *mut QtloopNestedLoop,
    pub(super) nested_loop_free: unsafe extern "C" fn(nested: *mut QtloopNestedLoop),
    pub(super) nested_loop_exec:
        unsafe extern "C" fn(nested: *mut QtloopNestedLoop, until_exit: bool) -> c_int,
    pub(super) nested_loop_exit: unsafe extern "C" fn(nested: *mut QtloopNestedLoop, code: c_int),

    pub(super) activity_new:
        unsafe extern "C" fn(notify: extern "C" fn(c_int), turns: c_int) -> *mut QtloopActivity,
    pub(super) activity_free: unsafe extern "C" fn(activity: *mut QtloopActivity),
    pub(super) activity_set_event: unsafe extern "C" fn(
        activity: *mut QtloopActivity,
        event: Option<extern "C" fn(*const c_char, c_int)>,
    ),
    pub(super) activity_is_busy: unsafe extern "C" fn(activity: *const QtloopActivity) -> bool,
    pub(super) activity_take_windows: unsafe extern "C" fn(activity: *mut QtloopActivity) -> bool,
    pub(super) activity_turn_begins: unsafe extern "C" fn(activity: *mut QtloopActivity),
    pub(super) activity_turn_ends: unsafe extern "C" fn(activity: *mut QtloopActivity),
    pub(super) activity_loop_returned: unsafe extern "C" fn(activity: *mut QtloopActivity),
    pub(super) activity_ping: unsafe extern "C" fn(activity: *mut QtloopActivity),
}

#[cfg(not(feature = "python"))]
unsafe extern "C" {
    safe static qtloop_table: Table;
}

/// Returns the table.
#[cfg(not(feature = "python"))]
#[inline]
pub(super) fn table() -> &'static Table {
    &qtloop_table
}

#[cfg(feature = "python")]
static INSTALLED: OnceLock<&'static Table> = OnceLock::new();

/// Sets the table for the rest of the process. Only the first call has an effect. An error is the
/// version of a table that this crate cannot use.
///
/// # Safety
/// The pointer is that of a `QtloopTable` of any version, which is never freed.
#[cfg(feature = "python")]
pub(crate) unsafe fn install(table: NonNull<c_void>) -> Result<(), c_uint> {
    // SAFETY: the version is the first member in every version. The rest is not read before this.
    let version = unsafe { table.cast::<c_uint>().read() };
    if version != VERSION {
        return Err(version);
    }
    // SAFETY: this version has the layout of `Table`.
    let _ = INSTALLED.set(unsafe { table.cast::<Table>().as_ref() });
    Ok(())
}

/// Returns the table.
///
/// # Panics
/// None is installed. The import of `qtloop` installs one, or fails.
#[cfg(feature = "python")]
#[inline]
pub(super) fn table() -> &'static Table {
    INSTALLED
        .get()
        .expect("the import of qtloop sets the Qt functions")
}
