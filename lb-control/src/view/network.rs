//! Neighbors and routes.
//!
//! WO 00/30294: routing table 62 and the ARP cache, for people.
//! Easy to get wrong: a neighbor without a MAC address is one that we need and that has not answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The neighbor table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Neighbors {
    /// By port, then by address.
    pub neighbors: Vec<Neighbor>,
}

/// A host or router on a link of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Neighbor {
    /// IP address.
    pub address: String,
    /// Port of the link.
    pub port: u16,
    /// Name of the interface; absent where the port has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// MAC address; absent while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// How far it is believed.
    pub state: NeighborState,
    /// How it came to be known.
    pub source: NeighborSource,
    /// Whether a backend or a route needs it: it is kept fresh whether packets flow or not.
    pub is_needed: bool,
    /// Seconds since it was last confirmed; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_seconds_ago: Option<u32>,
}

/// How far a neighbor is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NeighborState {
    /// The document's or the kernel's: never asked for.
    Static,
    /// Confirmed a short while ago.
    Reachable,
    /// Known, and due to be asked again.
    Stale,
    /// Asked for, and no answer.
    Unresolved,
}

/// A page of the routes in force: of each prefix the one that packets follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routes {
    /// In the order of prefixes; IPv4 first.
    pub routes: Vec<Route>,
    /// Value of `after` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Destinations.
    pub prefix: String,
    /// Where to: several share flows by weight; none for a route that drops.
    pub next_hops: Vec<NextHop>,
    /// Lower is better: 0 for networks that we are connected to, 4000 for the document's routes, the kernel's own for its.
    pub metric: u32,
    /// Who says so.
    pub source: Source,
    /// Who has set it, as the kernel numbers it: 2 the kernel, 4 an administrator, 76 us; routing daemons have their own.
    pub protocol: u8,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextHop {
    /// Router; absent on a network that we are connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Port that packets leave by.
    pub port: u16,
    /// Name of the interface; absent where the port has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Share of flows, 1 to 256, against the others of the route.
    pub weight: u16,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The network of an address of ours.
    Connected,
    /// The document.
    Document,
    /// The kernel.
    Kernel,
}

impl From<lb_core::config::Source> for Source {
    fn from(source: lb_core::config::Source) -> Self {
        match source {
            lb_core::config::Source::Connected => Self::Connected,
            lb_core::config::Source::Document => Self::Document,
            lb_core::config::Source::Kernel => Self::Kernel,
        }
    }
}

/// How a neighbor came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NeighborSource {
    /// The document names it.
    Document,
    /// It is permanent in the kernel.
    Kernel,
    /// It was asked for.
    Learned,
}
