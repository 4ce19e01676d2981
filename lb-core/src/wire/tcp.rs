//! TCP header.
//!
//! WO 00/30294: the ports of steps 206 and 212, the opening packet of step 210. RFC 9293 3.1.
//! Not here: connection states, and how a reset is numbered (RFC 9293 3.10.7.1).
//! Easy to get wrong: `SYN` alone opens a connection; `SYN` with `ACK` is a server's answer.

use super::checksum::{self, Delta, Sum};
use super::octets::Octets;
use super::options::Options;

/// Octets of the header without options.
pub const LEN: usize = 20;

/// Option kind: maximum segment size (RFC 9293 3.7.1).
pub const OPTION_MSS: u8 = 2;

/// Option kind: window scale (RFC 7323).
pub const OPTION_WINDOW_SCALE: u8 = 3;

/// Option kind: SACK permitted (RFC 2018).
pub const OPTION_SACK_PERMITTED: u8 = 4;

/// Option kind: timestamps (RFC 7323).
pub const OPTION_TIMESTAMPS: u8 = 8;

const SRC_PORT: usize = 0;
const DST_PORT: usize = 2;
const SEQ: usize = 4;
const ACK: usize = 8;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const WINDOW: usize = 14;
const CHECKSUM: usize = 16;
const URGENT: usize = 18;

/// The eight control bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers: opens a connection.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Whether all bits of `other` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[inline]
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These bits and those of `other`.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a client opens a connection with this: `SYN` without `ACK`, and not illegal.
    #[inline]
    #[must_use]
    pub const fn is_opening(self) -> bool {
        self.contains(Self::SYN) && !self.intersects(Self::ACK.with(Self::FIN).with(Self::RST))
    }

    /// Whether no sender means this: `SYN` with `FIN`, `SYN` with `RST` (all flags have both), or
    /// none of the six bits of RFC 793.
    ///
    /// `FIN` with `RST` is odd but means one thing: RFC 9293 3.10.7.4 looks at `RST` first and is
    /// done. `FIN` without `ACK` is harmless as well: the end point drops it (same section, step
    /// 5).
    #[inline]
    #[must_use]
    pub const fn is_illegal(self) -> bool {
        ILLEGAL_FLAGS >> (self.0 & 0x3f) & 1 == 1
    }
}

/// The sets that [`Flags::is_illegal`] refuses, one bit for each of the 64: one shift for every packet.
const ILLEGAL_FLAGS: u64 = {
    let (fin, syn, rst) = (0x01, 0x02, 0x04);
    let mut set = 0;
    let mut flags = 0;
    while flags < 64 {
        let none = flags == 0;
        let syn_fin = flags & (syn | fin) == syn | fin;
        let syn_rst = flags & (syn | rst) == syn | rst;
        if none || syn_fin || syn_rst {
            set |= 1 << flags;
        }
        flags += 1;
    }
    set
};

/// Why octets are not a TCP header; each is one drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer than 20 octets in the packet or at hand, or options that lie beyond the octets at
    /// hand.
    #[error("TCP header truncated")]
    Truncated,
    /// Data offset below 5 words.
    #[error("TCP data offset below 20 octets")]
    DataOffset,
    /// Data offset past the end of the packet.
    #[error("TCP data offset beyond the packet")]
    DataOffsetBeyondPacket,
}

/// A TCP header, read.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    fixed: &'a [u8; LEN],
    options: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header at the beginning of `head`, the octets at hand.
    ///
    /// `l4_len` counts the octets of header and data by the IP header, without Ethernet padding.
    ///
    /// # Errors
    ///
    /// See [`Malformed`].
    #[inline]
    pub fn parse(head: &'a [u8], l4_len: usize) -> Result<Self, Malformed> {
        let (fixed, rest) = head
            .split_first_chunk::<LEN>()
            .ok_or(Malformed::Truncated)?;
        if l4_len < LEN {
            return Err(Malformed::Truncated);
        }
        let header_len = usize::from(fixed.u8_at::<DATA_OFFSET>() >> 4) * 4;
        let Some(options_len) = header_len.checked_sub(LEN) else {
            return Err(Malformed::DataOffset);
        };
        if header_len > l4_len {
            return Err(Malformed::DataOffsetBeyondPacket);
        }
        let options = rest.get(..options_len).ok_or(Malformed::Truncated)?;
        Ok(Self { fixed, options })
    }

    /// Source port.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        self.fixed.u16_at::<SRC_PORT>()
    }

    /// Destination port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        self.fixed.u16_at::<DST_PORT>()
    }

    /// Sequence number of the first octet of data, or of `SYN`.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.fixed.u32_at::<SEQ>()
    }

    /// Next sequence number expected from the other side; counts with [`Flags::ACK`] only.
    #[inline]
    #[must_use]
    pub fn ack(&self) -> u32 {
        self.fixed.u32_at::<ACK>()
    }

    /// Octets of header and options, 20 to 60.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        LEN + self.options.len()
    }

    /// Control bits.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags(self.fixed.u8_at::<FLAGS>())
    }

    /// Receive window, unscaled.
    #[inline]
    #[must_use]
    pub fn window(&self) -> u16 {
        self.fixed.u16_at::<WINDOW>()
    }

    /// Checksum as received.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.fixed.u16_at::<CHECKSUM>()
    }

    /// Urgent pointer; counts with [`Flags::URG`] only.
    #[inline]
    #[must_use]
    pub fn urgent(&self) -> u16 {
        self.fixed.u16_at::<URGENT>()
    }

    /// The options, at most 40 octets of them.
    #[inline]
    #[must_use]
    pub fn options(&self) -> Options<'a> {
        Options::new(self.options)
    }
}

/// A TCP header, to be rewritten; setters leave the checksum alone.
#[derive(Debug)]
pub struct HeaderMut<'a> {
    fixed: &'a mut [u8; LEN],
    rest: &'a mut [u8],
}

impl<'a> HeaderMut<'a> {
    /// The header at the beginning of `segment`; `None` with fewer than 20 octets.
    ///
    /// Checks nothing else: [`Header::parse`] has to have accepted these octets.
    #[inline]
    #[must_use]
    pub fn parse(segment: &'a mut [u8]) -> Option<Self> {
        let (fixed, rest) = segment.split_first_chunk_mut()?;
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

    /// Sets the sequence number.
    #[inline]
    pub fn set_seq(&mut self, number: u32) {
        self.fixed.put_u32::<SEQ>(number);
    }

    /// Sets the control bits.
    #[inline]
    pub fn set_flags(&mut self, flags: Flags) {
        self.fixed.put_u8::<FLAGS>(flags.0);
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.fixed.put_u16::<CHECKSUM>(checksum);
    }

    /// Changes the checksum by what an edit adds, of addresses too.
    #[inline]
    pub fn update_checksum(&mut self, delta: Delta) {
        let old = self.fixed.u16_at::<CHECKSUM>();
        self.set_checksum(checksum::apply(old, delta));
    }

    /// Computes the checksum anew. The octets handed to [`Self::parse`] have to be the whole
    /// segment and nothing behind it, and their number the one in `pseudo`.
    #[inline]
    pub fn fill_checksum(&mut self, pseudo: Sum) {
        self.set_checksum(0);
        let sum = pseudo + Sum::octets(&*self.fixed) + Sum::octets(self.rest);
        self.set_checksum(sum.checksum());
    }
}

/// Whether a whole segment's checksum is right.
#[inline]
#[must_use]
pub fn is_checksum_right(segment: &[u8], pseudo: Sum) -> bool {
    (pseudo + Sum::octets(segment)).is_right()
}

/// A whole header as values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Header length in 32-bit words, 5 to 15; more than 5 where options are written behind.
    pub data_offset: u8,
    /// Control bits.
    pub flags: Flags,
    /// Receive window, unscaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
}

impl Default for Fields {
    /// No options, no flags, all numbers 0.
    fn default() -> Self {
        Self {
            src_port: 0,
            dst_port: 0,
            seq: 0,
            ack: 0,
            data_offset: 5,
            flags: Flags::default(),
            window: 0,
            urgent: 0,
        }
    }
}

impl Fields {
    /// Writes the header with a checksum of 0; [`HeaderMut::fill_checksum`] is owed.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        out.put_u16::<SRC_PORT>(self.src_port);
        out.put_u16::<DST_PORT>(self.dst_port);
        out.put_u32::<SEQ>(self.seq);
        out.put_u32::<ACK>(self.ack);
        out.put_u8::<DATA_OFFSET>(self.data_offset << 4);
        out.put_u8::<FLAGS>(self.flags.0);
        out.put_u16::<WINDOW>(self.window);
        out.put_u16::<CHECKSUM>(0);
        out.put_u16::<URGENT>(self.urgent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::options::HeaderOption;
    use crate::wire::protocol::IpProtocol;

    /// SYN from 198.51.100.7:50000 to 192.0.2.10:80 with MSS 1460, SACK permitted, window scale 7.
    const SYN: [u8; 32] = [
        0xc3, 0x50, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x80, 0x02, 0xfa,
        0xf0, 0xc0, 0x34, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, 0x01, 0x01, 0x04, 0x02, 0x01, 0x03,
        0x03, 0x07,
    ];

    fn pseudo() -> Sum {
        Sum::pseudo_v4(0xc633_6407, 0xc000_020a, IpProtocol::TCP, 32)
    }

    #[test]
    fn a_syn_is_read_with_its_options() {
        let header = Header::parse(&SYN, 32).unwrap();
        assert_eq!((header.src_port(), header.dst_port()), (50_000, 80));
        assert_eq!((header.seq(), header.ack()), (0x0102_0304, 0));
        assert_eq!((header.header_len(), header.window()), (32, 64_240));
        assert_eq!((header.flags(), header.urgent()), (Flags::SYN, 0));
        assert!(is_checksum_right(&SYN, pseudo()));
        let options: Vec<_> = header.options().map(Result::unwrap).collect();
        let option = |kind, data| HeaderOption { kind, data };
        assert_eq!(
            options,
            [
                option(OPTION_MSS, &[0x05, 0xb4][..]),
                option(OPTION_SACK_PERMITTED, &[]),
                option(OPTION_WINDOW_SCALE, &[7]),
            ]
        );
    }

    #[test]
    fn a_written_syn_equals_the_reference_octets() {
        let mut segment = SYN;
        let fields = Fields {
            src_port: 50_000,
            dst_port: 80,
            seq: 0x0102_0304,
            data_offset: 8,
            flags: Flags::SYN,
            window: 64_240,
            ..Fields::default()
        };
        fields.emit(segment.first_chunk_mut().unwrap());
        assert_eq!(segment[16..18], [0, 0]);
        HeaderMut::parse(&mut segment)
            .unwrap()
            .fill_checksum(pseudo());
        assert_eq!(segment, SYN);
    }

    #[test]
    fn a_rewritten_port_and_address_keep_the_checksum_right() {
        let mut segment = SYN;
        let mut header = HeaderMut::parse(&mut segment).unwrap();
        header.set_dst_port(8080);
        header.update_checksum(Delta::of_u32(0xc000_020a, 0x0a00_000b) + Delta::of_u16(80, 8080));
        let new = Sum::pseudo_v4(0xc633_6407, 0x0a00_000b, IpProtocol::TCP, 32);
        assert!(is_checksum_right(&segment, new));
        assert!(!is_checksum_right(&segment, pseudo()));
        HeaderMut::parse(&mut segment).unwrap().set_src_port(0x1234);
        assert_eq!(Header::parse(&segment, 32).unwrap().src_port(), 0x1234);
    }

    #[test]
    fn each_malformed_header_has_its_own_cause() {
        let cause = |octets: &[u8], len| Header::parse(octets, len).unwrap_err();
        let with_offset = |words: u8| {
            let mut octets = SYN;
            octets[12] = words << 4;
            octets
        };
        assert_eq!(cause(&SYN[..19], 32), Malformed::Truncated);
        // The frame is padded, the packet is not.
        assert_eq!(cause(&SYN, 19), Malformed::Truncated);
        assert_eq!(cause(&SYN, 31), Malformed::DataOffsetBeyondPacket);
        assert_eq!(cause(&with_offset(4), 32), Malformed::DataOffset);
        assert_eq!(cause(&with_offset(0), 32), Malformed::DataOffset);
        assert_eq!(
            cause(&with_offset(9), 32),
            Malformed::DataOffsetBeyondPacket
        );
        // Options in the packet, but in its next segment of memory.
        assert_eq!(cause(&SYN[..24], 32), Malformed::Truncated);
    }

    #[test]
    fn unknown_and_broken_options_do_not_make_a_header_malformed() {
        let mut octets = SYN;
        octets[20..24].copy_from_slice(&[254, 0, 0, 0]);
        let header = Header::parse(&octets, 32).unwrap();
        assert!(header.options().next().unwrap().is_err());
    }

    #[test]
    fn illegal_flags_are_those_of_the_rule_and_no_others() {
        let or = |flags: &[Flags]| flags.iter().fold(Flags::default(), |all, &f| all.with(f));
        for illegal in [
            or(&[Flags::SYN, Flags::FIN]),
            or(&[Flags::SYN, Flags::FIN, Flags::ACK]),
            or(&[Flags::SYN, Flags::RST]),
            or(&[Flags::SYN, Flags::RST, Flags::ACK]),
            Flags(0x3f),
            Flags(0xff),
            Flags(0),
            or(&[Flags::ECE, Flags::CWR]),
        ] {
            assert!(illegal.is_illegal(), "{illegal:?}");
            assert!(!illegal.is_opening(), "{illegal:?}");
        }
        for legal in [
            Flags::SYN,
            or(&[Flags::SYN, Flags::ACK]),
            or(&[Flags::SYN, Flags::ECE, Flags::CWR]),
            Flags::ACK,
            Flags::RST,
            or(&[Flags::RST, Flags::ACK]),
            or(&[Flags::FIN, Flags::ACK]),
            or(&[Flags::FIN, Flags::RST]),
            Flags::FIN,
            or(&[Flags::PSH, Flags::ACK, Flags::URG]),
        ] {
            assert!(!legal.is_illegal(), "{legal:?}");
        }
    }

    #[test]
    fn only_a_syn_without_ack_opens() {
        assert!(Flags::SYN.is_opening());
        assert!(Flags::SYN.with(Flags::ECE).with(Flags::CWR).is_opening());
        assert!(!Flags::SYN.with(Flags::ACK).is_opening());
        assert!(!Flags::ACK.is_opening());
    }
}
