//! The route table: longest prefix to next hop, for both families.
//!
//! WO 00/30294, box 62 in the shared memory 34. Each family is a tree of address ranges with one
//! answer each; next hops are held once however many prefixes lead to them. IPv6 is looked up by
//! the high half of the address; only a /64 that holds longer prefixes has a second, inner tree for
//! the low half. Keys are half as long for it, and twice as many fit the caches.
//! Not here: what a next hop's MAC address is (`neighbor`), and which routes there should be (the
//! configuration and the kernel).
//! Easy to get wrong: an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`) is an IPv6 address here, and
//! IPv4 routes say nothing about it.

use std::collections::HashMap;
use std::net::IpAddr;

use super::NextHops;
use super::ranges::{Prefix, lay_out, sort};
use super::search::RangeTree;
use crate::id::PortId;

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The port it leaves by.
    pub port: PortId,
    /// The router to hand it to; `None`: on-link, the destination itself.
    pub gateway: Option<IpAddr>,
}

/// Longest-prefix routes of both families, immutable once built.
#[derive(Clone, Debug)]
pub struct RouteTable {
    hops: Box<[NextHops]>,
    v4: RangeTree<u32, 16, 8>,
    v6: HalvedRanges,
    prefixes: usize,
}

/// An index that no next hop has: the answer of ranges without a route.
const NOWHERE: u32 = u32::MAX;

impl RouteTable {
    /// Builds a table from (network, prefix length, next hops), in any order. A route without next hops drops:
    /// its addresses are answered as if there were no route, whatever shorter prefix holds them.
    ///
    /// Of two equal prefixes the last given wins. Host bits of a network are ignored, and a length
    /// above 32 or 128 counts as 32 or 128: refusing such input is the configuration's task.
    #[must_use]
    pub fn build(routes: impl IntoIterator<Item = (IpAddr, u8, Option<NextHops>)>) -> Self {
        let mut hops = Hops::default();
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, len, hop) in routes {
            let hop = hop.map_or(NOWHERE, |hop| hops.index(hop));
            match network {
                IpAddr::V4(network) => v4.push(Prefix::new(network.to_bits(), len, hop)),
                IpAddr::V6(network) => v6.push(Prefix::new(network.to_bits(), len, hop)),
            }
        }
        sort(&mut v4);
        sort(&mut v6);
        Self {
            hops: hops.list.into(),
            prefixes: v4.len() + v6.len(),
            v4: RangeTree::new(&lay_out(&v4, NOWHERE)),
            v6: HalvedRanges::new(&lay_out(&v6, NOWHERE)),
        }
    }

    /// Next hops of an IPv4 address, as a big-endian number; `None`: no route.
    #[inline]
    #[must_use]
    pub fn lookup_v4(&self, address: u32) -> Option<&NextHops> {
        self.hops.get(self.v4.lookup(address)? as usize)
    }

    /// Next hops of an IPv6 address, as a big-endian number; `None`: no route.
    #[inline]
    #[must_use]
    pub fn lookup_v6(&self, address: u128) -> Option<&NextHops> {
        self.hops.get(self.v6.lookup(address)? as usize)
    }

    /// Next hops of an address of either family; `None`: no route.
    #[inline]
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<&NextHops> {
        match address {
            IpAddr::V4(address) => self.lookup_v4(address.to_bits()),
            IpAddr::V6(address) => self.lookup_v6(address.to_bits()),
        }
    }

    /// The next hops that routes lead to, each once.
    #[must_use]
    pub fn next_hops(&self) -> &[NextHops] {
        &self.hops
    }

    /// Different prefixes in the table, both families together.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.prefixes
    }

    /// Whether there is no route at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.prefixes == 0
    }
}

impl Default for RouteTable {
    /// A table without routes.
    fn default() -> Self {
        Self::build([])
    }
}

/// IPv6 ranges by the halves of an address.
#[derive(Clone, Debug)]
struct HalvedRanges {
    /// Answers below [`INNER`] are next hops; `INNER + i` refers to inner tree `i`.
    high: HalfTree,
    /// One tree of low halves for each /64 that is not all of one answer.
    inner: Box<[HalfTree]>,
}

type HalfTree = RangeTree<u64, 16, 5>;

/// From here on an answer is not a next hop. `NOWHERE` is the last, which no inner tree reaches.
const INNER: u32 = 1 << 31;

impl HalvedRanges {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "2 billion inner trees do not fit in memory"
    )]
    fn new(ranges: &[(u128, u32)]) -> Self {
        let (mut high, mut inner) = (Vec::<(u64, u32)>::new(), Vec::new());
        // Ranges of the /64 `cut_at`, by low halves; empty when no /64 is being cut up.
        let (mut cut, mut cut_at) = (Vec::new(), 0);
        for &(last, hop) in ranges {
            let (last_high, last_low) = halves(last);
            if !cut.is_empty() && (last_high, last_low) >= (cut_at, u64::MAX) {
                cut.push((u64::MAX, hop));
                high.push((cut_at, INNER + inner.len() as u32));
                inner.push(HalfTree::new(&cut));
                cut.clear();
            }
            let whole = if last_low == u64::MAX {
                Some(last_high)
            } else {
                last_high.checked_sub(1)
            };
            if let Some(whole) = whole
                && high.last().is_none_or(|&(end, _)| end < whole)
            {
                high.push((whole, hop));
            }
            if last_low < u64::MAX {
                cut.push((last_low, hop));
                cut_at = last_high;
            }
        }
        Self {
            high: RangeTree::new(&high),
            inner: inner.into(),
        }
    }

    #[inline]
    fn lookup(&self, address: u128) -> Option<u32> {
        let (high, low) = halves(address);
        let answer = self.high.lookup(high)?;
        match answer.checked_sub(INNER) {
            None => Some(answer),
            Some(inner) => self.inner.get(inner as usize)?.lookup(low),
        }
    }
}

#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of an address"
)]
const fn halves(address: u128) -> (u64, u64) {
    ((address >> 64) as u64, address as u64)
}

/// Next hops in the order of their first use, each once.
#[derive(Default)]
struct Hops {
    list: Vec<NextHops>,
    known: HashMap<NextHops, u32>,
}

impl Hops {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "4 billion next hops do not fit in memory"
    )]
    fn index(&mut self, hops: NextHops) -> u32 {
        if let Some(&known) = self.known.get(&hops) {
            return known;
        }
        let index = self.list.len() as u32;
        self.list.push(hops.clone());
        self.known.insert(hops, index);
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, port: u16) -> (IpAddr, u8, Option<NextHops>) {
        let (network, len) = prefix.split_once('/').unwrap();
        let hop = NextHop {
            port: PortId(port),
            gateway: None,
        };
        let (network, len) = (network.parse().unwrap(), len.parse().unwrap());
        (network, len, Some(hop.into()))
    }

    fn only(hops: &NextHops) -> NextHop {
        let mut hops = hops.iter();
        let first = hops.next().unwrap();
        assert_eq!(hops.next(), None);
        first
    }

    fn port(table: &RouteTable, address: &str) -> Option<u16> {
        let hops = table.lookup(address.parse().unwrap())?;
        Some(only(hops).port.0)
    }

    #[test]
    fn the_longest_prefix_wins_whatever_the_order() {
        let mut routes = [
            route("0.0.0.0/0", 0),
            route("10.0.0.0/8", 1),
            route("10.1.0.0/16", 2),
            route("10.1.2.3/32", 3),
            route("::/0", 10),
            route("2001:db8::/32", 11),
            route("2001:db8:1::/48", 12),
            route("2001:db8:1::7/128", 13),
        ];
        for _ in 0..2 {
            let table = RouteTable::build(routes.iter().cloned());
            for (address, expected) in [
                ("198.51.100.1", 0),
                ("10.9.9.9", 1),
                ("10.1.2.2", 2),
                ("10.1.2.3", 3),
                ("10.1.2.4", 2),
                ("2001:db9::1", 10),
                ("2001:db8:2::1", 11),
                ("2001:db8:1::6", 12),
                ("2001:db8:1::7", 13),
                ("2001:db8:1::8", 12),
            ] {
                assert_eq!(port(&table, address), Some(expected), "{address}");
            }
            routes.reverse();
        }
    }

    #[test]
    fn without_a_matching_prefix_there_is_no_route() {
        let table = RouteTable::build([route("10.0.0.0/8", 1), route("2001:db8::/32", 2)]);
        for address in [
            "0.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "255.255.255.255",
            "::",
            "2001:db9::",
        ] {
            assert_eq!(port(&table, address), None, "{address}");
        }
        assert_eq!(port(&RouteTable::default(), "10.0.0.1"), None);
        assert_eq!(port(&RouteTable::default(), "::1"), None);
    }

    #[test]
    fn routes_to_the_first_and_last_address_are_found() {
        let table = RouteTable::build([
            route("0.0.0.0/32", 1),
            route("255.255.255.255/32", 2),
            route("::/128", 3),
            route("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 4),
        ]);
        assert_eq!(only(table.lookup_v4(0).unwrap()).port, PortId(1));
        assert_eq!(table.lookup_v4(1), None);
        assert_eq!(table.lookup_v4(u32::MAX - 1), None);
        assert_eq!(only(table.lookup_v4(u32::MAX).unwrap()).port, PortId(2));
        assert_eq!(only(table.lookup_v6(0).unwrap()).port, PortId(3));
        assert_eq!(table.lookup_v6(u128::MAX - 1), None);
        assert_eq!(only(table.lookup_v6(u128::MAX).unwrap()).port, PortId(4));
    }

    #[test]
    fn prefixes_longer_than_64_bits_cut_up_their_64_only() {
        let table = RouteTable::build([
            route("2001:db8::/32", 1),
            route("2001:db8:0:7::10/124", 2),
            route("2001:db8:0:7:8000::/65", 3),
            route("2001:db8:0:8::/128", 4),
            route("2001:db8:0:9:ffff:ffff:ffff:ffff/128", 5),
        ]);
        for (address, expected) in [
            ("2001:db8:0:6:ffff:ffff:ffff:ffff", 1),
            ("2001:db8:0:7::", 1),
            ("2001:db8:0:7::1f", 2),
            ("2001:db8:0:7::20", 1),
            ("2001:db8:0:7:8000::", 3),
            ("2001:db8:0:7:ffff:ffff:ffff:ffff", 3),
            ("2001:db8:0:8::", 4),
            ("2001:db8:0:8::1", 1),
            ("2001:db8:0:9:ffff:ffff:ffff:fffe", 1),
            ("2001:db8:0:9:ffff:ffff:ffff:ffff", 5),
            ("2001:db8:0:a::", 1),
        ] {
            assert_eq!(port(&table, address), Some(expected), "{address}");
        }
        assert_eq!(table.v6.inner.len(), 3);
    }

    #[test]
    fn an_on_link_route_has_no_gateway_and_a_static_one_has() {
        let gateway: IpAddr = "10.0.0.254".parse().unwrap();
        let via = NextHop {
            port: PortId(1),
            gateway: Some(gateway),
        };
        let (network, len, on_link) = route("10.0.0.0/24", 1);
        let table = RouteTable::build([
            (network, len, on_link.clone()),
            ("0.0.0.0".parse().unwrap(), 0, Some(via.into())),
        ]);
        let next = |address: &str| table.lookup(address.parse().unwrap()).cloned();
        assert_eq!(next("10.0.0.7"), on_link);
        assert_eq!(next("10.0.1.7"), Some(via.into()));
    }

    #[test]
    fn families_do_not_answer_for_each_other() {
        let table = RouteTable::build([route("0.0.0.0/0", 1)]);
        assert_eq!(port(&table, "::ffff:10.0.0.1"), None);
        assert_eq!(port(&table, "::a00:1"), None);
        let table = RouteTable::build([route("::/0", 1)]);
        assert_eq!(port(&table, "10.0.0.1"), None);
    }

    #[test]
    fn equal_prefixes_count_once_and_the_last_given_wins() {
        let table = RouteTable::build([
            route("10.0.0.0/8", 1),
            route("10.1.2.3/8", 2),
            route("::/0", 3),
            route("10.0.0.0/9", 4),
        ]);
        assert_eq!(table.len(), 3);
        assert_eq!(port(&table, "10.200.0.1"), Some(2));
        assert!(RouteTable::default().is_empty());
    }

    #[test]
    fn a_route_that_drops_hides_the_shorter_ones_behind_it() {
        let (network, len, _) = route("10.1.0.0/16", 0);
        let (network_v6, len_v6, _) = route("2001:db8:0:1::/64", 0);
        let table = RouteTable::build([
            route("10.0.0.0/8", 1),
            (network, len, None),
            route("10.1.2.0/24", 2),
            route("2001:db8::/32", 3),
            (network_v6, len_v6, None),
        ]);
        assert_eq!(port(&table, "10.2.0.1"), Some(1));
        assert_eq!(port(&table, "10.1.0.1"), None);
        assert_eq!(port(&table, "10.1.2.1"), Some(2));
        assert_eq!(port(&table, "2001:db8::1"), Some(3));
        assert_eq!(port(&table, "2001:db8:0:1::1"), None);
    }

    #[test]
    fn next_hops_are_held_once() {
        let routes = (0..1000).map(|i| route(&format!("10.0.{}.{}/32", i / 250, i % 250), i % 3));
        let table = RouteTable::build(routes);
        assert_eq!((table.hops.len(), table.len()), (3, 1000));
    }
}
