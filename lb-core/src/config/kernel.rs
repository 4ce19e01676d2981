//! What the kernel says of the network: a second source of addresses, routes and neighbors beside the document.
//!
//! WO 00/30294, box 58: the routing daemon brings it, and with it the control processor's own programs steer the
//! data path. A document and a [`KernelNetwork`] together make a distribution.
//! Not here: how the kernel is asked (`routing_daemon`), and which of two routes to one prefix wins (`in_force`).
//! Easy to get wrong: a kernel's route table may hold one prefix several times, with different metrics; the lowest is
//! in force, and the others wait behind it.

use std::sync::Arc;

use super::model::StaticNeighbor;
use super::prefix::{Cidr, Prefix};
use crate::id::PortId;
use crate::route::NextHop;

/// Metric of the document's routes, here and in the kernel's main table: a routing daemon's own routes (20 to 1024 as
/// a rule) go before them, a last resort of the operator's behind.
pub const DOCUMENT_METRIC: u32 = 4000;

/// Who has set the routes that we put into the kernel: our `rtm_protocol`, which rt_protos(5) gives to nobody else.
pub const PROTOCOL_ID: u8 = 76;

/// `rtm_protocol` of routes that the kernel makes of its own addresses, by `<linux/rtnetlink.h>`.
pub(super) const RTPROT_KERNEL: u8 = 2;

/// The kernel's view of the ports that have a kernel device, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelNetwork {
    /// One for each port with a kernel device, in the order of ports.
    pub interfaces: Vec<KernelInterface>,
    /// The routes of the main table that lead to those devices or nowhere, in the order of the tuple
    /// (prefix, metric). Shared, since addresses may change while 100,000 routes do not.
    pub routes: Arc<[KernelRoute]>,
    /// Permanent neighbors on those devices, as `ip neigh … nud permanent` sets them.
    pub neighbors: Vec<StaticNeighbor>,
}

/// A kernel device, as its user has set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelInterface {
    /// The port behind it.
    pub port: PortId,
    /// Its addresses with their networks, without link-local ones.
    pub addresses: Vec<Cidr>,
    /// In octets.
    pub mtu: u32,
    /// `IFF_UP`: false after `ip link set down`, whatever the port's own link says.
    pub is_up: bool,
}

/// A route of the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// Destinations; no multicast, and no link-local network, which is on every port.
    pub prefix: Prefix,
    /// Lower is better.
    pub metric: u32,
    /// Who has set it: `rtm_protocol` of rtnetlink(7).
    pub protocol: u8,
    /// Where to: several for a multipath route, with weights 1 to 256; none for `unreachable`, `prohibit` and
    /// `blackhole`, whose packets are dropped.
    pub hops: Vec<(NextHop, u16)>,
}
