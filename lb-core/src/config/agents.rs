//! Checks where weights come from besides the document: the algorithm, its tags, and agents to ask.
//!
//! WO 00/30294: the choice of a distribution algorithm for master module 54, and where its raw load data are
//! asked for. Not here: asking (`agent_check` of the control side), and the algorithms (`master`).
//! Easy to get wrong: an agent is asked through the kernel and not through our ports, so its address need
//! not lie where a route of the document leads, and may be loopback.

use std::net::IpAddr;

use super::address::special;
use super::document;
use super::locate::KeyPath;
use super::model::AgentCheck;
use super::names;
use super::refusal::{Refusals, printable};
use crate::master::Algorithm;

pub(super) const fn algorithm(value: document::Weights) -> Algorithm {
    match value {
        document::Weights::Static => Algorithm::Static,
        document::Weights::Even => Algorithm::Even,
        document::Weights::LeastLoaded => Algorithm::LeastLoaded,
        document::Weights::Capability => Algorithm::Capability,
    }
}

/// Checks a service's tags, which `capability` alone takes and cannot do without.
pub(super) fn tags(
    service: &document::Service,
    at: &KeyPath,
    refusals: &mut Refusals,
) -> Option<Vec<String>> {
    let path = at.key("tags");
    let takes_tags = service.weights == document::Weights::Capability;
    if takes_tags && service.tags.is_empty() {
        // `tags` may not be there and so have no line; this key asks for it.
        refusals.add(
            at.key("weights"),
            "`capability` needs at least one word in the service's `tags`",
        );
        return None;
    }
    if !takes_tags && !service.tags.is_empty() {
        refusals.add(
            path,
            "this key belongs to weights `capability`; expected it there only",
        );
        return None;
    }
    names::tags(&service.tags, &path, refusals)
}

/// Checks whom to ask.
pub(super) fn agent_check(
    check: &document::AgentCheck,
    at: &KeyPath,
    refusals: &mut Refusals,
) -> Option<AgentCheck> {
    let port = refusals.number(at.key("port"), check.port);
    let interval = refusals.number(at.key("interval"), check.interval);
    Some(AgentCheck {
        port: port?,
        interval_seconds: interval?,
    })
}

/// Reads the address of a backend's agent. `is_asked`: whether the service asks agents at all.
pub(super) fn agent_address(text: &str, is_asked: bool) -> Result<IpAddr, String> {
    if !is_asked {
        return Err(
            "this key belongs to a service with `agent_check`; expected it there only".to_owned(),
        );
    }
    let address: IpAddr = text.parse().map_err(|_| {
        format!(
            "`{}` is no address; expected one of IPv4 or IPv6, without a length",
            printable(text)
        )
    })?;
    match special(address).filter(|_| !address.is_loopback()) {
        Some(kind) => Err(format!(
            "{address} is {kind}; expected the unicast address of a host"
        )),
        None => Ok(address),
    }
}
