//! UDP header.
//!
//! WO 00/30294: the ports of steps 206 and 212. RFC 768; over IPv6 RFC 8200 8.1.
//! Easy to get wrong: a checksum of 0 means "none" over IPv4, survives every rewrite, and is
//! forbidden over IPv6; a checksum computed as 0 is sent as 0xffff.

use super::checksum::{self, Delta, Sum};
use super::octets::Octets;

/// Octets of the header.
pub const LEN: usize = 8;

const SRC_PORT: usize = 0;
const DST_PORT: usize = 2;
const LENGTH: usize = 4;
const CHECKSUM: usize = 6;

/// Why octets are not a UDP header; each is one drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer than 8 octets in the packet or at hand.
    #[error("UDP header truncated")]
    Truncated,
    /// Length below the header's 8 octets; 0, which only jumbograms use (RFC 2675), included.
    #[error("UDP length below 8 octets")]
    LengthBelowHeader,
    /// Length past the end of the packet.
    #[error("UDP length beyond the packet")]
    LengthBeyondPacket,
}

/// A UDP header, read.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a>(&'a [u8; LEN]);

impl<'a> Header<'a> {
    /// The header at the beginning of `head`, the octets at hand.
    ///
    /// `l4_len` counts the octets of header and data by the IP header, without Ethernet padding. Of
    /// a first fragment it is too small by nature: read that one's [`super::ports::Ports`] instead.
    ///
    /// # Errors
    ///
    /// See [`Malformed`].
    #[inline]
    pub fn parse(head: &'a [u8], l4_len: usize) -> Result<Self, Malformed> {
        let header = Self(head.first_chunk().ok_or(Malformed::Truncated)?);
        let length = usize::from(header.length());
        if l4_len < LEN {
            return Err(Malformed::Truncated);
        }
        if length < LEN {
            return Err(Malformed::LengthBelowHeader);
        }
        if length > l4_len {
            return Err(Malformed::LengthBeyondPacket);
        }
        Ok(header)
    }

    /// Source port; 0 if the sender wants no answer.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        self.0.u16_at::<SRC_PORT>()
    }

    /// Destination port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        self.0.u16_at::<DST_PORT>()
    }

    /// Octets of header and data, 8 or more.
    #[inline]
    #[must_use]
    pub fn length(&self) -> u16 {
        self.0.u16_at::<LENGTH>()
    }

    /// Checksum as received; 0 is none.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.0.u16_at::<CHECKSUM>()
    }
}

/// A UDP header, to be rewritten; setters leave the checksum alone.
#[derive(Debug)]
pub struct HeaderMut<'a> {
    fixed: &'a mut [u8; LEN],
    rest: &'a mut [u8],
}

impl<'a> HeaderMut<'a> {
    /// The header at the beginning of `datagram`; `None` with fewer than 8 octets.
    ///
    /// Checks nothing else: [`Header::parse`] has to have accepted these octets.
    #[inline]
    #[must_use]
    pub fn parse(datagram: &'a mut [u8]) -> Option<Self> {
        let (fixed, rest) = datagram.split_first_chunk_mut()?;
        Some(Self { fixed, rest })
    }

    /// Sets the source port.
    #[inline]
    pub fn set_src_port(&mut self, port: u16) {
        self.fixed.put_u16::<SRC_PORT>(port);
    }

    /// Sets the destination port.
    #[inline]
    pub fn set_dst_port(&mut self, port: u16) {
        self.fixed.put_u16::<DST_PORT>(port);
    }

    /// Sets the checksum; 0 is none.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.fixed.put_u16::<CHECKSUM>(checksum);
    }

    /// Changes the checksum by what an edit adds, of addresses too; none stays none.
    #[inline]
    pub fn update_checksum(&mut self, delta: Delta) {
        let old = self.fixed.u16_at::<CHECKSUM>();
        self.set_checksum(checksum::apply_udp(old, delta));
    }

    /// Computes the checksum anew; never 0. The octets handed to [`Self::parse`] have to be the
    /// whole datagram and nothing behind it, and their number the one in `pseudo`.
    #[inline]
    pub fn fill_checksum(&mut self, pseudo: Sum) {
        self.set_checksum(0);
        let sum = pseudo + Sum::octets(&*self.fixed) + Sum::octets(self.rest);
        self.set_checksum(sum.checksum_udp());
    }
}

/// Whether a whole datagram's checksum is right; one with no checksum (0) is not.
///
/// Over IPv4 ask first whether there is one: [`Header::checksum`].
#[inline]
#[must_use]
pub fn is_checksum_right(datagram: &[u8], pseudo: Sum) -> bool {
    let stored = datagram
        .first_chunk::<LEN>()
        .map(|h| h.u16_at::<CHECKSUM>());
    stored.is_some_and(|checksum| checksum != 0) && (pseudo + Sum::octets(datagram)).is_right()
}

/// A whole header as values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Octets of header and data, 8 or more.
    pub length: u16,
}

impl Fields {
    /// Writes the header without a checksum (0).
    #[inline]
    pub fn emit(&self, out: &mut [u8; LEN]) {
        out.put_u16::<SRC_PORT>(self.src_port);
        out.put_u16::<DST_PORT>(self.dst_port);
        out.put_u16::<LENGTH>(self.length);
        out.put_u16::<CHECKSUM>(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::protocol::IpProtocol;

    /// From 198.51.100.7:50000 to 192.0.2.10:53, four octets of data.
    const DATAGRAM: [u8; 12] = [
        0xc3, 0x50, 0x00, 0x35, 0x00, 0x0c, 0xb2, 0x6d, 0xde, 0xad, 0xbe, 0xef,
    ];

    fn pseudo() -> Sum {
        Sum::pseudo_v4(0xc633_6407, 0xc000_020a, IpProtocol::UDP, 12)
    }

    #[test]
    fn a_datagram_is_read_and_written_back_octet_for_octet() {
        let header = Header::parse(&DATAGRAM, 12).unwrap();
        assert_eq!((header.src_port(), header.dst_port()), (50_000, 53));
        assert_eq!(header.length(), 12);
        assert!(is_checksum_right(&DATAGRAM, pseudo()));
        let mut out = DATAGRAM;
        let fields = Fields {
            src_port: 50_000,
            dst_port: 53,
            length: 12,
        };
        fields.emit(out.first_chunk_mut().unwrap());
        assert_eq!(Header::parse(&out, 12).unwrap().checksum(), 0);
        HeaderMut::parse(&mut out).unwrap().fill_checksum(pseudo());
        assert_eq!(out, DATAGRAM);
    }

    #[test]
    fn each_malformed_header_has_its_own_cause() {
        let cause = |octets: &[u8], len| Header::parse(octets, len).unwrap_err();
        let with_length = |length: u8| {
            let mut octets = DATAGRAM;
            octets[5] = length;
            octets
        };
        assert_eq!(cause(&DATAGRAM[..7], 12), Malformed::Truncated);
        assert_eq!(cause(&DATAGRAM, 7), Malformed::Truncated);
        assert_eq!(cause(&with_length(7), 12), Malformed::LengthBelowHeader);
        assert_eq!(cause(&with_length(0), 12), Malformed::LengthBelowHeader);
        assert_eq!(cause(&with_length(13), 12), Malformed::LengthBeyondPacket);
        assert!(Header::parse(&with_length(8), 12).is_ok());
    }

    #[test]
    fn a_datagram_without_a_checksum_stays_without_one_when_rewritten() {
        let mut datagram = DATAGRAM;
        let delta = Delta::of_u16(53, 5353);
        let mut header = HeaderMut::parse(&mut datagram).unwrap();
        header.set_checksum(0);
        header.set_dst_port(5353);
        header.update_checksum(delta);
        assert_eq!(Header::parse(&datagram, 12).unwrap().checksum(), 0);
        assert!(!is_checksum_right(&datagram, pseudo()));
        let mut header = HeaderMut::parse(&mut datagram).unwrap();
        header.fill_checksum(pseudo());
        header.set_src_port(1);
        header.update_checksum(Delta::of_u16(50_000, 1));
        assert!(is_checksum_right(&datagram, pseudo()));
    }

    #[test]
    fn a_computed_zero_is_sent_as_all_ones_and_is_right() {
        let mut datagram = DATAGRAM;
        HeaderMut::parse(&mut datagram)
            .unwrap()
            .fill_checksum(pseudo());
        // Put the checksum into the data: the rest then adds up to 0xffff, and the new one to 0.
        let [.., high, low, _, _, _, _] = datagram;
        let data = Sum::word(u16::from_be_bytes([high, low])) + Sum::word(0xdead);
        datagram[8..10].copy_from_slice(&data.fold().to_be_bytes());
        HeaderMut::parse(&mut datagram)
            .unwrap()
            .fill_checksum(pseudo());
        assert_eq!(Header::parse(&datagram, 12).unwrap().checksum(), 0xffff);
        assert!(is_checksum_right(&datagram, pseudo()));
    }
}
