//! The cost of a task that is ready at once: from its spawn to the result of its handle.

use crate::measure::{Figure, cpu, steps};
use crate::peers::Tasks;

pub const SINGLE: &str = "spawn + join, one by one";
pub const BATCH: &str = "spawn 1,000, then join all";
const TASKS: usize = 1000;

pub fn measure<P: Tasks>(peer: &P) -> Vec<Figure> {
    let batches = steps(100);
    peer.run(async move {
        let start = cpu();
        for _ in 0..batches * TASKS {
            P::spawn(async {}).await;
        }
        let middle = cpu();
        for _ in 0..batches {
            let tasks: Vec<_> = (0..TASKS).map(|_| P::spawn(async {})).collect();
            for task in tasks {
                task.await;
            }
        }
        let end = cpu();
        let number = (batches * TASKS) as f64;
        vec![
            Figure::seconds(SINGLE, (middle - start) / number),
            Figure::seconds(BATCH, (end - middle) / number),
        ]
    })
}
