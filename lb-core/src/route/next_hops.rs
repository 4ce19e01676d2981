//! Next hops of one route: one, or several among which every flow has its own.
//!
//! No counterpart in the patent. Several next hops (ECMP, RFC 2992) share flows by weight. A flow's next hop follows
//! from the flow and the route's members alone: each member draws a number from the flow's hash, and the highest draw
//! wins (rendezvous, or highest random weight). So all lcores agree without a word, packets of a flow keep their order,
//! a member that goes gives up its own flows and moves no other, and one that comes takes only its share.
//! Not here: which members are alive. Those without a carrier are not in the route that the kernel hands out; one that
//! does not answer is passed over by who asks ([`NextHops::place_among`]).
//! Easy to get wrong: with unlike weights the draws must be scaled by the logarithm, or the heavier member would take
//! more than its part.

use std::net::IpAddr;

use super::NextHop;
use crate::flow::HashSeed;

/// Where a route leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NextHops {
    first: NextHop,
    /// All of several; none where there is but the first.
    members: Box<[Member]>,
    is_even: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    hop: NextHop,
    weight: u16,
    /// Sets its draws apart from those of others.
    seed: u64,
}

impl NextHops {
    /// Next hops with their weights, each 1 at least; `None` of none. One that is named twice has both weights.
    #[must_use]
    pub fn new(hops: &[(NextHop, u16)]) -> Option<Self> {
        let &(first, _) = hops.first()?;
        let mut members = Vec::<Member>::new();
        // The common route has one hop; nothing is allocated for it.
        if hops.len() > 1 {
            for &(hop, weight) in hops {
                let weight = weight.max(1);
                match members.iter_mut().find(|member| member.hop == hop) {
                    Some(same) => same.weight = same.weight.saturating_add(weight),
                    None => members.push(Member {
                        hop,
                        weight,
                        seed: seed(hop),
                    }),
                }
            }
        }
        if members.len() < 2 {
            return Some(first.into());
        }
        let weight = members.first().map(|member| member.weight);
        Some(Self {
            first,
            is_even: members.iter().all(|member| Some(member.weight) == weight),
            members: members.into(),
        })
    }

    /// The next hop of a flow with this hash, all of whose bits count.
    #[inline]
    #[must_use]
    pub fn of_flow(&self, flow: u64) -> &NextHop {
        let member = self.members.get(self.place_of_flow(flow));
        member.map_or(&self.first, |member| &member.hop)
    }

    /// The same as a place in [`iter`](Self::iter).
    #[must_use]
    pub fn place_of_flow(&self, flow: u64) -> usize {
        self.place_among(flow, |_| true).unwrap_or(0)
    }

    /// The same among those places that may be taken; `None` where none may, or there is but one hop.
    #[must_use]
    pub fn place_among(&self, flow: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        let (mut place, mut highest) = (None, f64::NEG_INFINITY);
        for (at, member) in self.members.iter().enumerate() {
            let draw = member.draw(flow, self.is_even);
            if draw > highest && may(at) {
                (place, highest) = (Some(at), draw);
            }
        }
        place
    }

    /// Whether there are several.
    #[must_use]
    pub const fn is_multipath(&self) -> bool {
        !self.members.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = NextHop> + '_ {
        let only = self.members.is_empty().then_some(self.first);
        only.into_iter()
            .chain(self.members.iter().map(|member| member.hop))
    }
}

impl From<NextHop> for NextHops {
    fn from(first: NextHop) -> Self {
        Self {
            first,
            members: Box::default(),
            is_even: true,
        }
    }
}

impl Member {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a draw needs no more than the 53 bits that are kept"
    )]
    fn draw(&self, flow: u64, is_even: bool) -> f64 {
        // Above 0 and below 1.
        let drawn = ((mixed(flow ^ self.seed) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        if is_even {
            drawn
        } else {
            -f64::from(self.weight) / drawn.ln()
        }
    }
}

/// Every bit of the result depends on every bit of the number (the finish of `SplitMix64`).
const fn mixed(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Depends on what the next hop is, so that it draws alike in every route and at every place in it.
fn seed(hop: NextHop) -> u64 {
    let mut octets = hop.port.0.to_be_bytes().to_vec();
    match hop.gateway {
        None => {}
        Some(IpAddr::V4(gateway)) => octets.extend(gateway.octets()),
        Some(IpAddr::V6(gateway)) => octets.extend(gateway.octets()),
    }
    HashSeed::default().octets(b'N', &octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PortId;

    fn hop(last: u8) -> NextHop {
        NextHop {
            port: PortId(1),
            gateway: Some(IpAddr::from([10, 0, 0, last])),
        }
    }

    fn hops(weights: &[(u8, u16)]) -> NextHops {
        let hops: Vec<_> = weights
            .iter()
            .map(|&(last, weight)| (hop(last), weight))
            .collect();
        NextHops::new(&hops).unwrap()
    }

    /// Hashes as different as those of flows are.
    fn flows(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|number| mixed(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn share(of: &NextHops, last: u8, among: u64) -> f64 {
        let taken = flows(among).filter(|&flow| *of.of_flow(flow) == hop(last));
        f64::from(u32::try_from(taken.count()).unwrap()) / f64::from(u32::try_from(among).unwrap())
    }

    #[test]
    fn flows_are_shared_by_weight() {
        for (weights, shares) in [
            (vec![(1, 1), (2, 1)], vec![0.5, 0.5]),
            (vec![(1, 7), (2, 7), (3, 7)], vec![1.0 / 3.0; 3]),
            (vec![(1, 1), (2, 3)], vec![0.25, 0.75]),
            (
                vec![(1, 1), (2, 2), (3, 1), (4, 4)],
                vec![0.125, 0.25, 0.125, 0.5],
            ),
            (vec![(1, 1), (2, 256)], vec![1.0 / 257.0, 256.0 / 257.0]),
        ] {
            let hops = hops(&weights);
            for (&(last, _), share_due) in weights.iter().zip(shares) {
                let taken = share(&hops, last, 10_000);
                assert!(
                    (taken - share_due).abs() < 0.015,
                    "{weights:?}: {last} has {taken}"
                );
            }
        }
    }

    #[test]
    fn a_hop_that_goes_moves_no_flow_but_its_own() {
        for weights in [[(1, 1), (2, 1), (3, 1)], [(1, 5), (2, 1), (3, 2)]] {
            let all = hops(&weights);
            let fewer = hops(&[weights[0], weights[2]]);
            for flow in flows(10_000) {
                let before = all.of_flow(flow);
                if *before != hop(2) {
                    assert_eq!(fewer.of_flow(flow), before);
                }
            }
        }
    }

    #[test]
    fn a_hop_that_comes_takes_its_share_from_each_of_the_others() {
        let two = hops(&[(1, 1), (2, 1)]);
        let three = hops(&[(1, 1), (2, 1), (3, 1)]);
        let moved = flows(9_000).filter(|&flow| two.of_flow(flow) != three.of_flow(flow));
        let moved = moved.inspect(|&flow| assert_eq!(*three.of_flow(flow), hop(3)));
        let count = moved.count();
        assert!((2_850..3_150).contains(&count), "{count} moved");
    }

    #[test]
    fn the_order_in_which_the_kernel_names_hops_does_not_matter() {
        let (one, other) = (hops(&[(1, 2), (2, 1)]), hops(&[(2, 1), (1, 2)]));
        assert!(flows(1_000).all(|flow| one.of_flow(flow) == other.of_flow(flow)));
    }

    #[test]
    fn one_hop_is_no_choice_and_the_same_hop_twice_is_one() {
        for only in [hops(&[(1, 9)]), hops(&[(1, 1), (1, 1)])] {
            assert!(!only.is_multipath());
            assert!(flows(100).all(|flow| *only.of_flow(flow) == hop(1)));
            assert_eq!(only.iter().collect::<Vec<_>>(), [hop(1)]);
        }
        assert_eq!(NextHops::new(&[]), None);
    }
}
