//! Finds Qt with qmake and compiles `cpp/`. The Rust API gets it with the `cpp!` closures, the Python
//! API as the module `_qt6`. Both link QtCore only.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The implementation of `cpp/table.h`.
const TABLE: [&str; 4] = [
    "cpp/activity.cpp",
    "cpp/app.cpp",
    "cpp/host.cpp",
    "cpp/table.cpp",
];

/// The Python module with the table, which `pyproject.toml` names, too.
const MODULE: &str = "_qt6.abi3.so";

/// The properties of `qmake -query` that the build needs.
struct Qt {
    headers: PathBuf,
    libs: PathBuf,
    version: String,
}

fn query(qmake: &str, property: &str) -> Option<String> {
    let output = Command::new(qmake)
        .args(["-query", property])
        .output()
        .ok()?;
    let value = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !value.is_empty() && !value.contains("Unknown")).then_some(value)
}

/// Returns the Qt of the first of these qmakes that belongs to Qt 6.4 or newer.
fn find(qmakes: &[&str]) -> Option<Qt> {
    let qmakes = qmakes.iter().filter_map(|qmake| {
        Some(Qt {
            headers: query(qmake, "QT_INSTALL_HEADERS")?.into(),
            libs: query(qmake, "QT_INSTALL_LIBS")?.into(),
            version: query(qmake, "QT_VERSION")?,
        })
    });
    qmakes
        .filter(Qt::is_supported)
        .find(|qt| qt.headers.join("QtCore").is_dir())
}

/// Returns the Qt to build against. An error says why there is none, and what to do.
fn choose() -> Result<Qt, String> {
    let named = env::var("QMAKE").ok().filter(|named| !named.is_empty());
    let qmakes = named
        .as_deref()
        .map_or(vec!["qmake6", "qmake"], |named| vec![named]);
    find(&qmakes).ok_or_else(|| {
        let tried = qmakes.join(" and ");
        format!(
            "qtloop needs the development files of Qt 6.4 or newer. There is no such Qt behind {tried}.\n\
             Debian and Ubuntu: apt-get install qt6-base-dev. Fedora: dnf install qt6-qtbase-devel. \
             Arch: pacman -S qt6-base.\n\
             A Qt elsewhere: set QMAKE to its qmake6."
        )
    })
}

impl Qt {
    fn is_supported(&self) -> bool {
        let mut numbers = self.version.split('.').map(str::parse::<u32>);
        let (major, minor) = (numbers.next(), numbers.next());
        major == Some(Ok(6)) && matches!(minor, Some(Ok(minor)) if minor >= 4)
    }
}

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
    println!("cargo:rustc-link-lib=dylib=Qt6Core");
}

/// Builds the Python module with the table in OUT_DIR, from where maturin copies it. Without Qt there
/// is no such module afterwards.
fn make_module(qt: Option<&Qt>) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let module = out.join(MODULE);
    let Some(qt) = qt else {
        println!(
            "cargo:warning=no Qt found: qtloop is built without {MODULE}, and cannot be imported"
        );
        let _ = fs::remove_file(&module);
        // It does not exist, so the next build searches for Qt again.
        println!("cargo:rerun-if-changed={}", module.display());
        return;
    };
    let mut build = cc::Build::new();
    flags(&mut build, &qt.headers)
        .files(TABLE)
        .file("cpp/python_module.cpp")
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
        .args(["-lQt6Core", "-o"])
        .arg(module);
    let status = linker.status();
    if !status.as_ref().is_ok_and(|status| status.success()) {
        eprintln!("cannot link {MODULE} by {linker:?}: {status:?}");
        exit(1);
    }
}

fn main() {
    for changes in ["build.rs", "cpp", "src"] {
        println!("cargo:rerun-if-changed={changes}");
    }
    for name in ["QMAKE", "DOCS_RS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rustc-check-cfg=cfg(no_qt, qt_linked)");
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
    let qt = choose();
    if has("PYTHON") {
        make_module(qt.as_ref().ok());
    }
    if is_linked {
        link(&qt.unwrap_or_else(|error| {
            eprintln!("{error}");
            exit(1);
        }));
    }
}
