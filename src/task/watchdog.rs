//! The watchdog of a loop: `Loop::set_watchdog`.

use std::io;
use std::time::Duration;

use super::Loop;
use crate::instruments::watchdog::{Report, Watchdog};
use crate::panic::catch_panic;

/// A report of the watchdog: the thread of a loop is or was blocked. See [`Loop::set_watchdog`].
#[derive(Clone, Debug)]
pub struct Stall(Report);

impl Stall {
    /// Returns how long the thread has been blocked so far or, if it [is over](Stall::is_over), in
    /// total.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed
    }

    /// Returns whether the thread has continued.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_over
    }

    /// Returns whether the thread is that of the application, and the application shows a window.
    #[must_use]
    pub fn has_window(&self) -> bool {
        self.0.has_window
    }
}

impl Loop {
    /// Reports when a task, a slot or an event handler blocks this thread for longer than
    /// `threshold`.
    ///
    /// `handler` is called on the thread `qtloop-watchdog` while this thread is still blocked: at
    /// the threshold, after 1 s and after 8 s. It is called once more when that is over, with the
    /// total. A panic in it is caught; its message is on standard error.
    ///
    /// A nested Qt event loop, such as that of a dialog, does not block. Neither does a loop around
    /// `processEvents()`. While Qt waits for events, the watchdog does not wake. On another thread
    /// than the application's, only tasks, and what Qt delivers after them before it waits again,
    /// are watched.
    ///
    /// A second call replaces the watchdog.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// let event_loop = qtloop::Loop::with_app(std::env::args_os())?;
    /// event_loop.set_watchdog(Duration::from_millis(200), |stall| {
    ///     eprintln!("blocked for {:?}", stall.elapsed());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The operating system cannot start a thread.
    pub fn set_watchdog(
        &self,
        threshold: Duration,
        mut handler: impl FnMut(&Stall) + Send + 'static,
    ) -> io::Result<()> {
        self.remove_watchdog();
        let watchdog = Watchdog::new(threshold, move |report| {
            catch_panic(|| handler(&Stall(report)));
        })?;
        self.core().watchdog.replace(Some(watchdog));
        Ok(())
    }

    /// Ends the watchdog, after its last report. A stall that is not over is reported as over now.
    pub fn remove_watchdog(&self) {
        drop(self.core().watchdog.take());
    }
}
