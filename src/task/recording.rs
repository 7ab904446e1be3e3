//! Recordings of a loop: feeds a recorder with its jobs.

use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::ptr;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::cell::TaskRef;
use super::observed::{Observed, Slot, TaskObserver};
use super::observer::Id;
use super::{Job, Loop, LoopCore};
use crate::driver::Observer;
use crate::instruments::recorder::{
    JobKind, Order, Place, PlaceId, PlaceTimes, Places, Recorder, Subject,
};
use crate::qt::activity::{self, Activity, ActivityObserver, Observation};
use crate::reactor::{Priority, Queueable};

/// A recording of a loop, which [`Loop::record`] begins. It ends when it is [stopped](Self::stop)
/// or dropped. After a stop, its data stay.
pub struct Recording {
    recorder: Rc<Recorder>,
    feed: Rc<Feed>,
    /// Records the events that Qt delivers, until it is dropped.
    qt_events: RefCell<Option<Observation>>,
    core: Weak<LoopCore>,
}

impl Loop {
    /// Begins to record what the loop does. The last `events` events are kept, of 48 bytes each.
    ///
    /// An event is a poll of a task, another job, a turn, a poll of the operating system, the begin
    /// or the end of a task or, on the application's thread, an event that Qt delivers. The code location of a poll is that of the `spawn` call, and its
    /// function is that of the future's type name. A poll that is running is not recorded.
    ///
    /// ```no_run
    /// use qtloop::record::Order;
    ///
    /// # let event_loop = qtloop::Loop::attach()?;
    /// let recording = event_loop.record(1_000_000)?;
    /// let _ = event_loop.run(qtloop::task::yield_now());
    /// recording.save("trace.json.gz")?; // for Perfetto, chrome://tracing and Qt Creator
    /// for line in recording.top(10, Order::Total) {
    ///     println!("{line}");
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// `AlreadyExists`: the loop is being recorded. `InvalidInput`: `events` is not from 1 to 2³¹.
    /// `OutOfMemory`: the system refuses the memory.
    pub fn record(&self, events: usize) -> io::Result<Recording> {
        let core = self.core();
        if core.observed.get(Slot::Recording).is_some() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the loop is being recorded already: stop or drop that `Recording` first",
            ));
        }
        let places = Rc::<Places>::default();
        let recorder = Rc::new(Recorder::new(events, Rc::clone(&places))?);
        let feed = Rc::new(Feed::new(Rc::clone(&recorder), places));
        core.tasks.each(|task| feed.name(task));
        let observer = Rc::clone(&feed) as Rc<dyn TaskObserver>;
        drop(Observed::set(core, Slot::Recording, Some(observer)));
        let qt_events = QtEvents(Rc::clone(&recorder));
        Ok(Recording {
            recorder,
            feed,
            qt_events: RefCell::new(Some(activity::observe(Rc::new(qt_events), true))),
            core: Rc::downgrade(core),
        })
    }
}

impl Recording {
    /// Ends the recording. No effect if it has ended.
    pub fn stop(&self) {
        drop(self.qt_events.take());
        self.recorder.stop();
        if let Some(core) = self.core.upgrade()
            && let Some(current) = core.observed.get(Slot::Recording)
            && ptr::addr_eq(Rc::as_ptr(&current), Rc::as_ptr(&self.feed))
        {
            drop(Observed::set(&core, Slot::Recording, None));
        }
    }

    /// Writes the events to a file, as a Chrome trace: JSON, compressed if the path ends in `.gz`.
    /// [Perfetto](https://ui.perfetto.dev), `chrome://tracing` and Qt Creator open it. A file that
    /// exists is replaced when the new one is complete.
    ///
    /// # Errors
    /// Those of the file system, with the path in the message.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.recorder.save(path.as_ref())
    }

    /// Writes the events as a Chrome trace, not compressed.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        self.recorder.write(&mut out)
    }

    /// Returns the first `n` code locations in an order, with the times of all polls that have
    /// ended, also of those whose events were overwritten.
    #[must_use]
    pub fn top(&self, n: usize, order: Order) -> Vec<PlaceTimes> {
        self.recorder.top(n, order)
    }

    /// Returns the number of events that are kept.
    #[must_use]
    pub fn events(&self) -> usize {
        self.recorder.events()
    }

    /// Returns the number of events that newer ones have overwritten.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.recorder.dropped()
    }

    /// Returns the time from the begin of the recording to its end, or until now.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.recorder.duration()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recording")
            .field("events", &self.events())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

/// Passes the events of Qt to a recorder.
struct QtEvents(Rc<Recorder>);

impl ActivityObserver for QtEvents {
    fn changed(&self, activity: Activity, _now: Instant) {
        if activity == Activity::Waits {
            self.0.qt_blocks();
        }
    }

    fn event(&self, receiver: &CStr, kind: i32) {
        let kind = u16::try_from(kind).unwrap_or(u16::MAX);
        self.0.qt_event(&receiver.to_string_lossy(), kind);
    }
}

/// Passes the jobs of a driver to a recorder.
struct Feed {
    recorder: Rc<Recorder>,
    places: Rc<Places>,
    /// The places of the jobs that poll no task.
    timer: PlaceId,
    descriptor: PlaceId,
    thread: PlaceId,
    call: PlaceId,
    /// The tasks that have not completed, since they were first seen.
    tasks: RefCell<FxHashMap<Id, Known>>,
    /// The jobs that have begun and not ended, nested in one another, with the task of a poll.
    running: RefCell<Vec<Option<TaskRef>>>,
}

/// A task of a recording.
struct Known {
    place: PlaceId,
    /// The mark of its poll that is queued; 0 if there is none.
    mark: u32,
}

impl Feed {
    fn new(recorder: Rc<Recorder>, places: Rc<Places>) -> Feed {
        let named = |name: &str| {
            places.by_value(Place {
                file: "".into(),
                line: 0,
                function: name.into(),
            })
        };
        Feed {
            timer: named("timer"),
            descriptor: named("descriptor"),
            thread: named("other thread"),
            call: named("call"),
            recorder,
            places,
            tasks: RefCell::default(),
            running: RefCell::default(),
        }
    }

    /// Adds a task. Returns its place: that of its `spawn` call.
    fn add(&self, task: &TaskRef) -> PlaceId {
        let location = task.spawned_at();
        let key = ptr::from_ref(location).addr();
        let place = self.places.intern(key, || Place {
            file: location.file().into(),
            line: location.line(),
            function: function(task.type_name()).into(),
        });
        let known = Known { place, mark: 0 };
        self.tasks.borrow_mut().insert(task.id(), known);
        place
    }

    /// Adds a task from before the recording.
    fn name(&self, task: &TaskRef) {
        let name = task.name().unwrap_or_default();
        let place = self.add(task);
        self.recorder.name_task(task.id().get(), name, place);
    }

    fn finished(&self, task: &TaskRef) {
        self.tasks.borrow_mut().remove(&task.id());
        self.recorder.task_finished(task.id().get());
    }

    fn kind(&self, job: &Job) -> (PlaceId, JobKind) {
        match job {
            Job::Due(_) | Job::Wake(_) => (self.timer, JobKind::Timer),
            Job::Readable(_) => (self.descriptor, JobKind::Reader),
            Job::Writable(_) => (self.descriptor, JobKind::Writer),
            Job::Sent(_) | Job::Start(_) => (self.thread, JobKind::Remote),
            Job::Call(_) => (self.call, JobKind::Callback),
            Job::Poll(_) => (PlaceId::UNKNOWN, JobKind::Step),
        }
    }
}

impl TaskObserver for Feed {
    fn spawned(&self, task: &TaskRef) {
        let place = self.add(task);
        let running = self.running.borrow();
        let parent = running.iter().rev().flatten().next();
        self.recorder.task_created(
            task.id().get(),
            task.name().unwrap_or_default(),
            place,
            parent.map_or(0, |parent| parent.id().get()),
        );
    }

    fn cancelled(&self, task: &TaskRef) {
        self.finished(task);
    }
}

/// Returns the subject of a poll.
fn poll_of(id: Id, known: &Known, priority: Priority) -> Subject {
    Subject {
        task: id.get(),
        place: known.place,
        priority,
        kind: JobKind::Step,
    }
}

impl Observer<Job> for Feed {
    fn queued(&self, job: &mut Job) {
        if let Job::Poll(queued) = job {
            let id = queued.with_task(TaskRef::id);
            if let Some(known) = self.tasks.borrow_mut().get_mut(&id) {
                let subject = poll_of(id, known, queued.priority());
                known.mark = self.recorder.queued(subject);
            }
        }
    }

    fn begins(&self, job: &mut Job) {
        let task = match job {
            Job::Poll(queued) => Some(queued.task()),
            _ => None,
        };
        let (mark, subject) = match &task {
            Some(task) => {
                let id = task.id();
                let mut tasks = self.tasks.borrow_mut();
                match tasks.get_mut(&id) {
                    Some(known) => (
                        std::mem::take(&mut known.mark),
                        poll_of(id, known, job.priority()),
                    ),
                    // It has completed while it was queued.
                    None => (0, Subject::default()),
                }
            }
            None => {
                let (place, kind) = self.kind(job);
                let subject = Subject {
                    task: 0,
                    place,
                    priority: job.priority(),
                    kind,
                };
                (0, subject)
            }
        };
        self.recorder.begins(mark, subject);
        self.running.borrow_mut().push(task);
    }

    fn ends(&self) {
        // There is none if the job that ends began before the recording.
        let Some(task) = self.running.borrow_mut().pop() else {
            return;
        };
        self.recorder.ends();
        if let Some(task) = task
            && task.is_finished()
        {
            self.finished(&task);
        }
    }

    fn turn_begins(&self, depth: usize) {
        self.recorder.turn_begins(depth);
    }

    fn turn_ends(&self, _depth: usize) {
        self.recorder.turn_ends();
    }

    fn poll_begins(&self, timeout: Duration) {
        self.recorder.poll_begins(timeout);
    }

    fn poll_ends(&self, _timeout: Duration) {
        self.recorder.poll_ends();
    }
}

/// Returns the function of a future, from the name of its type: the path without `{{closure}}`, of
/// the innermost future if this crate or a `Box` has wrapped it, and without generic arguments.
fn function(name: &str) -> String {
    let mut inner = name;
    while ["qtloop::", "core::pin::Pin<", "alloc::boxed::Box<"]
        .iter()
        .any(|wrapper| inner.starts_with(wrapper))
        && let Some(argument) = future_argument(inner)
    {
        inner = argument;
    }
    while let Some(outer) = inner.strip_suffix("::{{closure}}") {
        inner = outer;
    }
    without_arguments(inner)
}

/// Returns the name of a type without the generic arguments of its last type and function. The
/// arguments of a `dyn` type and of an `impl` stay.
fn without_arguments(name: &str) -> String {
    let Some(start) = name.find('<') else {
        return name.to_owned();
    };
    let (path, arguments) = name.split_at(start);
    if path.is_empty() || path.ends_with("::") || name.contains("dyn ") {
        return name.to_owned();
    }
    let mut depth = 0_u32;
    let end = arguments.char_indices().find(|(at, letter)| {
        match letter {
            '<' => depth += 1,
            '>' if !arguments[..*at].ends_with('-') => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let rest = end.map_or("", |(at, _)| &arguments[at + 1..]);
    format!("{path}{}", without_arguments(rest))
}

/// Returns the first generic argument of a type that is, or contains, a closure or an async block.
fn future_argument(name: &str) -> Option<&str> {
    let (start, _) = name
        .match_indices('<')
        .find(|(at, _)| !name[at + 1..].starts_with("impl "))?;
    let mut depth = 0_u32;
    let mut begin = start + 1;
    let mut arguments = Vec::new();
    for (at, letter) in name[start + 1..].char_indices() {
        let at = start + 1 + at;
        match letter {
            '<' | '(' | '[' => depth += 1,
            ',' if depth == 0 => {
                arguments.push(name[begin..at].trim());
                begin = at + 1;
            }
            '>' if depth == 0 => {
                arguments.push(name[begin..at].trim());
                break;
            }
            '>' if name[..at].ends_with('-') => {} // of `fn() -> T`
            '>' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let is_closure = |argument: &&str| argument.contains("{{closure}}");
    arguments.into_iter().find(is_closure)
}

#[cfg(test)]
mod tests {
    use super::function;

    #[test]
    fn function_of_a_future_is_named_without_what_wraps_it() {
        let cases = [
            ("app::load::{{closure}}", "app::load"),
            ("app::main::{{closure}}::{{closure}}", "app::main"),
            ("app::Fetch<fn(i32) -> app::Kept<u8>>", "app::Fetch"),
            ("app::Cache<i32>::load<u8>::{{closure}}", "app::Cache::load"),
            (
                "app::<impl app::Net>::load::{{closure}}",
                "app::<impl app::Net>::load",
            ),
            (
                "core::pin::Pin<alloc::boxed::Box<app::load::{{closure}}>>",
                "app::load",
            ),
            (
                "core::pin::Pin<alloc::boxed::Box<dyn core::future::Future<Output = u32>>>",
                "core::pin::Pin<alloc::boxed::Box<dyn core::future::Future<Output = u32>>>",
            ),
            (
                "qtloop::task::LoopCore::spawn_scoped_with<app::load::{{closure}}, ()>::{{closure}}",
                "app::load",
            ),
            (
                "qtloop::task::LoopCore::spawn_scoped_with<qtloop::qml::spawn<app::Net, \
                 core::result::Result<(), app::Error>, app::Net::read::{{closure}}>::{{closure}}, \
                 ()>::{{closure}}",
                "app::Net::read",
            ),
            (
                "qtloop::task::handle::<impl qtloop::task::Handle>::spawn_from_within<app::load::\
                 {{closure}}, fn(&str) -> app::Made>::{{closure}}",
                "app::load",
            ),
            (
                "qtloop::run::run_on<app::main::{{closure}}>::{{closure}}",
                "app::main",
            ),
            ("qtloop::time::sleep::Sleep", "qtloop::time::sleep::Sleep"),
        ];
        for (name, expected) in cases {
            assert_eq!(function(name), expected, "{name}");
        }
    }
}
