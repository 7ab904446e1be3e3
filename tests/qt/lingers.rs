//! When a turn waits for the next event, and when it returns to Qt.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use qtloop::core::Direction;

use crate::world::{LIMIT, World, job};

crate::trials![
    events_that_are_close_together_are_awaited_in_one_turn,
    events_that_are_further_apart_than_the_linger_are_not_awaited,
    linger_of_zero_waits_for_no_event,
];

/// Sends a byte that is the number of bytes that follow. After each byte that arrives, `send` is
/// called with the next one. Returns the number of lingers until the last byte.
fn lingers(
    linger: Duration,
    bytes: u8,
    near: UnixStream,
    send: impl Fn(&World, u8) + 'static,
) -> u32 {
    let world = World::new();
    world.driver.set_linger(linger);
    world.driver.set_budget(LIMIT);
    let fd = near.as_raw_fd();
    let send = Rc::new(send);
    let next = Rc::clone(&send);
    let arrived = job(move |world| {
        let mut byte = [0];
        (&near).read_exact(&mut byte).expect("read");
        match byte[0] {
            0 => world.stop(),
            left => next(world, left - 1),
        }
        world.driver.rearm(fd, Direction::Read, |_| true);
    });
    let watched = world.driver.watch(fd, Direction::Read, arrived);
    watched.expect("watch");
    world.soon(move |world| send(world, bytes - 1));
    world.run();
    drop(world.driver.drain());
    world.lingers.get()
}

/// The same with a thread that sends each byte back at once.
fn lingers_of_an_exchange(linger: Duration) -> u32 {
    let (near, mut far) = UnixStream::pair().expect("a socket pair");
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while matches!(far.read(&mut byte), Ok(1)) {
            far.write_all(&byte).expect("write");
        }
    });
    let sender = near.try_clone().expect("a descriptor");
    let count = lingers(linger, 100, near, move |_, byte| {
        (&sender).write_all(&[byte]).expect("write");
    });
    echo.join().expect("the thread ends with its socket");
    count
}

fn events_that_are_close_together_are_awaited_in_one_turn() {
    // The first event has none before it, and the last one ends the run.
    assert_eq!(lingers_of_an_exchange(LIMIT), 98);
}

fn linger_of_zero_waits_for_no_event() {
    assert_eq!(lingers_of_an_exchange(Duration::ZERO), 0);
}

fn events_that_are_further_apart_than_the_linger_are_not_awaited() {
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let far = Rc::new(far);
    let count = lingers(Duration::from_nanos(1), 10, near, move |world, byte| {
        let far = Rc::clone(&far);
        world.after(Duration::from_millis(10), move |_| {
            (&*far).write_all(&[byte]).expect("write");
        });
    });
    // The process may be interrupted for as long as the timer takes.
    assert!(count < 5, "{count} of 10");
}
