//! Chooses the Qt to build against: by `QTLOOP_QT`, by `QMAKE`, and by the versions that are there.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// A supported major version of Qt.
struct Release {
    major: u32,
    /// The oldest supported minor version.
    minor: u32,
    /// The names of its qmake, which may also belong to another major version.
    qmakes: &'static [&'static str],
    cure: &'static str,
}

/// The supported major versions; the preferred one is the first.
const RELEASES: [Release; 2] = [
    Release {
        major: 6,
        minor: 4,
        qmakes: &["qmake6", "qmake"],
        cure: "Qt 6: on Debian and Ubuntu apt-get install qt6-base-dev, on Fedora dnf install \
               qt6-qtbase-devel, on Arch pacman -S qt6-base.",
    },
    Release {
        major: 5,
        minor: 15,
        qmakes: &["qmake-qt5", "qmake5", "qmake"],
        cure: "Qt 5.15: on Debian and Ubuntu apt-get install qtbase5-dev, on Fedora dnf install \
               qt5-qtbase-devel, on Arch pacman -S qt5-base.",
    },
];

/// The supported major versions.
pub(crate) const MAJORS: [u32; 2] = [RELEASES[0].major, RELEASES[1].major];

/// The names by which the build of qmetaobject searches for qmake.
const QMAKES_OF_QMETAOBJECT: [&str; 3] = ["qmake6", "qmake", "qmake-qt5"];

/// The settings of a build on which the choice depends.
#[derive(Debug, Default)]
pub(crate) struct Request {
    /// `QTLOOP_QT`: the major version.
    pub(crate) major: Option<String>,
    /// `QMAKE`: the qmake to use, and no other.
    pub(crate) qmake: Option<String>,
    /// `PATH`, where qmake is searched.
    pub(crate) path: OsString,
    pub(crate) has_qml: bool,
}

impl Request {
    /// Reads the environment of a build script. An empty variable counts as unset.
    pub(crate) fn from_env() -> Request {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Request {
            major: variable("QTLOOP_QT"),
            qmake: variable("QMAKE"),
            path: env::var_os("PATH").unwrap_or_default(),
            has_qml: env::var_os("CARGO_FEATURE_QML").is_some(),
        }
    }

    /// Returns the Qt to build against.
    ///
    /// # Errors
    /// The text says why there is none, and what to do.
    pub(crate) fn choose(&self) -> Result<Qt, String> {
        let releases = self.releases()?;
        let mut refused = Vec::new();
        for release in &releases {
            match self.find(release) {
                Ok(qt) => return self.check_qml(qt),
                Err(reasons) => refused.extend(reasons),
            }
        }
        refused.dedup();
        let needed = releases.iter().map(|release| release.describe());
        let cures = releases.iter().map(|release| release.cure);
        Err(format!(
            "qtloop needs the development files of {}. {}.\n{}\nA Qt elsewhere: set QMAKE to its qmake.",
            needed.collect::<Vec<_>>().join(", or of "),
            refused.join("; "),
            cures.collect::<Vec<_>>().join("\n"),
        ))
    }

    /// Returns one Qt of each major version that is there, or of the one that `QTLOOP_QT` names.
    pub(crate) fn choose_all(&self) -> Vec<Qt> {
        let releases = self.releases().unwrap_or_default();
        let found = releases.into_iter().map(|release| self.find(release).ok());
        found.flatten().collect()
    }

    /// Returns the Qt of a major version; an error has the reason for each qmake.
    fn find(&self, release: &Release) -> Result<Qt, Vec<String>> {
        let mut refused = Vec::new();
        for qmake in self.qmakes(release) {
            match self.query_all(qmake) {
                Some(qt) if release.supports(&qt) => return Ok(qt),
                Some(qt) => refused.push(format!("{qmake} is of {}", qt.describe())),
                None => refused.push(format!("{qmake} is not there, or fails")),
            }
        }
        Err(refused)
    }

    /// Returns the major versions that may be used, the preferred one first.
    fn releases(&self) -> Result<Vec<&'static Release>, String> {
        let Some(major) = &self.major else {
            return Ok(RELEASES.iter().collect());
        };
        let found = RELEASES
            .iter()
            .find(|release| release.major.to_string() == *major);
        found.map(|release| vec![release]).ok_or_else(|| {
            format!(
                "QTLOOP_QT is {major:?}. Set it to 6 or to 5, the major version of Qt, or unset it."
            )
        })
    }

    /// Returns the qmakes to try for a major version.
    fn qmakes<'a>(&'a self, release: &'a Release) -> Vec<&'a str> {
        self.qmake
            .as_deref()
            .map_or_else(|| release.qmakes.to_vec(), |named| vec![named])
    }

    /// Checks that qmetaobject, which chooses by itself, builds against the same major version.
    fn check_qml(&self, qt: Qt) -> Result<Qt, String> {
        if !self.has_qml || self.qmake.is_some() {
            return Ok(qt);
        }
        let mut qmakes = QMAKES_OF_QMETAOBJECT.iter();
        match qmakes.find_map(|qmake| self.query(qmake, "QT_VERSION")) {
            Some(other) if numbers(&other).map(|(major, _)| major) != Some(qt.major) => {
                Err(format!(
                    "The feature `qml` uses qmetaobject, which would build against Qt {other}, and qtloop \
                     against Qt {}. Set QMAKE to a qmake of Qt {}: both use it.",
                    qt.version, qt.major
                ))
            }
            _ => Ok(qt),
        }
    }

    fn query_all(&self, qmake: &str) -> Option<Qt> {
        let version = self.query(qmake, "QT_VERSION")?;
        let (major, minor) = numbers(&version)?;
        Some(Qt {
            headers: self.query(qmake, "QT_INSTALL_HEADERS")?.into(),
            libs: self.query(qmake, "QT_INSTALL_LIBS")?.into(),
            version,
            major,
            minor,
        })
    }

    fn query(&self, qmake: &str, property: &str) -> Option<String> {
        let output = Command::new(qmake)
            .args(["-query", property])
            .env("PATH", &self.path)
            .output()
            .ok()?;
        let value = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !value.is_empty() && !value.contains("Unknown"))
            .then_some(value)
    }
}

/// Returns the major and the minor version of a text such as `6.4.2`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// The properties of `qmake -query` that the build needs.
#[derive(Debug)]
pub(crate) struct Qt {
    pub(crate) headers: PathBuf,
    pub(crate) libs: PathBuf,
    pub(crate) version: String,
    pub(crate) major: u32,
    minor: u32,
}

impl Qt {
    fn has_headers(&self) -> bool {
        self.headers.join("QtCore").is_dir()
    }

    fn describe(&self) -> String {
        let headers = self.headers.display();
        match self.has_headers() {
            true => format!("Qt {}", self.version),
            false => format!("Qt {}, without headers in {headers}", self.version),
        }
    }
}

impl Release {
    fn supports(&self, qt: &Qt) -> bool {
        qt.major == self.major && qt.minor >= self.minor && qt.has_headers()
    }

    fn describe(&self) -> String {
        let newer = if self.major == 6 { " or newer" } else { "" };
        format!("Qt {}.{}{newer}", self.major, self.minor)
    }
}
