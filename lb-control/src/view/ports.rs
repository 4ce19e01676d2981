//! Ports: what they are and what they have counted.
//!
//! WO 00/30294: network interfaces 37.
//! Easy to get wrong: `rx_missed` was lost before any lcore saw it, `tx_dropped` after one had decided.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ports in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ports {
    /// In ascending order.
    pub ports: Vec<Port>,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// Name of its interface; absent where the configuration has none for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Own addresses, each with the prefix length of its network.
    pub addresses: Vec<String>,
    /// Device behind it.
    pub device: String,
    /// Driver of the device.
    pub driver: String,
    /// Its MAC address.
    pub mac: String,
    /// Whether frames can pass.
    pub is_up: bool,
    /// Speed of the link in Mbit/s; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub megabits: Option<u32>,
    /// Frames received.
    pub rx_packets: u64,
    /// Their octets.
    pub rx_octets: u64,
    /// Frames that the device dropped because its queue was full.
    pub rx_missed: u64,
    /// Frames received broken.
    pub rx_errors: u64,
    /// Times a frame had no mbuf to go to.
    pub rx_no_mbuf: u64,
    /// Frames sent.
    pub tx_packets: u64,
    /// Their octets.
    pub tx_octets: u64,
    /// Frames that the device could not send.
    pub tx_errors: u64,
    /// Frames that the device did not take.
    pub tx_dropped: u64,
    /// What went between the port and the kernel; absent without an exception path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<PortKernel>,
}

/// What went between a port and its kernel device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortKernel {
    /// Frames that the kernel took.
    pub up: u64,
    /// Frames that it did not take: its device was down, or there was none.
    pub up_dropped: u64,
    /// Frames of the kernel's that went on their way to the port.
    pub down: u64,
    /// Frames of the kernel's that were lost: longer than the port's frames, or of a kind that cannot be sent.
    pub down_dropped: u64,
}
