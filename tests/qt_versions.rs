//! The choice of Qt in the build script, among scripts that answer as the qmake of some version.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use qt::{MAJORS, Request};

#[path = "../build/qt.rs"]
#[expect(dead_code, reason = "the build script alone reads the environment")]
mod qt;

/// Directories with one or more qmakes each. All are made before the first of them runs: a file
/// cannot run while it is open for writing, in another thread's child either.
static SYSTEMS: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path();
    fs::create_dir_all(path.join("headers/QtCore")).expect("a directory");
    let headers = path.join("headers");
    for (system, qmake, version) in [
        ("both", "qmake6", "6.4.2"),
        ("both", "qmake", "5.15.8"),
        ("five", "qmake", "5.15.8"),
        ("fedora", "qmake-qt5", "5.15.2"),
        ("old", "qmake", "5.12.8"),
        ("old_six", "qmake6", "6.2.4"),
        ("old_six", "qmake", "5.15.3"),
    ] {
        script(&path.join(system), qmake, version, &headers);
    }
    script(&path.join("bare"), "qmake6", "6.4.2", &path.join("none"));
    root
});

fn script(folder: &Path, name: &str, version: &str, headers: &Path) {
    fs::create_dir_all(folder).expect("a directory");
    let text = format!(
        "#!/bin/sh\ncase $2 in\nQT_VERSION) echo {version} ;;\nQT_INSTALL_HEADERS) echo {} ;;\n*) echo /libs ;;\nesac\n",
        headers.display()
    );
    let file = folder.join(name);
    fs::write(&file, text).expect("a file");
    fs::set_permissions(file, Permissions::from_mode(0o755)).expect("the mode is set");
}

fn folder(system: &str) -> PathBuf {
    SYSTEMS.path().join(system)
}

/// The request of a build with this directory as `PATH`, and without variables or features.
fn on(system: &str) -> Request {
    Request {
        path: folder(system).into(),
        ..Request::default()
    }
}

/// Returns the version that is chosen, or the error.
fn version(request: &Request) -> Result<String, String> {
    request.choose().map(|qt| qt.version)
}

#[test]
fn newest_supported_qt_is_chosen() {
    assert_eq!(version(&on("both")).expect("Qt 6"), "6.4.2");
    assert_eq!(version(&on("five")).expect("Qt 5"), "5.15.8");
    assert_eq!(version(&on("fedora")).expect("Qt 5"), "5.15.2");
    assert_eq!(version(&on("old_six")).expect("Qt 5"), "5.15.3");
    let qt = on("five").choose().expect("Qt 5");
    assert_eq!((qt.major, qt.libs.as_path()), (5, Path::new("/libs")));
    assert_eq!(qt.headers, folder("headers"));
}

#[test]
fn variable_chooses_the_major_version() {
    for (major, chosen) in [("5", "5.15.8"), ("6", "6.4.2")] {
        let request = Request {
            major: Some(major.to_owned()),
            ..on("both")
        };
        assert_eq!(version(&request).expect("both are there"), chosen);
    }
    let six = Request {
        major: Some("6".to_owned()),
        ..on("five")
    };
    let error = version(&six).expect_err("Qt 5 only");
    assert!(error.contains("qmake is of Qt 5.15.8"), "{error}");
    assert!(error.contains("apt-get install qt6-base-dev"), "{error}");
    assert!(!error.contains("qtbase5-dev"), "{error}");
}

#[test]
fn other_value_of_the_variable_is_an_error() {
    for major in ["4", "qt5", "5.15"] {
        let request = Request {
            major: Some(major.to_owned()),
            ..on("both")
        };
        let error = version(&request).expect_err("no such version");
        assert!(
            error.contains(&format!("QTLOOP_QT is {major:?}")),
            "{error}"
        );
        assert!(error.contains("Set it to 6 or to 5"), "{error}");
    }
}

#[test]
fn named_qmake_is_the_only_one() {
    let named = |system: &str, qmake: &str, major: Option<&str>| Request {
        major: major.map(str::to_owned),
        qmake: Some(folder(system).join(qmake).display().to_string()),
        ..on("both")
    };
    let five = named("fedora", "qmake-qt5", None);
    assert_eq!(version(&five).expect("Qt 5"), "5.15.2");
    let five = named("fedora", "qmake-qt5", Some("5"));
    assert_eq!(version(&five).expect("Qt 5"), "5.15.2");
    let not_six = named("fedora", "qmake-qt5", Some("6"));
    let error = version(&not_six).expect_err("it is of Qt 5");
    assert!(error.contains("qmake-qt5 is of Qt 5.15.2"), "{error}");
    let missing = named("fedora", "qmake6", None);
    let error = version(&missing).expect_err("no such file");
    assert!(error.contains("qmake6 is not there, or fails"), "{error}");
}

#[test]
fn old_qt_and_qt_without_headers_are_errors_that_name_the_packages() {
    let error = version(&on("old")).expect_err("too old");
    let needed = "needs the development files of Qt 6.4 or newer, or of Qt 5.15.";
    assert!(error.contains(needed), "{error}");
    assert!(error.contains("qmake is of Qt 5.12.8"), "{error}");
    assert!(error.contains("apt-get install qtbase5-dev"), "{error}");
    let error = version(&on("bare")).expect_err("no headers");
    assert!(error.contains("Qt 6.4.2, without headers in "), "{error}");
}

#[test]
fn python_modules_are_made_for_each_qt_that_is_there() {
    let majors = |system, major: Option<&str>| -> Vec<u32> {
        let request = Request {
            major: major.map(str::to_owned),
            ..on(system)
        };
        let found = request.choose_all().into_iter();
        found.map(|qt| qt.major).collect()
    };
    assert_eq!(majors("both", None), MAJORS);
    assert_eq!(majors("five", None), [5]);
    assert_eq!(majors("both", Some("5")), [5]);
    assert_eq!(majors("old", None), []);
}

#[test]
fn qml_needs_a_qmake_that_qmetaobject_finds_too() {
    let qml = Request {
        has_qml: true,
        major: Some("5".to_owned()),
        ..on("both")
    };
    let error = version(&qml).expect_err("qmetaobject would choose Qt 6");
    let cure = "Set QMAKE to a qmake of Qt 5: both use it.";
    assert!(error.contains(cure), "{error}");
    let named = Request {
        qmake: Some(folder("both").join("qmake").display().to_string()),
        ..qml
    };
    assert_eq!(version(&named).expect("both use it"), "5.15.8");
    let only_five = Request {
        has_qml: true,
        ..on("five")
    };
    assert_eq!(version(&only_five).expect("both find it"), "5.15.8");
}
