//! Texts for users: sizes, times, and the cause of a failure as one sentence.

use std::fmt;
use std::io::ErrorKind;

use crate::request::DownloadError;

/// Formats a number of bytes: `640 B`, `12 kB`, `3.1 MB`.
pub fn amount(bytes: f64) -> String {
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        1e6.. => format!("{:.1} MB", bytes / 1e6),
        1e3.. => format!("{:.0} kB", bytes / 1e3),
        _ => format!("{bytes:.0} B"),
    }
}

/// Formats the received part of a file: `3.1 of 8.0 MB`.
pub fn progress(received: u64, size: Option<u64>) -> String {
    let here = amount(received as f64);
    match size {
        None if received == 0 => String::new(),
        None => here,
        Some(size) if received == size => here,
        Some(size) => {
            let total = amount(size as f64);
            let (number, unit) = here.split_once(' ').expect("a number and its unit");
            if total.ends_with(&format!(" {unit}")) {
                format!("{number} of {total}")
            } else {
                format!("{here} of {total}")
            }
        }
    }
}

/// Formats a remaining time: `4 s`, `2 min 05 s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round().max(1.0) as u64;
    match (seconds / 60, seconds % 60) {
        (0, rest) => format!("{rest} s"),
        (minutes, rest) => format!("{minutes} min {rest:02} s"),
    }
}

/// Formats bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Formats the cause of a failure so that the user knows what to change.
impl fmt::Display for DownloadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            DownloadError::NotAnAddress => {
                "This is not a web address: it should look like https://host/file."
            }
            DownloadError::NoSuchHost(host) => {
                return write!(formatter, "There is no server named {host}.");
            }
            DownloadError::Unreachable(place, error) => {
                return match error.kind() {
                    ErrorKind::ConnectionRefused => write!(
                        formatter,
                        "{place} refused the connection: no server listens there."
                    ),
                    ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
                        write!(formatter, "{place} cannot be reached from this network.")
                    }
                    _ => write!(formatter, "{place} could not be connected: {error}."),
                };
            }
            DownloadError::Untrusted(reason) => {
                return write!(
                    formatter,
                    "The server's certificate is not to be trusted: {reason}."
                );
            }
            DownloadError::NotTls(place) => {
                return write!(
                    formatter,
                    "{place} does not speak TLS: no secure connection could be made."
                );
            }
            DownloadError::NotHttp => "What answered there does not speak HTTP.",
            DownloadError::TooManyRedirects => {
                "The server sends us round in circles (too many redirects)."
            }
            DownloadError::Status(status) if status.as_u16() == 404 => {
                "The server has no such file (404)."
            }
            DownloadError::Status(status) if status.as_u16() == 503 => {
                "The server is too busy just now (503). Try again."
            }
            DownloadError::Status(status) => {
                return write!(formatter, "The server refused: {status}.");
            }
            DownloadError::NoAnswer => "The server did not answer in time.",
            DownloadError::Silence => "The server stopped sending: nothing came for too long.",
            DownloadError::Closed => "The server closed the connection too early.",
            DownloadError::OtherPart => {
                "The server sent another part of the file than it was asked for."
            }
            DownloadError::Damaged => {
                "The bytes that came are not those the server sent: checksums differ."
            }
            DownloadError::Disk(error) => {
                return write!(formatter, "The file could not be written: {error}.");
            }
            DownloadError::RowDestroyed(error) => return write!(formatter, "{error}."),
        };
        formatter.write_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amount_is_formatted_in_a_suitable_unit() {
        let text = [0.0, 640.0, 12_345.0, 3.14e6, 2.5e9].map(amount);
        assert_eq!(text, ["0 B", "640 B", "12 kB", "3.1 MB", "2.5 GB"]);
    }

    #[test]
    fn progress_has_one_unit_if_both_are_the_same() {
        assert_eq!(progress(7_200_000, Some(12_000_000)), "7.2 of 12.0 MB");
        assert_eq!(progress(120_000, Some(12_000_000)), "120 kB of 12.0 MB");
        assert_eq!(progress(5_000_000, Some(5_000_000)), "5.0 MB");
        assert_eq!(progress(5_000, None), "5 kB");
        assert_eq!(progress(0, None), "");
    }

    #[test]
    fn duration_is_at_least_one_second() {
        assert_eq!(
            [0.1, 3.6, 125.0].map(duration),
            ["1 s", "4 s", "2 min 05 s"]
        );
    }

    #[test]
    fn status_without_its_own_sentence_is_named() {
        let status = hyper::StatusCode::FORBIDDEN;
        let text = DownloadError::Status(status).to_string();
        assert_eq!(text, "The server refused: 403 Forbidden.");
    }

    #[test]
    fn missing_host_is_named() {
        let text = DownloadError::NoSuchHost("nowhere.invalid".to_owned()).to_string();
        assert_eq!(text, "There is no server named nowhere.invalid.");
    }
}
