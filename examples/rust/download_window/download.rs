//! One download: a row of the window, as QML sees it, and the task that fetches its file.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use qmetaobject::prelude::*;
use qtloop::qml::{self, This};
use qtloop::signal;
use qtloop::task::AbortOnDrop;
use ring::digest;

use crate::disk;
use crate::request::{self, DownloadError, Part};
use crate::text::{amount, duration, hex, progress};

/// The state of a download.
#[derive(Default)]
pub enum State {
    #[default]
    Ready,
    Running,
    /// The connection broke, for this reason; the user is asked whether to resume.
    Asking(String),
    /// Complete, with the SHA-256, and whether the server has published the same one.
    Done(Vec<u8>, bool),
    Failed(String),
    Cancelled,
}

#[derive(QObject, Default)]
pub struct Download {
    base: qt_base_class!(trait QObject),

    // The values that QML shows; it calls the methods below again after each `changed` signal.
    name: qt_property!(QString; READ name NOTIFY changed),
    state: qt_property!(QString; READ state NOTIFY changed),
    mood: qt_property!(QString; READ mood NOTIFY changed),
    status: qt_property!(QString; READ status NOTIFY changed),
    amount: qt_property!(QString; READ amount NOTIFY changed),
    speed: qt_property!(QString; READ speed NOTIFY changed),
    share: qt_property!(f64; READ share NOTIFY changed),
    changed: qt_signal!(),

    start: qt_method!(fn(&mut self)),
    cancel: qt_method!(fn(&mut self)),
    /// The user's answer: whether to resume.
    answer: qt_method!(fn(&self, resume: bool)),
    answered: qt_signal!(resume: bool),

    target: Target,
    life: State,
    part: Part,
    size: Option<u64>,
    hash: Hash,
    /// The duration of all attempts together.
    seconds: f64,
    /// Recent times, with the number of bytes received at each.
    recent: VecDeque<(Instant, u64)>,
    task: Option<AbortOnDrop<()>>,
}

/// The source of a download, and the path of its file.
#[derive(Clone, Default)]
pub struct Target {
    pub url: String,
    pub name: String,
    pub folder: Option<PathBuf>,
    /// The maximum time without data from the server.
    pub silence: Duration,
}

/// The hash of the bytes received so far.
struct Hash(digest::Context);

impl Default for Hash {
    fn default() -> Hash {
        Hash(digest::Context::new(&digest::SHA256))
    }
}

impl Download {
    pub fn new(target: Target) -> Download {
        Download {
            target,
            ..Download::default()
        }
    }

    /// Starts or resumes the download. Its task is aborted when this object is destroyed, or when
    /// the handle is dropped.
    pub fn start(&mut self) {
        if self.is_active() || self.is_done() {
            return;
        }
        let task = qml::spawn(self, async move |this| {
            let end = fetch_or_ask(&this).await;
            let end = end.unwrap_or_else(|error| State::Failed(error.to_string()));
            let _ = this.with(|row| row.enter(end));
        });
        self.task = Some(task.abort_on_drop());
        self.enter(State::Running);
    }

    pub fn cancel(&mut self) {
        if self.is_active() {
            self.task = None;
            self.enter(State::Cancelled);
        }
    }

    pub fn answer(&self, resume: bool) {
        self.answered(resume);
    }

    fn enter(&mut self, life: State) {
        self.life = life;
        self.recent.clear();
        self.changed();
    }

    /// Returns whether a task is downloading it.
    pub fn is_active(&self) -> bool {
        matches!(self.life, State::Running | State::Asking(_))
    }

    pub fn is_asking(&self) -> bool {
        matches!(self.life, State::Asking(_))
    }

    pub fn is_done(&self) -> bool {
        matches!(self.life, State::Done(..))
    }

    pub fn is_failed(&self) -> bool {
        matches!(self.life, State::Failed(_))
    }

    /// Returns the name of the file.
    pub fn file(&self) -> &str {
        &self.target.name
    }

    pub fn received(&self) -> u64 {
        self.part.received
    }

    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns the speed in bytes per second over the last two seconds.
    pub fn pace(&self) -> f64 {
        let Some((then, received)) = self.recent.front() else {
            return 0.0;
        };
        let seconds = then.elapsed().as_secs_f64();
        (self.part.received - received) as f64 / seconds.max(1e-3)
    }

    /// Updates the speed, which changes also while no data arrive.
    pub fn refresh(&mut self) {
        if self.is_active() {
            let old = |(then, _): &(Instant, u64)| then.elapsed() > Duration::from_secs(2);
            while self.recent.front().is_some_and(old) {
                self.recent.pop_front();
            }
            self.changed();
        }
    }

    /// Returns the line of the report.
    pub fn report(&self, width: usize) -> String {
        let name = &self.target.name;
        match &self.life {
            State::Done(sha256, is_verified) => format!(
                "{name:width$}  {:>8}  {:5.1} s  sha256 {}  {}",
                amount(self.part.received as f64),
                self.seconds,
                hex(sha256),
                ["not published", "same as the server's"][usize::from(*is_verified)],
            ),
            _ => format!("{name:width$}  {}: {}", self.state(), self.status()),
        }
    }

    fn name(&self) -> QString {
        self.target.name.as_str().into()
    }

    fn state(&self) -> QString {
        let word = match self.life {
            State::Ready => "ready",
            State::Running => "running",
            State::Asking(_) => "asking",
            State::Done(..) => "done",
            State::Failed(_) => "failed",
            State::Cancelled => "cancelled",
        };
        word.into()
    }

    fn mood(&self) -> QString {
        let word = match self.life {
            State::Ready | State::Running => "",
            State::Asking(_) => "warn",
            State::Done(..) => "good",
            State::Failed(_) => "bad",
            State::Cancelled => "off",
        };
        word.into()
    }

    fn status(&self) -> QString {
        let text = match &self.life {
            State::Ready => "Ready".to_owned(),
            State::Cancelled => "Cancelled".to_owned(),
            State::Asking(cause) | State::Failed(cause) => cause.clone(),
            State::Done(sha256, is_verified) => {
                let check = if *is_verified { "Verified" } else { "Complete" };
                format!("{check} · SHA-256 {}…", &hex(sha256)[..16])
            }
            State::Running => match (self.size, self.pace()) {
                (Some(size), pace) if pace > 0.0 => {
                    let left = size.saturating_sub(self.part.received) as f64;
                    format!("{} left", duration(left / pace))
                }
                _ if self.part.received > 0 => "Fetching".to_owned(),
                _ => "Waiting for the server".to_owned(),
            },
        };
        text.as_str().into()
    }

    fn amount(&self) -> QString {
        progress(self.part.received, self.size).as_str().into()
    }

    /// The recent speed; after completion, that of the whole download.
    fn speed(&self) -> QString {
        let pace = match self.life {
            State::Done(..) => self.part.received as f64 / self.seconds.max(1e-3),
            _ => self.pace(),
        };
        match pace {
            0.0 => QString::default(),
            pace => format!("{}/s", amount(pace)).as_str().into(),
        }
    }

    fn share(&self) -> f64 {
        let size = self.size.unwrap_or(0).max(1);
        self.part.received as f64 / size as f64
    }
}

/// Fetches the file. If the connection breaks, asks whether to resume. While the question is open,
/// only this task waits.
async fn fetch_or_ask(this: &This<Download>) -> Result<State, DownloadError> {
    match fetch_rest(this).await {
        Err(error) if error.is_connection_loss() && this.with(|row| row.received())? > 0 => {
            let object = this.object().ok_or(qml::AccessError::Destroyed)?;
            let answer = signal::once(&object, "answered").expect("it has this signal");
            this.with(|row| row.enter(State::Asking(error.to_string())))?;
            let resume = answer.await.is_ok_and(|answer| answer.get(0) == Some(true));
            if !resume {
                return Err(error);
            }
            this.with(|row| row.enter(State::Running))?;
            fetch_rest(this).await
        }
        end => end,
    }
}

/// Fetches the missing part of the file.
async fn fetch_rest(this: &This<Download>) -> Result<State, DownloadError> {
    let (target, part) = this.with(|row| (row.target.clone(), row.part.clone()))?;
    let mut begun = Instant::now();
    let mut answer = request::get(&target.url, &part, target.silence).await?;
    this.with(|row| row.begin(answer.start, answer.size, &answer.etag))?;
    let mut at = answer.start;
    while let Some(bytes) = answer.next().await? {
        let since = std::mem::replace(&mut begun, Instant::now()).elapsed();
        if let Some(path) = target.path() {
            let written = disk::write(path, at, bytes.clone()).await;
            written.map_err(DownloadError::Disk)?;
        }
        at += bytes.len() as u64;
        this.with(|row| row.take(&bytes, since))?;
    }
    let sha256 = this.with(|row| row.hash.0.clone().finish())?;
    let sha256 = sha256.as_ref().to_vec();
    if answer.sha256.as_ref().is_some_and(|its| *its != sha256) {
        this.with(|row| row.begin(0, None, ""))?;
        return Err(DownloadError::Damaged);
    }
    if let Some(path) = target.path() {
        disk::complete(path, at)
            .await
            .map_err(DownloadError::Disk)?;
    }
    this.with(|row| row.size = Some(at))?;
    Ok(State::Done(sha256, answer.sha256.is_some()))
}

impl Download {
    /// Records that a response has begun, at this offset in the file.
    fn begin(&mut self, start: u64, size: Option<u64>, etag: &str) {
        if start == 0 {
            self.hash = Hash::default();
        }
        self.part = Part {
            received: start,
            etag: etag.to_owned(),
        };
        self.size = size;
        self.recent = [(Instant::now(), start)].into();
    }

    fn take(&mut self, bytes: &Bytes, since: Duration) {
        self.seconds += since.as_secs_f64();
        self.hash.0.update(bytes);
        self.part.received += bytes.len() as u64;
        self.recent.push_back((Instant::now(), self.part.received));
    }
}

impl Target {
    fn path(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(&self.name))
    }
}
