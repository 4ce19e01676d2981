//! Which VIPs are announced to routers.
//!
//! No counterpart in the patent.
//! Easy to get wrong: `state` is what was asked for, `is_advertised` what is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// VIPs, and whether routing daemons are told of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advertise {
    /// Switch of the whole box.
    pub state: AdvertiseState,
    /// Number of the kernel's routing table that routing daemons read.
    pub table: u8,
    /// Protocol number (`rtm_protocol`) of the routes in it.
    pub protocol: u8,
    /// What keeps all VIPs from being announced; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// Why the switches will not outlive the program; absent where they will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
    /// Times that a VIP was announced since the program started.
    pub announcements: u64,
    /// Times that one was withdrawn.
    pub withdrawals: u64,
    /// VIPs of the document, by address.
    pub vips: Vec<AdvertisedVip>,
    /// Addresses that are switched off and that no service has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub off_elsewhere: Vec<String>,
}

/// One VIP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdvertisedVip {
    /// The VIP.
    pub address: String,
    /// Services that have it.
    pub services: Vec<String>,
    /// Its own switch.
    pub state: AdvertiseState,
    /// Whether routing daemons are told of it.
    pub is_advertised: bool,
    /// Since when it is so, in seconds since 1970.
    pub since: u64,
    /// Kernel device of its route; absent where it is not announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Why it is not announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdvertiseState {
    /// VIPs are announced while they have usable backends.
    On,
    /// They are not announced.
    Off,
}

/// A switch that is to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvertiseChange {
    /// How it is to be.
    pub state: AdvertiseState,
    /// Only this VIP's switch. Default: that of the whole box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vip: Option<String>,
}
