//! One run of `lb-bench latency`: DPDK, four software ports, the engine, and the world around it.
//!
//! WO 00/30294, Fig. 5. Ports 0 and 1 are the switch's, client side and server side. A `net_ring` port gives back
//! what is sent on it, so that whoever holds the other queue of a port is its other end: the source sends on port
//! 0, where the engine receives, and receives on port 1, where the engine sends. Ports 2 and 3 are the same for the
//! bare loop.
//! Prints one line, a [`Run`] as JSON.
//! Easy to get wrong: the saturation rate is that of this arrangement, where each packet's memory travels from
//! one CPU to the other and back; it is no figure of throughput.

mod switch;
mod world;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use lb_bench::contest::program::Place;
use lb_bench::latency::report::{Load, Run};
use lb_bench::latency::{Course, LOADS};
use lb_core::id::PortId;
use lb_dataplane::dpdk::port::{Port, Settings};
use lb_dataplane::dpdk::{Eal, Mempool, RxQueue, TxQueue, mempool};

use switch::{BareLoop, Switch};
use world::World;

/// Mbufs: both rings full, caches full, and some in hand.
const MBUFS: u32 = 8191;
/// Descriptors that are asked for; a `net_ring` has 1,024 whatever one asks.
const DESCRIPTORS: u16 = 1024;

/// One run of lb-bench latency; prints its figures as JSON.
#[derive(Debug, Parser)]
#[command(name = "lb-bench-latency", version)]
struct Options {
    #[command(flatten)]
    course: Course,
    /// Do without hugepages, with so many MiB
    #[arg(long)]
    no_huge: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("lb-bench-latency: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<String> {
    let course = &options.course;
    ensure!(
        course.cpu != course.main_cpu,
        "--cpu, --main-cpu: the engine and the world need a CPU each"
    );
    let place = Place {
        main_cpu: course.main_cpu,
        cpu: course.cpu,
        no_huge: options.no_huge,
        file_prefix: format!("lb-bench-latency-{}", std::process::id()),
    };
    let devices = (0..4).map(|number| format!("--vdev=net_ring{number}"));
    let words = ["lb-bench-latency", "--no-telemetry"].map(str::to_owned);
    let (eal, _) = Eal::init(words.into_iter().chain(place.eal()).chain(devices))?;
    let run = measure(&eal, course)?;
    eal.close()?;
    Ok(serde_json::to_string(&run)?)
}

fn measure(eal: &Eal, course: &Course) -> Result<Run> {
    let settings = mempool::Settings {
        count: MBUFS,
        ..mempool::Settings::default()
    };
    let pool = Mempool::create(eal, "mbufs", settings)?;
    let (_ports, ends) = open(eal, &pool)?;
    let [
        (switch_in, source),
        (receiver, switch_out),
        (loop_in, loop_source),
        (loop_receiver, loop_out),
    ] = ends;

    let mut world = World::new(eal, &pool, course, source, receiver)?;
    let switch = Switch::start(eal, &pool, course, switch_in, switch_out)?;
    world.open_connections()?;
    switch.expect_connections(course.flows)?;
    let busy = || switch.busy_nanoseconds();
    // What full bursts reach, offered evenly: what comes through is what can be had without bursts.
    let most = world.saturate(course.seconds / 2.0)?;
    let even = world.offer(most, course.seconds / 2.0, busy)?;
    let (saturation_mpps, busy_percent) = (even.returned_mpps(), even.busy_percent);
    let rates = LOADS.map(|percent| (percent, saturation_mpps * f64::from(percent) / 100.0));
    let mut engine = Vec::new();
    for (_, mpps) in rates {
        engine.push(world.offer(mpps, course.seconds, busy)?);
    }
    switch.expect_connections(course.flows)?;
    let totals = world.unplug();
    switch.stop()?.check(totals)?;

    let mut world = World::new(eal, &pool, course, loop_source, loop_receiver)?;
    let bare = BareLoop::start(eal, loop_in, loop_out)?;
    let mut loads = Vec::new();
    for ((percent, mpps), engine) in rates.into_iter().zip(engine) {
        loads.push(Load {
            percent,
            engine,
            rings: world.offer(mpps, course.seconds / 2.0, || 0)?,
        });
    }
    world.unplug();
    bare.stop()?;
    Ok(Run {
        saturation_mpps,
        busy_percent,
        loads,
    })
}

/// Where a port's frames come out, and where they go in.
type Ends = (RxQueue, TxQueue);

/// All ports, started, and their ends.
fn open(eal: &Eal, pool: &Mempool) -> Result<(Vec<Port>, [Ends; 4])> {
    let settings = Settings {
        rx_queues: 1,
        tx_queues: 1,
        rx_descriptors: DESCRIPTORS,
        tx_descriptors: DESCRIPTORS,
        mtu: None,
        mempool: pool.clone(),
    };
    let (mut ports, mut ends) = (Vec::new(), Vec::new());
    for id in 0..4 {
        let (port, mut rx, mut tx) = Port::open(eal, PortId(id), &settings)?;
        port.start()?;
        ports.push(port);
        ends.extend(rx.pop().zip(tx.pop()));
    }
    let ends = ends.try_into().ok().context("a port has no queues")?;
    Ok((ports, ends))
}
