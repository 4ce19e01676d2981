//! `lbctl top` on a terminal: what it draws, and how it gives the terminal back.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::rig::Rig;

/// Longest wait for anything to be drawn; no test needs it.
const PATIENCE: Timespec = Timespec {
    tv_sec: 20,
    tv_nsec: 0,
};

/// `lbctl top` in a window of 20 rows and 70 columns.
struct Window {
    child: Child,
    /// The side of the person in front of it.
    person: File,
    terminal: OwnedFd,
    shown: String,
}

impl Window {
    fn open(rig: &Rig, words: &[&str]) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let terminal = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: 20,
            ws_col: 70,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_lbctl"))
            .args(["--control", &rig.address(0), "top"])
            .args(words)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self {
            child,
            person: person.into(),
            terminal,
            shown: String::new(),
        }
    }

    /// Reads until this is drawn.
    fn wait_for(&mut self, text: &str) {
        let mut octets = [0; 4096];
        while !self.shown.contains(text) {
            let mut fds = [PollFd::new(&self.person, PollFlags::IN)];
            let ready = poll(&mut fds, Some(&PATIENCE)).unwrap();
            assert_ne!(ready, 0, "no {text:?} in {:?}", self.shown);
            let read = self.person.read(&mut octets).unwrap();
            let read = octets.get(..read).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(read));
        }
    }

    fn shows_what_is_typed(&self) -> bool {
        let modes = tcgetattr(self.terminal.as_fd()).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    /// Waits for the end, which must have given the terminal back.
    fn end(mut self) {
        assert!(self.child.wait().unwrap().success());
        assert!(self.shows_what_is_typed());
        self.wait_for("\u{1b}[?25h");
    }
}

#[test]
fn q_ends_top_and_the_terminal_is_as_before() {
    let rig = Rig::new();
    let mut window = Window::open(&rig, &["--interval", "100"]);
    window.wait_for("web/web-2");
    window.wait_for("\u{1b}[J");
    assert!(!window.shows_what_is_typed());
    for line in window.shown.split("\u{1b}[K") {
        let text = line.trim_start_matches(['\r', '\n']);
        let text = text.rsplit("\u{1b}[H").next().unwrap();
        assert!(text.chars().count() <= 70, "{text}");
    }
    window.person.write_all(b"q").unwrap();
    window.end();
}

#[test]
fn a_signal_ends_top_and_the_terminal_is_as_before() {
    let rig = Rig::new();
    let mut window = Window::open(&rig, &["--interval", "100"]);
    window.wait_for("\u{1b}[J");
    let pid = Pid::from_child(&window.child);
    kill_process(pid, Signal::TERM).unwrap();
    window.end();
}

#[test]
fn space_looks_at_once() {
    let mut rig = Rig::new();
    let mut window = Window::open(&rig, &["--interval", "3000", "--count", "1"]);
    window.wait_for("\u{1b}[J");
    window.shown.clear();
    rig.connect("203.0.113.7:1000");
    window.person.write_all(b" ").unwrap();
    window.wait_for("IPv4 1 of");
    window.end();
}

#[test]
fn a_program_that_went_away_is_said_and_no_figures_are_shown() {
    let mut rig = Rig::new();
    let mut window = Window::open(&rig, &["--interval", "0.1"]);
    window.wait_for("\u{1b}[J");
    rig.stop();
    window.shown.clear();
    window.wait_for("no lb-dataplane answers");
    window.shown.clear();
    window.wait_for("q ends.");
    assert!(!window.shown.contains("web"), "{}", window.shown);
    window.person.write_all(b"q").unwrap();
    window.end();
}
