//! The Rust half of `attach.cpp`, a C++ program whose Qt is its own: two C functions, between which a task counts the seconds.
//!
//!     cargo rustc --example attach --crate-type cdylib
//!     g++ -std=c++17 -fPIC -I"$(qmake6 -query QT_INSTALL_HEADERS)" examples/attach.cpp -o target/debug/examples/attach \
//!         -lQt6Widgets -lQt6Gui -lQt6Core -Ltarget/debug/examples -lattach -Wl,-rpath,'$ORIGIN'
//!     target/debug/examples/attach

// C functions have no name to be mangled, and C pointers no lifetime.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::time::Duration;

use qtloop::{Loop, spawn_local, time};

/// What the task tells its C++ half: `void (*)(void *data, int second)`.
type Tell = extern "C" fn(data: *mut c_void, second: c_int);

/// Attaches a loop to the Qt of this thread, and begins to count; null if there is no Qt application.
///
/// # Safety
/// `tell` may be called with `data` on this thread until `rust_end`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_begin(tell: Tell, data: *mut c_void) -> *mut Loop {
    let event_loop = match Loop::attach() {
        Ok(event_loop) => event_loop,
        Err(error) => {
            eprintln!("{error}");
            return std::ptr::null_mut();
        }
    };
    spawn_local(async move {
        let mut beat = time::interval(Duration::from_secs(1));
        for second in 0.. {
            beat.tick().await;
            tell(data, second);
        }
    });
    Box::into_raw(Box::new(event_loop))
}

/// Ends the loop, and all its tasks.
///
/// # Safety
/// It is what `rust_begin` has returned, on the same thread, and this is the only time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_end(event_loop: *mut Loop) {
    if !event_loop.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { Box::from_raw(event_loop) });
    }
}
