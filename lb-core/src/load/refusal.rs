//! Why a load report is not believed.
//!
//! No counterpart in the patent. One variant is one cause, with the facts that an operator needs; the
//! cause's word is the label under which it is counted.
//! Easy to get wrong: a refused report changes nothing, also not what the next one is compared with.

use std::fmt;

/// A field of the report that a refusal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `monotonic_seconds`
    MonotonicSeconds,
    /// `clients`
    Clients,
    /// `cpu_utilization`
    CpuUtilization,
    /// `mem_utilization`
    MemUtilization,
    /// `execution_time_seconds`
    ExecutionTimeSeconds,
    /// `rps_fractional`
    RpsFractional,
    /// `eps`
    Eps,
    /// One of `named_metrics`
    NamedMetrics,
}

impl Field {
    /// The key in the JSON object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MonotonicSeconds => "monotonic_seconds",
            Self::Clients => "clients",
            Self::CpuUtilization => "cpu_utilization",
            Self::MemUtilization => "mem_utilization",
            Self::ExecutionTimeSeconds => "execution_time_seconds",
            Self::RpsFractional => "rps_fractional",
            Self::Eps => "eps",
            Self::NamedMetrics => "named_metrics",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The one cause for which a report was refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The backend's name is empty, too long, or not printable ASCII.
    #[error("backend: {length} octets; expected 1 to 63 printable ASCII characters")]
    BackendName {
        /// Octets of the name.
        length: usize,
    },
    /// The boot id is empty, too long, or not printable ASCII.
    #[error("boot_id: {length} octets; expected 1 to 64 printable ASCII characters")]
    BootId {
        /// Octets of the boot id.
        length: usize,
    },
    /// NaN or infinite.
    #[error("{field}: not a finite number")]
    NotFinite {
        /// Which value.
        field: Field,
    },
    /// Below zero where nothing can be.
    #[error("{field}: {value} is below 0")]
    Negative {
        /// Which value.
        field: Field,
        /// As reported.
        value: f64,
    },
    /// Above what the field can mean.
    #[error("{field}: {value} is above {largest}")]
    TooLarge {
        /// Which value.
        field: Field,
        /// As reported.
        value: f64,
        /// The limit.
        largest: f64,
    },
    /// More named metrics than a report may carry.
    #[error("named_metrics: {count} entries; at most 32 are possible")]
    TooManyMetrics {
        /// Entries in the report.
        count: usize,
    },
    /// A metric's name is empty, too long, or not printable ASCII.
    #[error(
        "named_metrics: a name of {length} octets; expected 1 to 64 printable ASCII characters"
    )]
    MetricName {
        /// Octets of the name.
        length: usize,
    },
    /// An old report again, or one that a later report overtook.
    #[error("sequence: {sequence} came already or was overtaken; the last one was {last}")]
    Replayed {
        /// As reported.
        sequence: u64,
        /// Of the last report that was taken.
        last: u64,
    },
    /// The clock went back although the sequence grew.
    #[error("monotonic_seconds: {seconds} is not after {last}, within one boot id")]
    FromThePast {
        /// As reported.
        seconds: f64,
        /// Of the last report that was taken.
        last: f64,
    },
    /// The sequence went back although the clock went on: the agent started again under its old boot id.
    #[error(
        "sequence: went back from {last} to {sequence} under the same boot_id; a restarted agent needs a new one"
    )]
    SequenceRestart {
        /// As reported.
        sequence: u64,
        /// Of the last report that was taken.
        last: u64,
    },
    /// The boot id was replaced before: a replay, or two agents that speak for one backend.
    #[error("boot_id: it was replaced by a later one; do two agents report for this backend?")]
    EarlierBoot,
    /// More reports than the gate lets through.
    #[error("more than 20 reports per second for this backend")]
    TooMany,
}

impl Refusal {
    /// Every cause's word, for counters that exist before the first refusal.
    pub const CAUSES: [&'static str; 12] = [
        "backend_name",
        "boot_id",
        "not_finite",
        "negative",
        "too_large",
        "too_many_metrics",
        "metric_name",
        "replayed",
        "from_the_past",
        "sequence_restart",
        "earlier_boot",
        "too_many",
    ];

    /// The word under which the cause is counted.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::BackendName { .. } => "backend_name",
            Self::BootId { .. } => "boot_id",
            Self::NotFinite { .. } => "not_finite",
            Self::Negative { .. } => "negative",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyMetrics { .. } => "too_many_metrics",
            Self::MetricName { .. } => "metric_name",
            Self::Replayed { .. } => "replayed",
            Self::FromThePast { .. } => "from_the_past",
            Self::SequenceRestart { .. } => "sequence_restart",
            Self::EarlierBoot => "earlier_boot",
            Self::TooMany => "too_many",
        }
    }
}
