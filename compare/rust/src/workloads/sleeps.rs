//! The cost of 10,000 timers, and the lateness of these and of single timers. The deadlines are the
//! same for all peers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::measure::{Figure, Lateness, cpu, steps};
use crate::peers::Io;

pub const MANY: &str = "10,000 sleeps within 0.1 s";
pub const ACCURATE: &str = "a sleep of 1 to 5 ms";
const TIMERS: usize = 10_000;
const WITHIN: u64 = 100_000_000; // ns

pub fn measure<P: Io>(peer: &P) -> Vec<Figure> {
    let (spent, many) = peer.run(many::<P>());
    let single = peer.run(single::<P>(steps(300)));
    let mut figures = vec![Figure::seconds(
        format!("{MANY}, CPU time"),
        spent / TIMERS as f64,
    )];
    for (row, lateness) in [(MANY, many), (ACCURATE, single)] {
        figures.extend([50.0, 99.0].map(|percent| lateness.percentile(row, percent)));
        figures.push(lateness.early(row));
    }
    figures
}

/// Returns the CPU time of all timers with their tasks, and their lateness.
async fn many<P: Io>() -> (f64, Lateness) {
    let lateness = Rc::new(RefCell::new(Lateness::new()));
    let mut random = Rng::with_seed(1);
    let start = cpu();
    let tasks: Vec<_> = (0..TIMERS)
        .map(|_| {
            let duration = Duration::from_nanos(random.u64(..WITHIN));
            let lateness = Rc::clone(&lateness);
            P::spawn_local(async move {
                let due = Instant::now() + duration;
                P::sleep(duration).await;
                lateness.borrow_mut().record(due);
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
    (cpu() - start, lateness.replace(Lateness::new()))
}

async fn single<P: Io>(number: usize) -> Lateness {
    let mut lateness = Lateness::new();
    let mut random = Rng::with_seed(2);
    for _ in 0..number {
        let duration = Duration::from_micros(random.u64(1000..=5000));
        let due = Instant::now() + duration;
        P::sleep(duration).await;
        lateness.record(due);
    }
    lateness
}
