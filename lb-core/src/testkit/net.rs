//! The network of the packet cases: who is who; the configurations are in `text`.
//!
//! No counterpart in the patent. Port 0 leads to clients, some on the link and some behind a router; port 1
//! to servers. Addresses are those reserved for documentation; every neighbor is configured, so that no
//! case but those about neighbors has to resolve one.
//! Easy to get wrong: the ports' MAC addresses are those of DPDK's `net_pcap`, numbered from 0 in the order
//! of its devices, so that a case means the same in memory and through the program.

mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::MacAddr;
pub use text::*;

/// MAC address of a port, as `net_pcap` gives it.
#[must_use]
pub const fn port_mac(port: u8) -> MacAddr {
    MacAddr([0x02, b'p', b'c', b'a', b'p', port])
}

/// An IPv4 address and its IPv6 counterpart: one host in two families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// IPv4 address.
    pub v4: Ipv4Addr,
    /// IPv6 address.
    pub v6: Ipv6Addr,
    /// MAC address on its link; of a host behind the router, the router's.
    pub mac: MacAddr,
}

impl Host {
    /// The address of the wanted family.
    #[must_use]
    pub const fn address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => IpAddr::V4(self.v4),
            Family::V6 => IpAddr::V6(self.v6),
        }
    }

    /// Address and port.
    #[must_use]
    pub const fn socket(&self, family: Family, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(family), port)
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, for cases that hold in either.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}

const fn host(v4: [u8; 4], v6: [u16; 8], mac: [u8; 6]) -> Host {
    let [a, b, c, d] = v4;
    let [s, t, u, v, w, x, y, z] = v6;
    Host {
        v4: Ipv4Addr::new(a, b, c, d),
        v6: Ipv6Addr::new(s, t, u, v, w, x, y, z),
        mac: MacAddr(mac),
    }
}

/// Us, on port 0.
pub const CLIENT_SIDE: Host = host(
    [198, 51, 100, 1],
    [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1],
    port_mac(0).0,
);
/// Us, on port 1.
pub const SERVER_SIDE: Host = host(
    [10, 0, 0, 1],
    [0x2001, 0xdb8, 2, 0, 0, 0, 0, 1],
    port_mac(1).0,
);

const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];
/// The router of port 0, next hop of all that is not on a link.
pub const ROUTER: Host = host(
    [198, 51, 100, 254],
    [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xfe],
    ROUTER_MAC,
);
/// A client behind the router.
pub const CLIENT: Host = host(
    [203, 0, 113, 7],
    [0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 7],
    ROUTER_MAC,
);
/// A client on the link of port 0.
pub const NEAR_CLIENT: Host = host(
    [198, 51, 100, 7],
    [0x2001, 0xdb8, 1, 0, 0, 0, 0, 7],
    [2, 0, 0, 0, 0, 7],
);
/// The only backend of most services.
pub const SERVER: Host = host(
    [10, 0, 0, 11],
    [0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x11],
    [2, 0, 0, 0, 1, 0x11],
);
/// A second backend, where a service has two.
pub const SERVER_2: Host = host(
    [10, 0, 0, 12],
    [0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x12],
    [2, 0, 0, 0, 1, 0x12],
);
/// A host on the link of port 0 that is a backend too, of the one-armed service.
pub const ONE_ARM: Host = host(
    [198, 51, 100, 40],
    [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x40],
    [2, 0, 0, 0, 0, 0x40],
);
/// Somebody on the link of port 0 whom no configuration names.
pub const STRANGER: Host = host(
    [198, 51, 100, 99],
    [0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x99],
    [2, 0, 0, 0, 0, 0x99],
);
/// A host beyond a routed network on the servers' side.
pub const REMOTE: Host = host(
    [10, 9, 0, 5],
    [0x2001, 0xdb8, 9, 0, 0, 0, 0, 5],
    SERVER.mac.0,
);

const fn vip(v4: [u8; 4], last: u16) -> Host {
    host(v4, [0x2001, 0xdb8, 0xa, 0, 0, 0, 0, last], [0; 6])
}

/// Services with forwarding `nat`: TCP 80 → 8080, UDP 53 → 5353; both on [`SERVER`].
pub const NAT: Host = vip([192, 0, 2, 10], 0x10);
/// Services with forwarding `direct`: TCP 80, UDP 53; both on [`SERVER`].
pub const DIRECT: Host = vip([192, 0, 2, 20], 0x20);
/// TCP 80, `nat`, `on_miss` is `drop`.
pub const ON_MISS_DROP: Host = vip([192, 0, 2, 30], 0x30);
/// TCP 80, `nat`, `on_miss` is `hash`.
pub const ON_MISS_HASH: Host = vip([192, 0, 2, 31], 0x31);
/// TCP 80, `direct`, `on_miss` is `hash`.
pub const DIRECT_HASH: Host = vip([192, 0, 2, 32], 0x32);
/// TCP 80 and UDP 53, without a backend that takes new flows.
pub const DESERTED: Host = vip([192, 0, 2, 33], 0x33);
/// TCP 80, `nat`, on [`ONE_ARM`], port 8080.
pub const ONE_ARMED: Host = vip([192, 0, 2, 40], 0x40);
/// The address words of RFC 1624's example: 0x5555 becomes 0x3285 on the way to [`EQUATION_SERVER`].
pub const EQUATION: Host = vip([10, 0, 0x55, 0x55], 0x50);
/// Backend of [`EQUATION`], behind a route.
pub const EQUATION_SERVER: Host = host(
    [10, 0, 0x32, 0x85],
    [0x2001, 0xdb8, 9, 0, 0, 0, 0, 0x50],
    SERVER.mac.0,
);

/// Port of the TCP services.
pub const HTTP: u16 = 80;
/// Port of their backends with `nat`.
pub const HTTP_BACKEND: u16 = 8080;
/// Port of the UDP services.
pub const DNS: u16 = 53;
/// Port of their backends with `nat`.
pub const DNS_BACKEND: u16 = 5353;

/// One of a farm of backends, 0 to 99, on the link of port 1; in no configuration of the cases.
#[must_use]
pub const fn farm(number: u8) -> Host {
    let last = 100 + number % 100;
    host(
        [10, 0, 0, last],
        [0x2001, 0xdb8, 2, 0, 0, 0, 1, last as u16],
        [2, 0, 0, 0, 2, last],
    )
}
