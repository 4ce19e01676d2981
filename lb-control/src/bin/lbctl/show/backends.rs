//! Backends: weights, state, and what their agents say.
//!
//! No counterpart in the patent.
//! Easy to get wrong: effective weights compare within one service only, so each has its share of the
//! service's new flows beside it.

use std::collections::BTreeMap;

use lb_control::view::{
    AgentValues, Backend, BackendHealth, BackendState, CheckStatement, HealthState,
};

use super::Room;
use super::format::{count, duration, endpoint, or_dash, percent, scaled, things};
use super::table::Column::{Extra, ExtraNumber, Number, Text};
use super::table::Table;

/// Backends of one service or of several; every service's must be complete, or shares are wrong.
pub(crate) fn backends(backends: &[Backend], room: Room) -> String {
    if backends.is_empty() {
        return "no backends are configured\n".to_owned();
    }
    table(backends).render(room)
}

/// One backend in full.
pub(crate) fn backend(backend: &Backend) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<18} {value}\n"));
    line("backend", format!("{}/{}", backend.service, backend.name));
    line("address", endpoint(&backend.address, backend.port));
    line("state", state(backend));
    line("weight", count(backend.weight.into()));
    line("effective weight", count(backend.effective_weight.into()));
    line("tags", words(&backend.tags));
    line("connections", count(backend.connections_live.into()));
    match &backend.health {
        None => line("health", "not checked".to_owned()),
        Some(health) => {
            line(
                "health",
                format!("{}: {}", state_of_health(health), health.why),
            );
            let (checks, failures) = (count(health.checks), count(health.failures));
            let took = or_dash(health.latency_seconds, duration);
            line(
                "health checks",
                format!(
                    "{checks} of type {}, {failures} failed, last took {took}",
                    health.kind
                ),
            );
            line("flaps", count(health.flaps));
        }
    }
    line(
        "agent check",
        or_dash(backend.agent_check.as_ref(), statement),
    );
    let Some(agent) = &backend.agent else {
        line("agent", "never heard".to_owned());
        return text;
    };
    line(
        "agent",
        format!("{}, age {}", things(agent.reports, "report"), age(agent)),
    );
    line("clients", or_dash(agent.clients, scaled));
    line("cpu", or_dash(agent.cpu_utilization, percent));
    line("memory", or_dash(agent.mem_utilization, percent));
    line(
        "execution time",
        or_dash(agent.execution_time_seconds, duration),
    );
    line("requests/s", or_dash(agent.rps_fractional, scaled));
    line("errors/s", or_dash(agent.eps, scaled));
    for (name, value) in &agent.named_metrics {
        line(name, scaled(*value));
    }
    text
}

/// Words with blanks between them, or a dash.
pub(super) fn words(words: &[String]) -> String {
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(" ")
    }
}

/// The table; also used by `top`.
pub(crate) fn table(backends: &[Backend]) -> Table {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for backend in backends {
        *sums.entry(&backend.service).or_default() += u64::from(backend.effective_weight);
    }
    let mut table = Table::new(&[
        Text("BACKEND"),
        Text("STATE"),
        Text("HEALTH"),
        Number("WEIGHT"),
        Number("EFFECTIVE"),
        Number("SHARE"),
        Number("LIVE"),
        ExtraNumber("CPU"),
        ExtraNumber("AGE"),
        ExtraNumber("CLIENTS"),
        ExtraNumber("REQ/s"),
        Extra("CHECK"),
        ExtraNumber("MEM"),
        ExtraNumber("EXECUTION"),
        Extra("WHY"),
        Extra("ADDRESS"),
    ]);
    for backend in backends {
        let sum = sums.get(backend.service.as_str()).copied().unwrap_or(0);
        let said = |of: fn(&AgentValues) -> Option<f64>| backend.agent.as_ref().and_then(of);
        table.row([
            format!("{}/{}", backend.service, backend.name),
            state(backend),
            or_dash(backend.health.as_ref(), state_of_health),
            count(backend.weight.into()),
            count(backend.effective_weight.into()),
            share(backend.effective_weight, sum),
            count(backend.connections_live.into()),
            or_dash(said(|agent| agent.cpu_utilization), percent),
            or_dash(backend.agent.as_ref(), age),
            or_dash(said(|agent| agent.clients), scaled),
            or_dash(said(|agent| agent.rps_fractional), scaled),
            or_dash(backend.agent_check.as_ref(), statement),
            or_dash(said(|agent| agent.mem_utilization), percent),
            or_dash(said(|agent| agent.execution_time_seconds), duration),
            or_dash(backend.health.as_ref(), why),
            endpoint(&backend.address, backend.port),
        ]);
    }
    table
}

/// Whether it answers, and for how long that has been so.
fn state_of_health(health: &BackendHealth) -> String {
    let state = match health.state {
        HealthState::Unknown => return "unknown".to_owned(),
        HealthState::Up => "up",
        HealthState::Down => "down",
    };
    format!("{state} {}", duration(health.age_seconds))
}

/// What is wrong.
fn why(health: &BackendHealth) -> String {
    match health.state {
        HealthState::Down => health.why.clone(),
        HealthState::Unknown | HealthState::Up => "-".to_owned(),
    }
}

fn state(backend: &Backend) -> String {
    let state = match backend.state {
        BackendState::Enabled if backend.is_backup => "backup",
        BackendState::Enabled => "enabled",
        BackendState::Draining => "draining",
        BackendState::Disabled => return "disabled".to_owned(),
    };
    if !backend.is_reachable {
        format!("{state}, unreachable")
    } else if backend.is_resolved {
        state.to_owned()
    } else {
        format!("{state}, no MAC")
    }
}

fn share(weight: u32, sum: u64) -> String {
    if sum == 0 {
        return "-".to_owned();
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of weights is far below 2^53"
    )]
    percent(f64::from(weight) / sum as f64)
}

/// Age of an agent's values; says so if they count no longer.
pub(super) fn age(agent: &AgentValues) -> String {
    let age = duration(agent.age_seconds);
    if agent.is_expired {
        format!("expired {age}")
    } else {
        age
    }
}

/// What an agent-check server said, and when.
pub(super) fn statement(check: &CheckStatement) -> String {
    format!("{} ({})", check.said, duration(check.age_seconds))
}
