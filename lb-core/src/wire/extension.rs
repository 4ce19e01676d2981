//! IPv6 extension headers: the bounded walk from the fixed header to the upper layer.
//!
//! No counterpart in the patent. RFC 8200 section 4; RFC 5095 (routing header type 0); RFC 7045.
//! The walk ends at the first number that is no extension header it knows, at ESP (all behind it is
//! opaque), at "no next header", and behind a fragment header of a fragment that is not the first.
//! Not here: options inside the headers, reassembly.
//! Easy to get wrong: RFC 8200 4.1 lets receivers meet the headers in any order and number, so only
//! three orders are refused: hop-by-hop options not at the very beginning, and a second fragment or
//! routing header, which serve to hide the ports.

use super::ipv6;
use super::octets::Octets;
use super::protocol::IpProtocol;

/// Most extension headers that one packet may have.
pub const MAX_HEADERS: usize = 8;

/// Most octets that they may take together.
pub const MAX_OCTETS: usize = 256;

/// Octets of a fragment header.
pub const FRAGMENT_LEN: usize = 8;

const NEXT_HEADER: usize = 0;
const LENGTH: usize = 1;
const ROUTING_TYPE: usize = 2;
const SEGMENTS_LEFT: usize = 3;
const FRAGMENT_OFFSET: usize = 2;
const FRAGMENT_ID: usize = 4;

/// Why the upper layer was not reached; each is one drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// An extension header lies beyond the payload or beyond the octets at hand.
    ///
    /// In a first fragment it means that the chain is split, which RFC 7112 forbids.
    #[error("IPv6 extension header truncated")]
    Truncated,
    /// More than [`MAX_HEADERS`] headers or [`MAX_OCTETS`] octets of them.
    #[error("IPv6 extension header chain too long")]
    TooLong,
    /// Routing header of type 0, whatever its segments left (RFC 5095).
    #[error("IPv6 routing header of type 0")]
    RoutingHeader0,
    /// Hop-by-hop options not first, or a second fragment or routing header.
    #[error("IPv6 extension headers in a forbidden order")]
    BadOrder,
}

/// What a fragment header says (RFC 8200 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where the payload stands in the datagram's fragmentable part: octets, a multiple of 8.
    pub offset: u16,
    /// Whether further fragments follow this one.
    pub more: bool,
    /// Identification: fragments of one datagram share it.
    pub id: u32,
}

impl Fragment {
    /// Whether the datagram is whole in spite of the header (RFC 6946).
    #[inline]
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// Where the walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// What stands there. In a fragment that is not the first: what the fragmentable part begins
    /// with, which this packet does not contain.
    pub protocol: IpProtocol,
    /// Where it begins: octets from the beginning of the IPv6 header, 40 or more.
    pub l4_offset: usize,
    /// Octets from there to the end of the payload.
    pub l4_len: usize,
    /// The fragment header, if there is one.
    pub fragment: Option<Fragment>,
    /// Segments left in a routing header: if not 0, the destination address is only a way station.
    pub segments_left: u8,
}

/// Walks from `first`, the fixed header's next header.
///
/// `payload` are the octets at hand behind the fixed header, `payload_len` how many there are in
/// all.
///
/// # Errors
///
/// The first cause met; see [`Malformed`].
#[inline]
pub fn walk(first: IpProtocol, payload: &[u8], payload_len: usize) -> Result<Upper, Malformed> {
    // Almost every packet has no extension header: that way stays inline, the walk does not.
    if is_walked(first) {
        return walk_chain(first, payload, payload_len);
    }
    Ok(Upper {
        protocol: first,
        l4_offset: ipv6::LEN,
        l4_len: payload_len,
        fragment: None,
        segments_left: 0,
    })
}

#[inline]
const fn is_walked(protocol: IpProtocol) -> bool {
    matches!(
        protocol,
        IpProtocol::HOP_BY_HOP
            | IpProtocol::ROUTING
            | IpProtocol::FRAGMENT
            | IpProtocol::AH
            | IpProtocol::DESTINATION_OPTIONS
    )
}

fn walk_chain(first: IpProtocol, payload: &[u8], payload_len: usize) -> Result<Upper, Malformed> {
    let mut protocol = first;
    let mut offset = 0;
    let mut fragment = None;
    let mut routing = None;
    for count in 0..=MAX_HEADERS {
        let is_later_fragment = fragment.is_some_and(|f: Fragment| f.offset != 0);
        if is_later_fragment || !is_walked(protocol) {
            return Ok(Upper {
                protocol,
                l4_offset: ipv6::LEN + offset,
                l4_len: payload_len.saturating_sub(offset),
                fragment,
                segments_left: routing.unwrap_or(0),
            });
        }
        if count == MAX_HEADERS {
            break;
        }
        let rest = payload.get(offset..).ok_or(Malformed::Truncated)?;
        let header: &[u8; 8] = rest.first_chunk().ok_or(Malformed::Truncated)?;
        let length = usize::from(header.u8_at::<LENGTH>());
        let length = match protocol {
            IpProtocol::HOP_BY_HOP if count != 0 => return Err(Malformed::BadOrder),
            IpProtocol::ROUTING => {
                if header.u8_at::<ROUTING_TYPE>() == 0 {
                    return Err(Malformed::RoutingHeader0);
                }
                if routing.replace(header.u8_at::<SEGMENTS_LEFT>()).is_some() {
                    return Err(Malformed::BadOrder);
                }
                8 + length * 8
            }
            IpProtocol::FRAGMENT => {
                if fragment.replace(read_fragment(header)).is_some() {
                    return Err(Malformed::BadOrder);
                }
                FRAGMENT_LEN
            }
            // RFC 4302 2.2: 32-bit words less two, unlike all others.
            IpProtocol::AH => 8 + length * 4,
            _ => 8 + length * 8,
        };
        protocol = IpProtocol(header.u8_at::<NEXT_HEADER>());
        offset += length;
        if offset > MAX_OCTETS {
            break;
        }
        if length > rest.len() || offset > payload_len {
            return Err(Malformed::Truncated);
        }
    }
    Err(Malformed::TooLong)
}

#[inline]
fn read_fragment(header: &[u8; FRAGMENT_LEN]) -> Fragment {
    let offset_and_more = header.u16_at::<FRAGMENT_OFFSET>();
    Fragment {
        offset: offset_and_more & 0xfff8,
        more: offset_and_more & 1 != 0,
        id: header.u32_at::<FRAGMENT_ID>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP_BY_HOP: u8 = 0;
    const TCP: u8 = 6;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AH: u8 = 51;
    const DESTINATION: u8 = 60;

    fn walk_all(first: u8, payload: &[u8]) -> Result<Upper, Malformed> {
        walk(IpProtocol(first), payload, payload.len())
    }

    /// An options header of 8 octets filled with a PadN option.
    const fn options(next: u8) -> [u8; 8] {
        [next, 0, 1, 4, 0, 0, 0, 0]
    }

    #[test]
    fn without_extension_headers_the_upper_layer_follows_at_once() {
        for first in [TCP, 17, 50, 58, 59, 132] {
            let upper = walk_all(first, &[0; 20]).unwrap();
            assert_eq!(upper.protocol, IpProtocol(first));
            assert_eq!((upper.l4_offset, upper.l4_len), (40, 20));
            assert_eq!(upper.fragment, None);
        }
    }

    #[test]
    fn a_chain_of_every_kind_leads_to_tcp() {
        let mut chain = Vec::new();
        chain.extend(options(DESTINATION));
        chain.extend(options(ROUTING));
        // Segment routing header (type 4) with one segment of 16 octets, two left.
        chain.extend([AH, 2, 4, 2, 0, 0, 0, 0]);
        chain.extend([0; 16]);
        // Authentication header of 24 octets: length 4 in words less two.
        chain.extend([FRAGMENT, 4, 0, 0, 0, 0, 0, 1]);
        chain.extend([0xaa; 16]);
        chain.extend([TCP, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef]);
        let headers = chain.len();
        chain.extend([0x50; 20]);
        let upper = walk_all(HOP_BY_HOP, &chain).unwrap();
        assert_eq!(upper.protocol, IpProtocol::TCP);
        assert_eq!((upper.l4_offset, upper.l4_len), (40 + headers, 20));
        assert_eq!(upper.segments_left, 2);
        let fragment = upper.fragment.unwrap();
        assert_eq!((fragment.offset, fragment.more), (0, true));
        assert_eq!(fragment.id, 0xdead_beef);
        assert!(!fragment.is_atomic());
    }

    #[test]
    fn behind_a_later_fragment_nothing_is_read_as_a_header() {
        // Offset 1480, and payload that would be a hop-by-hop header out of order.
        let mut payload = vec![HOP_BY_HOP, 0, 0x05, 0xc8, 0, 0, 0, 9];
        payload.extend([0xff; 8]);
        let upper = walk_all(FRAGMENT, &payload).unwrap();
        assert_eq!(upper.protocol, IpProtocol::HOP_BY_HOP);
        assert_eq!((upper.l4_offset, upper.l4_len), (48, 8));
        assert_eq!(upper.fragment.unwrap().offset, 1480);
    }

    #[test]
    fn an_atomic_fragment_is_known_as_whole() {
        let upper = walk_all(FRAGMENT, &[17, 0, 0, 0, 0, 0, 0, 9, 1, 2]).unwrap();
        assert!(upper.fragment.unwrap().is_atomic());
        assert_eq!(upper.protocol, IpProtocol::UDP);
    }

    #[test]
    fn no_next_header_ends_the_walk_behind_an_extension_header() {
        let upper = walk_all(DESTINATION, &options(59)).unwrap();
        assert_eq!(upper.protocol, IpProtocol::NO_NEXT_HEADER);
        assert_eq!((upper.l4_offset, upper.l4_len), (48, 0));
    }

    #[test]
    fn routing_header_0_is_refused_even_with_no_segments_left() {
        for left in [0, 1] {
            let payload = [TCP, 0, 0, left, 0, 0, 0, 0];
            let cause = walk_all(ROUTING, &payload).unwrap_err();
            assert_eq!(cause, Malformed::RoutingHeader0);
        }
    }

    #[test]
    fn forbidden_orders_are_refused() {
        let late = [options(HOP_BY_HOP), options(TCP)].concat();
        assert_eq!(walk_all(DESTINATION, &late), Err(Malformed::BadOrder));
        let twice = [options(HOP_BY_HOP), options(TCP)].concat();
        assert_eq!(walk_all(HOP_BY_HOP, &twice), Err(Malformed::BadOrder));
        let fragment = |next| [next, 0, 0, 1, 0, 0, 0, 1];
        let nested = [fragment(FRAGMENT), fragment(TCP)].concat();
        assert_eq!(walk_all(FRAGMENT, &nested), Err(Malformed::BadOrder));
        let routing = |next| [next, 0, 4, 0, 0, 0, 0, 0];
        let routes = [routing(ROUTING), routing(TCP)].concat();
        assert_eq!(walk_all(ROUTING, &routes), Err(Malformed::BadOrder));
    }

    #[test]
    fn eight_headers_are_walked_and_a_ninth_is_too_many() {
        let mut chain: Vec<u8> = [options(DESTINATION); MAX_HEADERS - 1].concat();
        chain.extend(options(TCP));
        assert_eq!(walk_all(DESTINATION, &chain).unwrap().l4_offset, 40 + 64);
        chain.splice(..0, options(DESTINATION));
        assert_eq!(walk_all(DESTINATION, &chain), Err(Malformed::TooLong));
    }

    #[test]
    fn headers_up_to_256_octets_are_walked_and_one_more_word_is_too_long() {
        let mut payload = [0; 300];
        payload[..2].copy_from_slice(&[TCP, 31]);
        assert_eq!(walk_all(DESTINATION, &payload).unwrap().l4_len, 44);
        payload[1] = 32;
        assert_eq!(walk_all(DESTINATION, &payload), Err(Malformed::TooLong));
    }

    #[test]
    fn a_header_beyond_the_payload_or_the_segment_is_truncated() {
        let truncated = Err(Malformed::Truncated);
        assert_eq!(walk_all(DESTINATION, &options(TCP)[..7]), truncated);
        assert_eq!(
            walk_all(DESTINATION, &[TCP, 1, 0, 0, 0, 0, 0, 0]),
            truncated
        );
        assert_eq!(walk_all(DESTINATION, &options(ROUTING)), truncated);
        // At hand, but beyond the payload length.
        let found = walk(IpProtocol::FRAGMENT, &[TCP, 0, 0, 1, 0, 0, 0, 1], 7);
        assert_eq!(found, truncated);
    }
}
