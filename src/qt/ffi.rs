//! `cpp/signal.h`, item by item.

use std::ffi::{c_char, c_int, c_void};
use std::marker::{PhantomData, PhantomPinned};

/// Qt's, behind a pointer; not to be moved or sent.
#[repr(C)]
pub(super) struct QtloopConnection(PhantomData<(*mut u8, PhantomPinned)>, [u8; 0]);

unsafe extern "C" {
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
}
