//! As much of HTTP/1.1 as an agent needs: POST reports, GET a page, read the answers.
//!
//! No counterpart in the patent. RFC 9112: status line, fields, and a body by length, in chunks or to the
//! end. Works over any reader; everything that it reads is bounded.
//! Easy to get wrong: Prometheus exporters answer in chunks, and a chunk's end may fall inside a line.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::time::Instant;

use crate::address::{Page, Place, REPORTS_PATH};
use crate::stream::Stream;
use crate::token::Token;

/// Octets of one line of a head, or of a chunk's size line, at most.
const LINE_MAX: u64 = 8 * 1024;
/// Lines of a head at most.
const FIELDS_MAX: usize = 100;

const AGENT: &str = concat!("lb-agent/", env!("CARGO_PKG_VERSION"));

/// What stands before a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Status code, 200 to 599.
    pub status: u16,
    /// Whether the connection ends with the body.
    pub is_last: bool,
    length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// So many octets are left.
    Known(u64),
    /// In chunks; so many octets are left of this one. `None` before the first.
    Chunks(Option<u64>),
    /// Up to the end of the connection.
    ToEnd,
}

/// Appends a request that posts one report.
pub fn post_report(to: &mut Vec<u8>, place: &Place, token: Option<&Token>, report: &[u8]) {
    let host = match place {
        Place::Unix(_) => "localhost".to_owned(),
        Place::Tcp(..) => place.to_string(),
    };
    let authorization = token
        .map(|token| format!("Authorization: Bearer {}\r\n", token.secret()))
        .unwrap_or_default();
    let head = format!(
        "POST {REPORTS_PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        report.len()
    );
    to.extend_from_slice(head.as_bytes());
    to.extend_from_slice(report);
}

/// An answer whose body is still to be read.
pub struct Response {
    /// Its head.
    pub head: Head,
    from: BufReader<Stream>,
}

impl Response {
    /// The body, to be read once.
    pub fn body(&mut self) -> Body<'_, BufReader<Stream>> {
        Body::new(&mut self.from, &self.head)
    }
}

/// Asks for a page.
///
/// # Errors
/// Those of the connection, and [`ErrorKind::InvalidData`] for what is not HTTP.
pub fn get(page: &Page, deadline: Instant) -> io::Result<Response> {
    let mut stream = Stream::connect(&page.place, deadline)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {AGENT}\r\nAccept: text/plain\r\n\
         Connection: close\r\n\r\n",
        page.target, page.place
    );
    stream.write_all(request.as_bytes())?;
    let mut from = BufReader::new(stream);
    let head = read_head(&mut from)?;
    Ok(Response { head, from })
}

fn not_http(what: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the answer is not HTTP: {what}"),
    )
}

/// One line without its end.
fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Err(io::Error::new(
            ErrorKind::UnexpectedEof,
            "the connection was closed",
        )),
        Some(b'\n') => {
            line.pop_if(|octet| *octet == b'\r');
            String::from_utf8(line).map_err(|_| not_http("a line is not text"))
        }
        Some(_) => Err(not_http("a line is cut off or too long")),
    }
}

/// Reads a head, passing over interim ones (1xx).
///
/// # Errors
/// Those of the reader, and [`ErrorKind::InvalidData`] for what is not HTTP.
pub fn read_head(from: &mut impl BufRead) -> io::Result<Head> {
    for _ in 0..4 {
        let head = read_one_head(from)?;
        if head.status >= 200 {
            return Ok(head);
        }
    }
    Err(not_http("interim answers without end"))
}

fn read_one_head(from: &mut impl BufRead) -> io::Result<Head> {
    let line = read_line(from)?;
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .filter(|status| (100..600).contains(status))
        .ok_or_else(|| not_http("no status line"))?;
    let mut head = Head {
        status,
        is_last: line.starts_with("HTTP/1.0"),
        length: Length::ToEnd,
    };
    for _ in 0..FIELDS_MAX {
        let line = read_line(from)?;
        if line.is_empty() {
            if matches!(status, 100..200 | 204 | 304) {
                head.length = Length::Known(0);
            }
            head.is_last |= head.length == Length::ToEnd;
            return Ok(head);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| not_http("no field"))?;
        read_field(&mut head, name, value.trim())?;
    }
    Err(not_http("too many fields"))
}

fn read_field(head: &mut Head, name: &str, value: &str) -> io::Result<()> {
    let has = |word: &str| {
        value
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    if name.eq_ignore_ascii_case("content-length") {
        // Chunks win over a length (RFC 9112, 6.3).
        if !matches!(head.length, Length::Chunks(_)) {
            let length = value.parse().map_err(|_| not_http("a strange length"))?;
            head.length = Length::Known(length);
        }
    } else if name.eq_ignore_ascii_case("transfer-encoding") {
        if !value.eq_ignore_ascii_case("chunked") {
            return Err(not_http("a strange transfer encoding"));
        }
        head.length = Length::Chunks(None);
    } else if name.eq_ignore_ascii_case("connection") {
        head.is_last |= has("close");
    }
    Ok(())
}

/// A body while it is read.
pub struct Body<'r, R> {
    from: &'r mut R,
    length: Length,
}

impl<'r, R: BufRead> Body<'r, R> {
    /// The body behind `head`.
    pub fn new(from: &'r mut R, head: &Head) -> Self {
        Self {
            from,
            length: head.length,
        }
    }

    /// The whole body, if it is no longer than `max` octets.
    ///
    /// # Errors
    /// Those of the reader; [`ErrorKind::InvalidData`] for a longer body.
    pub fn all(mut self, max: u64) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        self.by_ref().take(max + 1).read_to_end(&mut all)?;
        if all.len() as u64 > max {
            return Err(not_http("a body too long"));
        }
        Ok(all)
    }

    /// Opens the next chunk if the last one is used up; how much there is to read.
    fn left(&mut self) -> io::Result<u64> {
        match self.length {
            Length::Known(left) => Ok(left),
            Length::ToEnd => Ok(u64::MAX),
            Length::Chunks(Some(left)) if left > 0 => Ok(left),
            Length::Chunks(before) => self.next_chunk(before.is_some()),
        }
    }

    fn next_chunk(&mut self, is_behind_another: bool) -> io::Result<u64> {
        if is_behind_another && !read_line(self.from)?.is_empty() {
            return Err(not_http("a chunk does not end where it should"));
        }
        let line = read_line(self.from)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| not_http("no chunk size"))?;
        self.length = Length::Chunks(Some(size));
        if size == 0 {
            self.pass_trailer()?;
            self.length = Length::Known(0);
        }
        Ok(size)
    }

    fn pass_trailer(&mut self) -> io::Result<()> {
        for _ in 0..FIELDS_MAX {
            if read_line(self.from)?.is_empty() {
                return Ok(());
            }
        }
        Err(not_http("a trailer without end"))
    }
}

impl<R: BufRead> Read for Body<'_, R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        if left == 0 || octets.is_empty() {
            return Ok(0);
        }
        let read = self.from.by_ref().take(left).read(octets)?;
        match (&mut self.length, read) {
            (Length::ToEnd, _) => {}
            (_, 0) => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the connection was closed inside a body",
                ));
            }
            (Length::Known(left) | Length::Chunks(Some(left)), read) => *left -= read as u64,
            (Length::Chunks(None), _) => {}
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(answer: &str) -> io::Result<(u16, bool, String)> {
        // Three octets at a time, so that every boundary is met.
        let mut from = BufReader::with_capacity(3, answer.as_bytes());
        let head = read_head(&mut from)?;
        let body = Body::new(&mut from, &head).all(1000)?;
        Ok((
            head.status,
            head.is_last,
            String::from_utf8_lossy(&body).into(),
        ))
    }

    #[test]
    fn a_body_may_have_a_length_chunks_or_just_an_end() {
        for (answer, wanted) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!",
                (200, false, "hello"),
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
                (200, true, "hello"),
            ),
            (
                "HTTP/1.0 200\r\ncontent-length: 2\r\n\r\nhi",
                (200, true, "hi"),
            ),
            (
                "HTTP/1.1 404 x\r\ntransfer-encoding: chunked\r\n\r\n4;a=b\r\nhe\r\n\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n",
                (404, false, "he\r\nlo"),
            ),
            ("HTTP/1.1 204 No Content\r\n\r\nHTTP", (204, false, "")),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\n",
                (202, false, ""),
            ),
        ] {
            let (status, is_last, body) = read(answer).unwrap();
            assert_eq!((status, is_last, body.as_str()), wanted, "{answer}");
        }
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for answer in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 20",
            "HTTP/1.1 999 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        ] {
            assert!(read(answer).is_err(), "{answer}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(9000));
        assert!(read(&long).is_err());
        let body = format!("HTTP/1.1 200 OK\r\n\r\n{}", "y".repeat(1001));
        assert!(read(&body).unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn two_answers_on_one_connection_are_told_apart() {
        let two = "HTTP/1.1 202 A\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 422 B\r\nContent-Length: 1\r\n\r\nx";
        let mut from = two.as_bytes();
        let first = read_head(&mut from).unwrap();
        assert_eq!(Body::new(&mut from, &first).all(10).unwrap(), b"{}");
        assert_eq!(read_head(&mut from).unwrap().status, 422);
    }

    #[test]
    fn a_report_is_posted_with_the_token() {
        let mut octets = Vec::new();
        let token: Token = "s3cret".parse().unwrap();
        let place: Place = "[::1]:80".parse().unwrap();
        post_report(&mut octets, &place, Some(&token), b"{}");
        let text = String::from_utf8(octets).unwrap();
        assert!(text.starts_with("POST /v1/load-reports HTTP/1.1\r\nHost: [::1]:80\r\n"));
        assert!(text.contains("\r\nAuthorization: Bearer s3cret\r\n"));
        assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"));
    }

    proptest! {
        #[test]
        fn any_octets_end_in_an_answer_or_an_error(
            octets in proptest::collection::vec(any::<u8>(), 0..200),
            chunked in any::<bool>(),
        ) {
            let mut answer = if chunked {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()
            } else {
                Vec::new()
            };
            answer.extend(octets);
            let mut from = answer.as_slice();
            if let Ok(head) = read_head(&mut from) {
                let _ = Body::new(&mut from, &head).all(1000);
            }
        }
    }
}
