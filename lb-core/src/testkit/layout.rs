//! Where the fields of a frame lie: for messages about frames that differ, and to split a frame where
//! its headers end.
//!
//! No counterpart in the patent. Reads frames by itself, not with the code that is tested; what it does not
//! know it calls data.
//! Easy to get wrong: a malformed frame has fields too; lengths are taken as they stand, never past the end.

use std::fmt::Write as _;
use std::ops::Range;

/// A named stretch of octets.
pub type Field = (Range<usize>, &'static str);

type Shape = &'static [(usize, &'static str)];

const LINK: Shape = &[
    (6, "ethernet destination"),
    (6, "ethernet source"),
    (2, "ethertype"),
];
const TAG: Shape = &[(2, "vlan control"), (2, "ethertype")];
const ARP: Shape = &[
    (6, "arp types and lengths"),
    (2, "arp operation"),
    (6, "arp sender mac"),
    (4, "arp sender address"),
    (6, "arp target mac"),
    (4, "arp target address"),
];
const IPV4: Shape = &[
    (1, "ipv4 version and header length"),
    (1, "ipv4 dscp and ecn"),
    (2, "ipv4 total length"),
    (2, "ipv4 identification"),
    (2, "ipv4 fragment flags and offset"),
    (1, "ipv4 ttl"),
    (1, "ipv4 protocol"),
    (2, "ipv4 header checksum"),
    (4, "ipv4 source"),
    (4, "ipv4 destination"),
];
const IPV6: Shape = &[
    (4, "ipv6 version, class and flow label"),
    (2, "ipv6 payload length"),
    (1, "ipv6 next header"),
    (1, "ipv6 hop limit"),
    (16, "ipv6 source"),
    (16, "ipv6 destination"),
];
const TCP: Shape = &[
    (2, "tcp source port"),
    (2, "tcp destination port"),
    (4, "tcp sequence number"),
    (4, "tcp acknowledgment number"),
    (1, "tcp data offset"),
    (1, "tcp flags"),
    (2, "tcp window"),
    (2, "tcp checksum"),
    (2, "tcp urgent pointer"),
];
const UDP: Shape = &[
    (2, "udp source port"),
    (2, "udp destination port"),
    (2, "udp length"),
    (2, "udp checksum"),
];
const ICMP: Shape = &[
    (1, "icmp type"),
    (1, "icmp code"),
    (2, "icmp checksum"),
    (4, "icmp word"),
];

/// Walks a frame from its first octet on.
struct Walk<'a> {
    frame: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn octet(&self, offset: usize) -> Option<u8> {
        self.frame.get(self.at + offset).copied()
    }

    fn word(&self, offset: usize) -> Option<u16> {
        Some(u16::from_be_bytes([
            self.octet(offset)?,
            self.octet(offset + 1)?,
        ]))
    }

    /// Names the octets of one header and goes behind it.
    fn take(&mut self, shape: Shape) {
        for &(len, name) in shape {
            self.take_one(len, name);
        }
    }

    fn take_one(&mut self, len: usize, name: &'static str) {
        let end = (self.at + len).min(self.frame.len());
        if end > self.at {
            self.fields.push((self.at..end, name));
        }
        self.at = end;
    }

    /// From the first header to the last; `None` where the frame ends before it.
    fn link(&mut self) -> Option<()> {
        let mut ethertype = self.word(12)?;
        self.take(LINK);
        while matches!(ethertype, 0x8100 | 0x88a8) {
            ethertype = self.word(2)?;
            self.take(TAG);
        }
        match ethertype {
            0x0800 => self.ipv4(),
            0x86dd => self.ipv6(),
            0x0806 => {
                self.take(ARP);
                Some(())
            }
            _ => Some(()),
        }
    }

    fn ipv4(&mut self) -> Option<()> {
        let words = usize::from(self.octet(0)? & 0x0f);
        let is_later_piece = self.word(6)? & 0x1fff != 0;
        let protocol = self.octet(9)?;
        self.take(IPV4);
        self.take_one((words * 4).saturating_sub(20), "ipv4 options");
        if is_later_piece {
            Some(())
        } else {
            self.upper(protocol)
        }
    }

    fn ipv6(&mut self) -> Option<()> {
        let mut next = self.octet(6)?;
        self.take(IPV6);
        while matches!(next, 0 | 43 | 44 | 51 | 60) {
            let units = usize::from(self.octet(1)?);
            let (len, is_later_piece) = match next {
                44 => (8, self.word(2)? & 0xfff8 != 0),
                51 => (8 + units * 4, false),
                _ => (8 + units * 8, false),
            };
            next = self.octet(0)?;
            self.take_one(len, "ipv6 extension header");
            if is_later_piece {
                return Some(());
            }
        }
        self.upper(next)
    }

    fn upper(&mut self, protocol: u8) -> Option<()> {
        match protocol {
            6 => {
                let words = usize::from(self.octet(12)? >> 4);
                self.take(TCP);
                self.take_one((words * 4).saturating_sub(20), "tcp options");
            }
            17 => self.take(UDP),
            1 => self.take(ICMP),
            58 => {
                let is_discovery = matches!(self.octet(0)?, 133..=137);
                self.take(ICMP);
                if is_discovery {
                    self.take_one(self.frame.len(), "neighbor discovery");
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// Octets of all headers that are there; the whole of a neighbor message, and of a frame that ends too early.
#[must_use]
pub fn header_len(frame: &[u8]) -> usize {
    let mut walk = Walk {
        frame,
        at: 0,
        fields: Vec::new(),
    };
    walk.link().map_or(frame.len(), |()| walk.at)
}

/// Fields of a frame, in order, data last.
#[must_use]
pub fn fields(frame: &[u8]) -> Vec<Field> {
    let mut walk = Walk {
        frame,
        at: 0,
        fields: Vec::new(),
    };
    // Where the walk ends early, the rest is data.
    let _ended = walk.link();
    walk.take_one(frame.len(), "data");
    walk.fields
}

/// What is different: field by field, then both frames in full. Empty when nothing is.
#[must_use]
pub fn difference(expected: &[u8], found: &[u8]) -> String {
    if expected == found {
        return String::new();
    }
    let mut text = String::new();
    if expected.len() != found.len() {
        let _ = writeln!(
            text,
            "  length: expected {}, found {} octets",
            expected.len(),
            found.len()
        );
    }
    for (range, name) in fields(expected) {
        let part = |frame: &[u8]| {
            let end = range.end.min(frame.len());
            hex(frame.get(range.start..end).unwrap_or_default())
        };
        let (wanted, got) = (part(expected), part(found));
        if wanted != got && range.len() <= 16 {
            let _ = writeln!(
                text,
                "  {name}, octets {range:?}: expected {wanted}, found {got}"
            );
        } else if wanted != got {
            let _ = writeln!(text, "  {name}, octets {range:?}, differs");
        }
    }
    let _ = write!(text, "expected:\n{}found:\n{}", dump(expected), dump(found));
    text
}

fn hex(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Sixteen octets to a line, as `tcpdump -x` shows them.
#[must_use]
pub fn dump(octets: &[u8]) -> String {
    let lines = octets.chunks(16).zip((0..).step_by(16)).take(16);
    let mut text: String = lines
        .map(|(line, at): (&[u8], usize)| format!("  {at:04x}  {}\n", hex(line)))
        .collect();
    if octets.len() > 256 {
        let _ = writeln!(text, "  … {} octets in all", octets.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Frame;
    use crate::testkit::net::{CLIENT, Family, HTTP, NAT};
    use crate::wire::EtherType;

    #[test]
    fn headers_end_where_the_data_begin() {
        for family in Family::BOTH {
            let syn = Frame::syn(CLIENT.socket(family, 40_000), NAT.socket(family, HTTP));
            let bare = syn.octets().len();
            assert_eq!(header_len(&syn.data(b"GET /").octets()), bare);
        }
        let tagged = Frame::udp(CLIENT.socket(Family::V4, 4000), NAT.socket(Family::V4, 53))
            .tag(EtherType::VLAN, 0)
            .data(&[1; 9]);
        assert_eq!(header_len(&tagged.octets()), 18 + 20 + 8);
    }

    #[test]
    fn a_difference_names_the_field() {
        let syn = Frame::syn(
            CLIENT.socket(Family::V4, 40_000),
            NAT.socket(Family::V4, HTTP),
        );
        let text = difference(&syn.octets(), &syn.clone().hops(63).octets());
        assert!(
            text.contains("ipv4 ttl, octets 22..23: expected 40, found 3f"),
            "{text}"
        );
        assert!(text.contains("ipv4 header checksum"), "{text}");
        assert!(!text.contains("tcp"), "{text}");
    }

    #[test]
    fn a_cut_frame_is_walked_to_its_end() {
        let syn = Frame::syn(
            CLIENT.socket(Family::V6, 40_000),
            NAT.socket(Family::V6, HTTP),
        )
        .octets();
        for len in 0..syn.len() {
            let covered: usize = fields(&syn[..len])
                .iter()
                .map(|(range, _)| range.len())
                .sum();
            assert_eq!(covered, len);
        }
    }
}
