//! [`Observer`]: calls of a program's own code when a loop starts, polls and completes tasks.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::Priority;
use super::cell::TaskRef;

/// Methods that a loop calls for its tasks, on its thread: for a log, or for figures.
/// [`Loop::set_observer`](super::Loop::set_observer) sets it. All methods do nothing by default.
///
/// Without an observer, a wake-up costs one test, and a poll costs nothing. The methods of tasks and
/// their order are those of the hooks of tokio's
/// [`Builder`](https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html#method.on_task_spawn),
/// and [`on_task_schedule`](Observer::on_task_schedule) is added. For one task they are:
/// `on_task_spawn`, then for each poll `on_task_schedule`, `on_before_task_poll` and
/// `on_after_task_poll`, and at last `on_task_terminate`.
///
/// ```no_run
/// use std::rc::Rc;
///
/// use qtloop::task::{Observer, ScheduledBy, TaskMeta};
///
/// struct Log;
///
/// impl Observer for Log {
///     fn on_task_spawn(&self, task: TaskMeta<'_>) {
///         println!("{} created at {}", task.id(), task.spawned_at());
///     }
///     fn on_task_schedule(&self, task: TaskMeta<'_>, by: ScheduledBy<'_>) {
///         println!("{} ready, by {by}", task.id());
///     }
///     fn on_before_task_poll(&self, task: TaskMeta<'_>) {
///         println!("{} started", task.id());
///     }
///     fn on_task_terminate(&self, task: TaskMeta<'_>) {
///         println!("{} finished", task.id());
///     }
/// }
///
/// # let event_loop = qtloop::Loop::attach()?;
/// event_loop.set_observer(Some(Rc::new(Log)));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// - A method may spawn, wake and abort tasks. The loop does not report these calls, so it cannot
///   recurse. It must not run a Qt event loop; [`block_on`](super::block_on) panics there.
/// - A method that panics ends no task. The panic hook prints the panic, and the loop drops the
///   observer, as after `set_observer(None)`.
/// - The work of the methods delays the tasks, so they should be short.
/// - A `block_on` is not a task, and is not observed.
pub trait Observer {
    /// A task was given to the loop: by a `spawn` function on the loop's thread, or when a task of
    /// [`Handle::spawn`](super::Handle::spawn) has arrived there.
    fn on_task_spawn(&self, _task: TaskMeta<'_>) {}

    /// A task was queued for a poll: it is new, or was woken.
    ///
    /// A task that is woken while it is being polled is queued after that poll, by itself.
    fn on_task_schedule(&self, _task: TaskMeta<'_>, _by: ScheduledBy<'_>) {}

    /// A task is about to be polled or, if it was aborted, dropped.
    fn on_before_task_poll(&self, _task: TaskMeta<'_>) {}

    /// The poll has returned or has panicked. If the poll ran a Qt event loop, there were calls for
    /// other tasks in between.
    fn on_after_task_poll(&self, _task: TaskMeta<'_>) {}

    /// A task has completed, has panicked, was aborted, or was cancelled with its loop. Its future
    /// was dropped.
    fn on_task_terminate(&self, _task: TaskMeta<'_>) {}

    /// A turn begins: a call from Qt that runs tasks. `depth` is 1, or more if the turn is in a Qt
    /// event loop that a task runs.
    fn on_turn_begin(&self, _depth: usize) {}

    /// The turn ends. Qt then processes its own events, or waits for them.
    fn on_turn_end(&self, _depth: usize) {}

    /// The loop is about to ask the operating system for events. It waits for them for at most
    /// `timeout`: zero, or that of [`Loop::set_linger`](super::Loop::set_linger) and less. Longer waits are Qt's, after
    /// the end of the turn.
    fn on_before_io_wait(&self, _timeout: Duration) {}

    /// The loop has asked, and has queued the jobs of the events.
    fn on_after_io_wait(&self, _timeout: Duration) {}
}

/// A number that identifies a task in this process. Tasks are numbered from 1, when an observer or
/// [`JoinHandle::id`](super::JoinHandle::id) first asks for the number. After 2³² tasks the numbers
/// repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub(super) u32);

impl Id {
    /// Returns the number, which is not zero.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The description of a task, for an [`Observer`]. It follows
/// [tokio's](https://docs.rs/tokio/latest/tokio/runtime/struct.TaskMeta.html).
#[derive(Clone, Copy)]
pub struct TaskMeta<'a>(pub(super) &'a TaskRef);

impl<'a> TaskMeta<'a> {
    /// Returns the number of the task.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id()
    }

    /// Returns the name that [`Builder::name`](super::Builder::name) has set.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.0.name()
    }

    /// Returns the source line of the `spawn` call.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.0.spawned_at()
    }

    /// Returns the type name of the future, as [`std::any::type_name`] does. That of an `async`
    /// block contains the path of the function around it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    /// Returns the priority of the task.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.0.priority()
    }
}

impl fmt::Debug for TaskMeta<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskMeta")
            .field("id", &self.id().get())
            .field("name", &self.name())
            .field("spawned_at", &format_args!("{}", self.spawned_at()))
            .field("type_name", &self.type_name())
            .field("priority", &self.priority().get())
            .finish()
    }
}

/// Writes the name, or the line of the `spawn` call: `valve`, or `task 7 of src/main.rs:12:5`.
impl fmt::Display for TaskMeta<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "task {} of {}", self.id(), self.spawned_at()),
        }
    }
}

/// The origin of a wake-up or of a `spawn` call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ScheduledBy<'a> {
    /// The poll of a task: it has sent to a channel, has completed, or has spawned the task.
    Task(TaskMeta<'a>),
    /// A timer.
    Timer,
    /// A file descriptor is ready.
    Descriptor,
    /// Another thread.
    Thread,
    /// A closure of [`Handle::invoke`](super::Handle::invoke), or a call of the crate's own.
    Call,
    /// Code outside of the loop's jobs: the main function, or a slot that Qt has called. That
    /// includes a slot in a nested Qt event loop, such as that of a dialog that a task has opened.
    Outside,
}

/// Writes the task or, in words, the other origin.
impl fmt::Display for ScheduledBy<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduledBy::Task(task) => task.fmt(formatter),
            ScheduledBy::Timer => formatter.write_str("a timer"),
            ScheduledBy::Descriptor => formatter.write_str("a descriptor"),
            ScheduledBy::Thread => formatter.write_str("another thread"),
            ScheduledBy::Call => formatter.write_str("a call"),
            ScheduledBy::Outside => formatter.write_str("code outside of the loop"),
        }
    }
}
