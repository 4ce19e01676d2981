//! Says of a build that failed which key of the document asked for too much.
//!
//! No counterpart in the patent. Such a document is right in itself; another box, or this one later, could take it.
//! Easy to get wrong: services and backends of a `Config` stand where the document has them, so that a
//! position in one is a position in the other.

use std::net::IpAddr;

use super::super::locate::{self, KeyPath};
use super::super::refusal::Refusal;
use super::super::{Config, Service};
use super::BuildError;

impl BuildError {
    /// The refusal of a document: `config` is what it means, `text` its text.
    #[must_use]
    pub fn refusal(&self, config: &Config, text: &str) -> Refusal {
        let path = self.path(config).unwrap_or_default();
        Refusal {
            line: locate::line_of(text, &path).unwrap_or(1),
            path: path.to_string(),
            message: self.to_string(),
        }
    }

    fn path(&self, config: &Config) -> Option<KeyPath> {
        match self {
            Self::Slots { service, .. } => Some(service_called(config, service)?.0),
            Self::Scheduler { service, .. } => {
                Some(service_called(config, service)?.0.key("backends"))
            }
            Self::NoRoute {
                service, backend, ..
            } => {
                let (at, service) = service_called(config, service)?;
                let position = service.backends.iter().position(|b| b.name == *backend)?;
                Some(at.key("backends").index(position).key("address"))
            }
            Self::NeighborTable { address } => who_needs(config, *address),
        }
    }
}

fn service_called<'c>(config: &'c Config, name: &str) -> Option<(KeyPath, &'c Service)> {
    let mut services = config.services.iter().enumerate();
    let (position, service) = services.find(|(_, service)| service.name == name)?;
    Some((KeyPath::default().key("services").index(position), service))
}

/// The first key that names this address, in the order of a build.
fn who_needs(config: &Config, address: IpAddr) -> Option<KeyPath> {
    let root = KeyPath::default();
    let mut neighbors = config.neighbors.iter();
    if let Some(position) = neighbors.position(|neighbor| neighbor.address == address) {
        return Some(root.key("neighbors").index(position).key("address"));
    }
    if let Some(position) = config.routes.iter().position(|route| route.via == address) {
        return Some(root.key("routes").index(position).key("via"));
    }
    for (position, service) in config.services.iter().enumerate() {
        if let Some(backend) = service.backends.iter().position(|b| b.address == address) {
            let service = root.key("services").index(position);
            return Some(service.key("backends").index(backend).key("address"));
        }
    }
    None
}
