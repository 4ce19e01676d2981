//! Properties of the master: whatever agents say, weights stay weights.
//!
//! WO 00/30294, box 54. Easy to get wrong: reports here pass the gate's checks one by one, but make no sense
//! together; that is what a broken agent sends.
#![cfg(not(loom))]
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test"
)]

#[path = "master_kit/random.rs"]
mod random;

use lb_core::id::BackendSlot;
use lb_core::load::{LARGEST_COUNT, LARGEST_SECONDS, LARGEST_UTILIZATION, Report, SmoothedReport};
use lb_core::master::rules::{CEILING, FLOOR, STEP, STEP_LEAST};
use lb_core::master::{Algorithm, BackendInput, Master, Settings};
use lb_core::scheduler::SchedulerKind;
use proptest::prelude::*;
use random::Random;

/// Steps of a run.
const STEPS: usize = 40;

/// A fleet's life, told by a seed.
#[derive(Clone, Copy, Debug)]
struct Plan {
    algorithm: Algorithm,
    budget: f64,
    backends: u32,
    /// Whether no backend comes or goes.
    is_steady: bool,
    seed: u64,
}

fn plan(is_steady: bool) -> impl Strategy<Value = Plan> {
    (
        prop::sample::select(&Algorithm::ALL[..]),
        prop::sample::select(&[0.05, 0.25][..]),
        1..9_u32,
        any::<u64>(),
    )
        .prop_map(move |(algorithm, budget, backends, seed)| Plan {
            algorithm,
            budget,
            backends,
            is_steady,
            seed,
        })
}

/// One of `choices`.
fn one_of<T: Copy>(chance: &mut Random, choices: &[T]) -> T {
    choices[(chance.part() * choices.len() as f64) as usize]
}

/// Nothing, an extreme, or anything between.
fn value(chance: &mut Random, largest: f64) -> Option<f64> {
    let (small, any) = (chance.part(), chance.between(0.0, largest));
    let choices = [None, Some(0.0), Some(f64::MIN_POSITIVE), Some(largest)];
    if chance.part() < 0.3 {
        one_of(chance, &choices)
    } else {
        Some(one_of(chance, &[small, any]))
    }
}

/// A backend, and what is known of it.
struct Backend {
    base: u32,
    is_tagged: bool,
    is_enabled: bool,
    smoothed: Option<SmoothedReport>,
    heard_at: f64,
}

/// A fleet under way.
struct Run {
    plan: Plan,
    chance: Random,
    tags: Vec<String>,
    backends: Vec<Backend>,
    now: f64,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let mut chance = Random::new(plan.seed, 0);
        let backends = (0..plan.backends).map(|_| {
            let any = (chance.part() * 65_536.0) as u32;
            Backend {
                base: one_of(&mut chance, &[0, 1, 3, 100, 100, any]),
                is_tagged: chance.part() < 0.5,
                is_enabled: true,
                smoothed: None,
                heard_at: f64::NEG_INFINITY,
            }
        });
        Self {
            backends: backends.collect(),
            plan,
            chance,
            tags: vec!["fast".to_owned()],
            now: 0.0,
        }
    }

    fn master(&self) -> Master {
        Master::new(Settings {
            tags: self.tags.clone(),
            churn_budget: self.plan.budget,
            ..Settings::new(self.plan.algorithm, SchedulerKind::RoundRobin)
        })
    }

    /// Time passes, some agents speak, and a backend may come or go.
    fn pass(&mut self) {
        let chance = &mut self.chance;
        let pause = chance.exponential(3.0);
        self.now += one_of(chance, &[1.0, 1.0, pause]);
        for backend in &mut self.backends {
            if !self.plan.is_steady && chance.part() < 0.05 {
                backend.is_enabled = !backend.is_enabled;
            }
            if chance.part() < 0.2 {
                continue;
            }
            let is_new_boot = backend.smoothed.is_none() || chance.part() < 0.05;
            let gap = (self.now - backend.heard_at).max(0.001);
            let report = Report {
                monotonic_seconds: self.now,
                gap_seconds: (!is_new_boot).then_some(gap),
                cpu_utilization: value(chance, LARGEST_UTILIZATION),
                mem_utilization: value(chance, 1.0),
                clients: value(chance, LARGEST_COUNT),
                execution_time_seconds: value(chance, LARGEST_SECONDS),
                rps: value(chance, LARGEST_COUNT),
                eps: value(chance, LARGEST_COUNT),
                ..Report::default()
            };
            backend.smoothed.get_or_insert_default().absorb(&report);
            backend.heard_at = self.now;
        }
    }

    fn inputs(&self) -> Vec<BackendInput<'_>> {
        // Every other slot, so that slots are no positions.
        let slots = (0..).step_by(2).map(BackendSlot);
        let inputs = slots
            .zip(&self.backends)
            .map(|(slot, backend)| BackendInput {
                slot,
                base_weight: backend.base,
                tags: if backend.is_tagged { &self.tags } else { &[] },
                report: backend.smoothed.as_ref(),
                age_seconds: self.now - backend.heard_at,
                is_enabled: backend.is_enabled,
            });
        inputs.collect()
    }
}

fn is_eligible(input: &BackendInput<'_>) -> bool {
    input.is_enabled && input.base_weight > 0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_weight_is_in_range_and_zero_only_where_no_flows_are_wanted(plan in plan(false)) {
        let mut run = Run::new(plan);
        let mut master = run.master();
        for _ in 0..STEPS {
            run.pass();
            let inputs = run.inputs();
            let weights = master.step(run.now, &inputs);
            prop_assert_eq!(weights.len(), inputs.len());
            for (input, weight) in inputs.iter().zip(&weights) {
                prop_assert_eq!(*weight > 0, is_eligible(input));
                prop_assert!(*weight <= 65_535);
            }
            for explanation in master.explanations() {
                prop_assert!(explanation.factor.is_finite() && explanation.target.is_finite());
            }
        }
    }

    #[test]
    fn shares_add_up_and_move_by_no_more_than_step_and_budget(plan in plan(false)) {
        let mut run = Run::new(plan);
        let mut master = run.master();
        let mut last: Option<(Vec<bool>, Vec<f64>)> = None;
        for _ in 0..STEPS {
            run.pass();
            let inputs = run.inputs();
            master.step(run.now, &inputs);
            let eligible: Vec<bool> = inputs.iter().map(is_eligible).collect();
            let factors: Vec<f64> = master.explanations().iter().map(|e| e.factor).collect();
            let bases: Vec<f64> = inputs
                .iter()
                .map(|input| if is_eligible(input) { f64::from(input.base_weight) } else { 0.0 })
                .collect();
            let whole: f64 = bases.iter().sum();
            let flows: f64 = bases.iter().zip(&factors).map(|(base, factor)| base * factor).sum();
            prop_assert!((flows - whole).abs() <= whole * 1e-6, "{} of {}", flows, whole);
            if let Some((_, before)) = last.as_ref().filter(|(same, _)| *same == eligible) {
                let mut moved = 0.0;
                for ((before, after), base) in before.iter().zip(&factors).zip(&bases) {
                    let limit = (STEP * before).max(STEP_LEAST) + 1e-6;
                    prop_assert!((after - before).abs() <= limit, "{} to {}", before, after);
                    moved += base * (after - before).max(0.0);
                }
                prop_assert!(moved <= whole * (plan.budget + 1e-6), "{} of {}", moved, whole);
            }
            last = Some((eligible, factors));
        }
    }

    #[test]
    fn no_backend_leaves_the_range_from_floor_to_ceiling(plan in plan(true)) {
        // Only `capability` gives whole sets more or less than that.
        let algorithm = match plan.algorithm {
            Algorithm::Capability => Algorithm::Even,
            other => other,
        };
        let plan = Plan { algorithm, ..plan };
        let mut run = Run::new(plan);
        let mut master = run.master();
        for _ in 0..STEPS {
            run.pass();
            let inputs = run.inputs();
            master.step(run.now, &inputs);
            for (input, explanation) in inputs.iter().zip(master.explanations()) {
                let range = FLOOR - 1e-6..=CEILING + 1e-6;
                let is_inside = range.contains(&explanation.factor);
                prop_assert!(is_inside || !is_eligible(input), "{:?}", explanation);
            }
        }
    }

    #[test]
    fn the_order_of_the_backends_does_not_matter(
        (plan, order) in plan(false).prop_flat_map(|plan| {
            let places: Vec<usize> = (0..plan.backends as usize).collect();
            (Just(plan), Just(places).prop_shuffle())
        })
    ) {
        let mut run = Run::new(plan);
        let (mut straight, mut shuffled) = (run.master(), run.master());
        for _ in 0..STEPS {
            run.pass();
            let inputs = run.inputs();
            let other: Vec<_> = order.iter().map(|&place| inputs[place]).collect();
            let weights = straight.step(run.now, &inputs);
            let expected: Vec<u32> = order.iter().map(|&place| weights[place]).collect();
            prop_assert_eq!(shuffled.step(run.now, &other), expected);
        }
    }

    #[test]
    fn a_silent_fleet_returns_to_its_configured_weights(plan in plan(false)) {
        let mut run = Run::new(plan);
        let mut master = run.master();
        for _ in 0..STEPS {
            run.pass();
            master.step(run.now, &run.inputs());
        }
        for _ in 0..120 {
            run.now += 1.0;
            master.step(run.now, &run.inputs());
        }
        for explanation in master.explanations() {
            let is_neutral = (explanation.factor - 1.0).abs() < 0.01;
            prop_assert!(is_neutral || explanation.weight == 0, "{:?}", explanation);
        }
    }

    #[test]
    fn static_hands_out_what_is_configured(plan in plan(false)) {
        let plan = Plan { algorithm: Algorithm::Static, ..plan };
        let mut run = Run::new(plan);
        let mut master = run.master();
        for _ in 0..STEPS {
            run.pass();
            let inputs = run.inputs();
            let configured: Vec<u32> = inputs
                .iter()
                .map(|input| if input.is_enabled { input.base_weight } else { 0 })
                .collect();
            prop_assert_eq!(master.step(run.now, &inputs), configured);
        }
    }
}
