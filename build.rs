//! Finds Qt with qmake and compiles `cpp/`. The Rust API gets it with the `cpp!` closures, the Python
//! API as one module for each major version of Qt. They link QtCore only.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;

#[path = "build/qt.rs"]
mod qt;

use qt::{MAJORS, Qt, Request};

/// The implementation of `cpp/table.h`.
const TABLE: [&str; 4] = [
    "cpp/activity.cpp",
    "cpp/app.cpp",
    "cpp/host.cpp",
    "cpp/table.cpp",
];

fn flags<'a>(build: &'a mut cc::Build, headers: &Path) -> &'a mut cc::Build {
    build
        .cpp(true)
        .std("c++17")
        .include(headers)
        .include(headers.join("QtCore"))
        .flag_if_supported("-fPIC")
        .define("QT_NO_KEYWORDS", None)
        .define("QT_DISABLE_DEPRECATED_BEFORE", "0x060400")
}

/// Compiles the table, the connections and the `cpp!` closures, and links them and QtCore.
fn link(qt: &Qt) {
    if qt.major == 5 {
        println!("cargo:rustc-cfg=qt5");
    }
    flags(&mut cc::Build::new(), &qt.headers)
        .files(TABLE)
        .file("cpp/signal.cpp")
        .warnings(true)
        .extra_warnings(true)
        .compile("qtloop_cpp");

    let mut closures = cpp_build::Config::new();
    closures
        .include(&qt.headers)
        .include(qt.headers.join("QtCore"))
        .include("cpp")
        .flag("-std=c++17")
        .flag_if_supported("-fPIC");
    closures.build("src/lib.rs");

    println!("cargo:rustc-link-search=native={}", qt.libs.display());
    println!("cargo:rustc-link-lib=dylib=Qt{}Core", qt.major);
}

/// Builds the Python modules with the table in OUT_DIR, from where maturin copies those that
/// `pyproject.toml` names. Without a Qt there is no module for it afterwards.
fn make_modules(found: &[Qt]) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for major in MAJORS {
        let module = out.join(format!("_qt{major}.abi3.so"));
        if let Some(qt) = found.iter().find(|qt| qt.major == major) {
            make_module(qt, &out, &module);
            continue;
        }
        let _ = fs::remove_file(&module);
        if found.is_empty() {
            // It does not exist, so the next build searches for Qt again.
            println!("cargo:rerun-if-changed={}", module.display());
        }
    }
    if found.is_empty() {
        println!(
            "cargo:warning=no Qt found: this qtloop has no Qt functions, and cannot be imported"
        );
    }
}

fn make_module(qt: &Qt, out: &Path, module: &Path) {
    let mut build = cc::Build::new();
    flags(&mut build, &qt.headers)
        .files(TABLE)
        .file("cpp/python_module.cpp")
        .out_dir(out.join(format!("qt{}", qt.major)))
        .flag("-fvisibility=hidden")
        .warnings(true)
        .extra_warnings(true);
    let objects = build.compile_intermediates();
    let mut linker = build.get_compiler().to_command();
    linker
        .arg("-shared")
        .args(objects)
        .arg("-L")
        .arg(&qt.libs)
        .arg(format!("-lQt{}Core", qt.major))
        .arg("-o")
        .arg(module);
    let status = linker.status();
    if !status.as_ref().is_ok_and(|status| status.success()) {
        eprintln!("cannot link {} by {linker:?}: {status:?}", module.display());
        exit(1);
    }
}

fn main() {
    for changes in ["build.rs", "build", "cpp", "src"] {
        println!("cargo:rerun-if-changed={changes}");
    }
    for name in ["QMAKE", "QTLOOP_QT", "DOCS_RS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rustc-check-cfg=cfg(no_qt, qt_linked, qt5)");
    let has = |feature| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    let is_linked = has("TASKS") || !has("PYTHON");
    if is_linked {
        println!("cargo:rustc-cfg=qt_linked");
    }
    if env::var_os("DOCS_RS").is_some() {
        // docs.rs has no Qt: build the documentation only.
        println!("cargo:rustc-cfg=no_qt");
        return;
    }
    let request = Request::from_env();
    if has("PYTHON") {
        make_modules(&request.choose_all());
    }
    if is_linked {
        link(&request.choose().unwrap_or_else(|error| {
            eprintln!("{error}");
            exit(1);
        }));
    }
}
