//! A driver beside a QML engine, on the main thread, as Qt wants it.

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use qmetaobject::QmlEngine;
use qtloop::qml::{Job, drive};
use qtloop::reactor::Time;

fn main() -> ExitCode {
    if std::env::var_os("QT_QPA_PLATFORM").is_none() {
        // SAFETY: no other thread runs yet.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("QT_QPA_PLATFORM", "offscreen");
        }
    }
    let arguments = libtest_mimic::Arguments {
        test_threads: Some(1),
        ..libtest_mimic::Arguments::from_args()
    };
    let test = libtest_mimic::Trial::test("a_timer_of_the_driver_ends_the_engines_exec", || {
        let engine = QmlEngine::new();
        let driver = drive(&engine).map_err(|error| error.to_string())?;
        let due = Time::now() + Duration::from_millis(5);
        let ran = Rc::new(Cell::new(None));
        let (stop, seen) = (Rc::downgrade(&driver), Rc::clone(&ran));
        driver.push_at(
            due,
            Job::new(move || {
                seen.set(Some(Time::now()));
                if let Some(driver) = stop.upgrade() {
                    driver.stop();
                }
            }),
        );
        engine.exec();
        match ran.get() {
            Some(when) if when >= due => Ok(()),
            other => Err(format!("due at {due:?}, ran at {other:?}").into()),
        }
    });
    libtest_mimic::run(&arguments, vec![test]).exit_code()
}
