//! What a run left: its status, its lines, its report, and what must hold of them.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a report is trusted only after its sums were made anew.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test"
)]

use std::process::ExitStatus;

use serde_json::Value;

/// What a run left.
pub(crate) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) line: String,
    /// Lines on standard output.
    pub(crate) out: Vec<String>,
    /// Lines on standard error, the EAL's among them.
    pub(crate) err: Vec<String>,
    pub(super) report: Option<Value>,
    pub(super) has_report_file: bool,
}

impl Ended {
    /// What went wrong, for messages.
    pub(crate) fn told(&self) -> String {
        format!(
            "{}\n{}\n{}\n{:?}",
            self.line,
            self.out.join("\n"),
            self.err.join("\n"),
            self.status
        )
    }

    /// Ended by itself with this status.
    pub(crate) fn status(&self) -> Option<i32> {
        self.status.code()
    }

    /// Went well: every mbuf is back, and the counters add up. Checks that once more by itself.
    pub(crate) fn went_well(&self) -> &Value {
        assert_eq!(self.status(), Some(0), "{}", self.told());
        let report = self
            .report
            .as_ref()
            .unwrap_or_else(|| panic!("no report: {}", self.told()));
        let kinds = ["forwarded", "replied", "punted", "apps", "dropped"];
        let verdicts: u64 = kinds
            .iter()
            .map(|kind| number(report, &format!("/verdicts/{kind}")))
            .sum();
        assert_eq!(number(report, "/received"), verdicts, "{report:#}");
        assert_eq!(sum(report, "ports", "rx_packets"), verdicts, "{report:#}");
        assert_eq!(sum(report, "lcores", "received"), verdicts, "{report:#}");
        let drops: u64 = report["drops"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum();
        assert_eq!(drops, number(report, "/verdicts/dropped"), "{report:#}");
        report
    }

    /// Was refused with this status; the one sentence of ours.
    pub(crate) fn refused(&self, status: i32) -> String {
        assert_eq!(self.status(), Some(status), "{}", self.told());
        let ours: Vec<_> = self
            .err
            .iter()
            .filter_map(|line| line.strip_prefix("lb-dataplane: "))
            .collect();
        let [sentence] = ours.as_slice() else {
            panic!("not one sentence: {}", self.told())
        };
        assert_eq!(
            self.err
                .last()
                .and_then(|line| line.strip_prefix("lb-dataplane: ")),
            Some(*sentence)
        );
        assert!(!self.has_report_file, "{}", self.told());
        (*sentence).to_owned()
    }
}

/// A number of a report, by its JSON pointer.
pub(crate) fn number(report: &Value, pointer: &str) -> u64 {
    report
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_else(|| panic!("{pointer}: {report:#}"))
}

/// Sum of one key over a list of a report.
pub(crate) fn sum(report: &Value, list: &str, key: &str) -> u64 {
    report[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| number(item, &format!("/{key}")))
        .sum()
}

/// How often packets were dropped for this reason.
pub(crate) fn drops(report: &Value, reason: &str) -> u64 {
    report["drops"][reason].as_u64().unwrap_or(0)
}
