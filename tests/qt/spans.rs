//! Tests of the span that a task has with the feature `tracing`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use qtloop::spawn_local;
use qtloop::task::yield_now;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::trials;
use crate::world::attached;

trials![
    task_is_polled_and_dropped_inside_its_span,
    span_has_the_location_of_the_spawn_call,
];

/// Records the events of spans.
#[derive(Clone, Default)]
struct Diary {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

impl Diary {
    fn write(&self, line: String) {
        self.lines.lock().expect("no panic").push(line);
    }

    /// Returns the records of `work`.
    fn of(work: impl FnOnce()) -> Vec<String> {
        let diary = Diary::default();
        tracing::subscriber::with_default(diary.clone(), work);
        std::mem::take(&mut *diary.lines.lock().expect("no panic"))
    }
}

/// Collects the fields of a span as text.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl Subscriber for Diary {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "qtloop::task" || metadata.target() == module_path!()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        self.write(format!("new {}{}", span.metadata().name(), fields.0));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.write(fields.0.trim_start().to_owned());
    }

    fn enter(&self, _: &Id) {
        self.write("enter".to_owned());
    }

    fn exit(&self, _: &Id) {
        self.write("exit".to_owned());
    }
}

/// Records that it is dropped.
struct Tell;

impl Drop for Tell {
    fn drop(&mut self) {
        tracing::info!("dropped");
    }
}

fn task_is_polled_and_dropped_inside_its_span() {
    let lines = Diary::of(|| {
        let event_loop = attached();
        let task = spawn_local(async {
            let _tell = Tell;
            tracing::info!("first poll");
            yield_now().await;
            std::future::pending::<()>().await;
        });
        for _ in 0..3 {
            event_loop.block_on(yield_now());
        }
        task.abort();
        event_loop.block_on(task).expect_err("it was aborted");
    });
    let lines: Vec<_> = lines.iter().skip(1).map(String::as_str).collect();
    assert_eq!(
        lines,
        [
            "enter",
            "message=first poll",
            "exit",
            "enter",
            "exit",
            "enter",
            "message=dropped",
            "exit"
        ]
    );
}

fn span_has_the_location_of_the_spawn_call() {
    let mut line = 0;
    let lines = Diary::of(|| {
        let event_loop = attached();
        line = line!() + 1;
        spawn_local(async {});
        drop(event_loop);
    });
    let words = format!("new task location={}:{line}:", file!());
    assert!(lines[0].starts_with(&words), "{lines:?}");
    assert!(lines[0].contains("future=\"qt::spans::"), "{lines:?}");
}
