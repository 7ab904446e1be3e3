//! Finds Qt with qmake, compiles `cpp/` and the `cpp!` closures, and links QtCore only.

use std::path::Path;
use std::process::exit;

#[path = "build/qt.rs"]
mod qt;

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

fn main() {
    for changes in ["build.rs", "build", "cpp", "src"] {
        println!("cargo:rerun-if-changed={changes}");
    }
    for name in ["QMAKE", "QTLOOP_QT", "DOCS_RS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rustc-check-cfg=cfg(no_qt, qt5)");
    if std::env::var_os("DOCS_RS").is_some() {
        // docs.rs has no Qt: build the documentation only.
        println!("cargo:rustc-cfg=no_qt");
        return;
    }
    let qt = qt::Request::from_env().choose().unwrap_or_else(|error| {
        eprintln!("{error}");
        exit(1);
    });
    if qt.major == 5 {
        println!("cargo:rustc-cfg=qt5");
    }

    flags(&mut cc::Build::new(), &qt.headers)
        .files(["cpp/activity.cpp", "cpp/host.cpp", "cpp/signal.cpp"])
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
