//! How long an event waits for a flood of 10,000 tasks that work for a microsecond and yield. The
//! task that waits for the event has a high priority, in the loops that have priorities.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_channel::Sender;
use futures_lite::AsyncReadExt;
use futures_lite::future::yield_now;

use crate::measure::{Figure, Lateness, Unit, steps};
use crate::peers::Io;

pub const BYTE: &str = "byte on a socket";
pub const TIMER: &str = "timer";
pub const THREAD: &str = "message of a thread";

const TASKS: usize = 10_000;
const WORK: Duration = Duration::from_micros(1);

/// The number of polls between two events, and the delay of a timer.
const POLLS: u64 = 12_000;
const DELAY: Duration = Duration::from_millis(5);

/// The time of an event, and the number of polls before it.
type Sent = (Instant, u64);

/// The number of polls of the flood, which ends with `is_over`.
#[derive(Default)]
struct Flood {
    polls: AtomicU64,
    is_over: AtomicBool,
}

impl Flood {
    fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// The results of the task that waits.
struct Seen {
    most: u64,
    lateness: Lateness,
}

impl Seen {
    fn new() -> Seen {
        Seen {
            most: 0,
            lateness: Lateness::new(),
        }
    }

    fn record(&mut self, (sent, polls): Sent, flood: &Flood) {
        self.lateness.record(sent);
        self.most = self.most.max(flood.polls().saturating_sub(polls));
    }
}

pub fn measure<P: Io>(peer: &P) -> Vec<Figure> {
    let count = steps(100);
    let measured = [
        (BYTE, peer.run(bytes::<P>(count))),
        (TIMER, peer.run(timers::<P>(count))),
        (THREAD, peer.run(messages::<P>(count))),
    ];
    let figures = measured.into_iter().flat_map(|(row, seen)| {
        let tasks = Figure::new(most(row), Unit::Count, seen.most as f64);
        [
            tasks,
            seen.lateness.percentile(row, 50.0),
            seen.lateness.percentile(row, 99.0),
        ]
    });
    figures.collect()
}

/// Returns the name of the row for the largest number of tasks before an event.
pub fn most(row: &str) -> String {
    format!("{row}, most tasks before it")
}

async fn bytes<P: Io>(count: usize) -> Seen {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let writer = TcpStream::connect(address).expect("it listens");
    writer.set_nodelay(true).expect("sockets can");
    let (reader, _) = listener.accept().expect("it has connected");
    reader.set_nonblocking(true).expect("sockets can");
    let sent = Rc::new(RefCell::new(VecDeque::new()));
    let events = Rc::clone(&sent);
    let on_poll = move |polls| {
        if polls % POLLS == 0 {
            sent.borrow_mut().push_back((Instant::now(), polls));
            (&writer).write_all(b"x").expect("there is room");
        }
    };
    let wait = async move |flood: &Arc<Flood>| {
        let mut reader = P::adopt(reader).expect("it is a socket");
        let mut seen = Seen::new();
        for _ in 0..count {
            reader.read_exact(&mut [0]).await.expect("a byte");
            let event = events.borrow_mut().pop_front();
            seen.record(event.expect("it was sent"), flood);
        }
        seen
    };
    beside_flood::<P>(on_poll, wait).await
}

async fn timers<P: Io>(count: usize) -> Seen {
    let due = Rc::new(Cell::new(None));
    let passed = Rc::new(Cell::new(None));
    let (when, notes) = (Rc::clone(&due), Rc::clone(&passed));
    let on_poll = move |polls| {
        if let Some(due) = when.get()
            && Instant::now() >= due
        {
            when.set(None);
            notes.set(Some(polls));
        }
    };
    let wait = async move |flood: &Arc<Flood>| {
        let mut seen = Seen::new();
        for _ in 0..count {
            let end = Instant::now() + DELAY;
            passed.set(None);
            due.set(Some(end));
            P::sleep(DELAY).await;
            let polls = passed.get().unwrap_or_else(|| flood.polls());
            seen.record((end, polls), flood);
        }
        seen
    };
    beside_flood::<P>(on_poll, wait).await
}

async fn messages<P: Io>(count: usize) -> Seen {
    let (sender, messages) = async_channel::unbounded::<Sent>();
    let sender = Cell::new(Some(sender));
    let wait = async move |flood: &Arc<Flood>| {
        let mut seen = Seen::new();
        let thread = send_from_thread(sender.take().expect("once"), Arc::clone(flood), count);
        for _ in 0..count {
            let message = messages.recv().await.expect("it is sent");
            seen.record(message, flood);
        }
        thread.join().expect("it does not panic");
        seen
    };
    beside_flood::<P>(|_| {}, wait).await
}

fn send_from_thread(
    sender: Sender<Sent>,
    flood: Arc<Flood>,
    count: usize,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..count {
            let next = flood.polls() + POLLS;
            while flood.polls() < next {
                thread::yield_now();
            }
            let message = (Instant::now(), flood.polls());
            sender.try_send(message).expect("it is awaited");
        }
    })
}

/// Runs a task of a high priority beside the flood, until it has its result. Each poll of the flood
/// calls `on_poll` with the number of polls.
async fn beside_flood<P: Io>(
    on_poll: impl Fn(u64) + 'static,
    wait: impl AsyncFnOnce(&Arc<Flood>) -> Seen + 'static,
) -> Seen {
    let flood = Arc::<Flood>::default();
    let on_poll = Rc::new(on_poll);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (flood, on_poll) = (Arc::clone(&flood), Rc::clone(&on_poll));
            P::spawn_local(async move {
                while !flood.is_over() {
                    let end = Instant::now() + WORK;
                    while Instant::now() < end {}
                    on_poll(flood.polls.fetch_add(1, Ordering::Relaxed) + 1);
                    yield_now().await;
                }
            })
        })
        .collect();
    let result = Rc::new(Cell::new(None));
    let (seen, observed) = (Rc::clone(&result), Arc::clone(&flood));
    P::spawn_high(async move { seen.set(Some(wait(&observed).await)) }).await;
    flood.is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await;
    }
    result.take().expect("the task has ended")
}
