//! A client of a few lines: it says what the test says, octet for octet, and reads answers in turn.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rig::Rig;

/// Longest wait for anything; no test needs it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) trait Talk: Read + Write + Send {}
impl<T: Read + Write + Send> Talk for T {}

/// One connection.
pub(crate) struct Client(BufReader<Box<dyn Talk>>);

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) fields: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body of an answer that was hoped for.
    #[track_caller]
    pub(crate) fn done<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The reasons of a refusal with this status, as path and message.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> Vec<(String, String)> {
        assert_eq!(self.status, status, "{}", self.text());
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        let errors = body["errors"].as_array().unwrap();
        assert!(!errors.is_empty());
        let word = |error: &Value, key: &str| error[key].as_str().unwrap().to_owned();
        errors
            .iter()
            .map(|error| (word(error, "path"), word(error, "message")))
            .collect()
    }
}

impl Client {
    pub(crate) fn over(talk: impl Talk + 'static) -> Self {
        Self(BufReader::new(Box::new(talk)))
    }

    /// Over the rig's Unix socket.
    pub(crate) fn unix(rig: &Rig) -> Self {
        let stream = UnixStream::connect(rig.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    /// Over one of the rig's further listeners, from 1.
    pub(crate) fn tcp(rig: &Rig, listener: usize) -> Self {
        Self::over(connect(rig.port(listener)))
    }

    pub(crate) fn say(&mut self, octets: &[u8]) -> std::io::Result<()> {
        let talk = self.0.get_mut();
        talk.write_all(octets)?;
        talk.flush()
    }

    /// Sends a request with further header lines, and reads its answer.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let _ = self.say(&request(method, path, fields, body));
        self.answer().unwrap()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body.as_bytes())
    }

    pub(crate) fn put(&mut self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, &[], body.as_bytes())
    }

    pub(crate) fn patch(&mut self, path: &str, body: &str) -> Answer {
        self.send("PATCH", path, &[], body.as_bytes())
    }

    /// The next answer; `None` where the connection ends first.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.0.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
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
pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    let has = |name: &str| fields.iter().any(|(one, _)| one.eq_ignore_ascii_case(name));
    if !has("host") {
        head += "Host: localhost\r\n";
    }
    if !body.is_empty() && !has("content-type") {
        head += "Content-Type: application/json\r\n";
    }
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !has("content-length") {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    let mut octets = head.into_bytes();
    octets.extend_from_slice(body);
    octets
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A load report of one agent's start.
pub(crate) fn report(backend: &str, boot_id: &str, sequence: u64) -> String {
    format!(
        r#"{{"backend":"{backend}","boot_id":"{boot_id}","sequence":{sequence},"monotonic_seconds":{sequence},"cpu_utilization":0.5,"rps_fractional":100.0}}"#
    )
}
