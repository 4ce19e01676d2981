//! What a buffer of the configuration table holds: flat, resolved, ready to be asked.
//!
//! WO 00/30294: the contents of configuration table 64 (buffer A or B), read in steps 206, 210, 216, 220.
//! Built on the control side from a checked configuration (`build`); a lcore keeps one for a whole burst and never
//! waits for another. Flipping buffers is `shared::DoubleBuffer`'s work, weights are the master's.
//! Easy to get wrong: a backend or service is found by its *slot* (what connections carry), never by a
//! position, which changes from one distribution to the next.

mod build;
mod leaving;
mod moved;
mod refusal;
mod weigh;

use std::collections::HashSet;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::kernel::KernelRoute;
use super::lookup::{Lookup, LookupKey};
use super::{AllDown, Cidr, Forwarding, OnDown, OnMiss, Timeouts};
use crate::flow::{AddressWords, DirectionKey, FlowHash, Protocol};
use crate::frame::{ETHERNET, OwnMac};
use crate::id::{BackendSlot, NeighborId, PortId, ServiceSlot};
use crate::route::neighbor::NeighborTable;
use crate::route::{NextHops, RouteTable};
use crate::scheduler::Scheduler;
use crate::wire::MacAddr;
use crate::wire::ethernet::SourceMac;

pub use build::{BuildError, Surroundings};
use leaving::Leaving;

/// A service, as the filter needs it.
#[derive(Clone, Debug)]
pub struct ServiceView {
    /// Lasting identity.
    pub slot: ServiceSlot,
    /// Name in the configuration.
    pub name: String,
    /// VIP.
    pub address: IpAddr,
    /// Service port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// How packets reach the backend.
    pub forwarding: Forwarding,
    /// What becomes of a later packet without a connection.
    pub on_miss: OnMiss,
    /// What becomes of an opening packet while no backend takes it.
    pub all_down: AllDown,
    /// Idle times.
    pub timeouts: Timeouts,
    /// Connections that the service may have at once; `u32::MAX` for no limit of its own.
    pub max_connections: u32,
    /// Picks the backend of a new flow.
    pub scheduler: Arc<Scheduler>,
    /// Slots of its backends that are not disabled, in the order of the configuration, eligible or not.
    pub backends: Vec<BackendSlot>,
    /// Digest of what the scheduler was built from.
    made_of: u64,
}

/// A backend, as the filter needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendView {
    /// Service that it serves.
    pub service: ServiceSlot,
    /// Name in the configuration.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Row of the neighbor through which it is reached, the first of several; [`NeighborId::NOWHERE`] while no
    /// route leads there.
    pub neighbor: NeighborId,
}

impl BackendView {
    /// Whether a route leads there.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.neighbor != NeighborId::NOWHERE
    }
}

/// The ways to a backend behind a multipath route.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Paths {
    hops: NextHops,
    /// Row of each next hop.
    rows: Box<[NeighborId]>,
}

/// A port, as the filter needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortView {
    /// Its number.
    pub id: PortId,
    /// MAC address that frames to us carry and frames of ours come from.
    pub mac: MacAddr,
    /// The same, ready to be compared with a frame's.
    pub own: OwnMac,
    /// The same, ready to be written into a frame.
    pub source: SourceMac,
    /// Addresses of its interface; none where the configuration has no interface for it, nor the kernel an address.
    pub addresses: Vec<Cidr>,
    /// False while its kernel device is down: nothing passes.
    pub is_up: bool,
    /// The longest IP packet that leaves by it, in octets; `u32::MAX` where nobody knows of a limit.
    pub mtu: u32,
    /// Octets of a frame that is not too long in any case, so that one comparison tells most packets; one that is longer
    /// may be padded.
    pub longest_frame: NonZeroU16,
}

impl PortView {
    fn set_mtu(&mut self, mtu: u32) {
        self.mtu = mtu;
        let octets = usize::try_from(mtu).map_or(usize::MAX, |mtu| mtu.saturating_add(ETHERNET));
        let octets = u16::try_from(octets).unwrap_or(u16::MAX);
        self.longest_frame = NonZeroU16::new(octets).unwrap_or(NonZeroU16::MAX);
    }

    /// The address of ours to speak from to `peer`: on the peer's network if there is one, else the
    /// first of its family.
    #[must_use]
    pub fn source_for(&self, peer: IpAddr) -> Option<IpAddr> {
        let of_family = || {
            self.addresses
                .iter()
                .filter(|a| a.address().is_ipv4() == peer.is_ipv4())
        };
        of_family()
            .find(|a| a.network().contains(peer))
            .or_else(|| of_family().next())
            .map(Cidr::address)
    }
}

/// Whose an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A service's.
    Vip,
    /// The interface's of this port, whether a service uses it too or not.
    Interface(PortId),
    /// Somebody else's.
    Other,
}

/// One generation of everything that the filter must know.
///
/// What weights do not touch is shared between generations that differ in weights only.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Counts up from 1 with every build; 0 is the empty one.
    pub generation: u64,
    /// Whether packets that concern no service are routed.
    pub transit: bool,
    /// Changes whenever routes, interfaces or ports do: next hops found under another number are stale.
    pub route_generation: u16,
    /// Changes whenever a connection may have to end sooner than it was said before: with services and their time-outs.
    pub life_generation: u64,
    ports: Vec<PortView>,
    services: Vec<ServiceView>,
    service_by_slot: Vec<Option<u32>>,
    service_index: Lookup,
    addresses: Lookup,
    backends: Arc<[Option<BackendView>]>,
    backend_neighbors: Arc<[NeighborId]>,
    /// By slot, as far as there are backends behind multipath routes.
    paths: Arc<[Option<Paths>]>,
    /// By slot, like the three before it.
    weights: Vec<u32>,
    leaving: Leaving,
    routes: Arc<RouteTable>,
    /// What routes were made from: a digest, and the kernel's.
    routes_made_of: (u64, Arc<[KernelRoute]>),
    pinned: Arc<[NeighborId]>,
    configured: Arc<[(NeighborId, PortId, MacAddr)]>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self::empty(&[])
    }
}

/// Instead of a row: no such backend.
const ABSENT: NeighborId = NeighborId(u32::MAX);
/// Instead of a row: one of several, by the flow.
const SEVERAL: NeighborId = NeighborId(u32::MAX - 1);
/// MTU of a port of which nobody has said one.
const NO_MTU: u32 = u32::MAX;
const IS_INTERFACE: u64 = 0;
const IS_VIP: u64 = 1;

impl Distribution {
    /// The distribution of a program without a configuration: ports, and nothing else.
    #[must_use]
    pub fn empty(ports: &[(PortId, MacAddr)]) -> Self {
        let ports = ports
            .iter()
            .map(|&(id, mac)| PortView {
                id,
                mac,
                own: OwnMac::new(mac),
                source: SourceMac::new(mac),
                addresses: Vec::new(),
                is_up: true,
                mtu: NO_MTU,
                longest_frame: NonZeroU16::MAX,
            })
            .collect();
        Self {
            generation: 0,
            transit: false,
            route_generation: 0,
            life_generation: 0,
            ports,
            services: Vec::new(),
            service_by_slot: Vec::new(),
            service_index: Lookup::default(),
            addresses: Lookup::default(),
            backends: Arc::default(),
            backend_neighbors: Arc::default(),
            paths: Arc::default(),
            weights: Vec::new(),
            leaving: Leaving::default(),
            routes: Arc::default(),
            routes_made_of: (0, Arc::default()),
            pinned: Arc::default(),
            configured: Arc::default(),
        }
    }

    /// Step 206: the service that a packet with this key is for.
    #[inline]
    #[must_use]
    pub fn service_for<K: DirectionKey>(&self, key: &K) -> Option<&ServiceView> {
        let [high, low] = key.dst_words();
        let at = self.service_index.find([high, low, key.service_word()])?;
        self.services.get(at as usize)
    }

    /// Whose an address is.
    #[inline]
    #[must_use]
    pub fn owner(&self, address: AddressWords) -> Owner {
        match self.addresses.find(address_key(address, IS_INTERFACE)) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "was made from a 16-bit port number"
            )]
            Some(port) => Owner::Interface(PortId(port as u16)),
            None if self.is_vip(address) => Owner::Vip,
            None => Owner::Other,
        }
    }

    /// Whether an address is a VIP of some service, even if it is an interface's as well.
    #[inline]
    #[must_use]
    pub fn is_vip(&self, address: AddressWords) -> bool {
        self.addresses.find(address_key(address, IS_VIP)).is_some()
    }

    /// The service with this slot, if it is still configured.
    #[inline]
    #[must_use]
    pub fn service(&self, slot: ServiceSlot) -> Option<&ServiceView> {
        let at = (*self.service_by_slot.get(slot.0 as usize)?)?;
        self.services.get(at as usize)
    }

    /// All services, in the order of the configuration.
    #[must_use]
    pub fn services(&self) -> &[ServiceView] {
        &self.services
    }

    /// The backend with this slot, if it is still configured.
    #[inline]
    #[must_use]
    pub fn backend(&self, slot: BackendSlot) -> Option<&BackendView> {
        self.backends.get(slot.0 as usize)?.as_ref()
    }

    /// The neighbor of the backend with this slot, if it is still configured: all that a known flow needs.
    ///
    /// It may be none that the neighbor table has: [`NeighborId::NOWHERE`] while no route leads to the backend, and
    /// another while several do, among which [`backend_neighbor_of_flow`](Self::backend_neighbor_of_flow) chooses.
    #[inline]
    #[must_use]
    pub fn backend_neighbor(&self, slot: BackendSlot) -> Option<NeighborId> {
        let &id = self.backend_neighbors.get(slot.0 as usize)?;
        if id == ABSENT { None } else { Some(id) }
    }

    /// The row to which a flow's packets go, of what [`backend_neighbor`](Self::backend_neighbor) has answered: of several
    /// the flow's own, unless that one is known to be silent while another answers.
    #[inline]
    #[must_use]
    pub fn backend_neighbor_of_flow(
        &self,
        answered: NeighborId,
        slot: BackendSlot,
        flow: FlowHash,
        neighbors: &NeighborTable,
    ) -> NeighborId {
        if answered == SEVERAL {
            self.one_of_several(slot, flow, neighbors)
        } else {
            answered
        }
    }

    #[cold]
    fn one_of_several(
        &self,
        slot: BackendSlot,
        flow: FlowHash,
        neighbors: &NeighborTable,
    ) -> NeighborId {
        let paths = self.paths.get(slot.0 as usize).and_then(Option::as_ref);
        let row = paths.and_then(|Paths { hops, rows }| {
            let own = *rows.get(hops.place_of_flow(flow.0))?;
            let answers = |at: usize| {
                let row = rows.get(at);
                row.is_some_and(|&row| neighbors.link(row).is_some())
            };
            let other = neighbors
                .is_silent(own)
                .then(|| hops.place_among(flow.0, answers));
            let other = other.flatten().and_then(|at| rows.get(at));
            Some(other.copied().unwrap_or(own))
        });
        row.unwrap_or(NeighborId::NOWHERE)
    }

    /// Backends that no route leads to, each with its service.
    pub fn unreachable(&self) -> impl Iterator<Item = (&ServiceView, &BackendView)> {
        let backends = self.backends.iter().flatten();
        backends
            .filter(|backend| !backend.is_reachable())
            .filter_map(|backend| Some((self.service(backend.service)?, backend)))
    }

    /// The weight in force of the backend with this slot; 0: no new flows, or no such backend.
    #[must_use]
    pub fn weight(&self, slot: BackendSlot) -> u32 {
        self.weights.get(slot.0 as usize).copied().unwrap_or(0)
    }

    /// What the flows of the backend with this slot do, if it is down; `None`: they stay with it.
    #[inline]
    #[must_use]
    pub fn leaves(&self, slot: BackendSlot) -> Option<OnDown> {
        self.leaving.of(slot)
    }

    /// Longest match in the routing table.
    #[inline]
    #[must_use]
    pub fn route(&self, address: IpAddr) -> Option<&NextHops> {
        self.routes.lookup(address)
    }

    /// A port of ours.
    #[inline]
    #[must_use]
    pub fn port(&self, id: PortId) -> Option<&PortView> {
        match self.ports.get(usize::from(id.0)) {
            Some(port) if port.id == id => Some(port),
            _ => self.port_elsewhere(id),
        }
    }

    /// Where ports are not numbered from 0 without gaps.
    #[cold]
    fn port_elsewhere(&self, id: PortId) -> Option<&PortView> {
        self.ports.iter().find(|port| port.id == id)
    }

    /// All ports.
    #[must_use]
    pub fn ports(&self) -> &[PortView] {
        &self.ports
    }

    /// Whether the two need the same of the neighbor table, so that a flip between them leaves it alone.
    #[must_use]
    pub fn has_neighbors_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pinned, &other.pinned) && Arc::ptr_eq(&self.configured, &other.configured)
    }

    /// Before the flip: enters the configured neighbors.
    pub fn enter_neighbors(&self, neighbors: &NeighborTable) {
        for &(id, port, mac) in self.configured.iter() {
            neighbors.set_static(id, port, mac);
        }
    }

    /// After the flip, or after a build that failed: lets go of rows that this distribution, which is in use,
    /// does not need.
    pub fn settle_neighbors(&self, neighbors: &NeighborTable) {
        let pinned: HashSet<_> = self.pinned.iter().copied().collect();
        let configured: HashSet<_> = self.configured.iter().map(|&(id, ..)| id).collect();
        for row in neighbors.iter() {
            if row.is_static && !configured.contains(&row.id) {
                neighbors.clear_static(row.id);
            }
            if row.is_pinned && !pinned.contains(&row.id) {
                neighbors.pin(row.id, false);
            }
        }
    }
}

const fn address_key([high, low]: AddressWords, what: u64) -> LookupKey {
    [high, low, what]
}
