//! What the kernel has, as far as it concerns the data path: messages in, a [`KernelNetwork`] out.
//!
//! WO 00/30294, box 58: what the routing daemon keeps. Pure: no socket, no clock.
//! Devices are known by number in messages, by name in the document; names may change, so everything is kept by number
//! and for all devices, and what is ours is picked out when a picture is made.
//! Not here: when that is (`pace`), and what is asked of the kernel (`socket`).
//! Easy to get wrong: the kernel is silent about IPv4 routes that vanish with their device, with an address that they
//! prefer, or with a nexthop object. [`Doubt`] says when the routes have to be read again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use lb_core::config::{Cidr, KernelInterface, KernelNetwork, KernelRoute, StaticNeighbor};
use lb_core::id::PortId;
use lb_core::route::NextHop;
use lb_core::wire::MacAddr;
use netlink_packet_route::route::RouteType;

use super::facts::{Deed, Fact, Link, Neighbor, Rest, Route};
use super::routes::{Effect, Key, Routes};

/// Why tables of the kernel's have to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Nothing is known yet.
    Start,
    /// Messages were lost: there was no room for them.
    Overrun,
    /// A device went up or down, gained or lost its carrier, or is another one now.
    Link,
    /// An IPv4 address has gone, and routes that preferred it with it.
    Address,
    /// A nexthop object has changed.
    Nexthop,
    /// A message did not fit what was known.
    Mismatch,
}

impl Doubt {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Start,
        Self::Overrun,
        Self::Link,
        Self::Address,
        Self::Nexthop,
        Self::Mismatch,
    ];

    /// One word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Overrun => "overrun",
            Self::Link => "link",
            Self::Address => "address",
            Self::Nexthop => "nexthop",
            Self::Mismatch => "mismatch",
        }
    }

    /// Whether everything has to be read again, or links and routes only.
    #[must_use]
    pub const fn is_of_all(self) -> bool {
        matches!(self, Self::Start | Self::Overrun)
    }
}

/// What the kernel has found out of a neighbor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has this MAC address.
    Known {
        /// Its address.
        address: IpAddr,
        /// The port that it is behind.
        port: PortId,
        /// Its MAC address.
        mac: MacAddr,
    },
    /// It is not known any more, or does not answer.
    Gone {
        /// Its address.
        address: IpAddr,
        /// The port that it was behind.
        port: PortId,
    },
}

/// What a fact has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether the next picture differs.
    pub(super) is_change: bool,
    /// What has to be read again.
    pub(super) doubt: Option<Doubt>,
    /// Something for the neighbor table.
    pub(super) news: Option<News>,
}

/// Tables read in one go.
#[derive(Debug, Default)]
pub(super) struct Tables {
    links: BTreeMap<u32, Link>,
    addresses: BTreeMap<u32, BTreeSet<Cidr>>,
    v4: Routes,
    v6: Routes,
    neighbors: BTreeMap<(u32, IpAddr), Neighbor>,
}

/// The mirror.
#[derive(Default)]
pub(super) struct Mirror {
    tables: Tables,
    /// Ports, with the names of their devices.
    devices: Vec<(PortId, String)>,
    /// Numbers of those that are there.
    ports: HashMap<u32, PortId>,
    routes: Arc<[KernelRoute]>,
    /// Whether `routes` is still what the tables say.
    has_routes: bool,
    /// The crowds of routes that a dump has taken the place of, while messages from before its end come.
    before: Option<(Routes, Routes)>,
}

impl Tables {
    /// A line of a dump.
    pub(super) fn list(&mut self, fact: Fact) {
        match fact {
            Fact::Link(index, Some(link)) => drop(self.links.insert(index, link)),
            Fact::Address(index, cidr, true) => {
                self.addresses.entry(index).or_default().insert(cidr);
            }
            Fact::Route(route, _) => {
                let routes = self.routes_of(route.prefix.address());
                routes.take(route, Deed::Listed);
            }
            Fact::Neighbor(index, address, Some(neighbor)) => {
                self.neighbors.insert((index, address), neighbor);
            }
            _ => {}
        }
    }

    /// Adds tables that were read by themselves; no two of them have lines of one kind.
    pub(super) fn add(&mut self, part: Self) {
        self.links.extend(part.links);
        self.addresses.extend(part.addresses);
        self.v4.extend(part.v4);
        self.v6.extend(part.v6);
        self.neighbors.extend(part.neighbors);
    }

    fn routes_of(&mut self, address: IpAddr) -> &mut Routes {
        if address.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        }
    }
}

impl Mirror {
    /// The ports that have a kernel device, with its name, whether it exists yet or not. True: something is different
    /// now.
    pub(super) fn set_devices(&mut self, devices: Vec<(PortId, String)>) -> bool {
        let is_new = self.devices != devices;
        if is_new {
            self.devices = devices;
            self.find_ports();
        }
        is_new
    }

    fn find_ports(&mut self) {
        let mut ports = HashMap::new();
        for (index, link) in &self.tables.links {
            let mut devices = self.devices.iter();
            if let Some((port, _)) = devices.find(|(_, name)| *name == link.name) {
                ports.insert(*index, *port);
            }
        }
        if self.ports != ports {
            self.ports = ports;
            self.has_routes = false;
        }
    }

    /// Puts tables that were read anew in place: all of them, or links and routes only. Until
    /// [`end_of_window`](Self::end_of_window) messages are taken with care: they may be older than the tables.
    /// Answers what the neighbor table should hear.
    pub(super) fn put(&mut self, mut tables: Tables, all: bool) -> Vec<News> {
        if !all {
            tables.addresses = std::mem::take(&mut self.tables.addresses);
            tables.neighbors = std::mem::take(&mut self.tables.neighbors);
        }
        let before = std::mem::replace(&mut self.tables, tables);
        self.has_routes = false;
        self.find_ports();
        let news = if all {
            self.differences(&before.neighbors)
        } else {
            Vec::new()
        };
        self.before = Some((before.v4, before.v6));
        news
    }

    /// All messages that were sent while a dump was made have been taken over.
    pub(super) fn end_of_window(&mut self) {
        self.before = None;
    }

    fn differences(&self, before: &BTreeMap<(u32, IpAddr), Neighbor>) -> Vec<News> {
        let now = &self.tables.neighbors;
        let mut news = Vec::new();
        for (&(index, address), neighbor) in now {
            let old = before.get(&(index, address));
            news.extend(self.news(index, address, old, Some(neighbor)));
        }
        for (&(index, address), old) in before {
            if !now.contains_key(&(index, address)) {
                news.extend(self.news(index, address, Some(old), None));
            }
        }
        news
    }

    /// Takes a message over.
    pub(super) fn take(&mut self, fact: Fact) -> Outcome {
        match fact {
            Fact::Link(index, link) => self.take_link(index, link),
            Fact::Address(index, cidr, is_there) => self.take_address(index, cidr, is_there),
            Fact::Route(route, deed) => self.take_route(route, deed),
            Fact::Neighbor(index, address, neighbor) => {
                self.take_neighbor(index, address, neighbor)
            }
            Fact::Nexthop => {
                let uses_one = |rest: &Rest| rest.object != 0;
                let is_used = self.tables.v4.any(uses_one) || self.tables.v6.any(uses_one);
                Outcome {
                    doubt: is_used.then_some(Doubt::Nexthop),
                    ..Outcome::default()
                }
            }
            Fact::Nothing(_) => Outcome::default(),
        }
    }

    fn take_link(&mut self, index: u32, link: Option<Link>) -> Outcome {
        let was_ours = self.ports.contains_key(&index);
        let old = match link.clone() {
            Some(link) => self.tables.links.insert(index, link),
            None => {
                self.tables.addresses.remove(&index);
                self.tables.neighbors.retain(|key, _| key.0 != index);
                self.tables.links.remove(&index)
            }
        };
        if old == link {
            return Outcome::default();
        }
        self.find_ports();
        let is_ours = self.ports.contains_key(&index);
        let state = |link: &Option<Link>| {
            link.as_ref()
                .map(|link| (link.is_up, link.has_carrier, link.master))
        };
        let has_moved = was_ours != is_ours || state(&old) != state(&link);
        Outcome {
            is_change: was_ours || is_ours,
            doubt: ((was_ours || is_ours) && has_moved).then_some(Doubt::Link),
            news: None,
        }
    }

    fn take_address(&mut self, index: u32, cidr: Cidr, is_there: bool) -> Outcome {
        let of_device = self.tables.addresses.entry(index).or_default();
        let is_new = if is_there {
            of_device.insert(cidr)
        } else {
            of_device.remove(&cidr)
        };
        let is_ours = self.ports.contains_key(&index);
        let address = cidr.address();
        let takes_routes = !is_there
            && address.is_ipv4()
            && (is_ours || self.tables.v4.any(|rest| rest.source == Some(address)));
        Outcome {
            is_change: is_new && is_ours,
            doubt: takes_routes.then_some(Doubt::Address),
            news: None,
        }
    }

    fn take_route(&mut self, route: Route, deed: Deed) -> Outcome {
        let key: Key = (route.prefix, route.metric);
        let is_ipv4 = route.prefix.address().is_ipv4();
        let routes = self.tables.routes_of(route.prefix.address());
        let effect = routes.take(route, deed);
        // A message that is older than the dump may find nothing to do.
        let is_wrong = match &self.before {
            Some((v4, v6)) => routes.is_doubtful(if is_ipv4 { v4 } else { v6 }, key, deed),
            None => effect == Effect::Mismatch,
        };
        let is_change = effect == Effect::Change;
        self.has_routes &= !is_change;
        Outcome {
            is_change,
            doubt: is_wrong.then_some(Doubt::Mismatch),
            news: None,
        }
    }

    fn take_neighbor(
        &mut self,
        index: u32,
        address: IpAddr,
        neighbor: Option<Neighbor>,
    ) -> Outcome {
        let key = (index, address);
        let old = match neighbor {
            Some(neighbor) => self.tables.neighbors.insert(key, neighbor),
            None => self.tables.neighbors.remove(&key),
        };
        let fixed = |neighbor: Option<Neighbor>| {
            neighbor
                .filter(|one| one.is_permanent)
                .and_then(|one| one.mac)
        };
        Outcome {
            is_change: fixed(old) != fixed(neighbor) && self.ports.contains_key(&index),
            doubt: None,
            news: self.news(index, address, old.as_ref(), neighbor.as_ref()),
        }
    }

    /// What the neighbor table should hear of a change: MAC addresses that are confirmed or new, and that one is gone.
    /// That the kernel has not asked for a while (`STALE`) is no news.
    fn news(
        &self,
        index: u32,
        address: IpAddr,
        old: Option<&Neighbor>,
        new: Option<&Neighbor>,
    ) -> Option<News> {
        let &port = self.ports.get(&index)?;
        let new = new.copied().filter(|one| one.mac.is_some());
        let old_mac = old.and_then(|old| old.mac);
        match new {
            Some(one) if one.is_permanent => None,
            Some(one) => {
                let mac = one.mac?;
                let is_news = one.is_reachable || old_mac != Some(mac);
                is_news.then_some(News::Known { address, port, mac })
            }
            None => old_mac.map(|_| News::Gone { address, port }),
        }
    }

    /// A picture of what is ours. Routes are copied only where some have changed, and shared otherwise.
    pub(super) fn picture(&mut self) -> KernelNetwork {
        let mut interfaces: Vec<_> = self
            .ports
            .iter()
            .filter_map(|(index, &port)| {
                let link = self.tables.links.get(index)?;
                let addresses = self.tables.addresses.get(index);
                Some(KernelInterface {
                    port,
                    addresses: addresses.into_iter().flatten().copied().collect(),
                    mtu: link.mtu,
                    is_up: link.is_up,
                })
            })
            .collect();
        interfaces.sort_by_key(|interface| interface.port);
        let neighbors = self.tables.neighbors.iter();
        let neighbors = neighbors.filter_map(|(&(index, address), neighbor)| {
            Some(StaticNeighbor {
                address,
                mac: neighbor.mac.filter(|_| neighbor.is_permanent)?,
                port: *self.ports.get(&index)?,
            })
        });
        let neighbors = neighbors.collect();
        if !self.has_routes {
            let all = self.tables.v4.iter().chain(self.tables.v6.iter());
            let routes: Vec<_> = all
                .filter_map(|(key, list)| in_force(*key, list, &self.ports))
                .collect();
            if *self.routes != *routes {
                self.routes = routes.into();
            }
            self.has_routes = true;
        }
        KernelNetwork {
            interfaces,
            routes: Arc::clone(&self.routes),
            neighbors,
        }
    }
}

/// Of the routes of one prefix and metric the first that leads over a port of ours, or nowhere.
fn in_force(
    (prefix, metric): Key,
    list: &[Rest],
    ports: &HashMap<u32, PortId>,
) -> Option<KernelRoute> {
    list.iter().find_map(|rest| {
        let hops = match rest.kind {
            RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => Vec::new(),
            RouteType::Unicast => {
                let usable = rest.hops.iter().filter(|hop| hop.is_usable);
                let ours = usable.filter_map(|hop| {
                    let next = NextHop {
                        port: *ports.get(&hop.device)?,
                        gateway: hop.gateway,
                    };
                    Some((next, hop.weight))
                });
                let hops: Vec<_> = ours.collect();
                if hops.is_empty() {
                    return None;
                }
                hops
            }
            _ => return None,
        };
        Some(KernelRoute {
            prefix,
            metric,
            protocol: rest.protocol,
            hops,
        })
    })
}

#[cfg(test)]
mod tests;
