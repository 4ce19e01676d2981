//! One flow of a case, and how its packets must look on either side.
//!
//! No counterpart in the patent. What must come out is what came in with other plain values, written anew.
//! Easy to get wrong: with `direct` the backend answers past us; there is no way back to describe.

use std::net::{IpAddr, SocketAddr};

use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{
    CLIENT, CLIENT_SIDE, DIRECT, DNS, DNS_BACKEND, Family, HTTP, HTTP_BACKEND, Host, NAT, ONE_ARM,
    ONE_ARMED, SERVER, SERVER_SIDE, port_mac,
};
use crate::wire::tcp::Flags;

/// Hops that a built packet has left, and that it has left behind a router.
pub(super) const HOPS: u8 = 64;
/// One less.
pub(super) const ROUTED_HOPS: u8 = HOPS - 1;

/// What a case is given: a family, and client ports of its own.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Address family.
    pub family: Family,
    /// First of the case's client ports.
    pub port: u16,
}

impl Scene {
    /// A client socket behind the router.
    #[must_use]
    pub fn client(self) -> SocketAddr {
        CLIENT.socket(self.family, self.port)
    }

    /// The address of a host in the case's family.
    #[must_use]
    pub fn at(self, host: Host) -> IpAddr {
        host.address(self.family)
    }

    /// Our address on port 0.
    #[must_use]
    pub fn us(self) -> IpAddr {
        self.at(CLIENT_SIDE)
    }

    /// Our address on port 1.
    #[must_use]
    pub fn us_inside(self) -> IpAddr {
        self.at(SERVER_SIDE)
    }

    /// A TCP flow with forwarding `nat`.
    #[must_use]
    pub fn nat(self) -> Flow {
        self.nat_to(NAT)
    }

    /// A TCP flow to another service with forwarding `nat`.
    #[must_use]
    pub fn nat_to(self, vip: Host) -> Flow {
        self.flow(vip, HTTP, SERVER, HTTP_BACKEND)
    }

    /// A UDP flow with forwarding `nat`.
    #[must_use]
    pub fn nat_udp(self) -> Flow {
        self.flow(NAT, DNS, SERVER, DNS_BACKEND)
    }

    /// A TCP flow with forwarding `direct`.
    #[must_use]
    pub fn direct(self) -> Flow {
        self.direct_to(DIRECT)
    }

    /// A TCP flow to another service with forwarding `direct`.
    #[must_use]
    pub fn direct_to(self, vip: Host) -> Flow {
        Flow {
            is_direct: true,
            ..self.flow(vip, HTTP, SERVER, HTTP)
        }
    }

    /// A UDP flow with forwarding `direct`.
    #[must_use]
    pub fn direct_udp(self) -> Flow {
        Flow {
            is_direct: true,
            ..self.flow(DIRECT, DNS, SERVER, DNS)
        }
    }

    /// A TCP flow whose backend is on the clients' port.
    #[must_use]
    pub fn one_armed(self) -> Flow {
        Flow {
            out: 0,
            ..self.flow(ONE_ARMED, HTTP, ONE_ARM, HTTP_BACKEND)
        }
    }

    /// A flow to any service.
    #[must_use]
    pub fn flow(self, vip: Host, port: u16, backend: Host, backend_port: u16) -> Flow {
        Flow {
            client: self.client(),
            client_mac: CLIENT.mac,
            vip: vip.socket(self.family, port),
            backend: backend.socket(self.family, backend_port),
            backend_mac: backend.mac,
            out: 1,
            is_direct: false,
        }
    }
}

/// A flow: who talks with whom through us.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The client's socket.
    pub client: SocketAddr,
    /// MAC address from which its packets come, and to which they return.
    pub client_mac: crate::wire::MacAddr,
    /// The service's socket.
    pub vip: SocketAddr,
    /// The backend's socket.
    pub backend: SocketAddr,
    /// Its MAC address.
    pub backend_mac: crate::wire::MacAddr,
    /// The port that leads to it.
    pub out: u8,
    /// Forwarding is `direct`.
    pub is_direct: bool,
}

impl Flow {
    /// The same flow from a client on the link.
    #[must_use]
    pub fn from_near(self, client: Host) -> Self {
        let family = if self.client.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        Self {
            client: client.socket(family, self.client.port()),
            client_mac: client.mac,
            ..self
        }
    }

    /// The same flow from another port of the client.
    #[must_use]
    pub fn from_port(mut self, offset: u16) -> Self {
        self.client.set_port(self.client.port() + offset);
        self
    }

    /// The client's SYN, as it comes in.
    #[must_use]
    pub fn syn(&self) -> Frame {
        Frame::syn(self.client, self.vip).from_mac(self.client_mac)
    }

    /// A later segment of the client's, as it comes in: ACK, sequence number 1001.
    #[must_use]
    pub fn segment(&self) -> Frame {
        Frame::tcp(self.client, self.vip)
            .seq(1001)
            .ack(5001)
            .from_mac(self.client_mac)
    }

    /// A datagram of the client's, as it comes in.
    #[must_use]
    pub fn datagram(&self, data: &[u8]) -> Frame {
        Frame::udp(self.client, self.vip)
            .data(data)
            .from_mac(self.client_mac)
    }

    /// The backend's SYN+ACK, as it comes in.
    #[must_use]
    pub fn syn_ack(&self) -> Frame {
        self.answer()
            .flags(Flags::SYN)
            .seq(5000)
            .ack(1001)
            .tcp_options(&[2, 4, 0x05, 0xb4])
    }

    /// A later segment of the backend's, as it comes in: ACK, sequence number 5001.
    #[must_use]
    pub fn answer(&self) -> Frame {
        Frame::tcp(self.backend, self.client)
            .seq(5001)
            .ack(1001)
            .link(self.backend_mac, port_mac(self.out))
    }

    /// A datagram of the backend's, as it comes in.
    #[must_use]
    pub fn answer_datagram(&self, data: &[u8]) -> Frame {
        Frame::udp(self.backend, self.client)
            .data(data)
            .link(self.backend_mac, port_mac(self.out))
    }

    /// A packet of the client's, as it must leave to the backend.
    #[must_use]
    pub fn there(&self, frame: &Frame) -> Frame {
        let frame = frame.clone().link(port_mac(self.out), self.backend_mac);
        if self.is_direct {
            frame
        } else {
            frame.to_socket(self.backend).hops(ROUTED_HOPS)
        }
    }

    /// A packet of the backend's, as it must leave to the client.
    #[must_use]
    pub fn back(&self, frame: &Frame) -> Frame {
        frame
            .clone()
            .link(port_mac(0), self.client_mac)
            .from_socket(self.vip)
            .hops(ROUTED_HOPS)
    }

    /// The client's packet goes to the backend.
    #[must_use]
    pub fn goes(&self, frame: &Frame) -> Step {
        Step::client(frame, Expect::out(self.out, &self.there(frame)))
    }

    /// The backend's packet goes to the client.
    #[must_use]
    pub fn returns(&self, frame: &Frame) -> Step {
        Step::on(self.out, frame, Expect::out(0, &self.back(frame)))
    }

    /// The three steps of a handshake; two where answers do not pass us.
    #[must_use]
    pub fn handshake(&self) -> Vec<Step> {
        let mut steps = vec![self.goes(&self.syn())];
        if !self.is_direct {
            steps.push(self.returns(&self.syn_ack()));
        }
        steps.push(self.goes(&self.segment()));
        steps
    }

    /// The reset that answers a segment of the client's, before numbers and flags.
    #[must_use]
    pub fn refusal(&self) -> Frame {
        Frame::tcp(self.vip, self.client)
            .flags(Flags::RST)
            .window(0)
            .link(port_mac(0), self.client_mac)
    }
}
