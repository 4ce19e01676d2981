//! Reads the document's addresses, and says which cannot stand for one host.
//!
//! No counterpart in the patent. RFC 6890 has the registry of special addresses, RFC 1812 section 5.3.7
//! those that a router treats as martian: a host with one of them could never be answered.
//! Easy to get wrong: an IPv4 address in IPv6 clothing (`::ffff:10.0.0.1`) would be a second name for
//! the same host, so it is refused and not unwrapped.

use std::net::IpAddr;

use super::refusal::printable;

/// Reads an address that one host may have.
///
/// The error is a sentence for the operator.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| {
        format!(
            "`{}` is no address; expected one of IPv4 or IPv6, without a length",
            printable(text)
        )
    })?;
    match special(address) {
        Some(kind) => Err(format!(
            "{address} is {kind}; expected the unicast address of a host"
        )),
        None => Ok(address),
    }
}

/// What keeps an address from being a host's, as the rest of a sentence that begins "it is".
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [0, 0, 0, 0] => Some("unspecified"),
            [0, ..] => Some("of \"this network\" (0.0.0.0/8)"),
            [127, ..] => Some("loopback (127.0.0.0/8)"),
            [224..=239, ..] => Some("multicast (224.0.0.0/4)"),
            [255, 255, 255, 255] => Some("the limited broadcast"),
            [240..=255, ..] => Some("reserved (240.0.0.0/4)"),
            _ => None,
        },
        IpAddr::V6(v6) => {
            if v6.is_unspecified() {
                Some("unspecified")
            } else if v6.is_loopback() {
                Some("loopback")
            } else if v6.is_multicast() {
                Some("multicast (ff00::/8)")
            } else if v6.to_ipv4_mapped().is_some() {
                Some("IPv4-mapped (::ffff:0:0/96)")
            } else {
                None
            }
        }
    }
}

/// `IPv4` or `IPv6`.
pub(super) const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_no_host_may_have_are_refused() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_next_to_the_special_ranges_are_accepted() {
        for text in [
            "1.0.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "223.255.255.255",
            "10.0.0.1",
            "169.254.1.1",
            "::2",
            "fe80::1",
            "fd00::1",
            "2001:db8::1",
            "::fffe:10.0.0.1",
            "1::ffff:10.0.0.1",
        ] {
            assert_eq!(host(text), Ok(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.1/24",
            "10.0.0.01",
            "fe80::1%eth0",
            "www.example.net",
            " 10.0.0.1",
        ] {
            assert!(host(text).unwrap_err().contains("is no address"), "{text}");
        }
    }
}
