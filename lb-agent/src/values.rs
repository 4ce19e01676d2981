//! Values of one report, as the sources find them.
//!
//! No counterpart in the patent. Names are those of ORCA (Open Request Cost Aggregation) plus `clients` and
//! `execution_time_seconds`. A value that the control processor would refuse never gets in.
//! Easy to get wrong: what nobody knows stays absent; zero would be a claim.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use lb_core::load::{
    LARGEST_COUNT, LARGEST_SECONDS, LARGEST_UTILIZATION, LONGEST_METRIC_NAME, MOST_METRICS,
};

/// One place in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Clients now served: open connections or sessions.
    Clients,
    /// CPU, where 1 is all that the server may use.
    CpuUtilization,
    /// Memory, where 1 is all that the server may use.
    MemUtilization,
    /// Mean time to serve one request, in seconds.
    ExecutionTimeSeconds,
    /// Requests per second.
    RpsFractional,
    /// Errors per second.
    Eps,
    /// A metric of the server's own, of any sign.
    Named(String),
}

/// Why a value does not get into a report.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// Not a number, infinite, or beyond what the field can hold.
    #[error("{field} is {value}; expected a number from {} to {}", .range.start(), .range.end())]
    OutOfRange {
        /// Where it should have gone.
        field: Field,
        /// What it was.
        value: f64,
        /// What the field can hold.
        range: RangeInclusive<f64>,
    },
    /// No room for one more named metric.
    #[error("more than {MOST_METRICS} named metrics; {0} does not fit")]
    TooMany(String),
}

/// Why a text names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no field of a report; expected clients, cpu_utilization, mem_utilization, \
     execution_time_seconds, rps_fractional, eps or named_metrics.NAME with a NAME of 1 to \
     {LONGEST_METRIC_NAME} letters, digits, '_', '-', '.' and ':'"
)]
pub struct NoField(String);

impl FromStr for Field {
    type Err = NoField;

    fn from_str(text: &str) -> Result<Self, NoField> {
        Ok(match text {
            "clients" => Self::Clients,
            "cpu_utilization" => Self::CpuUtilization,
            "mem_utilization" => Self::MemUtilization,
            "execution_time_seconds" => Self::ExecutionTimeSeconds,
            "rps_fractional" => Self::RpsFractional,
            "eps" => Self::Eps,
            _ => text
                .strip_prefix("named_metrics.")
                .and_then(Self::named)
                .ok_or_else(|| NoField(crate::notice::printable(text)))?,
        })
    }
}

impl Field {
    /// A named metric's field, if the name can be one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        let is_name = (1..=LONGEST_METRIC_NAME).contains(&name.len()) && name.chars().all(is_plain);
        is_name.then(|| Self::Named(name.to_owned()))
    }

    /// What the field can hold.
    fn range(&self) -> RangeInclusive<f64> {
        match self {
            Self::CpuUtilization => 0.0..=LARGEST_UTILIZATION,
            Self::MemUtilization => 0.0..=1.0,
            Self::ExecutionTimeSeconds => 0.0..=LARGEST_SECONDS,
            Self::Clients | Self::RpsFractional | Self::Eps => 0.0..=LARGEST_COUNT,
            Self::Named(_) => f64::MIN..=f64::MAX,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clients => "clients",
            Self::CpuUtilization => "cpu_utilization",
            Self::MemUtilization => "mem_utilization",
            Self::ExecutionTimeSeconds => "execution_time_seconds",
            Self::RpsFractional => "rps_fractional",
            Self::Eps => "eps",
            Self::Named(name) => return write!(f, "named_metrics.{name}"),
        })
    }
}

/// Values that are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// Clients now served.
    pub clients: Option<u64>,
    /// CPU utilisation, from 0; may pass 1.
    pub cpu_utilization: Option<f64>,
    /// Memory utilisation, from 0 to 1.
    pub mem_utilization: Option<f64>,
    /// Mean time to serve one request, in seconds.
    pub execution_time_seconds: Option<f64>,
    /// Requests per second.
    pub rps_fractional: Option<f64>,
    /// Errors per second.
    pub eps: Option<f64>,
    /// Metrics of the server's own.
    pub named_metrics: BTreeMap<String, f64>,
}

impl Values {
    /// Enters one value; clients are rounded to a whole number.
    ///
    /// # Errors
    /// What cannot stand in a report; nothing changes then.
    pub fn set(&mut self, field: &Field, value: f64) -> Result<(), Unusable> {
        let range = field.range();
        if !range.contains(&value) {
            return Err(Unusable::OutOfRange {
                field: field.clone(),
                value,
                range,
            });
        }
        match field {
            Field::Clients => self.clients = Some(whole(value)),
            Field::CpuUtilization => self.cpu_utilization = Some(value),
            Field::MemUtilization => self.mem_utilization = Some(value),
            Field::ExecutionTimeSeconds => self.execution_time_seconds = Some(value),
            Field::RpsFractional => self.rps_fractional = Some(value),
            Field::Eps => self.eps = Some(value),
            Field::Named(name) => {
                let is_new = !self.named_metrics.contains_key(name);
                if is_new && self.named_metrics.len() >= MOST_METRICS {
                    return Err(Unusable::TooMany(name.clone()));
                }
                self.named_metrics.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    /// Lays `other` over these values: where it knows something, it is right.
    pub fn overlay(&mut self, other: &Self) {
        self.clients = other.clients.or(self.clients);
        self.cpu_utilization = other.cpu_utilization.or(self.cpu_utilization);
        self.mem_utilization = other.mem_utilization.or(self.mem_utilization);
        self.execution_time_seconds = other.execution_time_seconds.or(self.execution_time_seconds);
        self.rps_fractional = other.rps_fractional.or(self.rps_fractional);
        self.eps = other.eps.or(self.eps);
        for (name, value) in &other.named_metrics {
            if self.named_metrics.len() < MOST_METRICS || self.named_metrics.contains_key(name) {
                self.named_metrics.insert(name.clone(), *value);
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be from 0 to LARGEST_COUNT"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_named_as_in_the_report() {
        for name in [
            "clients",
            "cpu_utilization",
            "mem_utilization",
            "execution_time_seconds",
            "rps_fractional",
            "eps",
            "named_metrics.queue.length",
        ] {
            assert_eq!(name.parse::<Field>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn what_names_no_field_is_refused() {
        for name in ["", "cpu", "named_metrics.", "named_metrics.a b", "boot_id"] {
            assert!(name.parse::<Field>().is_err(), "{name}");
        }
        assert!(Field::named(&"x".repeat(LONGEST_METRIC_NAME + 1)).is_none());
    }

    #[test]
    fn what_the_control_processor_would_refuse_does_not_get_in() {
        let mut values = Values::default();
        for value in [f64::NAN, f64::INFINITY, -0.1, 1e16] {
            assert!(values.set(&Field::CpuUtilization, value).is_err());
        }
        assert!(values.set(&Field::MemUtilization, 1.01).is_err());
        assert_eq!(values, Values::default());
        assert!(values.set(&Field::CpuUtilization, 1.3).is_ok());
        let queue = Field::named("queue").unwrap();
        assert!(values.set(&queue, f64::NAN).is_err());
        assert!(values.set(&queue, -4.0).is_ok());
    }

    #[test]
    fn a_later_source_is_right_about_what_it_knows() {
        let mut values = Values::default();
        values.set(&Field::Clients, 7.0).unwrap();
        values.set(&Field::Eps, 0.0).unwrap();
        let mut later = Values::default();
        later.set(&Field::Clients, 8.6).unwrap();
        values.overlay(&later);
        assert_eq!((values.clients, values.eps), (Some(9), Some(0.0)));
    }

    #[test]
    fn named_metrics_are_bounded() {
        let mut values = Values::default();
        for number in 0..MOST_METRICS {
            let field = Field::Named(format!("m{number}"));
            values.set(&field, 1.0).unwrap();
        }
        let one_more = Field::Named("more".to_owned());
        assert!(values.set(&one_more, 1.0).is_err());
        values.set(&Field::Named("m0".to_owned()), 2.0).unwrap();
        assert_eq!(values.named_metrics["m0"], 2.0);
    }
}
