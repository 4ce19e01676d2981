//! `lb-bench doc`: puts the last figures into `docs/performance.md`, and draws them.
//!
//! No counterpart in the patent. Between two markers the page is ours; all else is written by people.
//! Easy to get wrong: results of different machines or of different minutes must not be mixed unseen; the page
//! says for each table how it was measured.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::de::DeserializeOwned;

use crate::chart::{Bar, Chart};
use crate::contest;
use crate::latency::{self, page};
use crate::machine::Machine;
use crate::measure::Spread;
use crate::suite::{Measured, Results};

/// Options of `lb-bench doc`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Directory of the results
    #[arg(long, default_value = "target/bench")]
    results: PathBuf,
    /// The page; pictures go beside it
    #[arg(long, default_value = "docs/performance.md")]
    page: PathBuf,
}

const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

/// Rewrites the page's figures and the pictures.
///
/// # Errors
/// There are no results, or the page has no markers.
pub fn run(options: &Options) -> Result<()> {
    let suite: Option<Results> = read(&options.results.join("filter.json"))?;
    let contests: Vec<contest::report::Report> = read_all(&options.results.join("contest"))?;
    let starts: Vec<contest::report::Report> = read_all(&options.results.join("start"))?;
    let latency: Option<latency::report::Report> = read(&options.results.join("latency.json"))?;
    ensure!(
        suite.is_some() || !contests.is_empty() || latency.is_some(),
        "{}: no results; run scripts/bench first",
        options.results.display()
    );
    let machine = suite.as_ref().map(|suite| &suite.machine);
    let machine = machine.or(latency.as_ref().map(|latency| &latency.machine));
    let machine = machine.cloned().unwrap_or_else(Machine::here);
    let mut text = machine_lines(&machine);
    if !contests.is_empty() {
        text += &contest_table(&contests);
        let picture = contest_chart(&contests).svg();
        write_beside(&options.page, "performance-contest.svg", &picture)?;
    }
    if let Some(suite) = &suite {
        text += &suite_tables(suite);
        let picture = suite_chart(suite).svg();
        write_beside(&options.page, "performance-filter.svg", &picture)?;
    }
    text += &start_lines(&starts);
    if let Some(latency) = &latency {
        text += &page::section(latency);
        let picture = page::chart(latency).svg();
        write_beside(&options.page, "performance-latency.svg", &picture)?;
    }
    let old =
        fs::read_to_string(&options.page).with_context(|| format!("{}", options.page.display()))?;
    fs::write(&options.page, replaced(&old, &text)?)?;
    println!("wrote {}", options.page.display());
    Ok(())
}

/// The page with other text between its markers.
fn replaced(page: &str, text: &str) -> Result<String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .with_context(|| format!("no line {BEGIN}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("no line {END}"))?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        text.trim()
    ))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path)?;
    let value = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
    Ok(Some(value))
}

fn read_all(directory: &Path) -> Result<Vec<contest::report::Report>> {
    let mut reports: Vec<contest::report::Report> = Vec::new();
    if directory.exists() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("result-") {
                reports.extend(read(&path)?);
            }
        }
    }
    reports.sort_by_key(|report| (report.family, report.flows));
    Ok(reports)
}

fn write_beside(beside: &Path, name: &str, picture: &str) -> Result<()> {
    let path = beside.with_file_name(name);
    fs::write(&path, picture).with_context(|| format!("{}", path.display()))
}

fn machine_lines(machine: &Machine) -> String {
    format!(
        "Reference machine: {}{}, {} CPUs, last-level cache {}, {} GiB of memory, Linux {}, DPDK {}, {}.\n\n",
        machine.cpu,
        if machine.is_virtual {
            ", in a virtual machine"
        } else {
            ""
        },
        machine.cpus,
        machine.cache,
        machine.memory_mib.div_ceil(1024),
        machine.kernel,
        machine.dpdk,
        machine.rustc,
    )
}

/// Least share of testpmd's rate that is wanted.
const fn wanted_ratio(flows: u32) -> f64 {
    if flows > 65_536 { 0.45 } else { 0.60 }
}

fn contest_table(reports: &[contest::report::Report]) -> String {
    let mut text = String::from(
        "### The program beside testpmd\n\n![Packets per second](performance-contest.svg)\n\n\
         | flows | who | Mpps, median | worst – best | ns per packet | of testpmd, median | worst – best | wanted |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for report in reports {
        for outcome in &report.results {
            let (ratio, wanted) = match &outcome.ratio {
                Some(ratio) if outcome.who != "testpmd" => (
                    format!("{:.2} | {:.2} – {:.2}", ratio.median, ratio.min, ratio.max),
                    format!("≥ {:.2}", wanted_ratio(report.flows)),
                ),
                _ => ("1 | –".to_owned(), "–".to_owned()),
            };
            line(
                &mut text,
                format_args!(
                    "| IPv{} {} | {} | {:.1} | {:.1} – {:.1} | {:.1} | {ratio} | {wanted} |",
                    report.family,
                    grouped(report.flows),
                    outcome.who,
                    outcome.mpps.median,
                    outcome.mpps.min,
                    outcome.mpps.max,
                    outcome.ns.median,
                ),
            );
        }
    }
    for report in reports {
        line(
            &mut text,
            format_args!(
                "\nIPv{} {} flows: {} runs of each in turn, {}, {}.",
                report.family,
                grouped(report.flows),
                report.runs,
                pages(report.huge),
                priority(report.real_time),
            ),
        );
    }
    text.push('\n');
    text
}

pub(crate) const fn pages(huge: bool) -> &'static str {
    if huge {
        "on hugepages"
    } else {
        "on ordinary pages"
    }
}

pub(crate) const fn priority(real_time: bool) -> &'static str {
    if real_time {
        "at real-time priority"
    } else {
        "at ordinary priority"
    }
}

fn suite_tables(suite: &Results) -> String {
    let mut text = format!(
        "### The filter alone\n\n![Nanoseconds per packet](performance-filter.svg)\n\n\
         {} runs of each row in turn, {}. The copy of the frame into the buffer, a NIC's work, is part of the time.\n\n\
         | what | ns per packet, median | best – worst | copy alone | bare loop beside | wanted | `lb-bench filter` |\n\
         |---|---|---|---|---|---|---|\n",
        suite.runs,
        priority(suite.real_time),
    );
    for row in suite.rows.iter().filter(|row| !is_new(row)) {
        line(
            &mut text,
            format_args!(
                "| {} | {:.1} | {:.1} – {:.1} | {:.1} | {} | {} | `{}` |",
                row.name,
                row.ns.median,
                row.ns.min,
                row.ns.max,
                row.copy_ns.median,
                row.bare_ns
                    .map_or("–".to_owned(), |ns| format!("{:.1}", ns.median)),
                wanted(row),
                row.arguments
            ),
        );
    }
    text += "\n### New connections\n\n\
         | what | M/s per lcore, median | worst – best | ns each | into untouched memory, ns | wanted | `lb-bench filter` |\n\
         |---|---|---|---|---|---|---|\n";
    for row in suite.rows.iter().filter(|row| is_new(row)) {
        let rate = row.ns.map(|ns| 1e3 / ns);
        line(
            &mut text,
            format_args!(
                "| {} | {:.2} | {:.2} – {:.2} | {:.1} | {:.1} | {} | `{}` |",
                row.name,
                rate.median,
                rate.min,
                rate.max,
                row.ns.median,
                row.untouched_ns.map_or(0.0, |ns| ns.median),
                wanted(row),
                row.arguments
            ),
        );
    }
    let (v4, v6) = suite.octets_per_connection;
    line(
        &mut text,
        format_args!(
            "\nMemory of a connection, both directions, index, deadlines and slack included, in a table for 16 Mi that is \
             80 % full: {v4:.1} octets for IPv4 (wanted ≤ 128), {v6:.1} for IPv6 (wanted ≤ 224).\n"
        ),
    );
    let large = suite.rows.iter().filter(|row| is_large(row));
    if let Some(least) = large.map(|row| row.huge_percent).min() {
        line(
            &mut text,
            format_args!(
                "In rows of 1 Mi flows and more, pages of 2 MiB held {least} % of the touched memory, or more."
            ),
        );
        text.push('\n');
    }
    text
}

fn is_large(row: &Measured) -> bool {
    let mut words = row.arguments.split(' ');
    let flows = words.find(|&word| word == "--flows").and(words.next());
    flows.is_some_and(|flows| flows.parse::<u32>().is_ok_and(|flows| flows >= 1 << 20))
}

fn is_new(row: &Measured) -> bool {
    row.untouched_ns.is_some()
}

/// What is wanted of a row, and how it stands to the row that it is compared with.
fn wanted(row: &Measured) -> String {
    match (&row.beside, row.goal) {
        (Some((base, ratio)), Some(goal)) => format!(
            "{} × {base} ({} – {}); ≤ {goal:.1} ×",
            multiple(ratio.median),
            multiple(ratio.min),
            multiple(ratio.max)
        ),
        (None, Some(goal)) => format!("≤ {goal:.0} ns"),
        _ => "–".to_owned(),
    }
}

fn multiple(ratio: f64) -> String {
    format!("{ratio:.2}")
}

fn start_lines(reports: &[contest::report::Report]) -> String {
    let mut text = String::new();
    for report in reports {
        for outcome in &report.results {
            let Spread { median, min, max } = outcome.start_seconds;
            line(
                &mut text,
                format_args!(
                    "From the start of the program to the first packet sent, with room for {} connections, {}: \
                     {median:.2} s ({min:.2} – {max:.2}; wanted ≤ 1).\n",
                    grouped(report.connections),
                    pages(report.huge),
                ),
            );
        }
    }
    text
}

fn contest_chart(reports: &[contest::report::Report]) -> Chart {
    let mut series: Vec<String> = Vec::new();
    for outcome in reports.iter().flat_map(|report| &report.results) {
        if !series.contains(&outcome.who) {
            series.push(outcome.who.clone());
        }
    }
    let group = |report: &contest::report::Report| {
        let bars = series.iter().map(|who| {
            let outcome = report.results.iter().find(|outcome| outcome.who == *who);
            outcome.map(|outcome| bar(outcome.mpps))
        });
        let name = format!("IPv{}, {} flows", report.family, grouped(report.flows));
        (name, bars.collect())
    };
    Chart {
        title: "Million packets per second and core, net_pcap to net_null".to_owned(),
        groups: reports.iter().map(group).collect(),
        series,
    }
}

fn suite_chart(suite: &Results) -> Chart {
    let sizes = [
        "1 flow",
        "4 Ki flows",
        "64 Ki flows",
        "1 Mi flows",
        "16 Mi flows",
    ];
    let kinds = ["ipv4 nat", "ipv6 nat"];
    let figure = |kind: &str, size: &str| {
        let name = format!("{kind}, {size}");
        let row = suite.rows.iter().find(|row| row.name == name);
        row.map(|row| bar(row.ns))
    };
    let group = |size: &&str| {
        let bars = kinds.iter().map(|kind| figure(kind, size));
        ((*size).to_owned(), bars.collect())
    };
    Chart {
        title: "Nanoseconds per packet, filter alone, established connections, shuffled".to_owned(),
        series: kinds.map(str::to_owned).into(),
        groups: sizes.iter().map(group).collect(),
    }
}

pub(crate) const fn bar(spread: Spread) -> Bar {
    Bar {
        value: spread.median,
        low: spread.min,
        high: spread.max,
    }
}

pub(crate) fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}

/// A number with its thousands parted: 65,536.
pub(crate) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replaced(&page, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert!(replaced("a", "new").is_err());
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(grouped(1), "1");
        assert_eq!(grouped(4096), "4,096");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
