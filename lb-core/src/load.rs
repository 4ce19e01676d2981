//! Load reports: what a backend's agent says, checked before anything believes it.
//!
//! WO 00/30294: the raw load data that agents on the back-end servers send to resource manager 52.
//! [`LoadReport`] is the message as it travels, [`Report`] what is left after every check, and
//! [`SmoothedReport`] what the master reads. A [`ReportGate`] per backend remembers what came before,
//! so that a report is taken once, in order.
//! Not here: the way it travels, who may speak for which backend, and when a report is too old to count
//! (`resource_manager`); what follows from it (`master`).
//! Easy to get wrong: what an agent leaves out is unknown, not zero; an idle server and a silent one
//! get opposite weights.

mod gate;
mod refusal;
mod report;
mod smoothed;

pub use gate::{BURST, RATE, ReportGate};
pub use refusal::{Field, Refusal};
pub use report::{
    LARGEST_COUNT, LARGEST_SECONDS, LARGEST_UPTIME, LARGEST_UTILIZATION, LONGEST_BOOT_ID,
    LONGEST_METRIC_NAME, LONGEST_NAME, LoadReport, MOST_METRICS, Report, validate,
};
pub use smoothed::{SMOOTHING_SECONDS, SmoothedReport};
