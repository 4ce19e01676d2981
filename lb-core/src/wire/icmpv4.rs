//! ICMP for IPv4: the eight octets in front of every message.
//!
//! No counterpart in the patent. RFC 792; next-hop MTU RFC 1191 section 4; RFC 1812 4.3.
//! Not here: the packet that an error quotes ([`super::ipv4::Header::parse_quoted`],
//! [`super::ports::Ports`]), rate limits, and whether an answer may be sent at all.
//! Easy to get wrong: there is no pseudo-header, and an echo reply can be all zero; its checksum
//! must then be 0xffff ([`checksum::apply_icmpv4`]).

use super::checksum::{self, Delta, Sum};
use super::octets::Octets;

/// Octets of the header.
pub const LEN: usize = 8;

/// Type: echo reply.
pub const ECHO_REPLY: u8 = 0;
/// Type: destination unreachable.
pub const UNREACHABLE: u8 = 3;
/// Type: source quench, obsolete (RFC 6633).
pub const SOURCE_QUENCH: u8 = 4;
/// Type: redirect.
pub const REDIRECT: u8 = 5;
/// Type: echo request.
pub const ECHO_REQUEST: u8 = 8;
/// Type: time exceeded.
pub const TIME_EXCEEDED: u8 = 11;
/// Type: parameter problem.
pub const PARAMETER_PROBLEM: u8 = 12;

/// Code of [`UNREACHABLE`]: network.
pub const NETWORK_UNREACHABLE: u8 = 0;
/// Code of [`UNREACHABLE`]: host.
pub const HOST_UNREACHABLE: u8 = 1;
/// Code of [`UNREACHABLE`]: protocol.
pub const PROTOCOL_UNREACHABLE: u8 = 2;
/// Code of [`UNREACHABLE`]: port.
pub const PORT_UNREACHABLE: u8 = 3;
/// Code of [`UNREACHABLE`]: larger than the next hop's MTU, and not to be fragmented.
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Code of [`UNREACHABLE`]: forbidden by an administrator (RFC 1812 5.2.7.1).
pub const ADMINISTRATIVELY_PROHIBITED: u8 = 13;
/// Code of [`TIME_EXCEEDED`]: no hops left.
pub const TTL_EXCEEDED: u8 = 0;
/// Code of [`TIME_EXCEEDED`]: fragments missing too long.
pub const REASSEMBLY_EXCEEDED: u8 = 1;

const TYPE: usize = 0;
const CODE: usize = 1;
const CHECKSUM: usize = 2;
const ID: usize = 4;
const SEQUENCE: usize = 6;
const MTU: usize = 6;

/// An ICMPv4 header, read.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a>(&'a [u8; LEN]);

impl<'a> Header<'a> {
    /// The header at the beginning of `head`, the octets at hand; `None` if these or `l4_len`, the
    /// octets of the message by the IP header, are fewer than 8.
    #[inline]
    #[must_use]
    pub fn parse(head: &'a [u8], l4_len: usize) -> Option<Self> {
        head.first_chunk().filter(|_| l4_len >= LEN).map(Self)
    }

    /// Type of the message.
    #[inline]
    #[must_use]
    pub fn message_type(&self) -> u8 {
        self.0.u8_at::<TYPE>()
    }

    /// Code within the type.
    #[inline]
    #[must_use]
    pub fn code(&self) -> u8 {
        self.0.u8_at::<CODE>()
    }

    /// Checksum as received.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        self.0.u16_at::<CHECKSUM>()
    }

    /// Identifier of an echo.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u16 {
        self.0.u16_at::<ID>()
    }

    /// Sequence number of an echo.
    #[inline]
    #[must_use]
    pub fn sequence(&self) -> u16 {
        self.0.u16_at::<SEQUENCE>()
    }

    /// MTU of the next hop in octets, with [`FRAGMENTATION_NEEDED`]; 0 from a router that does not
    /// tell.
    #[inline]
    #[must_use]
    pub fn mtu(&self) -> u16 {
        self.0.u16_at::<MTU>()
    }

    /// Whether the message reports an error: quotes a packet, and must not itself be answered with
    /// an error (RFC 1122 3.2.2).
    #[inline]
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(
            self.message_type(),
            UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
        )
    }
}

/// An ICMPv4 header, to be rewritten; setters leave the checksum alone.
#[derive(Debug)]
pub struct HeaderMut<'a> {
    fixed: &'a mut [u8; LEN],
    rest: &'a mut [u8],
}

impl<'a> HeaderMut<'a> {
    /// The header at the beginning of `message`; `None` with fewer than 8 octets.
    #[inline]
    #[must_use]
    pub fn parse(message: &'a mut [u8]) -> Option<Self> {
        let (fixed, rest) = message.split_first_chunk_mut()?;
        Some(Self { fixed, rest })
    }

    /// Turns an echo request into its reply, checksum included; the data stay as they are.
    #[inline]
    pub fn turn_into_echo_reply(&mut self) {
        let request = self.fixed.u16_at::<TYPE>();
        let reply = u16::from_be_bytes([ECHO_REPLY, 0]);
        self.fixed.put_u16::<TYPE>(reply);
        self.update_checksum(Delta::of_u16(request, reply));
    }

    /// Sets the identifier of an echo.
    #[inline]
    pub fn set_id(&mut self, id: u16) {
        self.fixed.put_u16::<ID>(id);
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.fixed.put_u16::<CHECKSUM>(checksum);
    }

    /// Changes the checksum by what an edit adds, of the quoted packet too.
    #[inline]
    pub fn update_checksum(&mut self, delta: Delta) {
        let old = self.fixed.u16_at::<CHECKSUM>();
        self.set_checksum(checksum::apply_icmpv4(old, delta));
    }

    /// Computes the checksum anew. The octets handed to [`Self::parse`] have to be the whole
    /// message.
    #[inline]
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        let sum = Sum::octets(&*self.fixed) + Sum::octets(self.rest);
        self.set_checksum(sum.checksum());
    }
}

/// Whether a whole message's checksum is right.
#[inline]
#[must_use]
pub fn is_checksum_right(message: &[u8]) -> bool {
    Sum::octets(message).is_right()
}

/// The headers that we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Are you there? Data follow.
    EchoRequest {
        /// Identifier, returned as it is.
        id: u16,
        /// Sequence number, returned as it is.
        sequence: u16,
    },
    /// I am. The request's data follow.
    EchoReply {
        /// The request's identifier.
        id: u16,
        /// The request's sequence number.
        sequence: u16,
    },
    /// A packet could not be delivered; its beginning follows.
    Unreachable {
        /// Why, such as [`PORT_UNREACHABLE`].
        code: u8,
        /// The next hop's MTU in octets with [`FRAGMENTATION_NEEDED`], else 0.
        mtu: u16,
    },
    /// A packet lived too long; its beginning follows.
    TimeExceeded {
        /// [`TTL_EXCEEDED`] or [`REASSEMBLY_EXCEEDED`].
        code: u8,
    },
}

impl Message {
    /// Writes the header with a checksum of 0; [`HeaderMut::fill_checksum`] is owed.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        let (message_type, code, id, sequence) = match *self {
            Self::EchoRequest { id, sequence } => (ECHO_REQUEST, 0, id, sequence),
            Self::EchoReply { id, sequence } => (ECHO_REPLY, 0, id, sequence),
            Self::Unreachable { code, mtu } => (UNREACHABLE, code, 0, mtu),
            Self::TimeExceeded { code } => (TIME_EXCEEDED, code, 0, 0),
        };
        out.put_u8::<TYPE>(message_type);
        out.put_u8::<CODE>(code);
        out.put_u16::<CHECKSUM>(0);
        out.put_u16::<ID>(id);
        out.put_u16::<SEQUENCE>(sequence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(header: Message, data: &[u8]) -> Vec<u8> {
        let mut octets = vec![0xee; LEN];
        octets.extend(data);
        header.emit(octets.first_chunk_mut().unwrap());
        HeaderMut::parse(&mut octets).unwrap().fill_checksum();
        octets
    }

    #[test]
    fn an_echo_request_turned_into_its_reply_equals_a_written_one() {
        let (id, sequence) = (0x1c46, 7);
        let mut octets = message(Message::EchoRequest { id, sequence }, b"abcdefg");
        let header = Header::parse(&octets, octets.len()).unwrap();
        assert_eq!((header.message_type(), header.code()), (ECHO_REQUEST, 0));
        assert_eq!((header.id(), header.sequence()), (id, sequence));
        assert!(!header.is_error());
        assert!(is_checksum_right(&octets));
        HeaderMut::parse(&mut octets)
            .unwrap()
            .turn_into_echo_reply();
        assert_eq!(
            octets,
            message(Message::EchoReply { id, sequence }, b"abcdefg")
        );
    }

    #[test]
    fn an_empty_echo_with_nothing_set_is_answered_with_a_right_checksum() {
        let mut octets = message(Message::EchoRequest { id: 0, sequence: 0 }, &[]);
        assert_eq!(octets, [8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
        HeaderMut::parse(&mut octets)
            .unwrap()
            .turn_into_echo_reply();
        assert_eq!(octets, [0, 0, 0xff, 0xff, 0, 0, 0, 0]);
        assert!(is_checksum_right(&octets));
    }

    #[test]
    fn errors_carry_their_code_and_mtu() {
        let code = FRAGMENTATION_NEEDED;
        let octets = message(Message::Unreachable { code, mtu: 1480 }, &[0x45; 28]);
        let header = Header::parse(&octets, octets.len()).unwrap();
        assert_eq!((header.message_type(), header.code()), (UNREACHABLE, code));
        assert_eq!((header.mtu(), header.is_error()), (1480, true));
        assert!(is_checksum_right(&octets));
        let octets = message(Message::TimeExceeded { code: TTL_EXCEEDED }, &[0x45; 28]);
        let header = Header::parse(&octets, octets.len()).unwrap();
        assert_eq!(header.message_type(), TIME_EXCEEDED);
        assert!(header.is_error() && header.id() == 0);
    }

    #[test]
    fn a_rewritten_identifier_keeps_the_checksum_right() {
        let mut octets = message(Message::EchoRequest { id: 1, sequence: 0 }, &[]);
        let mut header = HeaderMut::parse(&mut octets).unwrap();
        header.set_id(0xfffe);
        header.update_checksum(Delta::of_u16(1, 0xfffe));
        assert!(is_checksum_right(&octets));
    }

    #[test]
    fn a_message_shorter_than_its_header_is_none() {
        assert!(Header::parse(&[0; 7], 8).is_none());
        assert!(Header::parse(&[0; 46], 7).is_none());
        assert!(HeaderMut::parse(&mut [0; 7]).is_none());
    }
}
