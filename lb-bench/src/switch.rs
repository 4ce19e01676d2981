//! A switch without ports: tables, a distribution, the filter of one lcore, and a clock.
//!
//! WO 00/30294, Fig. 5, as far as it goes without devices: turns of eight bursts, the time once a turn, aging
//! every hundredth of a second, as the program's engine has it.
//! Easy to get wrong: time must run, or no packet would ever write to its entry, and the sweep would be free.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use lb_core::config::Distribution;
use lb_core::filter::{Filter, Flight, LcoreCounters, Reason, Tables};
use lb_core::id::PortId;
use lb_core::route::neighbor::Now;

use crate::buffer::Buffer;
use crate::ground::{BEGINNING, Ground};
use crate::net::Network;

/// Bursts of one turn, as the engine has it (step 112).
pub const BURSTS_IN_A_TURN: u32 = 8;
/// Milliseconds between two steps of aging, as the engine has it.
const HOUSEKEEPING_MILLIS: u32 = 10;
/// Seconds after which a half-open connection is forgotten, and two more for the sweep.
pub const HALF_OPEN: u32 = 62;
/// Steps of aging after which a table that has not become empty never will.
const MANY_STEPS: u32 = 100_000;

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
    /// Bursts that [`burst`](Self::burst) has filtered.
    bursts: u32,
    flight: Box<Flight>,
}

impl Switch {
    /// A switch of two ports in a network, with room for `connections` of each family.
    ///
    /// # Errors
    /// Where the configuration is refused or the region cannot be made.
    pub fn new(network: &Network, connections: u32, clock: Clock) -> Result<Self> {
        let Ground {
            tables,
            lanes,
            distribution,
        } = Ground::new(network, connections)?;
        let mut switch = Self {
            filter: Filter::new(tables, lanes, Arc::new(LcoreCounters::default())),
            distribution,
            clock,
            leapt_millis: BEGINNING.millis,
            now: BEGINNING,
            kept_millis: BEGINNING.millis,
            bursts: 0,
            flight: Box::default(),
        };
        switch.turn();
        Ok(switch)
    }

    /// Filters one burst, 32 packets at most, by itself; begins a turn where the last one has had its bursts.
    #[inline]
    pub fn burst(&mut self, port: PortId, packets: &mut [Buffer]) {
        if self.bursts.is_multiple_of(BURSTS_IN_A_TURN) {
            self.turn();
        }
        self.bursts = self.bursts.wrapping_add(1);
        let Self {
            filter,
            distribution,
            flight,
            now,
            ..
        } = self;
        filter.look(flight, distribution, *now, port, packets);
        filter.probe(flight);
        std::hint::black_box(filter.settle(flight, distribution, *now, packets));
    }

    /// Stage one of a burst. Then come [`probe`](Self::probe) and [`settle`](Self::settle), before the next
    /// [`turn`](Self::turn); stages of other bursts may come in between, in the order of the bursts.
    #[inline]
    pub fn look(&mut self, flight: &mut Flight, port: PortId, packets: &mut [Buffer]) {
        self.filter
            .look(flight, &self.distribution, self.now, port, packets);
    }

    /// Stage two.
    #[inline]
    pub fn probe(&self, flight: &mut Flight) {
        self.filter.probe(flight);
    }

    /// Stage three.
    #[inline]
    pub fn settle(&mut self, flight: &mut Flight, packets: &mut [Buffer]) {
        let verdicts = self
            .filter
            .settle(flight, &self.distribution, self.now, packets);
        std::hint::black_box(verdicts);
    }

    /// Begins a turn: reads the clock, and takes a step of aging if one is due. No burst may be under way.
    pub fn turn(&mut self) {
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
            self.turn();
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
