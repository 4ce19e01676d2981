//! A network namespace for one test, and `ip` in it.
//!
//! Easy to get wrong: the namespace lives as long as the process that holds it, which ends when its standard input does.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The namespace that this thread is in.
pub(crate) struct Net(Child);

impl Net {
    /// Enters a new namespace with three pairs of devices that are up and have addresses: `lb-a`, `lb-b`, and `mgmt`,
    /// which is not ours. `None`, and a line that says so, where this machine cannot.
    pub(crate) fn enter() -> Option<Self> {
        let holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut holder) = holder else {
            println!("skipped: unshare (package util-linux)");
            return None;
        };
        let mut line = String::new();
        let stdout = holder.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        if line.is_empty() {
            println!("skipped: network namespaces need root");
            return None;
        }
        let namespace = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let net = Self(holder);
        if !can("link add lb-a type veth peer name peer-a") {
            println!("skipped: ip, or veth in the kernel");
            return None;
        }
        ip("link set lo up");
        ip("link add lb-b type veth peer name peer-b");
        ip("link add mgmt type veth peer name peer-m");
        for (number, (device, peer)) in DEVICES.into_iter().enumerate() {
            let number = number + 1;
            ip(&format!("link set {peer} up"));
            ip(&format!("link set {device} up"));
            ip(&format!("addr add 10.{number}.0.1/24 dev {device}"));
            ip(&format!(
                "addr add 2001:db8:{number}::1/64 dev {device} nodad"
            ));
        }
        Some(net)
    }
}

/// Devices of a namespace with their other ends; the first two are ours.
pub(crate) const DEVICES: [(&str, &str); 3] =
    [("lb-a", "peer-a"), ("lb-b", "peer-b"), ("mgmt", "peer-m")];

impl Drop for Net {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn can(words: &str) -> bool {
    let done = Command::new("ip").args(words.split_whitespace()).output();
    done.is_ok_and(|done| done.status.success())
}

/// `ip` with these words.
#[track_caller]
pub(crate) fn ip(words: &str) -> String {
    let done = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {words}: {told}");
    String::from_utf8(done.stdout).unwrap()
}

/// Many lines for `ip`, of which some may fail; how many did.
pub(crate) fn batch(lines: &str) -> usize {
    let mut ip = Command::new("ip")
        .args(["-force", "-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = ip.stdin.take().unwrap();
    let lines = lines.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let done = ip.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    // It ends at a word that it does not understand, and reads no further.
    assert!(writer.join().is_ok(), "{told}");
    told.matches("Command failed").count()
}

/// Lines that add so many IPv4 routes over `lb-a`.
pub(crate) fn many_routes(count: u32) -> String {
    let mut lines = String::new();
    for number in 0..count {
        let [_, b, c, d] = number.to_be_bytes();
        let gateway = 2 + number % 200;
        writeln!(
            lines,
            "route add {}.{c}.{d}.0/24 via 10.1.0.{gateway} proto bird metric 32",
            100 + b
        )
        .unwrap();
    }
    lines
}
