//! What is between the rings: the program's engine, or a loop that only receives and sends.
//!
//! WO 00/30294, Fig. 5 (box 72). The engine is the program's own, put together as `workers` does it, for one lcore.
//! Easy to get wrong: whatever came in must be in a counter when the engine has ended, or the measurement
//! was not of what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use lb_bench::ground::{BEGINNING, Ground};
use lb_bench::latency::Course;
use lb_bench::net::{Network, OnMiss, Version};
use lb_core::config::Distribution;
use lb_core::filter::{Filter, LcoreCounters, Tables};
use lb_core::shared::{Writer, double_buffer};
use lb_dataplane::dpdk::burst::Burst;
use lb_dataplane::dpdk::clock::Clock;
use lb_dataplane::dpdk::lcore::{self, Handle};
use lb_dataplane::dpdk::{Eal, Mempool, RxQueue, TxQueue};
use lb_dataplane::engine::{Engine, EngineCounters, Time};
use lb_dataplane::outbox::{Outbox, Sent};

use crate::world::Totals;

/// Port on which the switch sends.
const OUT: usize = 1;

/// The network: one service, whose connections are opened by whatever packet comes first.
pub(crate) fn network(course: &Course) -> Network {
    Network {
        family: Version::V4,
        forwarding: course.forwarding,
        services: 1,
        backends: 4,
        routes: 10,
        scheduler: "weighted-round-robin".to_owned(),
        on_miss: OnMiss::Hash,
        server_port: 1,
    }
}

/// The engine at work on its lcore.
pub(crate) struct Switch {
    tables: Arc<Tables>,
    filter: Arc<LcoreCounters>,
    engine: Arc<EngineCounters>,
    working: Working,
    /// Publishes nothing; the engine has the other end.
    _writer: Writer<Distribution>,
}

impl Switch {
    /// Builds the engine between two queues, and sets it to work.
    pub(crate) fn start(
        eal: &Eal,
        pool: &Mempool,
        course: &Course,
        inbox: RxQueue,
        out: TxQueue,
    ) -> Result<Self> {
        let room = (course.flows.div_ceil(4) * 5).max(4096);
        let Ground {
            tables,
            lanes,
            distribution,
        } = Ground::new(&network(course), room)?;
        let (writer, mut readers) = double_buffer(distribution, 1);
        let filter = Arc::new(LcoreCounters::default());
        let sent = (0..=OUT).map(|_| Sent::default()).collect();
        let counters = Arc::new(EngineCounters::new(sent));
        let engine = Engine {
            inbox: vec![inbox],
            outboxes: vec![None, Some(Outbox::new(out))],
            exchange: Vec::new(),
            filter: Filter::new(Arc::clone(&tables), lanes, Arc::clone(&filter)),
            distributions: readers.pop().context("no reader")?,
            pool: pool.clone(),
            time: Time {
                clock: Clock::new(eal),
                start_tick: BEGINNING.tick,
            },
            counters: Arc::clone(&counters),
            tends_neighbors: true,
            kept_millis: 0,
            busy_since: None,
        };
        Ok(Self {
            tables,
            filter,
            engine: counters,
            working: Working::start(eal, move |stop| engine.run(stop))?,
            _writer: writer,
        })
    }

    /// Time in turns with packets so far.
    pub(crate) fn busy_nanoseconds(&self) -> u64 {
        self.engine.busy_nanoseconds.value()
    }

    /// Each flow has one connection, and no more are there.
    pub(crate) fn expect_connections(&self, flows: u32) -> Result<()> {
        let open = self.tables.v4.len();
        ensure!(
            open == u64::from(flows),
            "{open} connections are in the table, expected {flows}"
        );
        Ok(())
    }

    /// Ends the engine; what it has counted.
    pub(crate) fn stop(self) -> Result<Counted> {
        self.working.stop()?;
        let sent = self.engine.sent.get(OUT).context("no counters of a port")?;
        Ok(Counted {
            received: self.filter.received.value(),
            forwarded: self.filter.forwarded.value(),
            sent: sent.packets.value(),
            dropped: sent.dropped.value(),
        })
    }
}

/// What the engine has counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    received: u64,
    forwarded: u64,
    sent: u64,
    dropped: u64,
}

impl Counted {
    /// Every packet that was sent to the engine was forwarded, and came back or found the way out full.
    pub(crate) fn check(self, world: Totals) -> Result<()> {
        let adds_up = self.received == world.sent
            && self.forwarded == self.received
            && self.sent == world.returned
            && self.dropped == world.lost
            && self.sent + self.dropped == self.forwarded;
        ensure!(adds_up, "sums do not add up: {self:?}, {world:?}");
        ensure!(world.returned > 0, "no packet came back");
        Ok(())
    }
}

/// A loop that receives and sends, and does nothing besides.
pub(crate) struct BareLoop(Working);

impl BareLoop {
    pub(crate) fn start(eal: &Eal, mut inbox: RxQueue, mut out: TxQueue) -> Result<Self> {
        let turns = move |stop: &AtomicBool| {
            let mut burst = Burst::default();
            while !stop.load(Ordering::Relaxed) {
                if inbox.receive(&mut burst) > 0 {
                    out.send(&mut burst);
                    burst.clear();
                }
            }
        };
        Ok(Self(Working::start(eal, turns)?))
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.0.stop()
    }
}

/// Work on the worker lcore, until it is told to stop, or left alone by somebody who failed.
struct Working {
    stop: Arc<AtomicBool>,
    handle: Handle<()>,
}

impl Working {
    fn start(eal: &Eal, work: impl FnOnce(&AtomicBool) + Send + 'static) -> Result<Self> {
        let lcore = *eal.worker_lcores().first().context("no worker lcore")?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let handle = lcore::launch(eal, lcore, move || work(&told))?;
        Ok(Self { stop, handle })
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.handle.join()?)
    }
}
