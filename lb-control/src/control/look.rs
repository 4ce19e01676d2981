//! A look at what is in force: document, distribution and figures of one moment.
//!
//! No counterpart in the patent.
//! Easy to get wrong: configured weights stand in the document's `config`, the weights in force in the distribution.

use std::sync::Arc;

use lb_core::config::{Distribution, KernelNetwork, NetworkInForce, ServiceView};
use lb_core::filter::Tables;
use lb_core::id::BackendSlot;
use lb_core::shared::Buffer;

use super::State;
use crate::desired::Current;
use crate::health::fitness::Outlook;

/// What is in force at one moment.
pub struct Look<'a> {
    /// The document.
    pub revision: &'a Arc<Current>,
    /// The kernel's view of the network beside it; `None` where there is no exception path.
    pub network: Option<&'a Arc<KernelNetwork>>,
    /// What packets meet. Its services stand in the document's order, and so do the backends of each, without those
    /// that are disabled.
    pub distribution: &'a Distribution,
    /// The distribution's number, from 1.
    pub generation: u64,
    /// The buffer that it lies in.
    pub buffer: Buffer,
    /// When it was flipped to, in seconds since 1970.
    pub flipped_at: f64,
    /// Flips since the program started.
    pub flips: u64,
    /// Changes that were refused since the program started.
    pub refusals: u64,
    /// Services whose wanted weights were too much work for the last flip of weights; the next ones take them.
    pub weights_waiting: usize,
    /// How services stand by their health, in the order of the document.
    pub outlooks: &'a Arc<[Outlook]>,
    /// The tables that lcores share.
    pub tables: &'a Tables,
}

impl<'a> Look<'a> {
    pub(super) fn of(state: &'a State, refusals: u64) -> Self {
        let published = state.publisher.published();
        Self {
            revision: &state.current,
            network: state.network.as_ref(),
            distribution: published,
            generation: published.generation,
            buffer: published.buffer(),
            flipped_at: state.flipped_at,
            flips: state.flips,
            refusals,
            weights_waiting: state.weights_waiting,
            outlooks: &state.outlooks,
            tables: state.publisher.tables(),
        }
    }

    /// Addresses, routes and neighbors in force: the document's and the kernel's.
    #[must_use]
    pub fn network_in_force(&self) -> NetworkInForce<'a> {
        NetworkInForce::new(
            &self.revision.config,
            self.network.map(|network| &**network),
        )
    }

    /// A service by its name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&'a ServiceView> {
        let (at, _) = self.revision.service(name)?;
        self.distribution.services().get(at)
    }

    /// The slot of a backend; `None` where it is unknown or disabled.
    #[must_use]
    pub fn backend_slot(&self, service: &str, backend: &str) -> Option<BackendSlot> {
        let (at, _) = self.revision.service(service)?;
        let position = self.revision.present(at, backend)?;
        let slots = &self.distribution.services().get(at)?.backends;
        slots.get(position).copied()
    }

    /// The weight in force of a backend; `None` where it is unknown or disabled.
    #[must_use]
    pub fn weight(&self, service: &str, backend: &str) -> Option<u32> {
        let slot = self.backend_slot(service, backend)?;
        Some(self.distribution.weight(slot))
    }
}
