//! What a kernel device is to look like, told by rtnetlink: MAC, MTU, up, carrier, addresses, and routes over it.
//!
//! WO 00/30294, Fig. 8: the parameters of pseudo-network driver 57. Each request is acknowledged.
//! Not here: how one speaks with the kernel (`lb_control::netlink`), what its tables say (`routing_daemon`).
//! Easy to get wrong: IPv6 addresses are set without duplicate detection. We answered for them a moment ago, before
//! the last restart, and a second without an answer would be an outage.

use std::io;
use std::net::IpAddr;

use lb_control::netlink::Conversation;
use lb_core::config::{Cidr, DOCUMENT_METRIC, PROTOCOL_ID, Prefix};
use lb_core::wire::MacAddr;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// A conversation with the kernel about one device.
pub(super) struct Netlink {
    conversation: Conversation,
    index: u32,
}

impl Netlink {
    pub(super) fn open(device: &str) -> io::Result<Self> {
        let conversation = Conversation::open()?;
        let index = conversation.index_of(device)?;
        Ok(Self {
            conversation,
            index,
        })
    }

    pub(super) fn set_mac(&mut self, mac: MacAddr) -> io::Result<()> {
        self.change_link(LinkAttribute::Address(mac.0.to_vec()))
    }

    pub(super) fn set_mtu(&mut self, mtu: u16) -> io::Result<()> {
        self.change_link(LinkAttribute::Mtu(mtu.into()))
    }

    /// Whether the link is there.
    pub(super) fn set_carrier(&mut self, is_there: bool) -> io::Result<()> {
        self.change_link(LinkAttribute::Carrier(is_there.into()))
    }

    /// Sets the device up, as `ip link set up` does.
    pub(super) fn set_up(&mut self) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.index;
        (link.header.flags, link.header.change_mask) = (LinkFlags::Up, LinkFlags::Up);
        self.conversation
            .tell(RouteNetlinkMessage::NewLink(link), 0)
    }

    fn change_link(&mut self, attribute: LinkAttribute) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = self.index;
        link.attributes.push(attribute);
        self.conversation
            .tell(RouteNetlinkMessage::NewLink(link), 0)
    }

    pub(super) fn add_address(&mut self, address: Cidr) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewAddress(self.address(address));
        self.conversation
            .tell(message, NLM_F_CREATE | NLM_F_REPLACE)
    }

    pub(super) fn remove_address(&mut self, address: Cidr) -> io::Result<()> {
        let message = RouteNetlinkMessage::DelAddress(self.address(address));
        self.conversation.tell(message, 0)
    }

    fn address(&self, cidr: Cidr) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.family = family(cidr.address());
        message.header.prefix_len = cidr.length();
        message.header.index = self.index;
        message.attributes = vec![
            AddressAttribute::Local(cidr.address()),
            AddressAttribute::Address(cidr.address()),
        ];
        if cidr.address().is_ipv6() {
            let flags = AddressAttribute::Flags(AddressFlags::Nodad);
            message.attributes.push(flags);
        }
        message
    }

    /// Puts a route of the document's into the main table, unless somebody has one there with its metric.
    pub(super) fn add_route(&mut self, prefix: Prefix, via: IpAddr) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewRoute(self.route(prefix, via));
        self.conversation.tell(message, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Takes it out again.
    pub(super) fn remove_route(&mut self, prefix: Prefix, via: IpAddr) -> io::Result<()> {
        let message = RouteNetlinkMessage::DelRoute(self.route(prefix, via));
        self.conversation.tell(message, 0)
    }

    fn route(&self, prefix: Prefix, via: IpAddr) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = family(prefix.address());
        header.destination_prefix_length = prefix.length();
        header.table = RouteHeader::RT_TABLE_MAIN;
        header.protocol = RouteProtocol::Other(PROTOCOL_ID);
        header.kind = RouteType::Unicast;
        message.attributes = vec![
            RouteAttribute::Destination(prefix.address().into()),
            RouteAttribute::Gateway(via.into()),
            RouteAttribute::Oif(self.index),
            RouteAttribute::Priority(DOCUMENT_METRIC),
        ];
        message
    }
}

const fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
