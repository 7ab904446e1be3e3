//! [`StreamExt`]: streams that yield fewer items than their source.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::Sleep;
use crate::reactor::Time;
use crate::task::{has_budget, take_budget_of_cheap, unbudgeted};

/// Limits how often a stream yields: [`throttle`](StreamExt::throttle) for values that change
/// often, and [`debounce`](StreamExt::debounce) for input that comes in bursts.
///
/// Import it as `_` beside another trait of this name. A limit on the number of operations per
/// second is not here; crates such as `governor` have it.
pub trait StreamExt: Stream {
    /// Yields at most one item per interval.
    ///
    /// The first item is yielded at once. Only the newest of the items that arrive during an
    /// interval is kept. It is yielded when the interval ends, and starts the next one. So the last
    /// item is never lost. `tokio_stream`'s method of this name delays all items, and drops none.
    ///
    /// An interval begins when an item is yielded. It is never shorter, and it is longer if the
    /// stream is not polled in time.
    ///
    /// When the source ends, the item that is kept is yielded at once, then the stream ends.
    ///
    /// ```no_run
    /// # async fn example(slider: qtloop::qt::Object) -> std::io::Result<()> {
    /// use std::time::Duration;
    ///
    /// use futures_lite::StreamExt;
    /// use qtloop::signal;
    /// use qtloop::time::StreamExt as _;
    ///
    /// let values = signal::stream(&slider, "valueChanged")?.typed::<(i32,)>()?;
    /// let mut values = values.throttle(Duration::from_millis(50));
    /// while let Some((value,)) = values.next().await {
    ///     println!("{value}"); // 20 times a second at most
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// This thread has no [`Loop`](crate::Loop). The stream's panics are those of [`Sleep`].
    #[track_caller]
    fn throttle(self, interval: Duration) -> Throttle<Self>
    where
        Self: Sized,
    {
        Throttle {
            newest: Newest::of(self),
            interval,
            sleep: Sleep::until("throttle()", Time::NEVER),
            is_idle: true,
        }
    }

    /// Yields an item when the source has been silent for `delay`.
    ///
    /// Each item replaces the one before and starts the delay again. The delay begins when the
    /// stream takes the item from its source, and is never shorter.
    ///
    /// When the source ends, the item that is kept is yielded at once, then the stream ends.
    ///
    /// ```no_run
    /// # async fn example(edit: qtloop::qt::Object) -> std::io::Result<()> {
    /// use std::time::Duration;
    ///
    /// use futures_lite::StreamExt;
    /// use qtloop::signal;
    /// use qtloop::time::StreamExt as _;
    ///
    /// let texts = signal::stream(&edit, "textChanged")?.typed::<(String,)>()?;
    /// let mut texts = texts.debounce(Duration::from_millis(200));
    /// while let Some((text,)) = texts.next().await {
    ///     println!("search for {text}"); // the user has stopped typing
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// As [`throttle`](StreamExt::throttle).
    #[track_caller]
    fn debounce(self, delay: Duration) -> Debounce<Self>
    where
        Self: Sized,
    {
        Debounce {
            newest: Newest::of(self),
            delay,
            sleep: Sleep::until("debounce()", Time::NEVER),
        }
    }
}

impl<S: Stream> StreamExt for S {}

pin_project! {
    /// A source, and the newest of the items that were taken from it.
    struct Newest<S: Stream> {
        #[pin]
        source: S,
        item: Option<S::Item>,
        is_over: bool,
    }
}

impl<S: Stream> Newest<S> {
    fn of(source: S) -> Newest<S> {
        Newest {
            source,
            item: None,
            is_over: false,
        }
    }

    /// Takes the next item from the source in place of the one before. Returns whether there was
    /// one.
    fn advance(self: Pin<&mut Self>, context: &mut Context<'_>) -> bool {
        let this = self.project();
        // A source may be ready always, and take no budget by itself.
        if *this.is_over || take_budget_of_cheap(context).is_pending() {
            return false;
        }
        match this.source.poll_next(context) {
            Poll::Ready(Some(item)) => {
                *this.item = Some(item);
                true
            }
            Poll::Ready(None) => {
                *this.is_over = true;
                false
            }
            Poll::Pending => false,
        }
    }

    /// Takes all items that are ready. Returns whether there were any.
    fn advance_to_last(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while self.as_mut().advance(context) {
            any = true;
        }
        any
    }
}

/// Polls the timer. The items may have spent the budget; a source that spends it in each poll must
/// not delay the timer.
fn poll_timer(sleep: &mut Sleep, had_budget: bool, context: &mut Context<'_>) -> Poll<()> {
    let poll = || Pin::new(sleep).poll(context);
    if had_budget && !has_budget() {
        unbudgeted(poll)
    } else {
        poll()
    }
}

pin_project! {
    /// The stream of [`StreamExt::throttle`].
    #[must_use = "streams do nothing unless they are polled"]
    pub struct Throttle<S: Stream> {
        #[pin]
        newest: Newest<S>,
        interval: Duration,
        sleep: Sleep,
        // No interval has begun, or the last one has ended without an item.
        is_idle: bool,
    }
}

impl<S: Stream> Stream for Throttle<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let had_budget = has_budget();
        if !*this.is_idle {
            this.newest.as_mut().advance_to_last(context);
            if !this.newest.is_over {
                ready!(poll_timer(this.sleep, had_budget, context));
            }
            *this.is_idle = true;
        }
        if this.newest.item.is_none() {
            this.newest.as_mut().advance(context);
        }
        match this.newest.as_mut().project().item.take() {
            Some(item) => {
                *this.is_idle = false;
                this.sleep.reset_after(*this.interval);
                Poll::Ready(Some(item))
            }
            None if this.newest.is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

pin_project! {
    /// The stream of [`StreamExt::debounce`].
    #[must_use = "streams do nothing unless they are polled"]
    pub struct Debounce<S: Stream> {
        #[pin]
        newest: Newest<S>,
        delay: Duration,
        sleep: Sleep,
    }
}

impl<S: Stream> Stream for Debounce<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let had_budget = has_budget();
        if this.newest.as_mut().advance_to_last(context) {
            this.sleep.reset_after(*this.delay);
        }
        if this.newest.is_over {
            return Poll::Ready(this.newest.project().item.take());
        }
        if this.newest.item.is_none() {
            return Poll::Pending;
        }
        ready!(poll_timer(this.sleep, had_budget, context));
        Poll::Ready(this.newest.project().item.take())
    }
}

impl<S: Stream> fmt::Debug for Throttle<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Throttle")
            .field("interval", &self.interval)
            .field("pending", &self.newest.item.is_some())
            .finish_non_exhaustive()
    }
}

impl<S: Stream> fmt::Debug for Debounce<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Debounce")
            .field("delay", &self.delay)
            .field("pending", &self.newest.item.is_some())
            .finish_non_exhaustive()
    }
}
