//! One backend of a service under the resource manager.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a backend that is new here may have an old agent, or the agent of the server that had its
//! name before. Only reports that come from now on count for it.

use lb_core::config::{Backend, BackendState};
use lb_core::id::BackendSlot;
use lb_core::master::BackendInput;

use super::agents::{Agent, AgentIndex, Agents};
use super::check::Standing;

/// A backend of the service.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) backend: Backend,
    pub(super) identity: Identity,
    agent: Option<AgentIndex>,
    /// Reports of its agent that came before it did.
    ignored: u64,
    pub(super) standing: Standing,
    /// What it had in the last step.
    pub(super) weight: Option<u32>,
}

/// What makes a backend the same one for the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The slot that connections know it by.
    Given(BackendSlot),
    /// A number of our own, where nobody hands out slots.
    Own(u32),
}

impl Place {
    /// The backend as it is configured now, with what is known of `earlier`, which has the same name.
    pub(super) fn new(
        backend: &Backend,
        identity: Identity,
        earlier: Option<Self>,
        agents: &Agents,
    ) -> Self {
        let agent = agents.find(&backend.name);
        let backend = backend.clone();
        if let Some(mut same) = earlier.filter(|earlier| earlier.is(&backend, identity)) {
            (same.backend, same.agent) = (backend, agent);
            return same;
        }
        let heard = agent.and_then(|agent| agents.at(agent));
        Self {
            backend,
            identity,
            agent,
            ignored: heard.map_or(0, |agent| agent.smoothed.count),
            standing: Standing::default(),
            weight: None,
        }
    }

    fn is(&self, backend: &Backend, identity: Identity) -> bool {
        match identity {
            Identity::Given(_) => self.identity == identity,
            Identity::Own(_) => {
                matches!(self.identity, Identity::Own(_))
                    && (self.backend.address, self.backend.port) == (backend.address, backend.port)
            }
        }
    }

    /// Whether a backend may have new flows by its configuration.
    pub(super) fn wants_flows(backend: &Backend) -> bool {
        backend.state == BackendState::Enabled && backend.weight > 0
    }

    /// Whether it may have new flows, by configuration and by what its agent says.
    pub(super) fn has_flows(&self) -> bool {
        Self::wants_flows(&self.backend) && self.standing.lets_flows_in()
    }

    pub(super) const fn slot(&self) -> BackendSlot {
        match self.identity {
            Identity::Given(slot) => slot,
            Identity::Own(number) => BackendSlot(number),
        }
    }

    /// Its agent, if that was heard since the backend came.
    pub(super) fn heard<'a>(&self, agents: &'a Agents) -> Option<&'a Agent> {
        let agent = agents.at(self.agent?);
        agent.filter(|agent| agent.smoothed.count > self.ignored)
    }

    /// What the master is told.
    pub(super) fn input<'a>(&'a self, agents: &'a Agents, now: f64) -> BackendInput<'a> {
        let agent = self.heard(agents);
        let age = agent.and_then(|agent| agent.age(now));
        BackendInput {
            slot: self.slot(),
            base_weight: self.backend.weight,
            tags: &self.backend.tags,
            report: agent.map(|agent| &agent.smoothed),
            age_seconds: age.unwrap_or(f64::INFINITY),
            is_enabled: self.has_flows(),
        }
    }
}
