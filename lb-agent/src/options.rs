//! The command line: the whole of an agent for one backend, or the name of a file for several.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a shared token is no option; every user of a machine can read another's command line.

use std::path::PathBuf;

use clap::Parser;

use crate::config::{BackendDocument, CommandDocument, Document, FileDocument, PrometheusDocument};
use crate::values::Field;

/// Tells the control processor how loaded this back-end server is.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "lb-agent",
    version,
    max_term_width = 100,
    override_usage = "lb-agent --to ADDR --backend NAME [options]\n       lb-agent --config FILE\n       \
        lb-agent --to unix:/run/lb/control.sock --backend web-1 --port 8080 --nginx http://127.0.0.1:8080/stub_status",
    after_help = "The shared token comes from --token-file or from LB_AGENT_TOKEN. \
        Fields: clients, cpu_utilization, mem_utilization, execution_time_seconds, rps_fractional, eps, \
        named_metrics.NAME. Expressions: NUMBER, SERIES, rate(SERIES), or two of them with / between."
)]
pub struct Options {
    /// Several backends, from a JSON document (docs/agent.md); takes the place of all options
    /// but --once and --dry-run
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where reports go: unix:PATH, https://HOST:PORT, or http:// with a loopback address; may be repeated
    #[arg(long, value_name = "ADDR", conflicts_with = "config")]
    pub to: Vec<String>,
    /// The backend's name in the control processor's configuration
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "config",
        conflicts_with = "config"
    )]
    pub backend: Option<String>,
    /// Seconds between two reports, 0.1 to 60 [default: 1]
    #[arg(
        long,
        value_name = "SECONDS",
        conflicts_with = "config",
        allow_negative_numbers = true
    )]
    pub interval: Option<f64>,
    /// File with the token that agents and control processor share
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub token_file: Option<PathBuf>,
    /// Authorities that may have signed an https destination's certificate, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub ca: Option<PathBuf>,
    /// The agent's own certificate and the chain behind it, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub certificate: Option<PathBuf>,
    /// The key of --certificate, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub key: Option<PathBuf>,
    /// Ports of the service; established connections to them are its clients
    #[arg(
        long,
        value_name = "PORT",
        value_delimiter = ',',
        conflicts_with = "config"
    )]
    pub port: Vec<u16>,
    /// Leave this machine's CPU and memory out
    #[arg(long, conflicts_with = "config")]
    pub no_proc: bool,
    /// Control group that the service is in, such as system.slice/nginx.service; its limits count
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub cgroup: Option<String>,
    /// The same, of the process whose number is in a file
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub pid_file: Option<PathBuf>,
    /// nginx's stub_status page
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub nginx: Option<String>,
    /// HAProxy's statistics socket, unix:PATH or HOST:PORT
    #[arg(long, value_name = "ADDR", conflicts_with = "config")]
    pub haproxy: Option<String>,
    /// Only these proxies of HAProxy's count [default: all]
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "config"
    )]
    pub haproxy_proxy: Vec<String>,
    /// A page in Prometheus' text format
    #[arg(
        long,
        value_name = "URL",
        requires = "series",
        conflicts_with = "config"
    )]
    pub prometheus: Option<String>,
    /// A field and what it is made of on that page; may be repeated
    #[arg(
        long,
        value_name = "FIELD=EXPRESSION",
        requires = "prometheus",
        conflicts_with = "config"
    )]
    pub series: Vec<String>,
    /// A file with a number for FIELD, or with a JSON object; may be repeated
    #[arg(long, value_name = "[FIELD=]PATH", conflicts_with = "config")]
    pub file: Vec<String>,
    /// Seconds after which a file that was not written says nothing, 0 for never [default: 30]
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "file",
        conflicts_with = "config",
        allow_negative_numbers = true
    )]
    pub file_age: Option<f64>,
    /// A program that prints a number for FIELD, or a JSON object; words are split at blanks; may be repeated
    #[arg(long, value_name = "[FIELD=]COMMAND", conflicts_with = "config")]
    pub command: Vec<String>,
    /// Print one report of each backend and end
    #[arg(long)]
    pub once: bool,
    /// Print reports, one a line, instead of sending them
    #[arg(long)]
    pub dry_run: bool,
}

/// One sentence out of what clap says in a paragraph.
#[must_use]
pub fn sentence(refused: &clap::Error) -> String {
    let text = refused.to_string();
    let mut parts = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        let line = line
            .trim_start_matches("error: ")
            .trim_start_matches("tip: ");
        if !line.is_empty() {
            parts.push(line);
        }
    }
    parts.join("; ")
}

impl Options {
    /// The document that the options stand for.
    #[must_use]
    pub fn document(&self) -> Document {
        let backend = BackendDocument {
            name: self.backend.clone().unwrap_or_default(),
            proc: !self.no_proc,
            ports: self.port.clone(),
            cgroup: self.cgroup.clone(),
            pid_file: self.pid_file.clone(),
            nginx: self.nginx.clone(),
            haproxy: self.haproxy.clone(),
            haproxy_proxies: self.haproxy_proxy.clone(),
            prometheus: self
                .prometheus
                .iter()
                .map(|url| PrometheusDocument {
                    url: url.clone(),
                    series: self.series.clone(),
                })
                .collect(),
            files: self.file.iter().map(|text| self.file(text)).collect(),
            commands: self.command.iter().map(|text| command(text)).collect(),
        };
        Document {
            to: self.to.clone(),
            interval: self.interval,
            token_file: self.token_file.clone(),
            ca: self.ca.clone(),
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            backends: vec![backend],
        }
    }

    fn file(&self, text: &str) -> FileDocument {
        let (field, path) = field_and_rest(text);
        FileDocument {
            path: path.into(),
            field,
            age: self.file_age,
        }
    }
}

fn command(text: &str) -> CommandDocument {
    let (field, words) = field_and_rest(text);
    CommandDocument {
        run: words.split_whitespace().map(str::to_owned).collect(),
        field,
    }
}

/// What stands before `=` is a field only if it can be one; paths and commands may have the sign too.
fn field_and_rest(text: &str) -> (Option<String>, &str) {
    match text.split_once('=') {
        Some((field, rest)) if field.parse::<Field>().is_ok() => (Some(field.to_owned()), rest),
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourcePlan;
    use clap::CommandFactory;

    fn read(line: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from([&["lb-agent"], line].concat())
    }

    #[test]
    fn the_options_fit_together() {
        Options::command().debug_assert();
    }

    #[test]
    fn one_line_is_a_whole_agent() {
        let line = [
            "--to=unix:/run/lb/control.sock",
            "--backend=web-1",
            "--port=80,443",
            "--nginx=http://127.0.0.1/stub_status",
            "--haproxy=unix:/x",
            "--haproxy-proxy=web",
            "--prometheus=http://127.0.0.1:9/metrics",
            "--series=eps=rate(errors_total{code=\"5\"})",
            "--file=mem_utilization=/run/mem",
            "--command=echo {\"a\"=1}",
        ];
        let plan = read(&line).unwrap().document().check().unwrap();
        let sources = &plan.backends.first().unwrap().sources;
        assert_eq!(sources.len(), 7);
        assert!(matches!(&sources[1], SourcePlan::Sockets(ports) if *ports == [80, 443]));
        assert!(
            matches!(&sources[5], SourcePlan::File(path, Some(Field::MemUtilization), Some(_))
            if path.as_os_str() == "/run/mem")
        );
        assert!(
            matches!(&sources[6], SourcePlan::Command(program, arguments, None)
            if program == "echo" && *arguments == ["{\"a\"=1}"])
        );
    }

    #[test]
    fn refusals_of_the_command_line_are_one_sentence() {
        for (line, wanted) in [
            (&["--to", "unix:/x"][..], "--backend"),
            (&["--backend", "a", "--config", "b"], "--config"),
            (&["--backend", "a", "--prometheus", "http://h/"], "--series"),
            (&["--backend", "a", "--port", "x"], "--port"),
            (&["--bakend", "a"], "--backend"),
        ] {
            let told = sentence(&read(line).unwrap_err());
            assert!(told.contains(wanted), "{line:?}: {told}");
            assert_eq!(told.lines().count(), 1, "{line:?}: {told}");
        }
    }
}
