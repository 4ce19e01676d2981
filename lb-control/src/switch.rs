//! What the control side may ask of the data path: figures, and the tables to look into.
//!
//! WO 00/30294, Fig. 4: control processor 42 reads what switching processors 44 and network interfaces 37
//! have counted. The data path fills these structs from counters that it keeps anyway; nothing here makes
//! a worker lcore wait, and nothing here changes anything.
//! Not here: how the figures are shown (`view`), what is published to the lcores (`control`).
//! Easy to get wrong: figures are read while lcores count on. Sums over two figures of one answer may be off
//! by the packets of a burst.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lb_core::filter::{BURST, Reason, Tables};
use lb_core::id::{PortId, ServiceSlot};
use lb_core::route::neighbor::Now;
use lb_core::wire::MacAddr;

use crate::routing_daemon;

/// The data path, as the control side sees it.
pub trait Switch: Send + Sync {
    /// What does not change while the program runs.
    fn about(&self) -> About;
    /// The ports in use, in ascending order. May ask drivers, so it is not for every millisecond.
    fn ports(&self) -> Vec<PortFigures>;
    /// Worker lcores that poll, in ascending order.
    fn lcores(&self) -> Vec<LcoreFigures>;
    /// Pools of mbufs.
    fn pools(&self) -> Vec<PoolFigures>;
    /// One service's figures, summed over lcores; zeros for a slot that nobody has.
    fn service(&self, slot: ServiceSlot) -> ServiceFigures;
    /// The routing daemon's figures; `None` where there is no exception path.
    fn routing(&self) -> Option<routing_daemon::Figures> {
        None
    }
    /// The tables in shared memory.
    fn tables(&self) -> &Arc<Tables>;
    /// The moment now, on the clock that the tables' ticks are counted in.
    fn now(&self) -> Now;
}

/// What does not change while the program runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Name of the program.
    pub program: String,
    /// Its version.
    pub version: String,
    /// When it started, in seconds since 1970.
    pub started_at: u64,
    /// How packets for the control processor get there: `virtio-user`, `tap` or `none`.
    pub exception_path: String,
    /// Where shared memory and sockets live; `None` where the tables are this process's alone.
    pub state_directory: Option<PathBuf>,
}

/// What a port is, and what its driver and the lcores have counted since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFigures {
    /// Which port.
    pub port: PortId,
    /// Device behind it: PCI address or name of the virtual device.
    pub device: String,
    /// Driver of the device.
    pub driver: String,
    /// Its address.
    pub mac: MacAddr,
    /// Whether frames can pass.
    pub is_up: bool,
    /// Speed of the link in Mbit/s, where the driver knows it and the link is up.
    pub megabits: Option<u32>,
    /// Frames received.
    pub rx_packets: u64,
    /// Their octets, as the driver counts them.
    pub rx_octets: u64,
    /// Frames that the device dropped because its queue was full.
    pub rx_missed: u64,
    /// Frames received broken.
    pub rx_errors: u64,
    /// Times a frame had no mbuf to go to.
    pub rx_no_mbuf: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Their octets, as the driver counts them.
    pub tx_octets: u64,
    /// Frames that the device could not send.
    pub tx_errors: u64,
    /// Frames that the device did not take from the lcores: its queue was full.
    pub tx_dropped: u64,
    /// What went between the port and the kernel; `None` without an exception path.
    pub kernel: Option<KernelFigures>,
}

/// What went between one port and its kernel device since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelFigures {
    /// Frames that the kernel took.
    pub up: u64,
    /// Frames that it did not take: its device was down, or there was none.
    pub up_dropped: u64,
    /// Frames of the kernel's that went on their way to the port.
    pub down: u64,
    /// Frames of the kernel's that were lost: longer than the port's frames, or of a kind that cannot be sent.
    pub down_dropped: u64,
}

/// What one worker lcore has counted since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LcoreFigures {
    /// Its number, as the EAL counts.
    pub lcore: u32,
    /// Receive queues that it polls, as `port:queue`.
    pub queues: Vec<String>,
    /// Turns of its loop: its heartbeat.
    pub turns: u64,
    /// Turns in which no queue had a packet.
    pub idle_turns: u64,
    /// Nanoseconds spent in turns that had packets; all other time is idle polling.
    pub busy_nanoseconds: u64,
    /// Polls of a queue, by the number of packets that they gave, from 0 (an empty poll) to [`BURST`].
    pub polls: [u64; BURST + 1],
    /// Packets received.
    pub received: u64,
    /// Octets received.
    pub received_octets: u64,
    /// Packets with a forwarding verdict.
    pub forwarded: u64,
    /// Packets turned into an answer.
    pub replied: u64,
    /// Packets for the control processor.
    pub punted: u64,
    /// Frames of the control processor's that it handed to their ports.
    pub injected: u64,
    /// Packets for network applications.
    pub apps: u64,
    /// Packets dropped, by reason, in the order of [`Reason::ALL`].
    pub drops: [u64; Reason::COUNT],
    /// Packets that wait for a neighbor now.
    pub held: u64,
    /// Questions for neighbors that it sent of its own accord.
    pub solicitations: u64,
    /// Questions for neighbors that found no mbuf.
    pub no_mbuf: u64,
}

impl LcoreFigures {
    /// Figures of a lcore that has not counted anything yet.
    #[must_use]
    pub const fn new(lcore: u32) -> Self {
        Self {
            lcore,
            queues: Vec::new(),
            turns: 0,
            idle_turns: 0,
            busy_nanoseconds: 0,
            polls: [0; BURST + 1],
            received: 0,
            received_octets: 0,
            forwarded: 0,
            replied: 0,
            punted: 0,
            injected: 0,
            apps: 0,
            drops: [0; Reason::COUNT],
            held: 0,
            solicitations: 0,
            no_mbuf: 0,
        }
    }

    /// Packets dropped in all.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.iter().sum()
    }

    /// Seconds spent in turns that had packets.
    #[must_use]
    pub fn busy_seconds(&self) -> f64 {
        Duration::from_nanos(self.busy_nanoseconds).as_secs_f64()
    }

    /// Polls that gave at least one packet.
    #[must_use]
    pub fn bursts(&self) -> u64 {
        self.polls.iter().skip(1).sum()
    }
}

/// A pool of mbufs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolFigures {
    /// Its name.
    pub name: String,
    /// Mbufs that it has.
    pub capacity: u32,
    /// Mbufs in use now.
    pub in_use: u32,
}

/// What the lcores have counted for one service since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceFigures {
    /// Packets forwarded for the service, both directions that pass us.
    pub packets: u64,
    /// Their octets, Ethernet header included, checksum sequence not.
    pub octets: u64,
    /// Connections opened.
    pub connections: u64,
}
