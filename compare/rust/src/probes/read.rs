//! The answers that were found in published sources, from `read.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Name;
use super::questions::Question;
use super::toolkit::Answer;

#[derive(Deserialize)]
struct Toolkit {
    version: String,
    answers: BTreeMap<Question, Read>,
    /// The answer to all questions that are not in `answers`.
    others: Read,
}

#[derive(Clone, Deserialize)]
struct Read {
    answer: Answer,
    source: String,
}

static TOOLKITS: LazyLock<BTreeMap<Name, Toolkit>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("read.json")).expect("it is written as these types are")
});

/// Returns the answer and its source, if that toolkit is not run.
pub fn answer(question: Question, name: Name) -> Option<(Answer, String)> {
    let toolkit = TOOLKITS.get(&name)?;
    let read = toolkit.answers.get(&question).unwrap_or(&toolkit.others);
    let read = read.clone();
    Some((read.answer, read.source))
}

pub fn versions() -> impl Iterator<Item = (String, String)> {
    let toolkits = TOOLKITS.iter();
    toolkits.map(|(name, toolkit)| (name.to_string(), toolkit.version.clone()))
}
