//! Measures the Rust API of qtloop beside other loops, and prints tables of ratios: `make
//! bench-rust`.

mod measure;
mod peers;
mod probes;
mod results;
mod rounds;
mod table;
mod targets;
mod workloads;

use std::fmt;
use std::path::Path;

use clap::{Parser, Subcommand, ValueEnum};

use peers::Peer;
use probes::{Name, Question};
use results::Results;
use workloads::Workload;

/// Measure the Rust API of qtloop beside other loops, and print tables of ratios.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Measure only this workload (repeatable)
    #[arg(long)]
    only: Vec<Workload>,
    /// Measure only these peers
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// How often each is measured [default: 5; 2 with QUICK=1 in the environment, which is rough]
    #[arg(long)]
    rounds: Option<usize>,
    /// Save the measured workloads in compare/rust/results.json, and keep the others there
    #[arg(long)]
    save: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Measure one peer in this process, and print its figures
    #[command(hide = true)]
    Child { workload: Workload, peer: Peer },
    /// Ask all toolkits the same questions: the table of the README
    Probes(probes::Options),
    /// Ask one toolkit in this process, and print its answer
    #[command(hide = true)]
    Probe { question: Question, name: Name },
}

/// Displays a value by its name on the command line.
macro_rules! shown_by_name {
    ($($Value:ty),*) => {
        $(impl fmt::Display for $Value {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let value = self.to_possible_value().expect("no variant is skipped");
                formatter.write_str(value.get_name())
            }
        })*
    };
}

shown_by_name!(Workload, Peer, Question, Name);

fn main() {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Child { workload, peer }) => return rounds::be_child(workload, peer),
        Some(Command::Probes(options)) => return probes::run(&options),
        Some(Command::Probe { question, name }) => return probes::be_child(question, name),
        None => {}
    }
    if arguments.save && (measure::is_quick() || !arguments.peers.is_empty()) {
        eprintln!("--save is for whole workloads, measured with care.");
        std::process::exit(2);
    }
    let quick = if measure::is_quick() { 2 } else { 5 };
    let mut results = Results::new(arguments.rounds.unwrap_or(quick).max(1));
    print!("{}", table::heading(&results));
    for workload in all_or(arguments.only) {
        let measured = rounds::measure(workload, &all_or(arguments.peers.clone()), results.rounds);
        println!("{}", table::show(workload, &measured));
        results.workloads.insert(workload, measured);
    }
    println!("{}", targets::show(&results));
    if arguments.save {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.json");
        results
            .save(&file)
            .expect("compare/rust/results.json can be written");
    }
}

fn all_or<T: ValueEnum + Clone>(named: Vec<T>) -> Vec<T> {
    if named.is_empty() {
        T::value_variants().to_vec()
    } else {
        named
    }
}
