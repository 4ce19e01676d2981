//! Neighbor discovery: solicitations and advertisements.
//!
//! No counterpart in the patent beyond the ARP cache that it assumes. RFC 4861 4.3, 4.4, 7.1, 7.2;
//! duplicate address detection RFC 4862 5.4. A message that was parsed has passed every check that
//! needs the packet alone. Not here: whose addresses are answered, and what the neighbor table
//! learns.
//! Easy to get wrong: a solicitation from the unspecified address asks whether an address is taken,
//! and its answer goes to all nodes, because the asker cannot be addressed yet.

use std::net::Ipv6Addr;

use super::checksum::Sum;
use super::ethernet::MacAddr;
use super::icmpv6::{NEIGHBOR_ADVERTISEMENT, NEIGHBOR_SOLICITATION};
use super::octets::Octets;
use super::protocol::IpProtocol;

/// Octets of a message without options.
pub const LEN: usize = 24;

/// Octets of a message with one link-layer address option.
pub const LEN_WITH_OPTION: usize = 32;

/// Most options that one message may have; neighbors send one or two.
pub const MAX_OPTIONS: usize = 16;

/// Hop limit of every message: a router in between would have lowered it (RFC 4861 section 3.1).
pub const HOP_LIMIT: u8 = 255;

/// All nodes of the link, `ff02::1`.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

const TYPE: usize = 0;
const CODE: usize = 1;
const CHECKSUM: usize = 2;
const FLAGS: usize = 4;
const TARGET: usize = 8;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// Last 24 bits of an address: what its solicited-node group is formed of.
const GROUP_MASK: u128 = 0x00ff_ffff;
const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;

/// The group that every owner of an address listens to, `ff02::1:ffXX:XXXX` (RFC 4291 2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(SOLICITED_NODE | address.to_bits() & GROUP_MASK)
}

/// The MAC address of an IPv6 multicast group, `33:33` and its last 32 bits (RFC 2464 section 7).
#[must_use]
pub const fn multicast_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

/// Why a message is discarded (RFC 4861 7.1.1, 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer than 24 octets.
    #[error("neighbor discovery message shorter than 24 octets")]
    Truncated,
    /// Type is neither solicitation (135) nor advertisement (136).
    #[error("neither a neighbor solicitation nor an advertisement")]
    OtherType,
    /// Hop limit is not 255: not from this link.
    #[error("neighbor discovery hop limit is not 255")]
    HopLimit,
    /// Code is not 0.
    #[error("neighbor discovery code is not 0")]
    Code,
    /// Checksum wrong.
    #[error("neighbor discovery checksum wrong")]
    Checksum,
    /// Target is a multicast address.
    #[error("neighbor discovery target is multicast")]
    MulticastTarget,
    /// An option's length is 0 or reaches past the message.
    #[error("neighbor discovery option length 0 or past the message")]
    OptionLength,
    /// A link-layer address option is not of Ethernet's 8 octets.
    #[error("link-layer address option is not 8 octets")]
    LinkLayerLength,
    /// More than [`MAX_OPTIONS`] options.
    #[error("too many neighbor discovery options")]
    TooManyOptions,
    /// From the unspecified address, but to no solicited-node group.
    #[error("duplicate address detection not to a solicited-node group")]
    DetectionDestination,
    /// From the unspecified address, but with a source link-layer address.
    #[error("duplicate address detection with a source link-layer address")]
    DetectionWithSource,
    /// Solicited flag in an advertisement to a multicast group.
    #[error("solicited advertisement to a multicast group")]
    SolicitedToGroup,
}

/// Who has the target address? With the addresses of the packet around it, which its checksum
/// covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// Source address of the packet; unspecified during duplicate address detection.
    pub source: Ipv6Addr,
    /// Destination address of the packet.
    pub destination: Ipv6Addr,
    /// The address that is asked for.
    pub target: Ipv6Addr,
    /// MAC address of the sender, if it says so.
    pub source_mac: Option<MacAddr>,
}

/// The target address is here. With the addresses of the packet around it, which its checksum
/// covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// Source address of the packet.
    pub source: Ipv6Addr,
    /// Destination address of the packet.
    pub destination: Ipv6Addr,
    /// The address that is spoken of.
    pub target: Ipv6Addr,
    /// MAC address of the target, if the sender says so.
    pub target_mac: Option<MacAddr>,
    /// Whether the sender is a router.
    pub is_router: bool,
    /// Whether this answers a solicitation.
    pub is_solicited: bool,
    /// Whether what is known of the target is to be overwritten.
    pub overrides: bool,
}

/// A message that may be acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Neighbor solicitation.
    Solicitation(Solicitation),
    /// Neighbor advertisement.
    Advertisement(Advertisement),
}

impl Message {
    /// Reads and checks a whole ICMPv6 message, from its type on and without Ethernet padding.
    ///
    /// `source`, `destination` and `hop_limit` are the IPv6 header's.
    ///
    /// # Errors
    ///
    /// Why the message has to be discarded.
    pub fn parse(
        message: &[u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
        hop_limit: u8,
    ) -> Result<Self, Malformed> {
        let (fixed, options) = message
            .split_first_chunk::<LEN>()
            .ok_or(Malformed::Truncated)?;
        let message_type = fixed.u8_at::<TYPE>();
        let wanted = match message_type {
            NEIGHBOR_SOLICITATION => SOURCE_LINK_LAYER,
            NEIGHBOR_ADVERTISEMENT => TARGET_LINK_LAYER,
            _ => return Err(Malformed::OtherType),
        };
        if hop_limit != HOP_LIMIT {
            return Err(Malformed::HopLimit);
        }
        if fixed.u8_at::<CODE>() != 0 {
            return Err(Malformed::Code);
        }
        let pseudo = pseudo(source, destination, message.len());
        if !(pseudo + Sum::octets(message)).is_right() {
            return Err(Malformed::Checksum);
        }
        let target = Ipv6Addr::from(fixed.array_at::<TARGET, 16>());
        if target.is_multicast() {
            return Err(Malformed::MulticastTarget);
        }
        let mac = link_layer_address(options, wanted)?;
        if message_type == NEIGHBOR_SOLICITATION {
            let solicitation = Solicitation {
                source,
                destination,
                target,
                source_mac: mac,
            };
            return solicitation.check().map(Self::Solicitation);
        }
        let flags = fixed.u8_at::<FLAGS>();
        let advertisement = Advertisement {
            source,
            destination,
            target,
            target_mac: mac,
            is_router: flags & ROUTER != 0,
            is_solicited: flags & SOLICITED != 0,
            overrides: flags & OVERRIDE != 0,
        };
        if destination.is_multicast() && advertisement.is_solicited {
            return Err(Malformed::SolicitedToGroup);
        }
        Ok(Self::Advertisement(advertisement))
    }
}

impl Solicitation {
    /// Whether the sender asks if the target is free before it takes it (RFC 4862 5.4).
    #[must_use]
    pub const fn is_duplicate_detection(&self) -> bool {
        self.source.is_unspecified()
    }

    /// The advertisement that says `mac` has the target (RFC 4861 7.2.4).
    #[must_use]
    pub const fn answer(&self, mac: MacAddr, is_router: bool) -> Advertisement {
        let detection = self.is_duplicate_detection();
        Advertisement {
            source: self.target,
            destination: if detection { ALL_NODES } else { self.source },
            target: self.target,
            target_mac: Some(mac),
            is_router,
            is_solicited: !detection,
            overrides: true,
        }
    }

    /// Writes the ICMPv6 message with its checksum; returns its octets, 24 or 32.
    ///
    /// The packet needs [`HOP_LIMIT`]. Octets behind the message are left alone.
    pub fn emit(&self, out: &mut [u8; LEN_WITH_OPTION]) -> usize {
        out.put_u8::<TYPE>(NEIGHBOR_SOLICITATION);
        out.put_u32::<FLAGS>(0);
        out.put_u128::<TARGET>(self.target.to_bits());
        let option = self.source_mac.map(|mac| (SOURCE_LINK_LAYER, mac));
        finish(out, self.source, self.destination, option)
    }

    fn check(self) -> Result<Self, Malformed> {
        if self.is_duplicate_detection() {
            if self.destination.to_bits() & !GROUP_MASK != SOLICITED_NODE {
                return Err(Malformed::DetectionDestination);
            }
            if self.source_mac.is_some() {
                return Err(Malformed::DetectionWithSource);
            }
        }
        Ok(self)
    }
}

impl Advertisement {
    /// Writes the ICMPv6 message with its checksum; returns its octets, 24 or 32.
    ///
    /// The packet needs [`HOP_LIMIT`]. Octets behind the message are left alone.
    pub fn emit(&self, out: &mut [u8; LEN_WITH_OPTION]) -> usize {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let flags = bit(self.is_router, ROUTER)
            | bit(self.is_solicited, SOLICITED)
            | bit(self.overrides, OVERRIDE);
        out.put_u8::<TYPE>(NEIGHBOR_ADVERTISEMENT);
        out.put_u32::<FLAGS>(u32::from(flags) << 24);
        out.put_u128::<TARGET>(self.target.to_bits());
        let option = self.target_mac.map(|mac| (TARGET_LINK_LAYER, mac));
        finish(out, self.source, self.destination, option)
    }
}

/// Writes code, option and checksum.
fn finish(
    out: &mut [u8; LEN_WITH_OPTION],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    option: Option<(u8, MacAddr)>,
) -> usize {
    out.put_u8::<CODE>(0);
    out.put_u16::<CHECKSUM>(0);
    let mut len = LEN;
    if let Some((kind, MacAddr([a, b, c, d, e, f]))) = option {
        out.put_array::<LEN, 8>([kind, 1, a, b, c, d, e, f]);
        len = LEN_WITH_OPTION;
    }
    let message = out.get(..len).unwrap_or_default();
    let sum = pseudo(source, destination, len) + Sum::octets(message);
    out.put_u16::<CHECKSUM>(sum.checksum());
    len
}

/// Pseudo-header of a message; one longer than IPv6 can carry has a wrong checksum.
fn pseudo(source: Ipv6Addr, destination: Ipv6Addr, len: usize) -> Sum {
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    Sum::pseudo_v6(
        source.to_bits(),
        destination.to_bits(),
        IpProtocol::ICMPV6,
        len,
    )
}

/// Walks all options; finds the first of kind `wanted`.
///
/// Unknown ones are passed over (RFC 4861 7.1), but every length must be right.
fn link_layer_address(mut rest: &[u8], wanted: u8) -> Result<Option<MacAddr>, Malformed> {
    let mut found = None;
    for _ in 0..MAX_OPTIONS {
        let &[kind, units, ..] = rest else {
            return match rest {
                [] => Ok(found),
                _ => Err(Malformed::OptionLength),
            };
        };
        if units == 0 {
            return Err(Malformed::OptionLength);
        }
        let (option, after) = rest
            .split_at_checked(usize::from(units) * 8)
            .ok_or(Malformed::OptionLength)?;
        if kind == wanted {
            let &[_, _, ref mac @ ..] = option else {
                return Err(Malformed::OptionLength);
            };
            let mac = <[u8; 6]>::try_from(mac).map_err(|_| Malformed::LinkLayerLength)?;
            found = found.or(Some(MacAddr(mac)));
        }
        rest = after;
    }
    if rest.is_empty() {
        Ok(found)
    } else {
        Err(Malformed::TooManyOptions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEIGHBOR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 7);
    const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);
    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    const SOLICITATION: Solicitation = Solicitation {
        source: NEIGHBOR,
        destination: solicited_node(VIP),
        target: VIP,
        source_mac: Some(MAC),
    };

    const DETECTION: Solicitation = Solicitation {
        source: Ipv6Addr::UNSPECIFIED,
        source_mac: None,
        ..SOLICITATION
    };

    fn octets(solicitation: &Solicitation) -> Vec<u8> {
        let mut out = [0xee; LEN_WITH_OPTION];
        let len = solicitation.emit(&mut out);
        out[..len].to_vec()
    }

    fn parse_from(solicitation: &Solicitation, octets: &[u8]) -> Result<Message, Malformed> {
        let Solicitation {
            source,
            destination,
            ..
        } = *solicitation;
        Message::parse(octets, source, destination, 255)
    }

    /// The solicitation with other octets, its checksum right again.
    fn changed(edit: impl FnOnce(&mut Vec<u8>)) -> Result<Message, Malformed> {
        let mut message = octets(&SOLICITATION);
        edit(&mut message);
        message[2..4].fill(0);
        let pseudo = pseudo(SOLICITATION.source, SOLICITATION.destination, message.len());
        let checksum = (pseudo + Sum::octets(&message)).checksum();
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        parse_from(&SOLICITATION, &message)
    }

    #[test]
    fn a_solicitation_has_the_octets_that_the_rfc_draws() {
        #[rustfmt::skip]
        let expected = [
            135, 0, 0x2e, 0x98, 0, 0, 0, 0,
            0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56,
            1, 1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
        ];
        let message = octets(&SOLICITATION);
        assert_eq!(message, expected);
        let parsed = parse_from(&SOLICITATION, &message);
        assert_eq!(parsed, Ok(Message::Solicitation(SOLICITATION)));
        assert!(!SOLICITATION.is_duplicate_detection());
    }

    #[test]
    fn a_solicitation_is_answered_to_its_sender_with_our_mac() {
        let ours = MacAddr([2, 0, 0, 0, 0, 1]);
        let answer = SOLICITATION.answer(ours, true);
        assert_eq!((answer.source, answer.destination), (VIP, NEIGHBOR));
        let mut out = [0xee; LEN_WITH_OPTION];
        assert_eq!(answer.emit(&mut out), LEN_WITH_OPTION);
        assert_eq!((out[0], out[1], out[4]), (136, 0, 0xe0));
        assert_eq!(out[24..], [2, 1, 2, 0, 0, 0, 0, 1]);
        let parsed = Message::parse(&out, VIP, NEIGHBOR, 255);
        assert_eq!(parsed, Ok(Message::Advertisement(answer)));
    }

    #[test]
    fn duplicate_address_detection_is_answered_to_all_nodes_unsolicited() {
        let message = octets(&DETECTION);
        assert_eq!(message.len(), LEN);
        let parsed = parse_from(&DETECTION, &message);
        assert_eq!(parsed, Ok(Message::Solicitation(DETECTION)));
        assert!(DETECTION.is_duplicate_detection());
        let answer = DETECTION.answer(MAC, false);
        assert_eq!(answer.destination, ALL_NODES);
        assert!(!answer.is_solicited && answer.overrides && !answer.is_router);
    }

    #[test]
    fn duplicate_address_detection_obeys_its_two_extra_rules() {
        let to_us = Solicitation {
            destination: VIP,
            ..DETECTION
        };
        let cause = parse_from(&to_us, &octets(&to_us)).unwrap_err();
        assert_eq!(cause, Malformed::DetectionDestination);
        let with_mac = Solicitation {
            source_mac: Some(MAC),
            ..DETECTION
        };
        let cause = parse_from(&with_mac, &octets(&with_mac)).unwrap_err();
        assert_eq!(cause, Malformed::DetectionWithSource);
    }

    #[test]
    fn each_rule_of_validation_has_its_own_cause() {
        let message = octets(&SOLICITATION);
        let cause = parse_from(&SOLICITATION, &message[..23]);
        assert_eq!(cause, Err(Malformed::Truncated));
        let destination = SOLICITATION.destination;
        let cause = Message::parse(&message, NEIGHBOR, destination, 254);
        assert_eq!(cause, Err(Malformed::HopLimit));
        let cause = Message::parse(&message, VIP, destination, 255);
        assert_eq!(cause, Err(Malformed::Checksum));
        assert_eq!(changed(|m| m[0] = 133), Err(Malformed::OtherType));
        assert_eq!(changed(|m| m[1] = 1), Err(Malformed::Code));
        assert_eq!(changed(|m| m[8] = 0xff), Err(Malformed::MulticastTarget));
        assert_eq!(changed(|m| m[25] = 0), Err(Malformed::OptionLength));
        assert_eq!(changed(|m| m[25] = 2), Err(Malformed::OptionLength));
        assert_eq!(changed(|m| m.push(1)), Err(Malformed::OptionLength));
        let long = |m: &mut Vec<u8>| {
            m[25] = 2;
            m.extend([0; 8]);
        };
        assert_eq!(changed(long), Err(Malformed::LinkLayerLength));
    }

    #[test]
    fn unknown_options_are_passed_over_and_their_number_is_bounded() {
        let nonces = |n: usize| {
            changed(|m| {
                let option = m.split_off(LEN);
                m.extend([14, 1, 1, 2, 3, 4, 5, 6].repeat(n));
                m.extend(option);
            })
        };
        let expected = Ok(Message::Solicitation(SOLICITATION));
        assert_eq!(nonces(1), expected);
        assert_eq!(nonces(MAX_OPTIONS - 1), expected);
        assert_eq!(nonces(MAX_OPTIONS), Err(Malformed::TooManyOptions));
    }

    #[test]
    fn a_solicited_advertisement_to_a_group_is_refused() {
        let answer = Advertisement {
            is_solicited: true,
            ..DETECTION.answer(MAC, false)
        };
        let mut out = [0; LEN_WITH_OPTION];
        answer.emit(&mut out);
        let parsed = Message::parse(&out, VIP, ALL_NODES, 255);
        assert_eq!(parsed, Err(Malformed::SolicitedToGroup));
    }

    #[test]
    fn an_advertisement_without_a_mac_has_no_option() {
        let answer = Advertisement {
            target_mac: None,
            ..SOLICITATION.answer(MAC, false)
        };
        let mut out = [0; LEN_WITH_OPTION];
        assert_eq!(answer.emit(&mut out), LEN);
        let parsed = Message::parse(&out[..LEN], VIP, NEIGHBOR, 255);
        assert_eq!(parsed, Ok(Message::Advertisement(answer)));
    }

    #[test]
    fn the_solicited_node_group_and_its_mac_end_in_the_addresses_last_24_bits() {
        let group = solicited_node(VIP);
        assert_eq!(group.to_string(), "ff02::1:ff12:3456");
        assert_eq!(multicast_mac(group).to_string(), "33:33:ff:12:34:56");
    }
}
