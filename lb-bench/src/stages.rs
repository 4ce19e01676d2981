//! The filter's stages one by one, and whole bursts: a fixed amount of work each.
//!
//! WO 00/30294, Fig. 6, in the parts that the filter goes through it. `lb-bench instructions` counts their
//! instructions, `cargo bench -p lb-bench` takes their time; each piece of work is 4,096 packets of as many flows.
//! The clock stands, the flows and their order are fixed: the same program takes the same instructions.
//! Easy to get wrong: `parse`, `hash and prefetch` and `match tags and compare keys` are loops around functions
//! that the filter calls; inside the filter the compiler may make something else of them. `look`, `probe` and
//! `settle` are the filter's own three calls, and the gate's main figures are whole bursts.

use std::hint::black_box;

use anyhow::{Result, ensure};
use lb_core::conn::{ConnTable, Probe};
use lb_core::filter::{BURST, Flight};
use lb_core::flow::FlowHash;
use lb_core::frame::{self, Flow, Parsed};
use lb_core::id::PortId;
use lb_core::packet::Packet;

use crate::buffer::Buffer;
use crate::frames::{Stamp, StampV4, StampV6};
use crate::net::{Forwarding, Network, OnMiss, Version, port_mac};
use crate::switch::{Clock, Counted, HALF_OPEN, Switch};
use crate::traffic::Traffic;
use crate::workload::{Kinds, Order, PACKETS, Workload};

/// Flows, and packets of each piece of work.
pub const FLOWS: u32 = 4096;

const _: () = assert!(
    FLOWS.is_multiple_of(PACKETS),
    "a piece of work is whole bursts"
);

/// Workloads and forwardings of whole bursts, in both families.
pub const WHOLE: [(Forwarding, Kinds); 7] = [
    (Forwarding::Nat, Kinds::Established),
    (Forwarding::Nat, Kinds::Reply),
    (Forwarding::Nat, Kinds::New),
    (Forwarding::Nat, Kinds::Miss),
    (Forwarding::Nat, Kinds::Mixed),
    (Forwarding::Direct, Kinds::Established),
    (Forwarding::Direct, Kinds::New),
];

/// Where callgrind writes down and begins anew: its name is what `--dump-before` is given.
#[inline(never)]
pub fn mark() {
    // An empty function would be one with every other empty function.
    black_box("mark");
}

/// `lb-bench stages`: does each piece of work once, between two calls of [`mark`], and names it.
///
/// # Errors
/// Where the filter does not do what it should.
pub fn run() -> Result<()> {
    stages::<StampV4, 2>()?;
    stages::<StampV6, 5>()?;
    for (forwarding, kinds) in WHOLE {
        whole::<StampV4>(Version::V4, forwarding, kinds)?;
        whole::<StampV6>(Version::V6, forwarding, kinds)?;
    }
    Ok(())
}

fn piece(name: &str, work: impl FnOnce()) {
    mark();
    work();
    mark();
    println!("{FLOWS} {name}");
}

fn whole<S: Stamp>(family: Version, forwarding: Forwarding, kinds: Kinds) -> Result<()> {
    let mut bursts = Bursts::<S>::new(family, forwarding, kinds)?;
    let name = format!("{} {} {}", label(family), forwarding.word(), kinds.word());
    piece(&name, || bursts.work());
    bursts.check()
}

fn stages<S: Stamp, const W: usize>() -> Result<()>
where
    Switch: Table<W>,
{
    let mut stages = Stages::<S, W>::new()?;
    let family = label(<Switch as Table<W>>::VERSION);
    for (stage, work) in Stages::<S, W>::ALL {
        piece(&format!("{family} {stage}"), || work(&mut stages));
    }
    stages.check()
}

fn network(family: Version, forwarding: Forwarding) -> Network {
    Network {
        family,
        forwarding,
        services: 16,
        backends: 4,
        routes: 10,
        scheduler: "weighted-round-robin".to_owned(),
        on_miss: OnMiss::Drop,
        server_port: 1,
    }
}

/// `ipv4` or `ipv6`.
#[must_use]
pub const fn label(family: Version) -> &'static str {
    match family {
        Version::V4 => "ipv4",
        Version::V6 => "ipv6",
    }
}

const fn workload(workload: Kinds) -> Workload {
    Workload {
        flows: FLOWS,
        order: Order::Shuffled,
        workload,
    }
}

/// Whole bursts of one workload, copied in and filtered.
pub struct Bursts<S: Stamp> {
    switch: Switch,
    traffic: Traffic<S>,
    buffers: Vec<Buffer>,
    kinds: Kinds,
    before: Counted,
    packets: u64,
    /// Of `packets`, so many belong to no connection.
    missed: u64,
    missed_at_once: u64,
}

impl<S: Stamp> Bursts<S> {
    /// Opens the connections that must exist.
    ///
    /// # Errors
    /// Where the filter does not forward as it should.
    pub fn new(family: Version, forwarding: Forwarding, kinds: Kinds) -> Result<Self> {
        let network = network(family, forwarding);
        let workload = workload(kinds);
        let mut switch = Switch::new(&network, workload.room(), Clock::Standing)?;
        let traffic = workload.prepare::<S>(&network, &mut switch)?;
        let turns = FLOWS as usize / BURST / traffic.mixtures();
        Ok(Self {
            missed_at_once: (workload.missed(&traffic) * turns) as u64,
            before: switch.counted(),
            buffers: vec![Buffer::default(); BURST],
            packets: 0,
            missed: 0,
            kinds,
            traffic,
            switch,
        })
    }

    /// Makes ready for [`work`](Self::work) once more: SYNs open something only where nothing is open.
    ///
    /// # Errors
    /// Where connections do not go when their time is over.
    pub fn make_ready(&mut self) -> Result<()> {
        if self.kinds == Kinds::New {
            self.switch.outlive_all(HALF_OPEN)?;
        }
        Ok(())
    }

    /// The piece of work: [`FLOWS`] packets.
    #[inline(never)]
    pub fn work(&mut self) {
        for _ in 0..FLOWS / PACKETS {
            let port = self.traffic.receive(&mut self.buffers);
            self.switch.burst(port, &mut self.buffers);
        }
        self.packets += u64::from(FLOWS);
        self.missed += self.missed_at_once;
    }

    /// Holds the filter to the verdicts that it should have given.
    ///
    /// # Errors
    /// It gave others.
    pub fn check(&self) -> Result<()> {
        let expected = Counted {
            received: self.packets,
            forwarded: self.packets - self.missed,
            missed: self.missed,
        };
        self.switch.check(self.before, expected)
    }
}

/// A stage by its name, and its piece of work.
pub type Stage<S, const W: usize> = (&'static str, fn(&mut Stages<S, W>));

/// The stages, over packets of established connections, `nat`. Each leaves behind what the next one needs.
pub struct Stages<S: Stamp, const W: usize> {
    switch: Switch,
    traffic: Traffic<S>,
    buffers: Vec<Buffer>,
    flights: Vec<Flight>,
    flows: Vec<Flow<W>>,
    hashes: Vec<FlowHash>,
    probes: Vec<Probe>,
    found: usize,
    before: Counted,
    settled: u64,
}

impl<S: Stamp, const W: usize> Stages<S, W>
where
    Switch: Table<W>,
{
    /// All, in their order.
    pub const ALL: [Stage<S, W>; 7] = [
        ("copy", Self::copy),
        ("parse", Self::parse),
        ("hash and prefetch", Self::hash),
        ("match tags and compare keys", Self::compare),
        ("look", Self::look),
        ("probe", Self::probe),
        ("settle", Self::settle),
    ];

    /// Opens the connections.
    ///
    /// # Errors
    /// Where the filter does not forward as it should.
    pub fn new() -> Result<Self> {
        let network = network(<Switch as Table<W>>::VERSION, Forwarding::Nat);
        let workload = workload(Kinds::Established);
        let mut switch = Switch::new(&network, workload.room(), Clock::Standing)?;
        let traffic = workload.prepare::<S>(&network, &mut switch)?;
        // The one turn of all these bursts.
        switch.turn();
        let packets = FLOWS as usize;
        Ok(Self {
            buffers: vec![Buffer::default(); packets],
            flights: (0..packets / BURST).map(|_| Flight::default()).collect(),
            flows: Vec::with_capacity(packets),
            hashes: Vec::with_capacity(packets),
            probes: Vec::with_capacity(packets),
            found: 0,
            before: switch.counted(),
            settled: 0,
            traffic,
            switch,
        })
    }

    fn copy(&mut self) {
        for burst in self.buffers.chunks_mut(BURST) {
            self.traffic.receive(burst);
        }
        black_box(&mut self.buffers);
    }

    fn parse(&mut self) {
        self.flows.clear();
        for buffer in &self.buffers {
            let parsed = frame::parse(buffer.head(), buffer.total_len(), port_mac(0));
            self.flows.extend(<Switch as Table<W>>::flow(parsed));
        }
        black_box(&mut self.flows);
    }

    fn hash(&mut self) {
        self.hashes.clear();
        let table = self.switch.table();
        for flow in &self.flows {
            let hash = table.hash(&flow.key);
            table.prefetch_bucket(hash);
            self.hashes.push(hash);
        }
        black_box(&mut self.hashes);
    }

    fn compare(&mut self) {
        let table = self.switch.table();
        self.probes.clear();
        self.probes
            .extend(self.hashes.iter().map(|&hash| table.probe(hash)));
        self.found = 0;
        for ((flow, &hash), &probe) in self.flows.iter().zip(&self.hashes).zip(&self.probes) {
            let conn = table
                .resolve(probe, hash, &flow.key)
                .or_else(|| table.find(hash, &flow.key));
            self.found += usize::from(conn.is_some());
        }
        black_box(&mut self.found);
    }

    fn look(&mut self) {
        let bursts = self.buffers.chunks_mut(BURST);
        for (burst, flight) in bursts.zip(&mut self.flights) {
            self.switch.look(flight, PortId(0), burst);
        }
    }

    fn probe(&mut self) {
        for flight in &mut self.flights {
            self.switch.probe(flight);
        }
    }

    fn settle(&mut self) {
        let bursts = self.buffers.chunks_mut(BURST);
        for (burst, flight) in bursts.zip(&mut self.flights) {
            self.switch.settle(flight, burst);
        }
        self.settled += u64::from(FLOWS);
    }

    /// Holds the stages to what they should have found and forwarded.
    ///
    /// # Errors
    /// Something else came out.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.found == FLOWS as usize,
            "{} flows of {FLOWS} were found",
            self.found
        );
        let expected = Counted {
            received: self.settled,
            forwarded: self.settled,
            missed: 0,
        };
        self.switch.check(self.before, expected)
    }
}

/// What differs by family: the table and the flow's key.
pub trait Table<const W: usize> {
    /// The family.
    const VERSION: Version;

    /// The connection table.
    fn table(&self) -> &ConnTable<W>;

    /// The flow of a parsed frame, if it is of this family.
    fn flow(parsed: Parsed) -> Option<Flow<W>>;
}

impl Table<2> for Switch {
    const VERSION: Version = Version::V4;

    fn table(&self) -> &ConnTable<2> {
        &self.tables().v4
    }

    fn flow(parsed: Parsed) -> Option<Flow<2>> {
        match parsed {
            Parsed::FlowV4(flow) => Some(flow),
            _ => None,
        }
    }
}

impl Table<5> for Switch {
    const VERSION: Version = Version::V6;

    fn table(&self) -> &ConnTable<5> {
        &self.tables().v6
    }

    fn flow(parsed: Parsed) -> Option<Flow<5>> {
        match parsed {
            Parsed::FlowV6(flow) => Some(flow),
            _ => None,
        }
    }
}
