//! Is a packet for one of our services, and if not, what becomes of it?
//!
//! WO 00/30294, Fig. 6: valid service entry (204, 206), otherwise reset or discard (208).
//! Here are all packets that no connection claims: openers, later packets without an entry, packets to
//! a VIP but for no service, to ourselves (the control processor's), and to others (transit).
//! Easy to get wrong: source addresses are checked here, once per flow, and not on the way of known flows:
//! no entry is ever made for a source that cannot be one.

use std::net::IpAddr;

use crate::config::{OnMiss, Owner, ServiceView};
use crate::flow::{DirectionKey, FlowHash, FlowKey, address_words};
use crate::frame::{Ip, Parsed, is_martian};
use crate::id::BackendSlot;
use crate::packet::Packet;
use crate::wire::tcp::Flags;
use crate::wire::{IpProtocol, icmpv4, icmpv6};

use super::foresee::Foreseen;
use super::life::State;
use super::punt::Class;
use super::rewrite::Family;
use super::{Item, Own, Reason, Scene, Verdict};
use crate::flow::Protocol;

impl<P: Packet> Own<P> {
    /// A TCP or UDP packet for which the burst's look-up found no connection.
    pub(super) fn unknown<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        foreseen: Foreseen<'_>,
    ) -> Verdict
    where
        FlowKey<W>: Family<W>,
    {
        let table = FlowKey::<W>::table(scene.tables);
        // An earlier packet of this burst may have opened the flow since.
        if let Some((id, direction, conn)) = table.find(item.hash, &item.flow.key)
            && let Some(verdict) = self.known(scene, item, packet, id, direction, conn)
        {
            return verdict;
        }
        if !is_source(scene, item.flow.key.src()) {
            return Verdict::Drop(Reason::MartianSource);
        }
        match foreseen.service {
            Some(service) => self.admit(scene, item, packet, service, foreseen.backend),
            None => self.stranger(scene, item, packet),
        }
    }

    /// Step 206, yes: may this packet open a connection (step 210)?
    fn admit<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
        service: &ServiceView,
        foreseen: Option<BackendSlot>,
    ) -> Verdict
    where
        FlowKey<W>: Family<W>,
    {
        if service.protocol == Protocol::Udp {
            return self.open(scene, item, packet, service, State::Datagram, foreseen);
        }
        let flags = Flags(item.flow.flags);
        if flags.is_opening() {
            return self.open(scene, item, packet, service, State::Opening, foreseen);
        }
        match service.on_miss {
            _ if flags.contains(Flags::RST) => Verdict::Drop(Reason::NoConnection),
            OnMiss::Reset => self.reset(scene, item, packet),
            OnMiss::Drop => Verdict::Drop(Reason::NoConnection),
            OnMiss::Hash => self.open(scene, item, packet, service, State::Established, None),
        }
    }

    /// Step 206, no: to a VIP but for no service, to us, or to somebody else.
    fn stranger<const W: usize>(
        &mut self,
        scene: Scene<'_>,
        item: &Item<W>,
        packet: &mut P,
    ) -> Verdict
    where
        FlowKey<W>: Family<W>,
    {
        let dst = item.flow.key.dst_words();
        if scene.distribution.is_vip(dst) {
            let is_tcp = item.flow.protocol == Protocol::Tcp as u8;
            if !is_tcp || Flags(item.flow.flags).contains(Flags::RST) {
                return Verdict::Drop(Reason::NoService);
            }
            return self.reset(scene, item, packet);
        }
        match scene.distribution.owner(dst) {
            Owner::Interface(_) | Owner::Vip => self.punt_flow(scene, item),
            Owner::Other if self.is_kernels(scene, item.flow.key.dst()) => {
                self.punt_flow(scene, item)
            }
            Owner::Other => {
                let dst = item.flow.key.dst();
                // The straight path of the parser has not looked at it.
                if is_martian(dst) || dst.is_multicast() {
                    return Verdict::Drop(Reason::MartianDestination);
                }
                self.transit(scene, dst, item.hash, packet)
            }
        }
    }

    /// Everything that is no whole TCP or UDP packet.
    #[cold]
    pub(super) fn other(&mut self, scene: Scene<'_>, parsed: Parsed, packet: &mut P) -> Verdict {
        match parsed {
            Parsed::Unfit(Reason::LinkMulticast) => self.link_group(scene, packet.head()),
            // The kernel may have a VLAN device on top of the port's.
            Parsed::Unfit(Reason::UnknownVlan) if self.has_kernel(scene) => {
                self.punt(scene, Class::Bulk)
            }
            Parsed::Unfit(reason) => Verdict::Drop(reason),
            Parsed::Arp => self.arp(scene, packet),
            Parsed::Ip(ip) => self.ip(scene, ip, packet),
            Parsed::LinkControl => self.punt(scene, Class::Routing),
            Parsed::PriorityTagged => Verdict::Drop(Reason::StackedVlan),
            // `burst` has put both aside before it came here.
            Parsed::FlowV4(_) | Parsed::FlowV6(_) => Verdict::Drop(Reason::UnknownProtocol),
        }
    }

    fn ip(&mut self, scene: Scene<'_>, ip: Ip, packet: &mut P) -> Verdict {
        if ip.protocol == IpProtocol::ICMPV6 && ip.dst.is_ipv6() && !ip.is_fragment {
            match packet.head().get(usize::from(ip.l4)) {
                Some(133..=137) => return self.neighbor_discovery(scene, ip, packet),
                None if ip.l4_len > 0 => return Verdict::Drop(Reason::HeaderSplit),
                _ => {}
            }
        }
        if ip.is_link_group {
            return self.link_group(scene, packet.head());
        }
        if !is_source(scene, ip.src) {
            return Verdict::Drop(Reason::MartianSource);
        }
        let owner = scene.distribution.owner(address_words(ip.dst));
        let is_icmp = match ip.dst {
            IpAddr::V4(_) => ip.protocol == IpProtocol::ICMPV4,
            IpAddr::V6(_) => ip.protocol == IpProtocol::ICMPV6,
        };
        match owner {
            Owner::Other if self.is_kernels(scene, ip.dst) => self.punt_ip(scene, ip),
            Owner::Other => self.transit(scene, ip.dst, flow_of(scene, ip), packet),
            Owner::Interface(_) if self.has_kernel(scene) && !is_vip(scene, ip.dst) => {
                self.punt_ip(scene, ip)
            }
            _ if ip.is_fragment => Verdict::Drop(Reason::Fragment),
            _ if is_icmp => self.icmp(scene, ip, packet),
            Owner::Vip => Verdict::Drop(Reason::UnknownProtocol),
            Owner::Interface(_) => self.punt_ip(scene, ip),
        }
    }

    /// An IP packet that is no whole TCP or UDP packet, for the control processor.
    fn punt_ip(&mut self, scene: Scene<'_>, ip: Ip) -> Verdict {
        self.punt(scene, Class::of_protocol(ip.protocol, ip.is_fragment))
    }

    /// ICMP to a VIP, or to us without a kernel that could answer: echo requests are answered, with or without
    /// a backend.
    fn icmp(&mut self, scene: Scene<'_>, ip: Ip, packet: &mut P) -> Verdict {
        let l4 = packet.head().get(usize::from(ip.l4)..).unwrap_or_default();
        let len = usize::from(ip.l4_len);
        let kind = match ip.dst {
            IpAddr::V4(_) => icmpv4::Header::parse(l4, len)
                .map(|h| h.message_type() == icmpv4::ECHO_REQUEST && h.code() == 0),
            IpAddr::V6(_) => icmpv6::Header::parse(l4, len)
                .map(|h| h.message_type() == icmpv6::ECHO_REQUEST && h.code() == 0),
        };
        match kind {
            // The packet has a header, the first segment has not all of it.
            None if len >= icmpv4::LEN => Verdict::Drop(Reason::HeaderSplit),
            None => Verdict::Drop(Reason::IcmpMalformed),
            Some(false) => Verdict::Drop(Reason::IcmpUnanswered),
            Some(true) => self.echo(scene, ip, packet),
        }
    }

    /// Neither to a VIP nor to us: routed, where the configuration wants that.
    fn transit(
        &mut self,
        scene: Scene<'_>,
        dst: IpAddr,
        flow: FlowHash,
        packet: &mut P,
    ) -> Verdict {
        if !scene.distribution.transit {
            return Verdict::Drop(Reason::NotForUs);
        }
        let hops = match dst {
            IpAddr::V4(_) => <FlowKey<2> as Family<2>>::hops(packet.head()),
            IpAddr::V6(_) => <FlowKey<5> as Family<5>>::hops(packet.head()),
        };
        if hops <= 1 {
            return self.hops_ran_out(scene, packet);
        }
        match self.next_hop(scene, dst, flow) {
            Err(reason) => Verdict::Drop(reason),
            Ok(neighbor) => {
                if let Some(verdict) = self.too_big(scene, neighbor, packet) {
                    return verdict;
                }
                match dst {
                    IpAddr::V4(_) => <FlowKey<2> as Family<2>>::decrement_hops(packet.head_mut()),
                    IpAddr::V6(_) => <FlowKey<5> as Family<5>>::decrement_hops(packet.head_mut()),
                }
                self.send(scene, neighbor, packet.head_mut())
            }
        }
    }
}

/// Which flow a packet without ports belongs to: that of its two addresses.
fn flow_of(scene: Scene<'_>, ip: Ip) -> FlowHash {
    let v4 = FlowKey::<2>::pack(ip.src, ip.dst, 0, 0, 0).map(|key| scene.tables.v4.hash(&key));
    let v6 = || FlowKey::<5>::pack(ip.src, ip.dst, 0, 0, 0).map(|key| scene.tables.v6.hash(&key));
    v4.or_else(v6).unwrap_or_default()
}

/// Whether a service uses an address, be it an interface's or not.
fn is_vip(scene: Scene<'_>, address: IpAddr) -> bool {
    scene.distribution.is_vip(address_words(address))
}

/// Edge-case row 22: whether an address can be a packet's source.
fn is_source(scene: Scene<'_>, src: IpAddr) -> bool {
    !is_martian(src)
        && !src.is_multicast()
        && scene.distribution.owner(address_words(src)) == Owner::Other
}
