//! One check of one backend: a question over an ordinary socket, and whether the answer is the right one.
//!
//! No counterpart in the patent. One file per kind. Sockets go where this machine's kernel sends them: over the
//! exception path to a network of ours, or any other way.
//! Connections are closed in the usual manner, by FIN. A reset would leave nothing behind here, but a line in the log
//! of many a server; the closed connections that wait here (TIME-WAIT) are some sixty a backend at one check a second.
//! Easy to get wrong: time that this thread had no processor is not the backend's. A check that ran out of time much
//! later than it should is no verdict.

mod dns;
mod http;
mod icmp;
mod tcp;
mod tls;
mod udp;

use std::net::SocketAddr;
use std::time::Duration;

use lb_core::config::{HealthCheck, Probe};
use tokio::time::{Instant, timeout};

pub use tls::Trust;

use super::outcome::{Cause, Failure, Outcome};

/// What was heard, or why the check failed.
type Answer = Result<String, Outcome>;

/// How much too late a timeout may come and still count, besides half of itself.
const LATE: Duration = Duration::from_millis(200);

/// Makes one check. It takes the check's timeout at most.
pub async fn run(check: &HealthCheck, trust: &Trust) -> Outcome {
    let began = Instant::now();
    let limit = Duration::from_millis(check.timeout_millis.into());
    let answer = timeout(limit, ask(check, trust, limit)).await;
    let took = began.elapsed();
    match answer {
        Ok(Ok((what, latency))) => Outcome::Passed { latency, what },
        Ok(Err(outcome)) => outcome,
        Err(_) if took > limit + limit / 2 + LATE => {
            Outcome::NotMade("this box had no time to look for the answer".to_owned())
        }
        Err(_) => {
            let said = format!("no answer within {} s", limit.as_secs_f64());
            Outcome::Failed(Failure::new(Cause::Timeout, said))
        }
    }
}

async fn ask(
    check: &HealthCheck,
    trust: &Trust,
    limit: Duration,
) -> Result<(String, Duration), Outcome> {
    let began = Instant::now();
    let to = SocketAddr::new(check.address, check.port);
    let answer = match &*check.probe {
        Probe::Tcp => tcp::ask(to).await,
        // What is read of a page after the answer is clear is not latency.
        Probe::Http(probe) => return http::ask(to, probe, trust, limit).await,
        Probe::Icmp => icmp::ask(check.address).await,
        Probe::Udp { send, expect } => udp::ask(to, send, expect).await,
        Probe::Dns {
            name,
            record,
            rcode,
        } => dns::ask(to, name, *record, *rcode).await,
    };
    answer.map(|what| (what, began.elapsed()))
}

/// A failure as an answer.
fn failed<T>(cause: Cause, detail: impl AsRef<str>) -> Result<T, Outcome> {
    Err(Outcome::Failed(Failure::new(cause, detail)))
}

/// A number that nobody can guess, for questions whose answers must be told from others.
fn token() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// Any address of `to`'s family, with any port.
fn anywhere(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 8], 0)),
    }
}
