//! QML engines that are made or dropped inside of Qt's event loop, each in a child process.

use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use libtest_mimic::Trial;
use qmetaobject::prelude::*;
use qtloop::{Loop, spawn_local, task};

use crate::access::CHILD;
use crate::trials;

pub(crate) fn tests() -> Vec<Trial> {
    trials![
        engine_dropped_inside_of_exec_ends_the_process_with_the_cure,
        engine_owned_by_main_ends_the_process_with_the_cure,
        engine_made_inside_of_run_panics_with_the_cure,
        engine_made_and_dropped_inside_of_run_panics_with_the_cure,
        engine_made_inside_of_block_on_panics_with_the_cure,
    ]
}

/// The program of a child process.
pub(crate) fn child(name: &str) {
    match name {
        "engine dropped" => {
            let engine = QmlEngine::new();
            let event_loop = Loop::attach().expect("a loop");
            spawn_local(async move {
                task::yield_now().await;
                drop(engine);
            });
            event_loop.exec();
        }
        "engine owned" => {
            let engine = QmlEngine::new();
            let event_loop = Loop::attach().expect("a loop");
            let _ = event_loop.run(async move {
                let _engine = engine;
                task::yield_now().await;
            });
        }
        "engine made" => {
            qtloop::run(async {
                let _engine = QmlEngine::new();
                pending::<()>().await;
            });
        }
        "engine made and dropped" => {
            qtloop::run(async {
                drop(QmlEngine::new());
                pending::<()>().await;
            });
        }
        "engine made in block_on" => {
            let event_loop = Loop::with_app(std::env::args_os()).expect("a loop");
            event_loop.block_on(async {
                task::yield_now().await;
                let _engine = QmlEngine::new();
                pending::<()>().await;
            });
        }
        _ => panic!("no child {name}"),
    }
    std::process::exit(3); // it went on
}

/// Runs a child. Returns its exit code, the number of the signal that ended it, and its standard
/// error.
fn run(name: &str) -> (Option<i32>, Option<i32>, String) {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).env(CHILD, name).output();
    let output = output.expect("a process");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), output.status.signal(), errors)
}

fn aborts(name: &str) {
    let (_, signal, errors) = run(name);
    assert!(errors.contains("Keep it in `main` until"), "{errors}");
    assert_eq!(signal, Some(6), "{errors}"); // SIGABRT
}

fn panics(name: &str) {
    let (code, signal, errors) = run(name);
    assert!(errors.contains("a second Qt application"), "{errors}");
    assert_eq!((code, signal), (Some(101), None), "{errors}");
}

fn engine_dropped_inside_of_exec_ends_the_process_with_the_cure() {
    aborts("engine dropped");
}

fn engine_owned_by_main_ends_the_process_with_the_cure() {
    aborts("engine owned");
}

fn engine_made_inside_of_run_panics_with_the_cure() {
    panics("engine made");
}

fn engine_made_and_dropped_inside_of_run_panics_with_the_cure() {
    panics("engine made and dropped");
}

fn engine_made_inside_of_block_on_panics_with_the_cure() {
    panics("engine made in block_on");
}
