//! `lb-bench stages`: a fixed amount of work, to have its instructions counted.
//!
//! No counterpart in the patent. Each piece of work lies between two calls of [`mark`], at which callgrind
//! writes down what it has counted; a line on standard output names the piece and its packets.
//! The clock stands, the flows and their order are fixed: the same program takes the same instructions.
//! Easy to get wrong: a stage alone is a loop around the function that the filter calls; what the compiler
//! makes of it inside the filter may differ a little. The gate's main figures are the whole bursts.

use std::hint::black_box;

use anyhow::Result;
use lb_core::conn::{ConnTable, Probe};
use lb_core::filter::BURST;
use lb_core::flow::FlowHash;
use lb_core::frame::{self, Flow, Parsed};
use lb_core::packet::Packet;

use crate::buffer::Buffer;
use crate::frames::{Stamp, StampV4, StampV6};
use crate::net::{Forwarding, Network, OnMiss, Version, port_mac};
use crate::switch::{Clock, Switch};
use crate::workload::{Kinds, Order, PACKETS, Workload};

/// Flows, and packets of each piece of work.
const FLOWS: u32 = 4096;

/// Where callgrind writes down and begins anew: its name is what `--dump-before` is given.
#[inline(never)]
pub fn mark() {
    // An empty function would be one with every other empty function.
    black_box("mark");
}

/// Does the work, and names it.
///
/// # Errors
/// Where the filter does not do what it should.
pub fn run() -> Result<()> {
    stages::<StampV4, 2>(Version::V4, |parsed| match parsed {
        Parsed::FlowV4(flow) => Some(flow),
        _ => None,
    })?;
    stages::<StampV6, 5>(Version::V6, |parsed| match parsed {
        Parsed::FlowV6(flow) => Some(flow),
        _ => None,
    })?;
    for kinds in [
        Kinds::Established,
        Kinds::Reply,
        Kinds::New,
        Kinds::Miss,
        Kinds::Mixed,
    ] {
        whole::<StampV4>(Version::V4, Forwarding::Nat, kinds)?;
        whole::<StampV6>(Version::V6, Forwarding::Nat, kinds)?;
    }
    for kinds in [Kinds::Established, Kinds::New] {
        whole::<StampV4>(Version::V4, Forwarding::Direct, kinds)?;
        whole::<StampV6>(Version::V6, Forwarding::Direct, kinds)?;
    }
    Ok(())
}

fn piece(name: &str, work: impl FnOnce()) {
    mark();
    work();
    mark();
    println!("{FLOWS} {name}");
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

fn label(family: Version) -> &'static str {
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
fn whole<S: Stamp>(family: Version, forwarding: Forwarding, kinds: Kinds) -> Result<()> {
    let network = network(family, forwarding);
    let workload = workload(kinds);
    let mut switch = Switch::new(&network, workload.room(), Clock::Standing)?;
    let mut traffic = workload.prepare::<S>(&network, &mut switch)?;
    let mut burst = vec![Buffer::default(); BURST];
    let name = format!("{} {} {}", label(family), forwarding.word(), kinds.word());
    piece(&name, || {
        for _ in 0..FLOWS / PACKETS {
            let port = traffic.receive(&mut burst);
            switch.burst(port, &mut burst);
        }
    });
    Ok(())
}

/// The stages one by one, over packets of established connections.
fn stages<S: Stamp, const W: usize>(
    family: Version,
    is_flow: impl Fn(Parsed) -> Option<Flow<W>>,
) -> Result<()>
where
    Switch: HasTable<W>,
{
    let network = network(family, Forwarding::Nat);
    let workload = workload(Kinds::Established);
    let mut switch = Switch::new(&network, workload.room(), Clock::Standing)?;
    let mut traffic = workload.prepare::<S>(&network, &mut switch)?;
    let mut buffers = vec![Buffer::default(); FLOWS as usize];
    let name = |stage: &str| format!("{} {stage}", label(family));
    piece(&name("copy"), || {
        for burst in buffers.chunks_mut(BURST) {
            traffic.receive(burst);
        }
        black_box(&mut buffers);
    });

    let mut flows: Vec<Flow<W>> = Vec::with_capacity(buffers.len());
    piece(&name("parse"), || {
        for buffer in &buffers {
            let parsed = frame::parse(buffer.head(), buffer.total_len(), port_mac(0));
            flows.extend(is_flow(parsed));
        }
        black_box(&mut flows);
    });

    let table = switch.table();
    let mut hashes: Vec<FlowHash> = Vec::with_capacity(flows.len());
    piece(&name("hash and prefetch"), || {
        for flow in &flows {
            let hash = table.hash(&flow.key);
            table.prefetch_bucket(hash);
            hashes.push(hash);
        }
        black_box(&mut hashes);
    });

    let mut probes: Vec<Probe> = Vec::with_capacity(flows.len());
    piece(&name("match tags and prefetch"), || {
        probes.extend(hashes.iter().map(|&hash| table.probe(hash)));
        black_box(&mut probes);
    });

    let mut found = 0;
    piece(&name("compare keys"), || {
        for ((flow, &hash), &probe) in flows.iter().zip(&hashes).zip(&probes) {
            let conn = table
                .resolve(probe, hash, &flow.key)
                .or_else(|| table.find(hash, &flow.key));
            found += usize::from(conn.is_some());
        }
        black_box(&mut found);
    });
    anyhow::ensure!(
        found == FLOWS as usize,
        "{found} flows of {FLOWS} were found"
    );
    Ok(())
}

/// The table of one family.
trait HasTable<const W: usize> {
    fn table(&self) -> &ConnTable<W>;
}

impl HasTable<2> for Switch {
    fn table(&self) -> &ConnTable<2> {
        &self.tables().v4
    }
}

impl HasTable<5> for Switch {
    fn table(&self) -> &ConnTable<5> {
        &self.tables().v6
    }
}

const _: () = assert!(
    FLOWS.is_multiple_of(PACKETS),
    "a piece of work is whole bursts"
);
