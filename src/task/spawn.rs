//! The functions that use the loop of this thread: spawn a task, wait for a future, quit.

use std::future::Future;

use super::{JoinHandle, expect_current};
use crate::qt::{Object, app};

/// Runs a future as a task on this thread's loop. The loop's next batch of jobs polls it first,
/// never this call. The task inherits the [`Priority`](super::Priority) of the task that calls
/// this.
///
/// ```no_run
/// # async fn example() -> Result<(), qtloop::JoinError> {
/// use std::rc::Rc;
///
/// let shared = Rc::new(6);
/// let task = qtloop::spawn_local({
///     let shared = Rc::clone(&shared);
///     async move { *shared * 7 }
/// });
/// assert_eq!(task.await?, 42);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// This thread has no [`Loop`](super::Loop).
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    expect_current("spawn_local()").spawn(future)
}

/// Runs a future as [`spawn_local`] does, until a Qt object is destroyed: then the task is aborted,
/// and is not polled again. If the object is destroyed already, the task does not start.
///
/// ```no_run
/// use qtloop::{qt::Object, spawn_scoped, time};
///
/// let application = Object::application().expect("there is one");
/// spawn_scoped(&application, async {
///     let mut beat = time::interval(std::time::Duration::from_secs(1));
///     loop {
///         beat.tick().await; // until the application is destroyed
///     }
/// });
/// ```
///
/// # Panics
/// This thread has no [`Loop`](super::Loop).
#[track_caller]
pub fn spawn_scoped<F>(object: &Object, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    expect_current("spawn_scoped()").spawn_scoped(object, future)
}

/// Calls [`Loop::block_on`](super::Loop::block_on) of this thread's loop, for slots and tasks.
///
/// Never use the `block_on` of another executor instead: it freezes the window, see there.
///
/// ```no_run
/// // A slot that must return the answer.
/// fn size_of_page() -> std::io::Result<usize> {
///     let reading = qtloop::task::unblock(|| std::fs::read("page.html"));
///     Ok(qtloop::block_on(reading)?.len())
/// }
/// ```
///
/// # Panics
/// As [`Loop::block_on`](super::Loop::block_on), or this thread has no [`Loop`](super::Loop).
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    expect_current("block_on()").block_on(future)
}

/// Ends the Qt event loops of this thread, and so [`Loop::exec`](super::Loop::exec) and
/// [`Loop::run`](super::Loop::run), with an exit code.
///
/// Tasks are not ended, and continue if an event loop runs again. Without
/// [`exec`](super::Loop::exec), such as in [`block_on`] alone, the call has no effect, as
/// `QCoreApplication::exit`. On another thread call `handle.invoke(|| quit(0))`.
///
/// ```no_run
/// qtloop::spawn_local(async {
///     let _ = qtloop::signal::ctrl_c().await;
///     qtloop::quit(130);
/// });
/// ```
pub fn quit(code: i32) {
    if app::is_main_thread() {
        app::exit(code);
    } else {
        app::thread_exit(code);
    }
}
