//! The kernel's main table of one family, followed message by message.
//!
//! WO 00/30294, box 58; pure. What each message does to the routes of one prefix and metric is what the kernel has just
//! done: IPv4 keeps a list of which the first that is usable is in force; IPv6 joins next hops with a gateway into one
//! multipath route and keeps others beside it.
//! All routes are kept, also those over devices that are not ours: one of them may take the place of one of ours.
//! Not here: which of them the data path gets (`mirror`).
//! Easy to get wrong: IPv6 tells of a next hop that joins with *all* next hops of the route, and of one that leaves
//! with that one alone.

use std::collections::{BTreeMap, HashSet};

use lb_core::config::Prefix;

use super::facts::{Deed, Hop, Rest, Route};

/// What routes are sorted by.
pub(super) type Key = (Prefix, u32);

/// Routes of one family.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// By prefix and metric, in the kernel's order.
    routes: BTreeMap<Key, Vec<Rest>>,
    /// Prefixes and metrics with more than one route, now or since the last dump.
    crowded: HashSet<Key>,
}

/// What a message has done to the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// Something has changed.
    Change,
    /// The kernel has something that the mirror has not, or the other way round.
    Mismatch,
}

impl Routes {
    /// Takes a message over.
    pub(super) fn take(&mut self, route: Route, deed: Deed) -> Effect {
        let key = (route.prefix, route.metric);
        let is_ipv6 = route.prefix.address().is_ipv6();
        let list = self.routes.entry(key).or_default();
        let effect = match (deed, is_ipv6) {
            (Deed::Gone, false) => remove(list, &route.rest),
            (Deed::Gone, true) => leave(list, &route.rest),
            (_, false) => enter(list, route.rest, deed),
            (_, true) => join(list, route.rest, deed),
        };
        match list.len() {
            0 => drop(self.routes.remove(&key)),
            1 => {}
            _ => drop(self.crowded.insert(key)),
        }
        effect
    }

    /// Whether a message that was sent while a dump was made, of which it is not known whether it is in the dump
    /// already, may do harm when it is taken over (again): where several routes have one prefix and metric, what it
    /// does depends on those that were there before.
    pub(super) fn is_doubtful(&self, before: &Self, key: Key, deed: Deed) -> bool {
        let is_order = matches!(deed, Deed::First | Deed::Last) && key.0.address().is_ipv4();
        is_order || self.crowded.contains(&key) || before.crowded.contains(&key)
    }

    /// Puts those of other prefixes beside these.
    pub(super) fn extend(&mut self, other: Self) {
        if self.routes.is_empty() {
            *self = other;
            return;
        }
        self.routes.extend(other.routes);
        self.crowded.extend(other.crowded);
    }

    /// All of them, by prefix and metric.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &[Rest])> {
        self.routes.iter().map(|(key, list)| (key, list.as_slice()))
    }

    /// Whether one has this property.
    pub(super) fn any(&self, property: impl Fn(&Rest) -> bool) -> bool {
        self.routes.values().flatten().any(property)
    }
}

/// The same route, whether its next hops are usable at the moment or not.
fn is_same(one: &Rest, other: &Rest) -> bool {
    let plain = |rest: &Rest| {
        (
            rest.kind,
            rest.protocol,
            rest.scope,
            rest.source,
            rest.object,
        )
    };
    plain(one) == plain(other)
        && one.metrics == other.metrics
        && one.hops.len() == other.hops.len()
        && one
            .hops
            .iter()
            .zip(&other.hops)
            .all(|(a, b)| (a.device, a.gateway, a.weight) == (b.device, b.gateway, b.weight))
}

fn put(list: &mut [Rest], at: usize, rest: Rest) -> Effect {
    match list.get_mut(at) {
        Some(place) if *place == rest => Effect::None,
        Some(place) => {
            *place = rest;
            Effect::Change
        }
        None => Effect::Mismatch,
    }
}

/// IPv4: a route comes.
fn enter(list: &mut Vec<Rest>, rest: Rest, deed: Deed) -> Effect {
    if deed == Deed::Alone {
        return only(list, rest);
    }
    if let Some(at) = list.iter().position(|old| is_same(old, &rest)) {
        return put(list, at, rest);
    }
    if deed == Deed::Replaces && !list.is_empty() {
        // A nexthop object that has changed is told for each route that uses it, wherever it stands.
        let uses = |old: &Rest| rest.object != 0 && old.object == rest.object;
        let at = list.iter().position(uses).unwrap_or(0);
        return put(list, at, rest);
    }
    let at = if deed == Deed::First { 0 } else { list.len() };
    list.insert(at, rest);
    Effect::Change
}

/// IPv4: a route goes.
fn remove(list: &mut Vec<Rest>, rest: &Rest) -> Effect {
    let Some(at) = list.iter().position(|old| is_same(old, rest)) else {
        return Effect::Mismatch;
    };
    list.remove(at);
    Effect::Change
}

fn only(list: &mut Vec<Rest>, rest: Rest) -> Effect {
    if list.len() == 1 && list.first() == Some(&rest) {
        return Effect::None;
    }
    list.clear();
    list.push(rest);
    Effect::Change
}

/// Whether an IPv6 route may have several next hops.
fn joins(rest: &Rest) -> bool {
    rest.hops.iter().any(|hop| hop.gateway.is_some())
}

/// One way, whatever its weight and state.
fn is_same_hop(one: &Hop, other: &Hop) -> bool {
    (one.device, one.gateway) == (other.device, other.gateway)
}

fn share_a_hop(one: &Rest, other: &Rest) -> bool {
    let is_there = |hop: &Hop| other.hops.iter().any(|there| is_same_hop(there, hop));
    one.hops.is_empty() && other.hops.is_empty() || one.hops.iter().any(is_there)
}

/// IPv6: a route comes, or next hops join one.
fn join(list: &mut Vec<Rest>, rest: Rest, deed: Deed) -> Effect {
    if deed == Deed::Alone {
        return only(list, rest);
    }
    let is_old = |old: &Rest| joins(old) == joins(&rest) && share_a_hop(old, &rest);
    let at = match deed {
        Deed::Replaces => {
            let like = list.iter().position(|old| joins(old) == joins(&rest));
            like.or((!list.is_empty()).then_some(0))
        }
        _ => list.iter().position(is_old),
    };
    if let Some(at) = at {
        return put(list, at, rest);
    }
    list.push(rest);
    Effect::Change
}

/// IPv6: a route goes, or next hops leave one.
fn leave(list: &mut Vec<Rest>, rest: &Rest) -> Effect {
    let is_meant =
        |old: &Rest| old.kind == rest.kind && joins(old) == joins(rest) && share_a_hop(old, rest);
    let Some(at) = list.iter().position(is_meant) else {
        return Effect::Mismatch;
    };
    let is_empty = list.get_mut(at).is_none_or(|old| {
        let stays = |hop: &Hop| !rest.hops.iter().any(|gone| is_same_hop(gone, hop));
        old.hops.retain(stays);
        old.hops.is_empty()
    });
    if is_empty {
        list.remove(at);
    }
    Effect::Change
}
