//! The closure of `This::with`, and objects that are destroyed while it runs.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use libtest_mimic::Trial;
use qmetaobject::{into_leaked_cpp_ptr, prelude::*};
use qtloop::qml::{AccessError, This};
use qtloop::qt::Object;
use qtloop::{Loop, task, time};

use crate::{World, trials};

/// The environment variable that makes this program run one of the functions in `child`, which
/// abort the process.
pub(crate) const CHILD: &str = "QTLOOP_TEST_CHILD";

const ABORTED: &str = "an object was destroyed inside of `This::with`";

pub(crate) fn tests() -> Vec<Trial> {
    trials![
        dropping_the_box_inside_of_with_ends_the_process,
        panic_after_dropping_the_box_inside_of_with_ends_the_process,
        dropping_the_box_inside_of_a_nested_with_ends_the_process,
        dropping_the_engine_that_owns_the_object_inside_of_with_ends_the_process,
        delete_later_in_a_qt_loop_inside_of_with_ends_the_process,
        replacing_the_object_inside_of_with_ends_the_process,
        panic_inside_of_with_leaves_the_object_usable,
        object_destroyed_between_two_calls_of_with_is_an_error,
        another_object_may_be_destroyed_inside_of_with,
        destruction_of_an_object_cannot_be_feigned,
        destructor_of_a_field_finds_the_object_destroyed,
        destructor_of_an_object_that_qt_owns_finds_it_destroyed,
    ]
}

#[derive(QObject, Default)]
struct Text {
    base: qt_base_class!(trait QObject),
    text: String,
}

type Slot = Rc<RefCell<Option<QObjectBox<Text>>>>;

/// Makes an object that Qt knows, in a box that a closure can drop.
fn text() -> (Slot, This<Text>) {
    let text = QObjectBox::new(Text {
        text: "a text on the heap".repeat(10),
        ..Text::default()
    });
    text.pinned().get_or_create_cpp_object();
    let this = This::of(text.pinned().borrow());
    (Rc::new(RefCell::new(Some(text))), this)
}

#[allow(clippy::print_stdout)]
pub(crate) fn child(name: &str) {
    let (slot, this) = text();
    match name {
        "drop" => {
            let _ = this.with(|text| {
                drop(slot.take());
                println!("{}", text.text);
            });
        }
        "panic" => {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                this.with(|_| {
                    drop(slot.take());
                    panic!("after the end of the object");
                })
            }));
        }
        "nested" => {
            let (_other_slot, other) = text_of("other");
            let _ = this.clone().with(|text| {
                let _ = other.with(|_| drop(slot.take()));
                println!("{}", text.text);
            });
        }
        "engine" => {
            let mut engine = QmlEngine::new();
            let (this, object) = leaked();
            // A child object is destroyed with its parent.
            set_parent(object, engine.cpp_ptr());
            engine.load_data("import QtQuick 2.15; Item {}".into());
            let _ = this.with(|text| {
                drop(engine);
                println!("{}", text.text);
            });
        }
        "later" => {
            let event_loop = Loop::with_app(["test"]).expect("a loop");
            let (this, object) = leaked();
            event_loop.block_on(async {
                let _ = this.with(|text| {
                    delete_later(object);
                    task::block_on(time::sleep(Duration::from_millis(20)));
                    println!("{}", text.text);
                });
            });
        }
        "replace" => {
            let _ = this.with(|text| *text = Text::default());
        }
        signal => crate::rows::drop_in(signal),
    }
    println!("this is never reached");
}

fn text_of(content: &str) -> (Slot, This<Text>) {
    let (slot, this) = text();
    this.with(|text| content.clone_into(&mut text.text))
        .expect("it lives");
    (slot, this)
}

/// Makes an object that C++ owns.
#[allow(unsafe_code)]
fn leaked() -> (This<Text>, *mut c_void) {
    let object = into_leaked_cpp_ptr(Text::default());
    // SAFETY: alive, and of this thread.
    let this = unsafe { This::of(Text::get_from_cpp(object).borrow()) };
    (this, object)
}

#[allow(unsafe_code)]
fn set_parent(object: *mut c_void, parent: *mut c_void) {
    unsafe extern "C" {
        #[link_name = "_ZN7QObject9setParentEPS_"]
        fn set_parent(object: *mut c_void, parent: *mut c_void);
    }
    // SAFETY: both are alive.
    unsafe { set_parent(object, parent) }
}

#[allow(unsafe_code)]
fn delete_later(object: *mut c_void) {
    unsafe extern "C" {
        #[link_name = "_ZN7QObject11deleteLaterEv"]
        fn delete_later(object: *mut c_void);
    }
    // SAFETY: alive, and owned by Qt.
    unsafe { delete_later(object) }
}

/// Runs a function of `child`, and expects that the guard of `with` ends it.
pub(crate) fn aborts(name: &str) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .env(CHILD, name)
        .output()
        .expect("a process");
    let (said, complaint) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(complaint.contains(ABORTED), "{said}{complaint}");
    // SIGABRT
    assert_eq!(output.status.signal(), Some(6), "{said}{complaint}");
    assert_eq!(said, "");
}

fn dropping_the_box_inside_of_with_ends_the_process() {
    aborts("drop");
}

fn panic_after_dropping_the_box_inside_of_with_ends_the_process() {
    aborts("panic");
}

fn dropping_the_box_inside_of_a_nested_with_ends_the_process() {
    aborts("nested");
}

fn dropping_the_engine_that_owns_the_object_inside_of_with_ends_the_process() {
    aborts("engine");
}

fn delete_later_in_a_qt_loop_inside_of_with_ends_the_process() {
    aborts("later");
}

fn replacing_the_object_inside_of_with_ends_the_process() {
    aborts("replace");
}

fn panic_inside_of_with_leaves_the_object_usable() {
    let _world = World::new();
    let (slot, this) = text();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        this.with(|text| {
            "half".clone_into(&mut text.text);
            panic!("in the middle");
        })
    }));
    assert!(panic.is_err());
    assert_eq!(this.with(|text| text.text.clone()), Ok("half".to_owned()));
    drop(slot);
}

fn object_destroyed_between_two_calls_of_with_is_an_error() {
    let _world = World::new();
    let (slot, this) = text();
    assert!(this.with(|_| ()).is_ok());
    drop(slot.take());
    assert_eq!(this.with(|_| ()), Err(AccessError::Destroyed));
}

fn another_object_may_be_destroyed_inside_of_with() {
    let _world = World::new();
    let (slot, this) = text();
    let (other_slot, other) = text();
    let result = this.with(|text| {
        drop(other_slot.take());
        text.text.len()
    });
    assert_eq!(result, Ok(180));
    assert_eq!(other.with(|_| ()), Err(AccessError::Destroyed));
    drop(slot);
}

/// Accesses its object when it is dropped.
struct Look<T: QObject>(Rc<Cell<Option<AccessError>>>, RefCell<Option<This<T>>>);

impl<T: QObject> Drop for Look<T> {
    fn drop(&mut self) {
        if let Some(this) = self.1.take() {
            self.0.set(this.with(|_| ()).err());
        }
    }
}

#[derive(QObject, Default)]
struct Watched {
    base: qt_base_class!(trait QObject),
    look: Option<Look<Watched>>,
}

fn destructor_of_a_field_finds_the_object_destroyed() {
    let _world = World::new();
    let found = Rc::new(Cell::new(None));
    let watched = QObjectBox::new(Watched::default());
    watched.pinned().get_or_create_cpp_object();
    let this = This::of(watched.pinned().borrow());
    let look = Look(Rc::clone(&found), RefCell::new(Some(this.clone())));
    this.with(|watched| watched.look = Some(look))
        .expect("it lives");
    drop(watched);
    assert_eq!(found.get(), Some(AccessError::Destroyed));
}

fn destruction_of_an_object_cannot_be_feigned() {
    let _world = World::new();
    let (_slot, this) = text();
    for name in ["destroyed", "deleteLater"] {
        // A feigned signal would switch the guard of `with` off.
        let error = this.emit(name, ()).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
    assert!(this.with(|_| ()).is_ok());
}

fn destructor_of_an_object_that_qt_owns_finds_it_destroyed() {
    let world = World::new();
    let found = Rc::new(Cell::new(None));
    let pointer = into_leaked_cpp_ptr(Watched::default());
    // SAFETY: alive, and of this thread.
    #[allow(unsafe_code)]
    let (this, object) = unsafe {
        let this = This::of(Watched::get_from_cpp(pointer).borrow());
        (this, Object::from_raw(pointer).expect("it lives"))
    };
    let look = Look(Rc::clone(&found), RefCell::new(Some(this.clone())));
    this.with(|watched| watched.look = Some(look))
        .expect("it lives");
    delete_later(pointer);
    let wait = async {
        while object.is_alive() {
            time::sleep(Duration::from_millis(1)).await;
        }
    };
    world.event_loop.block_on(wait);
    assert_eq!(found.get(), Some(AccessError::Destroyed));
}
