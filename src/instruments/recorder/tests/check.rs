//! A checker of traces: spans nest, and arrows join spans.

use std::collections::BTreeMap;

use serde_json::Value;

use super::events;

/// A span: its begin and its end in nanoseconds.
type Span = (u64, u64);

/// Returns a number of microseconds as nanoseconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn nanos(value: &Value) -> u64 {
    let micros = value.as_f64().expect("a number");
    assert!(micros >= 0.0, "{value} is negative");
    (micros * 1000.0).round() as u64
}

fn track(event: &Value) -> u64 {
    event["tid"].as_u64().expect("a track")
}

/// Panics unless spans nest on each track, arrows join spans, and every track has a name.
pub(super) fn check(trace: &Value) {
    let mut tracks: BTreeMap<u64, Vec<Span>> = BTreeMap::new();
    for event in events(trace).iter().filter(|event| event["ph"] == "X") {
        let begin = nanos(&event["ts"]);
        let end = begin + nanos(&event["dur"]);
        tracks.entry(track(event)).or_default().push((begin, end));
    }
    for (track, spans) in &tracks {
        check_nesting(*track, spans);
        let has_name = |event: &Value| {
            event["name"] == "thread_name" && event["tid"] == *track && event["ts"] == 0
        };
        assert!(
            events(trace).iter().any(has_name),
            "track {track} has no name"
        );
    }
    check_arrows(trace, &tracks);
}

/// The spans of a track are in order, outer ones first.
fn check_nesting(track: u64, spans: &[Span]) {
    let mut open: Vec<Span> = Vec::new();
    let mut last = 0;
    for &(begin, end) in spans {
        assert!(begin >= last, "track {track}: {begin} comes after {last}");
        last = begin;
        while open
            .last()
            .is_some_and(|(_, outer_end)| *outer_end <= begin)
        {
            open.pop();
        }
        if let Some((_, outer_end)) = open.last() {
            assert!(
                end <= *outer_end,
                "track {track}: {begin} to {end} overlaps {outer_end}"
            );
        }
        open.push((begin, end));
    }
}

/// Each arrow begins inside of a span and ends at the begin of one.
fn check_arrows(trace: &Value, tracks: &BTreeMap<u64, Vec<Span>>) {
    let mut begins: BTreeMap<u64, u64> = BTreeMap::new();
    let mut ends = 0;
    for event in events(trace) {
        let id = event["id"].as_u64();
        let spans = || tracks.get(&track(event)).expect("a track with spans");
        match event["ph"].as_str().expect("a letter") {
            "s" => {
                let at = nanos(&event["ts"]);
                let is_inside = |span: &Span| (span.0..=span.1).contains(&at);
                assert!(spans().iter().any(is_inside), "{event} is not in a span");
                assert!(
                    begins.insert(id.expect("an id"), at).is_none(),
                    "{event} is double"
                );
            }
            "f" => {
                let at = nanos(&event["ts"]);
                assert!(
                    spans().iter().any(|span| span.0 == at),
                    "{event} begins no span"
                );
                assert!(
                    begins[&id.expect("an id")] <= at,
                    "{event} is before its begin"
                );
                ends += 1;
            }
            _ => {}
        }
    }
    assert_eq!(begins.len(), ends, "an arrow has no end");
}
