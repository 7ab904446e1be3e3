//! Asks each toolkit the same questions, and prints the answers as a Markdown table:
//! `tools/bench-rust probes`.
//!
//! Each answer comes from its own process. `read.json` has the answers for toolkits that are not
//! run, each with its source; they are printed in italics.

mod child;
mod glib;
mod qmetaobject;
mod qt;
mod qtloop;
mod questions;
mod read;
#[cfg(feature = "probes")]
mod slint;
mod toolkit;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::results;

pub use child::be_child;
pub use questions::Question;
use toolkit::Answer;

/// The options of `probes`.
#[derive(Args)]
pub struct Options {
    /// Print below the table why an answer is not yes, and its source
    #[arg(long)]
    verbose: bool,
    /// Ask only this question (repeatable)
    #[arg(long)]
    only: Vec<Question>,
    /// Save the answers in compare/rust/probes.json
    #[arg(long, conflicts_with = "only")]
    save: bool,
}

/// The toolkits, in the order of the table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    Qtloop,
    Glib,
    Slint,
    Qmetaobject,
    CxxQt,
    Winio,
}

/// The saved data: the answers of the toolkits that were run. `read.json` has the others.
#[derive(Serialize)]
struct Saved {
    versions: BTreeMap<String, String>,
    answers: BTreeMap<Question, BTreeMap<Name, Answer>>,
}

/// An answer, and its source if it was read.
struct Cell {
    answer: Answer,
    read: Option<String>,
}

impl Cell {
    fn reason(&self) -> Option<String> {
        let why = self.answer.why().map(str::to_owned);
        let read = self.read.as_ref().map(|source| format!("read in {source}"));
        let parts: Vec<_> = why.into_iter().chain(read).collect();
        (!parts.is_empty()).then(|| format!("{}: {}", self.answer, parts.join("; ")))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.answer, &self.read) {
            (Answer::Unknown, _) | (_, None) => self.answer.fmt(formatter),
            (_, Some(_)) => write!(formatter, "*{}*", self.answer),
        }
    }
}

pub fn run(options: &Options) {
    let names = Name::value_variants();
    let versions = versions();
    let list: Vec<_> = versions
        .iter()
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    println!("{}.\nIn italics: read, not run.\n", list.join(", "));
    let heads: Vec<_> = names.iter().map(Name::to_string).collect();
    println!(
        "|  | {} |\n|---|{}",
        heads.join(" | "),
        "---|".repeat(names.len())
    );
    let mut answers: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    // Several answers may have the same reason.
    let mut reasons: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for question in crate::all_or(options.only.clone()) {
        let mut row = Vec::new();
        for &name in names {
            let cell = cell(question, name);
            row.push(cell.to_string());
            if let Some(reason) = cell.reason() {
                let questions = reasons.entry((name, reason)).or_default();
                questions.push(question.to_string());
            }
            if cell.read.is_none() {
                let answers = answers.entry(question).or_default();
                answers.insert(name, cell.answer);
            }
        }
        println!("| {} | {} |", question.text(), row.join(" | "));
    }
    if options.verbose {
        println!();
        for ((name, reason), questions) in reasons {
            println!("- {name}: {}: {reason}", questions.join(", "));
        }
    }
    if options.save {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes.json");
        let text = serde_json::to_string_pretty(&Saved { versions, answers });
        let text = text.expect("it is plain") + "\n";
        fs::write(file, text).expect("compare/rust/probes.json can be written");
    }
}

fn cell(question: Question, name: Name) -> Cell {
    match read::answer(question, name) {
        Some((answer, source)) => Cell {
            answer,
            read: Some(source),
        },
        None => Cell {
            answer: child::ask(question, name),
            read: None,
        },
    }
}

/// Returns the versions of all libraries that affect the answers.
fn versions() -> BTreeMap<String, String> {
    let mut versions =
        results::versions(&["qtloop", "glib", "gio", "qmetaobject", "slint", "tokio"]);
    versions.insert("Qt".to_owned(), qt::version());
    versions.extend(read::versions());
    versions
}
