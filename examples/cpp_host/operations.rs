//! Operations of Qt classes, awaited by their signals: `QTimer`, `QFuture`, `QNetworkReply` and
//! `QIODevice`. The Rust half of `operations.cpp`, which owns the Qt objects and needs Qt 6.
//!
//!     cargo rustc --example operations --crate-type cdylib
//!     g++ -std=c++17 -fPIC -I"$(qmake6 -query QT_INSTALL_HEADERS)" examples/cpp_host/operations.cpp -o target/debug/examples/operations \
//!         -lQt6Network -lQt6Core -Ltarget/debug/examples -loperations -Wl,-rpath,'$ORIGIN'
//!     target/debug/examples/operations

// C functions need `no_mangle`, and C pointers have no lifetime.
#![allow(unsafe_code)]
#![allow(clippy::print_stdout)]

use std::ffi::{c_char, c_int, c_void};
use std::io;

use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt, future};
use qtloop::{Loop, net::TcpListener, qt::Object, signal, spawn_local};

/// The Qt objects, and the functions that must be in C++; see `operations.cpp`.
#[derive(Debug)]
#[repr(C)]
pub struct Operations {
    timer: *mut c_void,
    watcher: *mut c_void,
    /// Starts work on Qt's thread pool, for the watcher.
    compute: extern "C" fn(watcher: *mut c_void),
    result: extern "C" fn(watcher: *mut c_void) -> c_int,
    get: extern "C" fn(port: u16) -> *mut c_void,
    read: extern "C" fn(device: *mut c_void, bytes: *mut c_char, room: i64) -> i64,
}

/// Wraps a `QObject*` of the C++ half.
fn object(pointer: *mut c_void) -> Object {
    // SAFETY: the C++ half has made the object on this thread, and keeps it until `rust_end`.
    unsafe { Object::from_raw(pointer) }.expect("an object of this thread")
}

/// `QTimer`: connect first, then start the timer by its slot.
async fn timer(qt: &Operations) -> io::Result<()> {
    let timer = object(qt.timer);
    let timeout = signal::once(&timer, "timeout")?;
    timer.invoke::<()>("start", (20,))?;
    timeout.await?;
    println!("QTimer: {} ms are over", timer.property::<i32>("interval")?);
    Ok(())
}

/// `QFuture`: a `QFutureWatcher` emits `finished` on its thread.
async fn pool(qt: &Operations) -> io::Result<()> {
    let finished = signal::once(&object(qt.watcher), "finished")?;
    (qt.compute)(qt.watcher);
    finished.await?;
    println!("QFuture: {}", (qt.result)(qt.watcher));
    Ok(())
}

/// `QNetworkReply`: each `readyRead` says that there are bytes, and `finished` is the end.
async fn network(qt: &Operations) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    spawn_local(async move {
        let (mut stream, _) = listener.accept().await?;
        let _ = stream.read(&mut [0; 4096]).await?;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").await?;
        stream.close().await
    });
    let reply = object((qt.get)(port));
    let mut ready = signal::latest(&reply, "readyRead")?; // several count as one
    let finished = signal::once(&reply, "finished")?;
    let mut page = Vec::new();
    let read = |page: &mut Vec<u8>| {
        let mut bytes = [0; 1024];
        while let count @ 1.. = (qt.read)(reply.as_ptr(), bytes.as_mut_ptr().cast(), 1024) {
            page.extend_from_slice(&bytes[..usize::try_from(count).unwrap_or_default()]);
        }
    };
    let reading = async {
        while ready.next().await.is_some() {
            read(&mut page);
        }
    };
    future::or(reading, async {
        let _ = finished.await;
    })
    .await;
    read(&mut page);
    println!("QNetworkReply: {}", String::from_utf8_lossy(&page));
    Ok(())
}

/// Attaches a loop to the Qt of this thread, and starts the task; null if that fails.
///
/// # Safety
/// The objects live on this thread until `rust_end`, and the functions may be called with them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rust_begin(qt: Operations) -> *mut Loop {
    let event_loop = match Loop::attach() {
        Ok(event_loop) => event_loop,
        Err(error) => {
            eprintln!("{error}");
            return std::ptr::null_mut();
        }
    };
    spawn_local(async move {
        let all = async {
            timer(&qt).await?;
            pool(&qt).await?;
            network(&qt).await
        };
        let code = match all.await {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("{error}");
                1
            }
        };
        qtloop::quit(code);
    });
    Box::into_raw(Box::new(event_loop))
}

/// Closes the loop, and drops its tasks.
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
