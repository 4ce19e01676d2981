//! `lb-bench latency`: how long a packet is in our hands, from the ring it comes in by to the ring it leaves by.
//!
//! WO 00/30294, Fig. 5: the real engine, on a CPU of its own, between two of DPDK's software ports (`net_ring`).
//! The other CPU is the world: it stamps frames, puts them into the one ring at an even rate, takes them out of
//! the other and notes their age. Rings and the other CPU's own polling are part of the figure; how long both
//! take alone, with a bare loop in the engine's place, is measured in the same run and stated beside it.
//! Here runs are started and summed up; one run is a process, `lb-bench-latency`.
//! Easy to get wrong: a source that waits for a slow switch hides what it is to measure. Ours never waits: what
//! a ring has no room for is lost, as before a NIC, and counted.

pub mod pace;
pub mod page;
pub mod report;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::machine::{Machine, alone, at_priority, free_huge_mib, is_root};
use crate::measure::Spread;
use crate::net::{Forwarding, MAX_FLOWS};
use report::{Load, Report, Run};

/// Loads that are measured, in per cent of the rate at which the switch is saturated.
pub const LOADS: [u32; 3] = [10, 50, 90];
/// MiB that DPDK needs in a run.
const MIB: u64 = 128;
/// Under the lines of the runs: what they say.
const REMARK: &str = "Both CPUs are used, one by the engine, one by source and receiver. The way through both rings is part of \
     every time; \"rings\" is that way alone.";

/// What one run is to do.
#[derive(Clone, Debug, Args)]
pub struct Course {
    /// Flows, replayed in another order than that in which they were opened
    #[arg(long, default_value_t = 65536, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FLOWS)))]
    pub flows: u32,
    /// Forwarding of the service
    #[arg(long, default_value = "nat")]
    pub forwarding: Forwarding,
    /// Seconds that each load is measured
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// CPU of the engine
    #[arg(long, default_value_t = 1)]
    pub cpu: u32,
    /// CPU of source and receiver
    #[arg(long, default_value_t = 0)]
    pub main_cpu: u32,
}

/// Options of `lb-bench latency`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    course: Course,
    /// Runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The result
    #[arg(long, default_value = "target/bench/latency.json")]
    out: PathBuf,
}

/// Measures, prints, writes the result.
///
/// # Errors
/// A run fails, or its sums do not add up.
pub fn run(options: &Options) -> Result<()> {
    let Course { seconds, .. } = options.course;
    ensure!(
        seconds > 0.0 && seconds < 1e6,
        "--seconds: expected more than 0, less than a million"
    );
    let huge = free_huge_mib() >= MIB;
    let mut runs = Vec::new();
    for number in 1..=options.runs {
        let run = measure(&options.course, huge)?;
        println!("{number}: {run}");
        runs.push(run);
    }
    println!("{REMARK}");
    let report = sum_up(options, huge, &runs);
    if let Some(directory) = options.out.parent() {
        fs::create_dir_all(directory)?;
    }
    let text = serde_json::to_string_pretty(&report)? + "\n";
    fs::write(&options.out, text).with_context(|| format!("{}", options.out.display()))?;
    Ok(())
}

/// One run: the program beside this one.
fn measure(course: &Course, huge: bool) -> Result<Run> {
    let _alone = alone()?;
    let program = std::env::current_exe()
        .context("this program's own path")?
        .with_file_name("lb-bench-latency");
    let mut command = at_priority(&program);
    command
        .args(["--flows", &course.flows.to_string()])
        .args(["--forwarding", course.forwarding.word()])
        .args(["--seconds", &course.seconds.to_string()])
        .args(["--cpu", &course.cpu.to_string()])
        .args(["--main-cpu", &course.main_cpu.to_string()]);
    if !huge {
        command.args(["--no-huge", &MIB.to_string()]);
    }
    let answer = command
        .output()
        .with_context(|| format!("{}", program.display()))?;
    if !answer.status.success() {
        bail!("{}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    // DPDK has its say on standard output, too.
    let said = String::from_utf8_lossy(&answer.stdout);
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("{} said {last:?}", program.display()))
}

fn sum_up(options: &Options, huge: bool, runs: &[Run]) -> Report {
    let over = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure).collect());
    let load = |percent| {
        let loads = runs.iter().flat_map(|run| &run.loads);
        let loads: Vec<&Load> = loads.filter(|load| load.percent == percent).collect();
        report::sum_up(percent, &loads)
    };
    Report {
        machine: Machine::here(),
        real_time: is_root(),
        huge,
        runs: options.runs,
        seconds: options.course.seconds,
        flows: options.course.flows,
        forwarding: options.course.forwarding.word().to_owned(),
        saturation_mpps: over(|run| run.saturation_mpps),
        busy_percent: over(|run| run.busy_percent),
        loads: LOADS.into_iter().map(load).collect(),
    }
}
