//! The data path as the control side sees it: figures of ports, lcores, pools and services.
//!
//! WO 00/30294, Fig. 4: what control processor 42 reads of switching processors 44 and network interfaces 37.
//! Only gathers what others count; `lb_control::switch` says what each figure means.
//! Easy to get wrong: it holds the open ports, so it must go before the EAL does.

use std::path::PathBuf;
use std::sync::Arc;

use lb_control::routing_daemon::{self, Status};
use lb_control::switch::{
    About, KernelFigures, LcoreFigures, PoolFigures, PortFigures, ServiceFigures, Switch,
};
use lb_core::filter::counters::ServiceCounters;
use lb_core::filter::{LcoreCounters, Reason, Tables};
use lb_core::id::ServiceSlot;
use lb_core::route::neighbor::Now;
use lb_core::wire::MacAddr;
use parking_lot::Mutex;

use crate::dpdk::mempool::Mempool;
use crate::dpdk::port::{Link, Port, Stats};
use crate::engine::Time;
use crate::exchange::KernelCounters;
use crate::interface_daemon::Counters;
use crate::workers::Worker;

/// Ports, lcores and pools at work.
pub struct Observed {
    /// The open ports; one thread at a time asks their drivers.
    pub ports: Mutex<Vec<Port>>,
    /// Worker lcores that poll.
    pub workers: Vec<Worker>,
    /// Pools of mbufs.
    pub pools: Vec<Mempool>,
    /// The tables in shared memory.
    pub tables: Arc<Tables>,
    /// Time.
    pub time: Time,
    /// When the program started, in seconds since 1970.
    pub started_at: u64,
    /// The word of the exception path.
    pub exception_path: &'static str,
    /// What went between ports and the kernel; empty without an exception path.
    pub kernel: Counters,
    /// What the routing daemon tells of itself; `None` without an exception path.
    pub routing: Option<Arc<Status>>,
    /// Where the region lies, if it has a name.
    pub state_directory: Option<PathBuf>,
}

impl Switch for Observed {
    fn about(&self) -> About {
        About {
            program: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            exception_path: self.exception_path.to_owned(),
            state_directory: self.state_directory.clone(),
        }
    }

    fn ports(&self) -> Vec<PortFigures> {
        let ports = self.ports.lock();
        ports.iter().map(|port| self.port(port)).collect()
    }

    fn lcores(&self) -> Vec<LcoreFigures> {
        self.workers.iter().map(lcore).collect()
    }

    fn pools(&self) -> Vec<PoolFigures> {
        let figures = |pool: &Mempool| PoolFigures {
            name: pool.name().to_owned(),
            capacity: pool.capacity(),
            in_use: pool.in_use(),
        };
        self.pools.iter().map(figures).collect()
    }

    fn service(&self, slot: ServiceSlot) -> ServiceFigures {
        let sum = |of: fn(&ServiceCounters) -> u64| {
            let counters = self.workers.iter().map(|worker| &worker.filter);
            counters
                .filter_map(|counters| counters.service(slot))
                .map(of)
                .sum()
        };
        ServiceFigures {
            packets: sum(|counters| counters.packets.value()),
            octets: sum(|counters| counters.octets.value()),
            connections: sum(|counters| counters.connections.value()),
        }
    }

    fn routing(&self) -> Option<routing_daemon::Figures> {
        self.routing.as_ref().map(|status| status.figures())
    }

    fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    fn now(&self) -> Now {
        self.time.now()
    }
}

impl Observed {
    /// A driver that does not answer has counted nothing; its link is down.
    fn port(&self, port: &Port) -> PortFigures {
        let device = port.device();
        let stats = port.stats().unwrap_or_default();
        let link = port.link().unwrap_or(Link {
            is_up: false,
            is_full_duplex: false,
            megabits: None,
        });
        let Stats {
            rx_packets,
            tx_packets,
            rx_bytes,
            tx_bytes,
            rx_missed,
            rx_errors,
            tx_errors,
            rx_no_mbuf,
        } = stats;
        PortFigures {
            port: port.id(),
            device: device.device.clone(),
            driver: device.driver.clone(),
            mac: MacAddr(device.mac),
            is_up: link.is_up,
            megabits: link.megabits,
            rx_packets,
            rx_octets: rx_bytes,
            rx_missed,
            rx_errors,
            rx_no_mbuf,
            tx_packets,
            tx_octets: tx_bytes,
            tx_errors,
            tx_dropped: self.refused_by(port),
            kernel: self.kernel.get(&port.id()).map(|counters| kernel(counters)),
        }
    }

    /// Frames that the port did not take from the lcores.
    fn refused_by(&self, port: &Port) -> u64 {
        let at = usize::from(port.id().0);
        let sent = self
            .workers
            .iter()
            .filter_map(|worker| worker.engine.sent.get(at));
        sent.map(|sent| sent.dropped.value()).sum()
    }
}

fn kernel(counters: &KernelCounters) -> KernelFigures {
    KernelFigures {
        up: counters.up.value(),
        up_dropped: counters.up_dropped.value(),
        down: counters.down.value(),
        down_dropped: counters.down_dropped.value(),
    }
}

fn lcore(worker: &Worker) -> LcoreFigures {
    let (filter, engine) = (&worker.filter, &worker.engine);
    LcoreFigures {
        lcore: worker.lcore.0,
        queues: worker.queues.clone(),
        turns: engine.turns.value(),
        idle_turns: engine.idle_turns.value(),
        busy_nanoseconds: engine.busy_nanoseconds.value(),
        polls: std::array::from_fn(|count| engine.polls.get(count).map_or(0, |c| c.value())),
        received: filter.received.value(),
        received_octets: engine.octets.value(),
        forwarded: filter.forwarded.value(),
        replied: filter.replied.value(),
        punted: filter.punted.value(),
        injected: engine.injected.value(),
        apps: filter.apps.value(),
        drops: drops(filter),
        held: filter.held.value(),
        solicitations: filter.solicitations.value(),
        no_mbuf: engine.no_mbuf.value(),
    }
}

fn drops(filter: &LcoreCounters) -> [u64; Reason::COUNT] {
    std::array::from_fn(|at| {
        Reason::ALL
            .get(at)
            .map_or(0, |&reason| filter.dropped(reason))
    })
}
