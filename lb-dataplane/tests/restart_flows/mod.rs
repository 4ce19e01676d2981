//! Many flows, each a number: who its client is, which service it asks for, and all frames of its life.
//!
//! No counterpart in the patent. Clients behind two routers of port 0, four servers on port 1. Every frame carries
//! its flow's number, so that what comes out tells which frame went in, whatever was rewritten.
//! Easy to get wrong: flows with neighboring numbers have the same client address and port and differ in the
//! service alone; and checksums here are computed from scratch, never by what is tested.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test"
)]

pub(crate) mod network;

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lb_core::testkit::net::{Host, ROUTER, port_mac};

use network::{ADDRESSES, BACKENDS, ROUTER_2, SERVICES, Service, backend_address, backend_mac};

/// A flow from a client to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Flow(pub(crate) u32);

/// One of a flow's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Opens a TCP connection; a later number opens another one on the same ports.
    Syn(u8),
    /// Belongs to the connection that the SYN with that number opened.
    Data(u8),
    /// The last one of its direction.
    Fin(u8),
    /// From a server.
    Reply(u8),
    /// The last one from a server.
    ReplyFin(u8),
}

impl Kind {
    fn octets(self) -> [u8; 2] {
        match self {
            Self::Syn(number) => [b'S', number],
            Self::Data(number) => [b'D', number],
            Self::Fin(number) => [b'F', number],
            Self::Reply(number) => [b'R', number],
            Self::ReplyFin(number) => [b'L', number],
        }
    }

    fn of([letter, number]: [u8; 2]) -> Option<Self> {
        match letter {
            b'S' => Some(Self::Syn(number)),
            b'D' => Some(Self::Data(number)),
            b'F' => Some(Self::Fin(number)),
            b'R' => Some(Self::Reply(number)),
            b'L' => Some(Self::ReplyFin(number)),
            _ => None,
        }
    }

    fn flags(self) -> u8 {
        match self {
            Self::Syn(_) => 0x02,
            Self::Fin(_) | Self::ReplyFin(_) => 0x11,
            Self::Data(_) | Self::Reply(_) => 0x18,
        }
    }

    /// Connections on the same ports begin far apart; within one the numbers are close.
    fn sequence(self) -> u32 {
        match self {
            Self::Syn(number) => 1_000 + 1_000_000 * u32::from(number),
            Self::Data(number) | Self::Fin(number) => 1_001 + 1_000_000 * u32::from(number),
            Self::Reply(_) | Self::ReplyFin(_) => 7_000,
        }
    }
}

/// A frame that passed: which one, and which backend it came from or went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Passed {
    /// The flow.
    pub(crate) flow: Flow,
    /// Which of its frames.
    pub(crate) kind: Kind,
    /// Its backend.
    pub(crate) backend: u8,
}

/// What a frame says of itself; of one towards the servers, not yet which backend.
type Label = Passed;

const MARK: [u8; 4] = *b"flow";

impl Label {
    fn octets(self) -> [u8; 11] {
        let mut octets = [0; 11];
        octets[..4].copy_from_slice(&MARK);
        octets[4..8].copy_from_slice(&self.flow.0.to_be_bytes());
        octets[8..10].copy_from_slice(&self.kind.octets());
        octets[10] = self.backend;
        octets
    }

    /// The label at the end of a frame.
    fn of(frame: &[u8]) -> Option<Self> {
        let octets: &[u8; 11] = frame.last_chunk()?;
        let flow = Flow(u32::from_be_bytes(*octets[4..].first_chunk()?));
        let kind = Kind::of(*octets[8..].first_chunk()?)?;
        (octets[..4] == MARK).then_some(Self {
            flow,
            kind,
            backend: octets[10],
        })
    }
}

impl Flow {
    fn service(self) -> &'static Service {
        &SERVICES[self.0 as usize % SERVICES.len()]
    }

    fn client(self) -> SocketAddr {
        let index = self.0 / SERVICES.len() as u32;
        let host = index % ADDRESSES + 1;
        let port = u16::try_from(1024 + index / ADDRESSES).unwrap();
        let address = match self.service().vip {
            IpAddr::V4(_) => Ipv4Addr::from(0xcb00_7100 + host).into(),
            IpAddr::V6(_) => Ipv6Addr::from(0x2001_0db8_000c << 80 | u128::from(host)).into(),
        };
        SocketAddr::new(address, port)
    }

    /// The router that the client is behind.
    fn router(self) -> Host {
        let host = match self.client().ip() {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[15],
        };
        if host < 128 { ROUTER } else { ROUTER_2 }
    }

    fn vip(self) -> SocketAddr {
        SocketAddr::new(self.service().vip, self.service().port)
    }

    fn backend(self, backend: u8) -> SocketAddr {
        SocketAddr::new(
            backend_address(backend, self.service().vip.is_ipv4()),
            self.service().backend_port,
        )
    }

    /// Whether the flow has a SYN; else its first datagram opens it.
    pub(crate) fn is_tcp(self) -> bool {
        self.service().is_tcp
    }

    /// A frame from the client, as it arrives.
    pub(crate) fn client_sends(self, kind: Kind) -> Vec<u8> {
        let label = Label {
            flow: self,
            kind,
            backend: 0,
        };
        frame(
            (self.router().mac.0, port_mac(0).0),
            (self.client(), self.vip()),
            64,
            label,
        )
    }

    /// The same as it must leave for a backend.
    pub(crate) fn backend_gets(self, kind: Kind, backend: u8) -> Vec<u8> {
        let label = Label {
            flow: self,
            kind,
            backend: 0,
        };
        let link = (port_mac(1).0, backend_mac(backend));
        frame(link, (self.client(), self.backend(backend)), 63, label)
    }

    /// A frame from a backend, as it arrives.
    pub(crate) fn backend_sends(self, kind: Kind, backend: u8) -> Vec<u8> {
        let label = Label {
            flow: self,
            kind,
            backend,
        };
        let link = (backend_mac(backend), port_mac(1).0);
        frame(link, (self.backend(backend), self.client()), 64, label)
    }

    /// The same as it must leave for the client.
    pub(crate) fn client_gets(self, kind: Kind, backend: u8) -> Vec<u8> {
        let label = Label {
            flow: self,
            kind,
            backend,
        };
        frame(
            (port_mac(0).0, self.router().mac.0),
            (self.vip(), self.client()),
            63,
            label,
        )
    }
}

/// The frames that left for the servers, each distinct one once. Asserts that every one is a frame that a
/// client sent, with the rewrite of its own flow and octet for octet right.
pub(crate) fn forwarded(frames: Vec<Vec<u8>>) -> HashSet<Passed> {
    let distinct: HashSet<_> = frames.into_iter().collect();
    let look = |frame: Vec<u8>| {
        let label =
            Label::of(&frame).unwrap_or_else(|| panic!("to a backend, of no flow: {frame:02x?}"));
        let backend = (0..BACKENDS).find(|&backend| frame.starts_with(&backend_mac(backend)));
        let backend = backend.unwrap_or_else(|| panic!("{label:?} to no backend: {frame:02x?}"));
        assert_eq!(
            frame,
            label.flow.backend_gets(label.kind, backend),
            "{label:?} to backend {backend}"
        );
        Passed { backend, ..label }
    };
    distinct.into_iter().map(look).collect()
}

/// The frames that left for the clients, likewise.
pub(crate) fn replied(frames: Vec<Vec<u8>>) -> HashSet<Passed> {
    let distinct: HashSet<_> = frames.into_iter().collect();
    let look = |frame: Vec<u8>| {
        let label =
            Label::of(&frame).unwrap_or_else(|| panic!("to a client, of no flow: {frame:02x?}"));
        assert_eq!(
            frame,
            label.flow.client_gets(label.kind, label.backend),
            "{label:?}"
        );
        label
    };
    distinct.into_iter().map(look).collect()
}

/// One IP packet in its frame: link, addresses and ports, hops, and a label as data.
fn frame(
    (from_mac, to_mac): ([u8; 6], [u8; 6]),
    (from, to): (SocketAddr, SocketAddr),
    hops: u8,
    label: Label,
) -> Vec<u8> {
    let protocol = if label.flow.is_tcp() { 6 } else { 17 };
    let mut upper = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let checksum_at = if protocol == 6 {
        upper.extend(label.kind.sequence().to_be_bytes());
        upper.extend([0, 0, 0, 1, 0x50, label.kind.flags(), 0xff, 0xff, 0, 0, 0, 0]);
        16
    } else {
        upper.extend([0, 19, 0, 0]);
        6
    };
    upper.extend(label.octets());
    let len = upper.len() as u16;
    let (mut ip, ends) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut ip = vec![0x45, 0];
            ip.extend((20 + len).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, hops, protocol, 0, 0]);
            (ip, [from.octets(), to.octets()].concat())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut ip = vec![0x60, 0, 0, 0];
            ip.extend(len.to_be_bytes());
            ip.extend([protocol, hops]);
            (ip, [from.octets(), to.octets()].concat())
        }
        _ => unreachable!("a flow has one address family"),
    };
    let pseudo = sum(&ends) + u32::from(protocol) + u32::from(len);
    let checksum = folded(pseudo + sum(&upper));
    let checksum = if checksum == 0 && protocol == 17 {
        0xffff
    } else {
        checksum
    };
    upper[checksum_at..checksum_at + 2].copy_from_slice(&checksum.to_be_bytes());
    ip.extend(ends);
    let ethertype: [u8; 2] = if ip[0] == 0x45 {
        [0x08, 0]
    } else {
        [0x86, 0xdd]
    };
    if ip[0] == 0x45 {
        let checksum = folded(sum(&ip));
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    [&to_mac[..], &from_mac, &ethertype, &ip, &upper].concat()
}

/// Sum of big-endian words, the last one filled with a zero.
fn sum(octets: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    octets.chunks(2).map(word).sum()
}

fn folded(sum: u32) -> u16 {
    let once = (sum >> 16) + (sum & 0xffff);
    !(((once >> 16) + (once & 0xffff)) as u16)
}
