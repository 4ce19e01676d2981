//! IPv4 header.
//!
//! WO 00/30294: the addresses that steps 204, 206 and 212 look up and step 220 rewrites.
//! RFC 791; what a router must check, RFC 1812 5.2.2. Not here: martian addresses, reassembly.
//! Easy to get wrong: three lengths differ: the total length (what counts), the frame from here on
//! (longer: Ethernet padding) and the octets at hand (shorter: a frame of several segments).

use std::net::Ipv4Addr;

use super::checksum::{self, Delta, Sum};
use super::octets::Octets;
use super::options::{BadOption, Options};
use super::protocol::IpProtocol;

/// Octets of the header without options.
pub const LEN: usize = 20;

/// Octets of the longest header, with options.
pub const MAX_LEN: usize = 60;

/// Option kind: loose source and record route (RFC 791).
pub const LSRR: u8 = 131;

/// Option kind: strict source and record route (RFC 791).
pub const SSRR: u8 = 137;

/// What one hop adds to the header's sum: the TTL is the high half of a word.
pub const ONE_HOP: Delta = Delta::of_u16(0x0100, 0x0000);

const VERSION_IHL: usize = 0;
const DSCP_ECN: usize = 1;
const TOTAL_LEN: usize = 2;
const ID: usize = 4;
const FRAGMENT: usize = 6;
const TTL: usize = 8;
const PROTOCOL: usize = 9;
const CHECKSUM: usize = 10;
const SRC: usize = 12;
const DST: usize = 16;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// Why a packet is not IPv4 as a router may forward it (RFC 1812 5.2.2); each is one drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer than 20 octets at hand, or options that lie beyond the octets at hand.
    #[error("IPv4 header truncated")]
    Truncated,
    /// Version is not 4.
    #[error("IP version is not 4")]
    Version,
    /// Header length (IHL) below 5 words.
    #[error("IPv4 header length below 20 octets")]
    HeaderLength,
    /// Header longer than the frame.
    #[error("IPv4 header beyond the frame")]
    HeaderBeyondFrame,
    /// Total length below the header's own.
    #[error("IPv4 total length below the header length")]
    TotalBelowHeader,
    /// Total length beyond the octets of the frame.
    #[error("IPv4 total length beyond the frame")]
    TotalBeyondFrame,
    /// Header checksum wrong.
    #[error("IPv4 header checksum wrong")]
    Checksum,
}

/// An IPv4 header, read.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    fixed: &'a [u8; LEN],
    options: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header at the beginning of `head`, the octets at hand.
    ///
    /// `frame_len` counts the octets of the frame from this header on, over all segments. The
    /// checksum is not looked at: a NIC may have done so already, else call
    /// [`Self::verify_checksum`].
    ///
    /// # Errors
    ///
    /// The first cause that applies, in the order of [`Malformed`] but for options that are not at
    /// hand.
    #[inline]
    pub fn parse(head: &'a [u8], frame_len: usize) -> Result<Self, Malformed> {
        let (fixed, rest) = head.split_first_chunk().ok_or(Malformed::Truncated)?;
        let header = Self {
            fixed,
            options: &[],
        };
        if header.version() != 4 {
            return Err(Malformed::Version);
        }
        let header_len = header.ihl_octets();
        let Some(options_len) = header_len.checked_sub(LEN) else {
            return Err(Malformed::HeaderLength);
        };
        if header_len > frame_len {
            return Err(Malformed::HeaderBeyondFrame);
        }
        let total_len = usize::from(header.total_len());
        if total_len < header_len {
            return Err(Malformed::TotalBelowHeader);
        }
        if total_len > frame_len {
            return Err(Malformed::TotalBeyondFrame);
        }
        let options = rest.get(..options_len).ok_or(Malformed::Truncated)?;
        Ok(Self { fixed, options })
    }

    /// The header of a packet that an ICMP error quotes: cut short, so its total length is not held
    /// against the octets present (RFC 792, RFC 1812 4.3.2.3).
    ///
    /// # Errors
    ///
    /// As [`Self::parse`], without the causes that speak of the frame.
    #[inline]
    pub fn parse_quoted(quote: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse(quote, usize::MAX)
    }

    /// Checks the header checksum.
    ///
    /// # Errors
    ///
    /// [`Malformed::Checksum`].
    #[inline]
    pub fn verify_checksum(&self) -> Result<(), Malformed> {
        if (Sum::octets(self.fixed) + Sum::octets(self.options)).is_right() {
            Ok(())
        } else {
            Err(Malformed::Checksum)
        }
    }

    #[inline]
    fn version(&self) -> u8 {
        self.fixed.u8_at::<VERSION_IHL>() >> 4
    }

    #[inline]
    fn ihl_octets(&self) -> usize {
        usize::from(self.fixed.u8_at::<VERSION_IHL>() & 0x0f) * 4
    }

    /// Octets of header and options, 20 to 60.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        LEN + self.options.len()
    }

    /// Octets of header and payload, from [`Self::header_len`] up.
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> u16 {
        self.fixed.u16_at::<TOTAL_LEN>()
    }

    /// Octets behind the header, without Ethernet padding.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        self.total_len() - u16::from(self.fixed.u8_at::<VERSION_IHL>() & 0x0f) * 4
    }

    /// Differentiated services (6 bits) and ECN (2 bits) in one octet (RFC 2474, RFC 3168).
    #[inline]
    #[must_use]
    pub fn dscp_ecn(&self) -> u8 {
        self.fixed.u8_at::<DSCP_ECN>()
    }

    /// Identification: fragments of one datagram share it.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u16 {
        self.fixed.u16_at::<ID>()
    }

    /// Whether the packet may not be fragmented on the way.
    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.fixed.u16_at::<FRAGMENT>() & DONT_FRAGMENT != 0
    }

    /// Whether further fragments follow this one.
    #[inline]
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.fixed.u16_at::<FRAGMENT>() & MORE_FRAGMENTS != 0
    }

    /// Where the payload stands in the whole datagram's: octets, a multiple of 8, at most 65,528.
    #[inline]
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        (self.fixed.u16_at::<FRAGMENT>() & OFFSET_MASK) << 3
    }

    /// Whether this is a part of a datagram, the first included.
    #[inline]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.fixed.u16_at::<FRAGMENT>() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Hops left, 0 to 255.
    #[inline]
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.fixed.u8_at::<TTL>()
    }

    /// What the payload is.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> IpProtocol {
        IpProtocol(self.fixed.u8_at::<PROTOCOL>())
    }

    /// Header checksum as received.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.fixed.u16_at::<CHECKSUM>()
    }

    /// Source address as a number, first octet highest.
    #[inline]
    #[must_use]
    pub fn src(&self) -> u32 {
        self.fixed.u32_at::<SRC>()
    }

    /// Destination address as a number, first octet highest.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> u32 {
        self.fixed.u32_at::<DST>()
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn src_addr(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.src())
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub fn dst_addr(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.dst())
    }

    /// The options, at most 40 octets of them.
    #[inline]
    #[must_use]
    pub fn options(&self) -> Options<'a> {
        Options::new(self.options)
    }

    /// Whether the sender prescribes the route (LSRR or SSRR; RFC 7126 4.3, 4.4).
    ///
    /// # Errors
    ///
    /// An option whose length cannot be right stands before any source route.
    #[inline]
    pub fn has_source_route(&self) -> Result<bool, BadOption> {
        for option in self.options() {
            if matches!(option?.kind, LSRR | SSRR) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Pseudo-header for a payload of `l4_len` octets.
    #[inline]
    #[must_use]
    pub fn pseudo(&self, l4_len: u16) -> Sum {
        Sum::pseudo_v4(self.src(), self.dst(), self.protocol(), l4_len)
    }
}

/// An IPv4 header, to be rewritten; setters leave the checksum alone.
#[derive(Debug)]
pub struct HeaderMut<'a> {
    fixed: &'a mut [u8; LEN],
    rest: &'a mut [u8],
}

impl<'a> HeaderMut<'a> {
    /// The header at the beginning of `head`; `None` with fewer than 20 octets.
    ///
    /// Checks nothing else: [`Header::parse`] has to have accepted these octets.
    #[inline]
    #[must_use]
    pub fn parse(head: &'a mut [u8]) -> Option<Self> {
        let (fixed, rest) = head.split_first_chunk_mut()?;
        Some(Self { fixed, rest })
    }

    /// Sets differentiated services and ECN.
    #[inline]
    pub fn set_dscp_ecn(&mut self, octet: u8) {
        self.fixed.put_u8::<DSCP_ECN>(octet);
    }

    /// Sets the octets of header and payload.
    #[inline]
    pub fn set_total_len(&mut self, octets: u16) {
        self.fixed.put_u16::<TOTAL_LEN>(octets);
    }

    /// Sets the identification.
    #[inline]
    pub fn set_id(&mut self, id: u16) {
        self.fixed.put_u16::<ID>(id);
    }

    /// Sets the hops left.
    #[inline]
    pub fn set_ttl(&mut self, ttl: u8) {
        self.fixed.put_u8::<TTL>(ttl);
    }

    /// Sets the source address.
    #[inline]
    pub fn set_src(&mut self, address: u32) {
        self.fixed.put_u32::<SRC>(address);
    }

    /// Sets the destination address.
    #[inline]
    pub fn set_dst(&mut self, address: u32) {
        self.fixed.put_u32::<DST>(address);
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.fixed.put_u16::<CHECKSUM>(checksum);
    }

    /// Changes the checksum by what an edit adds.
    #[inline]
    pub fn update_checksum(&mut self, delta: Delta) {
        let old = self.fixed.u16_at::<CHECKSUM>();
        self.set_checksum(checksum::apply(old, delta));
    }

    /// Computes the checksum anew, over the options too.
    #[inline]
    pub fn fill_checksum(&mut self) {
        let options_len = usize::from(self.fixed.u8_at::<VERSION_IHL>() & 0x0f)
            .saturating_mul(4)
            .saturating_sub(LEN);
        self.set_checksum(0);
        let options = self.rest.get(..options_len).unwrap_or_default();
        let sum = Sum::octets(&*self.fixed) + Sum::octets(options);
        self.set_checksum(sum.checksum());
    }
}

/// A whole header as values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Header length in 32-bit words, 5 to 15; more than 5 where options are written behind.
    pub ihl: u8,
    /// Differentiated services and ECN.
    pub dscp_ecn: u8,
    /// Octets of header and payload.
    pub total_len: u16,
    /// Identification.
    pub id: u16,
    /// Whether the packet may not be fragmented on the way.
    pub dont_fragment: bool,
    /// Whether further fragments follow this one.
    pub more_fragments: bool,
    /// Where the payload stands in the datagram: octets, a multiple of 8; lower bits are ignored.
    pub fragment_offset: u16,
    /// Hops left.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// Source address as a number, first octet highest.
    pub src: u32,
    /// Destination address as a number, first octet highest.
    pub dst: u32,
}

impl Default for Fields {
    /// A whole datagram of 20 octets, 64 hops, not to be fragmented, from nobody to nobody.
    fn default() -> Self {
        Self {
            ihl: 5,
            dscp_ecn: 0,
            total_len: 20,
            id: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: IpProtocol::default(),
            src: 0,
            dst: 0,
        }
    }
}

impl Fields {
    /// Writes the header with its checksum.
    ///
    /// Where options follow, [`HeaderMut::fill_checksum`] has to be called once they are written.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        let bit = |is_set: bool, bit: u16| if is_set { bit } else { 0 };
        let fragment = bit(self.dont_fragment, DONT_FRAGMENT)
            | bit(self.more_fragments, MORE_FRAGMENTS)
            | (self.fragment_offset >> 3);
        out.put_u8::<VERSION_IHL>(0x40 | (self.ihl & 0x0f));
        out.put_u8::<DSCP_ECN>(self.dscp_ecn);
        out.put_u16::<TOTAL_LEN>(self.total_len);
        out.put_u16::<ID>(self.id);
        out.put_u16::<FRAGMENT>(fragment);
        out.put_u8::<TTL>(self.ttl);
        out.put_u8::<PROTOCOL>(self.protocol.0);
        out.put_u16::<CHECKSUM>(0);
        out.put_u32::<SRC>(self.src);
        out.put_u32::<DST>(self.dst);
        let checksum = Sum::octets(out).checksum();
        out.put_u16::<CHECKSUM>(checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP, 192.168.0.1 to 192.168.0.199, 115 octets in all.
    const PACKET: [u8; LEN] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];

    fn changed(at: usize, octet: u8) -> [u8; LEN] {
        let mut octets = PACKET;
        octets[at] = octet;
        octets
    }

    fn cause(octets: &[u8], frame_len: usize) -> Malformed {
        Header::parse(octets, frame_len).unwrap_err()
    }

    #[test]
    fn a_header_is_read_and_written_back_octet_for_octet() {
        let header = Header::parse(&PACKET, 115).unwrap();
        assert_eq!(header.verify_checksum(), Ok(()));
        assert_eq!((header.header_len(), header.total_len()), (20, 115));
        assert_eq!(header.payload_len(), 95);
        assert!(header.dont_fragment() && !header.more_fragments() && !header.is_fragment());
        assert_eq!((header.ttl(), header.protocol()), (64, IpProtocol::UDP));
        assert_eq!(header.checksum(), 0xb861);
        assert_eq!(header.src(), 0xc0a8_0001);
        assert_eq!(header.src_addr(), Ipv4Addr::new(192, 168, 0, 1));
        assert_eq!(header.dst_addr(), Ipv4Addr::new(192, 168, 0, 199));
        let mut out = [0xee; LEN];
        let fields = Fields {
            total_len: 115,
            protocol: IpProtocol::UDP,
            src: header.src(),
            dst: header.dst(),
            ..Fields::default()
        };
        fields.emit(&mut out);
        assert_eq!(out, PACKET);
    }

    #[test]
    fn each_malformed_header_has_its_own_cause() {
        assert_eq!(cause(&PACKET[..19], 19), Malformed::Truncated);
        assert_eq!(cause(&changed(0, 0x65), 115), Malformed::Version);
        assert_eq!(cause(&changed(0, 0x44), 115), Malformed::HeaderLength);
        assert_eq!(cause(&changed(0, 0x4f), 59), Malformed::HeaderBeyondFrame);
        assert_eq!(cause(&changed(3, 19), 115), Malformed::TotalBelowHeader);
        assert_eq!(cause(&PACKET, 114), Malformed::TotalBeyondFrame);
        // Six words of header in the frame, but only five in the first segment.
        assert_eq!(cause(&changed(0, 0x46), 115), Malformed::Truncated);
        let wrong = changed(8, 63);
        let header = Header::parse(&wrong, 115).unwrap();
        assert_eq!(header.verify_checksum(), Err(Malformed::Checksum));
    }

    #[test]
    fn ethernet_padding_and_a_second_segment_change_nothing() {
        assert_eq!(Header::parse(&PACKET, 146).unwrap().payload_len(), 95);
        assert_eq!(Header::parse(&PACKET, 115).unwrap().payload_len(), 95);
        let mut whole = [0; 146];
        whole[..LEN].copy_from_slice(&PACKET);
        assert_eq!(Header::parse(&whole, 146).unwrap().header_len(), LEN);
    }

    #[test]
    fn a_quoted_header_may_promise_more_than_the_quote_holds() {
        assert_eq!(Header::parse_quoted(&PACKET).unwrap().total_len(), 115);
        assert_eq!(
            Header::parse_quoted(&changed(3, 19)).unwrap_err(),
            Malformed::TotalBelowHeader
        );
    }

    #[test]
    fn fragments_say_where_they_belong_in_octets() {
        let first = changed(6, 0x20);
        let header = Header::parse(&first, 115).unwrap();
        assert!(header.is_fragment() && header.more_fragments() && !header.dont_fragment());
        let mut last = changed(6, 0x1f);
        last[7] = 0xff;
        let header = Header::parse(&last, 115).unwrap();
        assert!(header.is_fragment() && !header.more_fragments());
        assert_eq!(header.fragment_offset(), 65_528);
    }

    #[test]
    fn source_routes_are_found_behind_padding_and_a_broken_option_is_an_error() {
        let with_options = |options: [u8; 8]| {
            let mut octets = [0; 28];
            octets[..LEN].copy_from_slice(&changed(0, 0x47));
            octets[LEN..].copy_from_slice(&options);
            octets
        };
        let route = |octets: [u8; 28]| Header::parse(&octets, 115).unwrap().has_source_route();
        assert_eq!(route(with_options([1, 131, 7, 4, 10, 0, 0, 1])), Ok(true));
        assert_eq!(route(with_options([137, 7, 4, 10, 0, 0, 1, 0])), Ok(true));
        assert_eq!(route(with_options([148, 4, 0, 0, 0, 131, 3, 4])), Ok(false));
        assert_eq!(
            route(with_options([7, 0, 4, 0, 0, 0, 0, 0])),
            Err(BadOption)
        );
        let mut octets = with_options([148, 4, 0, 0, 0, 0, 0, 0]);
        HeaderMut::parse(&mut octets).unwrap().fill_checksum();
        let header = Header::parse(&octets, 115).unwrap();
        assert_eq!(header.header_len(), 28);
        assert_eq!(header.verify_checksum(), Ok(()));
    }

    #[test]
    fn one_hop_and_a_new_destination_by_difference_equal_a_full_recompute() {
        let (mut by_difference, mut full) = (PACKET, PACKET);
        let mut header = HeaderMut::parse(&mut by_difference).unwrap();
        header.set_ttl(63);
        header.set_dst(0x0a00_000b);
        header.update_checksum(ONE_HOP + Delta::of_u32(0xc0a8_00c7, 0x0a00_000b));
        let mut header = HeaderMut::parse(&mut full).unwrap();
        header.set_ttl(63);
        header.set_dst(0x0a00_000b);
        header.fill_checksum();
        assert_eq!(by_difference, full);
    }

    #[test]
    fn setters_write_their_own_field() {
        let mut octets = PACKET;
        let mut header = HeaderMut::parse(&mut octets).unwrap();
        header.set_dscp_ecn(0xb8);
        header.set_total_len(60);
        header.set_id(0x1234);
        header.set_src(0x0a00_0001);
        header.set_checksum(0xbeef);
        let header = Header::parse(&octets, 60).unwrap();
        assert_eq!((header.dscp_ecn(), header.total_len()), (0xb8, 60));
        assert_eq!((header.id(), header.src()), (0x1234, 0x0a00_0001));
        assert_eq!((header.checksum(), header.dst()), (0xbeef, 0xc0a8_00c7));
    }
}
