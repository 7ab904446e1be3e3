//! Runs each peer in its own process, all peers in turn, and takes the median of the rounds.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::process::{Command, Stdio, exit};
use std::thread;
use std::time::Duration;

use crate::measure::{Figure, Unit};
use crate::peers::Peer;
use crate::results::{Row, Summary, Table};
use crate::workloads::Workload;

/// The time after which a peer counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// The figures of a row, by peer and round.
struct Measured {
    name: String,
    unit: Unit,
    values: BTreeMap<Peer, BTreeMap<usize, f64>>,
}

pub fn measure(workload: Workload, peers: &[Peer], rounds: usize) -> Table {
    let mut rows: Vec<Measured> = Vec::new();
    let mut reasons: BTreeMap<Peer, String> = BTreeMap::new();
    let mut order: Vec<Peer> = peers.to_vec();
    for round in 0..rounds {
        for &peer in &order {
            if let Some(reason) = workload.refuses(peer) {
                reasons.insert(peer, reason.to_owned());
            }
            if reasons.contains_key(&peer) {
                continue;
            }
            if stderr().is_terminal() {
                eprint!("\r\x1b[K{workload}, round {}: {peer}\r", round + 1);
            }
            match child(workload, peer) {
                Ok(figures) => figures
                    .into_iter()
                    .for_each(|figure| add(&mut rows, peer, round, figure)),
                Err(reason) => {
                    reasons.insert(peer, reason);
                }
            }
        }
        // All peers in turn: slow changes of the machine affect all alike.
        order.reverse();
    }
    Table {
        rows: rows.iter().map(summarise).collect(),
        reasons,
    }
}

fn add(rows: &mut Vec<Measured>, peer: Peer, round: usize, figure: Figure) {
    let index = rows
        .iter()
        .position(|row| row.name == figure.row)
        .unwrap_or_else(|| {
            rows.push(Measured {
                name: figure.row,
                unit: figure.unit,
                values: BTreeMap::new(),
            });
            rows.len() - 1
        });
    let values = rows[index].values.entry(peer).or_default();
    values.insert(round, figure.value);
}

fn summarise(row: &Measured) -> Row {
    let own = row.values.get(&Peer::Qtloop);
    let summary = |values: &BTreeMap<usize, f64>| {
        // Use the same round, so that other load affects both figures.
        let ratios = values
            .iter()
            .filter_map(|(round, value)| Some(own?.get(round)? / value));
        Summary::new(
            values.values().copied().collect(),
            ratios.filter(|ratio| ratio.is_finite()).collect(),
        )
    };
    Row {
        name: row.name.clone(),
        unit: row.unit,
        peers: row
            .values
            .iter()
            .map(|(&peer, values)| (peer, summary(values)))
            .collect(),
    }
}

/// Returns the figures of a child process, or the reason why there are none.
fn child(workload: Workload, peer: Peer) -> Result<Vec<Figure>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["child", &workload.to_string(), &peer.to_string()])
        .env("QT_QPA_PLATFORM", "offscreen")
        .env_remove("QT_NO_GLIB")
        .env_remove("QTLOOP_TIMER")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    } else {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().last().unwrap_or("no output");
        Err(format!("{}: {last}", output.status))
    }
}

/// Measures; runs in the child process.
pub fn be_child(workload: Workload, peer: Peer) {
    thread::spawn(|| {
        thread::sleep(LIMIT);
        eprintln!("hangs: no answer in {LIMIT:?}");
        exit(1);
    });
    let figures = workload.measure(peer);
    println!("{}", serde_json::json!(figures));
}
