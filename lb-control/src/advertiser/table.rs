//! Our routing table in the kernel: host routes in, host routes out, by rtnetlink(7).
//!
//! No counterpart in the patent. Nothing in the kernel looks into this table, for no rule leads there: it says to
//! routing daemons what to announce, and changes nobody's way.
//! Not here: which routes there should be (`announcer`).
//! Easy to get wrong: the kernel removes IPv4 routes with their device and says nothing. A route that we believe in is
//! therefore set again and again; one that stands is left as it is.

use std::io;
use std::net::IpAddr;

use lb_core::config::PROTOCOL_ID;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::netlink::Conversation;

/// Number of the kernel's table that has the routes. Below 253, or FRR could not read it.
pub const TABLE: u8 = 76;

/// A route to one VIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostRoute {
    /// The VIP.
    pub(super) address: IpAddr,
    /// The device that it leads over. Who reads the route asks for the address only; but the route ends with the device.
    pub(super) device: u32,
}

impl HostRoute {
    fn message(self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        (
            header.address_family,
            header.destination_prefix_length,
            header.scope,
        ) = match self.address {
            IpAddr::V4(_) => (AddressFamily::Inet, 32, RouteScope::Link),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128, RouteScope::Universe),
        };
        header.table = TABLE;
        header.protocol = RouteProtocol::Other(PROTOCOL_ID);
        header.kind = RouteType::Unicast;
        message.attributes = vec![
            RouteAttribute::Destination(self.address.into()),
            RouteAttribute::Oif(self.device),
        ];
        message
    }

    /// The route of a dump's message, if it is one of ours.
    fn read(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let length = header.destination_prefix_length;
        let is_ours = header.table == TABLE && header.protocol == RouteProtocol::Other(PROTOCOL_ID);
        let (mut address, mut device) = (None::<IpAddr>, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(to)) => address = Some((*to).into()),
                RouteAttribute::Destination(RouteAddress::Inet6(to)) => {
                    address = Some((*to).into())
                }
                RouteAttribute::Oif(index) => device = Some(*index),
                _ => {}
            }
        }
        let address = address.filter(|to| is_ours && length == if to.is_ipv4() { 32 } else { 128 });
        Some(Self {
            address: address?,
            device: device?,
        })
    }
}

/// A conversation with the kernel about the table.
pub(super) struct Table(Conversation);

impl Table {
    pub(super) fn open() -> io::Result<Self> {
        Conversation::open().map(Self)
    }

    /// The number of a device.
    pub(super) fn index_of(&self, name: &str) -> io::Result<u32> {
        self.0.index_of(name)
    }

    /// Our routes that are there. Goes through all of the kernel's tables, so it is for the start.
    pub(super) fn routes(&mut self) -> io::Result<Vec<HostRoute>> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut wanted = RouteMessage::default();
            wanted.header.address_family = family;
            let list = |header: &NetlinkHeader, body: &[u8]| {
                // One that cannot be read is not of our making.
                if let Ok(RouteNetlinkMessage::NewRoute(route)) =
                    RouteNetlinkMessage::deserialize(header, body)
                {
                    routes.extend(HostRoute::read(&route));
                }
            };
            (self.0).dump(RouteNetlinkMessage::GetRoute(wanted), list, || Ok(()))?;
        }
        Ok(routes)
    }

    /// Sets a route; false where one to this address stood already.
    pub(super) fn put(&mut self, route: HostRoute) -> io::Result<bool> {
        let message = RouteNetlinkMessage::NewRoute(route.message());
        match self.0.tell(message, NLM_F_CREATE | NLM_F_EXCL) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            put => put.map(|()| true),
        }
    }

    /// Removes a route; false where it was not there any more.
    pub(super) fn take(&mut self, route: HostRoute) -> io::Result<bool> {
        let message = RouteNetlinkMessage::DelRoute(route.message());
        let gone = [libc::ESRCH, libc::ENODEV];
        match self.0.tell(message, 0) {
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|code| gone.contains(&code)) =>
            {
                Ok(false)
            }
            taken => taken.map(|()| true),
        }
    }
}
