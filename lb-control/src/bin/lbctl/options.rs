//! The command line of `lbctl`: where the API is, and one verb.
//!
//! No counterpart in the patent. Completions and man pages are made from these types, so a help text here
//! is the manual.
//! Easy to get wrong: options about the API are global, so that they may stand behind the verb too; clap's
//! `requires` does not see across that border, and pairs are checked by the client.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::address::Address;

/// Talks to the control processor of a load-balancing packet switch.
#[derive(Debug, Parser)]
#[command(
    name = "lbctl",
    version,
    after_help = "Exit status: 0 done; 1 failed; 2 wrong usage, or refused by the control processor."
)]
pub(crate) struct Options {
    /// Where the API is and how to get in.
    #[command(flatten)]
    pub api: ApiOptions,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Where the API is and how to get in.
#[derive(Debug, Args)]
pub(crate) struct ApiOptions {
    /// Where the API answers: unix:PATH or HOST:PORT
    #[arg(
        long,
        global = true,
        value_name = "ADDR",
        default_value = "unix:/run/lb/control.sock",
        help_heading = "API"
    )]
    pub control: Address,
    /// Speak TLS, and believe authorities in this PEM file
    #[arg(long, global = true, value_name = "FILE", help_heading = "API")]
    pub ca: Option<PathBuf>,
    /// Our certificate and those between it and the authority, PEM
    #[arg(long, global = true, value_name = "FILE", help_heading = "API")]
    pub certificate: Option<PathBuf>,
    /// Key of the certificate, PEM, not encrypted
    #[arg(long, global = true, value_name = "FILE", help_heading = "API")]
    pub key: Option<PathBuf>,
    /// File with a token to show
    #[arg(long, global = true, value_name = "FILE", help_heading = "API")]
    pub token_file: Option<PathBuf>,
    /// Seconds to wait for an answer, 0.1 to 600
    #[arg(long, global = true, value_name = "SECONDS", default_value = "5",
          value_parser = timeout, help_heading = "API")]
    pub timeout: f64,
    /// Print the API's JSON as it came, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// What `lbctl` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// What runs, since when, how full its tables are
    Status,
    /// Services: packets, connections, backends
    Services {
        /// Only this service, with its backends
        service: Option<String>,
        #[command(flatten)]
        rate: Rate,
    },
    /// Backends: weights, state, what their agents say
    Backends {
        /// Only those of this service, or this one: SERVICE or SERVICE/BACKEND
        #[arg(value_name = "SERVICE[/BACKEND]")]
        of: Option<String>,
    },
    /// Entries of the connection table
    Connections(ConnectionsOptions),
    /// Ports: link, packets, losses
    Ports {
        #[command(flatten)]
        rate: Rate,
    },
    /// Worker lcores: how busy, packets, heartbeat
    Lcores {
        #[command(flatten)]
        rate: Rate,
    },
    /// Packets that were dropped, by reason
    Drops {
        #[command(flatten)]
        rate: Rate,
    },
    /// Neighbors: addresses, MACs, states
    Neighbors,
    /// Routes that packets follow: the document's, the kernel's, and connected networks
    Routes {
        /// Only the route that packets to this address follow
        address: Option<IpAddr>,
    },
    /// VIPs that are announced to routers; switch the box or one VIP on or off
    Advertise {
        /// What to do
        #[arg(value_enum, default_value_t = Advertise::Status)]
        what: Advertise,
        /// Only this VIP, such as 192.0.2.10; without it the whole box is switched
        vip: Option<IpAddr>,
    },
    /// Agents: who reports, what was said last, what was refused
    Agents,
    /// Why a service's backends have the weights that they have
    Explain {
        /// Name of the service
        service: String,
    },
    /// Print the document that is in force, exactly as it was put
    Config,
    /// Check a document; nothing changes
    Check {
        /// The document; - is standard input
        file: PathBuf,
    },
    /// What a document would change; nothing changes
    Diff {
        /// The document; - is standard input
        file: PathBuf,
    },
    /// Make a document the desired state: whole or not at all
    Apply {
        /// The document; - is standard input
        file: PathBuf,
        /// Only if this revision is still the one in force
        #[arg(long, value_name = "N")]
        if_revision: Option<u64>,
    },
    /// Go back to an earlier revision; makes a new one
    Rollback {
        /// Number of the revision, as `lbctl revisions` lists them
        revision: u64,
    },
    /// The last revisions: who, when; with N, the document of one
    Revisions {
        /// Print the document of this revision
        revision: Option<u64>,
    },
    /// Write the document in force back to its file
    Save,
    /// Read the document's file again
    Reload,
    /// Give a backend no new flows; established ones go on
    Drain {
        /// The backend
        #[arg(value_name = "SERVICE/BACKEND")]
        backend: BackendName,
    },
    /// Let a backend take flows
    Enable {
        /// The backend
        #[arg(value_name = "SERVICE/BACKEND")]
        backend: BackendName,
    },
    /// Take a backend out: packets see it no longer
    Disable {
        /// The backend
        #[arg(value_name = "SERVICE/BACKEND")]
        backend: BackendName,
    },
    /// Set a backend's configured weight
    Weight {
        /// The backend
        #[arg(value_name = "SERVICE/BACKEND")]
        backend: BackendName,
        /// The weight, 0 to 65535; 0 takes no new flows
        #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(0..=65_535))]
        weight: u32,
    },
    /// Live: rates, weights, agents' values, lcores, drops
    Top(TopOptions),
    /// Who changed what, and who was refused
    Audit {
        /// At most so many records, the newest
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Print a shell's completions
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write man pages, one of each verb, into a directory
    Man {
        /// The directory; made if it does not exist
        dir: PathBuf,
    },
}

/// What `advertise` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Advertise {
    /// Show what is announced
    Status,
    /// Announce
    On,
    /// Announce no longer; outlives a restart of the program
    Off,
}

/// Whether totals or rates are wanted.
#[derive(Debug, Args)]
pub(crate) struct Rate {
    /// Rates instead of totals, over this many seconds, 0.1 to 3600 [default without a value: 1]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "1", value_parser = interval)]
    pub rate: Option<f64>,
}

/// Which connections are listed.
#[derive(Debug, Args)]
pub(crate) struct ConnectionsOptions {
    /// Only those of this service
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Only those to the backend of this name, in whatever service
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// Only those of this client, or of a network's clients: 198.51.100.7, 2001:db8::/32
    #[arg(long, value_name = "ADDRESS[/LENGTH]")]
    pub client: Option<String>,
    /// Only tcp or udp
    #[arg(long, value_name = "PROTOCOL", value_parser = ["tcp", "udp"])]
    pub protocol: Option<String>,
    /// Only those in this state, in the word that the table shows
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "all",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// All of them, page by page
    #[arg(long)]
    pub all: bool,
}

/// How `top` runs.
#[derive(Debug, Args)]
pub(crate) struct TopOptions {
    /// Seconds between two looks, 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: f64,
    /// End after so many looks [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

/// A backend as people name it: `SERVICE/BACKEND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackendName {
    /// Name of the service.
    pub service: String,
    /// Name of the backend in it.
    pub backend: String,
}

impl std::str::FromStr for BackendName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text.split_once('/') {
            Some((service, backend))
                if !service.is_empty() && !backend.is_empty() && !backend.contains('/') =>
            {
                Ok(Self {
                    service: service.to_owned(),
                    backend: backend.to_owned(),
                })
            }
            _ => Err("expected SERVICE/BACKEND, as in web/web-1"),
        }
    }
}

fn timeout(text: &str) -> Result<f64, &'static str> {
    seconds(text, 600.0).ok_or("expected seconds, from 0.1 to 600, such as 2.5")
}

fn interval(text: &str) -> Result<f64, &'static str> {
    seconds(text, 3600.0).ok_or("expected seconds, from 0.1 to 3600, such as 2.5")
}

fn seconds(text: &str, most: f64) -> Option<f64> {
    let seconds = text.parse().ok();
    seconds.filter(|seconds| (0.1..=most).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn read(line: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(std::iter::once("lbctl").chain(line.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn options_of_the_api_may_stand_before_and_behind_the_verb() {
        for line in ["--json --timeout 2 status", "status --json --timeout 2"] {
            let options = read(line).unwrap();
            assert!(options.api.json);
            assert_eq!(options.api.timeout, 2.0);
            assert_eq!(options.api.control.to_string(), "unix:/run/lb/control.sock");
        }
    }

    #[test]
    fn a_backend_is_named_with_its_service() {
        let Verb::Weight { backend, weight } = read("weight web/web-1 30").unwrap().verb else {
            panic!("another verb");
        };
        assert_eq!(
            (backend.service.as_str(), backend.backend.as_str(), weight),
            ("web", "web-1", 30)
        );
        for line in [
            "drain web",
            "drain web/",
            "drain /web-1",
            "drain a/b/c",
            "weight web/web-1 65536",
            "weight web/web-1 -1",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_rate_needs_no_seconds() {
        let rate = |line| match read(line).unwrap().verb {
            Verb::Ports { rate } => rate.rate,
            _ => panic!("another verb"),
        };
        assert_eq!(rate("ports"), None);
        assert_eq!(rate("ports --rate"), Some(1.0));
        assert_eq!(rate("ports --rate=0.5"), Some(0.5));
        assert!(read("ports --rate=0").is_err());
        assert!(read("ports --rate=nan").is_err());
    }

    #[test]
    fn all_connections_have_no_limit() {
        assert!(read("connections --all --limit 5").is_err());
        assert!(read("connections --limit 1001").is_err());
        assert!(read("connections --all --client 2001:db8::/32").is_ok());
    }
}
