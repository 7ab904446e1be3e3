//! Tests of `Loop::record`: the trace of tasks, and the times per `spawn` call.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::AsyncReadExt;
use qtloop::qt::OwnedObject;
use qtloop::record::{Order, PlaceTimes, Recording};
use qtloop::task::{Builder, Observer, Priority, TaskMeta, yield_now};
use qtloop::time::sleep;
use qtloop::{spawn_local, spawn_scoped};
use serde_json::Value;

use crate::tasks::run;
use crate::trials;
use crate::turns::qt_timer;
use crate::world::{LONG_TURN, attached};

trials![
    polls_are_spans_on_the_track_of_their_task,
    spans_nest_and_arrows_end_in_spans,
    arrow_leads_from_the_waking_poll_to_the_woken_one,
    other_jobs_are_spans_of_the_loop_by_kind,
    events_of_qt_are_spans_of_its_track,
    task_has_its_creator_and_its_end,
    tasks_from_before_the_recording_have_their_names,
    top_has_the_spawn_calls_with_their_functions,
    function_of_a_wrapped_future_is_that_of_the_program,
    events_beyond_the_bound_are_counted,
    loop_has_one_recording_at_a_time,
    dropped_recording_ends,
    recording_that_begins_and_ends_in_polls_is_whole,
    recording_and_observer_work_side_by_side,
    recording_outlives_its_loop,
    trace_is_saved_to_a_file,
    bad_arguments_are_refused,
];

/// The parts of a trace that the tests read.
struct Trace {
    tracks: HashMap<u64, String>,
    spans: Vec<Span>,
    instants: Vec<(String, String, Value)>,
    arrows: Vec<Arrow>,
}

#[derive(Debug)]
struct Span {
    name: String,
    track: String,
    category: String,
    begin: u64,
    end: u64,
    arguments: Value,
}

#[derive(Debug)]
struct Arrow {
    from: (String, u64),
    to: (String, u64),
}

impl Trace {
    fn of(recording: &Recording) -> Trace {
        let mut text = Vec::new();
        recording.write(&mut text).expect("a vector");
        Trace::parse(&text)
    }

    fn parse(text: &[u8]) -> Trace {
        let trace: Value = serde_json::from_slice(text).expect("JSON");
        let events = trace["traceEvents"].as_array().expect("a list");
        let text = |event: &Value, key: &str| event[key].as_str().expect(key).to_owned();
        let nanos = |event: &Value, key: &str| -> u64 {
            let micros = event[key].as_f64().expect(key);
            assert!(micros >= 0.0, "{event}");
            format!("{:.0}", micros * 1000.0).parse().expect("a number")
        };
        let of = |letter: &'static str| events.iter().filter(move |event| event["ph"] == letter);
        let tracks: HashMap<_, _> = of("M")
            .filter(|event| event["name"] == "thread_name")
            .map(|event| {
                let track = event["tid"].as_u64().expect("a number");
                (track, text(&event["args"], "name"))
            })
            .collect();
        let track = |event: &Value| tracks[&event["tid"].as_u64().expect("a number")].clone();
        let spans = of("X").map(|event| Span {
            name: text(event, "name"),
            track: track(event),
            category: text(event, "cat"),
            begin: nanos(event, "ts"),
            end: nanos(event, "ts") + nanos(event, "dur"),
            arguments: event["args"].clone(),
        });
        let instants =
            of("i").map(|event| (text(event, "name"), track(event), event["args"].clone()));
        let end = |event: &Value| (track(event), nanos(event, "ts"));
        let arrows = of("s").map(|start| {
            let finish = of("f").find(|finish| finish["id"] == start["id"]);
            Arrow {
                from: end(start),
                to: end(finish.expect("an end")),
            }
        });
        Trace {
            spans: spans.collect(),
            instants: instants.collect(),
            arrows: arrows.collect(),
            tracks: tracks.clone(),
        }
    }

    fn on(&self, track: &str) -> Vec<&Span> {
        self.spans
            .iter()
            .filter(|span| span.track == track)
            .collect()
    }

    /// Asserts that the spans of each track nest, and that arrows lead from a span to a later one.
    fn check(&self) {
        for track in self.tracks.values() {
            let mut open: Vec<&Span> = Vec::new();
            for span in self.on(track) {
                while open.last().is_some_and(|outer| outer.end <= span.begin) {
                    open.pop();
                }
                if let Some(outer) = open.last() {
                    assert!(span.end <= outer.end, "{span:?} in {outer:?}");
                }
                open.push(span);
            }
        }
        for arrow in &self.arrows {
            let is_in = |span: &Span, (track, at): &(String, u64)| {
                span.track == *track && span.begin <= *at && *at <= span.end
            };
            assert!(
                self.spans.iter().any(|span| is_in(span, &arrow.from)),
                "{arrow:?}"
            );
            let begins = |span: &Span| span.track == arrow.to.0 && span.begin == arrow.to.1;
            assert!(self.spans.iter().any(begins), "{arrow:?}");
            assert!(arrow.from.1 <= arrow.to.1, "{arrow:?}");
        }
    }

    fn has_arrow(&self, from: &str, to: &str) -> bool {
        self.arrows
            .iter()
            .any(|arrow| arrow.from.0 == from && arrow.to.0 == to)
    }
}

fn named(name: &str) -> Builder<'_> {
    Builder::new().name(name)
}

fn find<'a>(top: &'a [PlaceTimes], function: &str) -> &'a PlaceTimes {
    top.iter()
        .find(|times| times.place.function.ends_with(function))
        .unwrap_or_else(|| panic!("{function} is not in {top:?}"))
}

fn polls_are_spans_on_the_track_of_their_task() {
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    let builder = named("valve").priority(Priority::HIGH);
    let (task, line) = (builder.spawn_local(yield_now()), line!());
    run(&event_loop, task).expect("a result");
    recording.stop();
    let trace = Trace::of(&recording);
    trace.check();
    let polls = trace.on("valve");
    assert_eq!(polls.len(), 2, "{polls:?}");
    for poll in polls {
        assert_eq!(poll.name, "qtloop::task::unblock::yield_now");
        assert_eq!(poll.arguments["at"], format!("{}:{line}", file!()));
        assert_eq!(poll.arguments["priority"], -100);
        assert!(poll.arguments["latency_us"].as_f64().expect("a time") >= 0.0);
        let turns = trace.on("Loop");
        let is_around = |turn: &&&Span| {
            turn.category == "turn" && turn.begin <= poll.begin && poll.end <= turn.end
        };
        assert!(turns.iter().any(|turn| is_around(&turn)));
    }
}

fn spans_nest_and_arrows_end_in_spans() {
    let event_loop = attached();
    let recording = event_loop.record(10_000).expect("memory");
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            spawn_local(async move {
                for _ in 0..number {
                    yield_now().await;
                    let child = spawn_local(sleep(Duration::from_micros(50)));
                    if number % 5 == 0 {
                        qtloop::block_on(child).expect("a result");
                    } else {
                        child.await.expect("a result");
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        run(&event_loop, task).expect("a result");
    }
    let trace = Trace::of(&recording);
    trace.check();
    assert!(trace.spans.len() > 500 && trace.arrows.len() > 300);
}

fn arrow_leads_from_the_waking_poll_to_the_woken_one() {
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    let (sender, receiver) = async_channel::bounded(1);
    let reader = named("reader").spawn_local(async move { receiver.recv().await });
    named("writer").spawn_local(async move {
        sleep(LONG_TURN).await; // is not over at its first poll
        sender.send(7).await.expect("a reader");
    });
    assert_eq!(run(&event_loop, reader).expect("a result"), Ok(7));
    let trace = Trace::of(&recording);
    trace.check();
    assert!(trace.has_arrow("writer", "reader"), "{:?}", trace.arrows);
    assert!(trace.has_arrow("Loop", "writer"), "{:?}", trace.arrows); // its timer
    assert!(!trace.has_arrow("reader", "writer"), "{:?}", trace.arrows);
}

fn other_jobs_are_spans_of_the_loop_by_kind() {
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    let handle = event_loop.handle();
    let task = spawn_local(async move {
        sleep(LONG_TURN).await; // is not over at its first poll
        let (sender, receiver) = async_channel::bounded(1);
        // Begins after this task has begun to wait.
        spawn_local(async move {
            std::thread::spawn(move || sender.try_send(()).expect("room"));
        });
        receiver.recv().await.expect("a message");
        handle.invoke(|| ()).expect("the loop lives");
        let (mut here, there) = qtloop::net::UnixStream::pair().expect("two descriptors");
        let close = spawn_local(async move {
            yield_now().await;
            drop(there);
        });
        let mut byte = [0];
        assert_eq!(here.read(&mut byte).await.expect("the end"), 0);
        close.await.expect("a result");
    });
    run(&event_loop, task).expect("a result");
    let trace = Trace::of(&recording);
    trace.check();
    let jobs = trace.on("Loop");
    for (name, category) in [
        ("timer", "timer"),
        ("other thread", "other thread"),
        ("call", "callback"),
        ("descriptor", "reader"),
    ] {
        let is_it = |job: &&&Span| job.name == name && job.category == category;
        assert!(jobs.iter().any(|job| is_it(&job)), "{name}: {jobs:?}");
    }
}

fn events_of_qt_are_spans_of_its_track() {
    let event_loop = attached();
    let recording = event_loop.record(10_000).expect("a recording");
    let fired = Rc::new(Cell::new(0));
    let fires = Rc::clone(&fired);
    let timer = qt_timer(Duration::ZERO, move |count| fires.set(count));
    run(&event_loop, async {
        while fired.get() < 3 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    recording.stop();
    drop(timer);
    let trace = Trace::of(&recording);
    trace.check();
    let timers = trace.on("Qt").into_iter();
    assert!(timers.filter(|span| span.name == "QTimer: Timer").count() >= 3);
    let events = recording.events();
    run(&event_loop, sleep(Duration::from_millis(1)));
    assert_eq!(recording.events(), events, "it has stopped");
}

fn task_has_its_creator_and_its_end() {
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    let parent = named("parent").spawn_local(async {
        named("child")
            .spawn_local(async {})
            .await
            .expect("a result");
    });
    let lost = named("lost").spawn_local(std::future::pending::<()>());
    run(&event_loop, parent).expect("a result");
    lost.abort();
    run(&event_loop, lost).expect_err("it was aborted");
    named("cancelled").spawn_local(std::future::pending::<()>());
    drop(event_loop);
    let trace = Trace::of(&recording);
    trace.check();
    let parent_of = |task: &str| {
        let created =
            |(name, track, _): &&(String, String, Value)| name == "created" && track == task;
        trace.instants.iter().find(created).expect(task).2["parent"].clone()
    };
    assert_eq!(parent_of("child"), "parent");
    assert_eq!(parent_of("parent"), Value::Null);
    for task in ["child", "parent", "lost", "cancelled"] {
        let finished =
            |(name, track, _): &&(String, String, Value)| name == "finished" && track == task;
        assert_eq!(trace.instants.iter().filter(finished).count(), 1, "{task}");
    }
}

async fn receives(receiver: async_channel::Receiver<()>) {
    receiver.recv().await.expect("a message");
}

fn tasks_from_before_the_recording_have_their_names() {
    let event_loop = attached();
    let (sender, receiver) = async_channel::bounded(1);
    let old = named("old").spawn_local(receives(receiver));
    let completed = named("completed").spawn_local(async {});
    run(&event_loop, completed).expect("a result");
    let recording = event_loop.record(1000).expect("memory");
    sender.try_send(()).expect("room");
    run(&event_loop, old).expect("a result");
    let trace = Trace::of(&recording);
    assert_eq!(trace.on("old").len(), 1);
    assert_eq!(trace.on("old")[0].name, "qt::task_recording::receives");
    assert!(trace.on("completed").is_empty());
}

async fn slow() {
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(2));
        yield_now().await;
    }
}

async fn quick() {
    yield_now().await;
}

fn top_has_the_spawn_calls_with_their_functions() {
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    let mut line = 0;
    for _ in 0..5 {
        run(&event_loop, spawn_local(quick())).expect("a result");
        line = line!() - 1;
    }
    run(&event_loop, spawn_local(slow())).expect("a result");
    recording.stop(); // the rate of its clock is final now
    let top = recording.top(10, Order::Total);
    assert!(top[0].place.function.ends_with("::slow"), "{top:?}");
    assert_eq!(top[0].count, 4);
    assert!(top[0].total >= Duration::from_millis(6));
    assert!(top[0].worst >= Duration::from_millis(2));
    assert!(top[0].run.expect("a histogram").p50 >= Duration::from_millis(1));
    let quick = find(&top, "::quick");
    assert_eq!((quick.count, quick.place.line), (10, line));
    assert_eq!(&*quick.place.file, file!());
    let text = quick.to_string();
    let begin = format!("{}:{line} (qt::task_recording::quick): 0.", file!());
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.contains(" s in 10, at most 0."), "{text}");
    assert_eq!(recording.top(1, Order::Worst), top[..1]);
}

fn function_of_a_wrapped_future_is_that_of_the_program() {
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    let object = OwnedObject::new();
    run(&event_loop, spawn_scoped(&object, slow())).expect("a result");
    let handle = event_loop.handle();
    run(&event_loop, handle.spawn_from_within(quick)).expect("a result");
    run(&event_loop, spawn_local(Box::pin(async {}))).expect("a result");
    let top = recording.top(10, Order::Total);
    find(&top, "task_recording::slow");
    find(&top, "task_recording::quick");
    find(
        &top,
        "task_recording::function_of_a_wrapped_future_is_that_of_the_program",
    );
}

fn events_beyond_the_bound_are_counted() {
    let event_loop = attached();
    let recording = event_loop.record(10).expect("memory");
    for _ in 0..20 {
        run(&event_loop, spawn_local(quick())).expect("a result");
    }
    recording.stop();
    assert_eq!(recording.events(), 10);
    assert!(recording.dropped() > 50, "{recording:?}");
    assert_eq!(find(&recording.top(10, Order::Total), "::quick").count, 40);
    Trace::of(&recording).check();
}

fn loop_has_one_recording_at_a_time() {
    let event_loop = attached();
    let first = event_loop.record(10).expect("memory");
    let error = event_loop.record(10).expect_err("there is one");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("stop or drop"), "{error}");
    first.stop();
    first.stop();
    let second = event_loop.record(10).expect("memory");
    drop(first); // does not end the second one
    run(&event_loop, spawn_local(async {})).expect("a result");
    assert!(second.events() > 0);
}

fn dropped_recording_ends() {
    let event_loop = attached();
    drop(event_loop.record(10).expect("memory"));
    let recording = event_loop.record(10).expect("there is none");
    recording.stop();
    let events = recording.events();
    run(&event_loop, spawn_local(async {})).expect("a result");
    assert_eq!(recording.events(), events);
    assert!(recording.duration() < Duration::from_secs(60));
}

fn recording_that_begins_and_ends_in_polls_is_whole() {
    let event_loop = Rc::new(attached());
    let kept = Rc::new(RefCell::new(None));
    let (inside, keeps) = (Rc::clone(&event_loop), Rc::clone(&kept));
    let task = named("a").spawn_local(async move {
        let recording = inside.record(1000).expect("memory");
        inside
            .block_on(named("b").spawn_local(quick()))
            .expect("a result");
        yield_now().await;
        inside
            .block_on(named("c").spawn_local(quick()))
            .expect("a result");
        recording.stop();
        keeps.replace(Some(recording));
        yield_now().await;
    });
    run(&event_loop, task).expect("a result");
    let recording = kept.take().expect("it was kept");
    let trace = Trace::of(&recording);
    trace.check();
    assert_eq!(trace.on("a").len(), 1);
    assert_eq!(trace.on("b").len(), 2);
    assert_eq!(trace.on("c").len(), 2);
    let (a, c) = (trace.on("a")[0], trace.on("c"));
    assert!(a.begin <= c[0].begin && c[1].end <= a.end);
}

fn recording_and_observer_work_side_by_side() {
    /// Panics at its third poll.
    #[derive(Default)]
    struct Bad(std::cell::Cell<u32>);

    impl Observer for Bad {
        fn on_before_task_poll(&self, _: TaskMeta<'_>) {
            self.0.set(self.0.get() + 1);
            if self.0.get() == 3 {
                resume_unwind(Box::new("on purpose"));
            }
        }
    }

    let event_loop = attached();
    let observer = Rc::new(Bad::default());
    event_loop.set_observer(Some(observer.clone()));
    let recording = event_loop.record(1000).expect("memory");
    let outer = named("outer").spawn_local(async {
        let inner = named("inner").spawn_local(async {
            for _ in 0..4 {
                yield_now().await;
            }
        });
        qtloop::block_on(inner).expect("a result");
    });
    run(&event_loop, outer).expect("a result");
    assert_eq!(observer.0.get(), 3);
    assert_eq!(Rc::strong_count(&observer), 1);
    event_loop.set_observer(Some(observer.clone()));
    run(&event_loop, named("last").spawn_local(async {})).expect("a result");
    assert_eq!(observer.0.get(), 4);
    recording.stop();
    run(&event_loop, spawn_local(async {})).expect("a result");
    assert_eq!(observer.0.get(), 5);
    let trace = Trace::of(&recording);
    trace.check();
    let polls = |name| trace.on(name).len();
    assert_eq!((polls("outer"), polls("inner"), polls("last")), (1, 5, 1));
    let (outer, inner) = (trace.on("outer")[0], trace.on("inner"));
    assert!(
        inner
            .iter()
            .all(|poll| outer.begin <= poll.begin && poll.end <= outer.end)
    );
    event_loop.set_observer(None);
}

fn recording_outlives_its_loop() {
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    run(&event_loop, named("a").spawn_local(quick())).expect("a result");
    drop(event_loop);
    assert_eq!(Trace::of(&recording).on("a").len(), 2);
    recording.stop();
    let event_loop = attached();
    run(&event_loop, named("b").spawn_local(quick())).expect("a result");
    let trace = Trace::of(&recording);
    trace.check();
    assert!(trace.on("b").is_empty());
}

fn trace_is_saved_to_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let event_loop = attached();
    let recording = event_loop.record(1000).expect("memory");
    run(&event_loop, named("a").spawn_local(quick())).expect("a result");
    recording.stop();
    let path = folder.path().join("trace.json");
    recording.save(&path).expect("a file");
    let text = std::fs::read(&path).expect("a file");
    assert_eq!(Trace::parse(&text).on("a").len(), 2);
    let packed = folder.path().join("trace.json.gz");
    recording.save(&packed).expect("a file");
    let packed = std::fs::read(&packed).expect("a file");
    assert_eq!(packed[..2], [0x1f, 0x8b]);
    assert!(packed.len() < text.len());
    let error = recording.save(folder.path().join("none/trace.json"));
    let error = error.expect_err("no such folder");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("none/trace.json"), "{error}");
}

fn bad_arguments_are_refused() {
    let event_loop = attached();
    let error = event_loop.record(0).expect_err("it is zero");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(event_loop.record(10).is_ok());
}
