//! Which ports there are, and what their devices can do.
//!
//! WO 00/30294: the network interfaces 37 that the machine has, before any is opened.
//! Easy to get wrong: a device that an EAL option named and that failed to come up is simply not in
//! the list ([`Eal::missing_devices`]).

use std::mem::MaybeUninit;

use lb_core::id::PortId;

use super::error::{Call, Refused, refused};
use crate::dpdk::eal::{Eal, SocketId};

/// What a port's device can do.
#[derive(Clone, Debug)]
pub struct Info {
    /// The port.
    pub id: PortId,
    /// Device behind it: PCI address or name of the virtual device.
    pub device: String,
    /// Driver of the device.
    pub driver: String,
    /// NUMA node of the device, if it has one.
    pub socket: Option<SocketId>,
    /// The device's own Ethernet address.
    pub mac: [u8; 6],
    /// Longest frame it takes, in octets; `u32::MAX`: of any length, as devices do that are no network's.
    pub longest_frame: u32,
    /// Smallest MTU it takes, in octets.
    pub min_mtu: u16,
    /// Largest MTU it takes, in octets.
    pub max_mtu: u16,
    /// Receive queues at most.
    pub max_rx_queues: u16,
    /// Transmit queues at most.
    pub max_tx_queues: u16,
    /// Smallest and largest number of receive descriptors per queue.
    pub rx_descriptors: (u16, u16),
    /// Smallest and largest number of transmit descriptors per queue.
    pub tx_descriptors: (u16, u16),
    /// Header fields it can hash for receive-side scaling, bits `RTE_ETH_RSS_*`; 0: it cannot.
    pub rss: u64,
    /// Receive offloads, bits `RTE_ETH_RX_OFFLOAD_*`.
    pub rx_offloads: u64,
    /// Transmit offloads, bits `RTE_ETH_TX_OFFLOAD_*`.
    pub tx_offloads: u64,
}

/// How many ports there are.
#[must_use]
pub fn count(_eal: &Eal) -> u16 {
    // SAFETY: the EAL is up.
    unsafe { dpdk_sys::rte_eth_dev_count_avail() }
}

/// All ports, in ascending order; without those that belong to another device, such as a bond.
#[must_use]
pub fn all(_eal: &Eal) -> Vec<PortId> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        // SAFETY: the EAL is up; any number may be asked about.
        at = unsafe { dpdk_sys::shim_port_next(at) };
        if at >= dpdk_sys::SHIM_MAX_PORTS {
            return found;
        }
        found.push(PortId(at));
        at = at.saturating_add(1);
    }
}

/// What DPDK gives a port that is opened without an MTU.
const ETHERNET_MTU: u16 = 1500;

impl Info {
    /// Asks DPDK about a port, open or not.
    pub(super) fn of(id: PortId, _eal: &Eal) -> Result<Self, Refused> {
        let mut raw = MaybeUninit::<dpdk_sys::shim_port_info>::zeroed();
        // SAFETY: the EAL is up; any number may be asked about; the answer goes to our variable.
        let answer = unsafe { dpdk_sys::shim_port_info(id.0, raw.as_mut_ptr()) };
        refused(id, "", Call::Info, answer)?;
        // SAFETY: numbers and octets only, for which zeros will do, and the shim has written them.
        let raw = unsafe { raw.assume_init() };
        Ok(Self {
            id,
            device: text(&raw.device),
            driver: text(&raw.driver),
            socket: SocketId::from_dpdk(raw.socket),
            mac: raw.mac,
            longest_frame: raw.longest_frame,
            min_mtu: raw.min_mtu,
            max_mtu: raw.max_mtu,
            max_rx_queues: raw.max_rx_queues,
            max_tx_queues: raw.max_tx_queues,
            rx_descriptors: (raw.min_rx_descriptors, raw.max_rx_descriptors),
            tx_descriptors: (raw.min_tx_descriptors, raw.max_tx_descriptors),
            rss: raw.rss,
            rx_offloads: raw.rx_offloads,
            tx_offloads: raw.tx_offloads,
        })
    }

    /// The MTU that the port has when it is opened without one, in octets: Ethernet's, unless the device takes less;
    /// `None` where it takes frames of any length.
    #[must_use]
    pub fn own_mtu(&self) -> Option<u16> {
        (self.longest_frame != u32::MAX).then(|| self.max_mtu.min(ETHERNET_MTU))
    }

    /// True where frames larger than an mbuf are received in several segments by agreement. Virtual
    /// devices that do so without being asked say no here.
    #[must_use]
    pub fn scatters(&self) -> bool {
        self.rx_offloads & dpdk_sys::SHIM_RX_SCATTER != 0
    }

    /// True where frames of several segments may be sent. Some virtual devices can, and say no here.
    #[must_use]
    pub fn gathers(&self) -> bool {
        self.tx_offloads & dpdk_sys::SHIM_TX_MULTI_SEGS != 0
    }

    /// Header fields of [`Info::rss`] that spread flows: IP addresses, TCP and UDP ports.
    #[must_use]
    pub fn rss_of_flows(&self) -> u64 {
        self.rss & dpdk_sys::SHIM_RSS_IP_TCP_UDP
    }
}

/// Octets up to the first NUL, as text.
fn text(octets: &[u8]) -> String {
    let end = octets
        .iter()
        .position(|&octet| octet == 0)
        .unwrap_or(octets.len());
    String::from_utf8_lossy(octets.get(..end).unwrap_or(octets)).into_owned()
}
