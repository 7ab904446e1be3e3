//! Shared by the toolkits on Qt: the nested loop of a dialog, and the library's version.

use std::time::Duration;

use cpp::cpp;

cpp! {{
    #include <QtCore/QEventLoop>
    #include <QtCore/QTimer>
}}

/// Runs a nested loop for that time, as the `exec()` of a dialog does.
pub fn nested_loop(time: Duration) {
    let milliseconds = i32::try_from(time.as_millis()).expect("a short time");
    // SAFETY: all callers are on the thread of an application.
    unsafe {
        cpp!([milliseconds as "int"] {
            QEventLoop nested;
            QTimer::singleShot(milliseconds, &nested, &QEventLoop::quit);
            nested.exec();
        });
    }
}

/// Returns the version of the loaded library.
pub fn version() -> String {
    let mut version = [0_u8; 16];
    let (bytes, size) = (version.as_mut_ptr(), version.len());
    // SAFETY: the buffer is borrowed for the call, which writes no more bytes than that; the last
    // one stays zero.
    unsafe {
        cpp!([bytes as "char*", size as "size_t"] { strncpy(bytes, qVersion(), size - 1); });
    }
    String::from_utf8_lossy(&version)
        .trim_end_matches('\0')
        .to_owned()
}
