//! The measuring program: one command for each way to measure.
//!
//! No counterpart in the patent. `docs/performance.md` says what its figures mean; `scripts/bench` runs it.
//! Exit status: 0 done, 1 a bound was missed or something failed, 2 bad arguments.

use std::process::ExitCode;

use clap::Parser;
use lb_bench::{contest, doc, filter, instructions, latency, stages, suite};

/// Measures the load-balancing packet switch.
#[derive(Debug, Parser)]
#[command(name = "lb-bench", version)]
enum Command {
    /// The filter alone, over generated traffic, without ports
    Filter(Box<filter::Options>),
    /// A fixed amount of work, for `instructions` to count
    Stages,
    /// Instructions per packet under callgrind, held to a baseline
    Instructions(instructions::Options),
    /// The filter's figures for docs/performance.md
    Suite(suite::Options),
    /// The time that a packet spends in the poll loop
    Latency(latency::Options),
    /// The program beside DPDK's testpmd
    Contest(Box<contest::Options>),
    /// Puts the last figures into docs/performance.md
    Doc(doc::Options),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Filter(options) => filter::run(&options),
        Command::Stages => stages::run(),
        Command::Instructions(options) => instructions::run(&options),
        Command::Suite(options) => suite::run(&options),
        Command::Latency(options) => latency::run(&options),
        Command::Contest(options) => contest::run(&options),
        Command::Doc(options) => doc::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lb-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
