//! What a kernel device is to look like, told by rtnetlink: MAC, MTU, up, carrier, addresses, and routes over it.
//!
//! WO 00/30294, Fig. 8: the parameters of pseudo-network driver 57. rtnetlink(7); each request is acknowledged.
//! Not here: what the kernel's tables say (`routing_daemon`).
//! Easy to get wrong: IPv6 addresses are set without duplicate detection. We answered for them a moment ago, before
//! the last restart, and a second without an answer would be an outage.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use lb_core::config::{Cidr, DOCUMENT_METRIC, PROTOCOL_ID, Prefix};
use lb_core::wire::MacAddr;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice};

const NEW_LINK: u16 = libc::RTM_NEWLINK;
const NEW_ADDRESS: u16 = libc::RTM_NEWADDR;
const DELETE_ADDRESS: u16 = libc::RTM_DELADDR;
const NEW_ROUTE: u16 = libc::RTM_NEWROUTE;
const DELETE_ROUTE: u16 = libc::RTM_DELROUTE;
const IFLA_CARRIER: u16 = 33;
const IFA_FLAGS: u16 = 8;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
const IS_UP: u32 = 1;

/// A conversation with the kernel.
pub(super) struct Netlink {
    socket: OwnedFd,
    number: u32,
}

/// A request under construction.
struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: i32, body: &[u8]) -> Self {
        // Every flag that is used here has 16 bits.
        let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags).unwrap_or(0);
        let mut octets = vec![0; 4];
        octets.extend(kind.to_ne_bytes());
        octets.extend(flags.to_ne_bytes());
        octets.extend([0; 8]);
        octets.extend(body);
        Self(octets)
    }

    /// `struct ifinfomsg`: of one device, with the flags in `change` as `flags` has them.
    fn link(index: u32, flags: u32, change: u32) -> Self {
        let words = [0, index, flags, change].map(u32::to_ne_bytes);
        Self::new(NEW_LINK, 0, words.as_flattened())
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(len.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn finish(mut self, number: u32) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if let Some(place) = self.0.first_chunk_mut() {
            *place = len.to_ne_bytes();
        }
        if let Some(place) = self.0.get_mut(8..12) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
        self.0
    }
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        // Without a protocol it is number 0, NETLINK_ROUTE.
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok(Self { socket, number: 0 })
    }

    /// The number of a device.
    pub(super) fn index_of(&self, name: &str) -> io::Result<u32> {
        Ok(netdevice::name_to_index(&self.socket, name)?)
    }

    pub(super) fn set_mac(&mut self, index: u32, mac: MacAddr) -> io::Result<()> {
        self.ask(Request::link(index, 0, 0).attribute(libc::IFLA_ADDRESS, &mac.0))
    }

    pub(super) fn set_mtu(&mut self, index: u32, mtu: u16) -> io::Result<()> {
        let value = u32::from(mtu).to_ne_bytes();
        self.ask(Request::link(index, 0, 0).attribute(libc::IFLA_MTU, &value))
    }

    /// Sets the device up, as `ip link set up` does.
    pub(super) fn set_up(&mut self, index: u32) -> io::Result<()> {
        self.ask(Request::link(index, IS_UP, IS_UP))
    }

    /// Whether the link is there.
    pub(super) fn set_carrier(&mut self, index: u32, is_there: bool) -> io::Result<()> {
        self.ask(Request::link(index, 0, 0).attribute(IFLA_CARRIER, &[u8::from(is_there)]))
    }

    pub(super) fn add_address(&mut self, index: u32, address: Cidr) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        self.ask(of_address(NEW_ADDRESS, flags, index, address))
    }

    pub(super) fn remove_address(&mut self, index: u32, address: Cidr) -> io::Result<()> {
        self.ask(of_address(DELETE_ADDRESS, 0, index, address))
    }

    /// Puts a route of the document's into the main table, unless somebody has one there with its metric.
    pub(super) fn add_route(&mut self, index: u32, prefix: Prefix, via: IpAddr) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.ask(of_route(NEW_ROUTE, flags, index, prefix, via))
    }

    /// Takes it out again.
    pub(super) fn remove_route(
        &mut self,
        index: u32,
        prefix: Prefix,
        via: IpAddr,
    ) -> io::Result<()> {
        self.ask(of_route(DELETE_ROUTE, 0, index, prefix, via))
    }

    /// Sends a request and waits for its acknowledgment, which the kernel writes at once.
    fn ask(&mut self, request: Request) -> io::Result<()> {
        self.number = self.number.wrapping_add(1);
        let request = request.finish(self.number);
        rustix::net::send(&self.socket, &request, SendFlags::empty())?;
        let mut answer = [0; 4096];
        loop {
            let (len, _) = rustix::net::recv(&self.socket, &mut answer, RecvFlags::empty())?;
            let answer = answer.get(..len).unwrap_or_default();
            if word(answer, 8) == Some(self.number) {
                return outcome(answer);
            }
        }
    }
}

/// The family of an address, and its octets.
fn octets(address: IpAddr) -> (u8, Vec<u8>) {
    let (family, octets) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    (u8::try_from(family).unwrap_or(0), octets)
}

/// `struct rtmsg` and its attributes.
fn of_route(kind: u16, flags: i32, index: u32, prefix: Prefix, via: IpAddr) -> Request {
    let (family, destination) = octets(prefix.address());
    let (_, gateway) = octets(via);
    let scope = libc::RT_SCOPE_UNIVERSE;
    let (table, route) = (libc::RT_TABLE_MAIN, libc::RTN_UNICAST);
    let mut body = vec![
        family,
        prefix.length(),
        0,
        0,
        table,
        PROTOCOL_ID,
        scope,
        route,
    ];
    body.extend([0; 4]);
    Request::new(kind, flags, &body)
        .attribute(libc::RTA_DST, &destination)
        .attribute(libc::RTA_GATEWAY, &gateway)
        .attribute(libc::RTA_OIF, &index.to_ne_bytes())
        .attribute(libc::RTA_PRIORITY, &DOCUMENT_METRIC.to_ne_bytes())
}

/// `struct ifaddrmsg` and its attributes.
fn of_address(kind: u16, flags: i32, index: u32, cidr: Cidr) -> Request {
    let (family, octets) = octets(cidr.address());
    let mut body = vec![family, cidr.length(), 0, 0];
    body.extend(index.to_ne_bytes());
    let request = Request::new(kind, flags, &body)
        .attribute(libc::IFA_LOCAL, &octets)
        .attribute(libc::IFA_ADDRESS, &octets);
    if cidr.address().is_ipv6() {
        request.attribute(IFA_FLAGS, &libc::IFA_F_NODAD.to_ne_bytes())
    } else {
        request
    }
}

/// What an acknowledgment says: `struct nlmsgerr`, a negated errno or 0.
fn outcome(answer: &[u8]) -> io::Result<()> {
    match word(answer, HEADER).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_ne_bytes(*word))
}
