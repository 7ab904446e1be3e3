//! Help for tests of programs that use this crate.

use std::future::Future;
use std::sync::{Once, mpsc};
use std::thread;

use crate::qt::app;
use crate::task::Loop;

/// Runs a future on a new loop of this thread, and returns its result. For functions with
/// `#[test]`.
///
/// Cargo's test harness runs each test on its own thread, and a Qt application belongs to one
/// thread for the life of the process. So the first call in a process makes a `QCoreApplication` on
/// a separate thread if there is no application. The loop of each test runs beside it, by
/// `QThread::exec()`.
///
/// Windows, QML and [`Object::application`](crate::qt::Object::application) need the application's
/// thread, so this function cannot test them. Such a test has `harness = false` in Cargo.toml, and
/// makes its application in `main`.
///
/// ```
/// # use std::time::Duration;
/// # /*
/// #[test]
/// # */
/// fn answer_arrives_in_time() {
///     let answer = qtloop::testing::run(async {
///         let asking = async { 42 };
///         qtloop::time::timeout(Duration::from_secs(10), asking).await
///     });
///     assert_eq!(answer, Ok(42));
/// }
/// # answer_arrives_in_time();
/// ```
///
/// # Panics
/// The future panics, or this thread has a loop already.
#[track_caller]
pub fn run<F: Future>(future: F) -> F::Output {
    ensure_application();
    let event_loop = match Loop::attach() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("no loop for the test: {error}"),
    };
    event_loop.block_on(future)
}

/// Makes an application on a thread that never ends, so that it outlives all tests.
fn ensure_application() {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        if app::exists() {
            return;
        }
        let (made, wait) = mpsc::channel();
        thread::spawn(move || {
            app::ensure(["test"]);
            let _ = made.send(());
            loop {
                thread::park();
            }
        });
        let _ = wait.recv();
    });
}
