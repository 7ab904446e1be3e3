//! The allowed dependencies between the modules: two leaves, one driver, two front ends. A new
//! dependency fails here, and must be documented in docs/internals/index.md.

use std::fs;
use std::path::{Path, PathBuf};

/// A module of the crate, the modules that it may name as `crate::…`, and the external crates that
/// it may name.
const TABLE: [(&str, &[&str], &[&str]); 15] = [
    ("panic", &[], &[]),
    ("qt", &["panic"], &["cpp", "rustix"]),
    ("reactor", &[], &["mio", "rustix", "loom", "proptest"]),
    ("driver", &["qt", "reactor"], &[]),
    (
        "task",
        &["driver", "panic", "qt", "reactor"],
        &[
            "blocking",
            "futures_util",
            "loom",
            "rustix",
            "tokio",
            "tracing",
        ],
    ),
    (
        "time",
        &["reactor", "task"],
        &["futures_core", "pin_project_lite"],
    ),
    (
        "io",
        &["reactor", "task"],
        &["futures_io", "rustix", "tokio"],
    ),
    (
        "hyper",
        &["task", "time"],
        &["futures_io", "hyper", "pin_project_lite"],
    ),
    (
        "net",
        &["io", "task", "time"],
        &["futures_core", "futures_io", "rustix"],
    ),
    ("run", &["driver", "qt", "task", "time"], &[]),
    (
        "signal",
        &["io", "qt", "task"],
        &["futures_core", "signal_hook"],
    ),
    (
        "process",
        &["io", "task"],
        &["futures_io", "futures_util", "rustix", "tokio"],
    ),
    ("testing", &["qt", "task"], &[]),
    ("python", &["driver", "qt", "reactor"], &["pyo3", "rustix"]),
    ("qml", &["qt", "task"], &["cpp", "qmetaobject"]),
];

const OUTSIDE: [&str; 17] = [
    "blocking",
    "cpp",
    "futures_core",
    "futures_io",
    "futures_util",
    "hyper",
    "libc",
    "loom",
    "mio",
    "pin_project_lite",
    "proptest",
    "pyo3",
    "qmetaobject",
    "rustix",
    "signal_hook",
    "tokio",
    "tracing",
];

/// Returns the `.rs` files of a module: `src/name.rs`, or all of `src/name/`.
fn files(module: &str) -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = source.join(format!("{module}.rs"));
    if file.exists() {
        return vec![file];
    }
    below(&source.join(module))
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let folder = fs::read_dir(folder).expect("a module is a file or a folder");
    folder
        .map(|entry| entry.expect("a readable folder").path())
        .flat_map(|path| {
            if path.is_dir() {
                below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Returns the names that follow `before` in a line of code, each up to the first character that is
/// not part of a name.
fn names<'a>(code: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    code.split(before).skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        &rest[..end.unwrap_or(rest.len())]
    })
}

fn arrows(module: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in files(module) {
        let text = fs::read_to_string(&file).expect("a source file");
        for code in text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
        {
            let place = file
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            for name in names(code, "crate::") {
                found.push((format!("crate::{name}"), place.clone()));
            }
            for name in OUTSIDE {
                if code.contains(&format!("{name}::")) {
                    found.push((name.to_owned(), place.clone()));
                }
            }
        }
    }
    found
}

#[test]
fn modules_use_only_what_the_table_allows() {
    for (module, inside, outside) in TABLE {
        for (target, place) in arrows(module) {
            let allowed = match target.strip_prefix("crate::") {
                Some(name) => name == module || inside.contains(&name),
                None => outside.contains(&target.as_str()),
            };
            assert!(allowed, "{module} ({place}) uses {target}");
        }
    }
}

#[test]
fn table_lists_every_module() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).expect("src") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let known = name == "lib" || TABLE.iter().any(|(module, ..)| *module == name);
        assert!(known, "src/{name} is not in the table");
    }
}
