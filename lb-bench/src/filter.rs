//! `lb-bench filter`: what the filter alone costs, without ports.
//!
//! No counterpart in the patent. Bursts of 32 are copied into a ring of buffers and filtered; the copy alone is
//! measured as well, since it is part of the figure; and by turns with the filter the [bare loop](crate::bare), so
//! that what the machine is worth at that moment stands beside it.
//! Easy to get wrong: a figure counts only when every packet got the verdict that it should have; each
//! round is held to that.

use std::fmt;
use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use lb_core::filter::{BURST, Flight};
use serde::{Deserialize, Serialize};

use crate::bare::BareLoop;
use crate::buffer::Buffer;
use crate::frames::{Stamp, StampV4, StampV6};
use crate::ground::SECRET;
use crate::huge;
use crate::machine::alone;
use crate::measure::{Spread, for_about, nanos_per_item};
use crate::net::{Network, Version};
use crate::switch::{BURSTS_IN_A_TURN, Clock, Counted, HALF_OPEN, Switch};
use crate::traffic::Traffic;
use crate::workload::{Kinds, PACKETS, Workload};

/// Buffers of the ring: those of the two bursts under way. A mempool's cache is a stack: it gives out again what was
/// sent last.
const RING: usize = 2 * BURST;
/// Bursts between two looks at the clock.
const BURSTS_AT_ONCE: u32 = 64;

/// Options of `lb-bench filter`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(flatten)]
    network: Network,
    #[command(flatten)]
    workload: Workload,
    /// Room in the connection table [default: it is four fifths full; with `new`, half full at the end]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64 << 20))]
    connections: Option<u32>,
    /// Seconds to measure, shared by all rounds; with `new` a round lasts as long as its packets
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Rounds: many short ones, by turns with the bare loop's, so that both meet what else the machine does
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Print one JSON object instead of a line
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// 4 or 6.
    pub family: u8,
    /// `nat` or `direct`.
    pub forwarding: String,
    /// What arrived.
    pub workload: String,
    /// In which order.
    pub order: String,
    /// Flows.
    pub flows: u32,
    /// Services.
    pub services: u16,
    /// Backends of each service.
    pub backends: u16,
    /// Routes to the clients.
    pub routes: u32,
    /// Room in the table.
    pub connections: u32,
    /// Nanoseconds per packet, the copy into the buffer included.
    pub ns_per_packet: Spread,
    /// Nanoseconds per packet of the copy alone.
    pub copy_ns: Spread,
    /// With `established` over IPv4 only: nanoseconds per packet of the bare loop, the copy included.
    pub bare_ns: Option<Spread>,
    /// Packets per second.
    pub packets_per_second: Spread,
    /// With `new` only: into a table that was used before.
    pub connections_per_second: Option<Spread>,
    /// With `new` only: nanoseconds per packet into a table whose memory was never touched.
    pub untouched_ns: Option<f64>,
    /// Per cent of the memory of tables and flows on pages of 2 MiB.
    pub huge_percent: u64,
    /// Rounds.
    pub rounds: u32,
    /// CPUs on which the process may run, as the kernel writes them.
    pub cpus: String,
}

/// Measures, and prints.
///
/// # Errors
/// Where something is impossible, or the filter did not do what it should.
pub fn run(options: &Options) -> Result<()> {
    ensure!(
        options.seconds > 0.0 && options.seconds < 1e6,
        "--seconds: expected more than 0, less than a million"
    );
    huge::ask()?;
    let _alone = alone()?;
    let report = match options.network.family {
        Version::V4 => measure::<StampV4>(options),
        Version::V6 => measure::<StampV6>(options),
    }?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

/// Traffic, the switch it goes to, and the buffers between.
struct Bench<S: Stamp> {
    switch: Switch,
    traffic: Traffic<S>,
    ring: Vec<Buffer>,
    at: usize,
    /// Of the burst that is settled next, and of the one behind it.
    flights: Box<[Flight; 2]>,
    bare: Option<BareLoop>,
    /// Of the packets in one turn of the mixtures, so many belong to no connection.
    missed: u64,
}

impl<S: Stamp> Bench<S> {
    /// Copies bursts in, and does nothing with them; packets.
    fn copy(&mut self, bursts: u32) -> u64 {
        for _ in 0..bursts {
            let Some(burst) = self.ring.get_mut(self.at..self.at + BURST) else {
                return 0;
            };
            self.traffic.receive(burst);
            black_box(burst);
            self.at = (self.at + BURST) % RING;
        }
        u64::from(bursts) * BURST as u64
    }

    /// Copies bursts in and filters them as the engine does: in a turn each is looked at before the one before
    /// it is settled. Packets.
    fn filter(&mut self, bursts: u32) -> u64 {
        let Self {
            switch,
            traffic,
            ring,
            ..
        } = self;
        let [mut this, mut next] = self.flights.each_mut();
        let mut left = bursts;
        while left > 0 {
            let turn = left.min(BURSTS_IN_A_TURN);
            left -= turn;
            switch.turn();
            let mut earlier: Option<Range<usize>> = None;
            for _ in 0..turn {
                let place = self.at..self.at + BURST;
                let Some(burst) = ring.get_mut(place.clone()) else {
                    return 0;
                };
                let port = traffic.receive(burst);
                switch.look(next, port, burst);
                if let Some(burst) = earlier.and_then(|place| ring.get_mut(place)) {
                    switch.settle(this, burst);
                }
                switch.probe(next);
                std::mem::swap(&mut this, &mut next);
                self.at = (self.at + BURST) % RING;
                earlier = Some(place);
            }
            if let Some(burst) = earlier.and_then(|place| ring.get_mut(place)) {
                switch.settle(this, burst);
            }
        }
        u64::from(bursts) * BURST as u64
    }

    /// The same with the bare loop in the filter's place. Packets.
    fn bare(&mut self, bursts: u32) -> u64 {
        let Self {
            bare: Some(bare),
            traffic,
            ring,
            ..
        } = self
        else {
            return 0;
        };
        let (mut this, mut next) = (0, 1);
        let mut earlier: Option<Range<usize>> = None;
        for _ in 0..bursts {
            let place = self.at..self.at + BURST;
            let Some(burst) = ring.get_mut(place.clone()) else {
                return 0;
            };
            traffic.receive(burst);
            bare.look(next, burst);
            if let Some(burst) = earlier.and_then(|place| ring.get_mut(place)) {
                bare.settle(this, burst);
            }
            bare.probe(next);
            std::mem::swap(&mut this, &mut next);
            self.at = (self.at + BURST) % RING;
            earlier = Some(place);
        }
        if let Some(burst) = earlier.and_then(|place| ring.get_mut(place)) {
            bare.settle(this, burst);
        }
        u64::from(bursts) * BURST as u64
    }

    /// One round of the bare loop of about that time; nanoseconds per packet. `None` without one.
    fn bare_round(&mut self, time: Duration) -> Result<Option<f64>> {
        if self.bare.is_none() {
            return Ok(None);
        }
        let bursts = self.bursts_at_once();
        let missed = |bench: &Self| bench.bare.as_ref().map_or(0, BareLoop::missed);
        let before = missed(self);
        let (packets, time) = for_about(time, || self.bare(bursts));
        let missed = missed(self) - before;
        ensure!(
            missed < packets / 10,
            "the bare loop did not find {missed} of {packets} packets"
        );
        Ok(Some(nanos_per_item(time, packets)))
    }

    fn bursts_at_once(&self) -> u32 {
        let mixtures = u32::try_from(self.traffic.mixtures()).unwrap_or(1);
        BURSTS_AT_ONCE.next_multiple_of(mixtures)
    }

    /// One round of about that time; nanoseconds per packet.
    fn round(&mut self, time: Duration) -> Result<f64> {
        let before = self.switch.counted();
        let bursts = self.bursts_at_once();
        let (packets, time) = for_about(time, || self.filter(bursts));
        let turns = packets / (BURST * self.traffic.mixtures()) as u64;
        let missed = turns * self.missed;
        self.check(before, packets, missed)?;
        Ok(nanos_per_item(time, packets))
    }

    /// One round that opens every connection once, and lets them go again; nanoseconds per packet.
    fn open_all(&mut self, connections: u32) -> Result<f64> {
        self.traffic.rewind();
        let before = self.switch.counted();
        let start = Instant::now();
        let packets = self.filter(connections / PACKETS);
        let time = start.elapsed();
        self.check(before, packets, 0)?;
        let open = self.switch.connections();
        ensure!(
            open == packets,
            "{open} connections are open after {packets} SYNs"
        );
        self.switch.outlive_all(HALF_OPEN)?;
        Ok(nanos_per_item(time, packets))
    }

    fn check(&self, before: Counted, packets: u64, missed: u64) -> Result<()> {
        let expected = Counted {
            received: packets,
            forwarded: packets - missed,
            missed,
        };
        self.switch.check(before, expected)
    }
}

fn measure<S: Stamp>(options: &Options) -> Result<Report> {
    let Options {
        network, workload, ..
    } = options;
    ensure!(
        workload.workload != Kinds::New || workload.flows.is_multiple_of(PACKETS),
        "--workload new: expected --flows to be a multiple of {BURST}"
    );
    let connections = options.connections.unwrap_or_else(|| workload.room());
    let mut switch = Switch::new(network, connections, Clock::Running(Instant::now()))?;
    let traffic = workload.prepare::<S>(network, &mut switch)?;
    let missed = workload.missed(&traffic) as u64;
    let has_unit = workload.workload == Kinds::Established && network.family == Version::V4;
    let bare = has_unit.then(|| {
        let frames = workload.created::<S>(network);
        BareLoop::new(SECRET.table_key, connections, frames)
    });
    let mut bench = Bench {
        switch,
        traffic,
        ring: vec![Buffer::default(); RING],
        at: 0,
        flights: Box::default(),
        bare,
        missed,
    };
    let round = Duration::from_secs_f64(options.seconds / f64::from(options.rounds));

    let mut untouched = None;
    let mut bare_figures = Vec::new();
    let figures: Result<Vec<f64>> = if workload.workload == Kinds::New {
        untouched = Some(bench.open_all(workload.flows)?);
        (0..options.rounds)
            .map(|_| bench.open_all(workload.flows))
            .collect()
    } else {
        // Once over everything, or for a while: caches and page tables are warm then.
        let bursts = bench.traffic.pass().div_ceil(BURST).min(1 << 20);
        bench.filter(u32::try_from(bursts)?);
        bench.bare(u32::try_from(bursts)?);
        let mut by_turns = || {
            bare_figures.extend(bench.bare_round(round / 2)?);
            bench.round(round)
        };
        (0..options.rounds).map(|_| by_turns()).collect()
    };
    let ns_per_packet = Spread::of(figures?);
    let bursts = bench.bursts_at_once();
    let copies = (0..options.rounds)
        .map(|_| {
            let (packets, time) = for_about(round / 5, || bench.copy(bursts));
            nanos_per_item(time, packets)
        })
        .collect();
    let packets_per_second = ns_per_packet.map(|ns| 1e9 / ns);
    Ok(Report {
        family: network.family.number(),
        forwarding: network.forwarding.word().to_owned(),
        workload: workload.workload.word().to_owned(),
        order: workload.order.word().to_owned(),
        flows: workload.flows,
        services: network.services,
        backends: network.backends,
        routes: network.routes,
        connections,
        ns_per_packet,
        copy_ns: Spread::of(copies),
        bare_ns: has_unit.then(|| Spread::of(bare_figures)),
        packets_per_second,
        connections_per_second: untouched.map(|_| packets_per_second),
        untouched_ns: untouched,
        huge_percent: huge::percent(),
        rounds: options.rounds,
        cpus: allowed_cpus().unwrap_or_default(),
    })
}

fn allowed_cpus() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(line.context("no list of CPUs")?.trim().to_owned())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ns_per_packet, .. } = self;
        write!(
            f,
            "ipv{} {} {} {} {} flows, {} services, {} backends, {} routes: {:.1} ns per packet ({:.1}-{:.1}), {:.2} M/s; copy {:.1} ns",
            self.family,
            self.forwarding,
            self.workload,
            self.order,
            self.flows,
            self.services,
            self.backends,
            self.routes,
            ns_per_packet.median,
            ns_per_packet.min,
            ns_per_packet.max,
            self.packets_per_second.median / 1e6,
            self.copy_ns.median,
        )?;
        if let Some(bare) = self.bare_ns {
            write!(
                f,
                "; bare loop {:.1} ns ({:.1}-{:.1})",
                bare.median, bare.min, bare.max
            )?;
        }
        if let Some(untouched) = self.untouched_ns {
            write!(f, "; untouched table {untouched:.1} ns")?;
        }
        write!(
            f,
            "; table of {}, {} % huge pages, CPU {}",
            self.connections, self.huge_percent, self.cpus
        )
    }
}
