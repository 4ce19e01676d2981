//! The region outlives the process that made it, and is refused when it is not what it should be.
//!
//! WO 00/30294: shared memory 34.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "test")]

use std::num::NonZeroU64;

use lb_core::flow::{HashSeed, TableKey};
use lb_core::shared::{Layout, Memory, Refused, Region, Secret, Tick};

const SECRET: Secret = Secret {
    table_key: TableKey([3, 1, 4, 1, 5, 9]),
    seed: HashSeed(*b"sixteen octets. "),
};

fn made() -> (Memory, Layout, Region) {
    let layout = Layout::new(100).unwrap();
    let memory = Memory::heap(layout.octets());
    let region = Region::create(memory.clone(), &layout, &SECRET, 5_000).unwrap();
    (memory, layout, region)
}

#[test]
fn an_adopted_region_keeps_its_secrets() {
    let (memory, layout, _) = made();
    let adopted = Region::adopt(memory, &layout, 5_100).unwrap();
    assert_eq!(adopted.secret(), SECRET);
    assert_eq!(adopted.adoptions(), 1);
}

#[test]
fn the_regions_time_starts_at_one_and_runs_on_from_process_to_process() {
    let (memory, layout, region) = made();
    assert_eq!(region.tick(5_000), Tick(1));
    assert_eq!(region.tick(5_099), Tick(100));
    let adopted = Region::adopt(memory, &layout, 5_100).unwrap();
    assert_eq!(adopted.tick(5_100), Tick(101));
}

#[test]
fn time_goes_on_from_the_last_noted_tick_when_the_hosts_clock_went_back() {
    let (memory, layout, region) = made();
    region.note_time(Tick(500));
    let adopted = Region::adopt(memory, &layout, 20).unwrap();
    assert_eq!(adopted.tick(20), Tick(500));
    assert_eq!(adopted.tick(21), Tick(501));
}

#[test]
fn an_end_in_good_order_is_told_from_a_kill() {
    let (memory, layout, region) = made();
    assert!(!region.ended_clean());
    region.note_clean_end();
    assert!(region.ended_clean());
    let adopted = Region::adopt(memory, &layout, 5_001).unwrap();
    assert!(!adopted.ended_clean());
}

#[test]
fn memory_without_a_region_is_refused_by_its_first_word() {
    let layout = Layout::new(100).unwrap();
    let refused = Region::adopt(Memory::heap(layout.octets()), &layout, 1).unwrap_err();
    assert_eq!(refused, Refused::Magic { found: 0 });
    assert!(refused.to_string().contains("unfinished"), "{refused}");
}

#[test]
fn a_region_for_another_capacity_is_refused_with_both_numbers() {
    let (memory, _, _) = made();
    let other = Layout::new(99).unwrap();
    let refused = Region::adopt(memory, &other, 1).unwrap_err();
    assert_eq!(
        refused,
        Refused::Capacity {
            what: "connections",
            expected: 99,
            found: 100
        }
    );
    assert_eq!(
        refused.to_string(),
        "the region was made for 100 connections, expected 99"
    );
}

#[test]
fn a_region_for_other_slots_is_refused() {
    let (memory, layout, _) = made();
    let refused = Region::adopt(memory, &layout.with_slots(5, 5), 1).unwrap_err();
    assert!(
        matches!(
            refused,
            Refused::Capacity {
                what: "backend slots",
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn a_region_that_was_cut_off_is_refused() {
    let layout = Layout::new(100).unwrap();
    let expected = layout.octets();
    let refused = Region::adopt(Memory::heap(expected - 1), &layout, 1).unwrap_err();
    assert_eq!(
        refused,
        Refused::Truncated {
            expected,
            found: expected - 1
        }
    );
}

#[test]
fn a_region_is_not_made_where_one_is() {
    let (memory, layout, _) = made();
    let refused = Region::create(memory, &layout, &SECRET, 1).unwrap_err();
    assert!(matches!(refused, Refused::NotEmpty { .. }), "{refused}");
}

#[test]
fn capacities_from_one_to_sixty_four_mebi_are_possible_and_no_others() {
    assert!(Layout::new(0).is_err());
    assert!(Layout::new(1).is_ok());
    assert!(Layout::new(64 << 20).is_ok());
    let refused = Layout::new((64 << 20) + 1).unwrap_err();
    assert!(refused.to_string().contains("67108864"), "{refused}");
}

#[test]
fn the_owner_of_a_slot_outlives_the_process() {
    let (memory, layout, region) = made();
    region.backend_owners()[7].set_owner(NonZeroU64::new(9));
    let adopted = Region::adopt(memory, &layout, 5_001).unwrap();
    assert_eq!(adopted.backend_owners()[7].owner(), NonZeroU64::new(9));
    assert_eq!(adopted.backend_owners()[8].owner(), None);
    adopted.backend_owners()[7].set_owner(None);
    assert_eq!(region.backend_owners()[7].owner(), None);
}
