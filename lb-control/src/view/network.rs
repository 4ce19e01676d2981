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
    /// Configured.
    Static,
    /// Confirmed a short while ago.
    Reachable,
    /// Known, and due to be asked again.
    Stale,
    /// Asked for, and no answer.
    Unresolved,
}

/// The routes in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Routes {
    /// Connected networks first, then routes in the order of the document.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Destinations.
    pub prefix: String,
    /// Router; absent for a network that we are connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Port that packets leave by.
    pub port: u16,
    /// Name of the interface; absent where the port has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Where it comes from.
    pub origin: RouteOrigin,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RouteOrigin {
    /// The network of an interface's address.
    Connected,
    /// The configuration.
    Static,
}
