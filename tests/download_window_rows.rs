//! Tests of the buttons in the rows of the download window: start, cancel, resume and answer. Qt
//! needs the main thread.

// The source files of the example, of which this test uses a part. The derive macro of `QObject`
// generates code that these lints refuse.
#![allow(dead_code, unused_imports, unreachable_pub)]
#![allow(clippy::useless_transmute)]

#[path = "../examples/rust/download_window/disk.rs"]
mod disk;
#[path = "../examples/rust/download_window/download.rs"]
mod download;
#[path = "../examples/rust/download_window/downloads.rs"]
mod downloads;
#[path = "../examples/rust/download_window/request.rs"]
mod request;
#[path = "../examples/rust/download_window/server.rs"]
mod server;
#[path = "../examples/rust/download_window/text.rs"]
mod text;

use std::process::ExitCode;
use std::time::Duration;

use download::Download;
use downloads::Downloads;
use futures_lite::StreamExt;
use libtest_mimic::{Arguments, Trial};
use qmetaobject::prelude::*;
use qtloop::qml::This;
use qtloop::{Loop, signal, time};

const LIMIT: Duration = Duration::from_secs(20);

/// The list, with a row for each of the server's files.
struct World {
    event_loop: Loop,
    downloads: QObjectBox<Downloads>,
}

impl World {
    fn new(files: usize, size: f64, rate: f64) -> World {
        let event_loop = Loop::with_app(["test"]).expect("a loop");
        let downloads = QObjectBox::new(Downloads::new(None, LIMIT));
        downloads.pinned().get_or_create_cpp_object();
        let files = server::catalogue(files, size, rate);
        let urls = event_loop.block_on(server::serve(files)).expect("a server");
        let list = This::of(downloads.pinned().borrow());
        for url in urls {
            Downloads::add(&list, &url).expect("it lives");
        }
        downloads.pinned().borrow().show();
        World {
            event_loop,
            downloads,
        }
    }

    /// Waits until the condition is true; the list emits a change at each beat.
    fn until(&self, is_so: impl Fn(&Downloads) -> bool) {
        let list = This::of(self.downloads.pinned().borrow());
        let object = list.object().expect("it lives");
        let mut changes = signal::stream(&object, "changed").expect("a signal");
        let come = async {
            while !list.with(|all| is_so(all)).expect("it lives") {
                changes.next().await;
            }
        };
        let come = self.event_loop.block_on(time::timeout(LIMIT, come));
        come.expect("it comes to that");
    }

    fn list(&self, work: impl FnOnce(&Downloads)) {
        work(self.downloads.pinned().borrow());
    }

    /// Presses a button of the list.
    fn row(&self, number: usize, work: impl Fn(&mut Download)) {
        let rows = self.downloads.pinned().borrow().rows();
        rows[number].with(work).expect("it lives");
    }

    fn received(&self) -> u64 {
        self.downloads.pinned().borrow().received()
    }

    fn count(&self, is_one: impl Fn(&Download) -> bool) -> usize {
        self.downloads.pinned().borrow().count(is_one)
    }
}

fn buttons_start_one_cancel_one_and_cancel_all() {
    let world = World::new(4, 4e6, 1e6);
    world.row(0, Download::start);
    world.until(|all| all.received() > 0);
    assert_eq!(world.count(Download::is_active), 1);
    world.list(Downloads::start_all);
    world.until(|all| all.count(|row| row.received() > 0) == 3);
    world.row(0, Download::cancel);
    assert_eq!(world.count(Download::is_active), 2);
    // The server refuses the third one with "busy".
    assert_eq!(world.count(Download::is_failed), 1);
    world.list(Downloads::cancel_all);
    assert_eq!(world.count(Download::is_active), 0);
    assert_eq!(world.count(Download::is_failed), 1);
}

fn cancelled_download_resumes_at_the_last_byte() {
    let world = World::new(1, 300e3, 600e3);
    for share in 1..=4 {
        world.row(0, Download::start);
        world.until(|all| all.received() > share * 50_000);
        world.row(0, Download::cancel);
    }
    let had = world.received();
    world.row(0, Download::start);
    world.until(|all| all.received() != had);
    assert!(world.received() > had);
    world.until(|all| all.count(Download::is_done) == 1);
    world.row(0, |row| {
        assert!(row.report(0).ends_with("same as the server's"))
    });
}

fn abandoned_download_can_be_resumed() {
    let world = World::new(2, 400e3, 400e3);
    world.list(Downloads::start_all);
    world.until(|all| all.count(Download::is_asking) == 1);
    let before = world.received();
    world.until(|all| all.received() > before); // the other download continues
    world.row(1, |row| row.answer(false));
    world.until(|all| all.count(Download::is_failed) == 1);
    let sentence = "failed: The server closed the connection too early.";
    world.row(1, |row| assert!(row.report(0).ends_with(sentence)));
    world.row(1, Download::start);
    world.until(|all| all.count(Download::is_done) == 2);
}

fn question_is_removed_when_its_download_is_cancelled() {
    let world = World::new(2, 200e3, 400e3);
    world.row(1, Download::start);
    world.until(|all| all.count(Download::is_asking) == 1);
    world.row(1, Download::cancel);
    assert_eq!(world.count(Download::is_active), 0);
    // A late answer has no effect.
    world.row(1, |row| row.answer(true));
    world.row(0, Download::start);
    world.until(|all| all.count(Download::is_done) == 1);
    assert_eq!(world.count(Download::is_active), 0);
}

macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        vec![$(Trial::test(stringify!($name), || { $name(); Ok(()) })),*]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let trials = trials![
        buttons_start_one_cancel_one_and_cancel_all,
        cancelled_download_resumes_at_the_last_byte,
        abandoned_download_can_be_resumed,
        question_is_removed_when_its_download_is_cancelled,
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
