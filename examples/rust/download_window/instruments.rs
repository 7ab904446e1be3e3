//! The panel of F12: figures of the event loop, and a trace of its tasks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::rc::Weak;
use std::time::{Duration, Instant};

use qmetaobject::{QVariantList, QVariantMap, prelude::*};
use qtloop::qml::{self, This};
use qtloop::record::{Order, PlaceTimes, Recording};
use qtloop::task::AbortOnDrop;
use qtloop::{Loop, Stats, time};

/// The interval between two updates of the figures.
const BEAT: Duration = Duration::from_millis(250);

/// The number of updates in the plots, those of half a minute.
const KEPT: usize = 120;

/// The number of tasks in the list.
const LONGEST: usize = 5;

/// The number of events that a recording keeps: 5 MB, about a minute of downloads.
const EVENTS: usize = 100_000;

#[derive(QObject, Default)]
pub struct Instruments {
    base: qt_base_class!(trait QObject),

    /// The panel is shown. While it is not, its figures are not read.
    pub is_open: qt_property!(bool; WRITE set_open NOTIFY toggled),
    toggled: qt_signal!(),
    toggle: qt_method!(fn(&mut self)),

    pub tasks: qt_property!(u32; NOTIFY changed),
    ready: qt_property!(u32; NOTIFY changed),
    timers: qt_property!(u32; NOTIFY changed),
    descriptors: qt_property!(u32; NOTIFY changed),
    pub turns: qt_property!(f64; NOTIFY changed),
    pub jobs: qt_property!(f64; NOTIFY changed),
    wakeups: qt_property!(f64; NOTIFY changed),
    polls: qt_property!(f64; NOTIFY changed),
    /// The share of the time that the thread spends in turns of the loop.
    pub busy: qt_property!(f64; NOTIFY changed),
    /// In milliseconds, since the start of the program.
    pub longest_turn: qt_property!(f64; NOTIFY changed),
    /// In milliseconds, since the start of the program.
    lateness: qt_property!(f64; NOTIFY changed),
    changed: qt_signal!(),
    /// The last values of `busy` and of `jobs`, for the plots.
    busy_history: qt_property!(QVariantList; READ busy_history NOTIFY changed),
    jobs_history: qt_property!(QVariantList; READ jobs_history NOTIFY changed),

    is_recording: qt_property!(bool; READ is_recording NOTIFY recorded),
    /// The number of recorded events, or the result of saving the trace.
    message: qt_property!(QString; READ message NOTIFY recorded),
    /// The tasks that have run longest: `name`, `total` and `worst`, in milliseconds.
    longest: qt_property!(QVariantList; READ longest NOTIFY recorded),
    recorded: qt_signal!(),
    record: qt_method!(fn(&mut self)),
    save: qt_method!(fn(&mut self)),

    event_loop: Weak<Loop>,
    trace: PathBuf,
    look: Option<AbortOnDrop<io::Result<Infallible>>>,
    last: Option<(Instant, Stats)>,
    history: VecDeque<(f64, f64)>,
    recording: Option<Recording>,
    top: Vec<PlaceTimes>,
    result: Option<String>,
}

impl Instruments {
    /// Makes the object. It saves traces at this path.
    pub fn new(trace: PathBuf) -> Instruments {
        Instruments {
            trace,
            ..Instruments::default()
        }
    }

    /// Sets the loop whose figures it shows.
    pub fn observe(&mut self, event_loop: Weak<Loop>) {
        self.event_loop = event_loop;
    }

    pub fn toggle(&mut self) {
        self.set_open(!self.is_open);
    }

    fn set_open(&mut self, is_open: bool) {
        if is_open == self.is_open {
            return;
        }
        self.is_open = is_open;
        self.look = is_open.then(|| self.watch().abort_on_drop());
        if !is_open {
            self.last = None;
            self.history.clear();
        }
        self.toggled();
    }

    /// Starts the task that updates the figures.
    fn watch(&self) -> qtloop::JoinHandle<io::Result<Infallible>> {
        qml::spawn(self, async |this: This<Instruments>| {
            let mut beat = time::interval(BEAT);
            loop {
                beat.tick().await;
                this.with(Instruments::read)?;
                this.emit("changed", ())?;
                this.emit("recorded", ())?;
            }
        })
    }

    /// Reads the figures.
    fn read(&mut self) {
        let Some(event_loop) = self.event_loop.upgrade() else {
            return;
        };
        if let Some(recording) = &self.recording {
            self.top = recording.top(LONGEST + 4, Order::Total);
        }
        let (now, stats) = (Instant::now(), event_loop.stats());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.tasks = count(stats.tasks);
        self.ready = count(stats.ready.iter().map(|(_, jobs)| jobs).sum());
        self.timers = count(stats.timers);
        self.descriptors = count(stats.watched_fds);
        self.longest_turn = millis(stats.longest_turn);
        self.lateness = millis(stats.max_timer_lateness);
        if let Some((then, before)) = self.last.replace((now, stats.clone())) {
            let seconds = (now - then).as_secs_f64();
            let rate = |now: u64, before: u64| (now - before) as f64 / seconds;
            self.turns = rate(stats.turns, before.turns);
            self.jobs = rate(stats.jobs, before.jobs);
            self.wakeups = rate(stats.wakeups, before.wakeups);
            self.polls = rate(stats.polls, before.polls);
            let in_turns = stats.time_in_turns - before.time_in_turns;
            self.busy = in_turns.as_secs_f64() / seconds;
            self.history.push_back((self.busy, self.jobs));
            if self.history.len() > KEPT {
                self.history.pop_front();
            }
        }
    }

    fn busy_history(&self) -> QVariantList {
        self.history.iter().map(|(busy, _)| *busy).collect()
    }

    fn jobs_history(&self) -> QVariantList {
        self.history.iter().map(|(_, jobs)| *jobs).collect()
    }

    pub fn longest(&self) -> QVariantList {
        // Other jobs than polls of tasks have no source line.
        let tasks = self.top.iter().filter(|times| times.place.line > 0);
        let row = |times: &PlaceTimes| {
            let mut row = QVariantMap::default();
            let name = short(&times.place.function);
            row.insert("name".into(), QString::from(name).into());
            row.insert("total".into(), millis(times.total).into());
            row.insert("worst".into(), millis(times.worst).into());
            row
        };
        tasks.take(LONGEST).map(row).collect()
    }

    /// Begins to record.
    pub fn record(&mut self) {
        let Some(event_loop) = self.event_loop.upgrade() else {
            return;
        };
        (self.result, self.top) = (None, Vec::new());
        match event_loop.record(EVENTS) {
            Ok(recording) => self.recording = Some(recording),
            Err(error) => self.result = Some(error.to_string()),
        }
        self.recorded();
    }

    /// Ends the recording, and saves it.
    pub fn save(&mut self) {
        let Some(recording) = self.recording.take() else {
            return;
        };
        recording.stop();
        self.result = Some(match recording.save(&self.trace) {
            Ok(()) => format!("Saved in {}", self.trace.display()),
            Err(error) => error.to_string(),
        });
        self.recorded();
    }

    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    pub fn message(&self) -> QString {
        let text = match (&self.recording, &self.result) {
            (Some(recording), _) => format!("{} events", recording.events()),
            (None, Some(result)) => result.clone(),
            (None, None) => "For Perfetto and Qt Creator".to_owned(),
        };
        text.into()
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns the last two parts of a path: the type and the method, or the module and the function.
fn short(function: &str) -> &str {
    let mut colons = function.rmatch_indices("::");
    let start = colons.nth(1).map_or(0, |(at, colons)| at + colons.len());
    &function[start..]
}
