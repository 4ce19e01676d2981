//! Placement: which worker lcore polls which receive queue.
//!
//! No counterpart in the patent, which gives every switching processor its own interfaces. Pure: from what
//! the devices can do and which lcores there are, to a list; so the door where users of other balancers
//! leave, hand-written core and queue maps, is one option that is seldom needed.
//! Easy to get wrong: each polling lcore needs a transmit queue of its own on *every* port, so the port with
//! the fewest of those bounds how many lcores can poll at all.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use lb_core::id::{PortId, QueueId};

use crate::dpdk::lcore::LcoreId;

/// One line of the plan: this lcore polls this queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Port.
    pub port: PortId,
    /// Its receive queue.
    pub queue: QueueId,
    /// The worker lcore that polls it.
    pub lcore: LcoreId,
}

/// What placement needs to know of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFacts {
    /// Its number.
    pub id: PortId,
    /// Driver, such as `net_pcap`.
    pub driver: String,
    /// Receive queues that the driver can have.
    pub max_rx_queues: u16,
    /// Transmit queues that the driver can have.
    pub max_tx_queues: u16,
    /// Whether the device spreads flows over receive queues.
    pub spreads: bool,
}

/// Who polls what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Every receive queue, exactly once.
    pub polls: Vec<Poll>,
    /// Worker lcores without a queue: they sleep.
    pub asleep: Vec<LcoreId>,
    /// Why lcores sleep, where it is not for want of queues.
    pub remark: Option<String>,
}

impl Plan {
    /// Lcores that poll, in the order of their first queue.
    #[must_use]
    pub fn lcores(&self) -> Vec<LcoreId> {
        let mut lcores = Vec::new();
        for poll in &self.polls {
            if !lcores.contains(&poll.lcore) {
                lcores.push(poll.lcore);
            }
        }
        lcores
    }

    /// Receive queues of a port.
    #[must_use]
    pub fn rx_queues(&self, port: PortId) -> u16 {
        let of_port = self.polls.iter().filter(|poll| poll.port == port);
        of_port
            .map(|poll| poll.queue.0.saturating_add(1))
            .max()
            .unwrap_or(0)
    }
}

/// Why queues cannot be placed; the message says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// Nobody could poll.
    #[error(
        "no worker lcore: the first lcore is the main one and polls nothing; name at least two, \
         such as -l 0,1, or --lcores '0@0,1@0' on a single CPU"
    )]
    NoWorker,
    /// A device without receive queues.
    #[error("port {0} ({1}) has no receive queue, or no transmit queue")]
    NoQueue(PortId, String),
    /// `--rx` names a port that is not driven.
    #[error("--rx names port {port}, which is not among --ports {present}")]
    UnknownPort {
        /// The port named.
        port: PortId,
        /// Ports that are driven.
        present: String,
    },
    /// `--rx` names a lcore that is no worker.
    #[error("--rx names lcore {lcore}, which is no worker lcore; workers are {workers}")]
    UnknownLcore {
        /// The lcore named.
        lcore: LcoreId,
        /// Lcores that could poll.
        workers: String,
    },
    /// `--rx` names a queue twice.
    #[error("--rx gives port {0} queue {1} to two lcores; a queue has exactly one")]
    Twice(PortId, QueueId),
    /// `--rx` leaves a queue out.
    #[error("--rx gives port {port} queues up to {last}, but queue {missing} to nobody")]
    LeftOut {
        /// The port.
        port: PortId,
        /// Highest queue named.
        last: QueueId,
        /// First queue that nobody polls.
        missing: QueueId,
    },
    /// `--rx` leaves a port out.
    #[error("--rx names no queue of port {0}; name one, or leave the port out of --ports")]
    PortLeftOut(PortId),
    /// More queues than the device has.
    #[error("--rx wants {wanted} receive queues on port {port} ({driver}), which has {most}")]
    TooManyQueues {
        /// The port.
        port: PortId,
        /// Its driver.
        driver: String,
        /// Queues, from 0 to the highest named.
        wanted: u32,
        /// Queues that the device has.
        most: u16,
    },
    /// More polling lcores than a port has transmit queues.
    #[error(
        "--rx lets {lcores} lcores poll, but port {port} ({driver}) has only {most} transmit queues, one per lcore"
    )]
    TooManyLcores {
        /// Polling lcores.
        lcores: usize,
        /// The port.
        port: PortId,
        /// Its driver.
        driver: String,
        /// Its transmit queues.
        most: u16,
    },
}

/// Drivers whose receive queues are separate sources: all of them must be polled, whatever spreads flows.
const SEPARATE_QUEUES: [&str; 3] = ["net_pcap", "net_ring", "net_af_packet"];

/// Deals the queues of all ports out over the worker lcores.
///
/// # Errors
/// See [`Misplaced`].
pub fn deal(ports: &[PortFacts], workers: &[LcoreId]) -> Result<Plan, Misplaced> {
    if workers.is_empty() {
        return Err(Misplaced::NoWorker);
    }
    for port in ports {
        if port.max_rx_queues == 0 || port.max_tx_queues == 0 {
            return Err(Misplaced::NoQueue(port.id, port.driver.clone()));
        }
    }
    let tightest = ports.iter().min_by_key(|port| port.max_tx_queues);
    let most = tightest.map_or(workers.len(), |port| usize::from(port.max_tx_queues));
    let able = workers.get(..most.min(workers.len())).unwrap_or(workers);
    let mut load: BTreeMap<usize, usize> = (0..able.len()).map(|at| (at, 0)).collect();
    let mut polls = Vec::new();
    for port in ports {
        for queue in 0..rx_queues(port, able.len()) {
            let at = load
                .iter()
                .min_by_key(|&(at, queues)| (*queues, *at))
                .map_or(0, |(at, _)| *at);
            *load.entry(at).or_default() += 1;
            let Some(&lcore) = able.get(at) else {
                return Err(Misplaced::NoWorker);
            };
            polls.push(Poll {
                port: port.id,
                queue: QueueId(queue),
                lcore,
            });
        }
    }
    let mut plan = Plan {
        polls,
        asleep: Vec::new(),
        remark: None,
    };
    plan.asleep = resting(&plan, workers);
    if let Some(port) = tightest.filter(|_| able.len() < workers.len()) {
        plan.remark = Some(format!(
            "port {} ({}) has {} transmit queue(s), one per polling lcore, so {} of {} worker lcores can poll",
            port.id,
            port.driver,
            port.max_tx_queues,
            able.len(),
            workers.len()
        ));
    }
    Ok(plan)
}

fn rx_queues(port: &PortFacts, lcores: usize) -> u16 {
    if SEPARATE_QUEUES.contains(&port.driver.as_str()) {
        port.max_rx_queues
    } else if port.spreads {
        port.max_rx_queues
            .min(u16::try_from(lcores).unwrap_or(u16::MAX))
    } else {
        1
    }
}

fn resting(plan: &Plan, workers: &[LcoreId]) -> Vec<LcoreId> {
    let polling = plan.lcores();
    workers
        .iter()
        .copied()
        .filter(|lcore| !polling.contains(lcore))
        .collect()
}

/// Checks a plan that the user wrote.
///
/// # Errors
/// See [`Misplaced`].
pub fn check(
    wanted: &RxOption,
    ports: &[PortFacts],
    workers: &[LcoreId],
) -> Result<Plan, Misplaced> {
    let mut queues: BTreeMap<PortId, Vec<QueueId>> = BTreeMap::new();
    for poll in &wanted.0 {
        if !workers.contains(&poll.lcore) {
            return Err(Misplaced::UnknownLcore {
                lcore: poll.lcore,
                workers: list(workers.iter().map(|l| l.0)),
            });
        }
        if !ports.iter().any(|port| port.id == poll.port) {
            return Err(Misplaced::UnknownPort {
                port: poll.port,
                present: list(ports.iter().map(|p| p.id.0)),
            });
        }
        let of_port = queues.entry(poll.port).or_default();
        if of_port.contains(&poll.queue) {
            return Err(Misplaced::Twice(poll.port, poll.queue));
        }
        of_port.push(poll.queue);
    }
    let plan = Plan {
        polls: wanted.0.clone(),
        asleep: Vec::new(),
        remark: None,
    };
    let lcores = plan.lcores().len();
    for port in ports {
        let named = queues
            .get(&port.id)
            .ok_or(Misplaced::PortLeftOut(port.id))?;
        let driver = port.driver.clone();
        let wanted = named.iter().map(|queue| u32::from(queue.0) + 1).max();
        if let Some(wanted) = wanted.filter(|&wanted| wanted > port.max_rx_queues.into()) {
            return Err(Misplaced::TooManyQueues {
                port: port.id,
                driver,
                wanted,
                most: port.max_rx_queues,
            });
        }
        let wanted = plan.rx_queues(port.id);
        if let Some(missing) = (0..wanted)
            .map(QueueId)
            .find(|queue| !named.contains(queue))
        {
            return Err(Misplaced::LeftOut {
                port: port.id,
                last: QueueId(wanted - 1),
                missing,
            });
        }
        if lcores > usize::from(port.max_tx_queues) {
            return Err(Misplaced::TooManyLcores {
                lcores,
                port: port.id,
                driver,
                most: port.max_tx_queues,
            });
        }
    }
    Ok(Plan {
        asleep: resting(&plan, workers),
        ..plan
    })
}

fn list(numbers: impl Iterator<Item = impl fmt::Display>) -> String {
    numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(",")
}

/// Value of `--rx`: `(port,queue,lcore),...`, the notation of DPDK's l3fwd example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RxOption(pub Vec<Poll>);

/// A value of `--rx` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected (port,queue,lcore),(port,queue,lcore),... such as (0,0,1),(1,0,1)")]
pub struct BadRx;

impl FromStr for RxOption {
    type Err = BadRx;

    fn from_str(text: &str) -> Result<Self, BadRx> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let inner = text
            .strip_prefix('(')
            .and_then(|t| t.strip_suffix(')'))
            .ok_or(BadRx)?;
        let polls = inner.split("),(").map(|triple| {
            let mut numbers = triple
                .split(',')
                .map(|n| n.parse::<u16>().map_err(|_| BadRx));
            let (Some(port), Some(queue), Some(lcore), None) = (
                numbers.next(),
                numbers.next(),
                numbers.next(),
                numbers.next(),
            ) else {
                return Err(BadRx);
            };
            Ok(Poll {
                port: PortId(port?),
                queue: QueueId(queue?),
                lcore: LcoreId(u32::from(lcore?)),
            })
        });
        polls.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(id: u16, driver: &str, rx: u16, tx: u16, spreads: bool) -> PortFacts {
        PortFacts {
            id: PortId(id),
            driver: driver.into(),
            max_rx_queues: rx,
            max_tx_queues: tx,
            spreads,
        }
    }

    fn lcores(ids: std::ops::RangeInclusive<u32>) -> Vec<LcoreId> {
        ids.map(LcoreId).collect()
    }

    fn rx(text: &str) -> RxOption {
        text.parse().unwrap()
    }

    #[test]
    fn one_worker_polls_everything() {
        let ports = [
            port(0, "net_pcap", 1, 1, false),
            port(1, "net_pcap", 1, 1, false),
        ];
        let plan = deal(&ports, &lcores(1..=1)).unwrap();
        assert_eq!(plan.polls.len(), 2);
        assert!(plan.asleep.is_empty() && plan.remark.is_none());
    }

    #[test]
    fn a_nic_that_spreads_flows_gets_a_queue_per_worker() {
        let ports = [
            port(0, "net_ixgbe", 64, 64, true),
            port(1, "net_ixgbe", 64, 64, true),
        ];
        let plan = deal(&ports, &lcores(1..=3)).unwrap();
        assert_eq!(
            (plan.rx_queues(PortId(0)), plan.rx_queues(PortId(1))),
            (3, 3)
        );
        for lcore in lcores(1..=3) {
            assert_eq!(
                plan.polls.iter().filter(|poll| poll.lcore == lcore).count(),
                2
            );
        }
    }

    #[test]
    fn three_ports_of_one_queue_keep_three_of_seven_workers_awake() {
        let ports: Vec<_> = (0..3)
            .map(|id| port(id, "net_tap", 16, 16, false))
            .collect();
        let plan = deal(&ports, &lcores(1..=7)).unwrap();
        assert_eq!(plan.lcores(), lcores(1..=3));
        assert_eq!(plan.asleep, lcores(4..=7));
    }

    #[test]
    fn a_port_with_one_transmit_queue_lets_one_lcore_poll_and_says_so() {
        let ports = [
            port(0, "net_af_packet", 1, 1, false),
            port(1, "net_af_packet", 1, 1, false),
        ];
        let plan = deal(&ports, &lcores(1..=3)).unwrap();
        assert_eq!(plan.lcores(), lcores(1..=1));
        assert!(plan.remark.unwrap().contains("1 of 3 worker lcores"));
    }

    #[test]
    fn every_file_of_a_pcap_port_is_polled() {
        let plan = deal(&[port(0, "net_pcap", 4, 4, false)], &lcores(1..=2)).unwrap();
        assert_eq!(plan.rx_queues(PortId(0)), 4);
    }

    #[test]
    fn a_memif_port_offers_its_peer_one_queue_of_the_256_that_it_could_have() {
        let plan = deal(&[port(0, "net_memif", 256, 256, false)], &lcores(1..=2)).unwrap();
        assert_eq!(plan.rx_queues(PortId(0)), 1);
    }

    #[test]
    fn no_worker_lcore_is_refused_with_the_cure() {
        let refused = deal(&[port(0, "net_null", 1, 1, true)], &[]).unwrap_err();
        assert!(refused.to_string().contains("-l 0,1"));
    }

    #[test]
    fn a_written_plan_is_taken_as_it_stands() {
        let ports = [
            port(0, "net_null", 4, 4, true),
            port(1, "net_null", 4, 4, true),
        ];
        let plan = check(&rx("(0,0,1), (0,1,2),(1,0,2)"), &ports, &lcores(1..=3)).unwrap();
        assert_eq!(plan.rx_queues(PortId(0)), 2);
        assert_eq!(plan.asleep, vec![LcoreId(3)]);
    }

    #[test]
    fn a_written_plan_with_a_hole_a_double_or_a_stranger_is_refused() {
        let ports = [port(0, "net_null", 4, 1, true)];
        let workers = lcores(1..=2);
        let refused = |text: &str| check(&rx(text), &ports, &workers).unwrap_err();
        assert!(matches!(
            refused("(0,1,1)"),
            Misplaced::LeftOut {
                missing: QueueId(0),
                ..
            }
        ));
        assert!(matches!(refused("(0,0,1),(0,0,2)"), Misplaced::Twice(..)));
        assert!(matches!(
            refused("(0,65535,1)"),
            Misplaced::TooManyQueues { wanted: 65536, .. }
        ));
        assert!(matches!(refused("(0,0,9)"), Misplaced::UnknownLcore { .. }));
        assert!(matches!(refused("(7,0,1)"), Misplaced::UnknownPort { .. }));
        assert!(matches!(
            refused("(0,0,1),(0,1,2)"),
            Misplaced::TooManyLcores { .. }
        ));
    }

    #[test]
    fn what_is_no_list_of_triples_is_refused() {
        for text in ["", "0,0,1", "(0,0)", "(0,0,1", "(a,b,c)", "(0,0,1)(1,0,1)"] {
            assert_eq!(text.parse::<RxOption>(), Err(BadRx), "{text:?}");
        }
    }
}
