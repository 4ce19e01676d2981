//! What goes to the control processor, and how much of it.
//!
//! WO 00/30294, Figs. 8 and 9: what the interface daemon 53 receives; claims 1–3, 13, 14. A packet that is for the
//! box itself and for no service is the kernel's, where an exception path leads there; without one we answer ARP,
//! neighbor discovery and echo requests ourselves, and drop the rest.
//! Classes keep a flood of one kind from starving another: each has a rate of its own on each port here, and control
//! traffic has rings of its own in the exchange.
//! Not here: the rings (`exchange`), the kernel's device (`interface_daemon`).
//! Easy to get wrong: a packet that the ring does not take has been counted as punted already; whoever owns the ring
//! gives it back with [`refuse_punted`](super::Filter::refuse_punted).

use std::net::IpAddr;

use crate::flow::{DirectionKey, FlowKey, Protocol};
use crate::frame::ETHERNET;
use crate::wire::{EtherType, IpProtocol};

use super::limit::{Bucket, Rate};
use super::{Item, Own, Reason, Scene, Verdict};

/// What kind of traffic a punted packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// ARP and neighbor discovery.
    Neighbor,
    /// Routing protocols and link control: BGP, BFD, OSPF, VRRP, IGMP and MLD, LLDP, LACP.
    Routing,
    /// ICMP: echo requests, and errors about what the box has sent.
    Icmp,
    /// Everything else.
    Bulk,
}

impl Class {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Neighbor, Self::Routing, Self::Icmp, Self::Bulk];

    /// Whether it goes with control traffic, apart from the rest.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Neighbor | Self::Routing)
    }

    /// What one lcore lets through from one port. The kernel's work on these packets takes time of the control processor, which
    /// a flood must not have whole; a transfer at five gigabits per second stays below.
    #[must_use]
    pub const fn rate(self) -> Rate {
        match self {
            Self::Neighbor => Rate {
                per_second: 5_000,
                burst: 500,
            },
            Self::Routing => Rate {
                per_second: 50_000,
                burst: 5_000,
            },
            Self::Icmp => Rate {
                per_second: 10_000,
                burst: 1_000,
            },
            Self::Bulk => Rate {
                per_second: 500_000,
                burst: 10_000,
            },
        }
    }

    /// Of a TCP or UDP packet, by its ports.
    fn of_flow<const W: usize>(item: &Item<W>) -> Self
    where
        FlowKey<W>: DirectionKey,
    {
        let (key, is_tcp) = (&item.flow.key, item.flow.protocol == Protocol::Tcp as u8);
        let is_routing = if is_tcp {
            TCP_ROUTING.contains(&key.dst_port()) || TCP_ROUTING.contains(&key.src_port())
        } else {
            UDP_ROUTING.contains(&key.dst_port())
        };
        if is_routing {
            Self::Routing
        } else {
            Self::Bulk
        }
    }

    /// Of any other IP packet, by its protocol; a fragment's is not looked at.
    pub(super) fn of_protocol(protocol: IpProtocol, is_fragment: bool) -> Self {
        match protocol {
            _ if is_fragment => Self::Bulk,
            IpProtocol::ICMPV4 | IpProtocol::ICMPV6 => Self::Icmp,
            IpProtocol(number) if IP_ROUTING.contains(&number) => Self::Routing,
            _ => Self::Bulk,
        }
    }

    /// Of a frame to a link-layer group that a control processor's kernel may be listening to: the groups that no
    /// router passes on (224.0.0.0/24, ff02::/16) and slow protocols. `None` for all other groups, and for
    /// broadcasts.
    fn of_group(frame: &[u8]) -> Option<Self> {
        let kind = u16::from_be_bytes(*frame.get(12..14)?.first_chunk()?);
        let packet = frame.get(ETHERNET..)?;
        match EtherType(kind) {
            EtherType::SLOW => Some(Self::Routing),
            EtherType::IPV4 => {
                let is_local = packet.get(16..19)? == [224, 0, 0];
                is_local.then_some(Self::of_protocol(IpProtocol(*packet.get(9)?), false))
            }
            EtherType::IPV6 => {
                let is_local = packet.get(24..26)? == [0xff, 0x02];
                let next = IpProtocol(*packet.get(6)?);
                let class = match next {
                    // Multicast listener discovery carries a router alert (RFC 3810, 5).
                    IpProtocol::HOP_BY_HOP => Self::Routing,
                    next => Self::of_protocol(next, false),
                };
                is_local.then_some(class)
            }
            _ => None,
        }
    }
}

/// BGP.
const TCP_ROUTING: &[u16] = &[179];
/// BFD (RFC 5881, 5883, 7130), RIP, RIPng.
const UDP_ROUTING: &[u16] = &[3784, 3785, 4784, 6784, 520, 521];
/// IGMP, EIGRP, OSPF, PIM, VRRP.
const IP_ROUTING: &[u8] = &[2, 88, 89, 103, 112];

/// Ports with buckets of their own: as many as Debian's DPDK drives. Higher numbers share the last.
const PORTS: usize = 32;

/// One lcore's way to the control processor.
pub(crate) struct Punts {
    is_open: bool,
    /// By port and class: a flood on one port leaves the others alone.
    buckets: Box<[[Bucket; Class::ALL.len()]; PORTS]>,
}

impl Punts {
    pub(super) fn new(is_open: bool) -> Self {
        Self {
            is_open,
            buckets: Box::new([Class::ALL.map(|class| Bucket::new(class.rate())); PORTS]),
        }
    }
}

impl<P> Own<P> {
    /// Whether the kernel has a device for the port: an interface of the configuration, and a way there.
    pub(super) fn has_kernel(&self, scene: Scene<'_>) -> bool {
        self.punts.is_open && !scene.ingress.addresses.is_empty()
    }

    /// For the control processor, if there is a way and the class has not used up its rate.
    #[cold]
    pub(super) fn punt(&mut self, scene: Scene<'_>, class: Class) -> Verdict {
        if !self.has_kernel(scene) {
            return Verdict::Drop(Reason::NoExceptionPath);
        }
        let port = usize::from(scene.ingress.id.0).min(PORTS - 1);
        let buckets = self.punts.buckets.get_mut(port);
        let bucket = buckets.and_then(|buckets| buckets.get_mut(class as usize));
        if bucket.is_none_or(|bucket| bucket.take(scene.now.millis)) {
            Verdict::Punt(class)
        } else {
            Verdict::Drop(Reason::PuntRate)
        }
    }

    /// A TCP or UDP packet for the control processor.
    pub(super) fn punt_flow<const W: usize>(&mut self, scene: Scene<'_>, item: &Item<W>) -> Verdict
    where
        FlowKey<W>: DirectionKey,
    {
        self.punt(scene, Class::of_flow(item))
    }

    /// A frame to a link-layer group that is neither ARP nor neighbor discovery.
    pub(super) fn link_group(&mut self, scene: Scene<'_>, frame: &[u8]) -> Verdict {
        match Class::of_group(frame) {
            Some(class) if self.has_kernel(scene) => self.punt(scene, class),
            _ => Verdict::Drop(Reason::LinkMulticast),
        }
    }

    /// Whether a destination that is no interface's and no VIP is the kernel's all the same: a link-local address,
    /// which the kernel gives its device by itself, and which is never passed on (RFC 4291, 2.5.6).
    pub(super) fn is_kernels(&self, scene: Scene<'_>, dst: IpAddr) -> bool {
        let is_link_local = matches!(dst, IpAddr::V6(v6) if v6.is_unicast_link_local());
        is_link_local && self.has_kernel(scene)
    }
}
