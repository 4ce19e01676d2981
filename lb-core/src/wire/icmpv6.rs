//! ICMP for IPv6: the eight octets in front of every message.
//!
//! No counterpart in the patent. RFC 4443. Not here: neighbor discovery (`ndp`), the packet that an
//! error quotes ([`super::ipv6::Header::parse_quoted`], [`super::ports::Ports`]), rate limits.
//! Easy to get wrong: unlike ICMP for IPv4 the checksum covers a pseudo-header, so an echo reply
//! that only swaps the addresses keeps its sum, but one sent from another address does not.

use super::checksum::{self, Delta, Sum};
use super::octets::Octets;

/// Octets of the header.
pub const LEN: usize = 8;

/// Type: destination unreachable.
pub const UNREACHABLE: u8 = 1;
/// Type: packet too big.
pub const PACKET_TOO_BIG: u8 = 2;
/// Type: time exceeded.
pub const TIME_EXCEEDED: u8 = 3;
/// Type: parameter problem.
pub const PARAMETER_PROBLEM: u8 = 4;
/// Type: echo request.
pub const ECHO_REQUEST: u8 = 128;
/// Type: echo reply.
pub const ECHO_REPLY: u8 = 129;
/// Type: router solicitation (RFC 4861).
pub const ROUTER_SOLICITATION: u8 = 133;
/// Type: router advertisement (RFC 4861).
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Type: neighbor solicitation (RFC 4861).
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// Type: neighbor advertisement (RFC 4861).
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Type: redirect (RFC 4861).
pub const REDIRECT: u8 = 137;

/// Code of [`UNREACHABLE`]: no route.
pub const NO_ROUTE: u8 = 0;
/// Code of [`UNREACHABLE`]: forbidden by an administrator.
pub const ADMINISTRATIVELY_PROHIBITED: u8 = 1;
/// Code of [`UNREACHABLE`]: address.
pub const ADDRESS_UNREACHABLE: u8 = 3;
/// Code of [`UNREACHABLE`]: port.
pub const PORT_UNREACHABLE: u8 = 4;
/// Code of [`TIME_EXCEEDED`]: no hops left.
pub const HOP_LIMIT_EXCEEDED: u8 = 0;
/// Code of [`TIME_EXCEEDED`]: fragments missing too long.
pub const REASSEMBLY_EXCEEDED: u8 = 1;

const TYPE: usize = 0;
const CODE: usize = 1;
const CHECKSUM: usize = 2;
const ID: usize = 4;
const SEQUENCE: usize = 6;
const MTU: usize = 4;

/// An ICMPv6 header, read.
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

    /// MTU of the next hop in octets, with [`PACKET_TOO_BIG`].
    #[inline]
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.0.u32_at::<MTU>()
    }

    /// Whether the message reports an error (types below 128, RFC 4443 2.1): quotes a packet, and
    /// must not itself be answered with an error.
    #[inline]
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.message_type() < 128
    }
}

/// An ICMPv6 header, to be rewritten; setters leave the checksum alone.
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

    /// Turns an echo request into its reply, checksum included, for a reply whose addresses are the
    /// request's, swapped; the data stay as they are.
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

    /// Changes the checksum by what an edit adds, of addresses and the quoted packet too.
    #[inline]
    pub fn update_checksum(&mut self, delta: Delta) {
        let old = self.fixed.u16_at::<CHECKSUM>();
        self.set_checksum(checksum::apply(old, delta));
    }

    /// Computes the checksum anew. The octets handed to [`Self::parse`] have to be the whole
    /// message and nothing behind it, and their number the one in `pseudo`.
    #[inline]
    pub fn fill_checksum(&mut self, pseudo: Sum) {
        self.set_checksum(0);
        let sum = pseudo + Sum::octets(&*self.fixed) + Sum::octets(self.rest);
        self.set_checksum(sum.checksum());
    }
}

/// Whether a whole message's checksum is right.
#[inline]
#[must_use]
pub fn is_checksum_right(message: &[u8], pseudo: Sum) -> bool {
    (pseudo + Sum::octets(message)).is_right()
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
    },
    /// A packet was larger than the next hop's MTU; its beginning follows.
    PacketTooBig {
        /// That MTU in octets.
        mtu: u32,
    },
    /// A packet lived too long; its beginning follows.
    TimeExceeded {
        /// [`HOP_LIMIT_EXCEEDED`] or [`REASSEMBLY_EXCEEDED`].
        code: u8,
    },
}

impl Message {
    /// Writes the header with a checksum of 0; [`HeaderMut::fill_checksum`] is owed.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        let echo = |id: u16, sequence: u16| u32::from(id) << 16 | u32::from(sequence);
        let (message_type, code, word) = match *self {
            Self::EchoRequest { id, sequence } => (ECHO_REQUEST, 0, echo(id, sequence)),
            Self::EchoReply { id, sequence } => (ECHO_REPLY, 0, echo(id, sequence)),
            Self::Unreachable { code } => (UNREACHABLE, code, 0),
            Self::PacketTooBig { mtu } => (PACKET_TOO_BIG, 0, mtu),
            Self::TimeExceeded { code } => (TIME_EXCEEDED, code, 0),
        };
        out.put_u8::<TYPE>(message_type);
        out.put_u8::<CODE>(code);
        out.put_u16::<CHECKSUM>(0);
        out.put_u32::<ID>(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::protocol::IpProtocol;

    const CLIENT: u128 = 0x2001_0db8_0001_0000_0000_0000_0000_0007;
    const VIP: u128 = 0x2001_0db8_0000_0000_0000_0000_0000_000a;

    fn pseudo(src: u128, dst: u128, octets: &[u8]) -> Sum {
        let len = u32::try_from(octets.len()).unwrap();
        Sum::pseudo_v6(src, dst, IpProtocol::ICMPV6, len)
    }

    fn message(header: Message, data: &[u8], src: u128, dst: u128) -> Vec<u8> {
        let mut octets = vec![0xee; LEN];
        octets.extend(data);
        header.emit(octets.first_chunk_mut().unwrap());
        let pseudo = pseudo(src, dst, &octets);
        HeaderMut::parse(&mut octets).unwrap().fill_checksum(pseudo);
        octets
    }

    #[test]
    fn an_echo_request_turned_into_its_reply_equals_a_written_one() {
        let (id, sequence) = (0x1c46, 7);
        for data in [&b""[..], b"abcdefg"] {
            let mut octets = message(Message::EchoRequest { id, sequence }, data, CLIENT, VIP);
            let header = Header::parse(&octets, octets.len()).unwrap();
            assert_eq!((header.message_type(), header.code()), (ECHO_REQUEST, 0));
            assert_eq!((header.id(), header.sequence()), (id, sequence));
            assert!(!header.is_error());
            HeaderMut::parse(&mut octets)
                .unwrap()
                .turn_into_echo_reply();
            let reply = message(Message::EchoReply { id, sequence }, data, VIP, CLIENT);
            assert_eq!(octets, reply);
            assert!(is_checksum_right(&octets, pseudo(VIP, CLIENT, &octets)));
        }
    }

    #[test]
    fn errors_carry_their_code_and_mtu() {
        let octets = message(
            Message::PacketTooBig { mtu: 1480 },
            &[0x60; 48],
            VIP,
            CLIENT,
        );
        let header = Header::parse(&octets, octets.len()).unwrap();
        assert_eq!(
            (header.message_type(), header.mtu()),
            (PACKET_TOO_BIG, 1480)
        );
        assert!(header.is_error());
        for (error, kind) in [
            (
                Message::Unreachable {
                    code: PORT_UNREACHABLE,
                },
                (1, 4),
            ),
            (
                Message::TimeExceeded {
                    code: HOP_LIMIT_EXCEEDED,
                },
                (3, 0),
            ),
        ] {
            let octets = message(error, &[0x60; 48], VIP, CLIENT);
            let header = Header::parse(&octets, octets.len()).unwrap();
            assert_eq!((header.message_type(), header.code()), kind);
            assert_eq!(header.mtu(), 0);
            assert!(is_checksum_right(&octets, pseudo(VIP, CLIENT, &octets)));
        }
    }

    #[test]
    fn a_rewritten_identifier_and_address_keep_the_checksum_right() {
        let request = Message::EchoRequest { id: 1, sequence: 0 };
        let mut octets = message(request, b"data", CLIENT, VIP);
        let mut header = HeaderMut::parse(&mut octets).unwrap();
        header.set_id(2);
        header.update_checksum(Delta::of_u16(1, 2) + Delta::of_u128(VIP, 0xfe80 << 112 | 1));
        let new = pseudo(CLIENT, 0xfe80 << 112 | 1, &octets);
        assert!(is_checksum_right(&octets, new));
    }

    #[test]
    fn a_message_shorter_than_its_header_is_none() {
        assert!(Header::parse(&[0; 7], 8).is_none());
        assert!(Header::parse(&[0; 46], 7).is_none());
        assert!(HeaderMut::parse(&mut [0; 7]).is_none());
    }
}
