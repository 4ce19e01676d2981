//! `lb-bench suite`: the filter's figures of `docs/performance.md`, each from a process of its own.
//!
//! No counterpart in the patent. The rows run in turn, all of them once, then all of them again: a minute in which
//! the machine is slow is slow for every row.
//! Easy to get wrong: a row that is compared with another one must differ from it in one thing only, and should run
//! close behind it: minutes differ.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use lb_core::shared::Layout;
use serde::{Deserialize, Serialize};

use crate::filter::Report;
use crate::machine::{Machine, is_root, ourselves_on};
use crate::measure::Spread;

/// Options of `lb-bench suite`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Only rows whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Runs of each row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Seconds that each run measures
    #[arg(long, default_value_t = 0.6)]
    seconds: f64,
    /// CPU to run on
    #[arg(long, default_value_t = 1)]
    cpu: u32,
    /// Few flows, short runs: shows that every row works, and nothing else
    #[arg(long)]
    quick: bool,
    /// The result
    #[arg(long, default_value = "target/bench/filter.json")]
    out: PathBuf,
}

/// One row of the table.
struct Row {
    name: &'static str,
    arguments: &'static str,
    /// What is wanted: at most so many nanoseconds per packet, or so many times as long as `base`.
    goal: Option<f64>,
    /// Row to be compared with.
    base: Option<&'static str>,
}

const fn row(name: &'static str, arguments: &'static str) -> Row {
    Row {
        name,
        arguments,
        goal: None,
        base: None,
    }
}

const fn wanted(name: &'static str, arguments: &'static str, goal: f64) -> Row {
    Row {
        name,
        arguments,
        goal: Some(goal),
        base: None,
    }
}

/// At most `goal` times as long as `base`.
const fn beside(name: &'static str, base: &'static str, goal: f64, arguments: &'static str) -> Row {
    Row {
        name,
        arguments,
        goal: Some(goal),
        base: Some(base),
    }
}

const ROWS: &[Row] = &[
    wanted("ipv4 nat, 1 flow", "--flows 1", 15.0),
    row("ipv6 nat, 1 flow", "--family 6 --flows 1"),
    wanted("ipv4 nat, 4 Ki flows", "--flows 4096", 15.0),
    beside(
        "ipv6 nat, 4 Ki flows",
        "ipv4 nat, 4 Ki flows",
        1.4,
        "--family 6 --flows 4096",
    ),
    wanted("ipv4 nat, 64 Ki flows", "--flows 65536", 20.0),
    beside(
        "ipv6 nat, 64 Ki flows",
        "ipv4 nat, 64 Ki flows",
        1.4,
        "--family 6 --flows 65536",
    ),
    beside(
        "1,000 services",
        "ipv4 nat, 64 Ki flows",
        1.1,
        "--services 1000 --flows 65536",
    ),
    beside(
        "1,000 backends",
        "ipv4 nat, 64 Ki flows",
        1.1,
        "--backends 1000 --flows 65536",
    ),
    beside(
        "100,000 routes",
        "ipv4 nat, 64 Ki flows",
        1.1,
        "--routes 100000 --flows 65536",
    ),
    wanted("ipv4 nat, 1 Mi flows", "--flows 1048576", 40.0),
    beside(
        "ipv6 nat, 1 Mi flows",
        "ipv4 nat, 1 Mi flows",
        1.4,
        "--family 6 --flows 1048576",
    ),
    wanted("ipv4 nat, 16 Mi flows", "--flows 16777216", 50.0),
    beside(
        "ipv6 nat, 16 Mi flows",
        "ipv4 nat, 16 Mi flows",
        1.4,
        "--family 6 --flows 16777216",
    ),
    row(
        "ipv4 direct, 64 Ki flows",
        "--forwarding direct --flows 65536",
    ),
    row(
        "ipv4 direct, 1 Mi flows",
        "--forwarding direct --flows 1048576",
    ),
    row(
        "ipv6 direct, 1 Mi flows",
        "--family 6 --forwarding direct --flows 1048576",
    ),
    row("ipv4 nat, Zipf, 1 Mi flows", "--order zipf --flows 1048576"),
    row(
        "ipv4 nat, order of creation, 1 Mi flows",
        "--order creation --flows 1048576",
    ),
    row(
        "ipv4 nat, replies, 64 Ki flows",
        "--workload reply --flows 65536",
    ),
    beside(
        "100,000 routes, replies",
        "ipv4 nat, replies, 64 Ki flows",
        1.1,
        "--routes 100000 --workload reply --flows 65536",
    ),
    row(
        "ipv4 nat, replies, 1 Mi flows",
        "--workload reply --flows 1048576",
    ),
    row(
        "ipv6 nat, replies, 1 Mi flows",
        "--family 6 --workload reply --flows 1048576",
    ),
    row(
        "ipv4 nat, missed, 64 Ki flows",
        "--workload miss --flows 65536",
    ),
    row(
        "ipv4 nat, missed, 1 Mi flows",
        "--workload miss --flows 1048576",
    ),
    row(
        "ipv4 nat, mixed, 64 Ki flows",
        "--workload mixed --flows 65536",
    ),
    row(
        "ipv4 nat, mixed, 1 Mi flows",
        "--workload mixed --flows 1048576",
    ),
    row(
        "ipv6 nat, mixed, 1 Mi flows",
        "--family 6 --workload mixed --flows 1048576",
    ),
    wanted(
        "ipv4 nat, new, 1 Mi SYNs",
        "--workload new --flows 1048576",
        200.0,
    ),
    beside(
        "1,000 services, new",
        "ipv4 nat, new, 1 Mi SYNs",
        1.1,
        "--services 1000 --workload new --flows 1048576",
    ),
    beside(
        "1,000 backends, new",
        "ipv4 nat, new, 1 Mi SYNs",
        1.1,
        "--backends 1000 --workload new --flows 1048576",
    ),
    wanted(
        "ipv6 nat, new, 1 Mi SYNs",
        "--family 6 --workload new --flows 1048576",
        200.0,
    ),
    row(
        "ipv4 direct, new, 1 Mi SYNs",
        "--forwarding direct --workload new --flows 1048576",
    ),
];

/// Flows in a quick run.
const QUICK_FLOWS: &str = "512";
/// Capacity for which memory per connection is stated.
const STATED_CAPACITY: u32 = 16 << 20;

/// All that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// Whether runs had real-time priority.
    pub real_time: bool,
    /// Runs of each row.
    pub runs: u32,
    /// The rows.
    pub rows: Vec<Measured>,
    /// Octets per connection, IPv4 and IPv6, in a table for 16 Mi that is 80 % full.
    pub octets_per_connection: (f64, f64),
}

/// One row's figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// What `lb-bench filter` was given.
    pub arguments: String,
    /// What is wanted: at most so many nanoseconds per packet, or times as long as the row in `beside`.
    pub goal: Option<f64>,
    /// Nanoseconds per packet, over all runs' medians.
    pub ns: Spread,
    /// Nanoseconds of the copy alone.
    pub copy_ns: Spread,
    /// For `established` over IPv4: nanoseconds of the bare loop, by turns with the filter.
    pub bare_ns: Option<Spread>,
    /// For `new`: nanoseconds per packet into untouched memory.
    pub untouched_ns: Option<Spread>,
    /// Name of the row that it is compared with, and its time as a multiple of that one's in the same turn.
    pub beside: Option<(String, Spread)>,
    /// Least share of memory on huge pages, in per cent.
    pub huge_percent: u64,
}

/// Measures, prints, writes the result.
///
/// # Errors
/// A run fails.
pub fn run(options: &Options) -> Result<()> {
    let mut seen = HashSet::new();
    let rows: Vec<_> = ROWS
        .iter()
        .filter(|row| row.name.contains(&options.only))
        // Many differ in nothing but the number of flows.
        .filter(|row| !options.quick || seen.insert(words(row, true)))
        .collect();
    ensure!(!rows.is_empty(), "--only {}: no such row", options.only);
    let runs = if options.quick { 1 } else { options.runs };
    let mut reports: Vec<Vec<Report>> = vec![Vec::new(); rows.len()];
    for run in 1..=runs {
        for (row, reports) in rows.iter().zip(&mut reports) {
            let report = measure(row, options)?;
            if options.quick {
                println!("ok - {}", row.name);
            } else {
                println!("{run}: {report}");
            }
            reports.push(report);
        }
    }
    if options.quick {
        return Ok(());
    }
    let summed = rows.iter().zip(&reports);
    let results = Results {
        machine: Machine::here(),
        real_time: is_root(),
        runs,
        rows: summed
            .map(|(row, own)| {
                let base = rows.iter().position(|other| Some(other.name) == row.base);
                let base = base.and_then(|at| reports.get(at));
                sum_up(row, own, base.map(Vec::as_slice))
            })
            .collect(),
        octets_per_connection: octets_per_connection()?,
    };
    if let Some(directory) = options.out.parent() {
        fs::create_dir_all(directory)?;
    }
    let text = serde_json::to_string_pretty(&results)? + "\n";
    fs::write(&options.out, text).with_context(|| format!("{}", options.out.display()))?;
    Ok(())
}

/// What `lb-bench filter` is given for a row; in a quick run the number of flows is another.
fn words(row: &Row, quick: bool) -> Vec<&'static str> {
    let mut words: Vec<_> = row.arguments.split(' ').collect();
    let flows = words.iter().position(|&word| word == "--flows");
    if let Some(place) = flows.and_then(|at| words.get_mut(at + 1))
        && quick
    {
        *place = QUICK_FLOWS;
    }
    words
}

fn measure(row: &Row, options: &Options) -> Result<Report> {
    let mut command = ourselves_on(options.cpu)?;
    command.args(["filter", "--json"]);
    command.args(words(row, options.quick));
    if options.quick {
        command.args(["--rounds", "1", "--seconds", "0.01"]);
    } else {
        // A round of `new` opens all its connections and lets them go again.
        let rounds = if row.arguments.contains("new") {
            "3"
        } else {
            "15"
        };
        command.args([
            "--rounds",
            rounds,
            "--seconds",
            &options.seconds.to_string(),
        ]);
    }
    let answer = command
        .output()
        .with_context(|| format!("{:?}", command.get_program()))?;
    if !answer.status.success() {
        bail!(
            "{}: {}",
            row.name,
            String::from_utf8_lossy(&answer.stderr).trim()
        );
    }
    serde_json::from_slice(&answer.stdout).with_context(|| row.name.to_owned())
}

fn sum_up(row: &Row, reports: &[Report], base: Option<&[Report]>) -> Measured {
    let over = |figure: fn(&Report) -> f64| Spread::of(reports.iter().map(figure).collect());
    let ratios = base.map(|base| {
        let pairs = reports.iter().zip(base);
        pairs
            .map(|(own, other)| own.ns_per_packet.median / other.ns_per_packet.median)
            .collect()
    });
    let bare = reports.iter().filter_map(|r| r.bare_ns);
    let bare: Vec<f64> = bare.map(|ns| ns.median).collect();
    let untouched: Vec<f64> = reports.iter().filter_map(|r| r.untouched_ns).collect();
    Measured {
        name: row.name.to_owned(),
        arguments: row.arguments.to_owned(),
        goal: row.goal,
        ns: over(|report| report.ns_per_packet.median),
        copy_ns: over(|report| report.copy_ns.median),
        bare_ns: (!bare.is_empty()).then(|| Spread::of(bare)),
        untouched_ns: (!untouched.is_empty()).then(|| Spread::of(untouched)),
        beside: row.base.map(str::to_owned).zip(ratios.map(Spread::of)),
        huge_percent: reports.iter().map(|r| r.huge_percent).min().unwrap_or(0),
    }
}

/// From the layout of a region: index, entries, deadlines and slack.
#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn octets_per_connection() -> Result<(f64, f64)> {
    let layout = Layout::new(STATED_CAPACITY)?;
    let (v4, v6) = layout.octets_by_family();
    let held = f64::from(STATED_CAPACITY) * 0.8;
    Ok((v4 as f64 / held, v6 as f64 / held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_is_compared_with_one_that_exists() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len());
        for base in ROWS.iter().filter_map(|row| row.base) {
            assert!(names.contains(base), "{base}");
        }
    }

    #[test]
    fn every_row_says_how_many_flows() {
        assert!(ROWS.iter().all(|row| row.arguments.contains("--flows ")));
    }
}
