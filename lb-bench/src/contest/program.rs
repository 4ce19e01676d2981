//! A program that runs while it is measured, and its command line.
//!
//! No counterpart in the patent. Testpmd and ours get the same devices, memory, CPUs and priority.
//! Easy to get wrong: a program that is left behind polls on and spoils every later figure; whatever happens,
//! it is ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::telemetry::{Telemetry, socket_path};

/// Time to start: mbufs of a large capture have to be filled.
const START: Duration = Duration::from_secs(60);
/// Time to end.
const END: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(2);

/// Which CPUs, and how much memory, a program gets.
#[derive(Clone, Debug)]
pub struct Place {
    /// CPU of the main lcore.
    pub main_cpu: u32,
    /// CPU of the lcore that forwards.
    pub cpu: u32,
    /// MiB of ordinary memory, where hugepages do not suffice.
    pub no_huge: Option<u64>,
    /// Name of DPDK's run directory.
    pub file_prefix: String,
}

impl Place {
    /// The EAL's options, without devices.
    #[must_use]
    pub fn eal(&self) -> Vec<String> {
        let mut words = vec![
            format!("--lcores=0@{},1@{}", self.main_cpu, self.cpu),
            "--no-pci".to_owned(),
            format!("--file-prefix={}", self.file_prefix),
        ];
        match self.no_huge {
            Some(mib) => words.extend(["--no-huge".to_owned(), "-m".to_owned(), mib.to_string()]),
            None => words.push("--huge-unlink".to_owned()),
        }
        words
    }
}

/// A program under way.
pub struct Program {
    child: Child,
    name: String,
    log: PathBuf,
    socket: PathBuf,
    ended: bool,
    begin: Instant,
}

impl Program {
    /// Starts a command; what it says goes to `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, mut command: Command, place: &Place, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("{}", log.display()))?;
        let begin = Instant::now();
        let child = command
            // Testpmd forwards until a line comes, or the end of its input.
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{name} ({:?})", command.get_program()))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
            socket: socket_path(&place.file_prefix),
            ended: false,
            begin,
        })
    }

    /// Waits until it forwards on `port`; the time since it was started.
    ///
    /// # Errors
    /// It ended, or forwards nothing in time.
    pub fn until_it_forwards(&mut self, port: u16) -> Result<(Telemetry, Duration)> {
        while self.begin.elapsed() < START {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                bail!("{} ended with {status}: {}", self.name, self.last_words());
            }
            if let Ok(telemetry) = Telemetry::connect(&self.socket)
                && let Ok(sample) = telemetry.port(port)
                && sample.sent > 0
            {
                return Ok((telemetry, self.begin.elapsed()));
            }
            sleep(PAUSE);
        }
        bail!(
            "{} forwarded nothing in {} s: {}",
            self.name,
            START.as_secs(),
            self.last_words()
        )
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// It does not end, or says that something was wrong.
    pub fn end(mut self) -> Result<()> {
        self.signal(Signal::INT);
        let status = self.wait()?;
        ensure!(
            status.success(),
            "{} ended with {status}: {}",
            self.name,
            self.last_words()
        );
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let begin = Instant::now();
        while begin.elapsed() < END {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                return Ok(status);
            }
            sleep(PAUSE);
        }
        bail!("{} does not end: {}", self.name, self.last_words())
    }

    /// The last lines that it wrote.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        let last = lines.len().saturating_sub(5);
        lines.get(last..).unwrap_or_default().join(" / ")
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A process that has ended already needs no signal.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.ended {
            // Nothing is left to be done where even this fails.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
