//! Signals that are emitted on another thread than that of the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use futures_lite::StreamExt;
use qtloop::qt::Object;
use qtloop::signal::{self, Signals};

use crate::objects::{Owner, Thread};
use crate::trials;
use crate::world::{attached, run};

trials![
    object_destroyed_by_the_emitting_thread_is_no_argument,
    object_of_another_thread_is_no_object,
    object_moved_to_the_receiving_thread_is_an_argument,
    object_destroyed_before_delivery_is_no_argument,
    object_that_moves_to_another_thread_counts_as_destroyed,
    emissions_of_another_thread_are_delivered_in_their_order,
    emission_on_the_own_thread_is_delivered_inside_of_it,
    streams_dropped_during_emissions_receive_no_more,
    emissions_before_the_destruction_are_delivered_before_the_end,
    destruction_on_another_thread_ends_the_stream,
    emission_to_a_thread_without_an_event_loop_waits,
    emission_to_a_thread_that_has_ended_is_dropped,
];

fn ints(mapper: &Owner) -> Signals {
    let object = mapper.get().expect("an object of this thread");
    signal::stream(&object, "mappedInt").expect("a signal")
}

fn objects(mapper: &Owner) -> Signals {
    let object = mapper.get().expect("an object of this thread");
    signal::stream(&object, "mappedObject").expect("a signal")
}

/// Runs a closure to its end on a new thread.
fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(work).join().expect("no panic")
}

fn object_destroyed_by_the_emitting_thread_is_no_argument() {
    let mapper = Owner::mapper();
    let mut emissions = objects(&mapper);
    let emitter = mapper.emitter();
    elsewhere(move || {
        for _ in 0..100 {
            let short_lived = Owner::object();
            emitter.object(&short_lived);
        }
    });
    run(async {
        for _ in 0..100 {
            let arguments = emissions.next().await.expect("an emission");
            assert_eq!(arguments.len(), 1);
            assert!(arguments.get::<Object>(0).is_none());
        }
        Ok(())
    });
}

fn object_of_another_thread_is_no_object() {
    let mapper = Owner::mapper();
    let mut emissions = objects(&mapper);
    let emitter = mapper.emitter();
    let other = elsewhere(move || {
        let other = Owner::object();
        emitter.object(&other);
        other
    });
    assert!(other.get().is_none());
    let arguments = run(async { Ok(emissions.next().await) });
    assert!(arguments.expect("one").get::<Object>(0).is_none());
    // Its own thread has ended, so that no other one uses it.
    drop(other);
}

fn object_moved_to_the_receiving_thread_is_an_argument() {
    let mapper = Owner::mapper();
    let mut emissions = objects(&mapper);
    let (emitter, here) = (mapper.emitter(), Thread::current());
    let moved = elsewhere(move || {
        let moved = Owner::object();
        moved.move_to(here);
        emitter.object(&moved);
        moved
    });
    let arguments = run(async { Ok(emissions.next().await) }).expect("one");
    let object = arguments
        .get::<Object>(0)
        .expect("an object of this thread");
    assert_eq!(object.class_name(), "QObject");
    drop(moved);
    assert!(!object.is_alive());
    assert!(arguments.get::<Object>(0).is_none());
}

fn object_destroyed_before_delivery_is_no_argument() {
    let mapper = Owner::mapper();
    let mut emissions = objects(&mapper);
    let (emitter, object) = (mapper.emitter(), Owner::object());
    let object = elsewhere(move || {
        emitter.object(&object);
        object
    });
    drop(object);
    let arguments = run(async { Ok(emissions.next().await) }).expect("one");
    assert!(arguments.get::<Object>(0).is_none());
}

fn object_that_moves_to_another_thread_counts_as_destroyed() {
    let owner = Owner::object();
    let object = owner.get().expect("an object of this thread");
    assert!(object.is_alive());
    owner.move_to(Thread::none());
    assert!(!object.is_alive());
    object.set_name("unheard");
    assert_eq!(object.name(), "");
    assert!(signal::stream(&object, "objectNameChanged").is_err());
    assert!(owner.get().is_none());
}

fn emissions_of_another_thread_are_delivered_in_their_order() {
    let mapper = Owner::mapper();
    let emissions = ints(&mapper).typed::<(i32,)>().expect("an int");
    let emitter = mapper.emitter();
    let emitting = thread::spawn(move || (0..10_000).for_each(|number| emitter.int(number)));
    let numbers = run(async { Ok(emissions.take(10_000).collect::<Vec<_>>().await) });
    assert!(numbers.into_iter().eq((0..10_000).map(|number| (number,))));
    emitting.join().expect("no panic");
}

fn emission_on_the_own_thread_is_delivered_inside_of_it() {
    let mapper = Owner::mapper();
    let emissions = ints(&mapper);
    mapper.emitter().int(1);
    assert_eq!(emissions.len(), 1);
}

fn streams_dropped_during_emissions_receive_no_more() {
    let mapper = Owner::mapper();
    let is_over = Arc::new(AtomicBool::new(false));
    let threads = [(); 2].map(|()| {
        let (emitter, ends) = (mapper.emitter(), Arc::clone(&is_over));
        thread::spawn(move || {
            (0..10_000).for_each(|number| emitter.int(number));
            while !ends.load(Ordering::Relaxed) {
                emitter.int(0);
            }
        })
    });
    let event_loop = attached();
    for round in 0..200 {
        let mut emissions = ints(&mapper);
        let others = [ints(&mapper), ints(&mapper)];
        for _ in 0..round % 3 {
            let next = event_loop.block_on(emissions.next());
            assert!(next.expect("an emission").get::<i32>(0).is_some());
        }
        drop(others);
    }
    is_over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("no panic");
    }
}

fn emissions_before_the_destruction_are_delivered_before_the_end() {
    let mapper = Owner::mapper();
    let emissions = ints(&mapper).typed::<(i32,)>().expect("an int");
    let emitter = mapper.emitter();
    elsewhere(move || (0..10).for_each(|number| emitter.int(number)));
    drop(mapper);
    let all = run(async { Ok(emissions.collect::<Vec<_>>().await) });
    assert!(all.into_iter().eq((0..10).map(|number| (number,))));
}

fn destruction_on_another_thread_ends_the_stream() {
    let mapper = Owner::mapper();
    let emissions = ints(&mapper);
    mapper.move_to(Thread::none());
    let emitter = mapper.emitter();
    elsewhere(move || {
        emitter.int(1);
        drop(mapper);
    });
    assert_eq!(run(async { Ok(emissions.count().await) }), 1);
}

fn emission_to_a_thread_without_an_event_loop_waits() {
    let (sender, receiver) = channel();
    let (done, is_done) = channel();
    let receiving = thread::spawn(move || {
        let mapper = Owner::mapper();
        let emissions = ints(&mapper);
        sender.send(mapper.emitter()).expect("a receiver");
        is_done.recv().expect("a sender");
        let waiting = emissions.len();
        drop(emissions);
        waiting
    });
    let emitter = receiver.recv().expect("an emitter");
    (0..10).for_each(|number| emitter.int(number));
    done.send(()).expect("a receiver");
    assert_eq!(receiving.join().expect("no panic"), 0);
}

fn emission_to_a_thread_that_has_ended_is_dropped() {
    let mapper = elsewhere(|| {
        let mapper = Owner::mapper();
        // Leaked, as by a program that forgets to disconnect.
        std::mem::forget(ints(&mapper));
        mapper
    });
    (0..10).for_each(|number| mapper.emitter().int(number));
    drop(mapper);
}
