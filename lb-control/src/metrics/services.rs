//! Services, backends and agents.
//!
//! No counterpart in the patent.
//! Easy to get wrong: weights in force are ratios within one service; sums and comparisons over services mean
//! nothing.

use lb_core::config::Backend;

use super::BACKENDS_MAX;
use super::page::{Labels, Page, labels};
use super::switch::truth;
use crate::api::{App, values};
use crate::health::outcome::Cause;
use crate::health::standing::Standing;
use crate::inventory::{Inventory, Place, Stock};
use crate::view::AgentValues;

pub(super) fn add(page: &mut Page, app: &App) {
    let inventory = Inventory::of(&app.control);
    let stocks: Vec<Stock<'_>> = inventory.services().collect();
    services(page, app, &stocks);
    let all = stocks
        .iter()
        .flat_map(|stock| stock.backends().map(move |at| (*stock, at)));
    let some: Vec<_> = all.take(BACKENDS_MAX).collect();
    let total: usize = stocks
        .iter()
        .map(|stock| stock.service.backends.len())
        .sum();
    page.value(
        "lb_metrics_omitted_backends",
        "Backends without series of their own, for there are too many.",
        total.saturating_sub(BACKENDS_MAX) as f64,
    );
    backends(page, app, &some);
    health(page, app, &some);
    agents(page, app, &some);
    checks(page, app);
}

fn services(page: &mut Page, app: &App, stocks: &[Stock<'_>]) {
    let name = |stock: &Stock<'_>| labels([("service", &stock.service.name)]);
    let figures: Vec<_> = stocks
        .iter()
        .map(|stock| {
            let figures = stock.slot.map(|slot| app.switch.service(slot));
            (name(stock), figures.unwrap_or_default())
        })
        .collect();
    let each = |of: fn(&crate::switch::ServiceFigures) -> u64| {
        figures
            .iter()
            .map(move |(name, figures)| (name.clone(), of(figures)))
    };
    page.counter(
        "lb_service_packets_total",
        "Packets forwarded for a service, both directions that pass the switch.",
        each(|figures| figures.packets),
    );
    page.counter(
        "lb_service_bytes_total",
        "Their octets, Ethernet header included.",
        each(|figures| figures.octets),
    );
    page.counter(
        "lb_service_opened_connections_total",
        "Connections opened.",
        each(|figures| figures.connections),
    );
    let live = app.switch.tables().v4.live();
    let connections = stocks.iter().map(|stock| {
        let count = stock.slot.map_or(0, |slot| live.service(slot));
        (name(stock), f64::from(count))
    });
    page.gauge("lb_service_connections", "Connections now.", connections);
    let configured = stocks
        .iter()
        .map(|stock| (name(stock), stock.service.backends.len() as f64));
    page.gauge("lb_service_backends", "Backends configured.", configured);
    let taking = stocks
        .iter()
        .map(|stock| (name(stock), stock.taking() as f64));
    page.gauge(
        "lb_service_taking_backends",
        "Backends that take new flows.",
        taking,
    );
    let up = stocks
        .iter()
        .map(|stock| (name(stock), stock.outlook.up as f64));
    page.gauge(
        "lb_service_up_backends",
        "Backends that may have flows and are up, or are not checked.",
        up,
    );
    let panic = stocks
        .iter()
        .map(|stock| (name(stock), truth(stock.outlook.is_panicking)));
    page.gauge(
        "lb_service_panic",
        "Whether so few backends are up that all get flows as though they were.",
        panic,
    );
    let backup = stocks
        .iter()
        .map(|stock| (name(stock), truth(stock.outlook.is_on_backup)));
    page.gauge(
        "lb_service_on_backup",
        "Whether only backups are left, and serve.",
        backup,
    );
}

type Entry<'a> = (Stock<'a>, (&'a Backend, Place));

fn names((stock, (backend, _)): &Entry<'_>) -> Labels {
    labels([("service", &stock.service.name), ("backend", &backend.name)])
}

fn backends(page: &mut Page, app: &App, all: &[Entry<'_>]) {
    let tables = app.switch.tables();
    let live = tables.v4.live();
    let connections = all.iter().map(|entry| {
        let (_, (_, place)) = entry;
        let count = place.slot.map_or(0, |slot| live.backend(slot));
        (names(entry), f64::from(count))
    });
    page.gauge("lb_backend_connections", "Connections now.", connections);
    let configured = all.iter().map(|entry| {
        let (_, (backend, _)) = entry;
        (names(entry), f64::from(backend.weight))
    });
    page.gauge(
        "lb_backend_configured_weight",
        "Weight as configured.",
        configured,
    );
    let effective = all.iter().map(|entry| {
        let (_, (_, place)) = entry;
        (names(entry), f64::from(place.weight))
    });
    page.gauge(
        "lb_backend_effective_weight",
        "Weight that the scheduler works with, a ratio within the service; 0: no new flows.",
        effective,
    );
    let resolved = all.iter().map(|entry| {
        let (_, (_, place)) = entry;
        let link = place.neighbor.and_then(|id| tables.neighbors.link(id));
        (names(entry), truth(link.is_some()))
    });
    page.gauge(
        "lb_backend_resolved",
        "Whether the MAC address of the way to it is known.",
        resolved,
    );
    let reachable = all.iter().map(|entry| {
        let (_, (_, place)) = entry;
        (names(entry), truth(place.is_reachable()))
    });
    page.gauge(
        "lb_backend_reachable",
        "Whether a route leads to it.",
        reachable,
    );
}

/// Of backends that are checked, and of all checks together.
fn health(page: &mut Page, app: &App, all: &[Entry<'_>]) {
    let (checked, results) = app.checks.ask(|table| {
        let entries = all.iter().filter_map(|entry| {
            let (stock, (backend, _)) = entry;
            let known = table.entry(&stock.service.name, &backend.name)?;
            Some((names(entry), known.standing.clone()))
        });
        let checked: Vec<_> = entries.collect();
        let tally = table.tally();
        let failed = |cause: Cause| tally.failed.get(&cause).copied().unwrap_or(0);
        let mut results = vec![("passed", tally.passed), ("not_made", tally.not_made)];
        results.extend(Cause::ALL.map(|cause| (cause.name(), failed(cause))));
        (checked, results)
    });
    let each = |of: fn(&Standing) -> f64| {
        let samples = checked.iter();
        samples.map(move |(labels, standing)| (labels.clone(), of(standing)))
    };
    page.gauge(
        "lb_backend_up",
        "Whether it passes its health checks, or is taken to before the first.",
        each(|standing| truth(standing.counts_as_up())),
    );
    page.gauge(
        "lb_backend_health_since_seconds",
        "When that began, in seconds since 1970.",
        each(|standing| standing.since),
    );
    // A backend that leaves the configuration takes its count along, so this is no counter.
    page.gauge(
        "lb_backend_flaps",
        "How often it went down after it was up.",
        each(|standing| standing.flaps as f64),
    );
    let latencies = checked.iter().filter_map(|(labels, standing)| {
        let latency = standing.latency?;
        Some((labels.clone(), latency))
    });
    page.gauge(
        "lb_backend_health_latency_seconds",
        "How long its last health check took that passed.",
        latencies,
    );
    let results = results.into_iter();
    page.counter(
        "lb_health_checks_total",
        "Health checks, by what came of them: passed, why they failed, or not made.",
        results.map(|(result, count)| (labels([("result", result)]), count)),
    );
    page.summary(
        "lb_health_check_duration_seconds",
        "Time of the health checks that passed, over the last minute or two.",
        &app.checks.latency().seen(),
    );
}

/// A value of agents, its name and its help.
type AgentGauge = (&'static str, &'static str, fn(&AgentValues) -> Option<f64>);

const AGENT_GAUGES: [AgentGauge; 8] = [
    (
        "lb_agent_report_age_seconds",
        "Time since the newest load report came.",
        |agent| Some(agent.age_seconds),
    ),
    (
        "lb_agent_expired",
        "Whether the newest load report is too old to be believed.",
        |agent| Some(truth(agent.is_expired)),
    ),
    (
        "lb_agent_clients",
        "Clients now served, smoothed.",
        |agent| agent.clients,
    ),
    (
        "lb_agent_cpu_utilization_ratio",
        "Processor time used over processor time there is, smoothed.",
        |agent| agent.cpu_utilization,
    ),
    (
        "lb_agent_memory_utilization_ratio",
        "Memory in use over memory there is, smoothed.",
        |agent| agent.mem_utilization,
    ),
    (
        "lb_agent_execution_time_seconds",
        "Mean time to serve a request, smoothed.",
        |agent| agent.execution_time_seconds,
    ),
    (
        "lb_agent_requests_per_second",
        "Requests per second, smoothed.",
        |agent| agent.rps_fractional,
    ),
    (
        "lb_agent_errors_per_second",
        "Failed requests per second, smoothed.",
        |agent| agent.eps,
    ),
];

/// Agents stand by their backend's name, whatever services have it.
fn agents(page: &mut Page, app: &App, all: &[Entry<'_>]) {
    let mut wanted: Vec<&str> = all
        .iter()
        .map(|(_, (backend, _))| backend.name.as_str())
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let heard: Vec<(&str, AgentValues)> = app.manager.ask(|manager, now| {
        let agents = wanted.into_iter().filter_map(|name| {
            let values = values(&manager.agent(name, now)?)?;
            Some((name, values))
        });
        agents.collect()
    });
    for (name, help, of) in AGENT_GAUGES {
        let samples = heard
            .iter()
            .filter_map(|(name, values)| Some((labels([("backend", name)]), of(values)?)));
        page.gauge(name, help, samples);
    }
    let (taken, refused) = app.manager.ask(|manager, _| {
        let mut taken = Vec::new();
        let mut refused = Vec::new();
        for (sender, counts) in manager.counts() {
            taken.push((labels([("sender", sender)]), counts.taken()));
            for (cause, count) in counts.refused() {
                refused.push((labels([("sender", sender), ("cause", cause)]), count));
            }
        }
        (taken, refused)
    });
    page.counter("lb_agent_taken_reports_total", "Load reports taken.", taken);
    page.counter(
        "lb_agent_refused_reports_total",
        "Load reports refused, by cause.",
        refused,
    );
    page.count(
        "lb_agent_unreadable_reports_total",
        "Load reports that were no load reports.",
        app.meters.unreadable(),
    );
}

/// Agent-checks together: what one of them said stands in its backend's weight.
fn checks(page: &mut Page, app: &App) {
    let (answers, failures, out) = app.manager.ask(|manager, now| {
        let mut sums = (0, 0, 0_u32);
        for check in manager.checks(now) {
            sums.0 += check.standing.answers;
            sums.1 += check.standing.failures;
            sums.2 += u32::from(!check.standing.lets_flows_in());
        }
        sums
    });
    // A backend that leaves the configuration takes its counts along, so these are no counters.
    page.value(
        "lb_agent_check_answers",
        "Answers to agent-checks, over the backends that are configured.",
        answers as f64,
    );
    page.value(
        "lb_agent_check_failures",
        "Agent-checks without an answer, over the backends that are configured.",
        failures as f64,
    );
    page.value(
        "lb_agent_check_closed_backends",
        "Backends whose agent-check keeps new flows away.",
        f64::from(out),
    );
}
