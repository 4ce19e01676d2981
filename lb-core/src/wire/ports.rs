//! The four octets that TCP and UDP share: source and destination port.
//!
//! No counterpart in the patent. Enough for a flow key where the rest of the header may be missing:
//! a packet quoted by an ICMP error guarantees only 8 octets of it (RFC 792).
//! Easy to get wrong: a fragment that is not the first has payload here, and ICMP, GRE and ESP have
//! no ports at all; ask only behind a TCP or UDP protocol number and a fragment offset of 0.

use super::octets::Octets;

/// Octets that the two ports take.
pub const LEN: usize = 4;

const SRC: usize = 0;
const DST: usize = 2;

/// The two ports, read.
#[derive(Clone, Copy, Debug)]
pub struct Ports<'a>(&'a [u8; LEN]);

impl<'a> Ports<'a> {
    /// Ports at the beginning of `l4`; `None` with fewer than 4 octets.
    #[inline]
    #[must_use]
    pub fn parse(l4: &'a [u8]) -> Option<Self> {
        l4.first_chunk().map(Self)
    }

    /// Source port.
    #[inline]
    #[must_use]
    pub fn src(&self) -> u16 {
        self.0.u16_at::<SRC>()
    }

    /// Destination port.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> u16 {
        self.0.u16_at::<DST>()
    }
}

/// The two ports, to be rewritten; the checksum is the caller's.
#[derive(Debug)]
pub struct PortsMut<'a>(&'a mut [u8; LEN]);

impl<'a> PortsMut<'a> {
    /// Ports at the beginning of `l4`; `None` with fewer than 4 octets.
    #[inline]
    #[must_use]
    pub fn parse(l4: &'a mut [u8]) -> Option<Self> {
        l4.first_chunk_mut().map(Self)
    }

    /// Sets the source port.
    #[inline]
    pub fn set_src(&mut self, port: u16) {
        self.0.put_u16::<SRC>(port);
    }

    /// Sets the destination port.
    #[inline]
    pub fn set_dst(&mut self, port: u16) {
        self.0.put_u16::<DST>(port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_a_quoted_packet_are_read_and_rewritten_in_four_octets() {
        let mut quoted = [0xc3, 0x50, 0x00, 0x50, 1, 2, 3, 4];
        let ports = Ports::parse(&quoted).unwrap();
        assert_eq!((ports.src(), ports.dst()), (50_000, 80));
        let mut ports = PortsMut::parse(&mut quoted).unwrap();
        ports.set_src(1);
        ports.set_dst(0x1f90);
        assert_eq!(quoted, [0, 1, 0x1f, 0x90, 1, 2, 3, 4]);
        assert!(Ports::parse(&quoted[..3]).is_none());
        assert!(PortsMut::parse(&mut quoted[..3]).is_none());
    }
}
