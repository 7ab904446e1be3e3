//! `cpp/host.h`, `cpp/signal.h` and `cpp/activity.h`, item by item.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::marker::{PhantomData, PhantomPinned};

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopHost(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopNestedLoop(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopConnection(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopActivity(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

unsafe extern "C" {
    pub(super) fn qtloop_host_new(
        fd: c_int,
        turn: extern "C" fn(*mut c_void),
        data: *mut c_void,
    ) -> *mut QtloopHost;
    pub(super) fn qtloop_host_free(host: *mut QtloopHost);
    pub(super) fn qtloop_host_silence(host: *mut QtloopHost);
    pub(super) fn qtloop_host_retire(host: *mut QtloopHost);
    pub(super) fn qtloop_host_arm(host: *mut QtloopHost, msec: c_int);
    pub(super) fn qtloop_host_quits(host: *const QtloopHost) -> c_uint;
    pub(super) fn qtloop_nested_loop_new() -> *mut QtloopNestedLoop;
    pub(super) fn qtloop_nested_loop_free(nested_loop: *mut QtloopNestedLoop);
    pub(super) fn qtloop_nested_loop_exec(
        nested_loop: *mut QtloopNestedLoop,
        until_exit: bool,
    ) -> c_int;
    pub(super) fn qtloop_nested_loop_exit(nested_loop: *mut QtloopNestedLoop, code: c_int);
    pub(super) fn qtloop_watch_application(notify: extern "C" fn(c_int));
    pub(super) fn qtloop_connection_new(
        object: *mut c_void,
        signal: c_int,
        callback: extern "C" fn(*mut c_void, *mut c_void),
        data: *mut c_void,
    ) -> *mut QtloopConnection;
    pub(super) fn qtloop_connection_free(connection: *mut QtloopConnection);
    pub(super) fn qtloop_connection_parameters(connection: *const QtloopConnection) -> c_int;
    pub(super) fn qtloop_connection_type(
        connection: *const QtloopConnection,
        parameter: c_int,
    ) -> c_int;
    pub(super) fn qtloop_connection_signal(connection: *const QtloopConnection) -> *const c_char;
    pub(super) fn qtloop_arguments_free(arguments: *mut c_void);
    pub(super) fn qtloop_activity_new(
        notify: extern "C" fn(c_int),
        turns: c_int,
    ) -> *mut QtloopActivity;
    pub(super) fn qtloop_activity_free(activity: *mut QtloopActivity);
    pub(super) fn qtloop_activity_set_event(
        activity: *mut QtloopActivity,
        event: Option<extern "C" fn(*const c_char, c_int)>,
    );
    pub(super) fn qtloop_activity_is_busy(activity: *const QtloopActivity) -> bool;
    pub(super) fn qtloop_activity_take_windows(activity: *mut QtloopActivity) -> bool;
    pub(super) fn qtloop_activity_turn_begins(activity: *mut QtloopActivity);
    pub(super) fn qtloop_activity_turn_ends(activity: *mut QtloopActivity);
    pub(super) fn qtloop_activity_loop_returned(activity: *mut QtloopActivity);
    pub(super) fn qtloop_activity_ping(activity: *mut QtloopActivity);
}
