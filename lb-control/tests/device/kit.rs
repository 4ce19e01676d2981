//! `lb-control` as a child: started, its lines heard, ended.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE};

/// The device while it runs; killed when dropped.
pub(crate) struct Device {
    child: Child,
    lines: Receiver<String>,
    /// Where it listens.
    address: String,
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Device {
    /// Starts it with a listener on loopback and a short period.
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lb-control"))
            .args(["--listen", "127.0.0.1:0", "--period", "0.1"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut device = Self {
            child,
            lines,
            address: String::new(),
        };
        let line = device.until("listens on ");
        device.address = line.trim_start_matches("listens on ").to_owned();
        device
    }

    /// Waits for a line with this text.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// A new connection to its API.
    pub(crate) fn client(&self) -> Client {
        let (_, port) = self.address.rsplit_once(':').unwrap();
        Client::over(crate::client::connect(port.parse().unwrap()))
    }

    /// Ends it as a service manager does.
    pub(crate) fn end(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-s", "TERM", &pid]).status();
        assert!(told.unwrap().success());
        let deadline = Instant::now() + PATIENCE;
        let status = until("it ends", deadline, || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

/// The address of a socket as the command line has it.
pub(crate) fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// Asks until there is something. Every question waits for its answer, so this does not spin.
#[track_caller]
pub(crate) fn until<T>(what: &str, deadline: Instant, mut ask: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
