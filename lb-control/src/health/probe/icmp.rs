//! Whether a host answers an echo request.
//!
//! No counterpart in the patent. A datagram socket for echoes where the kernel allows one (`ping_group_range`), else a
//! raw one, which needs `CAP_NET_RAW`.
//! Easy to get wrong: a raw socket hears all ICMP of its peer, other programs' answers too; and over IPv4 with the IP
//! header before it.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};

use lb_core::wire::checksum::Sum;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::{Answer, token};

const ECHO_REQUEST: [u8; 2] = [8, 128];
const ECHO_REPLY: [u8; 2] = [0, 129];
const HEADER: usize = 8;

/// Asks for an echo of a number.
pub(super) async fn ask(host: IpAddr) -> Answer {
    let socket = open(host)?;
    let token = token().to_be_bytes();
    socket.send(&request(host, token)).await?;
    let mut packet = [0; 512];
    loop {
        let length = socket.recv(&mut packet).await?;
        let packet = packet.get(..length).unwrap_or_default();
        if is_reply(host, packet, token) {
            return Ok("echo came back".to_owned());
        }
    }
}

/// A socket that speaks with one host only. What tokio calls UDP is any socket of datagrams.
fn open(host: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match host {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let of = |kind| Socket::new(domain, kind, Some(protocol));
    let socket = of(Type::DGRAM).or_else(|_| of(Type::RAW))?;
    socket.set_nonblocking(true)?;
    socket.connect(&SocketAddr::new(host, 0).into())?;
    UdpSocket::from_std(StdSocket::from(socket))
}

fn family(host: IpAddr) -> usize {
    usize::from(host.is_ipv6())
}

fn request(host: IpAddr, token: [u8; 8]) -> [u8; HEADER + 8] {
    let mut packet = [0; HEADER + 8];
    let [kind, ..] = &mut packet;
    *kind = ECHO_REQUEST.get(family(host)).copied().unwrap_or_default();
    if let Some(data) = packet.last_chunk_mut() {
        *data = token;
    }
    // A raw socket leaves identifier and checksum to us; of ICMPv6 the kernel sees to the latter.
    if let Some(identifier) = packet.get_mut(4..6) {
        let [a, b, ..] = token;
        identifier.copy_from_slice(&[a, b]);
    }
    if host.is_ipv4() {
        let sum = Sum::octets(&packet).checksum();
        if let Some(field) = packet.get_mut(2..4) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }
    packet
}

fn is_reply(host: IpAddr, packet: &[u8], token: [u8; 8]) -> bool {
    let reply = ECHO_REPLY.get(family(host)).copied();
    let is_message = |message: &[u8]| {
        message.first().copied() == reply
            && message.get(1) == Some(&0)
            && message.get(HEADER..) == Some(&token[..])
    };
    let has_ip_header = host.is_ipv4() && packet.first().is_some_and(|first| first >> 4 == 4);
    let behind = |first: &u8| packet.get(usize::from(first & 0xf) * 4..);
    is_message(packet) || (has_ip_header && packet.first().and_then(behind).is_some_and(is_message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn only_the_echo_of_our_own_number_is_an_answer() {
        let token = [1, 2, 3, 4, 5, 6, 7, 8];
        let mut packet = request(HOST, token);
        assert!(!is_reply(HOST, &packet, token), "the question itself");
        packet[0] = 0;
        assert!(is_reply(HOST, &packet, token));
        assert!(!is_reply(HOST, &packet, [0; 8]));
        let with_header = [&[0x45; 20][..], &packet].concat();
        assert!(is_reply(HOST, &with_header, token));
        for cut in 0..with_header.len() {
            assert!(!is_reply(HOST, &with_header[..cut], token));
        }
    }

    #[test]
    fn the_checksum_of_a_request_makes_its_sum_right() {
        let packet = request(HOST, [9; 8]);
        assert!(Sum::octets(&packet).is_right());
    }
}
