//! The crew: ports opened, queues handed out, engines built, lcores launched.
//!
//! WO 00/30294: switching processors 44, each with the network interfaces 37 that it alone polls.
//! Who polls what has been decided in `placement`.
//! Easy to get wrong: a lcore owns its queues; when the engine ends on its lcore, the queues end with it,
//! and only then can the ports be closed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lb_core::config::Distribution;
use lb_core::filter::{Filter, LcoreCounters};
use lb_core::id::PortId;
use lb_core::shared::Reader;

use crate::dpdk::eal::{Eal, SocketId};
use crate::dpdk::lcore::{self, Handle, LaunchError, LcoreId};
use crate::dpdk::mempool::{self, CreateError, Mempool};
use crate::dpdk::port::{Call, Info, OpenError, Port, Refused, Settings};
use crate::dpdk::queue::{RxQueue, TxQueue};
use crate::dpdk::ring::RingError;
use crate::engine::{Engine, EngineCounters, Time};
use crate::exchange::{self, Exchange};
use crate::interface_daemon::way::Way;
use crate::memory::SharedTables;
use crate::options::Options;
use crate::outbox::{Outbox, Sent};
use crate::placement::{Plan, Poll};

/// Descriptors per queue that are asked for; drivers adjust.
const DESCRIPTORS: u16 = 1024;
/// Free mbufs that a lcore keeps to itself.
const CACHE: u32 = 256;
/// Mbufs for packets that wait: bursts in hand, outboxes, unresolved neighbors.
const PER_LCORE: u32 = 2048;
/// A pool is never smaller by itself.
const FEWEST: u32 = 8191;

/// Why the crew could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// No mbufs.
    #[error(transparent)]
    Pool(#[from] CreateError),
    /// A port does not open.
    #[error(transparent)]
    Port(OpenError),
    /// A receive queue that its driver does not set up, most often for want of mbufs.
    #[error(
        "{error}; its driver's lines above may say why; if it wants more than the pool's {mbufs} mbufs, ask for \
         more (--mbufs)"
    )]
    RxQueue {
        /// What the driver says.
        error: OpenError,
        /// Size of the pool.
        mbufs: u32,
    },
    /// The plan names more lcores than were prepared for: a bug of ours.
    #[error("lcore {0} has no place in the tables")]
    NoLane(LcoreId),
}

/// A worker lcore at work, as the control side sees it.
pub struct Worker {
    /// Which lcore.
    pub lcore: LcoreId,
    /// Its queues, as `port:queue`.
    pub queues: Vec<String>,
    /// The filter's counters.
    pub filter: Arc<LcoreCounters>,
    /// The engine's counters.
    pub engine: Arc<EngineCounters>,
}

/// Everything that is ready to run.
pub struct Crew {
    /// Open ports, not started.
    pub ports: Vec<Port>,
    pools: Vec<Mempool>,
    engines: Vec<(Worker, Engine)>,
}

/// What runs, and how to wait for it.
pub struct Launched {
    /// Open ports, started.
    pub ports: Vec<Port>,
    /// Worker lcores at work.
    pub workers: Vec<Worker>,
    /// Pools of mbufs.
    pub pools: Vec<Mempool>,
    /// Ends of the engines.
    pub handles: Vec<Handle<()>>,
}

/// The queues of one lcore, in the order in which it polls them.
#[must_use]
pub fn queues_of(plan: &Plan, lcore: LcoreId) -> Vec<Poll> {
    plan.polls
        .iter()
        .copied()
        .filter(|poll| poll.lcore == lcore)
        .collect()
}

impl Crew {
    /// Makes pools, opens ports, builds one engine per polling lcore.
    ///
    /// # Errors
    /// See [`GatherError`]; what was opened is closed again.
    pub fn gather(
        eal: &Eal,
        options: &Options,
        infos: &[Info],
        plan: &Plan,
        shared: &SharedTables,
        time: Time,
        readers: Vec<Reader<Distribution>>,
    ) -> Result<Self, GatherError> {
        let lcores = plan.lcores();
        let pools = pools(eal, options, infos, plan)?;
        let pool_of =
            |socket: Option<SocketId>| pools.get(&socket).or_else(|| pools.values().next());
        let mut ports = Vec::new();
        let mut rx: BTreeMap<(PortId, u16), RxQueue> = BTreeMap::new();
        let mut tx: Vec<Vec<TxQueue>> = Vec::new();
        for info in infos {
            let Some(mempool) = pool_of(info.socket).cloned() else {
                continue;
            };
            let settings = Settings {
                rx_queues: plan.rx_queues(info.id),
                tx_queues: u16::try_from(lcores.len()).unwrap_or(u16::MAX),
                rx_descriptors: DESCRIPTORS,
                tx_descriptors: DESCRIPTORS,
                mtu: None,
                mempool,
            };
            let (port, rx_queues, tx_queues) = Port::open(eal, info.id, &settings)
                .map_err(|error| refused(error, settings.mempool.capacity()))?;
            rx.extend(
                rx_queues
                    .into_iter()
                    .map(|queue| ((queue.port(), queue.queue().0), queue)),
            );
            tx.push(tx_queues);
            ports.push(port);
        }
        let mut engines = Vec::new();
        for (lane, (&lcore, reader)) in lcores.iter().zip(readers).enumerate() {
            let polls = queues_of(plan, lcore);
            let lanes = shared.lanes(lane).ok_or(GatherError::NoLane(lcore))?;
            let pool = pool_of(eal.socket_of(lcore))
                .cloned()
                .ok_or(GatherError::NoLane(lcore))?;
            let filter = Arc::new(LcoreCounters::default());
            let outboxes = outboxes(&mut tx);
            let sent = outboxes.iter().map(|_| Sent::default()).collect();
            let counters = Arc::new(EngineCounters::new(sent));
            let worker = Worker {
                lcore,
                queues: polls
                    .iter()
                    .map(|poll| format!("{}:{}", poll.port, poll.queue))
                    .collect(),
                filter: Arc::clone(&filter),
                engine: Arc::clone(&counters),
            };
            let engine = Engine {
                inbox: polls
                    .iter()
                    .filter_map(|poll| rx.remove(&(poll.port, poll.queue.0)))
                    .collect(),
                outboxes,
                exchange: Vec::new(),
                filter: Filter::new(Arc::clone(&shared.tables), lanes, filter)
                    .with_first_turn(lane as u64),
                distributions: reader,
                pool,
                time,
                counters,
                tends_neighbors: lane == 0,
                kept_millis: 0,
                busy_since: None,
            };
            engines.push((worker, engine));
        }
        Ok(Self {
            ports,
            pools: pools.into_values().collect(),
            engines,
        })
    }

    /// Opens the exception path: what is for the control processor goes into these rings.
    ///
    /// # Errors
    /// No memory for the rings, most likely.
    pub fn connect(&mut self, eal: &Eal) -> Result<Exchange, RingError> {
        let polls = self.engines.iter().flat_map(|(worker, engine)| {
            let ports: BTreeSet<_> = engine.inbox.iter().map(RxQueue::port).collect();
            ports.into_iter().map(|port| (worker.lcore, port))
        });
        let mut exchange = Exchange::new(eal, polls)?;
        for (worker, engine) in &mut self.engines {
            engine.exchange = exchange.take_worker(worker.lcore);
            engine.filter.open_exception_path();
        }
        Ok(exchange)
    }

    /// Sets every engine to work on its lcore.
    ///
    /// # Errors
    /// A lcore that does not take work; those already launched have ended then, and `stop` is set.
    pub fn launch(self, eal: &Eal, stop: &Arc<AtomicBool>) -> Result<Launched, LaunchError> {
        let mut workers = Vec::new();
        let mut handles: Vec<Handle<()>> = Vec::new();
        for (worker, engine) in self.engines {
            let told = Arc::clone(stop);
            match lcore::launch(eal, worker.lcore, move || engine.run(&told)) {
                Ok(handle) => handles.push(handle),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    // How they ended is of no interest any more.
                    handles.into_iter().for_each(|handle| drop(handle.join()));
                    return Err(error);
                }
            }
            workers.push(worker);
        }
        Ok(Launched {
            ports: self.ports,
            workers,
            pools: self.pools,
            handles,
        })
    }
}

fn refused(error: OpenError, mbufs: u32) -> GatherError {
    match &error {
        OpenError::Refused(Refused {
            call: Call::RxQueue(_),
            ..
        }) => GatherError::RxQueue { error, mbufs },
        _ => GatherError::Port(error),
    }
}

/// One outbox per port for the next lcore, by port number.
fn outboxes(tx: &mut [Vec<TxQueue>]) -> Vec<Option<Outbox>> {
    let mut by_number: Vec<Option<Outbox>> = Vec::new();
    for queues in tx {
        if queues.is_empty() {
            continue;
        }
        let outbox = Outbox::new(queues.remove(0));
        let at = usize::from(outbox.port().0);
        if by_number.len() <= at {
            by_number.resize_with(at + 1, || None);
        }
        if let Some(place) = by_number.get_mut(at) {
            *place = Some(outbox);
        }
    }
    by_number
}

/// A pool on every NUMA node that a port is on. Ports that are on none, as virtual devices are, use the
/// first of them, or one pool that lies anywhere.
fn pools(
    eal: &Eal,
    options: &Options,
    infos: &[Info],
    plan: &Plan,
) -> Result<BTreeMap<Option<SocketId>, Mempool>, CreateError> {
    let in_rings = match options.exception {
        Way::None => 0,
        _ => ring_ends(plan).saturating_mul(exchange::HELD),
    };
    let count = options
        .mbufs
        .unwrap_or_else(|| mbufs(infos, plan, in_rings));
    // A cache may hold half as much again before it gives back, also the main lcore's, which fills it when
    // ports are set up: all of them together must leave half of the pool to everybody.
    let lcores = 1 + u32::try_from(plan.lcores().len()).unwrap_or(u32::MAX / 4);
    let mut nodes: BTreeSet<_> = infos.iter().map(|info| info.socket).collect();
    if nodes.len() > 1 {
        nodes.remove(&None);
    }
    let pool = |socket: Option<SocketId>| {
        let name = match socket {
            Some(node) => format!("mbufs_{node}"),
            None => "mbufs".to_owned(),
        };
        let settings = mempool::Settings {
            count,
            cache: CACHE.min(count / (3 * lcores)),
            socket,
            ..mempool::Settings::default()
        };
        Ok((socket, Mempool::create(eal, &name, settings)?))
    };
    nodes.into_iter().map(pool).collect()
}

/// Pairs of a lcore and a port that it polls.
fn ring_ends(plan: &Plan) -> u32 {
    let pairs: BTreeSet<_> = plan
        .polls
        .iter()
        .map(|poll| (poll.lcore, poll.port))
        .collect();
    u32::try_from(pairs.len()).unwrap_or(u32::MAX)
}

/// Mbufs that all queues, caches and lcores can hold at once, and `more`; 2^n − 1, as pools like it.
fn mbufs(infos: &[Info], plan: &Plan, more: u32) -> u32 {
    let lcores = u32::try_from(plan.lcores().len()).unwrap_or(u32::MAX);
    let queues: u32 = infos
        .iter()
        .map(|info| u32::from(plan.rx_queues(info.id)) + lcores)
        .sum();
    let needed = queues
        .saturating_mul(u32::from(DESCRIPTORS))
        .saturating_add(lcores.saturating_mul(PER_LCORE + CACHE))
        .saturating_add(more);
    let power = needed
        .saturating_add(1)
        .checked_next_power_of_two()
        .unwrap_or(1 << 31);
    FEWEST.max(power - 1)
}
