//! Whom to ask: the agents that a configuration names.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a backend's agent may be elsewhere (`agent_address`), and then often is one for many.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lb_core::config::{BackendState, Service};

/// A backend that has an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Service's name.
    pub service: Arc<str>,
    /// Backend's name in it.
    pub backend: Arc<str>,
    /// Where the agent listens.
    pub address: SocketAddr,
    /// Time between two questions, above 0. Of several for one address the shortest counts.
    pub interval: Duration,
}

impl Target {
    /// All backends of `services` whose service has an agent-check, except disabled ones.
    #[must_use]
    pub fn of(services: &[Service]) -> Arc<[Self]> {
        let mut targets = Vec::new();
        for service in services {
            let Some(check) = service.agent_check else {
                continue;
            };
            let name: Arc<str> = service.name.as_str().into();
            for backend in &service.backends {
                if backend.state == BackendState::Disabled {
                    continue;
                }
                let address = backend.agent_address.unwrap_or(backend.address);
                targets.push(Self {
                    service: name.clone(),
                    backend: backend.name.as_str().into(),
                    address: SocketAddr::new(address, check.port),
                    interval: Duration::from_secs(u64::from(check.interval_seconds)),
                });
            }
        }
        targets.into()
    }
}
