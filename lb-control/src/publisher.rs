//! Publisher: turns a checked configuration into a distribution and flips the buffers.
//!
//! WO 00/30294: the writing side of configuration table 64 (buffers A and B, claims 4 and 24).
//! Not here: reading and checking a document (`lb_core::config`), what lcores do with it.
//! Easy to get wrong: what a new distribution needs of the neighbor table must be there *before* the flip,
//! and what only the old one needed may go only *after* it.

use std::sync::Arc;

use lb_core::config::distribution::BuildError;
use lb_core::config::registry::Registry;
use lb_core::config::{Config, Distribution, Surroundings};
use lb_core::filter::Tables;
use lb_core::flow::HashSeed;
use lb_core::id::PortId;
use lb_core::route::neighbor::Now;
use lb_core::shared::{NotYet, Writer};
use lb_core::wire::MacAddr;

/// The one who publishes distributions.
pub struct Publisher {
    writer: Writer<Distribution>,
    registry: Registry,
    tables: Arc<Tables>,
    ports: Vec<(PortId, MacAddr)>,
    seed: HashSeed,
}

impl Publisher {
    /// A publisher over the writing end of the configuration table. `seed` serves where the configuration
    /// names none; `registry` carries the slots that connections in the tables already use.
    #[must_use]
    pub fn new(
        writer: Writer<Distribution>,
        registry: Registry,
        tables: Arc<Tables>,
        ports: Vec<(PortId, MacAddr)>,
        seed: HashSeed,
    ) -> Self {
        Self {
            writer,
            registry,
            tables,
            ports,
            seed,
        }
    }

    /// Builds the next distribution. Nothing that lcores see changes.
    ///
    /// # Errors
    /// What the configuration needs and this box does not have.
    pub fn build(&mut self, config: &Config, now: Now) -> Result<Distribution, BuildError> {
        let current = self.writer.current();
        let live = self.tables.v4.live();
        let around = Surroundings {
            ports: &self.ports,
            seed: self.seed,
            neighbors: &self.tables.neighbors,
            now,
            is_idle: &|slot| live.backend(slot) == 0 && current.backend(slot).is_none(),
        };
        Distribution::build(config, &around, &mut self.registry, current)
            .inspect_err(|_| current.settle_neighbors(&self.tables.neighbors))
    }

    /// Flips to a distribution that was built last; its generation.
    ///
    /// # Errors
    /// The distribution, while some lcore may still read the spare buffer; it may be published a moment later.
    #[expect(
        clippy::result_large_err,
        reason = "the distribution goes back to its maker, once per generation at most"
    )]
    pub fn publish(&mut self, distribution: Distribution) -> Result<u64, NotYet<Distribution>> {
        distribution.enter_neighbors(&self.tables.neighbors);
        let generation = self.writer.try_publish(distribution)?;
        self.writer
            .current()
            .settle_neighbors(&self.tables.neighbors);
        Ok(generation)
    }

    /// What is published now.
    #[must_use]
    pub fn current(&self) -> &Distribution {
        self.writer.current()
    }

    /// Who has which slot.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}
