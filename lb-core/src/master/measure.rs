//! What is read out of a report: how busy, and how much work done.
//!
//! WO 00/30294: the raw load data's kinds (clients now served, processor, memory, mean execution time).
//! Work is requests per second; where those are not reported, clients over execution time are the same
//! number (Little's law); where that is not known either, clients.
//! Easy to get wrong: requests and clients have different units, so one service counts one kind only.

use super::rules::{ERROR_PENALTY, MEMORY_ALARM};
use crate::load::{LARGEST_COUNT, SmoothedReport};

/// The kind of work that a service's backends are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Requests per second.
    Requests,
    /// Clients now served, each of which is taken to ask for as much as any other.
    Clients,
}

impl Measure {
    /// Requests if at least half of the reports have them, else the kind that more of them have.
    pub(super) fn of<'a>(reports: impl Iterator<Item = &'a SmoothedReport> + Clone) -> Self {
        let knowing = |measure: Self| {
            let reports = reports.clone();
            reports
                .filter(|report| measure.work(report).is_some())
                .count()
        };
        let requests = knowing(Self::Requests);
        if 2 * requests >= reports.clone().count() || requests >= knowing(Self::Clients) {
            Self::Requests
        } else {
            Self::Clients
        }
    }

    /// Work of a report in the measure's unit, if it says.
    pub(super) fn work(self, report: &SmoothedReport) -> Option<f64> {
        match self {
            Self::Requests => report.rps.or_else(|| by_littles_law(report)),
            Self::Clients => report.clients,
        }
    }
}

fn by_littles_law(report: &SmoothedReport) -> Option<f64> {
    let seconds = report
        .execution_time_seconds
        .filter(|&seconds| seconds > 0.0)?;
    Some((report.clients? / seconds).min(LARGEST_COUNT))
}

/// How busy a backend is: its application's word, or its processor's; memory when it runs out; and
/// failed requests on top. From 0; may pass 1.
pub(super) fn busy(report: &SmoothedReport) -> Option<f64> {
    let application = report.named_metrics.get("application_utilization");
    let own = application.copied().filter(|&value| value >= 0.0);
    let memory = report
        .mem_utilization
        .filter(|&memory| memory >= MEMORY_ALARM);
    let busy = own.or(report.cpu_utilization)?.max(memory.unwrap_or(0.0));
    Some(busy + ERROR_PENALTY * failing(report))
}

/// Part of the requests that failed, 0 to 1.
fn failing(report: &SmoothedReport) -> f64 {
    match (report.eps, report.rps) {
        (Some(failed), Some(all)) if all > 0.0 => (failed / all).min(1.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> SmoothedReport {
        SmoothedReport {
            clients: Some(20.0),
            cpu_utilization: Some(0.4),
            rps: Some(100.0),
            ..SmoothedReport::default()
        }
    }

    #[test]
    fn clients_over_execution_time_stand_in_for_requests_per_second() {
        let little = SmoothedReport {
            rps: None,
            execution_time_seconds: Some(0.1),
            ..report()
        };
        assert_eq!(Measure::Requests.work(&little), Some(200.0));
        assert_eq!(Measure::Requests.work(&report()), Some(100.0));
    }

    #[test]
    fn one_agent_without_requests_does_not_turn_the_fleet_to_clients() {
        let without = SmoothedReport {
            rps: None,
            ..report()
        };
        let mut fleet = vec![report(), without.clone()];
        assert_eq!(Measure::of(fleet.iter()), Measure::Requests);
        fleet.push(without);
        assert_eq!(Measure::of(fleet.iter()), Measure::Clients);
    }

    #[test]
    fn full_memory_counts_as_load_and_cache_does_not() {
        let with_memory = |memory| SmoothedReport {
            mem_utilization: Some(memory),
            ..report()
        };
        assert_eq!(busy(&with_memory(0.9)), Some(0.4));
        assert_eq!(busy(&with_memory(0.97)), Some(0.97));
    }

    #[test]
    fn the_applications_word_comes_before_the_processors() {
        let mut said = report();
        said.named_metrics
            .insert("application_utilization".into(), 0.7);
        assert_eq!(busy(&said), Some(0.7));
        said.named_metrics
            .insert("application_utilization".into(), -1.0);
        assert_eq!(busy(&said), Some(0.4));
    }

    #[test]
    fn failing_every_request_is_not_idleness() {
        let failing = SmoothedReport {
            cpu_utilization: Some(0.01),
            eps: Some(100.0),
            ..report()
        };
        assert_eq!(busy(&failing), Some(1.01));
    }
}
