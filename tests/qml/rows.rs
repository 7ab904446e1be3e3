//! List models whose rows a task changes while a view reads them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use libtest_mimic::Trial;
use qmetaobject::{USER_ROLE, prelude::*};
use qtloop::qml::{AccessError, This};
use qtloop::{signal, task};

use crate::access::aborts;
use crate::{World, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials![
        view_follows_rows_that_a_task_inserts_updates_and_removes,
        model_is_not_borrowed_while_a_view_reads_it,
        panic_while_rows_are_inserted_resets_the_view,
        dropping_the_model_while_its_rows_change_ends_the_process,
        slot_may_use_the_model_while_its_rows_change,
        model_that_is_borrowed_is_not_changed,
    ]
}

/// Counts the reads by views, and the reads while the model was borrowed.
#[derive(Default)]
struct Reads {
    this: RefCell<Option<This<Lines>>>,
    count: Cell<usize>,
    while_borrowed: Cell<usize>,
}

#[derive(QObject, Default)]
struct Lines {
    base: qt_base_class!(trait QAbstractListModel),
    lines: Vec<String>,
    reads: Rc<Reads>,
}

impl Lines {
    fn read(&self) {
        let this = self.reads.this.borrow().clone();
        if let Some(this) = this {
            let is_borrowed = this.with(|_| ()) == Err(AccessError::Borrowed);
            self.reads.count.set(self.reads.count.get() + 1);
            let while_borrowed = self.reads.while_borrowed.get() + usize::from(is_borrowed);
            self.reads.while_borrowed.set(while_borrowed);
        }
    }
}

impl QAbstractListModel for Lines {
    fn row_count(&self) -> i32 {
        self.read();
        self.lines.len() as i32
    }

    fn data(&self, index: QModelIndex, _: i32) -> QVariant {
        self.read();
        let line = self.lines.get(index.row() as usize);
        line.map(|line| QString::from(line.as_str()).into())
            .unwrap_or_default()
    }

    fn role_names(&self) -> HashMap<i32, QByteArray> {
        [(USER_ROLE, "line".into())].into()
    }
}

/// A view that shows the lines of a model, and calls `probe.say` with all of them at each change.
const VIEW: &str = "
    Repeater {
        id: all
        model: lines
        property string shown
        Text {
            text: line
            onTextChanged: all.look()
        }
        onItemAdded: look()
        onItemRemoved: look()
        function look() {
            const texts = [];
            for (let i = 0; i < count; ++i)
                texts.push(itemAt(i) ? itemAt(i).text : '?');
            shown = texts.join(' ');
        }
    }
    function tell() { all.look(); probe.say(all.shown) }
    Component.onCompleted: tell()
    Connections { target: probe; function onChanged() { tell() } }";

struct Scene {
    world: World,
    lines: QObjectBox<Lines>,
    this: This<Lines>,
    reads: Rc<Reads>,
}

impl Scene {
    fn new() -> Scene {
        let mut world = World::new();
        let lines = QObjectBox::new(Lines::default());
        world
            .engine
            .set_object_property("lines".into(), lines.pinned());
        let this = This::of(lines.pinned().borrow());
        let reads = this
            .with(|lines| Rc::clone(&lines.reads))
            .expect("it lives");
        reads.this.replace(Some(this.clone()));
        world.hear(1, VIEW);
        Scene {
            world,
            lines,
            this,
            reads,
        }
    }

    /// Returns the lines that the view shows.
    fn shown(&self) -> String {
        let probe = self.world.this();
        let object = probe.object().expect("it lives");
        let said = signal::once(&object, "said").expect("a signal");
        let said = said.typed::<(String,)>().expect("a text");
        self.world.event_loop.block_on(async {
            task::yield_now().await;
            probe.emit("changed", ()).expect("a signal");
            said.await.expect("it lives").0
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // The model refers to the object that owns it.
        self.reads.this.take();
    }
}

fn view_follows_rows_that_a_task_inserts_updates_and_removes() {
    let scene = Scene::new();
    let this = &scene.this;
    this.insert_rows(0..3, |lines| {
        lines.lines.extend(["a", "b", "c"].map(str::to_owned));
    })
    .expect("it lives");
    assert_eq!(scene.shown(), "a b c");
    this.insert_rows(1..2, |lines| lines.lines.insert(1, "new".to_owned()))
        .expect("it lives");
    assert_eq!(scene.shown(), "a new b c");
    let removed = this.remove_rows(0..1, |lines| lines.lines.remove(0));
    assert_eq!(removed.expect("it lives"), "a");
    assert_eq!(scene.shown(), "new b c");
    this.update_rows(1..3, |lines| {
        lines.lines[1] = "B".to_owned();
        lines.lines[2] = "C".to_owned();
    })
    .expect("it lives");
    assert_eq!(scene.shown(), "new B C");
    this.reset_rows(|lines| lines.lines = vec!["other".to_owned()])
        .expect("it lives");
    assert_eq!(scene.shown(), "other");
    let none = this.remove_rows(0..0, |lines| lines.lines.len());
    assert_eq!(none, Ok(1));
    assert_eq!(scene.shown(), "other");
}

fn model_is_not_borrowed_while_a_view_reads_it() {
    let scene = Scene::new();
    for number in 0..20 {
        scene
            .this
            .insert_rows(number..number + 1, |lines| {
                lines.lines.push(number.to_string())
            })
            .expect("it lives");
    }
    scene
        .this
        .remove_rows(0..19, |lines| lines.lines.drain(..19).count())
        .expect("it lives");
    assert_eq!(scene.shown(), "19");
    assert!(scene.reads.count.get() >= 20, "{}", scene.reads.count.get());
    assert_eq!(scene.reads.while_borrowed.get(), 0);
}

fn panic_while_rows_are_inserted_resets_the_view() {
    let scene = Scene::new();
    let insert = |lines: &mut Lines| lines.lines.push("a".to_owned());
    scene.this.insert_rows(0..1, insert).expect("it lives");
    let panic = catch_unwind(AssertUnwindSafe(|| {
        scene.this.insert_rows(1..3, |lines| {
            lines.lines.push("b".to_owned());
            panic!("in the middle");
        })
    }));
    assert!(panic.is_err());
    assert_eq!(scene.shown(), "a b");
}

/// Drops a model in a slot of a signal that the change of its rows emits.
pub(crate) fn drop_in(signal: &str) {
    let lines = QObjectBox::new(Lines::default());
    lines.pinned().get_or_create_cpp_object();
    let this = This::of(lines.pinned().borrow());
    let object = this.object().expect("it lives");
    let index = object.signal(signal).expect("a signal");
    let slot = RefCell::new(Some(lines));
    let _connection =
        qtloop::core::SignalConnection::new(&object, index, move |_| drop(slot.take()));
    let _ = this.insert_rows(0..1, |lines| lines.lines.push(String::new()));
}

fn dropping_the_model_while_its_rows_change_ends_the_process() {
    aborts("rowsAboutToBeInserted");
    aborts("rowsInserted");
}

fn slot_may_use_the_model_while_its_rows_change() {
    let scene = Scene::new();
    let object = scene.this.object().expect("it lives");
    let counts = Rc::new(RefCell::new(Vec::new()));
    let ears = ["rowsAboutToBeInserted", "rowsInserted"].map(|signal| {
        let index = object.signal(signal).expect("a signal");
        let (this, counts) = (scene.this.clone(), Rc::clone(&counts));
        qtloop::core::SignalConnection::new(&object, index, move |_| {
            let count = this.with(|lines| lines.lines.len());
            counts.borrow_mut().push(count);
        })
    });
    let insert = |lines: &mut Lines| lines.lines.push("a".to_owned());
    scene.this.insert_rows(0..1, insert).expect("it lives");
    assert_eq!(*counts.borrow(), [Ok(0), Ok(1)]);
    drop(ears);
}

fn model_that_is_borrowed_is_not_changed() {
    let scene = Scene::new();
    let inner = scene
        .this
        .with(|_| scene.this.insert_rows(0..1, |lines| lines.lines.clear()));
    assert_eq!(inner, Ok(Err(AccessError::Borrowed)));
    assert_eq!(scene.lines.pinned().borrow().lines.len(), 0);
    assert_eq!(scene.shown(), "");
}
