//! Which destinations a generation leads elsewhere than the one before.
//!
//! WO 00/30294, routing table 62: what a change of routes means for connections that have noted their next hop. Where a
//! few of the kernel's routes differ and nothing else, all others stay good.
//! Not here: making connections forget (`filter`), and when (`control` of the control side).
//! Easy to get wrong: too many destinations do no harm, one too few sends packets where no route leads.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::{KernelRoute, Prefix};
use super::Distribution;

/// Destinations that are told one by one; of more, all connections look up their way anew.
const MOST: usize = 4096;

impl Distribution {
    /// Lets next hops that connections have noted stay good, but for those of the destinations that it answers. These
    /// are to be [forgotten](crate::filter::forget_ways) when every lcore works by this generation. `None`: nothing is
    /// changed, all of them are stale.
    pub fn keep_ways(&mut self, previous: &Self) -> Option<Vec<Prefix>> {
        let (digest, kernels) = &self.routes_made_of;
        let (digest_before, kernels_before) = &previous.routes_made_of;
        if previous.generation == 0 || digest != digest_before {
            return None;
        }
        let moved = if Arc::ptr_eq(kernels, kernels_before) {
            Vec::new()
        } else {
            moved(kernels_before, kernels)?
        };
        self.route_generation = previous.route_generation;
        Some(moved)
    }
}

/// Destinations of routes that are not in both lists. In the order of prefixes and metrics these are all; in another
/// order there are more.
fn moved(before: &[KernelRoute], after: &[KernelRoute]) -> Option<Vec<Prefix>> {
    let key = |route: &KernelRoute| (route.prefix, route.metric);
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut moved = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return Some(moved),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => key(old).cmp(&key(new)),
        };
        let old = before.next_if(|_| order != Ordering::Greater);
        let new = after.next_if(|_| order != Ordering::Less);
        if old != new {
            moved.extend(old.or(new).map(|route| route.prefix));
        }
        if moved.len() > MOST {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::PortId;
    use crate::route::NextHop;

    fn routes() -> impl Strategy<Value = Vec<KernelRoute>> {
        let route = (0..8u8, 0..3u32, 1..4u8).prop_map(|(net, metric, gateway)| KernelRoute {
            prefix: Prefix::containing([10, net, 0, 0].into(), 16),
            metric,
            protocol: 186,
            hops: vec![(
                NextHop {
                    port: PortId(0),
                    gateway: Some([192, 0, 2, gateway].into()),
                },
                1,
            )],
        });
        proptest::collection::vec(route, 0..12)
    }

    proptest! {
        #[test]
        fn whatever_the_order_no_route_that_differs_is_left_out(before in routes(), after in routes()) {
            let found = moved(&before, &after).unwrap();
            for (one, other) in [(&before, &after), (&after, &before)] {
                for route in one.iter().filter(|route| !other.contains(route)) {
                    prop_assert!(found.contains(&route.prefix));
                }
            }
        }

        #[test]
        fn in_order_nothing_is_named_that_is_the_same(mut before in routes(), mut after in routes()) {
            for list in [&mut before, &mut after] {
                list.sort_by_key(|route| (route.prefix, route.metric));
                list.dedup_by_key(|route| (route.prefix, route.metric));
            }
            for prefix in moved(&before, &after).unwrap() {
                let of = |list: &[KernelRoute]| -> Vec<KernelRoute> {
                    list.iter().filter(|route| route.prefix == prefix).cloned().collect()
                };
                prop_assert_ne!(of(&before), of(&after));
            }
        }
    }

    #[test]
    fn too_many_differences_are_all() {
        let many = |gateway: u8| -> Vec<KernelRoute> {
            let one = |number: u32| KernelRoute {
                prefix: Prefix::containing(number.to_be_bytes().into(), 32),
                metric: 0,
                protocol: 186,
                hops: vec![(
                    NextHop {
                        port: PortId(0),
                        gateway: Some([192, 0, 2, gateway].into()),
                    },
                    1,
                )],
            };
            (0..5000).map(one).collect()
        };
        assert_eq!(moved(&many(1), &many(1)), Some(Vec::new()));
        assert_eq!(moved(&many(1), &many(2)), None);
    }
}
