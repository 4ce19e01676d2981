//! `lb-control`: the resource manager as a device of its own, on the command line.
//!
//! WO 00/30294: resource manager 52 outside the box whose configuration table it fills.
//! Not here: what it does (`lb_control::device`).
//! Exit status: 0 done, 2 bad arguments, 1 anything else.
//! Easy to get wrong: a box that cannot be reached is no reason to end, not at the start either; one that was misspelt
//! is.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use lb_control::api::{Access, Address, Listener, TlsFiles, Token};
use lb_control::device::{self, NoWay, Trust, Way};

/// Between two looks whether the program should end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Works out the weights of backends from what their agents report, and feeds them to one or many boxes.
///
/// It reads the services from the boxes, hears the agents itself, and sends every box the weights of its services whose
/// `weights` are not `static`. Where it falls silent, each box goes back to the weights that it works out by itself.
#[derive(Debug, Parser)]
#[command(
    name = "lb-control",
    version,
    after_help = "Exit status: 0 done; 1 failed; 2 wrong usage.\n\nExample:\n  lb-control --box lb-1.example:8443 --box lb-2.example:8443 \\\n    --box-ca boxes.pem --box-certificate manager.pem --box-key manager.key \\\n    --listen 0.0.0.0:8444 --tls-certificate here.pem --tls-key here.key --tls-clients agents.pem"
)]
struct Options {
    /// Where a box's API is: unix:PATH or HOST:PORT; may be repeated
    #[arg(
        long = "box",
        value_name = "ADDR",
        required = true,
        help_heading = "Boxes"
    )]
    boxes: Vec<String>,
    /// Authorities that sign the boxes' certificates, PEM: HOST:PORT then speaks TLS, which it must unless HOST is this machine
    #[arg(long, value_name = "FILE", help_heading = "Boxes")]
    box_ca: Option<PathBuf>,
    /// Our certificate for the boxes with its chain, PEM; there it must be an admin's (lb-dataplane --admin)
    #[arg(long, value_name = "FILE", requires_all = ["box_key", "box_ca"], help_heading = "Boxes")]
    box_certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "box_certificate",
        help_heading = "Boxes"
    )]
    box_key: Option<PathBuf>,
    /// Holds the boxes' admin token (lb-dataplane --admin-token-file)
    #[arg(long, value_name = "FILE", help_heading = "Boxes")]
    box_token_file: Option<PathBuf>,
    /// Seconds between two visits to a box, 0.1 to 60
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = period, help_heading = "Boxes")]
    period: f64,
    /// Seconds for which a box keeps weights that are not sent again, up to 3600; more than two periods
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = ttl, help_heading = "Boxes")]
    ttl: f64,
    /// Where agents report and where can be looked: unix:PATH or HOST:PORT; may be repeated
    #[arg(long, value_name = "ADDR", required = true, help_heading = "Agents")]
    listen: Vec<String>,
    /// Our certificate for agents with its chain, PEM: HOST:PORT then speaks TLS, which it must unless HOST is this machine
    #[arg(long, value_name = "FILE", requires_all = ["tls_key", "tls_clients"], help_heading = "Agents")]
    tls_certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_certificate",
        help_heading = "Agents"
    )]
    tls_key: Option<PathBuf>,
    /// Authorities that sign agents' certificates, PEM
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls_certificate",
        help_heading = "Agents"
    )]
    tls_clients: Option<PathBuf>,
    /// Name in a client's certificate that may look at everything; may be repeated
    #[arg(
        long,
        value_name = "NAME",
        requires = "tls_certificate",
        help_heading = "Agents"
    )]
    reader: Vec<String>,
    /// Holds the token with which agents may report for any backend
    #[arg(long, value_name = "FILE", help_heading = "Agents")]
    agent_token_file: Option<PathBuf>,
}

/// How a run can go wrong.
enum Failure {
    /// The command line; a sentence.
    Usage(String),
    /// Anything else.
    Failed(anyhow::Error),
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(refused) => {
            // Who closed the output does not want it.
            let _ = refused.print();
            return ExitCode::from(u8::from(refused.use_stderr()) * 2);
        }
    };
    let (sentence, status) = match run(options) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(sentence)) => (sentence, 2),
        Err(Failure::Failed(error)) => (format!("{error:#}"), 1),
    };
    let _ = writeln!(io::stderr(), "lb-control: {sentence}");
    ExitCode::from(status)
}

fn run(options: Options) -> Result<(), Failure> {
    let stop = stop_on_signals().map_err(Failure::Failed)?;
    let parts = parts(options).map_err(Failure::Usage)?;
    let running = device::run(parts)
        .context("threads of the device")
        .map_err(Failure::Failed)?;
    for address in running.addresses() {
        say(&format!("listens on {address}"));
    }
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK_EVERY);
    }
    running.stop();
    Ok(())
}

/// What the command line means.
///
/// # Errors
/// What is wrong with it, in a sentence.
fn parts(options: Options) -> Result<device::Parts, String> {
    if options.ttl <= 2.0 * options.period {
        return Err(format!(
            "--ttl {}: expected more than two periods ({} s), so that one lost visit is not felt",
            options.ttl, options.period
        ));
    }
    let trust = Trust {
        authorities: options.box_ca.clone(),
        certificate: options.box_certificate.clone(),
        key: options.box_key.clone(),
        token: options.box_token_file.clone(),
    };
    let boxes = Way::to_all(&options.boxes, &trust).map_err(|why| match why {
        // The file's name says which option it is.
        NoWay::File { .. } => why.to_string(),
        why => format!("--box {why}"),
    })?;
    let agent_token = options.agent_token_file.as_deref().map(Token::from_file);
    let access = Access {
        readers: options.reader.clone(),
        agent_token: agent_token
            .transpose()
            .map_err(|why| format!("--agent-token-file {why}"))?,
        ..Access::default()
    };
    let listeners = options
        .listen
        .iter()
        .map(|text| listener(text, &options, access.takes_tokens()))
        .collect::<Result<_, _>>()?;
    Ok(device::Parts {
        boxes,
        period: Duration::from_secs_f64(options.period),
        ttl_seconds: options.ttl,
        listeners,
        access,
        tell: Box::new(say),
    })
}

fn listener(text: &str, options: &Options, takes_tokens: bool) -> Result<Listener, String> {
    let told = |why: &dyn std::fmt::Display| format!("--listen {why}");
    let address: Address = text.parse().map_err(|why| told(&why))?;
    let files = match (
        &options.tls_certificate,
        &options.tls_key,
        &options.tls_clients,
    ) {
        (Some(certificate), Some(key), Some(clients)) => Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            clients: clients.clone(),
        }),
        _ => None,
    };
    let listener = match (&address, files) {
        (&Address::Tcp(tcp), Some(files)) => Listener::bind_tls(tcp, files, takes_tokens),
        _ => Listener::bind(&address),
    };
    listener.map_err(|why| told(&why))
}

/// A line for the log; who closed it misses the line, nothing else.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("signal handlers")?;
    }
    Ok(stop)
}

fn period(text: &str) -> Result<f64, &'static str> {
    seconds(text, 60.0).ok_or("expected seconds, from 0.1 to 60, such as 2.5")
}

fn ttl(text: &str) -> Result<f64, &'static str> {
    seconds(text, 3600.0).ok_or("expected seconds, from 0.1 to 3600, such as 10")
}

fn seconds(text: &str, most: f64) -> Option<f64> {
    let seconds = text.parse().ok();
    seconds.filter(|seconds| (0.1..=most).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn refused(line: &str) -> String {
        let words = std::iter::once("lb-control").chain(line.split_whitespace());
        match Options::try_parse_from(words) {
            Err(refused) => refused.to_string(),
            Ok(options) => parts(options).err().unwrap_or_default(),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn what_is_wrong_is_said_with_what_was_expected() {
        for (line, wanted) in [
            ("--box unix:/x", "--listen <ADDR>"),
            ("--listen unix:/x", "--box <ADDR>"),
            ("--box lb-1:8443 --listen unix:/x", "TLS only"),
            (
                "--box lb-1 --listen unix:/x",
                "--box lb-1: expected unix:PATH",
            ),
            (
                "--box unix:/x --listen 10.0.0.1:80",
                "without TLS only an address of this machine",
            ),
            ("--box unix:/x --listen x --period 0", "from 0.1 to 60"),
            ("--box unix:/x --listen x --ttl nan", "from 0.1 to 3600"),
            (
                "--box unix:/x --listen unix:/x --period 5",
                "more than two periods",
            ),
            (
                "--box unix:/x --listen unix:/x --tls-key /x",
                "--tls-certificate",
            ),
            (
                "--box unix:/x --listen unix:/x --box-certificate /x --box-key /x",
                "--box-ca",
            ),
            (
                "--box a:1 --box-ca /nonexistent --listen unix:/x",
                "/nonexistent",
            ),
            (
                "--box unix:/x --listen unix:/x --agent-token-file /nonexistent",
                "cannot be read",
            ),
        ] {
            let told = refused(line);
            assert!(told.contains(wanted), "{line}: {told}");
        }
    }
}
