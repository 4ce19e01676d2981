//! ARP for IPv4 over Ethernet.
//!
//! No counterpart in the patent beyond the ARP cache that it assumes. RFC 826; probes and
//! announcements RFC 5227. Not here: whose addresses are answered, and what the neighbor table
//! learns.
//! Easy to get wrong: the sender of a probe has no address yet (0.0.0.0); a table that learns from
//! it gives 0.0.0.0 a neighbor.

use std::net::Ipv4Addr;

use super::ethernet::{EtherType, MacAddr};
use super::octets::Octets;

/// Octets of a message.
pub const LEN: usize = 28;

const HARDWARE_TYPE: usize = 0;
const PROTOCOL_TYPE: usize = 2;
const HARDWARE_LEN: usize = 4;
const PROTOCOL_LEN: usize = 5;
const OPERATION: usize = 6;
const SENDER_MAC: usize = 8;
const SENDER_IP: usize = 14;
const TARGET_MAC: usize = 18;
const TARGET_IP: usize = 24;

const ETHERNET: u16 = 1;

/// Why octets are not an ARP message for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Fewer than 28 octets.
    #[error("ARP message shorter than 28 octets")]
    Truncated,
    /// Hardware type is not Ethernet (1).
    #[error("ARP hardware type is not Ethernet")]
    HardwareType,
    /// Protocol type is not IPv4 (0x0800).
    #[error("ARP protocol type is not IPv4")]
    ProtocolType,
    /// Hardware address length is not 6.
    #[error("ARP hardware address length is not 6")]
    HardwareLength,
    /// Protocol address length is not 4.
    #[error("ARP protocol address length is not 4")]
    ProtocolLength,
}

/// What a message asks or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address? (1)
    Request,
    /// The sender has the sender address. (2)
    Reply,
    /// Anything else, such as reverse ARP; to be ignored.
    Other(u16),
}

impl Operation {
    const fn from_number(number: u16) -> Self {
        match number {
            1 => Self::Request,
            2 => Self::Reply,
            other => Self::Other(other),
        }
    }

    const fn number(self) -> u16 {
        match self {
            Self::Request => 1,
            Self::Reply => 2,
            Self::Other(number) => number,
        }
    }
}

/// An ARP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Request, reply or something else.
    pub operation: Operation,
    /// MAC address of the sender.
    pub sender_mac: MacAddr,
    /// IPv4 address of the sender; 0.0.0.0 in a probe.
    pub sender_ip: Ipv4Addr,
    /// MAC address of the target; means nothing in a request.
    pub target_mac: MacAddr,
    /// IPv4 address of the target.
    pub target_ip: Ipv4Addr,
}

impl Message {
    /// Reads a message from what follows the Ethernet header; padding behind it is ignored.
    ///
    /// # Errors
    ///
    /// The first field that does not fit IPv4 over Ethernet.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        let message: &[u8; LEN] = octets.first_chunk().ok_or(Malformed::Truncated)?;
        if message.u16_at::<HARDWARE_TYPE>() != ETHERNET {
            return Err(Malformed::HardwareType);
        }
        if message.u16_at::<PROTOCOL_TYPE>() != EtherType::IPV4.0 {
            return Err(Malformed::ProtocolType);
        }
        if message.u8_at::<HARDWARE_LEN>() != 6 {
            return Err(Malformed::HardwareLength);
        }
        if message.u8_at::<PROTOCOL_LEN>() != 4 {
            return Err(Malformed::ProtocolLength);
        }
        Ok(Self {
            operation: Operation::from_number(message.u16_at::<OPERATION>()),
            sender_mac: MacAddr(message.array_at::<SENDER_MAC, 6>()),
            sender_ip: Ipv4Addr::from(message.array_at::<SENDER_IP, 4>()),
            target_mac: MacAddr(message.array_at::<TARGET_MAC, 6>()),
            target_ip: Ipv4Addr::from(message.array_at::<TARGET_IP, 4>()),
        })
    }

    /// Writes the message.
    pub fn emit(&self, out: &mut [u8; LEN]) {
        out.put_u16::<HARDWARE_TYPE>(ETHERNET);
        out.put_u16::<PROTOCOL_TYPE>(EtherType::IPV4.0);
        out.put_u8::<HARDWARE_LEN>(6);
        out.put_u8::<PROTOCOL_LEN>(4);
        out.put_u16::<OPERATION>(self.operation.number());
        out.put_array::<SENDER_MAC, 6>(self.sender_mac.0);
        out.put_array::<SENDER_IP, 4>(self.sender_ip.octets());
        out.put_array::<TARGET_MAC, 6>(self.target_mac.0);
        out.put_array::<TARGET_IP, 4>(self.target_ip.octets());
    }

    /// Whether a station asks if an address is free before it takes it (RFC 5227 1.1).
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_ip.is_unspecified()
    }

    /// Whether the sender speaks of itself, unasked: sender and target address are the same.
    ///
    /// True of requests (RFC 5227 announcements) and replies.
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender_ip == self.target_ip && !self.sender_ip.is_unspecified()
    }

    /// The reply that says `mac` has the address this request asks for.
    #[must_use]
    pub fn answer(&self, mac: MacAddr) -> Self {
        Self {
            operation: Operation::Reply,
            sender_mac: mac,
            sender_ip: self.target_ip,
            target_mac: self.sender_mac,
            target_ip: self.sender_ip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [u8; LEN] = [
        0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, // Ethernet, IPv4, request
        0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 198, 51, 100, 7, // sender
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 192, 0, 2, 10, // target
    ];

    #[test]
    fn a_request_is_read_written_back_and_answered() {
        let request = Message::parse(&REQUEST).unwrap();
        assert_eq!(request.operation, Operation::Request);
        assert_eq!(request.sender_ip, Ipv4Addr::new(198, 51, 100, 7));
        assert_eq!(request.target_ip, Ipv4Addr::new(192, 0, 2, 10));
        assert!(!request.is_probe() && !request.is_gratuitous());
        let mut out = [0xff; LEN];
        request.emit(&mut out);
        assert_eq!(out, REQUEST);

        request.answer(MacAddr([2, 0, 0, 0, 0, 1])).emit(&mut out);
        assert_eq!(out[6..8], [0, 2]);
        assert_eq!(out[8..18], [2, 0, 0, 0, 0, 1, 192, 0, 2, 10]);
        assert_eq!(out[18..24], REQUEST[8..14]);
        assert_eq!(out[24..], [198, 51, 100, 7]);
    }

    #[test]
    fn ethernet_padding_behind_a_message_is_ignored() {
        let mut padded = [0; 46];
        padded[..LEN].copy_from_slice(&REQUEST);
        assert_eq!(Message::parse(&padded), Message::parse(&REQUEST));
    }

    #[test]
    fn each_field_that_does_not_fit_has_its_own_cause() {
        let changed = |at: usize, octet: u8| {
            let mut octets = REQUEST;
            octets[at] = octet;
            Message::parse(&octets)
        };
        assert_eq!(Message::parse(&REQUEST[..27]), Err(Malformed::Truncated));
        assert_eq!(changed(1, 6), Err(Malformed::HardwareType));
        assert_eq!(changed(3, 6), Err(Malformed::ProtocolType));
        assert_eq!(changed(4, 8), Err(Malformed::HardwareLength));
        assert_eq!(changed(5, 16), Err(Malformed::ProtocolLength));
        assert_eq!(changed(7, 3).unwrap().operation, Operation::Other(3));
    }

    #[test]
    fn probe_and_announcement_are_told_apart() {
        let request = Message::parse(&REQUEST).unwrap();
        let probe = Message {
            sender_ip: Ipv4Addr::UNSPECIFIED,
            ..request
        };
        assert!(probe.is_probe() && !probe.is_gratuitous());
        let announcement = Message {
            sender_ip: request.target_ip,
            ..request
        };
        assert!(announcement.is_gratuitous() && !announcement.is_probe());
        let empty = Message {
            target_ip: Ipv4Addr::UNSPECIFIED,
            ..probe
        };
        assert!(!empty.is_gratuitous());
    }
}
