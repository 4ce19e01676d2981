//! The program under test: started in a place of its own, asked over its socket, ended, its report checked.
//!
//! No counterpart in the patent. The main lcore is on the first processor, the worker lcore on the second.
//! Easy to get wrong: one program at a time; two that poll on one processor disturb each other, and what is seen then
//! says nothing about either.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::Client;
use crate::restart_kit::{Place, Program};

/// Longest wait for the program; no test needs it.
const PATIENCE: Duration = Duration::from_secs(60);

/// EAL options of every run, without devices.
pub(crate) const EAL: &str =
    "--lcores 0@0,1@1 --no-huge -m 256 --no-shconf --no-pci --no-telemetry";

/// Ports without packets.
pub(crate) const NULLS: &str = "--vdev=net_null0,no-rx=1 --vdev=net_null1,no-rx=1";

static ALONE: Mutex<()> = Mutex::new(());

/// The right to be the only test that runs.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether tests are to take as long as the acceptance asks.
pub(crate) fn is_long() -> bool {
    std::env::var_os("LB_LONG").is_some_and(|value| value == "1")
}

/// The program while it runs.
pub(crate) struct Switch {
    // First to go: whoever waits in a pipe's other end is let go by it.
    program: Program,
    lines: Mutex<Receiver<String>>,
    said: Vec<String>,
    pub(crate) place: Place,
}

impl Switch {
    /// Starts the program in a place with devices and options of choice, and waits until its API can be reached.
    pub(crate) fn start(place: Place, devices: &str, options: &str) -> Self {
        let mut switch = Self::spawn(place, devices, options);
        switch.until("API on ");
        switch
    }

    /// The same without the wait.
    pub(crate) fn spawn(place: Place, devices: &str, options: &str) -> Self {
        let words =
            format!("{EAL} {devices} -- --exception none --state state --report r.json {options}");
        let mut command = place.program(&words);
        let errors = File::create(place.path("err.log")).unwrap();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            program: Program(child),
            lines: Mutex::new(lines),
            said: Vec::new(),
            place,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.0.id()
    }

    /// Where the API is.
    pub(crate) fn socket(&self) -> PathBuf {
        self.place.path("state/control.sock")
    }

    /// A new connection to the API.
    pub(crate) fn client(&self) -> Client {
        Client::unix(&self.socket())
    }

    /// The next line on standard output.
    ///
    /// # Panics
    /// Where the program has ended instead.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.get_mut().unwrap().recv_timeout(PATIENCE) {
            Ok(line) => {
                self.said.push(line.clone());
                line
            }
            Err(RecvTimeoutError::Timeout) => panic!("says nothing: {}", self.told()),
            Err(RecvTimeoutError::Disconnected) => panic!("has ended: {}", self.told()),
        }
    }

    /// Takes in lines until one holds this; the line.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// Sends a signal by name, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status();
        assert!(status.unwrap().success(), "kill");
    }

    /// Whether the program still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.program.0.try_wait().unwrap().is_none()
    }

    /// Ends the program; its report, which adds up.
    pub(crate) fn end(mut self) -> Value {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.program.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "does not end: {}", self.told());
            thread::sleep(Duration::from_millis(1));
        };
        assert!(status.success(), "{status}: {}", self.told());
        let text = fs::read(self.place.path("r.json")).unwrap();
        let report: Value = serde_json::from_slice(&text).unwrap();
        check(&report);
        report
    }

    /// What it has said so far, for messages.
    pub(crate) fn told(&self) -> String {
        let errors = fs::read_to_string(self.place.path("err.log")).unwrap_or_default();
        format!("{}\n{errors}", self.said.join("\n"))
    }
}

/// Every packet that came has one verdict, and the ports count as the lcores do.
fn check(report: &Value) {
    let verdicts = report["verdicts"].as_object().unwrap();
    let verdicts: u64 = verdicts.values().filter_map(Value::as_u64).sum();
    let received = |list: &str, key: &str| -> u64 {
        let all = report[list].as_array().unwrap().iter();
        all.filter_map(|one| one[key].as_u64()).sum()
    };
    assert_eq!(report["received"], verdicts, "{report:#}");
    assert_eq!(received("lcores", "received"), verdicts, "{report:#}");
    assert_eq!(received("ports", "rx_packets"), verdicts, "{report:#}");
}

/// A number of a report or an answer, by its JSON pointer.
#[track_caller]
pub(crate) fn number(value: &Value, pointer: &str) -> u64 {
    value
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("{pointer}: {value:#}"))
}

/// Asks until the answer is as wanted. Every question waits for its answer, so this does not spin.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
