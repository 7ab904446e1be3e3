//! The saved results of a measurement.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::measure::Unit;
use crate::peers::Peer;
use crate::workloads::Workload;

#[derive(Serialize, Deserialize)]
pub struct Results {
    pub machine: BTreeMap<String, String>,
    pub versions: BTreeMap<String, String>,
    pub rounds: usize,
    pub workloads: BTreeMap<Workload, Table>,
}

#[derive(Serialize, Deserialize)]
pub struct Table {
    pub rows: Vec<Row>,
    /// The reason why a peer has no figures.
    pub reasons: BTreeMap<Peer, String>,
}

#[derive(Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub unit: Unit,
    pub peers: BTreeMap<Peer, Summary>,
}

/// The rounds of one peer. A spread is half of the range between the quartiles, as a share of the
/// median.
#[derive(Serialize, Deserialize)]
pub struct Summary {
    pub median: f64,
    pub spread: f64,
    /// qtloop's figure / this peer's: the median of the ratios of the rounds, not the ratio of the
    /// medians.
    pub ratio: Option<f64>,
    pub ratio_spread: Option<f64>,
}

impl Summary {
    pub fn new(values: Vec<f64>, ratios: Vec<f64>) -> Summary {
        let (median, spread) = middle(values).expect("a row has a figure");
        let (ratio, ratio_spread) = middle(ratios).unzip();
        Summary {
            median,
            spread,
            ratio,
            ratio_spread,
        }
    }
}

/// Returns the median and the spread.
fn middle(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let median = quantile(&values, 0.5)?;
    let range = quantile(&values, 0.75)? - quantile(&values, 0.25)?;
    let spread = if median == 0.0 {
        0.0
    } else {
        range / 2.0 / median
    };
    Some((median, spread))
}

/// Interpolates between two values.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * place.fract())
}

impl Results {
    pub fn new(rounds: usize) -> Results {
        Results {
            machine: machine(),
            versions: versions(&["qtloop", "smol", "tokio", "glib", "gio", "qmetaobject"]),
            rounds,
            workloads: BTreeMap::new(),
        }
    }

    pub fn row(&self, name: &str) -> Option<&Row> {
        let tables = self.workloads.values();
        tables
            .flat_map(|table| &table.rows)
            .find(|row| row.name == name)
    }

    /// Adds the measured workloads to the saved ones, and keeps the others.
    pub fn save(mut self, file: &Path) -> io::Result<()> {
        if let Ok(text) = fs::read(file) {
            let before: Results = serde_json::from_slice(&text)?;
            for (workload, table) in before.workloads {
                self.workloads.entry(workload).or_insert(table);
            }
        }
        fs::write(file, serde_json::to_string_pretty(&self)? + "\n")
    }
}

/// Returns the machine and the versions, without anything that identifies the owner.
fn machine() -> BTreeMap<String, String> {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or(std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let kernel = rustix::system::uname();
    // The load at the start: on a busy machine, figures that include a wait for another thread mean
    // little.
    let load = rustix::system::sysinfo().loads[0] as f64 / 65536.0;
    let entries = [
        ("load", format!("{load:.1}")),
        ("processor", model.to_owned()),
        ("cores", cores.to_string()),
        ("kernel", kernel.release().to_string_lossy().into_owned()),
    ];
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Returns the versions of the compared crates.
pub fn versions(names: &[&str]) -> BTreeMap<String, String> {
    let version = |name: &&str| {
        let (_, entry) = include_str!("../Cargo.lock").split_once(&format!("name = \"{name}\""))?;
        Some(entry.split('"').nth(1)?.to_owned())
    };
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), version(name)?)))
        .collect()
}
