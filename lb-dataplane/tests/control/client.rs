//! A client of a few lines: one connection to the API, requests as octets, answers in turn.
//!
//! No counterpart in the patent.
//! Easy to get wrong: an answer of the wrong length would shift all that follow; bodies are read by their length.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::kit::until;

/// Longest wait for anything; no test needs it.
const PATIENCE: Duration = Duration::from_secs(60);

trait Talk: Read + Write + Send {}
impl<T: Read + Write + Send> Talk for T {}

/// One connection.
pub(crate) struct Client(BufReader<Box<dyn Talk>>);

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name.
    fields: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of an answer that was hoped for.
    #[track_caller]
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Revision of the document, by its tag.
    pub(crate) fn tag(&self) -> Option<u64> {
        self.fields.get("etag")?.trim_matches('"').parse().ok()
    }

    /// Whether the connection ends with it.
    pub(crate) fn is_last(&self) -> bool {
        self.fields
            .get("connection")
            .is_some_and(|how| how == "close")
    }
}

impl Client {
    /// Over a Unix socket.
    pub(crate) fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(Box::new(stream)))
    }

    /// Over plain TCP, to an address such as `127.0.0.1:8080`.
    pub(crate) fn tcp(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(Box::new(stream)))
    }

    /// Sends octets, whatever they are.
    pub(crate) fn say(&mut self, octets: &[u8]) -> std::io::Result<()> {
        let talk = self.0.get_mut();
        talk.write_all(octets)?;
        talk.flush()
    }

    /// Sends a request and reads its answer; `None` where the connection ends before.
    pub(crate) fn try_send(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        // Who was refused by the head alone may find the rest of the request unread.
        let _ = self.say(&request(method, path, body));
        self.answer()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.try_send("GET", path, b"").unwrap()
    }

    pub(crate) fn put(&mut self, path: &str, body: &str) -> Answer {
        self.try_send("PUT", path, body.as_bytes()).unwrap()
    }

    /// Changes something, and tries again while a worker lcore has not taken over what was before: on a busy machine the
    /// system may keep it from running for a while.
    #[track_caller]
    pub(crate) fn change(&mut self, method: &str, path: &str, body: &str) -> Value {
        until("a change is taken", || {
            let answer = self.try_send(method, path, body.as_bytes()).unwrap();
            (answer.status != 503).then(|| answer.done())
        })
    }

    /// The next answer; `None` where the connection ends first.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.0.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut fields = HashMap::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = fields.get("content-length");
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer {
            status,
            fields,
            body,
        })
    }
}

/// A request as it travels.
pub(crate) fn request(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut octets = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    octets.extend_from_slice(body);
    octets
}
