//! `cpp/host.h` and `cpp/signal.h`, item by item.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::marker::{PhantomData, PhantomPinned};

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopHost(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopNest(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopEar(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

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
    pub(super) fn qtloop_nest_new() -> *mut QtloopNest;
    pub(super) fn qtloop_nest_free(nest: *mut QtloopNest);
    pub(super) fn qtloop_nest_exec(nest: *mut QtloopNest, insist: bool) -> c_int;
    pub(super) fn qtloop_nest_exit(nest: *mut QtloopNest, code: c_int);
    pub(super) fn qtloop_watch_application(notify: extern "C" fn(c_int));
    pub(super) fn qtloop_ear_new(
        object: *mut c_void,
        signal: c_int,
        callback: extern "C" fn(*mut c_void, *mut c_void),
        data: *mut c_void,
    ) -> *mut QtloopEar;
    pub(super) fn qtloop_ear_free(ear: *mut QtloopEar);
    pub(super) fn qtloop_ear_parameters(ear: *const QtloopEar) -> c_int;
    pub(super) fn qtloop_ear_type(ear: *const QtloopEar, parameter: c_int) -> c_int;
    pub(super) fn qtloop_ear_signal(ear: *const QtloopEar) -> *const c_char;
    pub(super) fn qtloop_arguments_free(arguments: *mut c_void);
}
