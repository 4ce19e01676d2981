//! Why a port does not do what it was asked for.
//!
//! No counterpart in the patent. A driver answers with a number; the operator needs the port, its
//! device and the call as well.
//! Easy to get wrong: "not supported" is no failure for calls that only make things better; those are
//! let through where they are made, not here.

use std::fmt;

use lb_core::id::{PortId, QueueId};

use crate::dpdk::errno::Errno;

/// A call about a port that DPDK or the driver refused.
#[derive(Debug, thiserror::Error)]
#[error("port {port}{}: {call} fails: {cause}", named(.device))]
pub struct Refused {
    /// The port.
    pub port: PortId,
    /// Its device; empty where the port has none.
    pub device: String,
    /// What was asked for.
    pub call: Call,
    /// The driver's cause.
    pub cause: Errno,
}

fn named(device: &str) -> String {
    if device.is_empty() {
        String::new()
    } else {
        format!(" ({device})")
    }
}

/// What a port can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// What the device can do.
    Info,
    /// Setting up queues and offloads.
    Configure,
    /// Fitting descriptors to the device.
    Descriptors,
    /// Setting or reading the MTU.
    Mtu,
    /// Setting up a receive queue.
    RxQueue(QueueId),
    /// Setting up a transmit queue.
    TxQueue(QueueId),
    /// Starting.
    Start,
    /// Stopping.
    Stop,
    /// Switching promiscuous reception.
    Promiscuous,
    /// Switching reception of all multicast.
    AllMulticast,
    /// Reading counters.
    Stats,
    /// Reading the link's state.
    Link,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Info => f.write_str("asking what the device can do"),
            Self::Configure => f.write_str("configuring"),
            Self::Descriptors => f.write_str("choosing the number of descriptors"),
            Self::Mtu => f.write_str("the MTU"),
            Self::RxQueue(queue) => write!(f, "setting up receive queue {queue}"),
            Self::TxQueue(queue) => write!(f, "setting up transmit queue {queue}"),
            Self::Start => f.write_str("starting"),
            Self::Stop => f.write_str("stopping"),
            Self::Promiscuous => f.write_str("switching promiscuous reception"),
            Self::AllMulticast => f.write_str("switching reception of all multicast"),
            Self::Stats => f.write_str("reading counters"),
            Self::Link => f.write_str("reading the link's state"),
        }
    }
}

/// Why a port was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No device has this number.
    #[error("port {port} does not exist; DPDK found {found} (EAL options -a, --vdev)")]
    NotThere {
        /// The port.
        port: PortId,
        /// Ports that exist.
        found: u16,
    },
    /// It was opened before.
    #[error("port {0} was opened before; a port can be opened once")]
    Again(PortId),
    /// Too few or too many queues.
    #[error(
        "port {port} ({device}, {driver}) cannot have {rx} receive and {tx} transmit queues: \
         1 to {max_rx} and 1 to {max_tx} are possible"
    )]
    Queues {
        /// The port.
        port: PortId,
        /// Its device.
        device: String,
        /// Its driver.
        driver: String,
        /// Receive queues asked for.
        rx: u16,
        /// Transmit queues asked for.
        tx: u16,
        /// Receive queues at most.
        max_rx: u16,
        /// Transmit queues at most.
        max_tx: u16,
    },
    /// An MTU that the device does not take.
    #[error(
        "port {port} ({device}) cannot have an MTU of {mtu} octets: {min} to {max} are possible"
    )]
    Mtu {
        /// The port.
        port: PortId,
        /// Its device.
        device: String,
        /// MTU asked for, in octets.
        mtu: u16,
        /// Smallest, in octets.
        min: u16,
        /// Largest, in octets.
        max: u16,
    },
    /// Anything else.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Why a port was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// A queue of it still exists; drivers must not be stopped under a lcore that polls.
    #[error("port {0} cannot be stopped: a queue of it is still held")]
    Held(PortId),
    /// The driver refused.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Turns DPDK's answer to a call about a port into a result.
pub(super) fn refused(port: PortId, device: &str, call: Call, answer: i32) -> Result<(), Refused> {
    Errno::check(answer).map_err(|cause| Refused {
        port,
        device: device.to_owned(),
        call,
        cause,
    })
}
