//! Collects bytes that C++ passes to a callback, so that no buffer is handed across the languages.

use std::ffi::{c_char, c_void};

#[cfg(not(no_qt))]
use cpp::cpp;

cpp! {{
    using QtloopSink = void (*)(void* out, const char* bytes, size_t length);
}}

/// The C++ side's `QtloopSink`.
pub(super) type Sink = extern "C" fn(*mut c_void, *const c_char, usize);

/// Collects the bytes that `say` passes to the sink.
pub(super) fn bytes(say: impl FnOnce(*mut c_void, Sink)) -> Vec<u8> {
    extern "C" fn append(out: *mut c_void, bytes: *const c_char, length: usize) {
        if length == 0 {
            return;
        }
        // SAFETY: `out` is the vector below, for the time of the call, and C++ passes as many
        // bytes.
        unsafe {
            let piece = std::slice::from_raw_parts(bytes.cast::<u8>(), length);
            (*out.cast::<Vec<u8>>()).extend_from_slice(piece);
        }
    }
    let mut out = Vec::new();
    say((&raw mut out).cast(), append);
    out
}

/// Collects UTF-8 as [`bytes`] does.
pub(super) fn text(say: impl FnOnce(*mut c_void, Sink)) -> String {
    String::from_utf8_lossy(&bytes(say)).into_owned()
}
