//! The questions: programs in the terms of `Toolkit`, the same for all.

use std::cell::Cell;
use std::fs;
use std::future::poll_fn;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use futures_lite::AsyncReadExt;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::toolkit::{Answer, Stream, Toolkit, check};

/// The rows of the table; the doc comments are their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// a task that is not `Send` runs on the UI's thread, and its result can be awaited
    Join,
    /// `abort` drops a task's future by the loop's next turn
    Abort,
    /// a panic in a task ends that task only, and its joiner gets it
    Panic,
    /// a future that is ready at its first poll is dropped
    Ready,
    /// a nested loop (a modal dialog's) inside of a task: the other tasks go on, and it ends
    Nested,
    /// the same, where another task opens a second one in it
    NestedTwice,
    /// the same, where the task that opened it is woken meanwhile
    NestedWoken,
    /// a blocking wait for a future inside of a callback of the loop
    BlockOn,
    /// timers of 0.3 to 3 ms that came early, of 300
    Early,
    /// TCP sockets on the loop's own thread: threads they add
    Threads,
    /// 10,000 messages of a tokio channel come through inside of `#[tokio::main]`
    Tokio,
    /// a wake after the end of the loop does no harm
    LateWake,
    /// a task can be bound to an object of the UI, and ends with it
    Scoped,
    /// a signal is a future, which ends also when its object is destroyed
    Signal,
    /// wake-ups in 2 s of idling with 1,000 idle sockets, the last included
    WakeUps,
}

type Asked = Result<Answer, Answer>;

impl Question {
    pub fn text(self) -> String {
        let value = self.to_possible_value().expect("no variant is skipped");
        value.get_help().expect("each has a text").to_string()
    }

    /// Asks the question in this process; the answer is printed inside the loop where possible.
    pub fn ask<T: Toolkit>(self, tell: impl FnOnce(Answer) + 'static) {
        let tell = |asked: Asked| tell(asked.unwrap_or_else(|reason| reason));
        match self {
            Question::LateWake => tell(late_wake::<T>()),
            Question::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let runtime = runtime.expect("it needs nothing");
                runtime.block_on(async { T::run(Box::pin(async { tell(tokio().await) })) });
            }
            _ => T::run(Box::pin(async move { tell(self.ask_inside::<T>().await) })),
        }
    }

    async fn ask_inside<T: Toolkit>(self) -> Asked {
        match self {
            Question::Join => join::<T>().await,
            Question::Abort => abort::<T>().await,
            Question::Panic => panic::<T>().await,
            Question::Ready => ready::<T>().await,
            Question::Nested => nested::<T>().await,
            Question::NestedTwice => nested_twice::<T>().await,
            Question::NestedWoken => nested_woken::<T>().await,
            Question::BlockOn => block_on::<T>().await,
            Question::Early => early::<T>().await,
            Question::Threads => threads::<T>().await,
            Question::Scoped => scoped::<T>().await,
            Question::Signal => signal::<T>().await,
            Question::WakeUps => wake_ups::<T>().await,
            Question::Tokio | Question::LateWake => unreachable!("`ask` has them"),
        }
    }
}

/// Waits on a thread, because not every toolkit has a timer to await.
async fn pause(milliseconds: u64) {
    let (sender, end) = async_channel::bounded(1);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(milliseconds));
        let _ = sender.try_send(());
    });
    end.recv().await.expect("the thread has the sender");
}

/// Records that it was dropped.
struct Guard(Rc<Cell<bool>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Makes a guard, and the cell that it sets when it is dropped.
fn guard() -> (Guard, Rc<Cell<bool>>) {
    let is_dropped = Rc::new(Cell::new(false));
    (Guard(Rc::clone(&is_dropped)), is_dropped)
}

/// Waits for a message that is never sent. The channel has the task's waker as long as `sender`
/// lives.
async fn wait(guard: Guard, never: async_channel::Receiver<()>) {
    let _ = never.recv().await;
    drop(guard);
}

async fn join<T: Toolkit>() -> Asked {
    let number = Rc::new(7);
    let task = T::join(Box::pin(async move {
        pause(1).await;
        *number
    }))?;
    let result = task.await;
    check(result == Ok(7), format!("the result is {result:?}"))?;
    Ok(Answer::Yes)
}

async fn abort<T: Toolkit>() -> Asked {
    let (guard, is_dropped) = guard();
    let (_sender, never) = async_channel::bounded(1);
    let abort = T::abortable(Box::pin(wait(guard, never)))?;
    pause(50).await;
    abort();
    pause(50).await;
    check(
        is_dropped.get(),
        "it is not dropped before something wakes it",
    )?;
    Ok(Answer::Yes)
}

async fn panic<T: Toolkit>() -> Asked {
    async fn fail() {
        pause(1).await;
        panic!("as asked");
    }
    match T::join(Box::pin(fail())) {
        Ok(task) => {
            let result = task.await;
            check(result.is_err(), "the joiner does not get it")?;
        }
        // Then the question is how the other tasks continue.
        Err(_) => {
            T::spawn(Box::pin(fail()));
            pause(100).await;
            return Err(Answer::No("there is no joiner".to_owned()));
        }
    }
    Ok(Answer::Yes)
}

async fn ready<T: Toolkit>() -> Asked {
    /// Implemented by hand: an `async` block would drop its values before it is ready.
    struct Done(#[expect(dead_code, reason = "it is there to be dropped")] Guard);
    impl Future for Done {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    let (guard, is_dropped) = guard();
    T::spawn(Box::pin(Done(guard)));
    pause(50).await;
    check(is_dropped.get(), "its destructor does not run")?;
    Ok(Answer::Yes)
}

/// A task that counts every 20 ms.
fn tick<T: Toolkit>() -> Rc<Cell<u32>> {
    let ticks = Rc::new(Cell::new(0));
    let counting = Rc::clone(&ticks);
    T::spawn(Box::pin(async move {
        loop {
            pause(20).await;
            counting.set(counting.get() + 1);
        }
    }));
    ticks
}

/// Returns whether another task continues while this one runs `work` for half a second, and
/// afterwards.
async fn beside<T: Toolkit>(work: impl AsyncFnOnce() -> Result<(), Answer>) -> Asked {
    let ticks = tick::<T>();
    pause(100).await;
    let before = ticks.get();
    work().await?;
    let during = ticks.get() - before;
    check(
        during >= 10,
        format!("another task ran {during} times, of 25"),
    )?;
    let before = ticks.get();
    pause(200).await;
    let after = ticks.get() - before;
    check(after >= 3, "another task stands still afterwards")?;
    Ok(Answer::Yes)
}

const HALF_A_SECOND: Duration = Duration::from_millis(500);

async fn nested<T: Toolkit>() -> Asked {
    beside::<T>(async || {
        T::nested_loop(HALF_A_SECOND);
        Ok(())
    })
    .await
}

async fn nested_twice<T: Toolkit>() -> Asked {
    let has_ended = Rc::new(Cell::new(false));
    let ending = Rc::clone(&has_ended);
    beside::<T>(async move || {
        T::spawn(Box::pin(async move {
            pause(100).await;
            T::nested_loop(Duration::from_millis(200));
            ending.set(true);
        }));
        T::nested_loop(HALF_A_SECOND);
        check(has_ended.get(), "the inner one has not ended")
    })
    .await
}

async fn nested_woken<T: Toolkit>() -> Asked {
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    beside::<T>(async || {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            waker.wake();
        });
        T::nested_loop(HALF_A_SECOND);
        Ok(())
    })
    .await
}

async fn block_on<T: Toolkit>() -> Asked {
    beside::<T>(async || {
        let (sender, end) = async_channel::bounded(1);
        T::call(move || {
            let wait = Box::pin(pause(HALF_A_SECOND.as_millis() as u64));
            let _ = sender.try_send(T::block_on(wait));
        });
        end.recv().await.expect("the callback has the sender")
    })
    .await
}

async fn early<T: Toolkit>() -> Asked {
    let mut random = fastrand::Rng::with_seed(1);
    let mut early = 0;
    for _ in 0..300 {
        let time = Duration::from_micros(random.u64(300..3000));
        let due = Instant::now() + time;
        T::sleep(time)?.await;
        early += u64::from(Instant::now() < due);
    }
    Ok(Answer::Number(early))
}

/// Makes a connection over the loopback device: the loop's end and the other end.
fn connect<T: Toolkit>() -> Result<(Box<dyn Stream>, TcpStream), Answer> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let stream = TcpStream::connect(address).expect("it listens");
    let (other, _) = listener.accept().expect("it has connected");
    stream.set_nonblocking(true).expect("sockets can");
    Ok((T::adopt(stream)?, other))
}

async fn threads<T: Toolkit>() -> Asked {
    let count = || fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = count();
    for _ in 0..10 {
        let (mut stream, mut other) = connect::<T>()?;
        let (answering, answer) = async_channel::bounded(1);
        T::spawn(Box::pin(async move {
            let mut byte = [0];
            let read = stream.read_exact(&mut byte).await;
            let _ = answering.send((read.map(|()| byte), stream)).await;
        }));
        // The task waits by then.
        T::sleep(Duration::from_millis(10))?.await;
        other.write_all(b"x").expect("it is connected");
        let (read, _stream) = answer.recv().await.expect("the task has the sender");
        check(read.is_ok_and(|byte| byte == *b"x"), "what came differs")?;
    }
    Ok(Answer::Number((count() - before) as u64))
}

async fn tokio() -> Asked {
    let (sender, mut messages) = mpsc::unbounded_channel();
    for number in 0..10_000 {
        sender.send(number).expect("there is a receiver");
    }
    drop(sender);
    while messages.recv().await.is_some() {}
    Ok(Answer::Yes)
}

fn late_wake<T: Toolkit>() -> Asked {
    let (sender, wakers) = async_channel::bounded(1);
    T::run(Box::pin(async move {
        T::spawn(Box::pin(poll_fn(move |context| {
            let _ = sender.try_send(context.waker().clone());
            Poll::Pending
        })));
        pause(50).await;
        T::quit();
    }));
    let waker = wakers.try_recv();
    let waker = waker.map_err(|error| Answer::No(error.to_string()))?;
    waker.wake_by_ref();
    let elsewhere = thread::spawn(move || waker.wake());
    check(elsewhere.join().is_ok(), "it panics on another thread")?;
    Ok(Answer::Yes)
}

async fn scoped<T: Toolkit>() -> Asked {
    let (guard, is_dropped) = guard();
    let (_sender, never) = async_channel::bounded(1);
    let destroy = T::scoped(Box::pin(wait(guard, never)))?;
    pause(50).await;
    destroy();
    pause(50).await;
    check(is_dropped.get(), "the task goes on")?;
    Ok(Answer::Yes)
}

async fn signal<T: Toolkit>() -> Asked {
    let bell = T::bell()?;
    let (sender, answers) = async_channel::unbounded();
    let (first, second) = ((bell.rung)(), bell.rung);
    T::spawn(Box::pin(async move {
        let _ = sender.send(first.await).await;
        let _ = sender.send(second().await).await;
    }));
    pause(50).await;
    (bell.ring)();
    pause(50).await;
    check(answers.try_recv() == Ok(true), "it is not heard")?;
    (bell.destroy)();
    pause(50).await;
    let gone = answers.try_recv();
    check(
        gone == Ok(false),
        "the future waits for ever when the object is destroyed",
    )?;
    Ok(Answer::Yes)
}

/// Returns how often the threads of this process have gone to sleep.
fn switches() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("this is Linux");
    let status = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).ok();
    let texts = tasks.flatten().filter_map(status);
    let count = |text: String| -> Option<u64> {
        let (_, count) = text.split_once("\nvoluntary_ctxt_switches:")?;
        count.split_whitespace().next()?.parse().ok()
    };
    texts.filter_map(count).sum()
}

async fn wake_ups<T: Toolkit>() -> Asked {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("it may be raised so far");
    let mut others = Vec::new();
    for _ in 0..1000 {
        let (mut stream, other) = connect::<T>()?;
        others.push(other);
        T::spawn(Box::pin(async move {
            let _ = stream.read(&mut [0]).await;
        }));
    }
    // The loop has started its helpers by then.
    T::sleep(HALF_A_SECOND)?.await;
    let before = switches();
    T::sleep(Duration::from_secs(2))?.await;
    Ok(Answer::Number(switches() - before))
}
