//! One GET request over TCP or TLS: it follows redirects, can resume in the middle of a file, and
//! streams the bytes.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::pki_types::ServerName;
use futures_rustls::rustls::{self, ClientConfig, RootCertStore};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use qtloop::hyper::Io;
use qtloop::net::TcpStream;
use qtloop::qml::AccessError;
use qtloop::task::{self, AbortOnDrop};
use qtloop::time::timeout;
use url::{Position, Url};

const REDIRECTS: usize = 10;

/// The reason why a download failed; `text.rs` formats it as a sentence.
#[derive(Debug)]
pub enum DownloadError {
    NotAnAddress,
    NoSuchHost(String),
    Unreachable(String, io::Error),
    Untrusted(String),
    NotTls(String),
    NotHttp,
    TooManyRedirects,
    Status(StatusCode),
    NoAnswer,
    Silence,
    Closed,
    OtherPart,
    Damaged,
    Disk(io::Error),
    RowDestroyed(AccessError),
}

impl DownloadError {
    /// Returns whether the connection broke: if bytes were received before, the user is asked
    /// whether to resume.
    pub fn is_connection_loss(&self) -> bool {
        matches!(
            self,
            DownloadError::Unreachable(..)
                | DownloadError::NoAnswer
                | DownloadError::Silence
                | DownloadError::Closed
        )
    }
}

impl From<AccessError> for DownloadError {
    fn from(error: AccessError) -> DownloadError {
        DownloadError::RowDestroyed(error)
    }
}

/// The part of a file that was received, and the server's tag of that version.
#[derive(Clone, Default)]
pub struct Part {
    pub received: u64,
    pub etag: String,
}

/// A response whose head was received.
pub struct Answer {
    /// The offset of its bytes in the file: the requested one if the server still has that version,
    /// else 0.
    pub start: u64,
    /// The size of the whole file, if the server sends it.
    pub size: Option<u64>,
    pub etag: String,
    /// The SHA-256 of the whole file, if the server sends it (RFC 9530).
    pub sha256: Option<Vec<u8>>,
    body: Incoming,
    silence: Duration,
    _connection: Connection,
}

type Connection = AbortOnDrop<hyper::Result<()>>;

impl Answer {
    /// Returns the next bytes; `None` at the end of the file.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        loop {
            let frame = timeout(self.silence, self.body.frame()).await;
            match frame.map_err(|_| DownloadError::Silence)? {
                None => return Ok(None),
                Some(Err(_)) => return Err(DownloadError::Closed),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

/// Requests a file, or the rest of it. Fails if the server is silent for `silence`.
pub async fn get(url: &str, part: &Part, silence: Duration) -> Result<Answer, DownloadError> {
    let mut url = Url::parse(url).map_err(|_| DownloadError::NotAnAddress)?;
    for _ in 0..=REDIRECTS {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(DownloadError::NotAnAddress);
        }
        let (response, connection) = ask(&url, part, silence).await?;
        let status = response.status();
        let text = |name| response.headers().get(name)?.to_str().ok();
        if status.is_redirection()
            && let Some(location) = text(header::LOCATION)
        {
            url = url
                .join(location)
                .map_err(|_| DownloadError::NotAnAddress)?;
            continue;
        }
        if !status.is_success() {
            return Err(DownloadError::Status(status));
        }
        let start = match status {
            StatusCode::PARTIAL_CONTENT => begin(text(header::CONTENT_RANGE)),
            _ => Some(0),
        };
        let start = start.filter(|start| [0, part.received].contains(start));
        let start = start.ok_or(DownloadError::OtherPart)?;
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        return Ok(Answer {
            start,
            size: length.map(|length| start + length),
            etag: text(header::ETAG).unwrap_or_default().to_owned(),
            sha256: response
                .headers()
                .get("repr-digest")
                .and_then(|digest| sha256(digest.to_str().ok()?)),
            body: response.into_body(),
            silence,
            _connection: connection,
        });
    }
    Err(DownloadError::TooManyRedirects)
}

/// Returns the offset of a response in the file, from its `Content-Range`.
fn begin(range: Option<&str>) -> Option<u64> {
    let (start, _) = range?.strip_prefix("bytes ")?.split_once('-')?;
    start.parse().ok()
}

/// Returns the SHA-256 of a `Repr-Digest`.
fn sha256(header: &str) -> Option<Vec<u8>> {
    header.split(',').find_map(|item| {
        let value = item.trim().strip_prefix("sha-256=:")?.strip_suffix(':')?;
        BASE64_STANDARD.decode(value).ok()
    })
}

/// Connects to this address, and sends the request.
async fn ask(
    url: &Url,
    part: &Part,
    silence: Duration,
) -> Result<(Response<Incoming>, Connection), DownloadError> {
    let host = url
        .host_str()
        .ok_or(DownloadError::NotAnAddress)?
        .to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    let place = format!("{host}:{port}");

    let mut request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(
            header::HOST,
            &url[Position::BeforeHost..Position::AfterPort],
        )
        .header(header::USER_AGENT, "qtloop-download-window")
        // Without compression: the received bytes are counted and hashed.
        .header(header::ACCEPT_ENCODING, "identity");
    if part.received > 0 && !part.etag.is_empty() {
        // If the server still has the same version, request only the missing part.
        request = request
            .header(header::RANGE, format!("bytes={}-", part.received))
            .header(header::IF_RANGE, &part.etag);
    }
    let request = request
        .body(Empty::new())
        .map_err(|_| DownloadError::NotAnAddress)?;

    let connecting = async {
        // Looking up the name blocks, so it runs on another thread.
        let lookup = url.clone();
        let addresses = task::unblock(move || lookup.socket_addrs(|| None)).await;
        let addresses = addresses.map_err(|_| DownloadError::NoSuchHost(host.clone()))?;
        let stream = TcpStream::connect(&addresses[..]).await;
        let stream = stream.map_err(|error| DownloadError::Unreachable(place.clone(), error))?;
        if url.scheme() == "http" {
            return handshake(stream).await;
        }
        let name = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| DownloadError::NotAnAddress)?;
        let stream = TlsConnector::from(tls()).connect(name, stream).await;
        handshake(stream.map_err(|error| tls_error(place, &error))?).await
    };
    let (mut sender, connection) = timeout(silence, connecting)
        .await
        .map_err(|_| DownloadError::NoAnswer)??;
    let response = timeout(silence, sender.send_request(request))
        .await
        .map_err(|_| DownloadError::Silence)?
        .map_err(|error| {
            if error.is_parse() {
                DownloadError::NotHttp
            } else {
                DownloadError::Closed
            }
        })?;
    Ok((response, connection))
}

/// Starts HTTP; the connection is a separate task, which is aborted when the caller drops its
/// handle.
async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Result<(http1::SendRequest<Empty<Bytes>>, Connection), DownloadError> {
    let (sender, connection) = http1::handshake(Io::new(stream))
        .await
        .map_err(|_| DownloadError::Closed)?;
    Ok((sender, qtloop::spawn_local(connection).abort_on_drop()))
}

/// The trusted certificates: Mozilla's list, which is part of this program.
fn tls() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    });
    Arc::clone(config)
}

fn tls_error(place: String, error: &io::Error) -> DownloadError {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match cause {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            DownloadError::Untrusted(reason.to_string())
        }
        _ => DownloadError::NotTls(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_found_among_digests_and_an_invalid_one_is_none() {
        assert_eq!(
            sha256("sha-512=:AAAA:, sha-256=:Ynl0ZXM=:"),
            Some(b"bytes".to_vec())
        );
        assert_eq!(sha256("sha-256=:not base64:"), None);
        assert_eq!(sha256("md5=:AAAA:"), None);
    }
}
