//! The list of downloads, as a model for QML's `ListView`, and the totals of all downloads.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use qmetaobject::{QPointer, USER_ROLE, prelude::*};
use qtloop::qml::{self, This};
use qtloop::time;
use url::Url;

use crate::download::{Download, Target};
use crate::text::{amount, duration, progress};

/// The interval at which QML updates the figures: faster changes could not be read.
const BEAT: Duration = Duration::from_millis(80);

#[derive(QObject, Default)]
pub struct Downloads {
    base: qt_base_class!(trait QAbstractListModel),

    summary: qt_property!(QString; READ summary NOTIFY changed),
    share: qt_property!(f64; READ share NOTIFY changed),
    is_done: qt_property!(bool; READ is_done NOTIFY changed),
    can_start: qt_property!(bool; READ can_start NOTIFY changed),
    can_cancel: qt_property!(bool; READ can_cancel NOTIFY changed),
    /// The download that waits for an answer; null if none does.
    question: qt_property!(QPointer<Download>; READ question NOTIFY changed),
    note: qt_property!(QString; READ note CONST),
    changed: qt_signal!(),

    fetch: qt_method!(fn(&self, url: QString)),
    start_all: qt_method!(fn(&self)),
    cancel_all: qt_method!(fn(&self)),

    rows: Vec<QObjectBox<Download>>,
    folder: Option<PathBuf>,
    silence: Duration,
}

impl Downloads {
    pub fn new(folder: Option<PathBuf>, silence: Duration) -> Downloads {
        Downloads {
            folder,
            silence,
            ..Downloads::default()
        }
    }

    /// Emits `changed` regularly as long as this object lives.
    pub fn show(&self) {
        let look = async |this: This<Downloads>| -> io::Result<Infallible> {
            let mut beat = time::interval(BEAT);
            loop {
                beat.tick().await;
                for row in this.with(|all| all.rows())? {
                    row.with(Download::refresh)?;
                }
                this.emit("changed", ())?;
            }
        };
        qml::spawn(self, look);
    }

    /// Adds the address that the user has typed, and starts its download.
    fn fetch(&self, url: QString) {
        let url = url.to_string().trim().to_owned();
        if !url.is_empty() {
            qml::spawn(self, async move |this| -> io::Result<()> {
                let row = Downloads::add(&this, &url)?;
                Ok(row.with(Download::start)?)
            });
        }
    }

    /// Adds a row for an address.
    pub fn add(this: &This<Downloads>, url: &str) -> io::Result<This<Download>> {
        let (place, row) = this.with(|all| (all.rows.len(), all.row(url)))?;
        let added = This::of(row.pinned().borrow());
        this.insert_rows(place..place + 1, |all| all.rows.push(row))?;
        this.emit("changed", ())?;
        Ok(added)
    }

    /// Makes a row for an address.
    fn row(&self, url: &str) -> QObjectBox<Download> {
        let target = Target {
            name: self.free_name(&file_name(url)),
            url: url.to_owned(),
            folder: self.folder.clone(),
            silence: self.silence,
        };
        let row = QObjectBox::new(Download::new(target));
        row.pinned().get_or_create_cpp_object();
        row
    }

    /// Starts each download that is neither running nor complete.
    pub fn start_all(&self) {
        for row in self.rows() {
            let _ = row.with(Download::start);
        }
    }

    pub fn cancel_all(&self) {
        for row in self.rows() {
            let _ = row.with(Download::cancel);
        }
    }

    /// Returns the result of `what` for each download.
    pub fn look<R>(&self, what: impl Fn(&Download) -> R) -> impl Iterator<Item = R> {
        self.rows.iter().map(move |row| what(row.pinned().borrow()))
    }

    /// Returns the rows, to change them while the list is not borrowed: a row emits a signal, and
    /// QML reads the list in its slots.
    pub fn rows(&self) -> Vec<This<Download>> {
        self.look(This::of).collect()
    }

    pub fn received(&self) -> u64 {
        self.look(Download::received).sum()
    }

    /// Returns the total of all files whose size is known.
    pub fn size(&self) -> u64 {
        self.look(Download::size).flatten().sum()
    }

    /// Returns the number of downloads of some kind.
    pub fn count(&self, is_one: impl Fn(&Download) -> bool) -> usize {
        self.look(is_one).filter(|is_one| *is_one).count()
    }

    /// Returns this name, with a number added if it is taken.
    fn free_name(&self, name: &str) -> String {
        let is_taken = |name: &String| {
            let path = self.folder.as_ref().map(|folder| folder.join(name));
            path.is_some_and(|path| path.exists())
                || self.look(|row| row.file() == name).any(|is_it| is_it)
        };
        let (stem, suffix) = match name.rsplit_once('.') {
            Some((stem, suffix)) => (stem, format!(".{suffix}")),
            None => (name, String::new()),
        };
        let numbered = (2..).map(|number| format!("{stem}-{number}{suffix}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names
            .find(|name| !is_taken(name))
            .expect("there are many numbers")
    }

    fn summary(&self) -> QString {
        let (received, size) = (self.received(), self.size());
        let pace: f64 = self.look(Download::pace).sum();
        let done = self.count(Download::is_done);
        let failed = self.count(Download::is_failed);
        let mut parts = vec![format!("{done} of {} complete", self.rows.len())];
        if size > 0 {
            parts.push(progress(received, Some(size)));
        }
        if pace > 0.0 {
            let left = size.saturating_sub(received) as f64;
            parts.push(format!("{}/s", amount(pace)));
            parts.push(format!("{} left", duration(left / pace)));
        }
        if failed > 0 {
            parts.push(format!("{failed} failed"));
        }
        parts.join("   ·   ").as_str().into()
    }

    fn share(&self) -> f64 {
        self.received() as f64 / self.size().max(1) as f64
    }

    fn is_done(&self) -> bool {
        self.count(Download::is_done) == self.rows.len()
    }

    fn can_start(&self) -> bool {
        self.count(|row| !row.is_active() && !row.is_done()) > 0
    }

    fn can_cancel(&self) -> bool {
        self.count(Download::is_active) > 0
    }

    fn question(&self) -> QPointer<Download> {
        let asking = |row: &Download| row.is_asking().then(|| QPointer::from(row));
        self.look(asking).flatten().next().unwrap_or_default()
    }

    fn note(&self) -> QString {
        let place = match &self.folder {
            Some(folder) => format!("Saved in {}.", folder.display()),
            None => "Nothing is written to disk.".to_owned(),
        };
        format!("Each file is checked with SHA-256. {place}")
            .as_str()
            .into()
    }
}

impl QAbstractListModel for Downloads {
    fn row_count(&self) -> i32 {
        self.rows.len() as i32
    }

    fn data(&self, index: QModelIndex, _role: i32) -> QVariant {
        let row = self.rows.get(index.row() as usize);
        row.map(|row| row.pinned().into()).unwrap_or_default()
    }

    fn role_names(&self) -> HashMap<i32, QByteArray> {
        [(USER_ROLE, "download".into())].into()
    }
}

/// Returns the name of the file at an address.
fn file_name(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else {
        return url.replace('/', "_");
    };
    let last = parsed
        .path_segments()
        .and_then(|mut parts| parts.next_back());
    let last = last.unwrap_or_default().trim_start_matches('.');
    match (last, parsed.host_str()) {
        ("", host) => host.unwrap_or("file").to_owned(),
        (name, _) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_is_the_last_part_of_the_address_or_the_host() {
        assert_eq!(
            file_name("https://host/folder/file.tar?version=2#top"),
            "file.tar"
        );
        assert_eq!(file_name("https://host/folder/"), "host");
        assert_eq!(file_name("https://host/.hidden"), "hidden");
        assert_eq!(file_name("not/an address"), "not_an address");
    }

    #[test]
    fn taken_name_gets_a_number() {
        let mut all = Downloads::default();
        for _ in 0..3 {
            let row = all.row("http://host/file.txt");
            all.rows.push(row);
        }
        let names = all.look(|row| row.file().to_owned()).collect::<Vec<_>>();
        assert_eq!(names, ["file.txt", "file-2.txt", "file-3.txt"]);
    }
}
