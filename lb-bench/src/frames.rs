//! TCP frames of a flow: what all have in common, and the few octets in which they differ.
//!
//! No counterpart in the patent. A template is a whole frame; a [`Stamp`] is what one flow puts over it:
//! addresses, ports and checksums, computed beforehand. Receiving is then a copy and three or four stores, as a
//! NIC's DMA costs the processor nothing.
//! Easy to get wrong: stamps are read in the order of replay, so they lie in that order in memory; and they are
//! good for templates with other sequence numbers too, whose low half the urgent pointer cancels out of the checksum.

use lb_core::wire::checksum::Sum;
use lb_core::wire::tcp::Flags;
use lb_core::wire::{IpProtocol, MacAddr};

use crate::buffer::Buffer;
use crate::net::{End, PEER_MAC};

/// Octets of an IPv4 frame without its checksum sequence: the "64 octets" in a capture.
pub const LEN_V4: usize = 64;
/// Octets of an IPv6 frame with a TCP header and nothing behind.
pub const LEN_V6: usize = 74;

/// What all frames of one kind have in common.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Our port's MAC address.
    pub to: MacAddr,
    /// TCP flags.
    pub flags: Flags,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
}

/// What one flow puts over a template.
pub trait Stamp: Copy + Send + Sync + 'static {
    /// The template: a whole frame.
    type Frame: AsRef<[u8]> + Clone;

    /// A frame without addresses, ports and checksums.
    fn template(common: &Common) -> Self::Frame;

    /// What a flow's packets need over the template.
    fn new(template: &Self::Frame, src: End, dst: End) -> Self;

    /// Receives a packet into a buffer. `template` may differ from the stamp's own in the sequence number's low half.
    fn put(&self, template: &Self::Frame, buffer: &mut Buffer);

    /// Destination address and port of a frame after the filter.
    fn destination(frame: &[u8]) -> Option<End>;
}

/// Over IPv4.
#[derive(Clone, Copy, Debug)]
pub struct StampV4 {
    /// From the header checksum on to the TCP ports, as they lie in the frame.
    middle: [u8; 14],
    tcp: [u8; 2],
}

/// Over IPv6.
#[derive(Clone, Copy, Debug)]
pub struct StampV6 {
    /// From the source address on to the TCP ports, as they lie in the frame.
    middle: [u8; 36],
    tcp: [u8; 2],
}

#[inline(always)]
fn put(frame: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = frame.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

fn emit_tcp(frame: &mut [u8], at: usize, common: &Common) {
    put(frame, at + 4, &common.sequence.to_be_bytes());
    put(frame, at + 8, &common.acknowledgment.to_be_bytes());
    put(frame, at + 12, &[0x50, common.flags.0]);
    put(frame, at + 14, &0x2000_u16.to_be_bytes());
    // Means nothing without its flag.
    let [_, _, high, low] = common.sequence.to_be_bytes();
    put(frame, at + 18, &[!high, !low]);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "an IPv4 address stands in the low 32 bits"
)]
const fn v4(end: End) -> u32 {
    end.address as u32
}

impl Stamp for StampV4 {
    type Frame = [u8; LEN_V4];

    fn template(common: &Common) -> Self::Frame {
        let mut frame = [0; LEN_V4];
        put(&mut frame, 0, &common.to.0);
        put(&mut frame, 6, &PEER_MAC.0);
        put(
            &mut frame,
            12,
            &[8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6],
        );
        emit_tcp(&mut frame, 34, common);
        frame
    }

    fn new(template: &Self::Frame, src: End, dst: End) -> Self {
        let mut frame = *template;
        put(&mut frame, 26, &v4(src).to_be_bytes());
        put(&mut frame, 30, &v4(dst).to_be_bytes());
        put(&mut frame, 34, &src.port.to_be_bytes());
        put(&mut frame, 36, &dst.port.to_be_bytes());
        let ip = Sum::octets(frame.get(14..34).unwrap_or_default()).checksum();
        put(&mut frame, 24, &ip.to_be_bytes());
        let pseudo = Sum::pseudo_v4(v4(src), v4(dst), IpProtocol::TCP, 20);
        let tcp = pseudo + Sum::octets(frame.get(34..54).unwrap_or_default());
        Self {
            middle: middle(&frame, 24),
            tcp: tcp.checksum().to_be_bytes(),
        }
    }

    #[inline]
    fn put(&self, template: &Self::Frame, buffer: &mut Buffer) {
        if let Some(frame) = buffer.receive(template) {
            put(frame, 24, &self.middle);
            put(frame, 50, &self.tcp);
        }
    }

    fn destination(frame: &[u8]) -> Option<End> {
        let (_, rest) = frame.split_at_checked(30)?;
        let [a, b, c, d, _, _, high, low, ..] = *rest else {
            return None;
        };
        Some(End {
            address: u128::from(u32::from_be_bytes([a, b, c, d])),
            port: u16::from_be_bytes([high, low]),
        })
    }
}

impl Stamp for StampV6 {
    type Frame = [u8; LEN_V6];

    fn template(common: &Common) -> Self::Frame {
        let mut frame = [0; LEN_V6];
        put(&mut frame, 0, &common.to.0);
        put(&mut frame, 6, &PEER_MAC.0);
        put(&mut frame, 12, &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64]);
        emit_tcp(&mut frame, 54, common);
        frame
    }

    fn new(template: &Self::Frame, src: End, dst: End) -> Self {
        let mut frame = *template;
        put(&mut frame, 22, &src.address.to_be_bytes());
        put(&mut frame, 38, &dst.address.to_be_bytes());
        put(&mut frame, 54, &src.port.to_be_bytes());
        put(&mut frame, 56, &dst.port.to_be_bytes());
        let pseudo = Sum::pseudo_v6(src.address, dst.address, IpProtocol::TCP, 20);
        let tcp = pseudo + Sum::octets(frame.get(54..74).unwrap_or_default());
        Self {
            middle: middle(&frame, 22),
            tcp: tcp.checksum().to_be_bytes(),
        }
    }

    #[inline]
    fn put(&self, template: &Self::Frame, buffer: &mut Buffer) {
        if let Some(frame) = buffer.receive(template) {
            put(frame, 22, &self.middle);
            put(frame, 70, &self.tcp);
        }
    }

    fn destination(frame: &[u8]) -> Option<End> {
        let (_, rest) = frame.split_at_checked(38)?;
        let (address, rest) = rest.split_first_chunk::<16>()?;
        let [_, _, high, low, ..] = *rest else {
            return None;
        };
        Some(End {
            address: u128::from_be_bytes(*address),
            port: u16::from_be_bytes([high, low]),
        })
    }
}

fn middle<const N: usize>(frame: &[u8], at: usize) -> [u8; N] {
    let octets = frame.get(at..).and_then(<[u8]>::first_chunk);
    octets.copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::port_mac;
    use lb_core::frame::{Parsed, parse};
    use lb_core::packet::Packet;

    const COMMON: Common = Common {
        to: port_mac(0),
        flags: Flags::ACK,
        sequence: 0x0102_0000,
        acknowledgment: 7,
    };

    fn ends(address: u128) -> (End, End) {
        let end = |address, port| End { address, port };
        (end(address, 4097), end(address + 0x1234, 80))
    }

    fn tcp_sum(frame: &[u8], pseudo: Sum, at: usize) -> bool {
        (pseudo + Sum::octets(&frame[at..at + 20])).is_right()
    }

    #[test]
    fn a_stamped_ipv4_frame_is_a_good_packet_whatever_its_sequence_number() {
        let (src, dst) = ends(0xc612_0001);
        let stamp = StampV4::new(&StampV4::template(&COMMON), src, dst);
        for low in [0u16, 1, 0xffff] {
            let sequence = COMMON.sequence | u32::from(low);
            let template = StampV4::template(&Common { sequence, ..COMMON });
            let mut buffer = Buffer::default();
            stamp.put(&template, &mut buffer);
            let frame = buffer.head();
            let parsed = parse(frame, frame.len(), port_mac(0));
            assert!(matches!(parsed, Parsed::FlowV4(flow) if flow.flags == Flags::ACK.0));
            let pseudo = Sum::pseudo_v4(v4(src), v4(dst), IpProtocol::TCP, 20);
            assert!(tcp_sum(frame, pseudo, 34), "{low}");
            assert_eq!(StampV4::destination(frame), Some(dst));
        }
    }

    #[test]
    fn a_stamped_ipv6_frame_is_a_good_packet() {
        let (src, dst) = ends(0x2001_0db8 << 96 | 5);
        let template = StampV6::template(&COMMON);
        let mut buffer = Buffer::default();
        StampV6::new(&template, src, dst).put(&template, &mut buffer);
        let frame = buffer.head();
        assert!(matches!(
            parse(frame, frame.len(), port_mac(0)),
            Parsed::FlowV6(_)
        ));
        let pseudo = Sum::pseudo_v6(src.address, dst.address, IpProtocol::TCP, 20);
        assert!(tcp_sum(frame, pseudo, 54));
        assert_eq!(StampV6::destination(frame), Some(dst));
    }
}
