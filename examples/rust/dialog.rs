//! A question in a task, and one in a slot, which waits with `block_on`; a third task continues to
//! count.
//!
//!     cargo run --features qml --example dialog                  close the window to be asked again
//!     cargo run --features qml --example dialog -- --by-itself   answers by itself

#![allow(clippy::print_stdout)]
// The derive macro of `QObject` generates code that this lint refuses.
#![allow(clippy::useless_transmute)]

use std::io;
use std::time::Duration;

use qmetaobject::prelude::*;
use qtloop::qml::{self, AccessError, This};
use qtloop::{Loop, signal, task, time};

#[derive(QObject, Default)]
struct Talk {
    base: qt_base_class!(trait QObject),
    count: qt_property!(i32; NOTIFY counted),
    counted: qt_signal!(),
    /// For QML to show, and to answer.
    asked: qt_signal!(question: QString),
    answered: qt_signal!(yes: bool),
    may_close: qt_method!(fn(&self) -> bool),
}

impl Talk {
    fn count_on(&mut self) {
        self.count += 1;
        self.counted();
    }

    /// A slot that needs its answer before it returns. Windows and tasks continue while it waits.
    fn may_close(&self) -> bool {
        task::block_on(ask(&This::of(self), "Close the window?")).unwrap_or(true)
    }
}

async fn ask(this: &This<Talk>, question: &str) -> io::Result<bool> {
    let object = this.object().ok_or(AccessError::Destroyed)?;
    let answer = signal::once(&object, "answered")?;
    let before = this.with(|talk| talk.count)?;
    this.with(|talk| talk.asked(question.into()))?;
    let yes = answer.await.is_ok_and(|answer| answer.get(0) == Some(true));
    let more = this.with(|talk| talk.count)? - before;
    let word = if yes { "Yes" } else { "No" };
    println!("{question} {word}; counted {more} meanwhile");
    Ok(yes)
}

fn main() -> io::Result<()> {
    let talk = QObjectBox::new(Talk::default());
    let mut engine = QmlEngine::new();
    engine.set_object_property("talk".into(), talk.pinned());
    let event_loop = Loop::attach()?;
    engine.load_data(include_str!("dialog.qml").into());

    let talk = talk.pinned();
    qml::spawn(talk.borrow(), async |this| {
        ask(&this, "Save the file?").await
    });
    qml::spawn(talk.borrow(), async |this| {
        let mut beat = time::interval(Duration::from_millis(10));
        while this.with(Talk::count_on).is_ok() {
            beat.tick().await;
        }
    });
    std::process::exit(event_loop.exec());
}
