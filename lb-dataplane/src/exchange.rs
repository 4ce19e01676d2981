//! Exchange: rings between the worker lcores and the control processor.
//!
//! WO 00/30294: storage area 68, Figs. 8 and 9; claims 1–3, 13, 14. Punted frames go up, the kernel's frames come
//! down, and frames that the interface daemon is done with go home to the lcore that sent them.
//! Each pair of a lcore and a port has rings of its own, and each ring has one sender and one receiver: nobody ever
//! waits for anybody who was preempted, and a flood on one port leaves the others alone. Control traffic has a
//! ring apart from the rest.
//! Not here: what is punted, and how much (`lb_core::filter::punt`); the kernel's device (`interface_daemon`).
//! Easy to get wrong: the daemon's thread can be preempted at any moment, also inside a pool's ring, where worker
//! lcores would then spin. So it never frees a frame of theirs (it goes home), and takes those that it makes from
//! a pool of its own.

use lb_core::filter::Class;
use lb_core::id::PortId;
use lb_core::shared::Counter;

use crate::dpdk::burst::Burst;
use crate::dpdk::eal::Eal;
use crate::dpdk::lcore::LcoreId;
use crate::dpdk::mbuf::Mbuf;
use crate::dpdk::ring::{self, Receiver, RingError, SoleSender};

/// Frames of control traffic that wait for the daemon, per lcore and port.
pub const CONTROL: u32 = 512;
/// Other frames that wait for it. At the rate limit of their class that is 8 ms; the daemon sleeps 3 ms at most, and
/// waits for its CPU at times, since programs that it brings frames to run there too.
pub const BULK: u32 = 4096;
/// Frames of the kernel's that wait for a lcore, per port.
pub const DOWN: u32 = 512;
/// Frames on their way home: all that can be up at once, and a burst in the daemon's hand.
const HOME: u32 = CONTROL + BULK + 32;

/// Mbufs of the worker lcores' pools that the rings of one lcore and port can hold.
pub const HELD: u32 = HOME;

/// The ends of one port that a worker lcore has.
#[derive(Debug)]
pub struct WorkerEnd {
    port: PortId,
    control: SoleSender,
    bulk: SoleSender,
    home: Receiver,
    /// With the first lcore that polls the port: one lcore sends all, so that their order is kept.
    down: Option<Receiver>,
}

/// The ends of one port and lcore that the interface daemon has.
#[derive(Debug)]
pub struct DaemonEnd {
    /// Port on which the frames came in.
    pub port: PortId,
    control: Receiver,
    bulk: Receiver,
    home: SoleSender,
}

/// The daemon's end of the way down to one port.
#[derive(Debug)]
pub struct Down {
    /// Port on which the frames will leave.
    pub port: PortId,
    ring: SoleSender,
}

/// All ends.
#[derive(Debug, Default)]
pub struct Exchange {
    /// For the worker lcores.
    pub workers: Vec<(LcoreId, WorkerEnd)>,
    /// For the daemon, upwards.
    pub ups: Vec<DaemonEnd>,
    /// For the daemon, downwards.
    pub downs: Vec<Down>,
}

impl Exchange {
    /// Makes the rings for these polls: who takes frames from which port, each pair once.
    ///
    /// # Errors
    /// No memory, most likely.
    pub fn new(
        eal: &Eal,
        polls: impl IntoIterator<Item = (LcoreId, PortId)>,
    ) -> Result<Self, RingError> {
        let mut all = Self::default();
        for (lcore, port) in polls {
            let node = eal.socket_of(lcore);
            let ring = |what: &str, capacity| {
                ring::single(eal, &format!("lb_{what}_{lcore}_{port}"), capacity, node)
            };
            let (control_up, control) = ring("control", CONTROL)?;
            let (bulk_up, bulk) = ring("bulk", BULK)?;
            let (home, home_end) = ring("home", HOME)?;
            let down = if all.downs.iter().any(|down| down.port == port) {
                None
            } else {
                let (ring, end) = ring("down", DOWN)?;
                all.downs.push(Down { port, ring });
                Some(end)
            };
            let worker = WorkerEnd {
                port,
                control: control_up,
                bulk: bulk_up,
                home: home_end,
                down,
            };
            all.workers.push((lcore, worker));
            all.ups.push(DaemonEnd {
                port,
                control,
                bulk,
                home,
            });
        }
        Ok(all)
    }

    /// Takes the ends of one worker lcore out.
    pub fn take_worker(&mut self, lcore: LcoreId) -> Vec<WorkerEnd> {
        let (its, others) = std::mem::take(&mut self.workers)
            .into_iter()
            .partition(|&(of, _)| of == lcore);
        self.workers = others;
        its.into_iter()
            .map(|(_, end): (_, WorkerEnd)| end)
            .collect()
    }
}

/// Frames of one burst for the control processor.
#[derive(Debug, Default)]
pub struct Punted {
    control: Burst,
    bulk: Burst,
}

impl Punted {
    /// Adds a frame; one burst has no more frames than there is room for.
    #[inline]
    pub fn push(&mut self, class: Class, mbuf: Mbuf) {
        let burst = if class.is_control() {
            &mut self.control
        } else {
            &mut self.bulk
        };
        drop(burst.push(mbuf));
    }

    /// Frees all, and says how many they were.
    pub fn clear(&mut self) -> usize {
        let count = self.control.len() + self.bulk.len();
        self.control.clear();
        self.bulk.clear();
        count
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.bulk.is_empty()
    }
}

impl WorkerEnd {
    /// The port whose frames it carries.
    #[inline]
    #[must_use]
    pub fn port(&self) -> PortId {
        self.port
    }

    /// Sends frames up; how many found no place, and were freed.
    pub fn send_up(&mut self, punted: &mut Punted) -> usize {
        self.control.send(&mut punted.control);
        self.bulk.send(&mut punted.bulk);
        punted.clear()
    }

    /// Frees what came home, and takes frames that are to leave on the port: a burst of each at most.
    #[inline]
    pub fn take(&mut self, down: &mut Burst) -> usize {
        if !self.home.is_empty() {
            let mut home = Burst::new();
            self.home.receive(&mut home);
            home.clear();
        }
        match &mut self.down {
            Some(ring) if !ring.is_empty() => ring.receive(down),
            _ => 0,
        }
    }
}

impl DaemonEnd {
    /// Takes frames of control traffic.
    pub fn take_control(&mut self, burst: &mut Burst) -> usize {
        self.control.receive(burst)
    }

    /// Takes other frames.
    pub fn take_bulk(&mut self, burst: &mut Burst) -> usize {
        self.bulk.receive(burst)
    }

    /// Gives frames back to their lcore. None is left.
    pub fn send_home(&mut self, burst: &mut Burst) {
        self.home.send(burst);
        // The ring holds as many as can be under way. Were it full, freeing them here would still be right.
        burst.clear();
    }
}

impl Down {
    /// Sends frames on their way down, as many as there is room for; the others stay in the burst.
    pub fn send(&mut self, burst: &mut Burst) -> usize {
        self.ring.send(burst)
    }
}

/// What went between one port and the kernel, counted by the daemon.
#[derive(Debug, Default)]
pub struct KernelCounters {
    /// Frames that the kernel took.
    pub up: Counter,
    /// Frames that it did not take: its device is down, or there is none.
    pub up_dropped: Counter,
    /// Frames of the kernel's that were sent on their way to the port.
    pub down: Counter,
    /// Frames of the kernel's that were lost: longer than the port's frames, or there was no mbuf.
    pub down_dropped: Counter,
}
