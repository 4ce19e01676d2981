//! The network in force: what the document says and what the kernel adds to it.
//!
//! WO 00/30294, box 58 and routing table 62: programs on the control processor steer the data path, and the document
//! has the last word on what it names. Only a union, made anew from both whenever somebody asks; nothing is kept.
//! - Addresses: the document's, and those of the port's kernel device. Their networks are connected, metric 0.
//! - Routes: connected ones, the document's with [`DOCUMENT_METRIC`], the kernel's with their own. Per prefix the
//!   lowest metric is in force; of equal ones the kernel's.
//! - Neighbors: the document's, and permanent ones of the kernel where the document names none.
//! - A port whose kernel device is down has no address, and no route leads over it.
//!
//! Easy to get wrong: the kernel's table also holds what we have put there ourselves, the document's routes under
//! [`PROTOCOL_ID`]. They are passed over: what the document no longer says must not live on as the kernel's word.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use super::kernel::{DOCUMENT_METRIC, KernelInterface, KernelNetwork, PROTOCOL_ID, RTPROT_KERNEL};
use super::model::{Config, StaticNeighbor};
use super::prefix::{Cidr, Prefix};
use crate::id::PortId;
use crate::route::NextHop;

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An address of ours on that network.
    Connected,
    /// The document.
    Document,
    /// The kernel.
    Kernel,
}

/// A route in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInForce<'a> {
    /// Destinations.
    pub prefix: Prefix,
    /// Lower is better; the kernel's metric where it is the kernel's.
    pub metric: u32,
    /// Who says so.
    pub source: Source,
    /// `rtm_protocol` of rtnetlink(7): who has set the kernel's route, or as whom the interface daemon sets ours.
    pub protocol: u8,
    /// Where to, each with its weight from 1 to 256; none for a route that drops.
    pub hops: Cow<'a, [(NextHop, u16)]>,
}

/// A document and the kernel's view beside it.
#[derive(Clone, Copy, Debug)]
pub struct NetworkInForce<'a> {
    config: &'a Config,
    kernel: Option<&'a KernelNetwork>,
}

impl<'a> NetworkInForce<'a> {
    /// The union of both; without a kernel all is as the document says.
    #[must_use]
    pub const fn new(config: &'a Config, kernel: Option<&'a KernelNetwork>) -> Self {
        Self { config, kernel }
    }

    fn device(&self, port: PortId) -> Option<&'a KernelInterface> {
        let mut devices = self.kernel?.interfaces.iter();
        devices.find(|device| device.port == port)
    }

    /// Whether packets pass this port; false where its kernel device is down.
    #[must_use]
    pub fn is_up(&self, port: PortId) -> bool {
        self.device(port).is_none_or(|device| device.is_up)
    }

    /// The longest IP packet that may leave by this port, in octets, if the kernel says so.
    #[must_use]
    pub fn mtu(&self, port: PortId) -> Option<u32> {
        self.device(port).map(|device| device.mtu)
    }

    /// Addresses of ours with their ports, each once, the document's first.
    #[must_use]
    pub fn addresses(&self) -> Vec<(PortId, Cidr)> {
        let documents = self.config.interfaces.iter();
        let documents = documents.flat_map(|one| one.addresses.iter().map(|&a| (one.port, a)));
        let devices = self
            .kernel
            .into_iter()
            .flat_map(|kernel| &kernel.interfaces);
        let devices = devices.flat_map(|one| one.addresses.iter().map(|&a| (one.port, a)));
        let mut seen = HashSet::new();
        documents
            .chain(devices)
            .filter(|(port, cidr)| self.is_up(*port) && seen.insert(cidr.address()))
            .collect()
    }

    /// The best route to each prefix, in the order of prefixes.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteInForce<'a>> {
        let kernels = self.kernel.map_or(&[][..], |kernel| &kernel.routes);
        let mut routes = Vec::with_capacity(kernels.len() + self.config.routes.len() + 16);
        // The sort below is stable: of equal prefixes and metrics the first stays.
        routes.extend(kernels.iter().filter_map(|route| {
            if route.protocol == PROTOCOL_ID {
                return None;
            }
            let hops = self.hops_up(&route.hops)?;
            let is_on_link = matches!(hops[..], [(NextHop { gateway: None, .. }, _)]);
            let is_connected = route.protocol == RTPROT_KERNEL && is_on_link;
            Some(RouteInForce {
                prefix: route.prefix,
                metric: route.metric,
                source: if is_connected {
                    Source::Connected
                } else {
                    Source::Kernel
                },
                protocol: route.protocol,
                hops,
            })
        }));
        routes.extend(self.addresses().into_iter().map(|(port, cidr)| {
            let hop = NextHop {
                port,
                gateway: None,
            };
            RouteInForce {
                prefix: cidr.network(),
                metric: 0,
                source: Source::Connected,
                protocol: RTPROT_KERNEL,
                hops: Cow::Owned(vec![(hop, 1)]),
            }
        }));
        let documents = self.config.routes.iter();
        let documents = documents.filter(|route| self.is_up(route.port));
        routes.extend(documents.map(|route| {
            let hop = NextHop {
                port: route.port,
                gateway: Some(route.via),
            };
            RouteInForce {
                prefix: route.prefix,
                metric: DOCUMENT_METRIC,
                source: Source::Document,
                protocol: PROTOCOL_ID,
                hops: Cow::Owned(vec![(hop, 1)]),
            }
        }));
        routes.sort_by_key(|route| (route.prefix, route.metric));
        routes.dedup_by_key(|route| route.prefix);
        routes
    }

    /// A kernel route's hops over ports that are up; `None` where it had hops, and all of them are down.
    fn hops_up(&self, hops: &'a [(NextHop, u16)]) -> Option<Cow<'a, [(NextHop, u16)]>> {
        if hops.iter().all(|(hop, _)| self.is_up(hop.port)) {
            return Some(Cow::Borrowed(hops));
        }
        let up = hops.iter().filter(|(hop, _)| self.is_up(hop.port));
        let up: Vec<_> = up.copied().collect();
        (!up.is_empty()).then_some(Cow::Owned(up))
    }

    /// Neighbors that are never asked for, the document's first.
    #[must_use]
    pub fn neighbors(&self) -> Vec<(StaticNeighbor, Source)> {
        let documents = &self.config.neighbors;
        let named: HashSet<(IpAddr, PortId)> = documents
            .iter()
            .map(|neighbor| (neighbor.address, neighbor.port))
            .collect();
        let kernels = self.kernel.into_iter().flat_map(|kernel| &kernel.neighbors);
        let kernels = kernels.filter(|neighbor| {
            !named.contains(&(neighbor.address, neighbor.port)) && neighbor.mac.is_unicast()
        });
        documents
            .iter()
            .map(|&neighbor| (neighbor, Source::Document))
            .chain(kernels.map(|&neighbor| (neighbor, Source::Kernel)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
