//! The command line: EAL options, `--`, and ours.
//!
//! No counterpart in the patent. Everything before `--` goes to DPDK's EAL as it stands.
//! Easy to get wrong: without `--` every word belongs to the EAL, except a lone question about us
//! (`--help`, `--version`), which must not need hugepages to be answered.

use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use crate::doors;
use crate::interface_daemon::way::Way;
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
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = port_number)]
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
    /// How packets for the box itself get to its kernel (docs/packet-path.md)
    #[arg(long, value_name = "WAY", value_enum, default_value_t)]
    pub exception: Way,
    /// Where the API listens: unix:PATH, HOST:PORT, or none; may be repeated [default: unix:DIR/control.sock, DIR that of --state]
    #[arg(long, value_name = "ADDR")]
    pub control: Vec<String>,
    /// Our certificate with its chain, PEM: HOST:PORT then speaks TLS, which it must unless HOST is this machine
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_clients"])]
    pub tls_certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Authorities that sign clients' certificates, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_clients: Option<PathBuf>,
    /// Name in a client's certificate that may change things; may be repeated
    #[arg(long, value_name = "NAME", requires = "tls_certificate")]
    pub admin: Vec<String>,
    /// Name in a client's certificate that may look at everything; may be repeated
    #[arg(long, value_name = "NAME", requires = "tls_certificate")]
    pub reader: Vec<String>,
    /// Holds the token with which agents may report for any backend
    #[arg(long, value_name = "FILE")]
    pub agent_token_file: Option<PathBuf>,
    /// Holds the token with which anybody may change things
    #[arg(long, value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Log of all changes, JSON lines [default: DIR/audit.log, DIR that of --state]
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
    /// Directory of shared memory and sockets [default: /run/lb]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Forget the connections of an earlier process instead of going on with them
    #[arg(long)]
    pub fresh: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub run_for: Option<f64>,
    /// Stop when no packet came for this many milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds, allow_negative_numbers = true)]
    pub exit_when_idle: Option<u64>,
    /// At exit, write all counters to this file as JSON (docs/counters.md)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

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
        let question = eal
            .iter()
            .find(|word| matches!(word.as_str(), "--help" | "-h" | "--version" | "-V"));
        let ours = match (halves.next(), question) {
            (Some(ours), _) => ours.to_vec(),
            (None, Some(question)) => vec![question.clone()],
            (None, None) => Vec::new(),
        };
        let options = Options::try_parse_from(std::iter::once(name).chain(ours))?;
        refuse_misplaced(&eal)?;
        doors::wanted(&options).map_err(refuse)?;
        Ok(Self { eal, options })
    }
}

/// One sentence out of what clap says in a paragraph or two.
#[must_use]
pub fn sentence(refused: &clap::Error) -> String {
    let told = refused.to_string();
    let lines = told.lines().map(str::trim);
    let said: Vec<_> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .map(|line| line.strip_prefix("error: ").unwrap_or(line))
        .map(|line| line.strip_prefix("tip: ").unwrap_or(line))
        .collect();
    said.join("; ")
}

fn refuse(sentence: impl std::fmt::Display) -> clap::Error {
    clap::Error::raw(
        clap::error::ErrorKind::InvalidValue,
        format!("{sentence}\n"),
    )
}

/// An option of ours in front of `--` would only make the EAL print its own list of options.
fn refuse_misplaced(eal: &[String]) -> Result<(), clap::Error> {
    let command = Options::command();
    let is_ours = |word: &&String| {
        let name = word
            .strip_prefix("--")
            .map(|name| name.split('=').next().unwrap_or(name));
        command
            .get_arguments()
            .any(|argument| argument.get_long().is_some() && argument.get_long() == name)
    };
    match eal.iter().find(is_ours) {
        Some(word) => Err(refuse(format!(
            "{word} is not for the EAL; put -- in front of the program's own options, \
             as in lb-dataplane -l 0-7 -- --ports 0,1,2"
        ))),
        None => Ok(()),
    }
}

fn port_number(text: &str) -> Result<u16, &'static str> {
    let expected = "expected port numbers with commas between them, such as 0,1,2";
    text.trim().parse().map_err(|_| expected)
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok();
    seconds
        .filter(|seconds| (0.0..=1e9).contains(seconds))
        .ok_or("expected seconds, from 0 to 1000000000, such as 2.5")
}

fn milliseconds(text: &str) -> Result<u64, &'static str> {
    let milliseconds = text.parse().ok();
    milliseconds
        .filter(|milliseconds| *milliseconds <= 1_000_000_000_000)
        .ok_or("expected whole milliseconds, from 0 to 1000000000000")
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
    fn the_exception_path_is_chosen_by_the_program_unless_one_is_named() {
        let way = |line| read(line).unwrap().options.exception;
        assert_eq!(way("lb-dataplane -- --ports 0"), Way::Auto);
        assert_eq!(
            way("lb-dataplane -- --exception virtio-user"),
            Way::VirtioUser
        );
        assert_eq!(way("lb-dataplane -- --exception none"), Way::None);
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

    #[test]
    fn help_is_given_whatever_else_is_asked() {
        let asked = read("lb-dataplane -l 0-7 --ports 0 --help").unwrap_err();
        assert_eq!(asked.kind(), clap::error::ErrorKind::DisplayHelp);
    }

    #[test]
    fn an_option_of_ours_in_front_of_the_double_dash_is_named() {
        for line in [
            "lb-dataplane -l 0,1 --config=lb.json",
            "lb-dataplane -l 0,1 --config lb.json -- --ports 0",
        ] {
            let told = sentence(&read(line).unwrap_err());
            assert!(told.starts_with("--config"), "{told}");
            assert!(told.contains("put -- in front"), "{told}");
        }
    }

    #[test]
    fn a_refusal_is_one_sentence() {
        for (line, wanted) in [
            ("lb-dataplane -- --prots 0", "'--ports'"),
            ("lb-dataplane -- --ports 0,x", "such as 0,1,2"),
            ("lb-dataplane -- --ports", "--ports <LIST>"),
            ("lb-dataplane -- --run-for -1", "from 0 to 1000000000"),
            ("lb-dataplane -- --run-for nan", "from 0 to 1000000000"),
            ("lb-dataplane -- --exit-when-idle -1", "whole milliseconds"),
            ("lb-dataplane -- --mbufs 10", "64..=268435456"),
            ("lb-dataplane -- --connections 0", "1..=67108864"),
            ("lb-dataplane -- --exception wire", "virtio-user, tap, none"),
        ] {
            let told = sentence(&read(line).unwrap_err());
            assert!(told.contains(wanted), "{line}: {told}");
            assert_eq!(told.lines().count(), 1, "{line}: {told}");
            assert!(!told.starts_with("error"), "{line}: {told}");
        }
    }
}
