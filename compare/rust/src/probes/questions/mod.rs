//! The questions: programs in the terms of `Toolkit`, the same for all.

mod costs;
mod nested;
mod tasks;

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::toolkit::{Answer, Stream, Toolkit, check};

const HALF_A_SECOND: Duration = Duration::from_millis(500);

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
            Question::LateWake => tell(tasks::late_wake::<T>()),
            Question::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let runtime = runtime.expect("it needs nothing");
                runtime.block_on(async { T::run(Box::pin(async { tell(tasks::tokio().await) })) });
            }
            _ => T::run(Box::pin(async move { tell(self.ask_inside::<T>().await) })),
        }
    }

    async fn ask_inside<T: Toolkit>(self) -> Asked {
        match self {
            Question::Join => tasks::join::<T>().await,
            Question::Abort => tasks::abort::<T>().await,
            Question::Panic => tasks::panic::<T>().await,
            Question::Ready => tasks::ready::<T>().await,
            Question::Nested => nested::nested::<T>().await,
            Question::NestedTwice => nested::nested_twice::<T>().await,
            Question::NestedWoken => nested::nested_woken::<T>().await,
            Question::BlockOn => nested::block_on::<T>().await,
            Question::Early => costs::early::<T>().await,
            Question::Threads => costs::threads::<T>().await,
            Question::Scoped => tasks::scoped::<T>().await,
            Question::Signal => tasks::signal::<T>().await,
            Question::WakeUps => costs::wake_ups::<T>().await,
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
