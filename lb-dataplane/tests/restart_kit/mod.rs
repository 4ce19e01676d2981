//! What the tests of restarts and of several lcores share: a place for files, and the program in it.
//!
//! No counterpart in the patent. Two CPUs: the main lcore and lcore 1 share the first, lcore 2 has the second.
//! Each port has as many capture files to write as lcores poll, for each lcore sends through a queue of its own.
//! Easy to get wrong: a program that is killed leaves its last record cut, and perhaps no record at all.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lb_core::testkit::pcap;

/// What runs longer has hung.
const LIMIT: Duration = Duration::from_secs(100);

/// EAL options of every run.
pub(crate) const EAL: &str =
    "--lcores 0@0,1@0,2@1 --no-huge -m 512 --no-shconf --no-pci --no-telemetry";

/// A directory of one test, removed at its end.
pub(crate) struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        // What stays behind is in nobody's way.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Place {
    /// A new place.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lb-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The program, its words parted by blanks; files are of this place.
    pub(crate) fn program(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb-dataplane"));
        command
            .args(words.split_whitespace())
            .current_dir(&self.0)
            .env("RUNTIME_DIRECTORY", &self.0)
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end and gives what it said, or kills it when it does not end.
    pub(crate) fn run(&self, words: &str) -> Output {
        let mut command = self.program(words);
        let out = fs::File::create(self.path("out.log")).unwrap();
        let err = fs::File::create(self.path("err.log")).unwrap();
        let mut program = Program(command.stdout(out).stderr(err).spawn().unwrap());
        let end = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = program.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "{words}: does not end");
            std::thread::sleep(Duration::from_millis(1));
        };
        let read = |name| fs::read(self.path(name)).unwrap();
        Output {
            status,
            stdout: read("out.log"),
            stderr: read("err.log"),
        }
    }

    /// Writes a capture.
    pub(crate) fn capture<F: AsRef<[u8]>>(&self, name: &str, frames: &[F]) {
        let file = pcap::write(frames.iter().map(AsRef::as_ref));
        fs::write(self.path(name), file).unwrap();
    }

    /// The whole frames of captures that the program wrote.
    pub(crate) fn frames(&self, names: &[&str]) -> Vec<Vec<u8>> {
        let whole = |name: &&str| {
            let mut file = fs::read(self.path(name)).unwrap();
            file.truncate(whole_records(&file));
            if file.is_empty() {
                Vec::new()
            } else {
                pcap::read(&file).unwrap()
            }
        };
        names.iter().flat_map(whole).collect()
    }
}

/// Octets of a capture up to the end of its last whole record.
fn whole_records(file: &[u8]) -> usize {
    let mut end = 24;
    if file.len() < end {
        return 0;
    }
    while let Some(len) = file.get(end + 8..).and_then(<[u8]>::first_chunk) {
        let next = end + 16 + u32::from_le_bytes(*len) as usize;
        if next > file.len() {
            break;
        }
        end = next;
    }
    end
}

/// The program while it runs; killed when dropped.
pub(crate) struct Program(pub(crate) Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both outputs of a run, for messages.
pub(crate) fn told(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    format!(
        "{}{}{}",
        text(&output.stdout),
        text(&output.stderr),
        output.status
    )
}

/// Asserts that a run ended by itself and well; what it said.
pub(crate) fn went_well(output: &Output) -> String {
    let told = told(output);
    assert!(output.status.success(), "{told}");
    told
}

/// True, after saying so, where the machine has fewer than two processors to run on.
pub(crate) fn lacks_processors() -> bool {
    let lacks = std::thread::available_parallelism().map_or(1, usize::from) < 2;
    if lacks {
        println!("skipped: two processors (0 and 1)");
    }
    lacks
}

/// The number behind `key` in a line of text such as `adopted 12 IPv4`.
pub(crate) fn number_after(text: &str, key: &str) -> u64 {
    let rest = text
        .split_once(key)
        .unwrap_or_else(|| panic!("no {key:?} in {text}"))
        .1;
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}
