//! What lies behind the network layer of a built frame: TCP, UDP, ICMP or anything.
//!
//! No counterpart in the patent. RFC 9293, RFC 768, RFC 792, RFC 4443.
//! Easy to get wrong: a checksum that comes out as 0 is written as 0xFFFF for UDP and ICMPv4, as 0 for TCP and
//! ICMPv6.

use std::net::SocketAddr;

use super::Frame;
use super::ip::Ends;
use crate::wire::checksum::Sum;
use crate::wire::tcp::Flags;
use crate::wire::{IpProtocol, tcp, udp};

/// The upper layer.
#[derive(Clone, Debug)]
pub(super) enum Upper {
    Tcp {
        fields: tcp::Fields,
        options: Vec<u8>,
        data_offset: Option<u8>,
    },
    Udp {
        src_port: u16,
        dst_port: u16,
        length: Option<u16>,
    },
    Icmp {
        protocol: IpProtocol,
        message_type: u8,
        code: u8,
        rest: [u8; 4],
    },
    Raw(IpProtocol),
}

/// What stands in the upper layer's checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Right,
    Wrong,
    Absent,
}

impl Upper {
    pub(super) fn tcp(src_port: u16, dst_port: u16) -> Self {
        let fields = tcp::Fields {
            src_port,
            dst_port,
            window: 64_240,
            ..tcp::Fields::default()
        };
        Self::Tcp {
            fields,
            options: Vec::new(),
            data_offset: None,
        }
    }

    pub(super) fn udp(src_port: u16, dst_port: u16) -> Self {
        Self::Udp {
            src_port,
            dst_port,
            length: None,
        }
    }

    /// Its number for the network layer.
    pub(super) fn protocol(&self) -> IpProtocol {
        match self {
            Self::Tcp { .. } => IpProtocol::TCP,
            Self::Udp { .. } => IpProtocol::UDP,
            Self::Icmp { protocol, .. } | Self::Raw(protocol) => *protocol,
        }
    }

    /// Header and data, checksum included.
    pub(super) fn octets(&self, data: &[u8], ends: Ends, check: Check) -> Vec<u8> {
        let (mut octets, checksum_at) = match self {
            Self::Tcp {
                fields,
                options,
                data_offset,
            } => (tcp_header(fields, options, *data_offset), 16),
            Self::Udp {
                src_port,
                dst_port,
                length,
            } => {
                let whole = u16::try_from(udp::LEN + data.len()).unwrap_or(u16::MAX);
                let mut header = [0; udp::LEN];
                udp::Fields {
                    src_port: *src_port,
                    dst_port: *dst_port,
                    length: length.unwrap_or(whole),
                }
                .emit(&mut header);
                (header.to_vec(), 6)
            }
            Self::Icmp {
                message_type,
                code,
                rest,
                ..
            } => {
                let [a, b, c, d] = *rest;
                (vec![*message_type, *code, 0, 0, a, b, c, d], 2)
            }
            Self::Raw(_) => return data.to_vec(),
        };
        octets.extend(data);
        let checksum = match check {
            Check::Absent => 0,
            Check::Right => self.checksum(&octets, ends),
            Check::Wrong => self.checksum(&octets, ends) ^ 0x0100,
        };
        if let Some(place) = octets.get_mut(checksum_at..checksum_at + 2) {
            place.copy_from_slice(&checksum.to_be_bytes());
        }
        octets
    }

    fn checksum(&self, octets: &[u8], ends: Ends) -> u16 {
        let sum = self.sum(octets, ends);
        match (self, ends) {
            (Self::Udp { .. }, _) => sum.checksum_udp(),
            // The other zero: right for every message, and the only right one for a message of zeros.
            (Self::Icmp { .. }, Ends::V4(..)) => sum.checksum_udp(),
            _ => sum.checksum(),
        }
    }

    /// What the checksum is the complement of; the checksum's own octets are zero.
    fn sum(&self, octets: &[u8], ends: Ends) -> Sum {
        // A datagram may end before its packet does.
        let covered = match self {
            Self::Udp {
                length: Some(length),
                ..
            } if *length >= 8 => octets.get(..usize::from(*length)),
            _ => None,
        };
        let octets = covered.unwrap_or(octets);
        match (self, ends) {
            (Self::Icmp { .. }, Ends::V4(..)) => Sum::octets(octets),
            _ => ends.sum(self.protocol(), octets.len()) + Sum::octets(octets),
        }
    }
}

fn tcp_header(fields: &tcp::Fields, options: &[u8], data_offset: Option<u8>) -> Vec<u8> {
    let words = u8::try_from((tcp::LEN + options.len()) / 4).unwrap_or(15);
    let mut header = vec![0; tcp::LEN];
    if let Some(place) = header.first_chunk_mut() {
        tcp::Fields {
            data_offset: data_offset.unwrap_or(words),
            ..*fields
        }
        .emit(place);
    }
    header.extend(options);
    header
}

impl Frame {
    fn segment(mut self, edit: impl FnOnce(&mut tcp::Fields)) -> Self {
        if let Upper::Tcp { fields, .. } = &mut self.upper {
            edit(fields);
        }
        self
    }

    /// TCP flags, all of them.
    #[must_use]
    pub fn flags(self, flags: Flags) -> Self {
        self.segment(|tcp| tcp.flags = flags)
    }

    /// TCP sequence number.
    #[must_use]
    pub fn seq(self, number: u32) -> Self {
        self.segment(|tcp| tcp.seq = number)
    }

    /// TCP acknowledgment: number and flag.
    #[must_use]
    pub fn ack(self, number: u32) -> Self {
        self.segment(|tcp| (tcp.ack, tcp.flags) = (number, tcp.flags.with(Flags::ACK)))
    }

    /// TCP window.
    #[must_use]
    pub fn window(self, window: u16) -> Self {
        self.segment(|tcp| tcp.window = window)
    }

    /// TCP options, a multiple of four octets.
    #[must_use]
    pub fn tcp_options(mut self, octets: &[u8]) -> Self {
        if let Upper::Tcp { options, .. } = &mut self.upper {
            *options = octets.to_vec();
        }
        self
    }

    /// A TCP data offset in words that is not the header's.
    #[must_use]
    pub fn data_offset(mut self, words: u8) -> Self {
        if let Upper::Tcp { data_offset, .. } = &mut self.upper {
            *data_offset = Some(words);
        }
        self
    }

    /// A UDP length that is not the datagram's.
    #[must_use]
    pub fn udp_len(mut self, octets: u16) -> Self {
        if let Upper::Udp { length, .. } = &mut self.upper {
            *length = Some(octets);
        }
        self
    }

    /// Source address and port.
    #[must_use]
    pub fn from_socket(mut self, socket: SocketAddr) -> Self {
        match &mut self.upper {
            Upper::Tcp { fields, .. } => fields.src_port = socket.port(),
            Upper::Udp { src_port, .. } => *src_port = socket.port(),
            Upper::Icmp { .. } | Upper::Raw(_) => {}
        }
        self.src(socket.ip())
    }

    /// Destination address and port.
    #[must_use]
    pub fn to_socket(mut self, socket: SocketAddr) -> Self {
        match &mut self.upper {
            Upper::Tcp { fields, .. } => fields.dst_port = socket.port(),
            Upper::Udp { dst_port, .. } => *dst_port = socket.port(),
            Upper::Icmp { .. } | Upper::Raw(_) => {}
        }
        self.dst(socket.ip())
    }

    /// A wrong checksum of the upper layer.
    #[must_use]
    pub fn bad_checksum(mut self) -> Self {
        self.check = Check::Wrong;
        self
    }

    /// An upper-layer checksum of 0.
    #[must_use]
    pub fn no_checksum(mut self) -> Self {
        self.check = Check::Absent;
        self
    }

    /// Two octets of data in front with which the upper layer's computed checksum would be 0 before any
    /// rule about 0 is applied; for headers of an even length.
    #[must_use]
    pub fn with_zero_sum(mut self) -> Self {
        self.data = [&[0; 2], self.data.as_slice()].concat();
        if let Some(ends) = self.network.pseudo() {
            let octets = self.upper.octets(&self.data, ends, Check::Absent);
            // The word that is missing for a sum of 0xFFFF is the checksum itself.
            let missing = self.upper.sum(&octets, ends).checksum();
            if let Some(place) = self.data.first_chunk_mut() {
                *place = missing.to_be_bytes();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::net::{CLIENT, DNS, Family, HTTP, NAT};

    #[test]
    fn a_zero_sum_is_written_as_each_protocol_writes_it() {
        for family in Family::BOTH {
            let (client, dns) = (CLIENT.socket(family, 999), NAT.socket(family, DNS));
            let header = if family == Family::V4 { 20 } else { 40 };
            let checksum =
                |frame: Frame, at: usize| frame.packet()[header + at..header + at + 2].to_vec();
            let datagram = Frame::udp(client, dns).data(b"abc").with_zero_sum();
            assert_eq!(checksum(datagram, 6), [0xff, 0xff]);
            let segment = Frame::syn(client, NAT.socket(family, HTTP)).with_zero_sum();
            assert_eq!(checksum(segment, 16), [0, 0]);
        }
    }

    #[test]
    fn a_header_gets_the_checksum_that_was_wanted() {
        let datagram = Frame::udp(CLIENT.socket(Family::V4, 999), NAT.socket(Family::V4, DNS));
        for wanted in [0x0000, 0xdd2f, 0x1234] {
            let packet = datagram.clone().with_header_checksum(wanted).packet();
            assert_eq!(packet[10..12], wanted.to_be_bytes());
        }
    }
}
