//! The allowed dependencies between the modules of the crate, and between those of the Python
//! package. A new dependency fails here, and must be documented in docs/internals/index.md.

use std::fs;
use std::path::{Path, PathBuf};

/// A module of the crate, the modules that it may name as `crate::…`, and the external crates that
/// it may name.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("panic", &[], &[]),
    ("qt", &["panic"], &["cpp", "rustix"]),
    (
        "reactor",
        &[],
        &["mio", "rustc_hash", "rustix", "loom", "proptest"],
    ),
    ("driver", &["qt", "reactor"], &[]),
    (
        "instruments",
        &["qt", "reactor"],
        &[
            "flate2",
            "hdrhistogram",
            "loom",
            "proptest",
            "quanta",
            "rustc_hash",
            "serde_json",
        ],
    ),
    (
        "task",
        &["driver", "instruments", "panic", "qt", "reactor"],
        &[
            "blocking",
            "futures_util",
            "loom",
            "rustc_hash",
            "rustix",
            "tokio",
            "tracing",
        ],
    ),
    ("record", &["instruments", "task"], &[]),
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
    (
        "python",
        &["driver", "instruments", "qt", "reactor"],
        &["libc", "pyo3", "rustc_hash", "rustix"],
    ),
    ("qml", &["qt", "task"], &["cpp", "qmetaobject"]),
];

/// A module of the Python package, and the modules of the package that it may import. A module may
/// import only modules above it, so no imports form a circle, not even inside of functions.
const PYTHON_TABLE: &[(&str, &[&str])] = &[
    ("_native", &[]),
    ("_qt6", &[]),
    ("_qt5", &[]),
    ("_binding", &["_native", "_qt6", "_qt5"]),
    ("_asyncio_private", &[]),
    ("_async_wrap", &[]),
    ("_method_slot", &[]),
    ("_signal_arguments", &["_binding"]),
    ("_when_busy", &[]),
    ("_coroutines", &["_asyncio_private"]),
    ("_executor", &["_binding"]),
    ("_qasync_names", &["_binding", "_asyncio_private"]),
    ("_qt_slot", &["_binding"]),
    ("_selector", &["_native"]),
    ("_tls", &["_asyncio_private"]),
    ("_priority", &[]),
    ("_base", &["_native", "_asyncio_private"]),
    ("_environment", &["_base"]),
    ("_eager_task", &["_asyncio_private", "_base"]),
    ("_registry", &["_asyncio_private", "_base"]),
    ("_excepthook", &["_native", "_base", "_registry"]),
    ("_stack_dump", &["_native"]),
    ("_library_folders", &[]),
    ("_await_chain", &["_asyncio_private"]),
    (
        "_watchdog",
        &[
            "_native",
            "_base",
            "_registry",
            "_stack_dump",
            "_await_chain",
            "_library_folders",
        ],
    ),
    (
        "_shutdown",
        &["_native", "_asyncio_private", "_base", "_registry"],
    ),
    (
        "_attachment",
        &["_native", "_base", "_registry", "_excepthook", "_shutdown"],
    ),
    ("_wakeup_fd", &["_base"]),
    (
        "_thread_state",
        &[
            "_native",
            "_binding",
            "_asyncio_private",
            "_base",
            "_attachment",
            "_wakeup_fd",
        ],
    ),
    (
        "_qt_run",
        &[
            "_native",
            "_binding",
            "_shutdown",
            "_attachment",
            "_thread_state",
        ],
    ),
    (
        "_quit",
        &["_native", "_asyncio_private", "_async_wrap", "_qt_run"],
    ),
    ("_last_window", &["_native", "_binding", "_quit"]),
    (
        "_running",
        &[
            "_native",
            "_binding",
            "_asyncio_private",
            "_quit",
            "_last_window",
        ],
    ),
    ("_sockets", &["_asyncio_private", "_base"]),
    (
        "_slow_callbacks",
        &["_asyncio_private", "_base", "_library_folders"],
    ),
    ("_default_executor", &["_executor", "_base"]),
    ("_wall_clock", &["_native", "_asyncio_private", "_base"]),
    ("_monitors", &["_native", "_wall_clock"]),
    ("_stats", &["_native", "_monitors"]),
    ("_instruments", &["_native", "_base"]),
    ("_recording", &["_native", "_base"]),
    (
        "_transport_base",
        &["_native", "_asyncio_private", "_tls", "_base"],
    ),
    (
        "_transports",
        &["_native", "_asyncio_private", "_base", "_transport_base"],
    ),
    (
        "_pipes",
        &["_native", "_asyncio_private", "_base", "_transport_base"],
    ),
    (
        "_connections",
        &["_asyncio_private", "_tls", "_base", "_transports", "_pipes"],
    ),
    (
        "_virtual_time",
        &["_native", "_connections", "_default_executor"],
    ),
    (
        "_loop",
        &[
            "_native",
            "_binding",
            "_asyncio_private",
            "_qasync_names",
            "_selector",
            "_environment",
            "_registry",
            "_attachment",
            "_wakeup_fd",
            "_running",
            "_sockets",
            "_slow_callbacks",
            "_stats",
            "_instruments",
            "_recording",
            "_virtual_time",
            "_watchdog",
        ],
    ),
    ("_thread_loop", &["_asyncio_private", "_base", "_registry"]),
    ("_background_tasks", &["_native", "_base"]),
    ("_paced_result", &["_background_tasks"]),
    (
        "_paced_state",
        &[
            "_binding",
            "_signal_arguments",
            "_eager_task",
            "_base",
            "_thread_loop",
            "_background_tasks",
            "_paced_result",
        ],
    ),
    ("_pace", &["_coroutines", "_qt_slot", "_paced_state"]),
    (
        "_signal_connection",
        &["_binding", "_signal_arguments", "_thread_loop"],
    ),
    ("_signals", &["_thread_loop", "_signal_connection"]),
    ("_dialog", &["_binding", "_signals"]),
    ("_scope", &["_binding", "_signal_connection"]),
    (
        "_spawn",
        &["_coroutines", "_thread_loop", "_background_tasks", "_scope"],
    ),
    (
        "_qml",
        &[
            "_binding",
            "_coroutines",
            "_qt_slot",
            "_background_tasks",
            "_spawn",
        ],
    ),
    (
        "_async_slot",
        &[
            "_native",
            "_signal_arguments",
            "_when_busy",
            "_coroutines",
            "_eager_task",
            "_qt_slot",
            "_thread_loop",
            "_background_tasks",
            "_scope",
        ],
    ),
    (
        "_async_close",
        &["_native", "_coroutines", "_loop", "_thread_loop"],
    ),
    ("_block_on", &["_coroutines", "_loop", "_thread_loop"]),
    (
        "_run",
        &["_native", "_asyncio_private", "_coroutines", "_loop"],
    ),
    ("_policy", &["_loop"]),
    (
        "inspector",
        &[
            "_native",
            "_binding",
            "_asyncio_private",
            "_recording",
            "_loop",
        ],
    ),
    (
        "__init__",
        &[
            "_native",
            "_binding",
            "_async_wrap",
            "_executor",
            "_qasync_names",
            "_wall_clock",
            "_watchdog",
            "_loop",
            "_signal_connection",
            "_signals",
            "_dialog",
            "_spawn",
            "_qml",
            "_async_slot",
            "_pace",
            "_priority",
            "_stats",
            "_recording",
            "_async_close",
            "_block_on",
            "_run",
            "_policy",
            "inspector",
        ],
    ),
    ("QtAsyncio", &["_loop", "_policy", "__init__"]),
    (
        "qtinter",
        &[
            "_binding",
            "_async_wrap",
            "_method_slot",
            "_signal_arguments",
            "_coroutines",
            "_eager_task",
            "_loop",
            "_thread_loop",
            "_background_tasks",
            "_signals",
            "_policy",
        ],
    ),
    ("_program", &[]),
    (
        "_command",
        &["_native", "_environment", "_loop", "_program", "inspector"],
    ),
    ("__main__", &["_command"]),
];

const OUTSIDE: &[&str] = &[
    "blocking",
    "cpp",
    "flate2",
    "futures_core",
    "futures_io",
    "futures_util",
    "hdrhistogram",
    "hyper",
    "libc",
    "loom",
    "mio",
    "pin_project_lite",
    "proptest",
    "pyo3",
    "qmetaobject",
    "quanta",
    "rustc_hash",
    "rustix",
    "serde_json",
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
                    found.push(((*name).to_owned(), place.clone()));
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
                Some(name) => name == *module || inside.contains(&name),
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

/// Returns the modules of the package that a Python file imports. `depth` is 1 for a file in a
/// package inside of the package, whose own modules have one dot less in front.
fn python_imports(text: &str, depth: usize) -> Vec<String> {
    let code: String = text.split("\"\"\"").step_by(2).collect();
    let lines = code
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim_end());
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("from ") {
        let before = code[..at].rsplit('\n').next().unwrap_or_default();
        if !before.trim().is_empty() {
            continue;
        }
        let (module, rest) = code[at + 5..]
            .split_once(" import ")
            .expect("`import` follows `from`");
        let path = module.trim_start_matches('.');
        let path = match module.len() - path.len() {
            0 if path == "qtloop" => "",
            0 => match path.strip_prefix("qtloop.") {
                Some(path) => path,
                None => continue,
            },
            dots if dots == depth + 1 => path,
            _ => continue,
        };
        if !path.is_empty() {
            found.push(path.split('.').next().unwrap_or_default().to_owned());
            continue;
        }
        let names = match rest.strip_prefix('(') {
            Some(rest) => rest.split(')').next(),
            None => rest.lines().next(),
        };
        for name in names.unwrap_or_default().split(',') {
            let name = name.split(" as ").next().unwrap_or_default().trim();
            let is_module = PYTHON_TABLE.iter().any(|(module, _)| *module == name);
            match name {
                "" => {}
                _ if is_module => found.push(name.to_owned()),
                _ => found.push("__init__".to_owned()),
            }
        }
    }
    found
}

/// Returns the files of the Python package: the module's name, the depth of the file, its path.
fn python_files() -> Vec<(String, usize, PathBuf)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/qtloop");
    let is_python = |path: &PathBuf| path.extension().is_some_and(|end| end == "py");
    let files = below(&package).into_iter().filter(is_python);
    files
        .map(|path| {
            let inside = path.strip_prefix(&package).expect("a file of the package");
            let name = inside.iter().next().expect("a name").to_string_lossy();
            let module = name.trim_end_matches(".py").to_owned();
            (module, inside.iter().count() - 1, path)
        })
        .collect()
}

#[test]
fn python_modules_import_only_what_the_table_allows() {
    for (module, depth, path) in python_files() {
        let text = fs::read_to_string(&path).expect("a source file");
        let row = PYTHON_TABLE.iter().find(|(name, _)| *name == module);
        let allowed = row.map_or(&[][..], |(_, allowed)| allowed);
        for target in python_imports(&text, depth) {
            let place = path.display();
            assert!(
                allowed.contains(&target.as_str()),
                "{place} imports {target}"
            );
        }
    }
}

#[test]
fn python_table_lists_every_module() {
    for (module, ..) in python_files() {
        let known = PYTHON_TABLE.iter().any(|(name, _)| *name == module);
        assert!(known, "python/qtloop/{module} is not in the table");
    }
}

#[test]
fn python_table_allows_only_imports_of_modules_above() {
    for (index, (module, allowed)) in PYTHON_TABLE.iter().enumerate() {
        for target in *allowed {
            let is_above = PYTHON_TABLE[..index].iter().any(|(name, _)| name == target);
            assert!(is_above, "{target} is not above {module}");
        }
    }
}

#[test]
fn python_imports_are_found_in_every_form() {
    let text = "\"\"\"from .no import x\"\"\"\nfrom . import _a, _native as n\nfrom ._b import (\n    x,\n)\n\
        if TYPE_CHECKING:\n    from ._c import y  # why\nfrom .. import _d\nfrom qtloop import _base\n\
        from qtloop._e import z\nfrom asyncio import tasks\nfrom . import (\n    _loop,\n    _run,\n)\n";
    let names = [
        "__init__", "_native", "_b", "_c", "_base", "_e", "_loop", "_run",
    ];
    assert_eq!(python_imports(text, 0), names);
    assert_eq!(python_imports(text, 1), ["__init__", "_base", "_e"]);
}
