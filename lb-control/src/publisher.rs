//! Publisher: turns a checked configuration into a distribution and flips the buffers.
//!
//! WO 00/30294: the writing side of configuration table 64 (buffers A and B, claims 4 and 24).
//! Not here: reading and checking a document (`lb_core::config`), who may change it and when (`control`), what lcores
//! do with it.
//! Easy to get wrong: what a new distribution needs of the neighbor table must be there *before* the flip,
//! and what only the old one needed may go only *after* it. And a build begins only when every lcore has left the
//! generation before: until then one of them may still give a connection to a slot that looks idle.

use std::sync::Arc;

use lb_core::config::distribution::BuildError;
use lb_core::config::registry::Registry;
use lb_core::config::{Config, Distribution, KernelNetwork, Prefix, Surroundings};
use lb_core::filter::{Tables, can_forget_ways, forget_ways};
use lb_core::flow::HashSeed;
use lb_core::id::PortId;
use lb_core::route::neighbor::Now;
use lb_core::shared::{NotYet, Published, Writer};
use lb_core::wire::MacAddr;
use parking_lot::{Mutex, MutexGuard};

/// The one who publishes distributions.
pub struct Publisher {
    writer: Writer<Distribution>,
    registry: Mutex<Registry>,
    tables: Arc<Tables>,
    ports: Vec<(PortId, MacAddr)>,
    mtus: Vec<(PortId, u32)>,
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
            registry: Mutex::new(registry),
            tables,
            ports,
            mtus: Vec::new(),
            seed,
        }
    }

    /// The same with the MTU of those ports that have one, in octets. What the kernel says of a port goes before.
    #[must_use]
    pub fn with_mtus(self, mtus: Vec<(PortId, u32)>) -> Self {
        Self { mtus, ..self }
    }

    /// Whether every lcore has left the generation before the current one: a build may begin, and what it makes
    /// can be published.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.writer.is_spare_free()
    }

    /// Builds the next distribution, of a document and of the kernel's view of the network where that is followed.
    /// Nothing that lcores see changes. What is not published must be [abandoned](Self::abandon).
    ///
    /// # Errors
    /// What the configuration needs and this box does not have; the build is abandoned already.
    pub fn build(
        &self,
        config: &Config,
        kernel: Option<&KernelNetwork>,
        now: Now,
    ) -> Result<Distribution, BuildError> {
        let current = self.current();
        let live = self.tables.v4.live();
        let around = Surroundings {
            ports: &self.ports,
            mtus: &self.mtus,
            kernel,
            seed: self.seed,
            neighbors: &self.tables.neighbors,
            now,
            is_idle: &|slot| live.backend(slot) == 0 && current.backend(slot).is_none(),
            is_idle_service: &|slot| live.service(slot) == 0 && current.service(slot).is_none(),
        };
        Distribution::build(config, &around, &mut self.registry.lock(), current)
            .inspect_err(|_| current.settle_neighbors(&self.tables.neighbors))
    }

    /// Builds the next distribution where nothing differs but weights, in the services at the positions `changed`.
    /// It needs not be abandoned.
    ///
    /// # Errors
    /// Where a scheduler's limits do not suffice.
    pub fn reweigh(&self, config: &Config, changed: &[usize]) -> Result<Distribution, BuildError> {
        self.current().reweighed(config, self.seed, changed)
    }

    /// Lets next hops that connections have noted stay good where they can; answers for which destinations they cannot,
    /// which [`forget_ways`](Self::forget_ways) is told when the distribution has been published and every lcore works
    /// by it.
    pub fn keep_ways(&self, next: &mut Distribution) -> Vec<Prefix> {
        let kept = can_forget_ways(&self.tables).then(|| next.keep_ways(self.current()));
        kept.flatten().unwrap_or_default()
    }

    /// Has connections with clients at these destinations look up their way anew.
    pub fn forget_ways(&self, destinations: &[Prefix]) {
        forget_ways(&self.tables, destinations);
    }

    /// Undoes what the last build has taken of slots and neighbor rows, if it was not published.
    pub fn abandon(&self) {
        self.registry.lock().undo();
        self.current().settle_neighbors(&self.tables.neighbors);
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
        let generation = distribution.generation;
        // Both look at every row of the neighbor table, and weights flip often.
        let keeps_neighbors = distribution.has_neighbors_of(self.current());
        if !keeps_neighbors && self.is_ready() {
            distribution.enter_neighbors(&self.tables.neighbors);
        }
        self.writer.try_publish(distribution)?;
        self.registry.lock().keep();
        if !keeps_neighbors {
            self.current().settle_neighbors(&self.tables.neighbors);
        }
        Ok(generation)
    }

    /// What is published now.
    #[must_use]
    pub fn current(&self) -> &Distribution {
        self.writer.current()
    }

    /// The same with the buffer that it lies in.
    #[must_use]
    pub fn published(&self) -> &Published<Distribution> {
        self.writer.current()
    }

    /// Who has which slot. While somebody holds it no build can begin.
    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock()
    }

    /// The tables that lcores share.
    #[must_use]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }
}
