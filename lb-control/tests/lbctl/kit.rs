//! `lbctl` as a child.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// How `lbctl` ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// It did what it was told, and said nothing on standard error.
    pub(crate) fn done(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    /// It ended with this status, one sentence with all of these words, and nothing on standard output.
    pub(crate) fn failed(self, status: i32, words: &[&str]) {
        assert_eq!((self.status, self.out.as_str()), (status, ""), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("lbctl: "), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word}: {self:?}");
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs `lbctl` with these words.
pub(crate) fn lbctl(words: &[&str]) -> Ended {
    lbctl_reading(words, "")
}

/// The same with something on its standard input.
pub(crate) fn lbctl_reading(words: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lbctl"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A child that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// Runs `lbctl` against the socket at this path.
pub(crate) fn lbctl_at(socket: &Path, words: &[&str]) -> Ended {
    let control = format!("unix:{}", socket.display());
    let mut all = vec!["--control", control.as_str()];
    all.extend(words);
    lbctl(&all)
}
