//! Questions about other tasks during a nested loop or a blocking wait.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use super::{Answer, Asked, HALF_A_SECOND, Toolkit, check, pause};

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

pub async fn nested<T: Toolkit>() -> Asked {
    beside::<T>(async || {
        T::nested_loop(HALF_A_SECOND);
        Ok(())
    })
    .await
}

pub async fn nested_twice<T: Toolkit>() -> Asked {
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

pub async fn nested_woken<T: Toolkit>() -> Asked {
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

pub async fn block_on<T: Toolkit>() -> Asked {
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
