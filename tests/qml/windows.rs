//! `Loop::run` in a program with windows: the close of the last window ends the run.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use libtest_mimic::Trial;
use qtloop::{signal, time};

use crate::{World, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials![
        last_window_that_closes_drops_main_and_ends_the_run,
        main_that_awaits_the_close_of_the_last_window_shows_the_next_one,
        main_that_reacts_and_shows_no_window_is_dropped_after_a_while,
        main_that_completes_after_the_last_window_ends_the_run_with_its_result,
    ]
}

/// Loads QML with a login window and a main window, which shows when `probe.number` is 1.
fn windows(world: &mut World) {
    let qml = "import QtQuick 2.15; import QtQuick.Window 2.15; QtObject {
        property Window login: Window {
            visible: true
            onClosing: probe.say('login closed')
            property Timer timer: Timer { interval: 20; running: true; onTriggered: login.close() }
        }
        property Window main: Window {
            visible: probe.number === 1
            onVisibleChanged: if (visible) probe.say('shown')
            property Timer timer: Timer { interval: 20; running: main.visible; onTriggered: main.close() }
        }
    }";
    world.engine.load_data(qml.into());
}

/// Returns a world with these windows, and the close of the login window.
fn closing_login() -> (World, signal::Once) {
    let mut world = World::new();
    windows(&mut world);
    let object = world.this().object().expect("it lives");
    let closed = signal::once(&object, "said").expect("a signal");
    (world, closed)
}

/// Sets its flag when it is dropped.
struct Flag(Rc<Cell<bool>>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

fn last_window_that_closes_drops_main_and_ends_the_run() {
    let mut world = World::new();
    windows(&mut world);
    let dropped = Rc::<Cell<bool>>::default();
    let flag = Flag(Rc::clone(&dropped));
    let begun = Instant::now();
    let result = world.event_loop.run(async move {
        let _flag = flag;
        let mut ticks = time::interval(Duration::from_millis(1));
        loop {
            ticks.tick().await; // its wake-ups are not a reaction to the close
        }
    });
    assert_eq!(
        result.map_err(|quit: qtloop::Quit| quit.code),
        Err::<(), _>(0)
    );
    assert!(dropped.get());
    assert!(begun.elapsed() < Duration::from_secs(4)); // it was given no time to show a window
}

fn main_that_awaits_the_close_of_the_last_window_shows_the_next_one() {
    let mut world = World::new();
    windows(&mut world);
    let this = world.this();
    let object = this.object().expect("it lives");
    let mut said = signal::stream(&object, "said").expect("a signal");
    let log = Rc::<RefCell<Vec<String>>>::default();
    let lines = Rc::clone(&log);
    let result = world.event_loop.run(async move {
        while let Some(emission) = said.next().await {
            let line: String = emission.get(0).expect("a text");
            lines.borrow_mut().push(line.clone());
            if line == "login closed" {
                time::sleep(Duration::from_millis(30)).await; // as if it asked a server
                this.with(|probe| {
                    probe.number = 1;
                    probe.changed();
                })
                .expect("it lives");
            }
        }
    });
    assert!(result.is_err());
    assert_eq!(*log.borrow(), ["login closed", "shown"]);
}

fn main_that_reacts_and_shows_no_window_is_dropped_after_a_while() {
    let (world, closed) = closing_login();
    let result = world.event_loop.run(async {
        let _ = closed.await;
        pending::<()>().await;
    });
    assert_eq!(result.map_err(|quit| quit.code), Err(0));
}

fn main_that_completes_after_the_last_window_ends_the_run_with_its_result() {
    let (world, closed) = closing_login();
    let result = world.event_loop.run(async {
        let _ = closed.await;
        time::sleep(Duration::from_millis(30)).await;
        "saved"
    });
    assert_eq!(result, Ok("saved"));
}
