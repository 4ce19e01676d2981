//! VLAN tag: the four octets behind an EtherType of 0x8100 or 0x88a8.
//!
//! No counterpart in the patent. IEEE 802.1Q 9.6. The view begins *behind* the EtherType that
//! announced it: two octets of tag control information, then the EtherType of what the tag carries.
//! Easy to get wrong: VLAN identifier 0 is no VLAN but a priority tag, and 4095 is reserved.

use super::ethernet::EtherType;
use super::octets::Octets;

/// Octets of a tag, counted behind the EtherType that announced it.
pub const LEN: usize = 4;

/// Identifier of a priority tag: the frame belongs to the port's own VLAN.
pub const PRIORITY_VID: u16 = 0;

/// Identifier that no frame may carry.
pub const RESERVED_VID: u16 = 0x0fff;

const CONTROL: usize = 0;
const ETHERTYPE: usize = 2;

/// A tag, read.
#[derive(Clone, Copy, Debug)]
pub struct Tag<'a>(&'a [u8; LEN]);

impl<'a> Tag<'a> {
    /// The tag at the beginning of `octets`; `None` with fewer than 4.
    #[inline]
    #[must_use]
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }

    /// Priority code point, 0 to 7.
    #[inline]
    #[must_use]
    pub fn pcp(&self) -> u8 {
        self.0.u8_at::<CONTROL>() >> 5
    }

    /// Drop eligible indicator.
    #[inline]
    #[must_use]
    pub fn dei(&self) -> bool {
        self.0.u8_at::<CONTROL>() & 0x10 != 0
    }

    /// VLAN identifier, 0 to 4095.
    #[inline]
    #[must_use]
    pub fn vid(&self) -> u16 {
        self.0.u16_at::<CONTROL>() & 0x0fff
    }

    /// Type of what the tag carries.
    #[inline]
    #[must_use]
    pub fn ethertype(&self) -> EtherType {
        EtherType(self.0.u16_at::<ETHERTYPE>())
    }
}

/// A whole tag as values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Priority code point, 0 to 7; higher bits are ignored.
    pub pcp: u8,
    /// Drop eligible indicator.
    pub dei: bool,
    /// VLAN identifier, 0 to 4095; higher bits are ignored.
    pub vid: u16,
    /// Type of what the tag carries.
    pub ethertype: EtherType,
}

impl Fields {
    /// Writes the tag.
    #[inline]
    pub fn emit(&self, out: &mut [u8; LEN]) {
        let control =
            u16::from(self.pcp & 7) << 13 | u16::from(self.dei) << 12 | (self.vid & 0x0fff);
        out.put_u16::<CONTROL>(control);
        out.put_u16::<ETHERTYPE>(self.ethertype.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_and_written_back_octet_for_octet() {
        let octets = [0xb0, 0x64, 0x86, 0xdd];
        let tag = Tag::parse(&octets).unwrap();
        assert_eq!((tag.pcp(), tag.dei(), tag.vid()), (5, true, 100));
        assert_eq!(tag.ethertype(), EtherType::IPV6);
        let mut out = [0; LEN];
        let fields = Fields {
            pcp: 5,
            dei: true,
            vid: 100,
            ethertype: EtherType::IPV6,
        };
        fields.emit(&mut out);
        assert_eq!(out, octets);
        assert!(Tag::parse(&octets[..3]).is_none());
    }

    #[test]
    fn values_beyond_their_field_do_not_spill_into_the_next() {
        let mut out = [0; LEN];
        let fields = Fields {
            pcp: 8,
            dei: false,
            vid: 0x1fff,
            ethertype: EtherType::IPV4,
        };
        fields.emit(&mut out);
        let tag = Tag::parse(&out).unwrap();
        assert_eq!((tag.pcp(), tag.dei(), tag.vid()), (0, false, RESERVED_VID));
    }
}
