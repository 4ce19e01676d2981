//! Makes schedulers of weights, and generations that differ in nothing else.
//!
//! WO 00/30294: the way of master module 54's weights into configuration table 64. Weights move every second, the
//! document now and then: a generation of moved weights shares everything but schedulers and weights with the one before.
//! Not here: how one flow picks a backend (`scheduler`), and who wants which weight (`master`).
//! Easy to get wrong: an exact cycle of `weighted-round-robin` has a place for every unit of weight. Weights of the
//! master are rarely round, so that the cycle would be the longest there is, every second, for every service.

use std::sync::Arc;

use super::super::{Backend, BackendState, Config, OnDown, Service};
use super::{BackendView, BuildError, Distribution, ServiceView};
use crate::flow::HashSeed;
use crate::id::BackendSlot;
use crate::scheduler::{self, Candidate, LONGEST_CYCLE, Scheduler, SchedulerKind};

/// Places of a cycle whose weights move, for few backends: one backend's share is off by 1 in 4096 of the whole at most.
const MOVING_CYCLE: usize = 2048;

/// Places per backend of such a cycle, for many backends: a backend of average weight is off by 1.6 % of its share.
const MOVING_CYCLE_PER_BACKEND: usize = 32;

impl Distribution {
    /// The next generation, with other weights: `config` differs from what this one was built from in weights
    /// only, and those in the services at positions `changed` only. `seed` serves where `config` names none.
    ///
    /// Takes no slot and no neighbor row, so there is nothing to undo if it is never published.
    ///
    /// # Errors
    /// Where a scheduler's limits do not suffice.
    pub fn reweighed(
        &self,
        config: &Config,
        seed: HashSeed,
        changed: &[usize],
    ) -> Result<Self, BuildError> {
        let mut next = self.clone();
        next.generation += 1;
        let seed = config.hash_seed.unwrap_or(seed);
        for &at in changed {
            let (Some(service), Some(view)) = (config.services.get(at), next.services.get_mut(at))
            else {
                continue;
            };
            let backends = service.present_backends().zip(&view.backends);
            let weights = backends.map(|(backend, &slot)| {
                let known = next.backends.get(slot.0 as usize);
                let known = known.and_then(Option::as_ref);
                known.map_or(0, |known| known.weight(backend))
            });
            let weights: Vec<u32> = weights.collect();
            let (scheduler, made_of) =
                scheduler_for(service, seed, &view.backends, &weights, Some(view))?;
            view.scheduler = scheduler;
            view.made_of = made_of;
            let backends = service.present_backends().zip(&view.backends);
            for (new, (backend, slot)) in weights.into_iter().zip(backends) {
                if let Some(weight) = next.weights.get_mut(slot.0 as usize) {
                    *weight = new;
                }
                next.leaving.set(*slot, backend.leaves());
            }
        }
        Ok(next)
    }
}

impl Service {
    /// Backends that are not disabled, in their order.
    pub fn present_backends(&self) -> impl Iterator<Item = &Backend> {
        let backends = self.backends.iter();
        backends.filter(|backend| backend.state != BackendState::Disabled)
    }

    /// Places that a change of weights lays out anew: what it costs to build the service's scheduler.
    #[must_use]
    pub fn places(&self) -> usize {
        match self.scheduler {
            SchedulerKind::Maglev | SchedulerKind::SourceHash => self.maglev_table_size as usize,
            SchedulerKind::WeightedRoundRobin if self.has_moving_weights() => {
                moving_cycle(self.backends.len())
            }
            SchedulerKind::WeightedRoundRobin => LONGEST_CYCLE as usize,
            SchedulerKind::RoundRobin | SchedulerKind::LeastConnections => self.backends.len(),
        }
    }
}

impl Backend {
    /// The weight that counts: scaled by its fitness, and 0 unless enabled.
    #[must_use]
    pub fn weight_in_force(&self) -> u32 {
        self.fitness.scale(self.wanted_weight())
    }

    /// The weight that it would have if it were fit: 0 unless enabled.
    #[must_use]
    pub fn wanted_weight(&self) -> u32 {
        match self.state {
            BackendState::Enabled => self.weight,
            BackendState::Draining | BackendState::Disabled => 0,
        }
    }

    /// What its flows do, where it is down. Nobody leaves a backend that may get new flows: they would come back.
    #[must_use]
    pub fn leaves(&self) -> Option<OnDown> {
        self.fitness.leaves.filter(|_| self.weight_in_force() == 0)
    }
}

impl BackendView {
    /// The weight that counts, of the backend that this one was made from: 0 while no route leads there.
    pub(super) fn weight(&self, backend: &Backend) -> u32 {
        if self.is_reachable() {
            backend.weight_in_force()
        } else {
            0
        }
    }
}

fn moving_cycle(backends: usize) -> usize {
    (backends * MOVING_CYCLE_PER_BACKEND).clamp(MOVING_CYCLE, LONGEST_CYCLE as usize)
}

/// The scheduler of a service, whose present backends have these slots and weights, and the digest of what it was built from. The previous generation's serves on
/// where nothing has changed: a Maglev table takes a millisecond or two, and there may be a thousand.
pub(super) fn scheduler_for(
    service: &Service,
    seed: HashSeed,
    slots: &[BackendSlot],
    weights: &[u32],
    previous: Option<&ServiceView>,
) -> Result<(Arc<Scheduler>, u64), BuildError> {
    // A weight of 1 has no tenth: while somebody is on his way up, all count in thousandths.
    let is_ramping = service.present_backends().any(|b| b.fitness.is_partial());
    let scaled = |backend: &Backend, weight: u32| match weight {
        1.. if is_ramping => backend.wanted_weight() * u32::from(backend.fitness.permille),
        _ => weight,
    };
    let mut candidates: Vec<_> = service
        .present_backends()
        .zip(slots.iter().zip(weights))
        .map(|(backend, (&slot, &weight))| Candidate {
            slot,
            name: &backend.name,
            weight: scaled(backend, weight),
        })
        .collect();
    let is_moving = is_ramping || service.has_moving_weights();
    if is_moving && service.scheduler == SchedulerKind::WeightedRoundRobin {
        shorten(&mut candidates, moving_cycle(service.backends.len()));
    }
    let made_of = digest(service, seed, &candidates);
    if let Some(same) = previous.filter(|view| view.made_of == made_of) {
        return Ok((Arc::clone(&same.scheduler), made_of));
    }
    let settings = scheduler::Settings {
        seed,
        maglev_table_size: service.maglev_table_size,
    };
    let scheduler =
        Scheduler::build(service.scheduler, &candidates, &settings).map_err(|source| {
            BuildError::Scheduler {
                service: service.name.clone(),
                source,
            }
        })?;
    Ok((Arc::new(scheduler), made_of))
}

fn digest(service: &Service, seed: HashSeed, candidates: &[Candidate<'_>]) -> u64 {
    let mut octets = seed.0.to_vec();
    octets.extend(service.scheduler.name().bytes());
    octets.extend(service.maglev_table_size.to_be_bytes());
    for candidate in candidates {
        octets.extend(candidate.slot.0.to_be_bytes());
        octets.extend(candidate.weight.to_be_bytes());
        octets.extend(candidate.name.bytes());
        octets.push(0);
    }
    HashSeed::default().octets(b'D', &octets)
}

/// Scales weights so that they come to about `places` in all, where they come to more; nobody's goes to 0.
fn shorten(candidates: &mut [Candidate<'_>], places: usize) {
    let total: u64 = candidates.iter().map(|c| u64::from(c.weight)).sum();
    let places = places as u64;
    if total <= places {
        return;
    }
    for candidate in candidates.iter_mut().filter(|c| c.weight > 0) {
        let scaled = (u64::from(candidate.weight) * places + total / 2) / total;
        candidate.weight = u32::try_from(scaled).unwrap_or(u32::MAX).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(weights: &[u32], places: usize) -> Vec<u32> {
        let mut candidates: Vec<_> = (0..)
            .zip(weights)
            .map(|(slot, &weight)| Candidate {
                slot: BackendSlot(slot),
                name: "",
                weight,
            })
            .collect();
        shorten(&mut candidates, places);
        candidates.iter().map(|c| c.weight).collect()
    }

    #[test]
    fn a_cycle_that_is_short_enough_stays_as_it_is() {
        assert_eq!(shortened(&[4000, 96, 0], 4096), [4000, 96, 0]);
        assert!(shortened(&[], 4096).is_empty());
    }

    #[test]
    fn a_long_cycle_keeps_its_proportions_and_its_lightest_backend() {
        assert_eq!(shortened(&[60_000, 30_000, 0, 1], 4096), [2731, 1365, 0, 1]);
    }

    #[test]
    fn a_backend_of_average_weight_keeps_its_share_within_two_percent() {
        for backends in [3_usize, 100, 1000] {
            let weights: Vec<u32> = (0..backends)
                .map(|n| 1000 + u32::try_from(n * 37 % 101).unwrap())
                .collect();
            let short = shortened(&weights, moving_cycle(backends));
            let total = |weights: &[u32]| weights.iter().copied().map(f64::from).sum::<f64>();
            let (before, after) = (total(&weights), total(&short));
            for (&was, &is) in weights.iter().zip(&short) {
                let off = f64::from(is) / after / (f64::from(was) / before) - 1.0;
                assert!(
                    off.abs() < 0.02,
                    "{backends} backends: {was} became {is}, {off}"
                );
            }
        }
    }
}
