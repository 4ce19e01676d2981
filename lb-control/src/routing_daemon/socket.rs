//! What the kernel is asked, and what is listened to.
//!
//! WO 00/30294, box 58. One conversation hears of changes as long as the daemon lives; each dump has its own, so that a
//! dump that fails leaves nothing behind.
//! Not here: how one speaks with the kernel (`netlink`), what a message says (`facts`), and in what order things are
//! read (`mod`).
//! Easy to get wrong: what a dump lists is no change; the same message means another thing when nobody asked.

use std::io;
use std::time::Duration;

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::facts::Fact;
use crate::netlink::{Conversation, Heard};

/// Of nexthop objects; the C library has no name for it.
const NEXTHOP_GROUP: u32 = 32;
/// What is listened to.
const GROUPS: [u32; 7] = [
    libc::RTNLGRP_LINK,
    libc::RTNLGRP_NEIGH,
    libc::RTNLGRP_IPV4_IFADDR,
    libc::RTNLGRP_IPV4_ROUTE,
    libc::RTNLGRP_IPV6_IFADDR,
    libc::RTNLGRP_IPV6_ROUTE,
    NEXTHOP_GROUP,
];

/// A table of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Devices.
    Links,
    /// Addresses of both families.
    Addresses,
    /// IPv4 routes of all tables.
    Routes4,
    /// IPv6 routes of all tables.
    Routes6,
    /// Neighbors of both families.
    Neighbors,
}

impl Table {
    fn request(self) -> RouteNetlinkMessage {
        let routes = |family| {
            let mut wanted = RouteMessage::default();
            wanted.header.address_family = family;
            RouteNetlinkMessage::GetRoute(wanted)
        };
        match self {
            Self::Links => RouteNetlinkMessage::GetLink(LinkMessage::default()),
            Self::Addresses => RouteNetlinkMessage::GetAddress(AddressMessage::default()),
            Self::Routes4 => routes(AddressFamily::Inet),
            Self::Routes6 => routes(AddressFamily::Inet6),
            Self::Neighbors => RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
        }
    }
}

/// A message that was read, or why it could not be.
pub(super) type Said = Result<Fact, String>;

/// Hears of changes.
pub(super) struct Listener(Conversation);

impl Listener {
    /// Listens from now on; messages wait in `octets` of the kernel's memory at most, as it counts.
    pub(super) fn open(octets: usize) -> io::Result<Self> {
        Conversation::listening(&GROUPS, octets).map(Self)
    }

    /// Reads the messages of one datagram, if there is one.
    pub(super) fn hear(&mut self, mut each: impl FnMut(Said)) -> io::Result<Heard> {
        (self.0).hear(|header, body| each(Fact::read(header, body, false)))
    }

    /// Waits for a message.
    pub(super) fn wait(&self, at_most: Duration) {
        self.0.wait(at_most);
    }
}

/// Reads a table, see [`Conversation::dump`].
pub(super) fn dump(
    table: Table,
    mut each: impl FnMut(Said),
    between: impl FnMut() -> io::Result<()>,
) -> io::Result<bool> {
    let list = |header: &_, body: &_| each(Fact::read(header, body, true));
    let read = Conversation::open()?.dump(table.request(), list, between);
    match read {
        // A kernel without IPv6 has no IPv6 routes.
        Err(error)
            if [libc::EOPNOTSUPP, libc::EAFNOSUPPORT]
                .map(Some)
                .contains(&error.raw_os_error()) =>
        {
            Ok(true)
        }
        read => read,
    }
}
