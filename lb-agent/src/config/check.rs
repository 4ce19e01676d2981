//! From a document to a plan: every check that needs no file and no network.
//!
//! No counterpart in the patent. The first thing that is wrong ends the checking.

use std::fmt;
use std::time::Duration;

use super::document::{
    BackendDocument, CommandDocument, Document, FileDocument, PrometheusDocument,
};
use super::{
    BACKENDS_MAX, BackendPlan, DESTINATIONS_MAX, INTERVAL, Plan, Refused, SOURCES_MAX, SourcePlan,
};
use crate::address::{BadAddress, Destination};
use crate::notice::printable;
use crate::source::cgroup::Group;
use crate::source::expression::NoExpression;
use crate::source::file::AGE;
use crate::source::prometheus::Mapping;
use crate::tls::{ClientFiles, TlsFiles};
use crate::values::{Field, NoField};

fn refused(path: impl Into<String>, option: &'static str, message: impl fmt::Display) -> Refused {
    Refused {
        path: path.into(),
        option,
        message: message.to_string(),
    }
}

impl Document {
    /// Checks it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(self) -> Result<Plan, Refused> {
        let interval = self.interval.unwrap_or(1.0);
        if !INTERVAL.contains(&interval) {
            let (least, most) = (INTERVAL.start(), INTERVAL.end());
            let message = format!("{interval} is no interval; expected {least} to {most} seconds");
            return Err(refused("interval", "--interval", message));
        }
        let destinations = self.destinations()?;
        let tls = self.tls(&destinations)?;
        if self.backends.is_empty() || self.backends.len() > BACKENDS_MAX {
            let message = format!("expected 1 to {BACKENDS_MAX} backends");
            return Err(refused("backends", "--backend", message));
        }
        let mut backends: Vec<BackendPlan> = Vec::new();
        for (index, backend) in self.backends.into_iter().enumerate() {
            let path = format!("backends[{index}]");
            let plan = backend.check(&path)?;
            if backends.iter().any(|other| other.name == plan.name) {
                let message = format!("{} stands here twice", plan.name);
                return Err(refused(format!("{path}.name"), "--backend", message));
            }
            backends.push(plan);
        }
        Ok(Plan {
            interval: Duration::from_secs_f64(interval),
            destinations,
            tls,
            token_file: self.token_file,
            backends,
        })
    }

    fn destinations(&self) -> Result<Vec<Destination>, Refused> {
        if self.to.len() > DESTINATIONS_MAX {
            let message = format!("expected at most {DESTINATIONS_MAX} destinations");
            return Err(refused("to", "--to", message));
        }
        let mut found = Vec::new();
        for (index, text) in self.to.iter().enumerate() {
            let refuse = |why: &dyn fmt::Display| refused(format!("to[{index}]"), "--to", why);
            let destination = text.parse().map_err(|why| refuse(&why))?;
            if found.contains(&destination) {
                return Err(refuse(&format_args!("{destination} stands here twice")));
            }
            found.push(destination);
        }
        Ok(found)
    }

    fn tls(&self, destinations: &[Destination]) -> Result<Option<TlsFiles>, Refused> {
        let client = match (self.certificate.clone(), self.key.clone()) {
            (Some(certificate), Some(key)) => Some(ClientFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                let message = "a certificate is of no use without its key; expected both or none";
                return Err(refused("certificate", "--certificate", message));
            }
            (None, Some(_)) => {
                let message = "a key is of no use without its certificate; expected both or none";
                return Err(refused("key", "--key", message));
            }
        };
        match &self.ca {
            Some(ca) => Ok(Some(TlsFiles {
                ca: ca.clone(),
                client,
            })),
            None if destinations.iter().any(|destination| destination.is_tls) => {
                let message = "an https destination needs the file of the authority that signed \
                               its certificate; the system's authorities do not count";
                Err(refused("ca", "--ca", message))
            }
            None => Ok(None),
        }
    }
}

impl BackendDocument {
    fn check(self, path: &str) -> Result<BackendPlan, Refused> {
        let longest = lb_core::load::LONGEST_NAME;
        let is_plain = self.name.bytes().all(|octet| octet.is_ascii_graphic());
        if !is_plain || !(1..=longest).contains(&self.name.len()) {
            let shown = printable(&self.name);
            let message = format!(
                "{shown:?} is no backend's name; expected 1 to {longest} visible ASCII characters"
            );
            return Err(refused(format!("{path}.name"), "--backend", message));
        }
        let mut sources = Vec::new();
        sources.extend(self.proc(path)?);
        sources.extend(self.sockets(path)?);
        sources.extend(self.nginx(path)?);
        sources.extend(self.haproxy(path)?);
        for (index, endpoint) in self.prometheus.iter().enumerate() {
            sources.push(endpoint.check(&format!("{path}.prometheus[{index}]"))?);
        }
        for (index, file) in self.files.iter().enumerate() {
            sources.push(file.check(&format!("{path}.files[{index}]"))?);
        }
        for (index, command) in self.commands.iter().enumerate() {
            sources.push(command.check(&format!("{path}.commands[{index}]"))?);
        }
        if sources.is_empty() || sources.len() > SOURCES_MAX {
            let message = format!(
                "expected 1 to {SOURCES_MAX} sources, found {}",
                sources.len()
            );
            return Err(refused(path, "--backend", message));
        }
        Ok(BackendPlan {
            name: self.name,
            sources,
        })
    }

    fn proc(&self, path: &str) -> Result<Option<SourcePlan>, Refused> {
        let group = match (&self.cgroup, &self.pid_file) {
            (Some(_), Some(_)) => {
                let message =
                    "the service's group is already known by its path; expected one of the two";
                return Err(refused(format!("{path}.pid_file"), "--pid-file", message));
            }
            (Some(group), None) => {
                let is_parent = |part: &str| part == "..";
                if group.is_empty() || group.starts_with("/sys/") || group.split('/').any(is_parent)
                {
                    let message = format!(
                        "{group:?} is no control group; expected its path as in /proc/PID/cgroup, \
                         such as system.slice/nginx.service"
                    );
                    return Err(refused(format!("{path}.cgroup"), "--cgroup", message));
                }
                Group::Named(group.clone())
            }
            (None, Some(file)) => Group::PidFile(file.clone()),
            (None, None) => Group::Visible,
        };
        if !self.proc && group != Group::Visible {
            let message = "a control group is of no use where CPU and memory are not looked at";
            return Err(refused(format!("{path}.proc"), "--no-proc", message));
        }
        Ok(self.proc.then_some(SourcePlan::Proc(group)))
    }

    fn sockets(&self, path: &str) -> Result<Option<SourcePlan>, Refused> {
        if self.ports.contains(&0) {
            let message = "0 is no port; expected 1 to 65535";
            return Err(refused(format!("{path}.ports"), "--port", message));
        }
        Ok((!self.ports.is_empty()).then(|| SourcePlan::Sockets(self.ports.clone())))
    }

    fn nginx(&self, path: &str) -> Result<Option<SourcePlan>, Refused> {
        let Some(page) = &self.nginx else {
            return Ok(None);
        };
        let refuse = |why| refused(format!("{path}.nginx"), "--nginx", why);
        let page = page.parse().map_err(|why: BadAddress| refuse(why))?;
        Ok(Some(SourcePlan::Nginx(page)))
    }

    fn haproxy(&self, path: &str) -> Result<Option<SourcePlan>, Refused> {
        let Some(socket) = &self.haproxy else {
            if self.haproxy_proxies.is_empty() {
                return Ok(None);
            }
            let message = "proxies are of no use without a statistics socket";
            let path = format!("{path}.haproxy_proxies");
            return Err(refused(path, "--haproxy-proxy", message));
        };
        let refuse = |why| refused(format!("{path}.haproxy"), "--haproxy", why);
        let socket = socket.parse().map_err(|why: BadAddress| refuse(why))?;
        Ok(Some(SourcePlan::Haproxy(
            socket,
            self.haproxy_proxies.clone(),
        )))
    }
}

impl PrometheusDocument {
    fn check(&self, path: &str) -> Result<SourcePlan, Refused> {
        let refuse = |why: &dyn fmt::Display| refused(format!("{path}.url"), "--prometheus", why);
        let page = self.url.parse().map_err(|why: BadAddress| refuse(&why))?;
        let mut mappings = Vec::new();
        for (index, text) in self.series.iter().enumerate() {
            let refuse = |why: &dyn fmt::Display| {
                refused(format!("{path}.series[{index}]"), "--series", why)
            };
            let (field, expression) = text.split_once('=').ok_or_else(|| {
                let shown = printable(text);
                refuse(&format_args!(
                    "{shown:?} names no field; expected FIELD=EXPRESSION"
                ))
            })?;
            mappings.push(Mapping {
                field: field.trim().parse().map_err(|why: NoField| refuse(&why))?,
                expression: expression
                    .parse()
                    .map_err(|why: NoExpression| refuse(&why))?,
            });
        }
        if mappings.is_empty() {
            let message = "expected at least one FIELD=EXPRESSION";
            return Err(refused(format!("{path}.series"), "--series", message));
        }
        Ok(SourcePlan::Prometheus(page, mappings))
    }
}

impl FileDocument {
    fn check(&self, path: &str) -> Result<SourcePlan, Refused> {
        let age = match self.age {
            None => Some(AGE),
            Some(0.0) => None,
            Some(age) if (0.1..=1e9).contains(&age) => Some(Duration::from_secs_f64(age)),
            Some(age) => {
                let message = format!("{age} is no age; expected 0.1 to 1000000000 seconds, or 0");
                return Err(refused(format!("{path}.age"), "--file-age", message));
            }
        };
        let field = field(self.field.as_deref(), path, "--file")?;
        Ok(SourcePlan::File(self.path.clone(), field, age))
    }
}

impl CommandDocument {
    fn check(&self, path: &str) -> Result<SourcePlan, Refused> {
        let field = field(self.field.as_deref(), path, "--command")?;
        match self.run.split_first() {
            Some((program, arguments)) if !program.is_empty() => Ok(SourcePlan::Command(
                program.clone(),
                arguments.to_vec(),
                field,
            )),
            _ => {
                let message = "expected a program, then its arguments";
                Err(refused(format!("{path}.run"), "--command", message))
            }
        }
    }
}

fn field(text: Option<&str>, path: &str, option: &'static str) -> Result<Option<Field>, Refused> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|why: NoField| refused(format!("{path}.field"), option, why))
    };
    text.map(parse).transpose()
}
