//! Properties of the schedulers: who is picked, and in what proportion.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test"
)]

use std::cell::RefCell;

use lb_core::flow::{HashSeed, Protocol, Tuple};
use lb_core::id::BackendSlot;
use lb_core::scheduler::{
    Ask, Candidate, LONGEST_CYCLE, PlaceTable, Scheduler, SchedulerKind, Settings,
};
use proptest::prelude::*;

/// A prime, small enough to fill a table for every case.
const TABLE_SIZE: u32 = 4093;

/// Backend `i` has slot `i` and a name of its own.
fn build(kind: SchedulerKind, weights: &[u32], seed: [u8; 16]) -> Scheduler {
    let names: Vec<String> = (0..weights.len()).map(|i| format!("web-{i}")).collect();
    let candidates: Vec<Candidate<'_>> = (0..)
        .zip(names.iter().zip(weights))
        .map(|(slot, (name, &weight))| Candidate {
            slot: BackendSlot(slot),
            name,
            weight,
        })
        .collect();
    let settings = Settings {
        seed: HashSeed(seed),
        maglev_table_size: TABLE_SIZE,
    };
    Scheduler::build(kind, &candidates, &settings).unwrap()
}

fn table(scheduler: &Scheduler) -> &PlaceTable {
    match scheduler {
        Scheduler::Maglev(maglev) => maglev.table(),
        Scheduler::SourceHash(source) => source.table(),
        other => panic!("{} has no table", other.kind()),
    }
}

fn flow(number: u32) -> Tuple {
    let [a, b, c, d] = number.wrapping_mul(0x9e37_79b1).to_be_bytes();
    Tuple {
        src: [a, b, c, d].into(),
        dst: [192, 0, 2, 10].into(),
        src_port: u16::from_be_bytes([d, a]),
        dst_port: 443,
        protocol: Protocol::Tcp,
    }
}

/// Picks for `flows` new flows, none of which ends: how many each backend has.
fn serve(scheduler: &Scheduler, backends: usize, flows: u32, turn: &mut u64) -> Vec<u32> {
    let live = RefCell::new(vec![0; backends]);
    for number in 0..flows {
        let count = |slot: BackendSlot| live.borrow()[slot.0 as usize];
        let slot = scheduler
            .pick(Ask {
                tuple: &flow(number),
                turn,
                live: &count,
            })
            .unwrap();
        live.borrow_mut()[slot.0 as usize] += 1;
    }
    live.into_inner()
}

fn kind() -> impl Strategy<Value = SchedulerKind> {
    proptest::sample::select(&SchedulerKind::ALL[..])
}

fn table_kind() -> impl Strategy<Value = SchedulerKind> {
    proptest::sample::select(&[SchedulerKind::SourceHash, SchedulerKind::Maglev][..])
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 1..20u32, 2 => 1..2000u32, 1 => any::<u32>(), 1 => Just(0)]
}

/// Weights that leave somebody eligible.
fn weights() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(weight(), 1..60).prop_filter("somebody is eligible", |weights| {
        weights.iter().any(|&weight| weight > 0)
    })
}

fn sum(numbers: &[u32]) -> u64 {
    numbers.iter().copied().map(u64::from).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_backend_of_weight_zero_is_never_picked(
        kind in kind(),
        weights in weights(),
        seed in any::<[u8; 16]>(),
        mut turn in any::<u64>(),
    ) {
        let scheduler = build(kind, &weights, seed);
        let live = serve(&scheduler, weights.len(), 300, &mut turn);
        prop_assert!(live.iter().zip(&weights).all(|(&live, &weight)| live == 0 || weight > 0));
    }

    #[test]
    fn only_weights_of_zero_pick_nobody(kind in kind(), n in 0..20usize, mut turn in any::<u64>()) {
        let scheduler = build(kind, &vec![0; n], [1; 16]);
        let ask = Ask { tuple: &flow(1), turn: &mut turn, live: &|_| 0 };
        prop_assert_eq!(scheduler.pick(ask), None);
    }

    #[test]
    fn round_robin_turns_differ_by_one_at_most(
        weights in weights(),
        flows in 0..500u32,
        mut turn in any::<u64>(),
    ) {
        let scheduler = build(SchedulerKind::RoundRobin, &weights, [0; 16]);
        let live = serve(&scheduler, weights.len(), flows, &mut turn);
        let eligible = live.iter().zip(&weights).filter(|&(_, &weight)| weight > 0);
        let turns: Vec<u32> = eligible.map(|(&live, _)| live).collect();
        prop_assert!(turns.iter().max().unwrap() - turns.iter().min().unwrap() <= 1, "{:?}", turns);
    }

    #[test]
    fn weighted_turns_are_the_exact_share_rounded_down_or_up_after_every_flow(
        weights in proptest::collection::vec(0..1000u32, 1..40),
    ) {
        let total = sum(&weights);
        prop_assume!(total > 0);
        let Scheduler::WeightedRoundRobin(scheduler) =
            build(SchedulerKind::WeightedRoundRobin, &weights, [0; 16])
        else {
            unreachable!("built as weighted-round-robin");
        };
        let mut turns = vec![0u64; weights.len()];
        for (flows, slot) in (1u64..).zip(scheduler.places()) {
            turns[slot.0 as usize] += 1;
            for (&turns, &weight) in turns.iter().zip(&weights) {
                let exact = flows * u64::from(weight);
                prop_assert!((turns * total).abs_diff(exact) < total, "{} of {}", turns, flows);
            }
        }
        prop_assert_eq!(total % scheduler.places().len() as u64, 0);
    }

    #[test]
    fn a_cycle_too_long_is_scaled_and_keeps_everybody(
        weights in proptest::collection::vec(1..=u32::MAX, 2..100),
        light in proptest::collection::vec(1..100u32, 0..100),
    ) {
        let weights: Vec<u32> = weights.into_iter().chain(light).collect();
        let total = sum(&weights);
        prop_assume!(total > u64::from(LONGEST_CYCLE) * u64::from(u16::MAX));
        let Scheduler::WeightedRoundRobin(scheduler) =
            build(SchedulerKind::WeightedRoundRobin, &weights, [0; 16])
        else {
            unreachable!("built as weighted-round-robin");
        };
        let mut turns = vec![0u32; weights.len()];
        for slot in scheduler.places() {
            turns[slot.0 as usize] += 1;
        }
        prop_assert_eq!(sum(&turns), u64::from(LONGEST_CYCLE));
        let shares: Vec<f64> = weights
            .iter()
            .map(|&weight| f64::from(weight) * f64::from(LONGEST_CYCLE) / total as f64)
            .collect();
        let lifted: f64 = shares.iter().map(|&share| (1.0 - share).max(0.0)).sum();
        let beyond: f64 = shares.iter().map(|&share| (share - 1.0).max(0.0)).sum();
        for (&turns, &share) in turns.iter().zip(&shares) {
            let given_up = lifted * (share - 1.0).max(0.0) / beyond;
            let error = f64::from(turns) - share.max(1.0) + given_up;
            prop_assert!(turns >= 1 && error.abs() < 1.0, "{} turns of {}", turns, share);
        }
    }

    #[test]
    fn least_connections_fill_up_in_proportion_to_weight(
        weights in proptest::collection::vec(1..20u32, 1..30),
        seed in any::<[u8; 16]>(),
        mut turn in any::<u64>(),
    ) {
        let scheduler = build(SchedulerKind::LeastConnections, &weights, seed);
        let total = u32::try_from(sum(&weights)).unwrap();
        let live = serve(&scheduler, weights.len(), total * 50, &mut turn);
        for (&live, &weight) in live.iter().zip(&weights) {
            // Lags are a matter of chance, but each draw of two pulls them back.
            let (exact, slack) = (weight * 50, 6 + weight * 5);
            prop_assert!(live.abs_diff(exact) <= slack, "{} for weight {}", live, weight);
        }
    }

    #[test]
    fn table_places_follow_weights_within_the_stated_bound(
        kind in table_kind(),
        weights in weights(),
        seed in any::<[u8; 16]>(),
    ) {
        let scheduler = build(kind, &weights, seed);
        let mut places = vec![0u32; weights.len()];
        for slot in table(&scheduler).places() {
            places[slot.0 as usize] += 1;
        }
        prop_assert_eq!(sum(&places), u64::from(TABLE_SIZE));
        let eligible = weights.iter().filter(|&&weight| weight > 0).count() as f64;
        for (&places, &weight) in places.iter().zip(&weights).filter(|&(_, &weight)| weight > 0) {
            let part = f64::from(weight) / sum(&weights) as f64;
            let (places, exact) = (f64::from(places), part * f64::from(TABLE_SIZE));
            prop_assert!(places >= 1.0 && places < exact + 2.0, "{} of {}", places, exact);
            prop_assert!(places > exact - 1.0 - eligible * part, "{} of {}", places, exact);
        }
    }

    #[test]
    fn two_boxes_that_list_backends_in_another_order_pick_alike(
        kind in table_kind(),
        weights in weights(),
        seed in any::<[u8; 16]>(),
        turned_by in 0..60usize,
    ) {
        let names: Vec<String> = (0..weights.len()).map(|i| format!("web-{i}")).collect();
        let mut candidates: Vec<Candidate<'_>> = (0..)
            .zip(names.iter().zip(&weights))
            .map(|(slot, (name, &weight))| Candidate { slot: BackendSlot(slot), name, weight })
            .collect();
        let settings = Settings { seed: HashSeed(seed), maglev_table_size: TABLE_SIZE };
        let one = Scheduler::build(kind, &candidates, &settings).unwrap();
        candidates.rotate_left(turned_by % weights.len());
        candidates.reverse();
        let other = Scheduler::build(kind, &candidates, &settings).unwrap();
        for number in 0..200 {
            let pick = |box_: &Scheduler, mut turn| {
                box_.pick(Ask { tuple: &flow(number), turn: &mut turn, live: &|_| 0 })
            };
            prop_assert_eq!(pick(&one, 0), pick(&other, 7));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Averaged over seeds: where two backends' skips stand in a simple ratio, one seed in thousands
    /// moves a tenth of a table as small as this.
    #[test]
    fn a_backend_more_moves_little_beyond_its_own_share(
        kind in table_kind(),
        n in 4..40usize,
        seeds in any::<[u8; 15]>(),
    ) {
        let mut in_vain = 0;
        for last in 0..16 {
            let mut seed = [last; 16];
            seed[..15].copy_from_slice(&seeds);
            let mut weights = vec![10; n + 1];
            let after = build(kind, &weights, seed);
            weights[n] = 0;
            let before = build(kind, &weights, seed);
            let pairs = || table(&before).places().zip(table(&after).places());
            let to_new = pairs().filter(|(_, is)| is.0 as usize == n).count() as f64;
            let share = f64::from(TABLE_SIZE) / (n + 1) as f64;
            prop_assert!((to_new - share).abs() < 2.0, "{} of {}", to_new, share);
            in_vain += pairs().filter(|(was, is)| was != is && is.0 as usize != n).count();
        }
        let in_vain = in_vain as f64 / 16.0 / f64::from(TABLE_SIZE);
        prop_assert!(in_vain < 0.05, "{} of the table moved in vain", in_vain);
    }
}
