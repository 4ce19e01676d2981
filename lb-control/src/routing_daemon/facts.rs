//! What a message of the kernel's says, in our words.
//!
//! WO 00/30294, box 58: what the routing daemon hears. rtnetlink(7); messages are read by netlink-packet-route, but for
//! links, whose dozens of nested attributes change with every kernel, and of which two are needed.
//! Not here: what follows from it (`mirror`).
//! Easy to get wrong: a bridge tells of its ports with the same message types and another family. Its "link gone" means
//! that a device has left the bridge.

use std::net::IpAddr;

use lb_core::config::{Cidr, Prefix};
use lb_core::wire::MacAddr;
use netlink_packet_core::{
    NLM_F_APPEND, NLM_F_EXCL, NLM_F_REPLACE, NetlinkDeserializable, NetlinkHeader, NlasIterator,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHopFlags,
    RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// Octets of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// Messages about nexthop objects, which the crate does not read.
const NEW_NEXTHOP: u16 = 104;
const DELETE_NEXTHOP: u16 = 105;

/// One change, or one line of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// A device, by its number; `None`: it is gone.
    Link(u32, Option<Link>),
    /// An address of the device with this number, and whether it is there.
    Address(u32, Cidr, bool),
    /// A route, with what its message does to those of the same prefix and metric.
    Route(Route, Deed),
    /// A neighbor on the device with this number; `None`: it is gone.
    Neighbor(u32, IpAddr, Option<Neighbor>),
    /// A nexthop object: routes that use it may be gone without a word.
    Nexthop,
    /// Nothing that is followed, and where somebody may wonder why, the reason.
    Nothing(Option<&'static str>),
}

/// A device of the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its name.
    pub(super) name: String,
    /// `IFF_UP`: what `ip link set up` sets.
    pub(super) is_up: bool,
    /// Whether it has a carrier.
    pub(super) has_carrier: bool,
    /// In octets.
    pub(super) mtu: u32,
    /// The number of the bridge, bond or VRF that it belongs to, or 0.
    pub(super) master: u32,
}

/// A neighbor that the kernel knows something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbor {
    /// Its MAC address, where it is known and can be believed.
    pub(super) mac: Option<MacAddr>,
    /// Set by hand, and never asked for.
    pub(super) is_permanent: bool,
    /// Confirmed a moment ago.
    pub(super) is_reachable: bool,
}

/// What a route's message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It stands in a dump, behind those that were there before it.
    Listed,
    /// It is the only one of its prefix and metric.
    Alone,
    /// It takes the place of one of the same prefix and metric.
    Replaces,
    /// It is put behind those of the same prefix and metric.
    Last,
    /// It is put before them.
    First,
    /// It is gone.
    Gone,
}

/// A route as the kernel has it, whatever its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Destinations.
    pub(super) prefix: Prefix,
    /// Lower is better.
    pub(super) metric: u32,
    /// All that tells it from another of the same prefix and metric.
    pub(super) rest: Rest,
}

/// A route without its prefix and metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// What it does with packets.
    pub(super) kind: RouteType,
    /// Who has set it.
    pub(super) protocol: u8,
    /// Its scope.
    pub(super) scope: u8,
    /// The source address that it prefers for the box's own packets.
    pub(super) source: Option<IpAddr>,
    /// The nexthop object that it uses, or 0.
    pub(super) object: u32,
    /// Its MTU and the like.
    pub(super) metrics: Vec<RouteMetric>,
    /// Where to. Of IPv6 in an order of ours: the kernel's differs from message to message.
    pub(super) hops: Vec<Hop>,
}

/// One next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// The number of the device.
    pub(super) device: u32,
    /// The router; `None`: on-link.
    pub(super) gateway: Option<IpAddr>,
    /// 1 to 256.
    pub(super) weight: u16,
    /// Whether packets can go there plainly: its device is up and has a carrier, and nothing is put around them.
    pub(super) is_usable: bool,
}

impl Fact {
    /// Reads a message. `is_dump`: it was asked for.
    ///
    /// # Errors
    /// The message cannot be read; a sentence.
    pub(super) fn read(header: &NetlinkHeader, body: &[u8], is_dump: bool) -> Result<Self, String> {
        match header.message_type {
            libc::RTM_NEWLINK => Ok(link(body, true)),
            libc::RTM_DELLINK => Ok(link(body, false)),
            NEW_NEXTHOP | DELETE_NEXTHOP => Ok(Self::Nexthop),
            _ => {
                let message = RouteNetlinkMessage::deserialize(header, body);
                let deed = if is_dump {
                    Deed::Listed
                } else {
                    deed(header.flags)
                };
                Ok(match message.map_err(|error| error.to_string())? {
                    RouteNetlinkMessage::NewAddress(message) => address(&message, true),
                    RouteNetlinkMessage::DelAddress(message) => address(&message, false),
                    RouteNetlinkMessage::NewRoute(message) => route(message, deed),
                    RouteNetlinkMessage::DelRoute(message) => route(message, Deed::Gone),
                    RouteNetlinkMessage::NewNeighbour(message) => neighbor(&message, true),
                    RouteNetlinkMessage::DelNeighbour(message) => neighbor(&message, false),
                    _ => Self::Nothing(None),
                })
            }
        }
    }
}

/// The flags of a notification are the kernel's account of what was done, not those of the request.
fn deed(flags: u16) -> Deed {
    if flags & NLM_F_REPLACE != 0 {
        Deed::Replaces
    } else if flags & NLM_F_EXCL != 0 {
        Deed::Alone
    } else if flags & NLM_F_APPEND != 0 {
        Deed::Last
    } else {
        Deed::First
    }
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    let word = octets.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*word))
}

/// A device; nothing where a bridge speaks of its ports.
fn link(body: &[u8], is_there: bool) -> Fact {
    let (Some(&family), Some(index), Some(flags)) = (body.first(), word(body, 4), word(body, 8))
    else {
        return Fact::Nothing(None);
    };
    if i32::from(family) != libc::AF_UNSPEC {
        return Fact::Nothing(None);
    }
    if !is_there {
        return Fact::Link(index, None);
    }
    let has = |flag: i32| flags & flag.cast_unsigned() != 0;
    let mut link = Link {
        name: String::new(),
        is_up: has(libc::IFF_UP),
        has_carrier: has(libc::IFF_LOWER_UP),
        mtu: 0,
        master: 0,
    };
    let attributes = NlasIterator::new(body.get(LINK_HEADER..).unwrap_or_default());
    for attribute in attributes.map_while(Result::ok) {
        let value = attribute.value();
        match attribute.kind() {
            libc::IFLA_IFNAME => {
                let name = value.split(|&octet| octet == 0).next().unwrap_or_default();
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            libc::IFLA_MTU => link.mtu = word(value, 0).unwrap_or(0),
            libc::IFLA_MASTER => link.master = word(value, 0).unwrap_or(0),
            _ => {}
        }
    }
    Fact::Link(index, Some(link))
}

/// An address, without those that are on every link or that somebody else was found to have.
fn address(message: &AddressMessage, is_there: bool) -> Fact {
    let (mut local, mut peer) = (None, None);
    let mut is_taken = false;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            AddressAttribute::Flags(flags) => is_taken = flags.contains(AddressFlags::Dadfailed),
            _ => {}
        }
    }
    let Some(address) = local.or(peer) else {
        return Fact::Nothing(None);
    };
    if is_link_local(address) {
        return Fact::Nothing(None);
    }
    // The network of a point-to-point link is its peer's, and the kernel tells of it by a route.
    let has_peer = peer.is_some_and(|peer| peer != address);
    let length = if has_peer {
        u8::MAX
    } else {
        message.header.prefix_len
    };
    let cidr = Cidr::new(address, length);
    Fact::Address(message.header.index, cidr, is_there && !is_taken)
}

/// `fe80::/10`. IPv4's link-local addresses are like others: they are set by hand or by a program.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn ip(address: RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(address.into()),
        RouteAddress::Inet6(address) => Some(address.into()),
        _ => None,
    }
}

fn route(message: RouteMessage, deed: Deed) -> Fact {
    let header = message.header;
    let unspecified: IpAddr = match header.address_family {
        AddressFamily::Inet => [0; 4].into(),
        AddressFamily::Inet6 => [0; 16].into(),
        _ => return Fact::Nothing(None),
    };
    let (mut table, mut metric) = (u32::from(header.table), 0);
    let (mut destination, mut many) = (unspecified, None);
    let mut single = Draft::default();
    let mut rest = Rest {
        kind: header.kind,
        protocol: header.protocol.into(),
        scope: header.scope.into(),
        source: None,
        object: 0,
        metrics: Vec::new(),
        hops: Vec::new(),
    };
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = number,
            RouteAttribute::Priority(number) => metric = number,
            RouteAttribute::Destination(address) => {
                destination = ip(address).unwrap_or(unspecified)
            }
            RouteAttribute::PrefSource(address) => rest.source = ip(address),
            RouteAttribute::NhId(id) => rest.object = id,
            RouteAttribute::Metrics(metrics) => rest.metrics = metrics,
            RouteAttribute::MultiPath(hops) => many = Some(hops),
            other => single.take(other),
        }
    }
    let prefix = Prefix::containing(destination, header.destination_prefix_length);
    if table != u32::from(libc::RT_TABLE_MAIN)
        || header.flags.contains(RouteFlags::Cloned)
        || is_of_no_concern(prefix)
    {
        return Fact::Nothing(None);
    }
    if header.source_prefix_length != 0 {
        return Fact::Nothing(Some(
            "IPv6 routes for some sources only (`from`) are not followed",
        ));
    }
    if header.tos != 0 {
        return Fact::Nothing(Some(
            "IPv4 routes for one type of service (`tos`) are not followed",
        ));
    }
    rest.hops = match many {
        Some(hops) => hops
            .into_iter()
            .filter_map(|hop| {
                let unusable = RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown;
                let mut draft = Draft {
                    device: hop.interface_index,
                    ..Draft::default()
                };
                hop.attributes.into_iter().for_each(|one| draft.take(one));
                draft.hop(u16::from(hop.hops) + 1, !hop.flags.intersects(unusable))
            })
            .collect(),
        None => {
            let unusable = RouteFlags::Dead | RouteFlags::Linkdown;
            let hop = single.hop(1, !header.flags.intersects(unusable));
            hop.into_iter().collect()
        }
    };
    if prefix.address().is_ipv6() {
        rest.hops.sort_by_key(|hop| (hop.device, hop.gateway));
    }
    let route = Route {
        prefix,
        metric,
        rest,
    };
    Fact::Route(route, deed)
}

/// Multicast, and the link-local network, which is on every port.
fn is_of_no_concern(prefix: Prefix) -> bool {
    let multicast_length = if prefix.address().is_ipv4() { 4 } else { 8 };
    prefix.address().is_multicast() && prefix.length() >= multicast_length
        || is_link_local(prefix.address()) && prefix.length() >= 10
}

/// What is known of a next hop while its attributes are read.
#[derive(Default)]
struct Draft {
    device: u32,
    gateway: Option<IpAddr>,
    is_wrapped: bool,
}

impl Draft {
    fn take(&mut self, attribute: RouteAttribute) {
        match attribute {
            RouteAttribute::Oif(index) => self.device = index,
            RouteAttribute::Gateway(address) => self.gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(address)) => self.gateway = Some(address.into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => self.gateway = Some(address.into()),
            RouteAttribute::Via(_) | RouteAttribute::EncapType(_) => self.is_wrapped = true,
            _ => {}
        }
    }

    /// The hop, if it leads to a device at all.
    fn hop(self, weight: u16, is_alive: bool) -> Option<Hop> {
        (self.device != 0).then_some(Hop {
            device: self.device,
            gateway: self.gateway,
            weight,
            is_usable: is_alive && !self.is_wrapped,
        })
    }
}

fn neighbor(message: &NeighbourMessage, is_there: bool) -> Fact {
    let header = &message.header;
    if header.flags.contains(NeighbourFlags::Proxy) {
        return Fact::Nothing(None);
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some(IpAddr::from(*v4));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some(IpAddr::from(*v6));
            }
            NeighbourAttribute::LinkLayerAddress(octets) => {
                mac = octets.first_chunk().copied().map(MacAddr);
            }
            _ => {}
        }
    }
    // Multicast ones are worked out, not found; and a bridge's have no IP address.
    let Some(address) = address.filter(|address| !address.is_multicast()) else {
        return Fact::Nothing(None);
    };
    let state = header.state;
    let is_believed = matches!(
        state,
        NeighbourState::Permanent
            | NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
    );
    let neighbor = is_there.then_some(Neighbor {
        mac: mac.filter(|mac| is_believed && mac.is_unicast()),
        is_permanent: state == NeighbourState::Permanent,
        is_reachable: state == NeighbourState::Reachable,
    });
    Fact::Neighbor(header.ifindex, address, neighbor)
}
