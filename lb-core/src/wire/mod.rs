//! Headers on the wire: one file per header, checked views over octets, and the Internet checksum.
//!
//! No counterpart in the patent; every step of Fig. 6 that reads or rewrites a packet stands on it.
//! The promise: `parse` checks lengths once and borrows fixed arrays; after it every accessor is a
//! plain load that cannot fail, cannot panic and keeps no bounds check. Nothing here allocates.
//! Numbers leave in host order: IPv4 addresses as `u32`, IPv6 addresses as `u128`, ready for
//! [`crate::flow::FlowKey`]; ARP and neighbor discovery, which are rare, use the address types.
//! Not here: what to do with a packet (the filter), and where in a frame each header lies (the
//! parser that calls these in turn).
//! Easy to get wrong: setters leave the checksum alone; whoever sets owes either a
//! [`checksum::Delta`] (the per-packet way) or a full `fill_checksum`. And a frame may be longer
//! than its packet (Ethernet padding) or than the octets at hand (further segments): lengths are
//! therefore passed as numbers.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod extension;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
pub(crate) mod octets;
pub mod options;
pub mod ports;
pub mod protocol;
pub mod tcp;
pub mod udp;
pub mod vlan;

pub use ethernet::{EtherType, MacAddr};
pub use protocol::IpProtocol;
