//! A small file server on the loopback device, on the same loop: generated files, a speed limit,
//! and two kinds of failure.

use std::cell::RefCell;
use std::collections::HashSet;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_lite::StreamExt;
use futures_lite::stream::{self, BoxedLocal};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use qtloop::hyper::{Io, Timer};
use qtloop::net::TcpListener;
use qtloop::{spawn_local, task, time};
use ring::digest;

use crate::text::hex;

const BLOCK: u64 = 16 * 1024;

/// A body that is sent in pieces.
type Pieces = BoxedLocal<io::Result<Frame<Bytes>>>;

/// The failure of the first request for a file; the second request succeeds.
#[derive(Clone, Copy, PartialEq)]
enum Mishap {
    None,
    /// The server answers 503.
    Busy,
    /// The connection breaks in the middle.
    Drops,
}

/// A name, the size as a share of the largest one, the rate as a share of the highest one, and the
/// failure.
const CATALOGUE: [(&str, f64, f64, Mishap); 7] = [
    ("linux-image.iso", 0.92, 0.95, Mishap::None),
    ("aurora-timelapse.mp4", 1.00, 1.00, Mishap::Drops),
    ("moon-panorama.tiff", 0.50, 0.85, Mishap::Busy),
    ("birdsong-at-dawn.flac", 0.48, 0.65, Mishap::None),
    ("weather-station.csv", 0.22, 0.35, Mishap::None),
    ("city-map.pbf", 0.66, 0.60, Mishap::None),
    ("field-notes.pdf", 0.08, 0.25, Mishap::None),
];

/// A file that is generated while it is sent: its name is the seed of its bytes.
#[derive(Clone)]
pub struct File {
    pub name: String,
    pub size: u64,
    /// The rate in bytes per second.
    rate: f64,
    mishap: Mishap,
}

impl File {
    /// Returns the bytes from this offset to the end of their block.
    fn read(&self, start: u64) -> Bytes {
        let block = start / BLOCK * BLOCK;
        let seed = self.name.bytes().fold(block, |seed, byte| {
            seed.wrapping_mul(31).wrapping_add(byte.into())
        });
        let words = (0..BLOCK / 8).flat_map(|word| scramble(seed ^ (word << 40)).to_le_bytes());
        let block_end = (self.size - block).min(BLOCK);
        Bytes::from_iter(words).slice((start - block) as usize..block_end as usize)
    }

    /// Returns the SHA-256 of the whole file.
    pub fn sha256(&self) -> Vec<u8> {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut at = 0;
        while at < self.size {
            let bytes = self.read(at);
            hash.update(&bytes);
            at += bytes.len() as u64;
        }
        hash.finish().as_ref().to_vec()
    }

    /// Streams the bytes between two offsets at the file's rate. At a failure, the connection
    /// breaks.
    fn send(self, start: u64, end: u64) -> Pieces {
        let pieces = stream::try_unfold((self, start, Instant::now()), move |state| async move {
            let (file, at, due) = state;
            time::sleep_until(due).await;
            if at >= end {
                let is_whole = end == file.size;
                return is_whole
                    .then_some(None)
                    .ok_or(ErrorKind::ConnectionAborted.into());
            }
            let bytes = file.read(at);
            let pause = Duration::from_secs_f64(bytes.len() as f64 / file.rate);
            let next = (file, at + bytes.len() as u64, due + pause);
            Ok(Some((Frame::data(bytes), next)))
        });
        pieces.boxed_local()
    }
}

/// The last step of SplitMix64: pseudo-random numbers.
fn scramble(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Makes `count` files of at most `size` bytes, sent at no more than `rate` bytes per second.
pub fn catalogue(count: usize, size: f64, rate: f64) -> Vec<File> {
    let file = |number: usize| {
        let (round, place) = (number / CATALOGUE.len(), number % CATALOGUE.len());
        let (name, part, pace, mishap) = CATALOGUE[place];
        let (stem, suffix) = name.split_once('.').expect("each has a suffix");
        File {
            name: match round {
                0 => name.to_owned(),
                _ => format!("{stem}-{}.{suffix}", round + 1),
            },
            size: ((size * part) as u64).max(1),
            rate: rate * pace,
            mishap: if round == 0 { mishap } else { Mishap::None },
        }
    };
    (0..count).map(file).collect()
}

/// The state of the server: each file with its digest, and the files that were requested before.
struct Shelf {
    files: Vec<(File, Vec<u8>)>,
    asked: RefCell<HashSet<String>>,
}

/// Serves the files on a free port of 127.0.0.1 as long as the loop lives; returns their addresses.
pub async fn serve(files: Vec<File>) -> io::Result<Vec<String>> {
    // Hash on another thread, because megabytes take a while.
    let files = task::unblock(move || {
        let hashed = files.into_iter().map(|file| {
            let sha256 = file.sha256();
            (file, sha256)
        });
        hashed.collect::<Vec<_>>()
    });
    let shelf = Rc::new(Shelf {
        files: files.await,
        asked: RefCell::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let url = |(file, _): &(File, _)| format!("http://{address}/{}", file.name);
    let urls = shelf.files.iter().map(url).collect();
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shelf = Rc::clone(&shelf);
            let service = service_fn(move |request| {
                let response = shelf.answer(&request);
                async { Ok::<_, Infallible>(response) }
            });
            let mut server = http1::Builder::new();
            server.timer(Timer);
            // Ignore errors of a connection: the client has closed it, or the failure was intended.
            spawn_local(server.serve_connection(Io::new(stream), service));
        }
    });
    Ok(urls)
}

impl Shelf {
    fn answer(&self, request: &Request<Incoming>) -> Response<StreamBody<Pieces>> {
        let name = request.uri().path().trim_start_matches('/');
        let Some((file, sha256)) = self.files.iter().find(|(file, _)| file.name == name) else {
            return nothing(StatusCode::NOT_FOUND);
        };
        let is_first = self.asked.borrow_mut().insert(file.name.clone());
        let mishap = if is_first { file.mishap } else { Mishap::None };
        if mishap == Mishap::Busy {
            return nothing(StatusCode::SERVICE_UNAVAILABLE);
        }

        let etag = format!("\"{}\"", hex(sha256));
        let start = range(request, &etag).filter(|start| *start < file.size);
        let end = match mishap {
            Mishap::Drops => file.size * 3 / 5,
            _ => file.size,
        };
        let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(sha256));
        let mut response = Response::builder()
            .header(header::ETAG, etag)
            .header("repr-digest", digest)
            .header(header::CONTENT_LENGTH, file.size - start.unwrap_or(0));
        if let Some(start) = start {
            let range = format!("bytes {start}-{}/{}", file.size - 1, file.size);
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, range);
        }
        let pieces = file.clone().send(start.unwrap_or(0), end);
        let response = response.body(StreamBody::new(pieces));
        response.expect("the headers are well formed")
    }
}

fn nothing(status: StatusCode) -> Response<StreamBody<Pieces>> {
    let mut response = Response::new(StreamBody::new(stream::empty().boxed_local()));
    *response.status_mut() = status;
    response
}

/// Returns the offset at which a request resumes, if it has the tag of our version.
fn range(request: &Request<Incoming>, etag: &str) -> Option<u64> {
    let header = |name| request.headers().get(name)?.to_str().ok();
    if header(header::IF_RANGE)? != etag {
        return None;
    }
    let start = header(header::RANGE)?
        .strip_prefix("bytes=")?
        .strip_suffix('-')?;
    start.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_from_wherever_it_is_read() {
        let file = &catalogue(1, 100_000.0, 1.0)[0];
        let whole = |start: u64| {
            let starts =
                std::iter::successors(Some(start), |at| Some(at + file.read(*at).len() as u64));
            let pieces = starts
                .take_while(|at| *at < file.size)
                .map(|at| file.read(at));
            pieces.collect::<Vec<_>>().concat()
        };
        assert_eq!(whole(0).len() as u64, file.size);
        assert_eq!(whole(0)[70_001..], whole(70_001));
        assert_ne!(file.read(0), file.read(BLOCK));
    }

    #[test]
    fn a_catalogue_has_as_many_files_as_asked_for_each_with_a_name_of_its_own() {
        let files = catalogue(20, 1e6, 1e6);
        let names = HashSet::<_>::from_iter(files.iter().map(|file| &file.name));
        assert_eq!(names.len(), 20);
        assert!(names.contains(&"city-map-2.pbf".to_owned()));
    }
}
