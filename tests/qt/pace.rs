//! Tests of `StreamExt`: throttled and debounced streams of Qt's signals.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::{StreamExt, future, stream};
use qtloop::qt::OwnedObject;
use qtloop::task::yield_now;
use qtloop::time::{StreamExt as _, sleep, timeout};
use qtloop::{signal, spawn_local};

use crate::trials;
use crate::world::attached;

trials![
    throttled_burst_yields_its_first_and_its_newest_item,
    throttled_stream_is_never_early,
    first_item_after_a_silent_interval_is_yielded_at_once,
    item_that_waits_is_replaced_by_a_newer_one,
    backlog_of_an_interval_is_skipped_by_a_late_reader,
    debounced_burst_yields_its_last_item,
    each_item_starts_the_delay_again,
    ended_source_yields_the_waiting_item_at_once,
    source_that_is_always_ready_lets_other_tasks_run,
    throttled_source_that_is_always_ready_yields_each_interval,
    dropped_stream_drops_its_item_and_disconnects,
];

/// A time that does not pass during a test.
const FOREVER: Duration = Duration::from_secs(1000);
const MS: Duration = Duration::from_millis(1);

fn names(object: &OwnedObject) -> impl futures_lite::Stream<Item = i32> + Unpin + use<> {
    let names = signal::stream(object, "objectNameChanged").expect("a signal");
    let names = names.typed::<(String,)>().expect("a string");
    names.map(|(name,)| name.parse().expect("a number"))
}

fn emit(object: &OwnedObject, numbers: impl IntoIterator<Item = i32>) {
    for number in numbers {
        object.set_name(&number.to_string());
    }
}

fn throttled_burst_yields_its_first_and_its_newest_item() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let mut numbers = names(&object).throttle(5 * MS);
        for _ in 0..2 {
            let began = Instant::now();
            emit(&object, 0..5);
            assert_eq!(numbers.next().await, Some(0));
            assert_eq!(numbers.next().await, Some(4));
            assert!(began.elapsed() >= 5 * MS);
            assert!(timeout(20 * MS, numbers.next()).await.is_err());
        }
    });
}

fn throttled_stream_is_never_early() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let mut numbers = names(&object).throttle(2 * MS);
        let began = Instant::now();
        for count in 0..6 {
            emit(&object, [count, 100 + count]);
            assert!(numbers.next().await.is_some());
            assert!(began.elapsed() >= count.unsigned_abs() * 2 * MS, "{count}");
        }
    });
}

fn first_item_after_a_silent_interval_is_yielded_at_once() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let mut numbers = names(&object).throttle(MS);
        for number in 0..3 {
            emit(&object, [number]);
            let item = future::poll_once(numbers.next()).await;
            assert_eq!(item, Some(Some(number)));
            assert!(timeout(5 * MS, numbers.next()).await.is_err());
        }
    });
}

fn item_that_waits_is_replaced_by_a_newer_one() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let mut numbers = names(&object).throttle(FOREVER);
        emit(&object, [0]);
        assert_eq!(numbers.next().await, Some(0));
        for number in 1..4 {
            emit(&object, [number]);
            assert_eq!(future::poll_once(numbers.next()).await, None);
        }
        drop(object);
        assert_eq!(numbers.collect::<Vec<_>>().await, [3]);
    });
}

fn backlog_of_an_interval_is_skipped_by_a_late_reader() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let mut numbers = names(&object).throttle(MS);
        emit(&object, 0..5);
        assert_eq!(numbers.next().await, Some(0));
        sleep(5 * MS).await; // the reader is busy
        assert_eq!(future::poll_once(numbers.next()).await, Some(Some(4)));
    });
}

fn debounced_burst_yields_its_last_item() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let mut numbers = names(&object).debounce(5 * MS);
        for _ in 0..2 {
            let began = Instant::now();
            emit(&object, 0..5);
            assert_eq!(numbers.next().await, Some(4));
            assert!(began.elapsed() >= 5 * MS);
            assert!(timeout(20 * MS, numbers.next()).await.is_err());
        }
    });
}

fn each_item_starts_the_delay_again() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let numbers = names(&object).debounce(50 * MS);
        let last = spawn_local(async move {
            let mut last = Instant::now();
            for number in 0..10 {
                last = Instant::now();
                emit(&object, [number]);
                yield_now().await;
            }
            sleep(200 * MS).await; // longer than the delay: then the stream ends
            drop(object);
            last
        });
        let mut yielded = None;
        let mut numbers = pin!(numbers);
        while let Some(number) = numbers.next().await {
            yielded = Some((number, Instant::now()));
        }
        let (number, at) = yielded.expect("an item");
        assert_eq!(number, 9);
        assert!(at >= last.await.expect("a time") + 50 * MS);
    });
}

fn ended_source_yields_the_waiting_item_at_once() {
    attached().block_on(async {
        let object = OwnedObject::new();
        let throttled = names(&object).throttle(FOREVER);
        let debounced = names(&object).debounce(FOREVER);
        emit(&object, 0..5);
        drop(object);
        assert_eq!(throttled.collect::<Vec<_>>().await, [0, 4]);
        assert_eq!(debounced.collect::<Vec<_>>().await, [4]);
        let mut none = stream::empty::<i32>().debounce(FOREVER);
        assert_eq!((none.next().await, none.next().await), (None, None));
    });
}

fn source_that_is_always_ready_lets_other_tasks_run() {
    let event_loop = attached();
    let mut never = stream::repeat(1).debounce(FOREVER);
    let task = spawn_local(async move { never.next().await });
    event_loop.block_on(sleep(5 * MS));
    assert!(!task.is_finished());
    task.abort();
}

fn throttled_source_that_is_always_ready_yields_each_interval() {
    attached().block_on(async {
        let began = Instant::now();
        let mut numbers = stream::iter(0..).throttle(2 * MS);
        assert_eq!(numbers.next().await, Some(0));
        let mut last = 0;
        for count in 1..4 {
            let next = numbers.next().await.expect("an item");
            assert!(next > last && began.elapsed() >= count * 2 * MS);
            last = next;
        }
    });
}

fn dropped_stream_drops_its_item_and_disconnects() {
    attached().block_on(async {
        let (sender, receiver) = async_channel::unbounded();
        let item = std::rc::Rc::new(());
        let mut items = Box::pin(receiver.debounce(FOREVER));
        sender.send(item.clone()).await.expect("a receiver");
        assert!(future::poll_once(items.next()).await.is_none());
        assert_eq!(std::rc::Rc::strong_count(&item), 2);
        drop(items);
        assert_eq!(std::rc::Rc::strong_count(&item), 1);
        assert!(sender.is_closed());
    });
}
