//! The targets for the figures: a table of which are reached or missed.

use crate::measure::Unit;
use crate::peers::Peer;
use crate::results::Results;
use crate::table::{grid, quantity};
use crate::workloads::{
    ACCURATE, ALONE, BATCH, BUSY, BYTE, HUNDRED, IDLE, LARGE, MANY, ONE, SINGLE, THREAD, TIMER,
    most,
};

/// A limit for one of qtloop's figures, or for its ratio to a peer's figure.
struct Target {
    row: String,
    peer: Option<Peer>,
    must: f64,
}

fn targets() -> Vec<Target> {
    let ratio = |row: &str, peer, must| Target {
        row: row.to_owned(),
        peer: Some(peer),
        must,
    };
    let own = |row: String, must| Target {
        row,
        peer: None,
        must,
    };
    let mut targets = Vec::new();
    for row in [SINGLE, BATCH, ONE, HUNDRED] {
        targets.push(ratio(row, Peer::Smol, 0.5));
        targets.push(ratio(row, Peer::Glib, 0.1));
    }
    for row in [MANY, ACCURATE] {
        targets.push(own(format!("{row}, early"), 0.0));
        targets.push(own(format!("{row}, p50"), 100e-6));
    }
    for row in [ALONE, LARGE, BUSY] {
        targets.push(ratio(row, Peer::Tokio, 1.1));
    }
    targets.push(own(IDLE.to_owned(), 1.05));
    for row in [BYTE, TIMER, THREAD] {
        targets.push(own(most(row), 100.0));
        targets.push(own(format!("{row}, p99"), 2.5e-3));
    }
    targets
}

/// Returns the targets for which there are figures.
pub fn show(results: &Results) -> String {
    let heads = ["target", "must be at most", "measured", ""];
    let mut table = grid(heads.map(str::to_owned).into());
    let (mut number, mut reached) = (0, 0);
    for target in targets() {
        let Some(row) = results.row(&target.row) else {
            continue;
        };
        let Some(summary) = row.peers.get(&target.peer.unwrap_or(Peer::Qtloop)) else {
            continue;
        };
        let (what, unit, measured) = match (target.peer, summary.ratio) {
            (None, _) => (target.row, row.unit, summary.median),
            (Some(peer), Some(ratio)) => (format!("{} / {peer}", target.row), Unit::Ratio, ratio),
            (Some(_), None) => continue,
        };
        let is_reached = measured <= target.must;
        number += 1;
        reached += usize::from(is_reached);
        table.add_row([
            what,
            quantity(target.must, unit),
            quantity(measured, unit),
            if is_reached { "reached" } else { "MISSED" }.to_owned(),
        ]);
    }
    if number == 0 {
        return "There is no target for what was measured.".to_owned();
    }
    format!("{table}\n{reached} of {number} targets are reached.")
}
