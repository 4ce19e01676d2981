//! The report: all counters as JSON, for tests and for people who want figures after a run.
//!
//! No counterpart in the patent. Keys are those of design section 6 and `docs/counters.md`.
//! Easy to get wrong: `verdicts` and `drops` are the filter's, `ports` mostly the drivers'; a frame that
//! was forwarded but that its port did not take stands in both, as forwarded and as `tx_dropped`.

use std::collections::BTreeMap;

use lb_core::config::Distribution;
use lb_core::filter::{LcoreCounters, Reason, Tables};
use serde::Serialize;

use crate::dpdk::lcore::LcoreId;
use crate::dpdk::port::Stats;
use crate::engine::EngineCounters;
use crate::interface_daemon::Counters;

/// What a worker lcore has counted.
pub struct LcoreFigures<'a> {
    /// Which lcore.
    pub lcore: LcoreId,
    /// Receive queues that it polls, as `port:queue`.
    pub queues: Vec<String>,
    /// The filter's.
    pub filter: &'a LcoreCounters,
    /// The engine's.
    pub engine: &'a EngineCounters,
}

/// Everything a report is made of.
pub struct Figures<'a> {
    /// Seconds from the first turn to the last.
    pub seconds: f64,
    /// Port number and its driver's counters.
    pub ports: Vec<(u16, Stats)>,
    /// Worker lcores that polled.
    pub lcores: Vec<LcoreFigures<'a>>,
    /// The distribution at the end.
    pub distribution: &'a Distribution,
    /// The tables at the end.
    pub tables: &'a Tables,
    /// What went between ports and the kernel.
    pub kernel: &'a Counters,
}

/// The report as it is written.
#[derive(Debug, Serialize)]
pub struct Report {
    seconds: f64,
    ports: Vec<PortReport>,
    lcores: Vec<LcoreReport>,
    services: Vec<ServiceReport>,
    connections: ConnectionsReport,
    received: u64,
    verdicts: BTreeMap<&'static str, u64>,
    drops: BTreeMap<&'static str, u64>,
    solicitations: u64,
    kernel: Vec<KernelReport>,
}

#[derive(Debug, Serialize)]
struct KernelReport {
    port: u16,
    up: u64,
    up_dropped: u64,
    down: u64,
    down_dropped: u64,
}

#[derive(Debug, Serialize)]
struct PortReport {
    port: u16,
    rx_packets: u64,
    rx_bytes: u64,
    rx_missed: u64,
    rx_no_mbuf: u64,
    tx_packets: u64,
    tx_bytes: u64,
    tx_dropped: u64,
}

#[derive(Debug, Serialize)]
struct LcoreReport {
    lcore: u32,
    queues: Vec<String>,
    received: u64,
    received_bytes: u64,
    turns: u64,
    idle_turns: u64,
    no_mbuf: u64,
    injected: u64,
}

#[derive(Debug, Serialize)]
struct ServiceReport {
    name: String,
    address: String,
    port: u16,
    protocol: &'static str,
    packets: u64,
    bytes: u64,
    connections_opened: u64,
    connections_live: u32,
    backends: Vec<BackendReport>,
}

#[derive(Debug, Serialize)]
struct BackendReport {
    name: String,
    address: String,
    port: u16,
    connections_live: u32,
}

#[derive(Debug, Serialize)]
struct ConnectionsReport {
    ipv4: u64,
    ipv6: u64,
    capacity: u32,
}

impl Report {
    /// Sums the lcores' counters.
    #[must_use]
    pub fn of(figures: &Figures<'_>) -> Self {
        let sum = |of: fn(&LcoreCounters) -> u64| {
            figures.lcores.iter().map(|l| of(l.filter)).sum::<u64>()
        };
        let drops: BTreeMap<_, _> = Reason::ALL
            .iter()
            .map(|&reason| {
                (
                    reason.name(),
                    figures
                        .lcores
                        .iter()
                        .map(|l| l.filter.dropped(reason))
                        .sum::<u64>(),
                )
            })
            .filter(|&(_, count)| count != 0)
            .collect();
        Self {
            seconds: figures.seconds,
            ports: figures
                .ports
                .iter()
                .map(|(port, stats)| port_report(figures, *port, stats))
                .collect(),
            lcores: figures.lcores.iter().map(lcore_report).collect(),
            services: service_reports(figures),
            connections: ConnectionsReport {
                ipv4: figures.tables.v4.len(),
                ipv6: figures.tables.v6.len(),
                capacity: figures.tables.v4.capacity(),
            },
            received: sum(|counters| counters.received.value()),
            verdicts: BTreeMap::from([
                ("forwarded", sum(|counters| counters.forwarded.value())),
                ("replied", sum(|counters| counters.replied.value())),
                ("punted", sum(|counters| counters.punted.value())),
                ("apps", sum(|counters| counters.apps.value())),
                ("dropped", sum(LcoreCounters::dropped_in_all)),
            ]),
            drops,
            solicitations: sum(|counters| counters.solicitations.value()),
            kernel: figures
                .kernel
                .iter()
                .map(|(port, counters)| KernelReport {
                    port: port.0,
                    up: counters.up.value(),
                    up_dropped: counters.up_dropped.value(),
                    down: counters.down.value(),
                    down_dropped: counters.down_dropped.value(),
                })
                .collect(),
        }
    }

    /// Whether every received packet has exactly one verdict.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.received == self.verdicts.values().sum::<u64>()
    }
}

fn port_report(figures: &Figures<'_>, port: u16, stats: &Stats) -> PortReport {
    let dropped = |lcore: &LcoreFigures<'_>| {
        lcore
            .engine
            .sent
            .get(usize::from(port))
            .map_or(0, |sent| sent.dropped.value())
    };
    PortReport {
        port,
        rx_packets: stats.rx_packets,
        rx_bytes: stats.rx_bytes,
        rx_missed: stats.rx_missed,
        rx_no_mbuf: stats.rx_no_mbuf,
        tx_packets: stats.tx_packets,
        tx_bytes: stats.tx_bytes,
        tx_dropped: figures.lcores.iter().map(dropped).sum(),
    }
}

fn lcore_report(lcore: &LcoreFigures<'_>) -> LcoreReport {
    LcoreReport {
        lcore: lcore.lcore.0,
        queues: lcore.queues.clone(),
        received: lcore.filter.received.value(),
        received_bytes: lcore.engine.octets.value(),
        turns: lcore.engine.turns.value(),
        idle_turns: lcore.engine.idle_turns.value(),
        no_mbuf: lcore.engine.no_mbuf.value(),
        injected: lcore.engine.injected.value(),
    }
}

fn service_reports(figures: &Figures<'_>) -> Vec<ServiceReport> {
    let live = figures.tables.v4.live();
    let sum = |slot, of: fn(&lb_core::filter::counters::ServiceCounters) -> u64| {
        figures
            .lcores
            .iter()
            .filter_map(|l| l.filter.service(slot))
            .map(of)
            .sum::<u64>()
    };
    let services = figures.distribution.services().iter();
    services
        .map(|service| ServiceReport {
            name: service.name.clone(),
            address: service.address.to_string(),
            port: service.port,
            protocol: match service.protocol {
                lb_core::flow::Protocol::Tcp => "tcp",
                lb_core::flow::Protocol::Udp => "udp",
            },
            packets: sum(service.slot, |counters| counters.packets.value()),
            bytes: sum(service.slot, |counters| counters.octets.value()),
            connections_opened: sum(service.slot, |counters| counters.connections.value()),
            connections_live: live.service(service.slot),
            backends: service
                .backends
                .iter()
                .filter_map(|&slot| {
                    let backend = figures.distribution.backend(slot)?;
                    Some(BackendReport {
                        name: backend.name.clone(),
                        address: backend.address.to_string(),
                        port: backend.port,
                        connections_live: live.backend(slot),
                    })
                })
                .collect(),
        })
        .collect()
}
