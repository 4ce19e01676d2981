//! The agent as a whole: a thread per backend that makes reports, a thread per destination that sends them.
//!
//! No counterpart in the patent.
//! Easy to get wrong: none of these threads ever ends by itself. If one does, the agent ends too and says
//! so, for half an agent would look like a silent server.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crate::config::{self, BackendPlan, Plan, Refused, SourcePlan};
use crate::identity::Identity;
use crate::mailbox::{Mailbox, Octets};
use crate::notice::tell;
use crate::options::Options;
use crate::pace::CPU_SHARE;
use crate::random::Jitter;
use crate::sampler::Sampler;
use crate::schedule::Schedule;
use crate::sender::{Credentials, Sender};
use crate::source::Source;
use crate::source::command::ValueCommand;
use crate::source::file::ValueFile;
use crate::source::haproxy::Haproxy;
use crate::source::nginx::Nginx;
use crate::source::proc::Proc;
use crate::source::prometheus::Prometheus;
use crate::source::sockets::Sockets;
use crate::token::{self, Token, TokenFrom};

/// Stack of a thread, in octets: the deepest call is a TLS handshake.
const STACK: usize = 512 * 1024;

/// How an agent ends other than by being stopped.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments or configuration.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Runs an agent until it is stopped; with `--once`, until it has printed.
///
/// # Errors
/// What is wrong with the options, or that it cannot go on.
pub fn run(options: &Options) -> Result<(), Failure> {
    let plan = plan(options)?;
    let is_silent = options.once || options.dry_run;
    if plan.destinations.is_empty() && !is_silent {
        let message = "there is nobody to report to; expected a destination (--to, or \"to\" in the \
                       file), or --once or --dry-run";
        return Err(Failure::Refused(message.to_owned()));
    }
    let credentials = credentials(&plan)?;
    let mut samplers = samplers(&plan);
    for sampler in &mut samplers {
        sampler.look();
    }
    if options.once {
        thread::sleep(plan.interval);
        return print_once(&mut samplers);
    }
    let outlet = if options.dry_run {
        Outlet::Print
    } else {
        Outlet::Send(plan.destinations.iter().map(|_| mailbox(&plan)).collect())
    };
    run_for_ever(&plan, samplers, &outlet, &Arc::new(credentials))
}

fn mailbox(plan: &Plan) -> Arc<Mailbox> {
    Arc::new(Mailbox::new(plan.backends.len()))
}

fn plan(options: &Options) -> Result<Plan, Failure> {
    let Some(file) = &options.config else {
        return options.document().check().map_err(|refused| {
            let Refused {
                option, message, ..
            } = refused;
            Failure::Refused(format!("{option}: {message}"))
        });
    };
    let document = config::read(file).map_err(Failure::Refused)?;
    let refuse = |refused: Refused| Failure::Refused(format!("{}: {refused}", file.display()));
    document.check().map_err(refuse)
}

/// Reads all secrets once, so that what is wrong with them is told before anything else happens.
fn credentials(plan: &Plan) -> Result<Credentials, Failure> {
    let refuse = |why: &dyn Display| Failure::Refused(why.to_string());
    let token = match (&plan.token_file, std::env::var(token::VARIABLE)) {
        (Some(file), _) => TokenFrom::File(file.clone()),
        (None, Ok(text)) => TokenFrom::Environment(text.parse::<Token>().map_err(|()| {
            refuse(&format_args!(
                "{} holds no token; expected 1 to 4096 visible ASCII characters",
                token::VARIABLE
            ))
        })?),
        (None, Err(_)) => TokenFrom::Nowhere,
    };
    token.token().map_err(|why| refuse(&why))?;
    if let Some(files) = &plan.tls {
        files.load().map_err(|why| refuse(&why))?;
    }
    let key = plan
        .tls
        .iter()
        .filter_map(|files| files.client.as_ref())
        .map(|client| &client.key);
    for file in key.chain(&plan.token_file) {
        if let Some(warning) = token::too_open(file) {
            tell(&warning);
        }
    }
    Ok(Credentials {
        tls: plan.tls.clone(),
        token,
    })
}

fn samplers(plan: &Plan) -> Vec<Sampler> {
    let identity = Identity::new();
    let count: f64 = plan
        .backends
        .iter()
        .flat_map(|backend| &backend.sources)
        .map(|_| 1.0)
        .sum();
    let sampler = |backend: &BackendPlan| {
        let sources = backend.sources.iter().map(source).collect();
        Sampler::new(
            &backend.name,
            &identity,
            sources,
            plan.interval,
            CPU_SHARE / count,
        )
    };
    plan.backends.iter().map(sampler).collect()
}

fn source(plan: &SourcePlan) -> Box<dyn Source> {
    match plan.clone() {
        SourcePlan::Proc(group) => Box::new(Proc::new(PathBuf::from("/"), group)),
        SourcePlan::Sockets(ports) => Box::new(Sockets::new(Path::new("/proc").into(), ports)),
        SourcePlan::Nginx(page) => Box::new(Nginx::new(page)),
        SourcePlan::Haproxy(socket, proxies) => Box::new(Haproxy::new(socket, proxies)),
        SourcePlan::Prometheus(page, mappings) => Box::new(Prometheus::new(page, mappings)),
        SourcePlan::File(path, field, age) => Box::new(ValueFile::new(path, field, age)),
        SourcePlan::Command(program, arguments, field) => {
            Box::new(ValueCommand::new(program, arguments, field))
        }
    }
}

fn print_once(samplers: &mut [Sampler]) -> Result<(), Failure> {
    for sampler in samplers {
        let text = serde_json::to_string_pretty(&sampler.report())
            .map_err(|error| Failure::Failed(error.to_string()))?;
        if print(&text).is_err() {
            // Who closed the output does not want the rest.
            return Ok(());
        }
    }
    Ok(())
}

fn print(text: &str) -> io::Result<()> {
    let mut to = io::stdout().lock();
    writeln!(to, "{text}")?;
    to.flush()
}

/// Where reports go.
#[derive(Clone)]
enum Outlet {
    Send(Vec<Arc<Mailbox>>),
    Print,
}

impl Outlet {
    fn put(&self, backend: usize, report: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Print => print(&String::from_utf8_lossy(&report)),
            Self::Send(mailboxes) => {
                let report = Octets::from(report);
                for mailbox in mailboxes {
                    mailbox.put(backend, Arc::clone(&report));
                }
                Ok(())
            }
        }
    }
}

fn run_for_ever(
    plan: &Plan,
    samplers: Vec<Sampler>,
    outlet: &Outlet,
    credentials: &Arc<Credentials>,
) -> Result<(), Failure> {
    let (ended, has_ended) = mpsc::channel();
    if let Outlet::Send(mailboxes) = outlet {
        for (destination, mailbox) in plan.destinations.iter().zip(mailboxes) {
            let mut sender = Sender::new(
                destination.clone(),
                Arc::clone(credentials),
                Arc::clone(mailbox),
            );
            start(&ended, format!("to {destination}"), move || {
                sender.run();
                Ok(())
            })?;
        }
    }
    // All backends report in one go; it is other agents' reports that theirs should not meet.
    let schedule = Schedule::new(Instant::now(), plan.interval, Jitter::new().unit());
    for (backend, mut sampler) in samplers.into_iter().enumerate() {
        let outlet = outlet.clone();
        let (mut jitter, mut schedule) = (Jitter::new(), schedule);
        start(&ended, format!("backend {backend}"), move || {
            loop {
                thread::sleep(schedule.wait(Instant::now(), jitter.unit()));
                outlet.put(backend, serde_json::to_vec(&sampler.report())?)?;
            }
        })?;
    }
    drop(ended);
    match has_ended.recv() {
        // Only printing can fail: nobody reads any more.
        Ok(Outcome::Closed) => Ok(()),
        Ok(Outcome::Panicked) | Err(_) => Err(Failure::Failed(
            "a thread ended, and half an agent is none".to_owned(),
        )),
    }
}

enum Outcome {
    Closed,
    Panicked,
}

/// Tells how its thread ended, also when that was a panic.
struct End(mpsc::Sender<Outcome>);

impl Drop for End {
    fn drop(&mut self) {
        let outcome = if thread::panicking() {
            Outcome::Panicked
        } else {
            Outcome::Closed
        };
        // The receiver is gone only when the agent has ended already.
        let _ = self.0.send(outcome);
    }
}

fn start(
    ended: &mpsc::Sender<Outcome>,
    name: String,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), Failure> {
    let end = End(ended.clone());
    let thread = thread::Builder::new().name(name).stack_size(STACK);
    let started = thread.spawn(move || {
        let _end = end;
        // The error is that of a closed output, and not worth a line.
        let _ = run();
    });
    match started {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Failed(format!("cannot start a thread: {error}"))),
    }
}
