//! [`Builder`]: starts a task with a name or a priority.

use std::future::Future;

use super::{Handle, JoinHandle, expect_current};
use crate::qt::Object;
use crate::reactor::Priority;

/// The name of a task, or `()`, which takes no memory.
pub(super) trait Name: 'static {
    fn get(&self) -> Option<&str>;
}

impl Name for () {
    fn get(&self) -> Option<&str> {
        None
    }
}

impl Name for Option<Box<str>> {
    fn get(&self) -> Option<&str> {
        self.as_deref()
    }
}

/// The name and the priority of a task that is about to start. Without a priority, the task
/// inherits that of the running job.
#[derive(Default)]
pub(super) struct Attributes<N> {
    pub(super) name: N,
    pub(super) priority: Option<Priority>,
}

/// Starts a task with a name or a [`Priority`]. The names are those of
/// [tokio's](https://docs.rs/tokio/latest/tokio/task/struct.Builder.html).
///
/// ```no_run
/// use qtloop::task::{Builder, Priority};
///
/// # async fn control_valve() {}
/// let valve = Builder::new()
///     .name("valve")
///     .priority(Priority::HIGH)
///     .spawn_local(control_valve());
/// assert_eq!(valve.priority(), Priority::HIGH);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a task starts by one of the `spawn` methods"]
pub struct Builder<'a> {
    name: Option<&'a str>,
    priority: Option<Priority>,
}

impl<'a> Builder<'a> {
    /// Returns a builder of a task without a name, with the priority that it inherits.
    pub const fn new() -> Builder<'a> {
        Builder {
            name: None,
            priority: None,
        }
    }

    /// Sets the name, which `Debug` of the handles prints. With the feature `tracing`, it is the
    /// field `task.name` of the task's span. The default is none, which takes no memory.
    pub const fn name(mut self, name: &'a str) -> Builder<'a> {
        self.name = Some(name);
        self
    }

    /// Sets the priority. The default is that of the task that starts this one. Outside of any
    /// task, in a slot of Qt, and on another thread than the loop's it is [`Priority::NORMAL`].
    pub const fn priority(mut self, priority: Priority) -> Builder<'a> {
        self.priority = Some(priority);
        self
    }

    fn attributes(self) -> Attributes<Option<Box<str>>> {
        Attributes {
            name: self.name.map(Box::from),
            priority: self.priority,
        }
    }

    /// Runs a future as [`spawn_local`](super::spawn_local) does.
    ///
    /// # Panics
    /// This thread has no [`Loop`](super::Loop).
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        expect_current("Builder::spawn_local()").spawn_with(self.attributes(), future)
    }

    /// Runs a future as [`spawn_scoped`](super::spawn_scoped) does: until a Qt object is destroyed.
    ///
    /// # Panics
    /// This thread has no [`Loop`](super::Loop).
    #[track_caller]
    pub fn spawn_scoped<F>(self, object: &Object, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        expect_current("Builder::spawn_scoped()").spawn_scoped_with(
            object,
            self.attributes(),
            future,
        )
    }

    /// Runs a future on the loop of a handle, as [`Handle::spawn`] does, from any thread.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        handle.spawn_task(self.attributes(), future)
    }
}
