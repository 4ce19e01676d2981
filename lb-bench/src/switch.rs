//! A switch without ports: tables, a distribution, the filter of one lcore, and a clock.
//!
//! WO 00/30294, Fig. 5, as far as it goes without devices: turns of eight bursts, the time once a turn, aging
//! every hundredth of a second, as the program's engine has it.
//! Easy to get wrong: time must run, or no packet would ever write to its entry, and the sweep would be free.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use lb_core::config::registry::Registry;
use lb_core::config::{Distribution, PortsPresent, Surroundings, parse};
use lb_core::conn::{ConnTable, Sweeping};
use lb_core::filter::{Filter, Flight, Lanes, LcoreCounters, Reason, Tables};
use lb_core::flow::{HashSeed, TableKey};
use lb_core::id::PortId;
use lb_core::route::neighbor::{NeighborTable, Now};
use lb_core::shared::{Epochs, Layout, Memory, Region, Secret};

use crate::buffer::Buffer;
use crate::net::{Network, port_mac};

/// Bursts of one turn, as the engine has it (step 112).
pub const BURSTS_IN_A_TURN: u32 = 8;
/// Milliseconds between two steps of aging, as the engine has it.
const HOUSEKEEPING_MILLIS: u32 = 10;
/// Steps of aging after which a table that has not become empty never will.
const MANY_STEPS: u32 = 100_000;
/// Milliseconds at the start: not 0, which is no moment that a region knows.
const START_MILLIS: u32 = 1_000_000;

const SECRET: Secret = Secret {
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

/// Where time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's, from this moment on.
    Running(Instant),
    /// It stands, so that the same work takes the same instructions.
    Standing,
}

/// One lcore's view of a switch.
pub struct Switch {
    filter: Filter<Buffer>,
    distribution: Distribution,
    clock: Clock,
    leapt_millis: u32,
    now: Now,
    kept_millis: u32,
    bursts: u32,
    /// Of the burst before, and of the last.
    flights: Box<[Box<Flight>; 2]>,
}

impl Switch {
    /// A switch of two ports in a network, with room for `connections` of each family.
    ///
    /// # Errors
    /// Where the configuration is refused or the region cannot be made.
    pub fn new(network: &Network, connections: u32, clock: Clock) -> Result<Self> {
        let tables = Arc::new(tables(connections)?);
        let sweeping = Some(Sweeping { number: 0, of: 1 });
        let lanes = tables.v4.lane(0, sweeping).zip(tables.v6.lane(0, sweeping));
        let (v4, v6) = lanes.context("the tables have no lane")?;
        let ports: Vec<_> = [0, network.server_port]
            .map(|port| (PortId(port), port_mac(port)))
            .into();
        let mut switch = Self {
            filter: Filter::new(
                Arc::clone(&tables),
                Lanes { v4, v6 },
                Arc::new(LcoreCounters::default()),
            ),
            distribution: Distribution::empty(&ports),
            clock,
            leapt_millis: START_MILLIS,
            now: Now { tick: 0, millis: 0 },
            kept_millis: START_MILLIS,
            bursts: 0,
            flights: Box::default(),
        };
        switch.begin_turn();
        let present: PortsPresent = ports.iter().map(|&(port, _)| port).collect();
        let config = parse(&network.configuration(), &present).map_err(|refusals| {
            let lines: Vec<_> = refusals.iter().map(ToString::to_string).collect();
            anyhow!("{}", lines.join("\n"))
        })?;
        let around = Surroundings {
            ports: &ports,
            seed: SECRET.seed,
            neighbors: &tables.neighbors,
            now: switch.now,
            is_idle: &|_| false,
        };
        let mut registry = Registry::default();
        switch.distribution =
            Distribution::build(&config, &around, &mut registry, &switch.distribution)?;
        switch.distribution.enter_neighbors(&tables.neighbors);
        Ok(switch)
    }

    /// Filters one burst, [`BURST`] packets at most, by itself.
    #[inline]
    pub fn burst(&mut self, port: PortId, packets: &mut [Buffer]) {
        self.look(port, packets);
        self.probe();
        self.settle(packets);
    }

    /// Stage one of a burst, as part of the present turn or the next. Then
    /// [`probe`](Self::probe) and [`settle`](Self::settle); those of one other burst may come in between, in the
    /// order of the bursts and in the same turn.
    #[inline]
    pub fn look(&mut self, port: PortId, packets: &mut [Buffer]) {
        if self.bursts.is_multiple_of(BURSTS_IN_A_TURN) {
            self.begin_turn();
        }
        self.bursts = self.bursts.wrapping_add(1);
        self.flights.swap(0, 1);
        let [_, flight] = &mut *self.flights;
        self.filter
            .look(flight, &self.distribution, self.now, port, packets);
    }

    /// Stage two of the burst that was looked at last.
    #[inline]
    pub fn probe(&mut self) {
        let [_, flight] = &mut *self.flights;
        self.filter.probe(flight);
    }

    /// Stage three of the burst that was looked at last.
    #[inline]
    pub fn settle(&mut self, packets: &mut [Buffer]) {
        let [_, flight] = &mut *self.flights;
        let verdicts = self
            .filter
            .settle(flight, &self.distribution, self.now, packets);
        std::hint::black_box(verdicts);
    }

    /// Stage three of the burst before.
    #[inline]
    pub fn settle_earlier(&mut self, packets: &mut [Buffer]) {
        let [flight, _] = &mut *self.flights;
        let verdicts = self
            .filter
            .settle(flight, &self.distribution, self.now, packets);
        std::hint::black_box(verdicts);
    }

    /// Whether the next burst begins a turn: nothing may be under way then.
    #[must_use]
    pub const fn is_turn_over(&self) -> bool {
        self.bursts.is_multiple_of(BURSTS_IN_A_TURN)
    }

    fn begin_turn(&mut self) {
        self.filter.turn();
        let millis = match self.clock {
            Clock::Running(start) => u32::try_from(start.elapsed().as_millis()).unwrap_or(0),
            Clock::Standing => 0,
        };
        let millis = self.leapt_millis.wrapping_add(millis);
        self.now = Now {
            tick: millis / 1000,
            millis,
        };
        if millis.wrapping_sub(self.kept_millis) >= HOUSEKEEPING_MILLIS {
            self.kept_millis = millis;
            self.filter.sweep(&self.distribution, self.now);
        }
    }

    /// Lets `seconds` pass at once, and all connections go whose time is over, until there are none.
    ///
    /// # Errors
    /// Some stay.
    pub fn outlive_all(&mut self, seconds: u32) -> Result<()> {
        self.leapt_millis = self.leapt_millis.wrapping_add(seconds * 1000);
        for _ in 0..MANY_STEPS {
            self.begin_turn();
            if self.connections() == 0 {
                return Ok(());
            }
            self.filter.sweep(&self.distribution, self.now);
        }
        bail!(
            "{} connections are left after their time was over",
            self.connections()
        )
    }

    /// Connections in the tables.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let tables = self.filter.tables();
        tables.v4.len() + tables.v6.len()
    }

    /// The tables.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        self.filter.tables()
    }

    /// What has been counted so far.
    #[must_use]
    pub fn counted(&self) -> Counted {
        let counters = self.filter.counters();
        Counted {
            received: counters.received.value(),
            forwarded: counters.forwarded.value(),
            missed: counters.dropped(Reason::NoConnection),
        }
    }

    /// Holds the filter to what it should have counted since `before`.
    ///
    /// # Errors
    /// The verdicts that there should not have been.
    pub fn check(&self, before: Counted, expected: Counted) -> Result<()> {
        let now = self.counted();
        let since = Counted {
            received: now.received - before.received,
            forwarded: now.forwarded - before.forwarded,
            missed: now.missed - before.missed,
        };
        let counters = self.filter.counters();
        ensure!(
            since == expected,
            "counted {since:?}, expected {expected:?}; held {}, drops {:?}",
            counters.held.value(),
            self.drops(),
        );
        Ok(())
    }

    fn drops(&self) -> Vec<(&'static str, u64)> {
        let counted = Reason::ALL
            .iter()
            .map(|&reason| (reason.name(), self.filter.counters().dropped(reason)));
        counted.filter(|&(_, count)| count != 0).collect()
    }
}

/// Packets, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All.
    pub received: u64,
    /// Forwarded.
    pub forwarded: u64,
    /// Dropped, since they belong to no connection.
    pub missed: u64,
}

fn tables(connections: u32) -> Result<Tables> {
    let layout = Layout::new(connections)?;
    let region = Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1)?;
    let epochs = Arc::new(Epochs::new(1));
    let (v4, _) = ConnTable::open(&region, Arc::clone(&epochs))?;
    let (v6, _) = ConnTable::open(&region, epochs)?;
    let neighbors = NeighborTable::new(NeighborTable::ROWS);
    Ok(Tables { v4, v6, neighbors })
}
