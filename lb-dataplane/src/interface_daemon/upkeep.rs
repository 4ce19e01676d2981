//! What the document says of a kernel device, beside what the kernel has.
//!
//! WO 00/30294, box 53. Programs on the box find the document's addresses and routes in the kernel, and find them again
//! when somebody has deleted them, or the kernel has: `ip link set down` takes IPv6 addresses and all routes along.
//! Pure: what is to be done, not the doing (`kernel`).
//! Easy to get wrong: a device that was set down stays down, and nothing is done to it until it is up again.

use std::net::IpAddr;

use lb_core::config::{Cidr, DOCUMENT_METRIC, KernelNetwork, PROTOCOL_ID, Prefix};

use super::Interface;

/// A route of the document's over one device: destinations, and the router.
pub(super) type Way = (Prefix, IpAddr);

/// What there is to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Addresses that are missing.
    pub(super) addresses: Vec<Cidr>,
    /// Routes of ours that the document has no longer.
    pub(super) stale: Vec<Way>,
    /// Routes of the document that are missing.
    pub(super) missing: Vec<Way>,
    /// The device's MTU is longer than its port's, by how much it says.
    pub(super) too_long: Option<u32>,
}

impl Work {
    /// Compares a device with the kernel's view of it; nothing to do while it is down or not there.
    pub(super) fn of(interface: &Interface, network: &KernelNetwork) -> Self {
        let mut devices = network.interfaces.iter();
        let device = devices.find(|one| one.port == interface.port && one.is_up);
        let Some(device) = device else {
            return Self::default();
        };
        let there: Vec<Way> = network
            .routes
            .iter()
            .filter(|route| route.protocol == PROTOCOL_ID && route.metric == DOCUMENT_METRIC)
            .flat_map(|route| route.hops.iter().map(|(hop, _)| (route.prefix, *hop)))
            .filter(|(_, hop)| hop.port == interface.port)
            .filter_map(|(prefix, hop)| Some((prefix, hop.gateway?)))
            .collect();
        let absent = |address: &&Cidr| !device.addresses.contains(address);
        Self {
            addresses: interface.addresses.iter().filter(absent).copied().collect(),
            stale: without(&there, &interface.routes),
            missing: without(&interface.routes, &there),
            too_long: Some(device.mtu).filter(|mtu| *mtu > interface.mtu.into()),
        }
    }
}

fn without(ways: &[Way], others: &[Way]) -> Vec<Way> {
    let own = ways.iter().filter(|way| !others.contains(way));
    own.copied().collect()
}

#[cfg(test)]
mod tests {
    use lb_core::config::{KernelInterface, KernelRoute};
    use lb_core::id::PortId;
    use lb_core::route::NextHop;
    use lb_core::wire::MacAddr;

    use super::*;

    fn way(prefix: &str, via: &str) -> Way {
        (Prefix::parse(prefix).unwrap(), via.parse().unwrap())
    }

    fn route((prefix, via): Way, port: u16, metric: u32, protocol: u8) -> KernelRoute {
        let hop = NextHop {
            port: PortId(port),
            gateway: Some(via),
        };
        KernelRoute {
            prefix,
            metric,
            protocol,
            hops: vec![(hop, 1)],
        }
    }

    fn interface() -> Interface {
        Interface {
            port: PortId(0),
            name: "client".to_owned(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            is_up: true,
            addresses: vec![Cidr::parse("10.0.0.1/24").unwrap()],
            routes: vec![
                way("0.0.0.0/0", "10.0.0.254"),
                way("10.9.0.0/16", "10.0.0.9"),
            ],
        }
    }

    fn network(routes: &[KernelRoute]) -> KernelNetwork {
        KernelNetwork {
            interfaces: vec![KernelInterface {
                port: PortId(0),
                addresses: interface().addresses,
                mtu: 1400,
                is_up: true,
            }],
            routes: routes.into(),
            neighbors: Vec::new(),
        }
    }

    #[test]
    fn what_is_missing_is_put_back_and_what_is_no_longer_said_taken_away() {
        let kept = way("0.0.0.0/0", "10.0.0.254");
        let gone = way("10.8.0.0/16", "10.0.0.8");
        let mut network = network(&[
            route(kept, 0, DOCUMENT_METRIC, PROTOCOL_ID),
            route(gone, 0, DOCUMENT_METRIC, PROTOCOL_ID),
        ]);
        let mut expected = Work {
            stale: vec![gone],
            missing: vec![way("10.9.0.0/16", "10.0.0.9")],
            ..Work::default()
        };
        assert_eq!(Work::of(&interface(), &network), expected);
        network.interfaces[0].addresses.clear();
        expected.addresses = interface().addresses;
        assert_eq!(Work::of(&interface(), &network), expected);
    }

    #[test]
    fn routes_of_others_and_over_other_ports_are_left_alone() {
        let mut interface = interface();
        interface.routes.clear();
        let other = way("10.8.0.0/16", "10.0.0.8");
        let network = network(&[
            route(other, 1, DOCUMENT_METRIC, PROTOCOL_ID),
            route(other, 0, DOCUMENT_METRIC, 3),
            route(other, 0, 20, PROTOCOL_ID),
        ]);
        assert_eq!(Work::of(&interface, &network), Work::default());
    }

    #[test]
    fn nothing_is_done_to_a_device_that_is_down_or_not_there() {
        let mut network = network(&[]);
        network.interfaces[0].is_up = false;
        assert_eq!(Work::of(&interface(), &network), Work::default());
        network.interfaces.clear();
        assert_eq!(Work::of(&interface(), &network), Work::default());
    }

    #[test]
    fn an_mtu_may_be_shorter_than_the_ports_and_not_longer() {
        let mut network = network(&[]);
        assert_eq!(Work::of(&interface(), &network).too_long, None);
        network.interfaces[0].mtu = 1501;
        assert_eq!(Work::of(&interface(), &network).too_long, Some(1501));
    }
}
