//! What a contest found out, and how it is said.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a ratio is of two runs in the same turn; the ratio of two medians may be of different minutes.

use serde::{Deserialize, Serialize};

use crate::measure::Spread;

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// 4 or 6.
    pub family: u8,
    /// Flows.
    pub flows: u32,
    /// Room in the connection table.
    pub connections: u32,
    /// Runs of each.
    pub runs: u32,
    /// Whether all memory of DPDK's was on hugepages.
    pub huge: bool,
    /// Whether the runs had real-time priority.
    pub real_time: bool,
    /// One for each contestant.
    pub results: Vec<Outcome>,
}

/// What one contestant did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Its word.
    pub who: String,
    /// Million packets per second.
    pub mpps: Spread,
    /// Nanoseconds per packet.
    pub ns: Spread,
    /// Its rate as a share of testpmd's in the same round.
    pub ratio: Option<Spread>,
    /// Seconds from its start to the first packet sent.
    pub start_seconds: Spread,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Million packets per second.
    pub mpps: f64,
    /// Seconds from its start to the first packet sent.
    pub start_seconds: f64,
}

/// Prints all results.
pub fn print(report: &Report) {
    println!(
        "ipv{} {} flows, {} runs{}{}",
        report.family,
        report.flows,
        report.runs,
        if report.huge { "" } else { ", ordinary pages" },
        if report.real_time {
            ""
        } else {
            ", ordinary priority"
        },
    );
    for Outcome {
        who,
        mpps,
        ns,
        ratio,
        start_seconds,
    } in &report.results
    {
        print!(
            "  {who:<8} {:>7.2} Mpps ({:.2}-{:.2}) {:>7.1} ns per packet, first packet after {:.2} s",
            mpps.median, mpps.min, mpps.max, ns.median, start_seconds.median
        );
        match ratio {
            Some(ratio) => println!(
                "  {:.3} of testpmd ({:.3}-{:.3})",
                ratio.median, ratio.min, ratio.max
            ),
            None => println!(),
        }
    }
}
