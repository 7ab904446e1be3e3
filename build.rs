//! Finds Qt with qmake, compiles `cpp/` and the `cpp!` closures, and links QtCore only.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};

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

fn main() {
    for changes in ["build.rs", "cpp", "src"] {
        println!("cargo:rerun-if-changed={changes}");
    }
    for name in ["QMAKE", "DOCS_RS"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rustc-check-cfg=cfg(no_qt)");
    if std::env::var_os("DOCS_RS").is_some() {
        // docs.rs has no Qt: build the documentation only.
        println!("cargo:rustc-cfg=no_qt");
        return;
    }
    let named = std::env::var("QMAKE")
        .ok()
        .filter(|named| !named.is_empty());
    let qmakes = named
        .as_deref()
        .map_or(vec!["qmake6", "qmake"], |named| vec![named]);
    let Some(qt) = find(&qmakes) else {
        let tried = qmakes.join(" and ");
        eprintln!(
            "qtloop needs the development files of Qt 6.4 or newer. There is no such Qt behind {tried}.\n\
             Debian and Ubuntu: apt-get install qt6-base-dev. Fedora: dnf install qt6-qtbase-devel. \
             Arch: pacman -S qt6-base.\n\
             A Qt elsewhere: set QMAKE to its qmake6."
        );
        exit(1);
    };

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
    println!("cargo:rustc-link-lib=dylib=Qt6Core");
}
