//! IPv6 fixed header.
//!
//! No counterpart in the patent, which knows IPv4 only; the steps of Fig. 6 are the same for both.
//! RFC 8200 section 3. Not here: extension headers (`extension`), martian addresses.
//! Easy to get wrong: the payload length counts the extension headers but not these 40 octets.
//! A jumbogram (RFC 2675, payload length 0) is read as a packet without payload.

use std::net::Ipv6Addr;

use super::checksum::Sum;
use super::extension::{self, Upper};
use super::octets::Octets;
use super::protocol::IpProtocol;

/// Octets of the fixed header.
pub const LEN: usize = 40;

const VERSION: usize = 0;
const PAYLOAD_LEN: usize = 4;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
const SRC: usize = 8;
const DST: usize = 24;

const FLOW_LABEL_MASK: u32 = 0x000f_ffff;
const TRAFFIC_CLASS_MASK: u32 = 0x0ff0_0000;

/// Why a packet is not IPv6; each is one drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer than 40 octets at hand.
    #[error("IPv6 header truncated")]
    Truncated,
    /// Version is not 6.
    #[error("IP version is not 6")]
    Version,
    /// Header and payload length beyond the octets of the frame.
    #[error("IPv6 payload beyond the frame")]
    PayloadBeyondFrame,
}

/// An IPv6 fixed header, read, and what is at hand of its payload.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    fixed: &'a [u8; LEN],
    payload: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header at the beginning of `head`, the octets at hand.
    ///
    /// `frame_len` counts the octets of the frame from this header on, over all segments.
    ///
    /// # Errors
    ///
    /// The first cause that applies, in the order of [`Malformed`].
    #[inline]
    pub fn parse(head: &'a [u8], frame_len: usize) -> Result<Self, Malformed> {
        let (fixed, rest) = head.split_first_chunk().ok_or(Malformed::Truncated)?;
        let header = Self {
            fixed,
            payload: rest,
        };
        if header.fixed.u8_at::<VERSION>() >> 4 != 6 {
            return Err(Malformed::Version);
        }
        let payload_len = usize::from(header.payload_len());
        if LEN + payload_len > frame_len {
            return Err(Malformed::PayloadBeyondFrame);
        }
        let payload = rest.get(..payload_len).unwrap_or(rest);
        Ok(Self { fixed, payload })
    }

    /// The header of a packet that an ICMPv6 error quotes: cut short, so its payload length is not
    /// held against the octets present (RFC 4443 section 3).
    ///
    /// # Errors
    ///
    /// [`Malformed::Truncated`] or [`Malformed::Version`].
    #[inline]
    pub fn parse_quoted(quote: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse(quote, usize::MAX)
    }

    /// Walks the extension headers to the upper layer.
    ///
    /// # Errors
    ///
    /// Why the walk stopped short of it.
    #[inline]
    pub fn upper(&self) -> Result<Upper, extension::Malformed> {
        extension::walk(
            self.next_header(),
            self.payload,
            usize::from(self.payload_len()),
        )
    }

    /// Traffic class: differentiated services (6 bits) and ECN (2 bits).
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the eight bits behind the version"
    )]
    pub fn dscp_ecn(&self) -> u8 {
        (self.fixed.u16_at::<VERSION>() >> 4) as u8
    }

    /// Flow label, 20 bits; 0 is none (RFC 6437).
    #[inline]
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        self.fixed.u32_at::<VERSION>() & FLOW_LABEL_MASK
    }

    /// Octets behind the fixed header, extension headers included.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        self.fixed.u16_at::<PAYLOAD_LEN>()
    }

    /// What follows the fixed header: an extension header or the upper layer.
    #[inline]
    #[must_use]
    pub fn next_header(&self) -> IpProtocol {
        IpProtocol(self.fixed.u8_at::<NEXT_HEADER>())
    }

    /// Hops left, 0 to 255.
    #[inline]
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.fixed.u8_at::<HOP_LIMIT>()
    }

    /// Source address as a number, first octet highest.
    #[inline]
    #[must_use]
    pub fn src(&self) -> u128 {
        self.fixed.u128_at::<SRC>()
    }

    /// Destination address as a number, first octet highest.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> u128 {
        self.fixed.u128_at::<DST>()
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn src_addr(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.src())
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn dst_addr(&self) -> Ipv6Addr {
        Ipv6Addr::from(self.dst())
    }

    /// Pseudo-header for an upper-layer message of `l4_len` octets.
    #[inline]
    #[must_use]
    pub fn pseudo(&self, protocol: IpProtocol, l4_len: u32) -> Sum {
        Sum::pseudo_v6(self.src(), self.dst(), protocol, l4_len)
    }
}

/// An IPv6 fixed header, to be rewritten. It has no checksum; that of TCP and UDP covers the
/// addresses.
#[derive(Debug)]
pub struct HeaderMut<'a>(&'a mut [u8; LEN]);

impl<'a> HeaderMut<'a> {
    /// The header at the beginning of `head`; `None` with fewer than 40 octets.
    ///
    /// Checks nothing else: [`Header::parse`] has to have accepted these octets.
    #[inline]
    #[must_use]
    pub fn parse(head: &'a mut [u8]) -> Option<Self> {
        head.first_chunk_mut().map(Self)
    }

    /// Sets the traffic class.
    #[inline]
    pub fn set_dscp_ecn(&mut self, octet: u8) {
        let first = self.0.u32_at::<VERSION>() & !TRAFFIC_CLASS_MASK;
        self.0.put_u32::<VERSION>(first | u32::from(octet) << 20);
    }

    /// Sets the octets behind the fixed header.
    #[inline]
    pub fn set_payload_len(&mut self, octets: u16) {
        self.0.put_u16::<PAYLOAD_LEN>(octets);
    }

    /// Sets what follows the fixed header.
    #[inline]
    pub fn set_next_header(&mut self, protocol: IpProtocol) {
        self.0.put_u8::<NEXT_HEADER>(protocol.0);
    }

    /// Sets the hops left.
    #[inline]
    pub fn set_hop_limit(&mut self, hops: u8) {
        self.0.put_u8::<HOP_LIMIT>(hops);
    }

    /// Sets the source address.
    #[inline]
    pub fn set_src(&mut self, address: u128) {
        self.0.put_u128::<SRC>(address);
    }

    /// Sets the destination address.
    #[inline]
    pub fn set_dst(&mut self, address: u128) {
        self.0.put_u128::<DST>(address);
    }
}

/// A whole fixed header as values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Traffic class.
    pub dscp_ecn: u8,
    /// Flow label, 20 bits; higher bits are ignored.
    pub flow_label: u32,
    /// Octets behind the fixed header.
    pub payload_len: u16,
    /// What follows the fixed header.
    pub next_header: IpProtocol,
    /// Hops left.
    pub hop_limit: u8,
    /// Source address as a number, first octet highest.
    pub src: u128,
    /// Destination address as a number, first octet highest.
    pub dst: u128,
}

impl Default for Fields {
    /// No payload, 64 hops, from nobody to nobody.
    fn default() -> Self {
        Self {
            dscp_ecn: 0,
            flow_label: 0,
            payload_len: 0,
            next_header: IpProtocol::NO_NEXT_HEADER,
            hop_limit: 64,
            src: 0,
            dst: 0,
        }
    }
}

impl Fields {
    /// Writes the header.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        out.put_u32::<VERSION>(
            6 << 28 | u32::from(self.dscp_ecn) << 20 | self.flow_label & FLOW_LABEL_MASK,
        );
        out.put_u16::<PAYLOAD_LEN>(self.payload_len);
        out.put_u8::<NEXT_HEADER>(self.next_header.0);
        out.put_u8::<HOP_LIMIT>(self.hop_limit);
        out.put_u128::<SRC>(self.src);
        out.put_u128::<DST>(self.dst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC_ADDR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 7);
    const DST_ADDR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xa);

    /// TCP, 20 octets of payload, traffic class 0xb8, flow label 0x12345.
    const PACKET: [u8; LEN] = [
        0x6b, 0x81, 0x23, 0x45, 0x00, 0x14, 0x06, 0x40, // first two words
        0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, // source
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, // destination
    ];

    #[test]
    fn a_header_is_read_and_written_back_octet_for_octet() {
        let header = Header::parse(&PACKET, 60).unwrap();
        assert_eq!((header.dscp_ecn(), header.flow_label()), (0xb8, 0x12345));
        assert_eq!((header.payload_len(), header.hop_limit()), (20, 64));
        assert_eq!(header.next_header(), IpProtocol::TCP);
        assert_eq!((header.src_addr(), header.dst_addr()), (SRC_ADDR, DST_ADDR));
        let mut out = [0xee; LEN];
        let fields = Fields {
            dscp_ecn: 0xb8,
            flow_label: 0xff1_2345,
            payload_len: 20,
            next_header: IpProtocol::TCP,
            src: SRC_ADDR.to_bits(),
            dst: DST_ADDR.to_bits(),
            ..Fields::default()
        };
        fields.emit(&mut out);
        assert_eq!(out, PACKET);
    }

    #[test]
    fn each_malformed_header_has_its_own_cause() {
        let cause = |octets: &[u8], len| Header::parse(octets, len).unwrap_err();
        assert_eq!(cause(&PACKET[..39], 60), Malformed::Truncated);
        assert_eq!(cause(&PACKET, 59), Malformed::PayloadBeyondFrame);
        let mut four = PACKET;
        four[0] = 0x4b;
        assert_eq!(cause(&four, 60), Malformed::Version);
        assert!(Header::parse_quoted(&PACKET).is_ok());
    }

    #[test]
    fn padding_behind_the_payload_is_not_walked() {
        // Payload length 0, yet the frame goes on with what looks like a TCP header.
        let mut frame = [0x50; 64];
        frame[..LEN].copy_from_slice(&PACKET);
        frame[5] = 0;
        let upper = Header::parse(&frame, 64).unwrap().upper().unwrap();
        assert_eq!((upper.l4_offset, upper.l4_len), (LEN, 0));
    }

    #[test]
    fn setters_write_their_own_field() {
        let mut octets = PACKET;
        let mut header = HeaderMut::parse(&mut octets).unwrap();
        header.set_dscp_ecn(0x01);
        header.set_payload_len(8);
        header.set_next_header(IpProtocol::UDP);
        header.set_hop_limit(63);
        header.set_src(DST_ADDR.to_bits());
        header.set_dst(SRC_ADDR.to_bits());
        let header = Header::parse(&octets, 48).unwrap();
        assert_eq!((header.dscp_ecn(), header.flow_label()), (1, 0x12345));
        assert_eq!((header.payload_len(), header.hop_limit()), (8, 63));
        assert_eq!(header.next_header(), IpProtocol::UDP);
        assert_eq!((header.src_addr(), header.dst_addr()), (DST_ADDR, SRC_ADDR));
    }
}
