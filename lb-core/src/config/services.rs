//! Checks services.
//!
//! WO 00/30294: the valid service entries of configuration table 64 (step 206).
//! Not here: their backends (`backends`), which backend takes a flow (`scheduler`), slots that outlive a document.
//! Easy to get wrong: one VIP may carry many services; only address, port and protocol together must
//! be a service's own.

use std::collections::HashMap;
use std::net::IpAddr;

use super::address::host;
use super::agents;
use super::backends::{self, Vips};
use super::document;
use super::health::Checking;
use super::later;
use super::locate::KeyPath;
use super::model::{Forwarding, OnMiss, Service, Timeouts};
use super::names::unique_name;
use super::network::Network;
use super::refusal::Refusals;
use crate::flow::Protocol;
use crate::scheduler::{MOST_BACKENDS, SchedulerKind, Settings, is_table_size};

/// What has been seen in earlier services, with its position.
#[derive(Default)]
struct Seen {
    names: HashMap<String, usize>,
    endpoints: HashMap<(IpAddr, u16, Protocol), usize>,
}

/// Checks all services and their backends.
pub(super) fn check(
    services: &[document::Service],
    network: &Network,
    refusals: &mut Refusals,
) -> Vec<Service> {
    let mut vips = Vips::new();
    for service in services {
        if let Ok(address) = service.address.parse() {
            vips.entry(address).or_insert(&service.name);
        }
    }
    let at = KeyPath::default().key("services");
    let mut seen = Seen::default();
    let mut checked = Vec::with_capacity(services.len());
    for (position, service) in services.iter().enumerate() {
        let at = at.index(position);
        checked.extend(check_service(
            service,
            &at,
            position,
            (network, &vips),
            &mut seen,
            refusals,
        ));
    }
    checked
}

/// Checks one service; every key of it is looked at, whatever the others hold.
fn check_service(
    service: &document::Service,
    at: &KeyPath,
    position: usize,
    (network, vips): (&Network, &Vips<'_>),
    seen: &mut Seen,
    refusals: &mut Refusals,
) -> Option<Service> {
    let protocol = match service.protocol {
        document::Protocol::Tcp => Protocol::Tcp,
        document::Protocol::Udp => Protocol::Udp,
    };
    let name = unique_name(&service.name, position, "services", &mut seen.names);
    let name = refusals.keep(at.key("name"), name);
    let port = refusals.number(at.key("port"), service.port);
    let address = vip(&service.address, network)
        .and_then(|address| seen.endpoint(address, port, protocol, position));
    let address = refusals.keep(at.key("address"), address);
    let forwarding = refusals.keep(at.key("forwarding"), forwarding(service.forwarding));
    let tags = agents::tags(service, at, refusals);
    let agent_check = match &service.agent_check {
        Some(check) => agents::agent_check(check, &at.key("agent_check"), refusals).map(Some),
        None => Some(None),
    };
    let health = match &service.health {
        Some(health) => Checking::of(health, &at.key("health"), refusals).map(Some),
        None => Some(None),
    };
    let slow_start = refusals.number(at.key("slow_start"), service.slow_start);
    let panic = refusals.decimal(at.key("panic"), service.panic);
    for (key, value) in [("slow_start", slow_start), ("panic", panic)] {
        if service.health.is_none() && value.is_some_and(|value| value > 0) {
            refusals.add(
                at.key(key),
                "this key belongs to a service with `health`; expected it there only",
            );
        }
    }
    let maglev_table_size = maglev_table_size(service, at, refusals);
    let timeouts = timeouts(&service.timeouts, &at.key("timeouts"), refusals);
    let max_connections = match service.max_connections {
        Some(limit) => refusals.number(at.key("max_connections"), limit).map(Some),
        None => Some(None),
    };
    if service.backends.len() > MOST_BACKENDS {
        let message = format!(
            "{} backends are too many; expected at most {MOST_BACKENDS}",
            service.backends.len()
        );
        refusals.add(at.key("backends"), message);
    }
    let front = backends::Front {
        address,
        port,
        forwarding,
        asks_agents: service.agent_check.is_some(),
        has_health: service.health.is_some(),
        checking: health.as_ref().and_then(Option::as_ref),
        network,
        vips,
    };
    let backends = backends::check(&service.backends, &at.key("backends"), &front, refusals);
    health?;
    Some(Service {
        name: name?,
        address: address?,
        port: port?,
        protocol,
        forwarding: forwarding?,
        scheduler: scheduler(service.scheduler),
        maglev_table_size: maglev_table_size?,
        algorithm: agents::algorithm(service.weights),
        tags: tags?,
        agent_check: agent_check?,
        on_down: service.on_down,
        slow_start_seconds: slow_start?,
        panic_permille: panic?,
        all_down: service.all_down,
        on_miss: on_miss(service.on_miss),
        timeouts: timeouts?,
        max_connections: max_connections?,
        backends,
    })
}

impl Seen {
    /// Refuses address, port and protocol of an earlier service.
    fn endpoint(
        &mut self,
        address: IpAddr,
        port: Option<u16>,
        protocol: Protocol,
        position: usize,
    ) -> Result<IpAddr, String> {
        let Some(port) = port else { return Ok(address) };
        match self.endpoints.insert((address, port, protocol), position) {
            Some(first) => Err(format!(
                "services[{first}] has this address, port and protocol already; expected a combination of its own"
            )),
            None => Ok(address),
        }
    }
}

fn vip(text: &str, network: &Network) -> Result<IpAddr, String> {
    let address = host(text)?;
    network.host_on_network(address)?;
    Ok(address)
}

fn forwarding(value: document::Forwarding) -> Result<Forwarding, String> {
    match later::forwarding(value) {
        Some(name) => Err(format!("`{name}` is not built yet; use `direct` or `nat`")),
        None if value == document::Forwarding::Direct => Ok(Forwarding::Direct),
        None => Ok(Forwarding::Nat),
    }
}

const fn scheduler(value: document::Scheduler) -> SchedulerKind {
    match value {
        document::Scheduler::RoundRobin => SchedulerKind::RoundRobin,
        document::Scheduler::WeightedRoundRobin => SchedulerKind::WeightedRoundRobin,
        document::Scheduler::LeastConnections => SchedulerKind::LeastConnections,
        document::Scheduler::SourceHash => SchedulerKind::SourceHash,
        document::Scheduler::Maglev => SchedulerKind::Maglev,
    }
}

const fn on_miss(value: document::OnMiss) -> OnMiss {
    match value {
        document::OnMiss::Reset => OnMiss::Reset,
        document::OnMiss::Drop => OnMiss::Drop,
        document::OnMiss::Hash => OnMiss::Hash,
    }
}

/// Checks the size of the Maglev table, and that every backend finds a slot in it.
fn maglev_table_size(
    service: &document::Service,
    at: &KeyPath,
    refusals: &mut Refusals,
) -> Option<u32> {
    let is_maglev = service.scheduler == document::Scheduler::Maglev;
    let backends = service.backends.len();
    let path = at.key("maglev_table_size");
    let size = match service.maglev_table_size {
        Some(_) if !is_maglev => {
            refusals.add(
                path,
                "this key belongs to the scheduler `maglev`; expected it there only",
            );
            return None;
        }
        Some(size) => refusals.number(path.clone(), size)?,
        None => Settings::DEFAULT_TABLE_SIZE,
    };
    if !is_table_size(size) {
        let next = (size..).find(|&candidate| is_table_size(candidate));
        let next = next.unwrap_or(Settings::DEFAULT_TABLE_SIZE);
        refusals.add(
            path,
            format!("{size} is no prime number; expected one, and {next} is the next"),
        );
        return None;
    }
    if is_maglev && usize::try_from(size).is_ok_and(|size| backends > size) {
        refusals.add(
            path,
            format!("a table of {size} slots cannot hold {backends} backends; expected a larger prime number"),
        );
        return None;
    }
    Some(size)
}

fn timeouts(
    timeouts: &document::Timeouts,
    at: &KeyPath,
    refusals: &mut Refusals,
) -> Option<Timeouts> {
    let established = refusals.number(at.key("established"), timeouts.established);
    let half_open = refusals.number(at.key("half_open"), timeouts.half_open);
    let closing = refusals.number(at.key("closing"), timeouts.closing);
    let udp = refusals.number(at.key("udp"), timeouts.udp);
    Some(Timeouts {
        established: established?,
        half_open: half_open?,
        closing: closing?,
        udp: udp?,
    })
}
