//! Whether a frame's checksums are right, computed from scratch.
//!
//! No counterpart in the patent. RFC 1071; looks at IPv4 headers, TCP, UDP, ICMP and ICMPv6 of whole packets.
//! Easy to get wrong: a packet without a checksum that could be wrong is right; a fragment's upper layer
//! cannot be judged.

use crate::wire::checksum::Sum;
use crate::wire::{IpProtocol, ethernet, ipv4, ipv6};

/// What can be said of a frame's checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// The IPv4 header's.
    pub header: bool,
    /// The upper layer's.
    pub upper: bool,
}

/// Checksums of a frame; of anything but a well-formed, whole IP packet without segments left to route,
/// `None`.
#[must_use]
pub fn sums(frame: &[u8]) -> Option<Sums> {
    let packet = frame.get(ethernet::LEN..)?;
    if packet.first()? >> 4 == 4 {
        let header = ipv4::Header::parse(packet, packet.len()).ok()?;
        let upper = packet.get(header.header_len()..usize::from(header.total_len()))?;
        let pseudo = |protocol, len| match protocol {
            IpProtocol::ICMPV4 => Sum::ZERO,
            _ => header.pseudo(len),
        };
        let upper = is_upper_right(header.protocol(), upper, pseudo);
        return (!header.is_fragment()).then_some(Sums {
            header: header.verify_checksum().is_ok(),
            upper,
        });
    }
    let header = ipv6::Header::parse(packet, packet.len()).ok()?;
    let walked = header.upper().ok()?;
    let upper = packet.get(walked.l4_offset..walked.l4_offset + walked.l4_len)?;
    let upper = is_upper_right(walked.protocol, upper, |protocol, len| {
        header.pseudo(protocol, len.into())
    });
    let is_whole =
        walked.fragment.is_none_or(|fragment| fragment.is_atomic()) && walked.segments_left == 0;
    is_whole.then_some(Sums {
        header: true,
        upper,
    })
}

fn is_upper_right(
    protocol: IpProtocol,
    upper: &[u8],
    pseudo: impl Fn(IpProtocol, u16) -> Sum,
) -> bool {
    let covered = match (protocol, upper) {
        (IpProtocol::UDP, [_, _, _, _, _, _, 0, 0, ..]) => return true,
        // A datagram may end before its packet does.
        (IpProtocol::UDP, &[_, _, _, _, high, low, ..]) => {
            usize::from(u16::from_be_bytes([high, low]))
        }
        (IpProtocol::TCP | IpProtocol::UDP | IpProtocol::ICMPV4 | IpProtocol::ICMPV6, _) => {
            upper.len()
        }
        _ => return true,
    };
    let octets = upper.get(..covered).unwrap_or(upper);
    let len = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    (pseudo(protocol, len) + Sum::octets(octets)).is_right()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Frame;
    use crate::testkit::net::{CLIENT, DNS, Family, NAT};

    #[test]
    fn built_frames_are_right_and_spoilt_ones_are_not() {
        for family in Family::BOTH {
            let datagram = Frame::udp(CLIENT.socket(family, 7), NAT.socket(family, DNS))
                .data(b"abc")
                .padded();
            assert_eq!(
                sums(&datagram.octets()),
                Some(Sums {
                    header: true,
                    upper: true
                })
            );
            assert_eq!(
                sums(&datagram.bad_checksum().octets()),
                Some(Sums {
                    header: true,
                    upper: false
                })
            );
        }
        let syn = Frame::syn(CLIENT.socket(Family::V4, 7), NAT.socket(Family::V4, 80))
            .bad_header_checksum();
        assert_eq!(
            sums(&syn.octets()),
            Some(Sums {
                header: false,
                upper: true
            })
        );
    }
}
