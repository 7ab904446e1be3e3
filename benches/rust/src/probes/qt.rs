//! What the toolkits on Qt have in common: the nested loop of a dialog, and the library's version.

use std::time::Duration;

use cpp::cpp;

cpp! {{
    #include <QtCore/QEventLoop>
    #include <QtCore/QTimer>
}}

/// What the `exec()` of a dialog does that is closed after that time.
pub fn nest(time: Duration) {
    let milliseconds = i32::try_from(time.as_millis()).expect("a short time");
    // SAFETY: on the thread of an application, as all here are.
    unsafe {
        cpp!([milliseconds as "int"] {
            QEventLoop nested;
            QTimer::singleShot(milliseconds, &nested, &QEventLoop::quit);
            nested.exec();
        });
    }
}

/// The version of the library that runs.
pub fn version() -> String {
    let mut version = [0_u8; 16];
    let (bytes, size) = (version.as_mut_ptr(), version.len());
    // SAFETY: as many bytes, for the time of the call; the last one stays zero.
    unsafe {
        cpp!([bytes as "char*", size as "size_t"] { strncpy(bytes, qVersion(), size - 1); });
    }
    String::from_utf8_lossy(&version)
        .trim_end_matches('\0')
        .to_owned()
}
