//! The memory of a task: one allocation that holds its future, later its result, and the state
//! shared by the loop and the handles.
//!
//! Tasks are reference counted (`references`): one reference for the loop until completion, and one
//! per waker, join handle and remote wake-up. After a task has begun, its future is polled and
//! dropped only on the loop's thread, at the latest when the loop is closed. Another thread can
//! free only the empty allocation.
//!
//! The crate `async-task` would do the same at twice the cost per task: it does not know the loop's
//! thread, so it uses atomics where plain fields suffice here.
//!
//! The file is long so that all unsafe code of a task can be reviewed in one place.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::builder::Name;
use super::handle::LoopShared;
use super::observer::Id;
use super::span::Span;
use super::state::State;
use super::{Job, JoinError, LoopCore, free_list, unconstrained};
use crate::panic::catch_panic;
use crate::reactor::{AtomicPriority, Priority};

/// The part of a task that does not depend on the type of its future.
pub(super) struct Header {
    vtable: &'static Vtable,
    references: AtomicUsize,
    state: State,
    shared: Arc<LoopShared>,
    /// It changes on the loop's thread. From its start to its completion, the task retains it in
    /// the driver.
    priority: AtomicPriority,
    /// The number of the task; zero until it is needed.
    id: AtomicU32,
    spawned_at: &'static Location<'static>,
    /// Used on the loop's thread only: the run state, and the neighbours in the list of tasks.
    run_state: Cell<RunState>,
    before: Cell<Option<Pointer>>,
    after: Cell<Option<Pointer>>,
}

// Each task has one. The size class of a task must not grow by chance.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Header>() == 80);

#[derive(Clone, Copy, PartialEq, Eq)]
enum RunState {
    /// It has not been given to the loop.
    New,
    /// It waits for a wake-up.
    Idle,
    /// It is in the run queue, as a [`Queued`].
    Queued,
    /// It is being polled, or its future is being dropped. A completed task stays in this state.
    Running,
    /// It is being polled and was woken during the poll.
    RunningWoken,
}

pub(super) type Pointer = NonNull<Header>;

#[repr(C)]
struct Task<F: Future, N> {
    header: Header,
    name: N,
    span: Span,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    Future(F),
    Result(Result<F::Output, JoinError>),
    Empty,
}

/// The functions that depend on the types of the task. All of them require a task that is alive.
struct Vtable {
    /// Polls the future, on the loop's thread. Returns true if there is a result now.
    poll: unsafe fn(Pointer, &mut Context<'_>) -> bool,
    /// Drops the future and stores "cancelled" as the result. Call it on the loop's thread, or
    /// before the task has begun.
    cancel: unsafe fn(Pointer),
    /// Moves the result to a place for a `Result<F::Output, JoinError>`. There must be a result,
    /// and the caller must own it.
    take: unsafe fn(Pointer, *mut ()),
    /// Frees the memory. There must be no reference left, and the future must have been dropped.
    free: unsafe fn(Pointer),
    /// Returns the name, which lives as long as the task.
    name: unsafe fn(Pointer) -> Option<NonNull<str>>,
    /// Returns the name of the future's type.
    type_name: fn() -> &'static str,
}

impl<F: Future, N: Name> Task<F, N> {
    const VTABLE: Vtable = Vtable {
        poll: Task::<F, N>::poll,
        cancel: Task::<F, N>::cancel,
        take: Task::<F, N>::take,
        free: Task::<F, N>::free,
        name: Task::<F, N>::name,
        type_name: std::any::type_name::<F>,
    };

    unsafe fn stage(task: Pointer) -> *mut Stage<F> {
        // SAFETY: the task is alive, and of this type: the header is its first field.
        unsafe { task.cast::<Task<F, N>>().as_ref().stage.get() }
    }

    unsafe fn span<'a>(task: Pointer) -> &'a Span {
        // SAFETY: as in `stage`; the span is never changed.
        unsafe { &(*task.cast::<Task<F, N>>().as_ptr()).span }
    }

    unsafe fn name(task: Pointer) -> Option<NonNull<str>> {
        // SAFETY: as in `stage`; the name is never changed.
        let name = unsafe { &(*task.cast::<Task<F, N>>().as_ptr()).name };
        name.get().map(NonNull::from)
    }

    unsafe fn poll(task: Pointer, context: &mut Context<'_>) -> bool {
        // SAFETY: alive, and of this type.
        let span = unsafe { Self::span(task) };
        // SAFETY: polls run on the loop's thread, one at a time (`RunState::Running`), so nothing
        // else uses the stage. The future is not moved.
        let poll = || unsafe {
            match &mut *Self::stage(task) {
                Stage::Future(future) => unconstrained::poll(Pin::new_unchecked(future), context),
                Stage::Result(_) | Stage::Empty => unreachable!("it is done"),
            }
        };
        let polled = catch_unwind(AssertUnwindSafe(|| span.within(poll)));
        let result = match polled {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panic) => Err(JoinError::panicked(panic)),
        };
        // SAFETY: as above.
        unsafe { Self::store_result(task, result) };
        true
    }

    unsafe fn cancel(task: Pointer) {
        // SAFETY: the caller's promise.
        unsafe { Self::store_result(task, Err(JoinError::cancelled())) }
    }

    /// Replaces the future by the result. The future is dropped before a waiter can see the result.
    unsafe fn store_result(task: Pointer, result: Result<F::Output, JoinError>) {
        // SAFETY: the caller has exclusive use of the stage, and it is overwritten without another
        // drop even if the destructor panics.
        unsafe {
            let stage = Self::stage(task);
            Self::span(task).within(|| drop_caught(stage));
            ptr::write(stage, Stage::Result(result));
        }
    }

    unsafe fn take(task: Pointer, to: *mut ()) {
        // SAFETY: the caller owns the result and the place it is written to.
        unsafe {
            if let Stage::Result(result) = ptr::replace(Self::stage(task), Stage::Empty) {
                to.cast::<Result<F::Output, JoinError>>().write(result);
            }
        }
    }

    unsafe fn free(task: Pointer) {
        let task = task.cast::<Task<F, N>>();
        // SAFETY: the task was allocated as a `Task<F, N>`, and the last reference was dropped.
        unsafe {
            task.drop_in_place();
            free_list::free(task);
        }
    }
}

/// Drops a value, and catches a panic of its destructor.
unsafe fn drop_caught<T>(value: *mut T) {
    // SAFETY: the caller guarantees that the value may be dropped.
    catch_panic(|| unsafe { ptr::drop_in_place(value) });
}

/// A reference to a task, which is counted.
pub(crate) struct TaskRef(Pointer);

// SAFETY: only the `Cell`s of the header and the stage are not `Sync`. The `Cell`s are used on the
// loop's thread: `wake` checks the thread, and all other code that uses them gets a `LoopCore` or
// is owned by one, which is not `Send`. The notes at each use of the stage name its owner.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    fn header(&self) -> &Header {
        // SAFETY: the task is alive as long as this reference.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.header().state.is_complete()
    }

    /// Marks the task as aborted and wakes it, so that the loop cancels it instead of polling it.
    /// May be called from any thread.
    pub(super) fn abort(&self) {
        self.header().state.abort();
        wake(self.0);
    }

    pub(super) fn name(&self) -> Option<&str> {
        // SAFETY: the task, and so its name, is alive as long as this reference.
        unsafe { (self.header().vtable.name)(self.0).map(|name| name.as_ref()) }
    }

    /// Returns the number of the task, and gives it one first if it has none.
    pub(super) fn id(&self) -> Id {
        static LAST: AtomicU32 = AtomicU32::new(0);

        let id = &self.header().id;
        let known = id.load(Ordering::Relaxed);
        if known != 0 {
            return Id(known);
        }
        let next = loop {
            let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if next != 0 {
                break next;
            }
        };
        match id.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Id(next),
            Err(known) => Id(known), // another thread was faster
        }
    }

    pub(super) fn spawned_at(&self) -> &'static Location<'static> {
        self.header().spawned_at
    }

    pub(super) fn type_name(&self) -> &'static str {
        (self.header().vtable.type_name)()
    }

    pub(super) fn priority(&self) -> Priority {
        self.header().priority.get()
    }

    /// Sets the priority of a task that has not completed: on the loop's thread now, on another one
    /// later.
    pub(super) fn set_priority(&self, priority: Priority) {
        let task = self.clone();
        self.header().shared.call(move |core| {
            if let Some(core) = core {
                task.set_priority_here(core, priority);
            }
        });
    }

    fn set_priority_here(&self, core: &LoopCore, priority: Priority) {
        let header = self.header();
        let before = header.priority.get();
        if header.state.is_complete() || priority == before {
            return;
        }
        header.priority.set(priority);
        core.driver.retain(priority);
        match header.run_state.get() {
            RunState::Queued => core.driver.requeue(before, |job| job.polls(self)),
            RunState::Running | RunState::RunningWoken if core.is_innermost(self) => {
                core.driver.change_priority(priority);
            }
            _ => {}
        }
        core.driver.release(before);
    }

    pub(super) fn is(&self, task: Pointer) -> bool {
        self.0 == task
    }

    /// Returns the task that a waker wakes, or `None` if it is another executor's waker.
    pub(super) fn of(waker: &Waker) -> Option<TaskRef> {
        if !ptr::eq(waker.vtable(), &WAKER) {
            return None;
        }
        let task = pointer(waker.data())?;
        add_ref(task);
        Some(TaskRef(task))
    }

    pub(super) fn wake(&self) {
        wake(self.0);
    }

    /// Wakes the task when a remote wake-up has arrived on the loop's thread.
    pub(super) fn remote_wake_arrived(self) {
        self.header().state.clear_remote_wake();
        wake(self.0);
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> TaskRef {
        add_ref(self.0);
        TaskRef(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        // SAFETY: this value owns the reference.
        unsafe { drop_ref(self.0) };
    }
}

fn add_ref(task: Pointer) {
    // SAFETY: the caller holds a reference.
    unsafe { task.as_ref() }
        .references
        .fetch_add(1, Ordering::Relaxed);
}

/// Drops a reference, and frees the task if it was the last one.
unsafe fn drop_ref(task: Pointer) {
    // SAFETY: the caller owns a reference. If it is the only one, no other can be made.
    unsafe {
        let header = task.as_ref();
        if header.references.load(Ordering::Acquire) == 1
            || header.references.fetch_sub(1, Ordering::AcqRel) == 1
        {
            (header.vtable.free)(task);
        }
    }
}

/// Allocates a task. Returns it and the handle to its result.
#[track_caller]
pub(super) fn task<F: Future + 'static, N: Name>(
    shared: &Arc<LoopShared>,
    name: N,
    priority: Priority,
    future: F,
) -> (NewTask, RawJoinHandle<F::Output>) {
    let task = free_list::allocate();
    let span = Span::new(name.get(), std::any::type_name::<F>());
    let fresh = Task {
        header: Header {
            vtable: &Task::<F, N>::VTABLE,
            references: AtomicUsize::new(2),
            state: State::new(),
            shared: Arc::clone(shared),
            priority: AtomicPriority::new(priority),
            id: AtomicU32::new(0),
            spawned_at: Location::caller(),
            run_state: Cell::new(RunState::New),
            before: Cell::new(None),
            after: Cell::new(None),
        },
        name,
        span,
        stage: UnsafeCell::new(Stage::Future(future)),
    };
    // SAFETY: `allocate` returned memory for this type.
    unsafe { task.write(fresh) };
    // The header is the first field.
    let task = task.cast::<Header>();
    let handle = RawJoinHandle {
        task: TaskRef(task),
        is_taken: false,
        result: PhantomData,
    };
    (NewTask(TaskRef(task)), handle)
}

/// A task that was not given to the loop yet; it owns the loop's reference. If it is dropped, so is
/// its future.
pub(crate) struct NewTask(TaskRef);

impl NewTask {
    /// Adds the task to the loop and to its run queue.
    pub(super) fn start(self, core: &LoopCore) {
        let task = ManuallyDrop::new(self).0.0;
        core.tasks.insert(task);
        // SAFETY: the loop owns the reference now.
        let header = unsafe { task.as_ref() };
        // Before user code of an observer runs, which may close the loop.
        header.run_state.set(RunState::Queued);
        core.driver.retain(header.priority.get());
        let job = Queued(task);
        if core.driver.is_observed() {
            core.observed.spawned(&job.task());
        }
        core.driver.push(Job::Poll(job));
    }
}

impl Drop for NewTask {
    fn drop(&mut self) {
        let task = self.0.0;
        // SAFETY: the task is alive, and nothing else uses the stage of a task that has not begun.
        // If another thread drops this, the future is `Send` or was not made yet.
        wake_joiner(unsafe {
            (task.as_ref().vtable.cancel)(task);
            complete(task)
        });
    }
}

/// An entry of the run queue. It owns no reference: the loop's reference keeps the task alive until
/// it completes. If the task completes while queued, that reference passes to this entry.
pub(crate) struct Queued(Pointer);

// SAFETY: it is never sent: jobs from other threads are a `TaskRef` or a `NewTask`. It must be
// `Send` because all kinds of jobs share one type.
unsafe impl Send for Queued {}

impl Queued {
    pub(super) fn is(&self, task: &TaskRef) -> bool {
        self.0 == task.0
    }

    fn header(&self) -> &Header {
        // SAFETY: the loop's reference exists, in the loop or in this entry.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn priority(&self) -> Priority {
        self.header().priority.get()
    }

    /// Calls `work` with the task.
    pub(super) fn with_task<R>(&self, work: impl FnOnce(&TaskRef) -> R) -> R {
        // It takes no reference: `header` says why the task is alive.
        work(&ManuallyDrop::new(TaskRef(self.0)))
    }

    /// Returns a reference to the task.
    pub(super) fn task(&self) -> TaskRef {
        self.with_task(TaskRef::clone)
    }

    /// Polls the task, or cancels it if it was aborted. Frees it if it has completed while queued.
    pub(super) fn run(self, core: &LoopCore) {
        let task = ManuallyDrop::new(self).0;
        // SAFETY: the loop's reference exists, in the loop or in this entry.
        let header = unsafe { task.as_ref() };
        if header.state.is_complete() {
            // SAFETY: the reference has passed to this entry, whose own drop does not run.
            unsafe { drop_ref(task) };
            return;
        }
        header.run_state.set(RunState::Running);
        core.running.set(Some(task));
        // SAFETY: this waker is never dropped, and the loop's reference outlives it.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw_waker(task)) });
        let mut context = Context::from_waker(&waker);
        // SAFETY: the task is alive, this is the loop's thread, and `RunState::Running` excludes
        // another poll.
        let is_over =
            !header.state.is_aborted() && unsafe { (header.vtable.poll)(task, &mut context) };
        if !is_over && !header.state.is_aborted() {
            let was_woken = header.run_state.replace(RunState::Idle) == RunState::RunningWoken;
            if was_woken {
                header.run_state.set(RunState::Queued);
                core.driver.push(Job::Poll(Queued(task)));
            }
            return;
        }
        core.tasks.remove(task);
        // SAFETY: as above; the loop's reference is dropped once, here.
        let joiner = unsafe {
            if !is_over {
                (header.vtable.cancel)(task);
            }
            let joiner = complete(task);
            core.driver.release(header.priority.get());
            drop_ref(task);
            joiner
        };
        wake_joiner(joiner);
    }
}

impl Drop for Queued {
    /// Called when the queue is dropped with its loop.
    fn drop(&mut self) {
        // SAFETY: as in `run`.
        unsafe {
            if self.0.as_ref().state.is_complete() {
                drop_ref(self.0);
            } else {
                self.0.as_ref().run_state.set(RunState::Idle);
            }
        }
    }
}

/// Marks the task complete. Drops the result if the join handle was dropped; returns the handle's
/// waker if one is registered.
unsafe fn complete(task: Pointer) -> Option<Waker> {
    // SAFETY: called once per task, by the owner of its future.
    unsafe {
        let header = task.as_ref();
        let (has_handle, waker) = header.state.complete();
        if !has_handle {
            // Replaces the result by one that needs no drop.
            (header.vtable.cancel)(task);
        }
        waker
    }
}

/// Wakes the join handle's waker. This is user code, so call it last.
fn wake_joiner(waker: Option<Waker>) {
    if let Some(waker) = waker {
        catch_panic(|| waker.wake());
    }
}

/// Queues the task for a poll. Callable from any thread that holds a reference.
fn wake(task: Pointer) {
    // SAFETY: the caller holds a reference.
    let header = unsafe { task.as_ref() };
    if header.state.is_complete() {
        return;
    }
    if header.shared.is_here() {
        match header.run_state.get() {
            // Most wake-ups are of the running task itself. They do not look up the `LoopCore`.
            RunState::Running => header.run_state.set(RunState::RunningWoken),
            RunState::Idle => {
                // Without a `LoopCore`, the loop is being closed and is cancelling its tasks.
                if let Some(core) = header.shared.here() {
                    header.run_state.set(RunState::Queued);
                    core.driver.push(Job::Poll(Queued(task)));
                }
            }
            RunState::New | RunState::Queued | RunState::RunningWoken => {}
        }
    } else if header.state.set_remote_wake() {
        add_ref(task);
        // A closed loop has cancelled its tasks. If the operating system could not wake the loop,
        // the next wake-up must try again.
        if header.shared.send(Job::Sent(TaskRef(task))).is_err() {
            header.state.clear_remote_wake();
        }
    }
}

static WAKER: RawWakerVTable = RawWakerVTable::new(
    |task| {
        if let Some(task) = pointer(task) {
            add_ref(task);
        }
        RawWaker::new(task, &WAKER)
    },
    |task| {
        if let Some(task) = pointer(task) {
            wake(task);
            // SAFETY: the waker owns the reference.
            unsafe { drop_ref(task) };
        }
    },
    |task| {
        if let Some(task) = pointer(task) {
            wake(task);
        }
    },
    |task| {
        if let Some(task) = pointer(task) {
            // SAFETY: the waker owns the reference.
            unsafe { drop_ref(task) };
        }
    },
);

fn raw_waker(task: Pointer) -> RawWaker {
    RawWaker::new(task.as_ptr().cast_const().cast(), &WAKER)
}

fn pointer(task: *const ()) -> Option<Pointer> {
    NonNull::new(task.cast::<Header>().cast_mut())
}

/// The list of tasks of a loop that have not completed.
#[derive(Default)]
pub(super) struct Tasks(Cell<Option<Pointer>>);

impl Tasks {
    fn insert(&self, task: Pointer) {
        let after = self.0.replace(Some(task));
        // SAFETY: tasks in the list are alive, and this is their thread.
        unsafe {
            task.as_ref().after.set(after);
            if let Some(after) = after {
                after.as_ref().before.set(Some(task));
            }
        }
    }

    fn remove(&self, task: Pointer) {
        // SAFETY: as above.
        unsafe {
            let (before, after) = (task.as_ref().before.take(), task.as_ref().after.take());
            match before {
                Some(before) => before.as_ref().after.set(after),
                None => self.0.set(after),
            }
            if let Some(after) = after {
                after.as_ref().before.set(before);
            }
        }
    }

    /// Returns the number of tasks that have not completed, which it counts.
    pub(super) fn count(&self) -> usize {
        // SAFETY: tasks in the list are alive, and this is their thread.
        let after = |task: &Pointer| unsafe { task.as_ref().after.get() };
        std::iter::successors(self.0.get(), after).count()
    }

    /// Calls `visit` for each task that has not completed. It must not start or complete tasks.
    #[cfg(feature = "record")]
    pub(super) fn each(&self, mut visit: impl FnMut(&TaskRef)) {
        let mut next = self.0.get();
        while let Some(task) = next {
            add_ref(task);
            visit(&TaskRef(task));
            // SAFETY: as above.
            next = unsafe { task.as_ref().after.get() };
        }
    }

    /// Cancels all tasks, except tasks whose poll is running further up the stack; those are
    /// cancelled when that poll returns.
    pub(super) fn cancel_all(&self, core: Option<&LoopCore>) {
        let mut next = self.0.get();
        while let Some(task) = next {
            // SAFETY: tasks in the list are alive, and this is their thread.
            let header = unsafe { task.as_ref() };
            let run_state = header.run_state.get();
            if matches!(run_state, RunState::Running | RunState::RunningWoken) {
                header.state.abort();
                next = header.after.get();
                continue;
            }
            self.remove(task);
            header.run_state.set(RunState::Running);
            add_ref(task);
            let reference = TaskRef(task);
            // SAFETY: as above, and the task is not being polled. Its reference is dropped here or
            // by its queue entry.
            let joiner = unsafe {
                (header.vtable.cancel)(task);
                let joiner = complete(task);
                if run_state != RunState::Queued {
                    drop_ref(task);
                }
                joiner
            };
            if let Some(core) = core {
                core.driver.release(reference.priority());
                core.observed.cancelled(&reference);
            }
            wake_joiner(joiner);
            // User code has run and may have changed the list: start again.
            next = self.0.get();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.cancel_all(None); // the loop was closed, or is being dropped
    }
}

/// The exclusive right to take a task's result.
pub(super) struct RawJoinHandle<T> {
    task: TaskRef,
    is_taken: bool,
    /// Like a mutex, it is `Send` and `Sync` if the result is `Send`.
    result: PhantomData<Mutex<T>>,
}

/// It contains no `T`.
impl<T> Unpin for RawJoinHandle<T> {}

impl<T> RawJoinHandle<T> {
    pub(super) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Returns the result, once.
    ///
    /// # Panics
    /// The result was taken already.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        assert!(
            !self.is_taken,
            "the result of this JoinHandle was taken already: await it once"
        );
        // SAFETY: there is one handle per task, and it is borrowed exclusively.
        if !unsafe { self.task.header().state.poll_join(context.waker()) } {
            return Poll::Pending;
        }
        self.is_taken = true;
        // SAFETY: the task is complete, so the handle owns the result, and was made for
        // the type `T`.
        Poll::Ready(unsafe { self.take() })
    }

    unsafe fn take(&self) -> Result<T, JoinError> {
        let mut result = std::mem::MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: the caller guarantees that there is a result of this type, so it is written.
        unsafe {
            (self.task.header().vtable.take)(self.task.0, result.as_mut_ptr().cast());
            result.assume_init()
        }
    }
}

impl<T> Drop for RawJoinHandle<T> {
    fn drop(&mut self) {
        // SAFETY: called once, by the only handle. If it returns true, it owns the result.
        if !self.is_taken && unsafe { self.task.header().state.drop_handle() } {
            // SAFETY: as above.
            drop(unsafe { self.take() });
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut task = formatter.debug_struct("Task");
        if let Some(name) = self.name() {
            task.field("name", &name);
        }
        task.field("priority", &self.priority().get())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
