//! The Rust half of `attach.cpp`, a C++ program that runs its own Qt: two C functions start and
//! stop a task that counts the seconds.
//!
//!     cargo rustc --example attach --crate-type cdylib
//!     g++ -std=c++17 -fPIC -I"$(qmake6 -query QT_INSTALL_HEADERS)" examples/cpp_host/attach.cpp -o target/debug/examples/attach \
//!         -lQt6Widgets -lQt6Gui -lQt6Core -Ltarget/debug/examples -lattach -Wl,-rpath,'$ORIGIN'
//!     target/debug/examples/attach

// C functions need `no_mangle`, and C pointers have no lifetime.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::time::Duration;

use qtloop::{Loop, spawn_local, time};

/// The C++ function that the task calls: `void (*)(void *data, int second)`.
type Tell = extern "C" fn(data: *mut c_void, second: c_int);

/// Attaches a loop to the Qt event loop of this thread, and starts to count; null if there is no Qt
/// application.
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

/// Closes the loop, and cancels all its tasks.
///
/// # Safety
/// The argument was returned by `rust_begin` on the same thread, and this is the only call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_end(event_loop: *mut Loop) {
    if !event_loop.is_null() {
        // SAFETY: the caller guarantees this.
        drop(unsafe { Box::from_raw(event_loop) });
    }
}
