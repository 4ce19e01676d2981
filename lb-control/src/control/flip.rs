//! Flips: weights that move, the kernel's network that changes, and the wait for lcores before anything is built.
//!
//! WO 00/30294: from master module 54 and routing daemon 58 to the index of configuration table 64.
//! Not here: what one flip takes in and what has to wait (`desired::weights`).
//! Easy to get wrong: what is compared with the wanted weights is what was published, not what was meant to be: whatever
//! went wrong before, the next call sees it.

use std::sync::Arc;
use std::time::Duration;

use lb_core::config::{Distribution, KernelNetwork};
use parking_lot::RwLockReadGuard;

use super::{Control, State, since_1970};
use crate::desired::{Busy, ServiceWeights, weights};

/// Between two looks whether every lcore has left the generation before.
const TRY_AGAIN: Duration = Duration::from_micros(50);

/// Looks before a change gives up: 100 ms.
const TRIES: u32 = 2000;

impl Control {
    /// Makes these the weights in force, with one flip for all, or none where nothing has changed; answers the
    /// generation.
    ///
    /// Services that are not named go back to their configured weights, those that are `static` and ask no agents have
    /// them anyway, and names that are not configured are passed over. One flip may only do so much
    /// ([`weights::PLACES_PER_FLIP`]); who has to wait for it has his turn with the next calls.
    ///
    /// # Errors
    /// [`Busy`]; nothing was changed.
    pub fn set_weights(&self, wanted: &[ServiceWeights]) -> Result<u64, Busy> {
        let mut changes = self.changes.lock();
        let changes = &mut *changes;
        let (step, next) = {
            let state = self.state.read();
            let published = state.publisher.current();
            let step = weights::step(
                &state.current.config,
                &changes.in_force,
                published,
                wanted,
                changes.first,
            );
            if step.now.is_empty() {
                let generation = published.generation;
                let had_to_wait = state.weights_waiting > 0;
                drop(state);
                if had_to_wait {
                    self.state.write().weights_waiting = 0;
                }
                return Ok(generation);
            }
            drop(state);
            let state = self.wait_until_ready()?;
            for (at, weights) in &step.now {
                if let Some(service) = changes.in_force.services.get_mut(*at) {
                    for (backend, weight) in service.backends.iter_mut().zip(weights) {
                        backend.weight = *weight;
                    }
                    // Who weighs nothing now may need a backup in his place.
                    changes.verdicts.fit(service);
                }
            }
            let changed: Vec<usize> = step.now.iter().map(|(at, _)| *at).collect();
            let next = state.publisher.reweigh(&changes.in_force, &changed);
            // Fewer backends with a weight than the document has been checked for: no limit can be passed.
            (step, next.map_err(|_| Busy)?)
        };
        let generation = self.flip(next, |state| state.weights_waiting = step.waiting)?;
        changes.first = step.next;
        Ok(generation)
    }

    /// Puts the kernel's view of the network in force beside the document, with one flip, or none where it is the one in
    /// force already; answers the generation.
    ///
    /// Whatever comes later, documents and weights, is built with the latest. Backends that no route leads to any more
    /// take no new flows until one does.
    ///
    /// # Errors
    /// [`Busy`]; it is to be tried again: nothing was changed, or not all connections know of it.
    pub fn set_network(&self, network: Arc<KernelNetwork>) -> Result<u64, Busy> {
        let mut changes = self.changes.lock();
        let changes = &mut *changes;
        if self.state.read().network.as_ref() != Some(&network) {
            let next = {
                let state = self.wait_until_ready()?;
                let publisher = &state.publisher;
                let built = publisher.build(&changes.in_force, Some(&network), (self.now)());
                // The document was taken once, and what is unreachable is no reason to refuse it.
                let mut next = built.map_err(|_| Busy)?;
                changes.moved.extend(publisher.keep_ways(&mut next));
                next
            };
            self.flip(next, |state| state.network = Some(network))?;
        }
        if !changes.moved.is_empty() {
            // No lcore works by the routes of before any more.
            let state = self.wait_until_ready()?;
            state.publisher.forget_ways(&changes.moved);
            drop(state);
            changes.moved.clear();
        }
        Ok(self.state.read().publisher.current().generation)
    }

    /// The state, once what is built from it can be published.
    pub(super) fn wait_until_ready(&self) -> Result<RwLockReadGuard<'_, State>, Busy> {
        for _ in 0..TRIES {
            let state = self.state.read();
            if state.publisher.is_ready() {
                return Ok(state);
            }
            drop(state);
            std::thread::sleep(TRY_AGAIN);
        }
        Err(Busy)
    }

    /// Flips to a distribution, and changes with it what `enter` changes; the generation.
    pub(super) fn flip(
        &self,
        next: Distribution,
        enter: impl FnOnce(&mut State),
    ) -> Result<u64, Busy> {
        let mut state = self.state.write();
        // Whoever has waited until ready is not refused: nobody else flips.
        let Ok(generation) = state.publisher.publish(next) else {
            state.publisher.abandon();
            return Err(Busy);
        };
        state.flips += 1;
        state.flipped_at = since_1970().as_secs_f64();
        enter(&mut state);
        Ok(generation)
    }
}
