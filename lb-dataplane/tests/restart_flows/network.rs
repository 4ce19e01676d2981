//! Who is who for the flows, and the configuration that says so.
//!
//! No counterpart in the patent. Two routers on port 0, four servers on port 1, five services.
//! Easy to get wrong: the lists of a configuration are in another order each time, so that whatever a process
//! numbers by position has another number in the next one.
#![expect(clippy::unwrap_used, reason = "test")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_core::testkit::net::{CLIENT_SIDE, Host, ROUTER, SERVER_SIDE};
use lb_core::wire::MacAddr;

/// Servers behind every service.
pub(crate) const BACKENDS: u8 = 4;

/// Another router of port 0, for clients with host numbers from 128.
pub(super) const ROUTER_2: Host = Host {
    v4: Ipv4Addr::new(198, 51, 100, 253),
    v6: Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xfd),
    mac: MacAddr([2, 0, 0, 0, 0, 0xfd]),
};
const ROUTERS: [(Host, [&str; 2]); 2] = [
    (ROUTER, ["0.0.0.0/0", "::/0"]),
    (ROUTER_2, ["203.0.113.128/25", "2001:db8:c::80/121"]),
];

/// Clients' addresses; each has as many flows per service as ports are used.
pub(super) const ADDRESSES: u32 = 250;

/// A service with forwarding `nat`.
pub(super) struct Service {
    /// Address that clients ask.
    pub(super) vip: IpAddr,
    /// Port that clients ask.
    pub(super) port: u16,
    /// Port of each of its backends.
    pub(super) backend_port: u16,
    /// TCP, or else UDP.
    pub(super) is_tcp: bool,
}

const fn service(vip: IpAddr, port: u16, backend_port: u16, is_tcp: bool) -> Service {
    Service {
        vip,
        port,
        backend_port,
        is_tcp,
    }
}

const VIP4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const OTHER_VIP4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11));
const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x10));

/// All services; on the first VIP, TCP and UDP; each backend's ports differ by service.
pub(super) const SERVICES: [Service; 5] = [
    service(VIP4, 80, 8080, true),
    service(VIP6, 80, 8080, true),
    service(VIP4, 53, 5353, false),
    service(OTHER_VIP4, 443, 8443, true),
    service(VIP6, 53, 5353, false),
];

/// Address of a server, below [`BACKENDS`].
pub(super) fn backend_address(backend: u8, is_ipv4: bool) -> IpAddr {
    if is_ipv4 {
        Ipv4Addr::new(10, 0, 0, 11 + backend).into()
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x11 + u16::from(backend)).into()
    }
}

/// MAC address of a server.
pub(super) fn backend_mac(backend: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, 0x11 + backend]
}

/// The configuration for these flows: no neighbor has to be asked for, no flow ends by age. All lists are in an
/// order of the moment, which no flow may notice.
pub(crate) fn configuration(random: &mut Random) -> String {
    let mut routes = Vec::new();
    let mut neighbors = Vec::new();
    for (router, prefixes) in ROUTERS {
        for (via, prefix) in [IpAddr::V4(router.v4), IpAddr::V6(router.v6)]
            .into_iter()
            .zip(prefixes)
        {
            routes.push(format!(r#"{{ "prefix": "{prefix}", "via": "{via}" }}"#));
            neighbors.push(format!(
                r#"{{ "address": "{via}", "mac": "{}" }}"#,
                router.mac
            ));
        }
    }
    for backend in 0..BACKENDS {
        for address in [true, false].map(|is_ipv4| backend_address(backend, is_ipv4)) {
            let mac = MacAddr(backend_mac(backend));
            neighbors.push(format!(r#"{{ "address": "{address}", "mac": "{mac}" }}"#));
        }
    }
    let mut services: Vec<_> = SERVICES
        .iter()
        .map(|service| text(service, random))
        .collect();
    for list in [&mut routes, &mut neighbors, &mut services] {
        random.shuffle(list);
    }
    format!(
        r#"{{ "interfaces": [
    {{ "port": 0, "name": "client", "addresses": ["{}/24", "{}/64"] }},
    {{ "port": 1, "name": "server", "addresses": ["{}/24", "{}/64"] }} ],
  "routes": [ {} ],
  "neighbors": [ {} ],
  "services": [ {} ] }}"#,
        CLIENT_SIDE.v4,
        CLIENT_SIDE.v6,
        SERVER_SIDE.v4,
        SERVER_SIDE.v6,
        routes.join(", "),
        neighbors.join(", "),
        services.join(",\n")
    )
}

fn text(service: &Service, random: &mut Random) -> String {
    let Service {
        vip,
        port,
        backend_port,
        is_tcp,
    } = service;
    let protocol = if *is_tcp { "tcp" } else { "udp" };
    let backend = |backend| {
        let address = backend_address(backend, vip.is_ipv4());
        format!(r#"{{ "name": "b{backend}", "address": "{address}", "port": {backend_port} }}"#)
    };
    let mut backends: Vec<_> = (0..BACKENDS).map(backend).collect();
    random.shuffle(&mut backends);
    let name = format!(
        "{protocol}-{port}-{}",
        if vip.is_ipv4() { "v4" } else { "v6" }
    );
    format!(
        r#"{{ "name": "{name}", "address": "{vip}", "port": {port}, "protocol": "{protocol}",
  "forwarding": "nat", "scheduler": "round-robin", "on_miss": "drop",
  "timeouts": {{ "half_open": 7440, "closing": 7440, "udp": 7440 }}, "backends": [ {} ] }}"#,
        backends.join(", ")
    )
}

/// Random numbers that a seed repeats (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % end
    }

    /// Puts a list into another order.
    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }
}
