//! Runs the real program: a place of its own, bounded time, and what it said and counted.
//!
//! No counterpart in the patent. Each run has its own directory for files, state and the EAL's sockets,
//! and an empty environment, so that nothing a user would have to set is set here either.
//! Easy to get wrong: two runs at a time at most, for each polls with all its might; and a run that does not
//! end is killed, never waited for.

#![expect(clippy::unwrap_used, reason = "test")]

pub(crate) mod ended;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use lb_core::testkit::{net, pcap};
use serde_json::Value;

use ended::Ended;

/// A run that lasts longer is killed.
const LIMIT: Duration = Duration::from_secs(60);
/// Runs at a time.
const AT_ONCE: usize = 2;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// The right to run; given back when dropped.
struct Permit;

impl Permit {
    fn take() -> Self {
        let running = RUNNING.lock().unwrap();
        *ENDED
            .wait_while(running, |running| *running >= AT_ONCE)
            .unwrap() += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap() -= 1;
        ENDED.notify_one();
    }
}

/// A directory of one test, removed at its end.
pub(crate) struct Place {
    directory: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Left behind, none of it is in anybody's way but the hugepages.
        self.free_hugepages();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Place {
    /// A new place. The name is short: the EAL's sockets lie below it, and their paths have 107 octets.
    pub(crate) fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("lb-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self { directory }
    }

    /// The EAL leaves its hugepage files for the next run of its prefix, and the program its region for the
    /// next process; here there is none.
    fn free_hugepages(&self) {
        let Ok(region) = fs::read_link(self.path("state/region")) else {
            return;
        };
        let mut maps = self.directory.file_name().unwrap().to_owned();
        maps.push("map_");
        let files = region
            .parent()
            .and_then(|mount| fs::read_dir(mount).ok())
            .into_iter()
            .flatten()
            .flatten();
        for file in files.filter(|file| {
            file.file_name()
                .as_encoded_bytes()
                .starts_with(maps.as_encoded_bytes())
        }) {
            let _ = fs::remove_file(file.path());
        }
        let _ = fs::remove_file(region);
    }

    /// Path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, octets: impl AsRef<[u8]>) {
        fs::write(self.path(name), octets).unwrap();
    }

    /// Writes a capture.
    pub(crate) fn capture(&self, name: &str, frames: &[Vec<u8>]) {
        self.write(name, pcap::write(frames.iter().map(Vec::as_slice)));
    }

    /// Frames of a capture that the program wrote.
    pub(crate) fn frames(&self, name: &str) -> Vec<Vec<u8>> {
        pcap::read(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The program with these words on its command line, parted by blanks; files are of this place. State
    /// and the EAL's files go to this place, too.
    pub(crate) fn program(&self, words: &str) -> Command {
        self.command(&[env!("CARGO_BIN_EXE_lb-dataplane")], words)
    }

    /// The same, started by other words than the program's name.
    pub(crate) fn command(&self, start: &[&str], words: &str) -> Command {
        let (eal, ours) = words
            .split_once(" -- ")
            .map_or((words, None), |(e, o)| (e, Some(o)));
        let (program, arguments) = start.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(arguments);
        if ours.is_some() {
            command
                .arg("--file-prefix")
                .arg(self.directory.file_name().unwrap());
        }
        command.args(eal.split_whitespace());
        if let Some(ours) = ours {
            command
                .arg("--")
                .args(ours.split_whitespace())
                .args(["--state", "state"]);
            if !ours.contains("--exception") {
                // Kernel devices would have the same names in every run.
                command.args(["--exception", "none"]);
            }
        }
        command
            .current_dir(&self.directory)
            .env_clear()
            .env("RUNTIME_DIRECTORY", &self.directory);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, words: &str) -> Ended {
        self.start(words).end()
    }

    /// Runs a command to its end.
    pub(crate) fn run_command(&self, command: Command) -> Ended {
        self.start_command(command).end()
    }

    /// Starts the program.
    pub(crate) fn start(&self, words: &str) -> Running {
        self.start_command(self.program(words))
    }

    fn start_command(&self, mut command: Command) -> Running {
        let permit = Permit::take();
        let mut words = command.get_args().skip_while(|word| *word != "--report");
        let report = self.directory.join(words.nth(1).unwrap_or_default());
        let _ = fs::remove_file(&report);
        let line = format!("{command:?}");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, said) = channel();
        listen(child.stdout.take().unwrap(), sender.clone(), Said::Out);
        listen(child.stderr.take().unwrap(), sender, Said::Err);
        let deadline = Instant::now() + LIMIT;
        Running {
            child,
            said,
            line,
            report,
            out: Vec::new(),
            err: Vec::new(),
            deadline,
            _permit: permit,
        }
    }
}

/// A line that the program said.
enum Said {
    Out(String),
    Err(String),
}

fn listen(from: impl Read + Send + 'static, to: Sender<Said>, kind: fn(String) -> Said) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if to.send(kind(line)).is_err() {
                return;
            }
        }
    });
}

/// The program while it runs. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    said: Receiver<Said>,
    line: String,
    report: PathBuf,
    out: Vec<String>,
    err: Vec<String>,
    deadline: Instant,
    _permit: Permit,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes in lines for at most `wait`; false where the program has closed both its outputs.
    pub(crate) fn listen_for(&mut self, wait: Duration) -> bool {
        match self.said.recv_timeout(wait) {
            Ok(Said::Out(line)) => self.out.push(line),
            Ok(Said::Err(line)) => self.err.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        assert!(
            Instant::now() < self.deadline,
            "{}: does not end\n{}",
            self.line,
            self.told()
        );
        true
    }

    /// Waits until a line with this text was said on either output.
    pub(crate) fn until(&mut self, text: &str) {
        while !self
            .out
            .iter()
            .chain(&self.err)
            .any(|line| line.contains(text))
        {
            assert!(
                self.listen_for(LIMIT),
                "{}: never said {text:?}\n{}",
                self.line,
                self.told()
            );
        }
    }

    /// Waits until the ports are polled.
    pub(crate) fn until_it_polls(&mut self) {
        self.until("no exception path");
    }

    /// Sends a signal by name, such as `TERM`; a process that has just ended gets none.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        let _ = Command::new("sh")
            .args(["-c", &kill])
            .stderr(Stdio::null())
            .status();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        while self.listen_for(LIMIT) {}
        let status = self.child.wait().unwrap();
        let report = fs::read(&self.report).ok();
        Ended {
            status,
            line: self.line.clone(),
            out: std::mem::take(&mut self.out),
            err: std::mem::take(&mut self.err),
            report: report.and_then(|text| serde_json::from_slice(&text).ok()),
            has_report_file: self.report.is_file(),
        }
    }

    fn told(&self) -> String {
        [self.out.join("\n"), self.err.join("\n")].join("\n")
    }
}

/// The configuration of the packet cases, but no neighbor is known in it: each has to be asked for.
pub(crate) fn asking() -> String {
    let mut document: Value = serde_json::from_str(&net::plain()).unwrap();
    let neighbors = document.get_mut("neighbors").unwrap();
    *neighbors = Value::Array(Vec::new());
    document.to_string()
}

/// True, after saying so, where the machine has fewer than two processors to run on.
pub(crate) fn lacks_processors() -> bool {
    let lacks = std::thread::available_parallelism().map_or(1, usize::from) < 2;
    if lacks {
        println!("skipped: two processors (0 and 1)");
    }
    lacks
}
