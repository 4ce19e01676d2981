//! How the kernel is asked and heard: rtnetlink over sockets of our own.
//!
//! WO 00/30294, box 58. One socket hears of changes as long as the daemon lives; each dump has its own, so that what is
//! asked for and what happens meanwhile cannot be mixed up, and a dump that fails leaves nothing behind.
//! Not here: what a message says (`facts`), and in what order things are read (`mod`).
//! Easy to get wrong: when messages come faster than they are read, the kernel drops some and says so once, with
//! `ENOBUFS`. What is read afterwards is right in itself and has a gap before it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NetlinkBuffer,
    NetlinkHeader, Parseable,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::facts::Fact;

/// Octets of one read: the kernel fills as much of a dump into it as fits, 32 KiB at most.
const READ: usize = 64 << 10;
/// Octets of a netlink message's header.
const HEADER: usize = 16;
/// How long the kernel may be silent in the midst of a dump.
const PATIENCE: Duration = Duration::from_secs(10);
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
    /// The request's type, its family, and the octets of its header.
    fn request(self) -> (u16, i32, usize) {
        match self {
            Self::Links => (libc::RTM_GETLINK, libc::AF_UNSPEC, 16),
            Self::Addresses => (libc::RTM_GETADDR, libc::AF_UNSPEC, 8),
            Self::Routes4 => (libc::RTM_GETROUTE, libc::AF_INET, 12),
            Self::Routes6 => (libc::RTM_GETROUTE, libc::AF_INET6, 12),
            Self::Neighbors => (libc::RTM_GETNEIGH, libc::AF_UNSPEC, 12),
        }
    }
}

/// What came of listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Messages.
    Some,
    /// There is nothing more.
    Nothing,
    /// Messages were lost.
    Overrun,
}

/// A message that was read, or why it could not be.
pub(super) type Said = Result<Fact, String>;

/// The socket that hears of changes.
pub(super) struct Listener {
    socket: OwnedFd,
    buffer: Box<[u8]>,
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    // Without a protocol it is number 0, NETLINK_ROUTE.
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

impl Listener {
    /// Listens from now on; messages wait in `octets` of the kernel's memory at most, as it counts.
    pub(super) fn open(octets: usize) -> io::Result<Self> {
        let groups = GROUPS.iter().fold(0, |all, group| all | 1 << (group - 1));
        let socket = open(groups)?;
        // Beyond the system's limit where we may; where not, as much as it gives.
        if set_socket_recv_buffer_size_force(&socket, octets).is_err() {
            set_socket_recv_buffer_size(&socket, octets)?;
        }
        Ok(Self {
            socket,
            buffer: vec![0; READ].into(),
        })
    }

    /// Reads the messages of one datagram, if there is one.
    pub(super) fn hear(&mut self, mut each: impl FnMut(Said)) -> io::Result<Heard> {
        match rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
            Ok((len, _)) => {
                let octets = self.buffer.get(..len).unwrap_or_default();
                for (header, body) in messages(octets) {
                    each(Fact::read(&header, body, false));
                }
                Ok(Heard::Some)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Heard::Nothing),
            Err(Errno::NOBUFS) => Ok(Heard::Overrun),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for a message.
    pub(super) fn wait(&self, at_most: Duration) {
        wait(&self.socket, at_most);
    }
}

/// Waits until there is something to read; a signal that ends it early does no harm.
fn wait(socket: &OwnedFd, at_most: Duration) {
    let at_most = Timespec {
        tv_sec: at_most.as_secs().cast_signed(),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    let mut asked = [PollFd::new(socket, PollFlags::IN)];
    let _ = poll(&mut asked, Some(&at_most));
}

/// Messages of a datagram; what is cut off is left out.
fn messages(mut octets: &[u8]) -> impl Iterator<Item = (NetlinkHeader, &[u8])> {
    std::iter::from_fn(move || {
        let whole = NetlinkBuffer::new_checked(octets).ok()?;
        let header = NetlinkHeader::parse(&NetlinkBuffer::new(octets)).ok()?;
        let len = usize::try_from(whole.length()).ok()?;
        let body = octets.get(HEADER..len)?;
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    })
}

/// Reads a table; `between` is called now and then, so that nothing that happens meanwhile is lost. False: the table
/// has changed while it was read, and what was read may be neither the old nor the new.
pub(super) fn dump(
    table: Table,
    mut each: impl FnMut(Said),
    mut between: impl FnMut() -> io::Result<()>,
) -> io::Result<bool> {
    let socket = open(0)?;
    rustix::net::send(&socket, &question(table), SendFlags::empty())?;
    let mut buffer = vec![0; READ];
    let mut is_whole = true;
    loop {
        wait(&socket, PATIENCE);
        let len = match rustix::net::recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((len, _)) => len,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        for (header, body) in messages(buffer.get(..len).unwrap_or_default()) {
            is_whole &= header.flags & NLM_F_DUMP_INTR == 0;
            match header.message_type {
                NLMSG_NOOP => {}
                NLMSG_DONE | NLMSG_ERROR => {
                    return match code(body) {
                        0 => Ok(is_whole),
                        // A kernel without IPv6 has no IPv6 routes.
                        libc::EOPNOTSUPP | libc::EAFNOSUPPORT => Ok(true),
                        code => Err(io::Error::from_raw_os_error(code)),
                    };
                }
                _ => each(Fact::read(&header, body, true)),
            }
        }
        between()?;
    }
}

/// The errno at the beginning of the end of a dump, which the kernel writes negated.
fn code(body: &[u8]) -> i32 {
    let code = body
        .first_chunk()
        .map_or(0, |code| i32::from_ne_bytes(*code));
    code.saturating_neg()
}

/// A request for a whole table: header, and the table's own header, of which only the family counts.
fn question(table: Table) -> Vec<u8> {
    let (kind, family, body) = table.request();
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut octets = Vec::with_capacity(HEADER + body);
    let len = u32::try_from(HEADER + body).unwrap_or(u32::MAX);
    octets.extend(len.to_ne_bytes());
    octets.extend(kind.to_ne_bytes());
    octets.extend(flags.to_ne_bytes());
    octets.extend([0; 8]);
    octets.push(u8::try_from(family).unwrap_or(0));
    octets.resize(HEADER + body, 0);
    octets
}
