//! Asks a running DPDK program for its ports' counters.
//!
//! No counterpart in the patent. Every DPDK program has a socket for that, served by a thread that is not a
//! lcore. So testpmd and ours are measured by the same means, while they run.
//! Easy to get wrong: the socket keeps messages apart (`SOCK_SEQPACKET`); one answer is one read.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket,
};
use serde_json::Value;

use crate::machine::is_root;

/// Longest answer, as DPDK's greeting says.
const ANSWER: usize = 16 << 10;

/// A connection to one program.
pub struct Telemetry(OwnedFd);

/// A port's counters at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The moment, about in the middle between question and answer.
    pub at: Instant,
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
}

/// Where a program's socket lies.
#[must_use]
pub fn socket_path(file_prefix: &str) -> PathBuf {
    let base = if is_root() {
        "/var/run".into()
    } else {
        std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    };
    base.join("dpdk")
        .join(file_prefix)
        .join("dpdk_telemetry.v2")
}

impl Telemetry {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there, or it is not DPDK's telemetry.
    pub fn connect(path: &Path) -> Result<Self> {
        let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        let telemetry = Self(socket);
        let greeting = telemetry.read()?;
        ensure!(
            greeting.get("version").is_some(),
            "{}: not DPDK's telemetry: {greeting}",
            path.display()
        );
        Ok(telemetry)
    }

    /// Counters of one port.
    ///
    /// # Errors
    /// The program is gone, or has no such port.
    pub fn port(&self, port: u16) -> Result<Sample> {
        let question = format!("/ethdev/stats,{port}");
        let asked = Instant::now();
        send(&self.0, question.as_bytes(), SendFlags::empty())?;
        let answer = self.read()?;
        let at = asked + asked.elapsed() / 2;
        let number = |name: &str| {
            answer
                .get("/ethdev/stats")
                .and_then(|stats| stats.get(name))
                .and_then(Value::as_u64)
                .with_context(|| format!("port {port}: no {name} in {answer}"))
        };
        Ok(Sample {
            at,
            received: number("ipackets")?,
            sent: number("opackets")?,
        })
    }

    fn read(&self) -> Result<Value> {
        let mut octets = vec![0; ANSWER];
        let (len, _) = recv(&self.0, &mut octets[..], RecvFlags::empty())?;
        let answer = octets.get(..len).unwrap_or_default();
        serde_json::from_slice(answer).context("telemetry: not JSON")
    }
}
