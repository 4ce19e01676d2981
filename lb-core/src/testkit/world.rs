//! A switch without DPDK: tables, one filter, a clock that is moved by hand.
//!
//! WO 00/30294, Fig. 5, as far as one processor and no device go: frames in, filter, frames out. Does with a
//! packet that waits, with questions for neighbors and with aging what the engine does.
//! Easy to get wrong: time stands still unless [`World::advance`] is called; and every step ends with a
//! check that the counters add up, so a packet that gets lost is found where it was lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::net::port_mac;
use super::packet::TestPacket;
use crate::config::registry::Registry;
use crate::config::{Distribution, Fitness, KernelNetwork, PortsPresent, Surroundings, parse};
use crate::conn::{ConnTable, Sweeping};
use crate::filter::{BURST, Filter, Lanes, LcoreCounters, Reason, Tables, Verdict, forget_ways};
use crate::flow::{HashSeed, TableKey};
use crate::id::{NeighborId, PortId};
use crate::route::neighbor::{NeighborTable, Now};
use crate::shared::{Epochs, Layout, Memory, Region, Secret};
use crate::wire::MacAddr;

/// What became of one frame at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The filter's verdict; `Hold` where the frame waits.
    pub verdict: Verdict,
    /// Port on which the frame went out, if it did.
    pub port: Option<PortId>,
    /// The frame after the filter; empty while it waits.
    pub frame: Vec<u8>,
}

/// What went out, or was given up, besides the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Late {
    /// A question of our own for a neighbor.
    Question(PortId, Vec<u8>),
    /// A frame that had waited was sent.
    Sent(PortId, Vec<u8>),
    /// A frame that had waited, or found no place to wait, was dropped.
    Dropped(Reason),
}

/// How large a world's tables are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Connections of each family.
    pub connections: u32,
    /// Rows of the neighbor table, a power of two from 32 on.
    pub neighbors: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self {
            connections: 4096,
            neighbors: 256,
        }
    }
}

/// Why there is no world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoWorld(String);

/// One lcore's view of a switch.
pub struct World {
    filter: Filter<TestPacket>,
    distribution: Distribution,
    registry: Registry,
    ports: Vec<(PortId, MacAddr)>,
    configuration: String,
    kernel: Option<KernelNetwork>,
    /// Since the clock was made; never wraps.
    millis: u64,
    late: Vec<Late>,
    /// Packets that the way to the control processor still takes.
    punt_room: usize,
    /// What health makes of backends, by name.
    fitness: Vec<(String, Fitness)>,
}

/// As random as a region's: with small words the hash is weak.
pub(crate) const SECRET: Secret = Secret {
    table_key: TableKey([
        0x9e37_79b9_7f4a_7c15,
        0xbf58_476d_1ce4_e5b9,
        0x94d0_49bb_1331_11eb,
        0xd6e8_feb8_6659_fd93,
        0xa076_1d64_78bd_642f,
        0xe703_7ed1_a0b4_28db,
    ]),
    seed: HashSeed([0x5e; 16]),
};

/// When the clock of every world starts.
const START_MILLIS: u64 = 1_000_000;
/// Sweeps after which every entry has been looked at.
const ROUND: u32 = 65;
/// Seconds between two such rounds; the end of every wait has one too.
const SWEPT_EVERY: u32 = 16;

impl World {
    /// A switch with `ports` ports and this configuration.
    ///
    /// # Errors
    /// The refusals, where the configuration is not right.
    pub fn new(configuration: &str, ports: u8) -> Result<Self, NoWorld> {
        Self::with_size(configuration, ports, Size::default())
    }

    /// The same with tables of another size.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_size(configuration: &str, ports: u8, size: Size) -> Result<Self, NoWorld> {
        let tables = Arc::new(tables(size).map_err(NoWorld)?);
        let sweeping = Some(Sweeping { number: 0, of: 1 });
        let lanes = tables.v4.lane(0, sweeping).zip(tables.v6.lane(0, sweeping));
        let (v4, v6) = lanes.ok_or_else(|| NoWorld("the tables have no lane".to_owned()))?;
        let ports: Vec<_> = (0..ports)
            .map(|port| (PortId(port.into()), port_mac(port)))
            .collect();
        let mut world = Self {
            filter: Filter::new(tables, Lanes { v4, v6 }, Arc::new(LcoreCounters::default())),
            distribution: Distribution::empty(&ports),
            registry: Registry::default(),
            ports,
            configuration: String::new(),
            kernel: None,
            millis: START_MILLIS,
            late: Vec::new(),
            punt_room: 0,
            fitness: Vec::new(),
        };
        world.configure(configuration)?;
        Ok(world)
    }

    /// The same switch with a way to the control processor that takes `room` packets.
    #[must_use]
    pub fn with_exception_path(mut self, room: usize) -> Self {
        self.filter.open_exception_path();
        self.punt_room = room;
        self
    }

    /// Puts the kernel's view of the network in force beside the configuration, as the publisher would between two
    /// bursts.
    ///
    /// # Errors
    /// Where the tables do not suffice; the old view stays.
    pub fn follow(&mut self, kernel: &KernelNetwork) -> Result<(), NoWorld> {
        let before = self.kernel.replace(kernel.clone());
        let configuration = self.configuration.clone();
        let followed = self.configure(&configuration);
        if followed.is_err() {
            self.kernel = before;
        }
        followed
    }

    /// Replaces the configuration, as the publisher would between two bursts.
    ///
    /// # Errors
    /// The refusals, where the configuration is not right; the old one stays.
    pub fn configure(&mut self, configuration: &str) -> Result<(), NoWorld> {
        let mut present: PortsPresent = self.ports.iter().map(|&(port, _)| port).collect();
        if self.kernel.is_some() {
            present = present.with_kernel_routes();
        }
        let mut config = parse(configuration, &present).map_err(|refusals| {
            let lines: Vec<_> = refusals.iter().map(ToString::to_string).collect();
            NoWorld(lines.join("\n"))
        })?;
        let services = config.services.iter_mut();
        for backend in services.flat_map(|service| &mut service.backends) {
            let found = self.fitness.iter().find(|(name, _)| *name == backend.name);
            backend.fitness = found.map_or(Fitness::FIT, |&(_, fitness)| fitness);
        }
        let around = Surroundings {
            ports: &self.ports,
            mtus: &[],
            kernel: self.kernel.as_ref(),
            seed: SECRET.seed,
            neighbors: &self.filter.tables().neighbors,
            now: self.now(),
            is_idle: &|_| false,
            is_idle_service: &|_| false,
        };
        let next = Distribution::build(&config, &around, &mut self.registry, &self.distribution);
        let neighbors = &self.filter.tables().neighbors;
        match next {
            Ok(mut next) => {
                next.enter_neighbors(neighbors);
                let moved = next.keep_ways(&self.distribution).unwrap_or_default();
                self.distribution = next;
                forget_ways(self.filter.tables(), &moved);
                configuration.clone_into(&mut self.configuration);
                self.distribution.settle_neighbors(neighbors);
                Ok(())
            }
            Err(error) => {
                self.distribution.settle_neighbors(neighbors);
                Err(NoWorld(error.to_string()))
            }
        }
    }

    /// Makes these backends, by name, as fit as this and all others fully, as the control side does when health
    /// checks fail.
    ///
    /// # Errors
    /// As [`configure`](Self::configure).
    pub fn set_fitness(&mut self, fitness: &[(&str, Fitness)]) -> Result<(), NoWorld> {
        let named = fitness.iter().map(|&(name, fit)| (name.to_owned(), fit));
        self.fitness = named.collect();
        self.configure(&self.configuration.clone())
    }

    /// The moment.
    #[must_use]
    pub fn now(&self) -> Now {
        let low_half =
            |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Now {
            tick: low_half(self.millis / 1000),
            millis: low_half(self.millis),
        }
    }

    /// What the filter works by.
    #[must_use]
    pub fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    /// The tables.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        self.filter.tables()
    }

    /// What has been counted.
    #[must_use]
    pub fn counters(&self) -> &LcoreCounters {
        self.filter.counters()
    }

    /// Live connections of both families.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.tables().v4.len() + self.tables().v6.len()
    }

    /// What has happened besides the answers since this was last asked, in order.
    pub fn take_late(&mut self) -> Vec<Late> {
        std::mem::take(&mut self.late)
    }

    /// Frames come in on a port, in bursts as large as the filter takes.
    pub fn send(&mut self, port: u8, frames: Vec<TestPacket>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(frames.len());
        let mut rest = frames;
        while !rest.is_empty() {
            let after = rest.split_off(rest.len().min(BURST));
            answers.extend(self.burst(PortId(port.into()), rest));
            rest = after;
        }
        answers
    }

    /// One frame comes in on a port.
    pub fn send_one(&mut self, port: u8, frame: impl Into<Vec<u8>>) -> Answer {
        let answer = self.send(port, vec![TestPacket::new(frame)]).pop();
        answer.unwrap_or(Answer {
            verdict: Verdict::Drop(Reason::Runt),
            port: None,
            frame: Vec::new(),
        })
    }

    fn burst(&mut self, ingress: PortId, mut packets: Vec<TestPacket>) -> Vec<Answer> {
        self.filter.turn();
        let now = self.now();
        // Says so if the filter leaves one unwritten.
        let mut verdicts = vec![Verdict::Drop(Reason::Runt); packets.len()];
        self.filter.burst(
            &self.distribution,
            now,
            ingress,
            &mut packets,
            &mut verdicts,
        );
        let mut answers = Vec::with_capacity(packets.len());
        for (packet, verdict) in packets.into_iter().zip(verdicts) {
            let port = match verdict {
                Verdict::Forward(port) => Some(port),
                Verdict::Reply => Some(ingress),
                Verdict::Punt(_) | Verdict::App(_) | Verdict::Drop(_) | Verdict::Hold(_) => None,
            };
            let frame = match verdict {
                Verdict::Hold(neighbor) => {
                    self.hold(neighbor, now, packet);
                    Vec::new()
                }
                Verdict::Punt(_) => {
                    self.punt();
                    packet.into_octets()
                }
                _ => packet.into_octets(),
            };
            answers.push(Answer {
                verdict,
                port,
                frame,
            });
        }
        self.finish_turn();
        answers
    }

    fn punt(&mut self) {
        match self.punt_room.checked_sub(1) {
            Some(room) => self.punt_room = room,
            None => {
                self.filter.refuse_punted(1);
                self.late.push(Late::Dropped(Reason::PuntQueueFull));
            }
        }
    }

    fn hold(&mut self, neighbor: NeighborId, now: Now, packet: TestPacket) {
        if self.filter.hold(neighbor, now, packet).is_err() {
            self.late.push(Late::Dropped(Reason::NeighborQueueFull));
        }
    }

    /// Ends a turn as the engine does: questions out, then packets whose neighbor has become known.
    fn finish_turn(&mut self) {
        self.ask();
        if self.filter.has_held() && self.filter.has_learned() {
            self.release();
        }
        self.check();
    }

    fn ask(&mut self) {
        while let Some(neighbor) = self.filter.next_question() {
            let mut packet = TestPacket::empty();
            if let Some(port) =
                self.filter
                    .write_question(&self.distribution, neighbor, &mut packet)
            {
                self.late.push(Late::Question(port, packet.into_octets()));
            }
        }
    }

    fn release(&mut self) {
        let now = self.now();
        let late = &mut self.late;
        self.filter
            .release(&self.distribution, now, |packet, verdict| {
                late.push(match verdict {
                    Verdict::Forward(port) => Late::Sent(port, packet.into_octets()),
                    Verdict::Drop(reason) => Late::Dropped(reason),
                    // Nothing else can come of a packet that was finished but for its addresses.
                    _ => Late::Dropped(Reason::NoRoute),
                });
            });
    }

    /// Moves the clock on, and does on the way what the engine does in its idle turns.
    pub fn advance(&mut self, millis: u32) {
        let end = self.millis + u64::from(millis);
        while self.millis < end {
            let step = if self.filter.has_held() { 100 } else { 1000 };
            self.millis = end.min(self.millis + step);
            let is_time_to_sweep = self.now().tick.is_multiple_of(SWEPT_EVERY);
            self.idle_turn(self.millis == end || is_time_to_sweep);
        }
    }

    /// Moves the clock on by seconds.
    pub fn advance_seconds(&mut self, seconds: u32) {
        self.advance(seconds * 1000);
    }

    /// Moves the clock on at once, as if nothing had turned meanwhile.
    pub fn leap_seconds(&mut self, seconds: u32) {
        self.millis += u64::from(seconds) * 1000;
        self.idle_turn(true);
    }

    fn idle_turn(&mut self, sweeps: bool) {
        self.filter.turn();
        self.filter.maintain(self.now());
        if sweeps {
            self.sweep();
        }
        self.ask();
        if self.filter.has_held() {
            self.release();
        }
        self.check();
    }

    /// As though routes had changed so many times without a difference in the end.
    pub fn pass_route_generations(&mut self, count: u16) {
        let generation = &mut self.distribution.route_generation;
        *generation = generation.wrapping_add(count);
    }

    /// Looks at every entry of the connection tables once.
    pub fn sweep(&mut self) {
        for _ in 0..ROUND {
            self.filter.sweep(&self.distribution, self.now());
        }
    }

    /// Gives up what still waits, as at the end of the program.
    pub fn give_up(&mut self) {
        let late = &mut self.late;
        self.filter
            .give_up(|_| late.push(Late::Dropped(Reason::NeighborUnresolved)));
        self.check();
    }

    /// Packets dropped so far, by reason.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<Reason, u64> {
        let counted = Reason::ALL
            .iter()
            .map(|&reason| (reason, self.counters().dropped(reason)));
        counted.filter(|&(_, count)| count != 0).collect()
    }

    #[track_caller]
    fn check(&self) {
        let counters = self.filter.counters();
        assert!(
            counters.adds_up(),
            "received is not the sum of the verdicts: {:?}",
            Sums(counters)
        );
    }
}

/// The counters of the equation.
struct Sums<'a>(&'a LcoreCounters);

impl std::fmt::Debug for Sums<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(counters) = self;
        f.debug_struct("counters")
            .field("received", &counters.received.value())
            .field("forwarded", &counters.forwarded.value())
            .field("replied", &counters.replied.value())
            .field("punted", &counters.punted.value())
            .field("apps", &counters.apps.value())
            .field("held", &counters.held.value())
            .field("dropped", &counters.dropped_in_all())
            .finish()
    }
}

fn tables(size: Size) -> Result<Tables, String> {
    let layout = Layout::new(size.connections)
        .map_err(|error| error.to_string())?
        .with_slots(1024, 256);
    let region = Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1)
        .map_err(|error| error.to_string())?;
    let epochs = Arc::new(Epochs::new(1));
    let (v4, _) =
        ConnTable::open(&region, Arc::clone(&epochs)).map_err(|error| error.to_string())?;
    let (v6, _) = ConnTable::open(&region, epochs).map_err(|error| error.to_string())?;
    Ok(Tables {
        v4,
        v6,
        neighbors: NeighborTable::new(size.neighbors),
    })
}
