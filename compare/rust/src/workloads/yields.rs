//! The cost of yielding. All peers yield by the same future, which wakes itself.

use futures_lite::future::yield_now;

use crate::measure::{Figure, cpu, steps};
use crate::peers::Tasks;

pub const ONE: &str = "yield, 1 task";
pub const HUNDRED: &str = "yield, 100 tasks in turn";

pub fn measure<P: Tasks>(peer: &P) -> Vec<Figure> {
    [(ONE, 1), (HUNDRED, 100)]
        .map(|(row, tasks)| Figure::seconds(row, peer.run(per_yield::<P>(tasks))))
        .into()
}

async fn per_yield<P: Tasks>(tasks: usize) -> f64 {
    let each = steps(1_000_000) / tasks;
    let start = cpu();
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            P::spawn(async move {
                for _ in 0..each {
                    yield_now().await;
                }
            })
        })
        .collect();
    let number = tasks.len() * each;
    for task in tasks {
        task.await;
    }
    (cpu() - start) / number as f64
}
