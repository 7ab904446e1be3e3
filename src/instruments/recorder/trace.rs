//! Writes a recording as a Chrome trace: JSON for Perfetto, `chrome://tracing` and the Chrome Trace
//! Format Visualizer of Qt Creator.
//!
//! The format: <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use std::cmp::Reverse;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::json;

use super::clock::{Scale, Ticks};
use super::places::{PlaceId, Places};
use super::qt_events;
use super::record::{Job, Record, What};
use super::state::State;

/// The process and the tracks of a trace. A task has the track `TASKS` + its number.
const PROCESS: u32 = 1;
const QT: u64 = 1;
const LOOP: u64 = 2;
const TASKS: u64 = 2;

/// Writes a trace. `now` is the end of the spans that have not ended.
pub(super) fn write(
    out: &mut impl Write,
    state: &State,
    places: &Places,
    scale: &Scale,
    now: Ticks,
) -> io::Result<()> {
    let mut trace = Trace {
        out,
        state,
        places,
        scale,
        now,
        texts: FxHashMap::default(),
        arrows: 0,
    };
    trace.out.write_all(b"{\"traceEvents\":[\n")?;
    trace.names()?;
    // The ring has the jobs that have not ended, and not the other open spans.
    let open = state.open.iter().filter(|open| open.number().is_none());
    let mut open: Vec<Record> = open.map(|open| open.record(Ticks::UNKNOWN)).collect();
    open.extend(&state.qt_event);
    for record in trace.in_order(&open) {
        trace.record(record)?;
    }
    let other = json!({
        "version": concat!("qtloop ", env!("CARGO_PKG_VERSION")),
        "clock": "CLOCK_MONOTONIC",
        "begin_ns": scale.begin().as_nanos(),
        "duration_ns": scale.since_begin(now),
        "events": state.ring.len(),
        "dropped_events": state.ring.dropped(),
    });
    // The last event ends with a comma, so the list needs one more.
    let last = json!({
        "ph": "M", "name": "process_sort_index", "pid": PROCESS, "args": {"sort_index": 0},
    });
    write!(
        trace.out,
        "{last}\n],\"displayTimeUnit\":\"ns\",\"otherData\":{other}}}\n"
    )
}

struct Trace<'a, W> {
    out: &'a mut W,
    state: &'a State,
    places: &'a Places,
    scale: &'a Scale,
    now: Ticks,
    texts: FxHashMap<PlaceId, Rc<Text>>,
    /// The number of arrows so far.
    arrows: u64,
}

/// A place as JSON strings, with their quotes.
struct Text {
    function: String,
    at: String,
}

impl<'a, W: Write> Trace<'a, W> {
    /// Returns the spans and instants by their begin, each before the spans inside of it.
    fn in_order<'r>(&self, open: &'r [Record]) -> Vec<&'r Record>
    where
        'a: 'r,
    {
        let in_ring = self.state.ring.iter().map(|(_, record)| record);
        let has_begun = |record: &&Record| record.started.is_known();
        let mut found: Vec<&Record> = in_ring.chain(open).filter(has_begun).collect();
        found.sort_by_key(|record| {
            let rank = match record.what {
                What::Turn { .. } => 0,
                _ => 1,
            };
            (record.started, Reverse(self.end(record)), rank)
        });
        found
    }

    fn end(&self, record: &Record) -> Ticks {
        if record.ended.is_known() {
            record.ended
        } else {
            self.now.max(record.started)
        }
    }

    /// Writes the names of the process and of its tracks. Qt Creator ignores events without a time.
    fn names(&mut self) -> io::Result<()> {
        let process = json!({
            "ph": "M", "name": "process_name", "ts": 0, "pid": PROCESS, "tid": QT,
            "args": {"name": "qtloop"},
        });
        writeln!(self.out, "{process},")?;
        self.track(QT, "Qt")?;
        self.track(LOOP, "Loop")?;
        let mut seen = FxHashSet::default();
        for (_, record) in self.state.ring.iter() {
            let task = record.what.task();
            if task != 0 && seen.insert(task) {
                let name = self.task_name(task);
                self.track(TASKS + u64::from(task), &name)?;
            }
        }
        Ok(())
    }

    fn track(&mut self, track: u64, name: &str) -> io::Result<()> {
        let name = json!({
            "ph": "M", "name": "thread_name", "ts": 0, "pid": PROCESS, "tid": track,
            "args": {"name": name},
        });
        let order = json!({
            "ph": "M", "name": "thread_sort_index", "pid": PROCESS, "tid": track,
            "args": {"sort_index": track},
        });
        writeln!(self.out, "{name},\n{order},")
    }

    /// Returns the name of a task, else that of its function, else its number.
    fn task_name(&self, task: u32) -> String {
        match self.state.tasks.get(task) {
            Some(known) if !known.name.is_empty() => known.name.to_string(),
            Some(known) => format!("{} ({task})", self.places.get(known.place).function),
            None => format!("task {task}"),
        }
    }

    fn text(&mut self, place: PlaceId) -> Rc<Text> {
        let places = self.places;
        let text = self.texts.entry(place).or_insert_with(|| {
            let place = places.get(place);
            let at = match (&*place.file, place.line) {
                ("", _) => String::new(),
                (file, 0) => file.to_owned(),
                (file, line) => format!("{file}:{line}"),
            };
            Rc::new(Text {
                function: json!(&*place.function).to_string(),
                at: json!(at).to_string(),
            })
        });
        text.clone()
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        match record.what {
            What::Job(job) => self.job(record, &job),
            What::Turn { depth } => self.span(
                record,
                LOOP,
                "turn",
                "\"turn\"",
                format_args!("{{\"depth\":{depth}}}"),
            ),
            What::Poll { nanos: 0 } => {
                self.span(record, LOOP, "poll", "\"poll\"", format_args!("{{}}"))
            }
            What::Poll { nanos } => self.span(
                record,
                LOOP,
                "poll",
                "\"linger\"",
                format_args!("{{\"timeout_us\":{}}}", Micros(nanos)),
            ),
            What::TaskCreated {
                task,
                place,
                parent,
            } => {
                let text = self.text(place);
                let at = &text.at;
                let parent = match parent {
                    0 => json!(null),
                    parent => json!(self.task_name(parent)),
                };
                self.instant(
                    record,
                    task,
                    "created",
                    format_args!("{{\"at\":{at},\"parent\":{parent}}}"),
                )
            }
            What::TaskFinished { task } => {
                self.instant(record, task, "finished", format_args!("{{}}"))
            }
            What::QtEvent { class, number } => {
                let class = self.state.classes.get(class);
                let name = json!(format!("{class}: {}", qt_events::name(number))).to_string();
                self.span(record, QT, "qt", &name, format_args!("{{}}"))
            }
        }
    }

    fn job(&mut self, record: &Record, job: &Job) -> io::Result<()> {
        let track = track_of(job);
        let text = self.text(job.subject.place);
        let (at, priority) = (&text.at, job.subject.priority);
        let kind = job.subject.kind.name();
        if job.ready.is_known() {
            let latency = self.scale.since_begin(record.started) - self.ready(record, job);
            let latency = Micros(latency);
            self.span(
                record,
                track,
                kind,
                &text.function,
                format_args!("{{\"at\":{at},\"priority\":{priority},\"latency_us\":{latency}}}"),
            )?;
        } else {
            self.span(
                record,
                track,
                kind,
                &text.function,
                format_args!("{{\"at\":{at},\"priority\":{priority}}}"),
            )?;
        }
        self.arrow(record, job)
    }

    /// Returns when a job was ready, after the begin of the recording, and not after its own begin.
    fn ready(&self, record: &Record, job: &Job) -> u64 {
        self.scale.since_begin(job.ready.min(record.started))
    }

    /// Writes an arrow to a job from the job that has queued it, if that is in the ring.
    fn arrow(&mut self, record: &Record, job: &Job) -> io::Result<()> {
        let Some(waker) = self.state.ring.get(job.waker) else {
            return Ok(());
        };
        let What::Job(waking) = &waker.what else {
            return Ok(());
        };
        let (from, to) = (waker.started, record.started);
        if !from.is_known() || to < from {
            return Ok(());
        }
        let at = job.created.clamp(from, self.end(waker).min(to));
        self.arrows += 1;
        let id = self.arrows;
        let mut end = |letter, time, track, binding| {
            let time = Micros(self.scale.since_begin(time));
            writeln!(
                self.out,
                "{{\"ph\":\"{letter}\",{binding}\"id\":{id},\"name\":\"queued\",\"cat\":\"queued\",\
                 \"ts\":{time},\"pid\":{PROCESS},\"tid\":{track}}},"
            )
        };
        end('s', at, track_of(waking), "")?;
        end('f', to, track_of(job), "\"bp\":\"e\",")
    }

    /// Writes a span. `name` and `args` are JSON.
    fn span(
        &mut self,
        record: &Record,
        track: u64,
        category: &str,
        name: &str,
        args: fmt::Arguments<'_>,
    ) -> io::Result<()> {
        let begin = self.scale.since_begin(record.started);
        let took = Micros(self.scale.since_begin(self.end(record)) - begin);
        let begin = Micros(begin);
        writeln!(
            self.out,
            "{{\"ph\":\"X\",\"name\":{name},\"cat\":\"{category}\",\"ts\":{begin},\"dur\":{took},\
             \"pid\":{PROCESS},\"tid\":{track},\"args\":{args}}},"
        )
    }

    /// Writes an instant of a task. `args` is JSON.
    fn instant(
        &mut self,
        record: &Record,
        task: u32,
        name: &str,
        args: fmt::Arguments<'_>,
    ) -> io::Result<()> {
        let track = TASKS + u64::from(task);
        let at = Micros(self.scale.since_begin(record.started));
        writeln!(
            self.out,
            "{{\"ph\":\"i\",\"s\":\"t\",\"name\":\"{name}\",\"cat\":\"task\",\"ts\":{at},\
             \"pid\":{PROCESS},\"tid\":{track},\"args\":{args}}},"
        )
    }
}

fn track_of(job: &Job) -> u64 {
    match job.subject.task {
        0 => LOOP,
        task => TASKS + u64::from(task),
    }
}

/// Nanoseconds as microseconds, the unit of the format.
#[derive(Clone, Copy)]
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
