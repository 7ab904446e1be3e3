//! Prints the tables: qtloop's figures, and their ratios to the other loops' figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::ValueEnum;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table as Grid};

use crate::measure::Unit;
use crate::peers::Peer;
use crate::results::{Results, Row, Table};
use crate::workloads::Workload;

pub fn heading(results: &Results) -> String {
    let list = |entries: &BTreeMap<String, String>| {
        let words = entries.iter().map(|(key, value)| format!("{key} {value}"));
        words.collect::<Vec<_>>().join(", ")
    };
    format!(
        "{}; {}; {} rounds.\n\
         The column of qtloop has its own figure. The others have qtloop's / theirs: below 1, qtloop is faster.\n\
         Where a ratio would say nothing they have their own. All are medians of the rounds; ± is half of the range \
         between the quartiles.\n\n",
        list(&results.machine),
        list(&results.versions),
        results.rounds
    )
}

pub fn show(workload: Workload, table: &Table) -> String {
    let has = |peer: &Peer| {
        table.reasons.contains_key(peer)
            || table.rows.iter().any(|row| row.peers.contains_key(peer))
    };
    let peers: Vec<_> = Peer::value_variants().iter().copied().filter(has).collect();
    let heads = peers.iter().map(|peer| match peer {
        Peer::Qtloop => peer.to_string(),
        _ => format!("/ {peer}"),
    });
    let mut grid = grid([workload.to_string()].into_iter().chain(heads).collect());
    for row in &table.rows {
        let cells = peers.iter().map(|&peer| cell(peer, row, table));
        grid.add_row([row.name.clone()].into_iter().chain(cells));
    }
    let mut text = format!("{grid}\n");
    for (peer, reason) in &table.reasons {
        if workload.refuses(*peer).is_none() {
            let _ = writeln!(text, "- {peer}: {reason}");
        }
    }
    text
}

/// Aligns words to the left and figures to the right.
pub fn grid(heads: Vec<String>) -> Grid {
    let mut grid = Grid::new();
    grid.load_style(ASCII_MARKDOWN).set_header(heads);
    for column in grid.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    grid
}

fn cell(peer: Peer, row: &Row, table: &Table) -> String {
    let Some(summary) = row.peers.get(&peer) else {
        let reason = table.reasons.get(&peer);
        return match reason {
            Some(reason) if reason.len() < 10 => reason.clone(),
            Some(_) => "failed".to_owned(),
            None => "-".to_owned(),
        };
    };
    let own = quantity(summary.median, row.unit);
    match (row.unit, summary.ratio, summary.ratio_spread) {
        (Unit::Count, ..) => own,
        (Unit::Seconds, Some(ratio), Some(spread)) if peer != Peer::Qtloop => {
            format!("{ratio:.2} {}", percent(spread))
        }
        _ => format!("{own} {}", percent(summary.spread)),
    }
}

fn percent(share: f64) -> String {
    format!("±{:.0}%", share * 100.0)
}

/// Returns a figure with three digits and its unit.
pub fn quantity(value: f64, unit: Unit) -> String {
    let scales: &[(&str, f64)] = match unit {
        Unit::Seconds => &[("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)],
        Unit::BytesPerSecond => &[("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)],
        Unit::Ratio => return format!("{value:.2}"),
        Unit::Count => return format!("{value}"),
    };
    let last = scales[scales.len() - 1];
    let fits = |&(_, scale): &(&str, f64)| value >= scale;
    let (name, scale) = scales.iter().copied().find(fits).unwrap_or(last);
    let scaled = value / scale;
    let digits = match scaled {
        0.0 => 0,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{scaled:.digits$} {name}")
}
