//! The command line: EAL options, `--`, and ours.
//!
//! No counterpart in the patent. Everything before `--` goes to DPDK's EAL as it stands.
//! Easy to get wrong: without `--` every word belongs to the EAL, except a lone question about us
//! (`--help`, `--version`), which must not need hugepages to be answered.

use std::path::PathBuf;

use clap::Parser;

use crate::placement::RxOption;

/// Switching processors of a load-balancing packet switch: polls ports, filters packets, sends them on.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "lb-dataplane",
    version,
    override_usage = "lb-dataplane [EAL options] -- [options]\n       lb-dataplane -l 0-7 -- --ports 0,1,2 --config lb.json"
)]
pub struct Options {
    /// Ports to drive, by DPDK's numbers, such as 0,1,2 [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub ports: Option<Vec<u16>>,
    /// Desired state, a JSON document (docs/configuration.md); without it no service exists
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who polls what: (port,queue,lcore),... [default: dealt out evenly]
    #[arg(long, value_name = "LIST")]
    pub rx: Option<RxOption>,
    /// Mbufs in the pool, per NUMA node [default: by ports, queues and lcores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(64..=1 << 28))]
    pub mbufs: Option<u32>,
    /// Connections of each address family that the connection table can hold
    #[arg(long, value_name = "N", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(1..=64 << 20))]
    pub connections: u32,
    /// How packets for the control processor get there; only `auto` and `none` so far, which mean: not at all
    #[arg(long, value_name = "WAY", default_value = "auto")]
    pub exception: String,
    /// Address of the API; there is none yet, so only the default is taken
    #[arg(long, value_name = "ADDR", default_value = CONTROL)]
    pub control: String,
    /// Directory of shared memory and sockets [default: /run/lb]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Forget the connections of an earlier process instead of going on with them
    #[arg(long)]
    pub fresh: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub run_for: Option<f64>,
    /// Stop when no packet came for this many milliseconds
    #[arg(long, value_name = "MS")]
    pub exit_when_idle: Option<u64>,
    /// At exit, write all counters to this file as JSON (docs/counters.md)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

const CONTROL: &str = "unix:/run/lb/control.sock";
/// Where the region lies unless `--state` says otherwise.
pub const STATE: &str = "/run/lb";

/// The two halves of a command line.
#[derive(Debug)]
pub struct CommandLine {
    /// Program name and EAL options.
    pub eal: Vec<String>,
    /// Ours.
    pub options: Options,
}

impl CommandLine {
    /// Splits and reads the words of a command line, the program's name first.
    ///
    /// # Errors
    /// Clap's, which prints itself and knows its exit status; also for `--help` and `--version`.
    pub fn read(words: impl IntoIterator<Item = String>) -> Result<Self, clap::Error> {
        let words: Vec<String> = words.into_iter().collect();
        let name = words
            .first()
            .cloned()
            .unwrap_or_else(|| "lb-dataplane".to_owned());
        let mut halves = words.splitn(2, |word| word == "--");
        let eal = halves.next().unwrap_or_default().to_vec();
        let asks_about_us = eal
            .iter()
            .any(|word| matches!(word.as_str(), "--help" | "-h" | "--version" | "-V"));
        let ours: Vec<String> = match halves.next() {
            Some(ours) => ours.to_vec(),
            None if asks_about_us => eal.get(1..).unwrap_or_default().to_vec(),
            None => Vec::new(),
        };
        let options = Options::try_parse_from(std::iter::once(name).chain(ours))?;
        options.refuse_what_is_not_built()?;
        Ok(Self { eal, options })
    }
}

impl Options {
    fn refuse_what_is_not_built(&self) -> Result<(), clap::Error> {
        let refuse = |sentence: String| {
            Err(clap::Error::raw(
                clap::error::ErrorKind::InvalidValue,
                format!("{sentence}\n"),
            ))
        };
        if !matches!(self.exception.as_str(), "auto" | "none") {
            return refuse(format!(
                "--exception {}: the exception path is not built yet; leave the option out or say none",
                self.exception
            ));
        }
        if self.control != CONTROL {
            return refuse(format!(
                "--control {}: the API is not built yet; leave the option out",
                self.control
            ));
        }
        if self
            .run_for
            .is_some_and(|seconds| !(seconds >= 0.0 && seconds <= 1e9))
        {
            return refuse("--run-for: expected seconds, from 0 to 1000000000".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_two_halves_are_parted_at_the_double_dash() {
        let line = read("lb-dataplane -l 0-7 --no-pci -- --ports 0,1,2 --config lb.json").unwrap();
        assert_eq!(line.eal, ["lb-dataplane", "-l", "0-7", "--no-pci"]);
        assert_eq!(line.options.ports, Some(vec![0, 1, 2]));
        assert_eq!(line.options.connections, 1 << 20);
    }

    #[test]
    fn help_needs_no_double_dash() {
        let asked = read("lb-dataplane --help").unwrap_err();
        assert_eq!(asked.kind(), clap::error::ErrorKind::DisplayHelp);
    }

    #[test]
    fn what_is_not_built_is_refused_with_a_sentence() {
        assert!(
            read("lb-dataplane -- --exception tap")
                .unwrap_err()
                .to_string()
                .contains("not built yet")
        );
        assert!(
            read("lb-dataplane -- --control unix:/tmp/x")
                .unwrap_err()
                .to_string()
                .contains("not built yet")
        );
        assert!(read("lb-dataplane -- --run-for -1").is_err());
        assert!(read("lb-dataplane -- --exception none").is_ok());
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(
            read("lb-dataplane -- --prots 0")
                .unwrap_err()
                .to_string()
                .contains("--ports")
        );
    }
}
