//! Questions about tasks: their results, their ends, their wakers and signals.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::mpsc;

use super::{Answer, Asked, Guard, Toolkit, check, guard, pause, wait};

pub async fn join<T: Toolkit>() -> Asked {
    let number = Rc::new(7);
    let task = T::join(Box::pin(async move {
        pause(1).await;
        *number
    }))?;
    let result = task.await;
    check(result == Ok(7), format!("the result is {result:?}"))?;
    Ok(Answer::Yes)
}

pub async fn abort<T: Toolkit>() -> Asked {
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

pub async fn panic<T: Toolkit>() -> Asked {
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

pub async fn ready<T: Toolkit>() -> Asked {
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

pub async fn tokio() -> Asked {
    let (sender, mut messages) = mpsc::unbounded_channel();
    for number in 0..10_000 {
        sender.send(number).expect("there is a receiver");
    }
    drop(sender);
    while messages.recv().await.is_some() {}
    Ok(Answer::Yes)
}

pub fn late_wake<T: Toolkit>() -> Asked {
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

pub async fn scoped<T: Toolkit>() -> Asked {
    let (guard, is_dropped) = guard();
    let (_sender, never) = async_channel::bounded(1);
    let destroy = T::scoped(Box::pin(wait(guard, never)))?;
    pause(50).await;
    destroy();
    pause(50).await;
    check(is_dropped.get(), "the task goes on")?;
    Ok(Answer::Yes)
}

pub async fn signal<T: Toolkit>() -> Asked {
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
