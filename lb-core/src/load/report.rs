//! The report as it travels, and what every single one must satisfy.
//!
//! WO 00/30294: raw load data. Field names are those of ORCA (xds.data.orca.v3.OrcaLoadReport), plus
//! `clients` and `execution_time_seconds`, which the patent names and ORCA does not.
//! Not here: checks that need an earlier report (`gate`).
//! Easy to get wrong: keys that we do not know are passed over, so that a newer agent can talk to an
//! older balancer; a key that we do know is never guessed at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refusal::{Field, Refusal};

/// Longest name of a backend, in octets; the configuration allows no more.
pub const LONGEST_NAME: usize = 63;
/// Longest boot id, in octets: a UUID has 36.
pub const LONGEST_BOOT_ID: usize = 64;
/// Named metrics that one report may carry.
pub const MOST_METRICS: usize = 32;
/// Longest name of a metric, in octets.
pub const LONGEST_METRIC_NAME: usize = 64;
/// Upper limit of a utilisation that may pass 1: a run queue of a hundred times the processors.
pub const LARGEST_UTILIZATION: f64 = 100.0;
/// Upper limit of rates and of clients: beyond what one server can do.
pub const LARGEST_COUNT: f64 = 1e9;
/// Upper limit of an execution time: one day, in seconds.
pub const LARGEST_SECONDS: f64 = 86_400.0;
/// Upper limit of a monotonic clock: 127 years, in seconds. One report from beyond would make all
/// later ones come from the past.
pub const LARGEST_UPTIME: f64 = 4e9;

/// What an agent sends: one JSON object per backend and interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadReport {
    /// Name of the backend that the report speaks of, as configured.
    pub backend: String,
    /// Changes with every start of the agent; 1 to 64 printable ASCII characters.
    pub boot_id: String,
    /// Number of the report: grows by at least 1 within one boot id.
    pub sequence: u64,
    /// Agent's monotonic clock in seconds when the values were taken: grows within one boot id.
    pub monotonic_seconds: f64,
    /// Clients now served (connections, or requests in progress).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<u64>,
    /// Processor time used over processor time there is: from 0; more than 1 where a queue counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_utilization: Option<f64>,
    /// Memory in use over memory there is: 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_utilization: Option<f64>,
    /// Mean execution time of a request, in seconds: from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_time_seconds: Option<f64>,
    /// Requests per second, those that failed included: from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rps_fractional: Option<f64>,
    /// Requests that failed, per second: from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Values of the application's own, by name. `application_utilization` takes the place of
    /// `cpu_utilization` in every decision.
    #[serde(default)]
    pub named_metrics: BTreeMap<String, f64>,
}

/// A report that passed every check: finite, in range, new. Units are those of [`LoadReport`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Number of the report within its boot id.
    pub sequence: u64,
    /// Agent's monotonic clock, in seconds.
    pub monotonic_seconds: f64,
    /// Seconds of the agent's clock since the report admitted before; `None`: first of a boot id.
    pub gap_seconds: Option<f64>,
    /// Clients now served.
    pub clients: Option<f64>,
    /// From 0; may pass 1.
    pub cpu_utilization: Option<f64>,
    /// 0 to 1.
    pub mem_utilization: Option<f64>,
    /// Seconds.
    pub execution_time_seconds: Option<f64>,
    /// Requests per second.
    pub rps: Option<f64>,
    /// Failed requests per second.
    pub eps: Option<f64>,
    /// Values of the application's own; finite, of any sign.
    pub named_metrics: BTreeMap<String, f64>,
}

/// Checks one report by itself.
///
/// # Errors
/// The first cause in the order of the fields: names, clock, values, named metrics.
pub fn validate(report: &LoadReport) -> Result<Report, Refusal> {
    let valid = checked(report)?;
    Ok(valid.with_metrics_of(report))
}

/// The same, without named metrics: they are copied when it is known that the report is new.
pub(super) fn checked(report: &LoadReport) -> Result<Report, Refusal> {
    if !is_word(&report.backend, LONGEST_NAME) {
        return Err(Refusal::BackendName {
            length: report.backend.len(),
        });
    }
    if !is_word(&report.boot_id, LONGEST_BOOT_ID) {
        return Err(Refusal::BootId {
            length: report.boot_id.len(),
        });
    }
    let monotonic_seconds = within(
        Field::MonotonicSeconds,
        report.monotonic_seconds,
        LARGEST_UPTIME,
    )?;
    let checked = Report {
        sequence: report.sequence,
        monotonic_seconds,
        gap_seconds: None,
        clients: known(Field::Clients, report.clients.map(as_f64), LARGEST_COUNT)?,
        cpu_utilization: known(
            Field::CpuUtilization,
            report.cpu_utilization,
            LARGEST_UTILIZATION,
        )?,
        mem_utilization: known(Field::MemUtilization, report.mem_utilization, 1.0)?,
        execution_time_seconds: known(
            Field::ExecutionTimeSeconds,
            report.execution_time_seconds,
            LARGEST_SECONDS,
        )?,
        rps: known(Field::RpsFractional, report.rps_fractional, LARGEST_COUNT)?,
        eps: known(Field::Eps, report.eps, LARGEST_COUNT)?,
        named_metrics: BTreeMap::new(),
    };
    check_named(&report.named_metrics)?;
    Ok(checked)
}

impl Report {
    pub(super) fn with_metrics_of(self, report: &LoadReport) -> Self {
        Self {
            named_metrics: report.named_metrics.clone(),
            ..self
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 are refused as too large anyway"
)]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

fn is_word(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
}

fn known(field: Field, value: Option<f64>, largest: f64) -> Result<Option<f64>, Refusal> {
    value.map(|value| within(field, value, largest)).transpose()
}

fn within(field: Field, value: f64, largest: f64) -> Result<f64, Refusal> {
    if !value.is_finite() {
        return Err(Refusal::NotFinite { field });
    }
    if value < 0.0 {
        return Err(Refusal::Negative { field, value });
    }
    if value > largest {
        return Err(Refusal::TooLarge {
            field,
            value,
            largest,
        });
    }
    Ok(value)
}

fn check_named(metrics: &BTreeMap<String, f64>) -> Result<(), Refusal> {
    if metrics.len() > MOST_METRICS {
        return Err(Refusal::TooManyMetrics {
            count: metrics.len(),
        });
    }
    for (name, value) in metrics {
        if !is_word(name, LONGEST_METRIC_NAME) {
            return Err(Refusal::MetricName { length: name.len() });
        }
        if !value.is_finite() {
            return Err(Refusal::NotFinite {
                field: Field::NamedMetrics,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> LoadReport {
        LoadReport {
            backend: "web-1".into(),
            boot_id: "b".into(),
            sequence: 17,
            monotonic_seconds: 12.5,
            ..LoadReport::default()
        }
    }

    #[test]
    fn the_manuals_report_is_read_and_written_back() {
        let text = r#"{"backend": "web-1", "boot_id": "0b6f", "sequence": 17, "monotonic_seconds": 12.5,
            "clients": 12, "cpu_utilization": 0.43, "mem_utilization": 0.61,
            "execution_time_seconds": 0.0032, "rps_fractional": 250.0, "eps": 0.0, "named_metrics": {}}"#;
        let read: LoadReport = serde_json::from_str(text).unwrap();
        let typed = validate(&read).unwrap();
        assert_eq!(typed.clients, Some(12.0));
        assert_eq!(typed.rps, Some(250.0));
        let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(same(&serde_json::to_string(&read).unwrap()), same(text));
    }

    #[test]
    fn what_an_agent_leaves_out_is_unknown_and_not_zero() {
        let text = r#"{"backend": "web-1", "boot_id": "b", "sequence": 1, "monotonic_seconds": 0, "cpu_utilization": null, "of_a_newer_agent": 1}"#;
        let read: LoadReport = serde_json::from_str(text).unwrap();
        let typed = validate(&read).unwrap();
        assert_eq!((typed.clients, typed.cpu_utilization), (None, None));
    }

    #[test]
    fn a_value_that_no_server_can_have_is_refused_under_its_cause() {
        type Spoil = fn(&mut LoadReport);
        let cases: [(Spoil, &str); 14] = [
            (|r| r.cpu_utilization = Some(f64::NAN), "not_finite"),
            (|r| r.rps_fractional = Some(f64::INFINITY), "not_finite"),
            (|r| r.monotonic_seconds = f64::NAN, "not_finite"),
            (|r| r.eps = Some(-0.1), "negative"),
            (|r| r.monotonic_seconds = -1.0, "negative"),
            (|r| r.cpu_utilization = Some(101.0), "too_large"),
            (|r| r.mem_utilization = Some(1.01), "too_large"),
            (|r| r.clients = Some(u64::MAX), "too_large"),
            (|r| r.monotonic_seconds = 1e300, "too_large"),
            (|r| r.backend = "b".repeat(64), "backend_name"),
            (|r| r.boot_id = "two words".into(), "boot_id"),
            (
                |r| r.named_metrics = [(String::new(), 1.0)].into(),
                "metric_name",
            ),
            (
                |r| r.named_metrics = [("q".into(), f64::NAN)].into(),
                "not_finite",
            ),
            (
                |r| r.named_metrics = (0..33).map(|n| (n.to_string(), 1.0)).collect(),
                "too_many_metrics",
            ),
        ];
        for (spoil, cause) in cases {
            let mut spoilt = report();
            spoil(&mut spoilt);
            let refusal = validate(&spoilt).unwrap_err();
            assert_eq!(refusal.cause(), cause, "{refusal}");
        }
    }

    #[test]
    fn a_processor_may_be_more_than_busy() {
        let busy = LoadReport {
            cpu_utilization: Some(3.5),
            named_metrics: [("queue".into(), -4.0)].into(),
            ..report()
        };
        assert!(validate(&busy).is_ok());
    }
}
