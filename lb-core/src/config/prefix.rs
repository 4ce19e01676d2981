//! Prefixes of either family, and interface addresses that carry one.
//!
//! No counterpart in the patent. Written `address/length` (RFC 4632 section 3.1, RFC 4291 section 2.3).
//! Not here: looking up the longest match (`route`).
//! Easy to get wrong: a [`Prefix`] has no host bits, a [`Cidr`] is one host *and* the network it is on;
//! `10.0.0.1/24` is the second and never the first.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All addresses that begin with the same bits; the bits behind them are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// An interface's address together with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// There is no `/`.
    #[error("the prefix length is missing; expected ADDRESS/LENGTH")]
    NoLength,
    /// What stands before the `/` is no address.
    #[error("no IPv4 or IPv6 address before the `/`; expected ADDRESS/LENGTH")]
    Address,
    /// What stands behind the `/` is no length for this family.
    #[error("the prefix length is out of range; expected a whole number from 0 to {max}")]
    Length {
        /// Bits of an address of this family: 32 or 128.
        max: u8,
    },
    /// Bits behind the prefix are set.
    #[error("bits behind the prefix are set; the network is {network}")]
    HostBits {
        /// The prefix that contains the address.
        network: Prefix,
    },
}

/// Bits of an address of this family: 32 or 128.
#[must_use]
pub const fn address_bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl Prefix {
    /// The prefix of `length` bits (0 to 32 or 128) that contains `address`; longer counts as whole.
    #[must_use]
    pub const fn containing(address: IpAddr, length: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let length = if length > 32 { 32 } else { length };
                let network = Ipv4Addr::from_bits(v4.to_bits() & mask_v4(length));
                Self {
                    address: IpAddr::V4(network),
                    length,
                }
            }
            IpAddr::V6(v6) => {
                let length = if length > 128 { 128 } else { length };
                let network = Ipv6Addr::from_bits(v6.to_bits() & mask_v6(length));
                Self {
                    address: IpAddr::V6(network),
                    length,
                }
            }
        }
    }

    /// Reads `ADDRESS/LENGTH`; bits behind the prefix must be zero.
    ///
    /// # Errors
    /// Says which part of the text is wrong.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let Cidr { address, length } = Cidr::parse(text)?;
        let network = Self::containing(address, length);
        if network.address == address {
            Ok(network)
        } else {
            Err(PrefixError::HostBits { network })
        }
    }

    /// First address of the prefix.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Length in bits: 0 to 32 for IPv4, 0 to 128 for IPv6.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// True if `address` is of the same family and begins with the prefix.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(v4)) => {
                v4.to_bits() & mask_v4(self.length) == network.to_bits()
            }
            (IpAddr::V6(network), IpAddr::V6(v6)) => {
                v6.to_bits() & mask_v6(self.length) == network.to_bits()
            }
            _ => false,
        }
    }

    /// Last address of the prefix: for IPv4 networks of up to 30 bits the directed broadcast.
    #[must_use]
    pub const fn last_address(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | !mask_v4(self.length))),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | !mask_v6(self.length))),
        }
    }

    /// True if `address` lies in the prefix, but names the network as a whole and no host on it.
    ///
    /// IPv4 up to 30 bits: the network's own and its broadcast address (RFC 1812 section 5.3.5, RFC 3021);
    /// IPv6 up to 126 bits: the routers' anycast address (RFC 4291 section 2.6.1, RFC 6164).
    #[must_use]
    pub fn is_network_or_broadcast(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => {
                self.length <= 30
                    && self.contains(address)
                    && (address == self.address || address == self.last_address())
            }
            IpAddr::V6(_) => self.length <= 126 && address == self.address,
        }
    }
}

impl Cidr {
    /// An address on the network of the first `length` bits (0 to 32 or 128) of it; longer counts as whole.
    #[must_use]
    pub const fn new(address: IpAddr, length: u8) -> Self {
        let max = address_bits(address);
        let length = if length > max { max } else { length };
        Self { address, length }
    }

    /// Reads `ADDRESS/LENGTH`, where the address may have any bits set.
    ///
    /// # Errors
    /// Says which part of the text is wrong; never [`PrefixError::HostBits`].
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = text.split_once('/').ok_or(PrefixError::NoLength)?;
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let max = address_bits(address);
        // The parser of numbers would take a sign and any count of zeros.
        let canonical = length == "0" || !length.starts_with(['0', '+']);
        match length.parse::<u8>() {
            Ok(length) if canonical && length <= max => Ok(Self { address, length }),
            _ => Err(PrefixError::Length { max }),
        }
    }

    /// The interface's own address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Length of the network's prefix in bits: 0 to 32 for IPv4, 0 to 128 for IPv6.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// The network that the interface is connected to.
    #[must_use]
    pub const fn network(&self) -> Prefix {
        Prefix::containing(self.address, self.length)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// Mask of the first `length` (0 to 32) bits.
const fn mask_v4(length: u8) -> u32 {
    // Shifting a word by its whole width is not defined, so `/0` is asked for separately.
    if length == 0 {
        0
    } else {
        u32::MAX << (32 - length as u32)
    }
}

/// Mask of the first `length` (0 to 128) bits.
const fn mask_v6(length: u8) -> u128 {
    if length == 0 {
        0
    } else {
        u128::MAX << (128 - length as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_default_route_contains_all_of_its_family_and_nothing_of_the_other() {
        let v4 = Prefix::parse("0.0.0.0/0").unwrap();
        let v6 = Prefix::parse("::/0").unwrap();
        assert!(v4.contains(ip("255.1.2.3")) && !v4.contains(ip("2001:db8::1")));
        assert!(v6.contains(ip("2001:db8::1")) && !v6.contains(ip("255.1.2.3")));
    }

    #[test]
    fn a_prefix_ends_where_its_length_says() {
        let v4 = Prefix::parse("10.0.0.128/25").unwrap();
        assert!(v4.contains(ip("10.0.0.128")) && v4.contains(ip("10.0.0.255")));
        assert!(!v4.contains(ip("10.0.0.127")) && !v4.contains(ip("10.0.1.0")));
        let v6 = Prefix::parse("2001:db8:0:8000::/49").unwrap();
        assert!(v6.contains(ip("2001:db8:0:ffff::1")) && !v6.contains(ip("2001:db8:0:7fff::1")));
        let host = Prefix::parse("192.0.2.1/32").unwrap();
        assert!(host.contains(ip("192.0.2.1")) && !host.contains(ip("192.0.2.2")));
    }

    #[test]
    fn host_bits_are_refused_with_the_network_that_was_meant() {
        let network = Prefix::containing(ip("10.1.2.3"), 8);
        assert_eq!(
            Prefix::parse("10.1.2.3/8"),
            Err(PrefixError::HostBits { network })
        );
        assert_eq!(network.to_string(), "10.0.0.0/8");
        assert_eq!(Cidr::parse("10.1.2.3/8").unwrap().network(), network);
    }

    #[test]
    fn odd_lengths_are_refused() {
        for text in [
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/-1",
        ] {
            assert_eq!(
                Cidr::parse(text),
                Err(PrefixError::Length { max: 32 }),
                "{text}"
            );
        }
        assert_eq!(Cidr::parse("::/129"), Err(PrefixError::Length { max: 128 }));
        assert_eq!(Cidr::parse("10.0.0.0"), Err(PrefixError::NoLength));
        assert_eq!(Cidr::parse("10.0.0/8"), Err(PrefixError::Address));
        assert_eq!(Cidr::parse("010.0.0.1/8"), Err(PrefixError::Address));
    }

    #[test]
    fn point_to_point_networks_have_no_broadcast() {
        let network = |text: &str| Prefix::parse(text).unwrap();
        assert!(network("10.0.0.0/30").is_network_or_broadcast(ip("10.0.0.3")));
        assert!(network("10.0.0.0/30").is_network_or_broadcast(ip("10.0.0.0")));
        assert!(!network("10.0.0.0/30").is_network_or_broadcast(ip("10.0.0.4")));
        assert!(!network("10.0.0.0/31").is_network_or_broadcast(ip("10.0.0.0")));
        assert!(network("2001:db8::/64").is_network_or_broadcast(ip("2001:db8::")));
        assert!(!network("2001:db8::/127").is_network_or_broadcast(ip("2001:db8::")));
    }
}
