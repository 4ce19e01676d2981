//! What agents say, and what the master makes of it.
//!
//! No counterpart in the patent.
//! Easy to get wrong: reports that were refused belong to no backend in the table; they stand below it.

use lb_control::view::{AgentValues, BackendExplained, Explained, LoadReports};

use super::Room;
use super::backends::{age, statement};
use super::format::{count, duration, or_dash, percent, scaled, things};
use super::table::Column::{Extra, ExtraNumber, Number, Text};
use super::table::Table;

/// All agents.
pub(crate) fn agents(reports: &LoadReports, room: Room) -> String {
    let mut text = if reports.agents.is_empty() {
        "no agent has said anything yet\n".to_owned()
    } else {
        table(reports).render(room)
    };
    text.push_str(&format!("\n{} taken", things(reports.taken, "report")));
    let refused: Vec<_> = reports
        .refused
        .iter()
        .filter(|(_, times)| **times != 0)
        .map(|(cause, times)| format!("{} {cause}", count(*times)))
        .collect();
    if refused.is_empty() {
        text.push_str(", none refused\n");
    } else {
        text.push_str(&format!("; refused: {}\n", refused.join(", ")));
    }
    text
}

fn table(reports: &LoadReports) -> Table {
    let mut table = Table::new(&[
        Text("BACKEND"),
        Number("AGE"),
        Number("CPU"),
        Number("MEM"),
        Number("CLIENTS"),
        Number("REQ/s"),
        Extra("CHECK"),
        ExtraNumber("ERRORS/s"),
        ExtraNumber("EXECUTION"),
        ExtraNumber("REPORTS"),
        Extra("OWN VALUES"),
    ]);
    for agent in &reports.agents {
        let values = agent.values.as_ref();
        let said = |of: fn(&AgentValues) -> Option<f64>| values.and_then(of);
        table.row([
            format!("{}/{}", agent.service, agent.backend),
            or_dash(values, age),
            or_dash(said(|values| values.cpu_utilization), percent),
            or_dash(said(|values| values.mem_utilization), percent),
            or_dash(said(|values| values.clients), scaled),
            or_dash(said(|values| values.rps_fractional), scaled),
            or_dash(agent.agent_check.as_ref(), statement),
            or_dash(said(|values| values.eps), scaled),
            or_dash(said(|values| values.execution_time_seconds), duration),
            or_dash(values, |values| count(values.reports)),
            or_dash(values, own_values),
        ]);
    }
    table
}

fn own_values(values: &AgentValues) -> String {
    if values.named_metrics.is_empty() {
        return "-".to_owned();
    }
    let shown = values.named_metrics.iter();
    let shown: Vec<_> = shown
        .map(|(name, value)| format!("{name} {}", scaled(*value)))
        .collect();
    shown.join(" ")
}

/// What an agent-check server makes of a backend's weight.
fn check(backend: &BackendExplained) -> String {
    if backend.is_kept_out {
        "kept out".to_owned()
    } else {
        format!("{} %", backend.agent_check_percent)
    }
}

/// Why a service's backends have their weights.
pub(crate) fn explained(explained: &Explained, room: Room) -> String {
    let mut text = format!("{}: weights {}", explained.service, explained.weights);
    if explained.source.is_empty() {
        text.push('\n');
    } else {
        text.push_str(&format!(", {}\n", explained.source));
    }
    if explained.backends.is_empty() {
        text.push_str("no backends are configured\n");
        return text;
    }
    let mut table = Table::new(&[
        Text("BACKEND"),
        Number("WEIGHT"),
        Number("EFFECTIVE"),
        Number("FACTOR"),
        Number("TARGET"),
        Number("UTILIZATION"),
        Number("CHECK"),
        ExtraNumber("STRENGTH"),
    ]);
    for backend in &explained.backends {
        table.row([
            backend.backend.clone(),
            count(backend.configured_weight.into()),
            count(backend.effective_weight.into()),
            format!("{:.2}", backend.factor),
            format!("{:.2}", backend.target),
            or_dash(backend.utilization, percent),
            check(backend),
            or_dash(backend.strength, |strength| {
                format!("{}/s", scaled(strength))
            }),
        ]);
    }
    text.push_str(&table.render(room));
    for backend in &explained.backends {
        text.push_str(&format!("\n{}:\n", backend.backend));
        if backend.rules.is_empty() {
            text.push_str("  no rule of the master acted\n");
        }
        for rule in &backend.rules {
            text.push_str(&format!("  {}: {}\n", rule.rule, rule.sentence));
        }
    }
    text
}
