//! A task in memory: one block that holds its future, then its result, and what the loop and its handles know of it.
//!
//! Shares of it are counted. One is the loop's, from the task's begin to its end; wakers, handles and jobs from elsewhere have theirs. The future is polled and
//! dropped on the loop's thread alone, and at the end of the loop at the latest; what another thread may free is a shell.
//!
//! By hand, where the crate `async-task` would do, because that costs twice as much per task: it knows no loop's thread, so it
//! counts and compares by atomics where a plain field will do.
//!
//! Longer than a file should be: what is unsafe about a task stands in one place, and is read in one sitting.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::handle::Shared;
use super::latch::Latch;
use super::span::Span;
use super::{Inner, Job, JoinError, spare, unconstrained};
use crate::contain::contain;

/// What all tasks have in common.
struct Header {
    vtable: &'static Vtable,
    shares: AtomicUsize,
    latch: Latch,
    shared: Arc<Shared>,
    /// The loop's thread only: where the loop has it, and its neighbours among the tasks.
    place: Cell<Place>,
    before: Cell<Option<Pointer>>,
    after: Cell<Option<Pointer>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It has not begun.
    Unborn,
    /// It waits for a wake.
    Idle,
    /// There is a [`Queued`] of it.
    Queued,
    /// It is being polled, or its future is being dropped.
    Running,
    /// And was woken meanwhile.
    Again,
}

type Pointer = NonNull<Header>;

#[repr(C)]
struct Task<F: Future> {
    header: Header,
    span: Span,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    Future(F),
    Result(Result<F::Output, JoinError>),
    Empty,
}

/// What depends on the type of the future. All of them want a task that is alive.
struct Vtable {
    /// Polls the future, on the loop's thread; true if there is a result now.
    poll: unsafe fn(Pointer, &mut Context<'_>) -> bool,
    /// Drops the future; the result is that it was aborted. On the loop's thread, or before the task has begun.
    cancel: unsafe fn(Pointer),
    /// Moves the result to where a `Result<F::Output, JoinError>` fits. It is there, and is the caller's.
    take: unsafe fn(Pointer, *mut ()),
    /// Frees the memory. Nobody has a share any more, and the future is gone.
    free: unsafe fn(Pointer),
}

impl<F: Future> Task<F> {
    const VTABLE: Vtable = Vtable {
        poll: Task::<F>::poll,
        cancel: Task::<F>::cancel,
        take: Task::<F>::take,
        free: Task::<F>::free,
    };

    unsafe fn stage(task: Pointer) -> *mut Stage<F> {
        // SAFETY: the task is alive, and of this type: the header is its first field.
        unsafe { task.cast::<Task<F>>().as_ref().stage.get() }
    }

    unsafe fn span<'a>(task: Pointer) -> &'a Span {
        // SAFETY: as in `stage`; the span is never changed.
        unsafe { &(*task.cast::<Task<F>>().as_ptr()).span }
    }

    unsafe fn poll(task: Pointer, context: &mut Context<'_>) -> bool {
        // SAFETY: alive, and of this type.
        let span = unsafe { Self::span(task) };
        // SAFETY: on the loop's thread, one at a time, so nobody else looks at the stage; and the future stays where it is.
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
        unsafe { Self::settle(task, result) };
        true
    }

    unsafe fn cancel(task: Pointer) {
        // SAFETY: the caller's promise.
        unsafe { Self::settle(task, Err(JoinError::cancelled())) }
    }

    /// Puts the result in the future's place. What the future held is free before anybody hears of the result.
    unsafe fn settle(task: Pointer, result: Result<F::Output, JoinError>) {
        // SAFETY: the stage is ours, and is written to whatever has become of what was there.
        unsafe {
            let stage = Self::stage(task);
            Self::span(task).within(|| drop_contained(stage));
            ptr::write(stage, Stage::Result(result));
        }
    }

    unsafe fn take(task: Pointer, to: *mut ()) {
        // SAFETY: the result is the caller's, and so is the room for it.
        unsafe {
            if let Stage::Result(result) = ptr::replace(Self::stage(task), Stage::Empty) {
                to.cast::<Result<F::Output, JoinError>>().write(result);
            }
        }
    }

    unsafe fn free(task: Pointer) {
        let task = task.cast::<Task<F>>();
        // SAFETY: it was made as this, and this was the last share.
        unsafe {
            task.drop_in_place();
            spare::free(task);
        }
    }
}

/// A destructor may panic.
unsafe fn drop_contained<T>(place: *mut T) {
    // SAFETY: the caller's promise that it may be dropped.
    contain(|| unsafe { ptr::drop_in_place(place) });
}

/// A share of a task.
pub(crate) struct TaskRef(Pointer);

// SAFETY: what other threads may call goes by atomics; the rest asks for the loop's thread by wanting an `Inner`, which is not `Send`.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    fn header(&self) -> &Header {
        // SAFETY: alive as long as the share.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.header().latch.is_done()
    }

    /// Has the task end with its next poll, which is brought about; from any thread.
    pub(super) fn abort(&self) {
        self.header().latch.abort();
        wake(self.0);
    }

    /// The task that a waker is of, if it is one of ours, and not another executor's.
    pub(super) fn of(waker: &Waker) -> Option<TaskRef> {
        if !ptr::eq(waker.vtable(), &WAKER) {
            return None;
        }
        let task = pointer(waker.data())?;
        share(task);
        Some(TaskRef(task))
    }

    pub(super) fn wake(&self) {
        wake(self.0);
    }

    /// A wake from another thread has come.
    pub(super) fn receive(self) {
        self.header().latch.receive();
        wake(self.0);
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> TaskRef {
        share(self.0);
        TaskRef(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        // SAFETY: the share is this one's.
        unsafe { release(self.0) };
    }
}

fn share(task: Pointer) {
    // SAFETY: whoever calls has a share.
    unsafe { task.as_ref() }
        .shares
        .fetch_add(1, Ordering::Relaxed);
}

/// Gives up a share.
unsafe fn release(task: Pointer) {
    // SAFETY: the share is the caller's. If it is the only one, nobody can make another.
    unsafe {
        let header = task.as_ref();
        if header.shares.load(Ordering::Acquire) == 1
            || header.shares.fetch_sub(1, Ordering::AcqRel) == 1
        {
            (header.vtable.free)(task);
        }
    }
}

/// A new task, and the claim to its result.
#[track_caller]
pub(super) fn task<F: Future + 'static>(
    shared: &Arc<Shared>,
    future: F,
) -> (Unborn, Claim<F::Output>) {
    let task = spare::allocate();
    let fresh = Task {
        header: Header {
            vtable: &Task::<F>::VTABLE,
            shares: AtomicUsize::new(2),
            latch: Latch::new(),
            shared: Arc::clone(shared),
            place: Cell::new(Place::Unborn),
            before: Cell::new(None),
            after: Cell::new(None),
        },
        span: Span::new(std::any::type_name::<F>()),
        stage: UnsafeCell::new(Stage::Future(future)),
    };
    // SAFETY: it is room for this.
    unsafe { task.write(fresh) };
    // The header is the first field.
    let task = task.cast::<Header>();
    let claim = Claim {
        task: TaskRef(task),
        is_taken: false,
        result: PhantomData,
    };
    (Unborn(TaskRef(task)), claim)
}

/// A task that no loop has yet; its share is the loop's. If none will, its future is dropped where this is.
pub(crate) struct Unborn(TaskRef);

impl Unborn {
    /// Among the tasks of this loop from now on, and to be polled with the next batch.
    pub(super) fn begin(self, inner: &Inner) {
        let task = ManuallyDrop::new(self).0.0;
        inner.tasks.insert(task);
        // SAFETY: the share is the loop's now.
        unsafe { task.as_ref() }.place.set(Place::Queued);
        inner.driver.push(Job::Poll(Queued(task)));
    }
}

impl Drop for Unborn {
    fn drop(&mut self) {
        let task = self.0.0;
        // SAFETY: alive, and nobody else touches the stage of a task that has not begun. A future that may be spawned from another
        // thread is `Send`, or has not been made.
        tell(unsafe {
            (task.as_ref().vtable.cancel)(task);
            finish(task)
        });
    }
}

/// An entry of the loop's own queue. It has no share: the loop has one as long as the task is not done, and leaves it to the entry if the task is done
/// before its turn.
pub(crate) struct Queued(Pointer);

// SAFETY: never sent. A job from elsewhere is a `TaskRef` or an `Unborn`, but the two kinds share a type.
unsafe impl Send for Queued {}

impl Queued {
    /// Polls the task.
    pub(super) fn run(self, inner: &Inner) {
        let task = ManuallyDrop::new(self).0;
        // SAFETY: the loop's share is there, here or with the entry.
        let header = unsafe { task.as_ref() };
        if header.latch.is_done() {
            // SAFETY: the entry's share, and it is gone.
            unsafe { release(task) };
            return;
        }
        header.place.set(Place::Running);
        // SAFETY: a waker that is not dropped needs no share while there is another.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw_waker(task)) });
        let mut context = Context::from_waker(&waker);
        // SAFETY: alive; this is the loop's thread; and by its place nobody else polls it.
        let is_over =
            !header.latch.is_aborted() && unsafe { (header.vtable.poll)(task, &mut context) };
        if !is_over && !header.latch.is_aborted() {
            let was_woken = header.place.replace(Place::Idle) == Place::Again;
            if was_woken {
                header.place.set(Place::Queued);
                inner.driver.push(Job::Poll(Queued(task)));
            }
            return;
        }
        inner.tasks.remove(task);
        // SAFETY: as above; the loop's share is given up once, here.
        let waiter = unsafe {
            if !is_over {
                (header.vtable.cancel)(task);
            }
            let waiter = finish(task);
            release(task);
            waiter
        };
        tell(waiter);
    }
}

impl Drop for Queued {
    /// The queue is dropped with its loop.
    fn drop(&mut self) {
        // SAFETY: as in `run`.
        unsafe {
            if self.0.as_ref().latch.is_done() {
                release(self.0);
            } else {
                self.0.as_ref().place.set(Place::Idle);
            }
        }
    }
}

/// The result is there: somebody takes it, or nobody will. Returns whom to tell.
unsafe fn finish(task: Pointer) -> Option<Waker> {
    // SAFETY: called once per task, by whoever had its future.
    unsafe {
        let header = task.as_ref();
        let (is_wanted, waiter) = header.latch.finish();
        if !is_wanted {
            // Puts a result in its place that needs no dropping.
            (header.vtable.cancel)(task);
        }
        waiter
    }
}

/// Foreign code, so it comes last.
fn tell(waiter: Option<Waker>) {
    if let Some(waiter) = waiter {
        contain(|| waiter.wake());
    }
}

/// The task is to be polled; from any thread that has a share, at any time.
fn wake(task: Pointer) {
    // SAFETY: whoever calls has a share.
    let header = unsafe { task.as_ref() };
    if header.latch.is_done() {
        return;
    }
    if header.shared.is_here() {
        match header.place.get() {
            // Most wakes of all are of the task that runs, and need no loop.
            Place::Running => header.place.set(Place::Again),
            Place::Idle => {
                // Without one it is after the loop, which is just ending its tasks.
                if let Some(inner) = header.shared.here() {
                    header.place.set(Place::Queued);
                    inner.driver.push(Job::Poll(Queued(task)));
                }
            }
            Place::Unborn | Place::Queued | Place::Again => {}
        }
    } else if header.latch.send() {
        share(task);
        // A closed loop has ended its tasks. If the operating system refused to wake the loop, the next wake must try again.
        if header.shared.send(Job::Sent(TaskRef(task))).is_err() {
            header.latch.receive();
        }
    }
}

static WAKER: RawWakerVTable = RawWakerVTable::new(
    |task| {
        if let Some(task) = pointer(task) {
            share(task);
        }
        RawWaker::new(task, &WAKER)
    },
    |task| {
        if let Some(task) = pointer(task) {
            wake(task);
            // SAFETY: the waker's share.
            unsafe { release(task) };
        }
    },
    |task| {
        if let Some(task) = pointer(task) {
            wake(task);
        }
    },
    |task| {
        if let Some(task) = pointer(task) {
            // SAFETY: the waker's share.
            unsafe { release(task) };
        }
    },
);

fn raw_waker(task: Pointer) -> RawWaker {
    RawWaker::new(task.as_ptr().cast_const().cast(), &WAKER)
}

fn pointer(task: *const ()) -> Option<Pointer> {
    NonNull::new(task.cast::<Header>().cast_mut())
}

/// The tasks of a loop that have not ended.
#[derive(Default)]
pub(super) struct Tasks(Cell<Option<Pointer>>);

impl Tasks {
    fn insert(&self, task: Pointer) {
        let after = self.0.replace(Some(task));
        // SAFETY: those in the list are alive, and this is their thread.
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

    /// Ends all tasks, now, but for those that are being polled further out, which end when that poll returns.
    pub(super) fn end(&self) {
        let mut next = self.0.get();
        while let Some(task) = next {
            // SAFETY: those in the list are alive, and this is their thread.
            let header = unsafe { task.as_ref() };
            let place = header.place.get();
            if matches!(place, Place::Running | Place::Again) {
                header.latch.abort();
                next = header.after.get();
                continue;
            }
            self.remove(task);
            header.place.set(Place::Running);
            // SAFETY: as above, and nobody is polling it. The loop's share is given up here, or by the queue.
            tell(unsafe {
                (header.vtable.cancel)(task);
                let waiter = finish(task);
                if place != Place::Queued {
                    release(task);
                }
                waiter
            });
            // Foreign code has run: begin anew.
            next = self.0.get();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.end();
    }
}

/// The right to a task's result.
pub(super) struct Claim<T> {
    task: TaskRef,
    is_taken: bool,
    /// As a mutex: it may be sent, and shared, if the result may be sent.
    result: PhantomData<Mutex<T>>,
}

/// It holds no `T`.
impl<T> Unpin for Claim<T> {}

impl<T> Claim<T> {
    pub(super) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// The result, once.
    ///
    /// # Panics
    /// It was taken already.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        assert!(
            !self.is_taken,
            "the result of this JoinHandle was taken already: await it once"
        );
        // SAFETY: there is one claim per task, and this has it for itself.
        if !unsafe { self.task.header().latch.wait(context.waker()) } {
            return Poll::Pending;
        }
        self.is_taken = true;
        // SAFETY: done, so the result is the claim's, and by the claim's making a `T` comes of it.
        Poll::Ready(unsafe { self.take() })
    }

    unsafe fn take(&self) -> Result<T, JoinError> {
        let mut result = std::mem::MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: the caller's promise; and it is written to.
        unsafe {
            (self.task.header().vtable.take)(self.task.0, result.as_mut_ptr().cast());
            result.assume_init()
        }
    }
}

impl<T> Drop for Claim<T> {
    fn drop(&mut self) {
        // SAFETY: once, by the one claim; and what is done then is left to it.
        if !self.is_taken && unsafe { self.task.header().latch.leave() } {
            // SAFETY: as above.
            drop(unsafe { self.take() });
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Task").field(&self.0).finish()
    }
}
