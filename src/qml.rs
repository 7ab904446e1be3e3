//! A driver beside a [`QmlEngine`]: timers and descriptors whose closures run on the engine's thread and may touch its
//! objects.
//!
//! ```no_run
//! use std::time::Duration;
//! use qtloop::{qml, reactor::Time};
//!
//! let engine = qmetaobject::QmlEngine::new();
//! let driver = qml::drive(&engine)?;
//! driver.push_at(Time::now() + Duration::from_secs(1), qml::Job::new(|| eprintln!("a second of QML")));
//! engine.exec();
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fmt;
use std::io;
use std::rc::Rc;

use qmetaobject::QmlEngine;

use crate::driver::{Driver, Quits, Wakeup};
use crate::qt::app;
use crate::reactor::Recur;

/// A closure to be run on the engine's thread, once per time it is due. It may own what is not `Send`.
#[derive(Clone)]
pub struct Job(Rc<dyn Fn()>);

impl Job {
    /// A job that calls `closure`.
    pub fn new(closure: impl Fn() + 'static) -> Job {
        Job(Rc::new(closure))
    }
}

impl Recur for Job {
    fn again(&self) -> Job {
        self.clone()
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Job")
    }
}

/// A driver on this thread, which is the engine's; its jobs run while `engine.exec()` does. Stopping the driver ends
/// that `exec()`. A job that watches a descriptor is called again as long as the descriptor is ready; it must
/// [`rearm`](Driver::rearm) itself.
///
/// # Errors
/// The operating system has no descriptor left.
pub fn drive(_engine: &QmlEngine) -> io::Result<Rc<Driver<Job>>> {
    let driver = Driver::new(true)?;
    driver.attach(
        Quits::GoOn,
        |wakeup: Wakeup<'_, Job>| {
            wakeup
                .turn()
                .into_iter()
                .flatten()
                .for_each(|job| (job.0)())
        },
        || app::exit(0),
    )?;
    Ok(driver)
}
