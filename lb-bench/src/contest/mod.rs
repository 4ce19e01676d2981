//! `lb-bench contest`: the program beside DPDK's testpmd, on the same packets, core and minute.
//!
//! No counterpart in the patent. Both receive from net_pcap, which replays a capture without end from memory, and
//! send to net_null. Testpmd swaps addresses and ports (`5tswap`) and is the unit; ours looks each packet up.
//! Connections are opened beforehand, in one random order, by a run over another capture; the measured
//! process adopts them, opens none and drops nothing, which its report proves.
//! Easy to get wrong: a measured run that opened its own connections would find them in the order of replay,
//! which is twice as fast as any other.

pub mod program;
pub mod report;
pub mod telemetry;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::capture;
use crate::frames::{Stamp, StampV4, StampV6};
use crate::machine::{alone, at_priority, free_huge_mib, is_root};
use crate::measure::Spread;
use crate::net::{Forwarding, Kind, Network, OnMiss, Version};
use crate::random::shuffled;
use crate::workload::{CREATION, REPLAY, established, to_service};
use program::{Place, Program};
use report::{Outcome, Report, Run, print};
use telemetry::Telemetry;

/// Port from which packets come, a `net_pcap`.
const FROM: u16 = 0;
/// Port to which they go, a `net_null`.
const TO: u16 = 1;
/// Mbufs besides one for each packet of the capture.
const SPARE_MBUFS: u32 = 8192;
/// Octets of an mbuf with its header, as it lies in a pool.
const MBUF: u64 = 2432;
/// Mbufs that a lcore keeps to itself, in both programs.
const CACHE: u32 = 256;
/// MiB that a DPDK program needs besides.
const BASE_MIB: u64 = 256;

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contestant {
    /// dpdk-testpmd --forward-mode=5tswap
    Testpmd,
    /// lb-dataplane, forwarding `nat`
    Nat,
    /// lb-dataplane, forwarding `direct`
    Direct,
}

impl Contestant {
    const ALL: [Self; 3] = [Self::Testpmd, Self::Nat, Self::Direct];

    const fn word(self) -> &'static str {
        match self {
            Self::Testpmd => "testpmd",
            Self::Nat => "nat",
            Self::Direct => "direct",
        }
    }
}

/// Options of `lb-bench contest`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Flows in the capture
    #[arg(long, default_value_t = 65536, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub flows: u32,
    /// Address family
    #[arg(long, default_value = "4")]
    pub family: Version,
    /// Who forwards, in turn [default: all]
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<Contestant>,
    /// Runs of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Seconds that are measured in each run
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Seconds before, in which caches become warm; and every flow is met once at least
    #[arg(long, default_value_t = 1.0)]
    pub warm_up: f64,
    /// Room in the connection table [default: it is four fifths full]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64 << 20))]
    pub connections: Option<u32>,
    /// CPU of the forwarding lcore
    #[arg(long, default_value_t = 1)]
    pub cpu: u32,
    /// CPU of the main lcore
    #[arg(long, default_value_t = 0)]
    pub main_cpu: u32,
    /// Our program
    #[arg(long, default_value = "target/release/lb-dataplane")]
    pub dataplane: PathBuf,
    /// The other one
    #[arg(long, default_value = "dpdk-testpmd")]
    pub testpmd: PathBuf,
    /// Directory for captures, logs and the result
    #[arg(long, default_value = "target/bench/contest")]
    pub out: PathBuf,
}

/// Measures, prints a table and writes `result-FAMILY-FLOWS.json`.
///
/// # Errors
/// A program fails, or does not do what it should.
pub fn run(options: &Options) -> Result<()> {
    ensure!(
        options.seconds > 0.0 && options.warm_up >= 0.0,
        "--seconds, --warm-up: expected positive times"
    );
    fs::create_dir_all(&options.out).with_context(|| format!("{}", options.out.display()))?;
    let contest = Contest::new(options)?;
    contest.write_files()?;
    let contestants: Vec<_> = Contestant::ALL
        .into_iter()
        .filter(|who| options.only.is_empty() || options.only.contains(who))
        .collect();
    for who in &contestants {
        contest.open_connections(*who)?;
    }
    let mut runs = vec![Vec::new(); contestants.len()];
    for _ in 0..options.runs {
        for (who, runs) in contestants.iter().zip(&mut runs) {
            runs.push(contest.measure(*who)?);
        }
    }
    let unit = contestants
        .iter()
        .position(|who| *who == Contestant::Testpmd);
    let unit = unit.and_then(|at| runs.get(at)).map(Vec::as_slice);
    let results = contestants.iter().zip(&runs).map(|(who, runs)| {
        let over = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure).collect());
        Outcome {
            who: who.word().to_owned(),
            mpps: over(|run| run.mpps),
            ns: over(|run| 1e3 / run.mpps),
            ratio: unit.map(|unit| {
                let pairs = runs.iter().zip(unit);
                Spread::of(pairs.map(|(own, one)| own.mpps / one.mpps).collect())
            }),
            start_seconds: over(|run| run.start_seconds),
        }
    });
    let report = Report {
        family: options.family.number(),
        flows: options.flows,
        connections: contest.connections,
        runs: options.runs,
        huge: contest.place.no_huge.is_none(),
        real_time: is_root(),
        results: results.collect(),
    };
    print(&report);
    let file = format!("result-{}-{}.json", report.family, report.flows);
    let text = serde_json::to_string_pretty(&report)? + "\n";
    fs::write(options.out.join(file), text)?;
    Ok(())
}

struct Contest<'a> {
    options: &'a Options,
    place: Place,
    mbufs: u32,
    connections: u32,
}

impl<'a> Contest<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let mbufs = options.flows + SPARE_MBUFS;
        let least = (options.flows.div_ceil(4) * 5).max(4096);
        let mib = u64::from(mbufs) * MBUF / (1 << 20) * 9 / 8 + BASE_MIB;
        let has_room = free_huge_mib() >= mib;
        if !has_room {
            println!("{mib} MiB of hugepages are not free: ordinary pages for all");
        }
        Ok(Self {
            options,
            place: Place {
                main_cpu: options.main_cpu,
                cpu: options.cpu,
                no_huge: (!has_room).then_some(mib),
                file_prefix: format!("lb-bench-{}", std::process::id()),
            },
            mbufs,
            connections: options.connections.unwrap_or(least),
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.options.out.join(name)
    }

    /// Where the region lies, or the link to it: in memory, so that no disk is written to meanwhile.
    fn state(&self, forwarding: Forwarding) -> PathBuf {
        let name = format!("{}-{}", self.place.file_prefix, forwarding.word());
        PathBuf::from("/dev/shm").join(name)
    }

    fn network(&self, forwarding: Forwarding, on_miss: OnMiss) -> Network {
        Network {
            family: self.options.family,
            forwarding,
            services: 1,
            backends: 4,
            routes: 10,
            scheduler: "weighted-round-robin".to_owned(),
            on_miss,
            server_port: TO,
        }
    }

    /// Both captures and all configurations.
    fn write_files(&self) -> Result<()> {
        match self.options.family {
            Version::V4 => self.write_captures::<StampV4>(),
            Version::V6 => self.write_captures::<StampV6>(),
        }?;
        for forwarding in [Forwarding::Nat, Forwarding::Direct] {
            for on_miss in [OnMiss::Hash, OnMiss::Drop] {
                let name = format!("{}-{}.json", forwarding.word(), on_miss.word());
                fs::write(
                    self.file(&name),
                    self.network(forwarding, on_miss).configuration(),
                )?;
            }
        }
        Ok(())
    }

    fn write_captures<S: Stamp>(&self) -> Result<()> {
        let network = self.network(Forwarding::Nat, OnMiss::Drop);
        let template = S::template(&established());
        let ends = to_service(&network, Kind::Known);
        for (name, seed) in [("creation.pcap", CREATION), ("replay.pcap", REPLAY)] {
            let order = shuffled(self.options.flows, seed);
            capture::write(&self.file(name), |number, buffer| {
                let flow = order.get(number as usize).map(|&flow| ends(flow));
                flow.is_some_and(|ends| {
                    S::new(&template, ends.src, ends.dst).put(&template, buffer);
                    true
                })
            })?;
        }
        Ok(())
    }

    fn devices(&self, capture: &str, endless: bool) -> [String; 2] {
        let file = self.file(capture);
        let endless = if endless { ",infinite_rx=1" } else { "" };
        [
            format!("--vdev=net_pcap0,rx_pcap={}{endless}", file.display()),
            "--vdev=net_null0,no-rx=1".to_owned(),
        ]
    }

    fn dataplane(
        &self,
        forwarding: Forwarding,
        on_miss: OnMiss,
        capture: &str,
        endless: bool,
    ) -> Command {
        let config = format!("{}-{}.json", forwarding.word(), on_miss.word());
        let mut command = at_priority(&self.options.dataplane);
        command
            .args(self.place.eal())
            .args(self.devices(capture, endless))
            .args(["--", "--ports", &format!("{FROM},{TO}")])
            .args(["--exception", "none"])
            .arg("--config")
            .arg(self.file(&config))
            .arg("--state")
            .arg(self.state(forwarding))
            .args(["--mbufs", &self.mbufs.to_string()])
            .args(["--connections", &self.connections.to_string()])
            .arg("--report")
            .arg(self.file("report.json"));
        command
    }

    fn testpmd(&self) -> Command {
        let mut command = at_priority(&self.options.testpmd);
        command
            .args(self.place.eal())
            .args(self.devices("replay.pcap", true))
            .args(["--", "--forward-mode=5tswap", "--nb-cores=1", "--burst=32"])
            .args(["--port-topology=paired", "--no-lsc-interrupt"])
            .arg(format!("--mbcache={CACHE}"))
            .arg(format!("--total-num-mbufs={}", self.mbufs));
        command
    }

    /// Opens all connections, in the order of creation, and ends.
    fn open_connections(&self, who: Contestant) -> Result<()> {
        let Some(forwarding) = forwarding(who) else {
            return Ok(());
        };
        fs::create_dir_all(self.state(forwarding))?;
        let mut command = self.dataplane(forwarding, OnMiss::Hash, "creation.pcap", false);
        command.args(["--fresh", "--exit-when-idle", "500"]);
        let log = self.file(&format!("{}-opening.log", who.word()));
        let mut program = Program::start(who.word(), command, &self.place, &log)?;
        let status = program.wait()?;
        ensure!(
            status.success(),
            "{} ended with {status}: {}",
            who.word(),
            program.last_words()
        );
        let report = self.report()?;
        let opened = number(&report, "/services/0/connections_opened")?;
        ensure!(
            opened == u64::from(self.options.flows),
            "{} opened {opened} connections, expected {}",
            who.word(),
            self.options.flows
        );
        Ok(())
    }

    fn measure(&self, who: Contestant) -> Result<Run> {
        let _alone = alone()?;
        let command = match forwarding(who) {
            None => self.testpmd(),
            Some(forwarding) => self.dataplane(forwarding, OnMiss::Drop, "replay.pcap", true),
        };
        let log = self.file(&format!("{}.log", who.word()));
        let mut program = Program::start(who.word(), command, &self.place, &log)?;
        let (telemetry, start) = program.until_it_forwards(TO)?;
        self.warm_up(&telemetry)?;
        let before = telemetry.port(TO)?;
        sleep(Duration::from_secs_f64(self.options.seconds));
        let after = telemetry.port(TO)?;
        drop(telemetry);
        program.end()?;
        if who != Contestant::Testpmd {
            self.check(who)?;
        }
        let packets = u32::try_from(after.sent - before.sent).unwrap_or(u32::MAX);
        let time = after.at.duration_since(before.at);
        Ok(Run {
            mpps: f64::from(packets) / time.as_secs_f64() / 1e6,
            start_seconds: start.as_secs_f64(),
        })
    }

    fn warm_up(&self, telemetry: &Telemetry) -> Result<()> {
        let begin = Instant::now();
        sleep(Duration::from_secs_f64(self.options.warm_up));
        while telemetry.port(TO)?.sent < 2 * u64::from(self.options.flows) {
            ensure!(begin.elapsed().as_secs() < 60, "too slow to be measured");
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn report(&self) -> Result<Value> {
        let path = self.file("report.json");
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// A measured run opens no connection and forwards all that it received.
    fn check(&self, who: Contestant) -> Result<()> {
        let report = self.report()?;
        let opened = number(&report, "/services/0/connections_opened")?;
        let received = number(&report, "/received")?;
        let forwarded = number(&report, "/verdicts/forwarded")?;
        ensure!(
            opened == 0 && received == forwarded,
            "{}: opened {opened} connections, forwarded {forwarded} of {received} packets: {}",
            who.word(),
            report.get("drops").unwrap_or(&Value::Null)
        );
        Ok(())
    }
}

impl Drop for Contest<'_> {
    /// Regions are large, and stay when their process has ended.
    fn drop(&mut self) {
        for forwarding in [Forwarding::Nat, Forwarding::Direct] {
            let state = self.state(forwarding);
            if let Ok(target) = fs::read_link(state.join("region")) {
                let _ = fs::remove_file(target);
            }
            let _ = fs::remove_dir_all(state);
        }
    }
}

const fn forwarding(who: Contestant) -> Option<Forwarding> {
    match who {
        Contestant::Testpmd => None,
        Contestant::Nat => Some(Forwarding::Nat),
        Contestant::Direct => Some(Forwarding::Direct),
    }
}

fn number(report: &Value, pointer: &str) -> Result<u64> {
    report
        .pointer(pointer)
        .and_then(Value::as_u64)
        .with_context(|| format!("the report has no {pointer}"))
}
