//! Tests of the panel of the download window: F12, its figures, and its trace. They load the whole
//! window. Qt needs the main thread.

// The source files of the example, of which this test uses a part. The derive macro of `QObject`
// generates code that these lints refuse.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::print_stdout)]
#![allow(clippy::useless_transmute)]
// A key is pressed by functions of Qt.
#![allow(unsafe_code)]

#[path = "../examples/rust/download_window/disk.rs"]
mod disk;
#[path = "../examples/rust/download_window/download.rs"]
mod download;
#[path = "../examples/rust/download_window/downloads.rs"]
mod downloads;
#[path = "../examples/rust/download_window/frames.rs"]
mod frames;
#[path = "../examples/rust/download_window/instruments.rs"]
mod instruments;
#[path = "../examples/rust/download_window/request.rs"]
mod request;
#[path = "../examples/rust/download_window/text.rs"]
mod text;
#[path = "../examples/rust/download_window/unattended.rs"]
mod unattended;
#[path = "../examples/rust/download_window/window.rs"]
mod window;

use std::ffi::c_void;
use std::fs::File;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use flate2::read::GzDecoder;
use futures_lite::StreamExt;
use libtest_mimic::{Arguments, Trial};
use qmetaobject::prelude::*;
use qtloop::qml::This;
use qtloop::{Loop, signal, task, time};
use serde_json::Value;

use downloads::Downloads;
use frames::Frames;
use instruments::Instruments;
use unattended::Camera;

const LIMIT: Duration = Duration::from_secs(20);

/// The window without downloads, and the folder of its trace.
struct World {
    // Dropped in this order: the loop, the window, then its objects.
    event_loop: Rc<Loop>,
    _engine: QmlEngine,
    instruments: QObjectBox<Instruments>,
    _others: (
        QObjectBox<Downloads>,
        QObjectBox<Frames>,
        QObjectBox<Camera>,
    ),
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let trace = folder.path().join("trace.json.gz");
        let downloads = QObjectBox::new(Downloads::new(None, LIMIT));
        let frames = QObjectBox::new(Frames::default());
        let camera = QObjectBox::new(Camera::default());
        let instruments = QObjectBox::new(Instruments::new(trace));
        let mut engine = QmlEngine::new();
        engine.set_object_property("downloads".into(), downloads.pinned());
        engine.set_object_property("frames".into(), frames.pinned());
        engine.set_object_property("camera".into(), camera.pinned());
        engine.set_object_property("instruments".into(), instruments.pinned());
        let event_loop = Rc::new(Loop::attach().expect("a loop"));
        window::load(&mut engine);
        assert!(camera.pinned().borrow().is_there);
        let observed = Rc::downgrade(&event_loop);
        instruments.pinned().borrow_mut().observe(observed);
        World {
            event_loop,
            _engine: engine,
            instruments,
            _others: (downloads, frames, camera),
            folder,
        }
    }

    fn until(&self, signal: &str, is_so: impl Fn(&mut Instruments) -> bool) {
        let panel = This::of(self.instruments.pinned().borrow());
        let object = panel.object().expect("it lives");
        let mut signals = signal::stream(&object, signal).expect("a signal");
        let come = async {
            while !panel.with(|panel| is_so(panel)).expect("it lives") {
                signals.next().await;
            }
        };
        let come = self.event_loop.block_on(time::timeout(LIMIT, come));
        come.expect("it comes to that");
    }

    /// Presses F12, as the operating system does, when the window has the focus.
    fn press_f12(&self) {
        let focused = async {
            // SAFETY: the functions may be called on the main thread, which this is.
            while unsafe { focus_window() }.is_null() {
                task::yield_now().await;
            }
        };
        let focused = self.event_loop.block_on(time::timeout(LIMIT, focused));
        focused.expect("the window has the focus");
        let text = QString::default();
        for event in [KEY_PRESS, KEY_RELEASE] {
            // SAFETY: as above, and the window exists.
            unsafe { handle_key(focus_window(), event, F12, 0, &raw const text, false, 1) };
        }
    }

    fn is_open(&self) -> bool {
        self.instruments.pinned().borrow().is_open
    }
}

// What `QTest::keyClick` calls.
#[link(name = "Qt6Gui")]
unsafe extern "C" {
    #[link_name = "_ZN15QGuiApplication11focusWindowEv"]
    fn focus_window() -> *mut c_void;
    #[link_name = "_Z17qt_handleKeyEventP7QWindowN6QEvent4TypeEi6QFlagsIN2Qt16KeyboardModifierEERK7QStringbt"]
    fn handle_key(
        window: *mut c_void,
        event: i32,
        key: i32,
        modifiers: i32,
        text: *const QString,
        is_repeated: bool,
        count: u16,
    );
}

/// `QEvent::KeyPress`, `QEvent::KeyRelease` and `Qt::Key_F12`.
const KEY_PRESS: i32 = 6;
const KEY_RELEASE: i32 = 7;
const F12: i32 = 0x0100_003b;

fn f12_opens_and_closes_the_panel() {
    let world = World::new();
    assert!(!world.is_open());
    world.press_f12();
    world.until("toggled", |panel| panel.is_open);
    world.press_f12();
    world.until("toggled", |panel| !panel.is_open);
}

fn figures_are_those_of_the_loop_and_stop_when_the_panel_is_closed() {
    let world = World::new();
    world.press_f12();
    world.until("changed", |panel| panel.jobs > 0.0 && panel.turns > 0.0);
    let panel = world.instruments.pinned();
    assert_eq!(panel.borrow().tasks, 1); // that of the panel
    assert!(panel.borrow().longest_turn > 0.0);
    assert!((0.0..=1.0).contains(&panel.borrow().busy));
    panel.borrow_mut().toggle();
    world.event_loop.block_on(async {
        for _ in 0..5 {
            task::yield_now().await; // the task of the panel is dropped
        }
    });
    let stats = world.event_loop.stats();
    assert_eq!((stats.tasks, stats.timers), (0, 0));
}

fn trace_of_the_panel_has_its_tasks() {
    let world = World::new();
    let panel = world.instruments.pinned();
    panel.borrow_mut().toggle();
    panel.borrow_mut().record();
    assert!(panel.borrow().is_recording());
    world.until("recorded", |panel| !panel.longest().is_empty());
    panel.borrow_mut().save();
    assert!(!panel.borrow().is_recording());
    let path = world.folder.path().join("trace.json.gz");
    let message = panel.borrow().message().to_string();
    assert_eq!(message, format!("Saved in {}", path.display()));
    let file = File::open(&path).expect("a file");
    let trace: Value = serde_json::from_reader(GzDecoder::new(file)).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list");
    let name = "download_window_panel::instruments::Instruments::watch";
    let is_poll = |event: &Value| event["ph"] == "X" && event["name"] == name;
    assert!(events.iter().any(is_poll));
}

fn trace_that_cannot_be_written_shows_a_message() {
    let world = World::new();
    let panel = world.instruments.pinned();
    let folder = world.folder.path().to_owned();
    panel.borrow_mut().record();
    std::fs::remove_dir(&folder).expect("it is empty");
    panel.borrow_mut().save();
    let message = panel.borrow().message().to_string();
    let begin = format!("cannot save the trace to {}", folder.display());
    assert!(message.starts_with(&begin), "{message}");
    std::fs::create_dir(&folder).expect("it was removed");
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
        f12_opens_and_closes_the_panel,
        figures_are_those_of_the_loop_and_stop_when_the_panel_is_closed,
        trace_of_the_panel_has_its_tasks,
        trace_that_cannot_be_written_shows_a_message,
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
