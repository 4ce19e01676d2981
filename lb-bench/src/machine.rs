//! The machine that measures: what it is, and how a program gets a CPU of it to itself.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a figure without its machine is no figure.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a page of figures says about where they are from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// CPU model, as the kernel has it.
    pub cpu: String,
    /// CPUs that are online.
    pub cpus: usize,
    /// Octets of the last-level cache as the kernel writes them, such as `32768K`.
    pub cache: String,
    /// MiB of memory.
    pub memory_mib: u64,
    /// Version of the kernel, without what its builder added.
    pub kernel: String,
    /// Version of DPDK; empty where there is none.
    pub dpdk: String,
    /// Compiler.
    pub rustc: String,
    /// Whether a hypervisor is between us and the CPU.
    pub is_virtual: bool,
}

impl Machine {
    /// This machine; what cannot be found out is empty.
    #[must_use]
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':'))
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let numbers = ["cpu family", "model", "stepping"].map(field);
        Self {
            cpu: format!(
                "{} (family {}, model {}, stepping {})",
                field("model name"),
                numbers[0],
                numbers[1],
                numbers[2]
            ),
            cpus: cpuinfo
                .lines()
                .filter(|l| l.starts_with("processor"))
                .count(),
            cache: read("/sys/devices/system/cpu/cpu0/cache/index3/size"),
            memory_mib: meminfo("MemTotal:") / 1024,
            kernel: version(&read("/proc/sys/kernel/osrelease")).to_owned(),
            dpdk: said_by("pkg-config", &["--modversion", "libdpdk"]),
            rustc: said_by("rustc", &["--version"]),
            is_virtual: field("flags").split_whitespace().any(|f| f == "hypervisor"),
        }
    }
}

/// First line that a program writes; empty where there is no such program.
#[must_use]
pub fn said_by(program: &str, arguments: &[&str]) -> String {
    let answer = Command::new(program).args(arguments).output();
    let text = answer.map(|answer| answer.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().to_owned()
}

fn version(release: &str) -> &str {
    release
        .split_once('-')
        .map_or(release, |(version, _)| version)
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// A number of `/proc/meminfo`; 0 where it is not there.
fn meminfo(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// MiB of hugepages that nobody has taken.
#[must_use]
pub fn free_huge_mib() -> u64 {
    let pages = meminfo("HugePages_Free:").saturating_sub(meminfo("HugePages_Rsvd:"));
    pages * meminfo("Hugepagesize:") / 1024
}

/// Waits until nobody else measures on this machine, and keeps others waiting for as long as the file lives.
/// Two programs that both want a CPU whole would measure each other.
///
/// # Errors
/// The lock file cannot be opened.
pub fn alone() -> Result<File> {
    let path = std::env::temp_dir().join("lb-bench.lock");
    // Somebody else's file can be locked, though not written.
    let file = File::open(&path)
        .or_else(|_| File::create(&path))
        .with_context(|| format!("{}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("waits: somebody else measures");
        file.lock()?;
    }
    Ok(file)
}

/// Whether we may have real-time priority.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// A command at real-time priority, where we may.
#[must_use]
pub fn at_priority(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("chrt");
        command.args(["-f", "1"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// This program once more, on one CPU, at real-time priority where we may.
///
/// # Errors
/// This program's path is not known.
pub fn ourselves_on(cpu: u32) -> Result<Command> {
    let program = std::env::current_exe().context("this program's own path")?;
    let mut command = at_priority(Path::new("taskset"));
    command.arg("-c").arg(cpu.to_string()).arg(program);
    Ok(command)
}
