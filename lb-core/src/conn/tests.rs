//! What only the inside of the table can show: adoption after a stop at every step, how full buckets
//! get, and who may see what in between.
//!
//! WO 00/30294: table 66 in memory 34.

use std::collections::HashMap;
use std::sync::Arc;

use super::bucket::Bucket;
use super::entry::Life;
use super::*;
use crate::flow::{FlowHash, HashSeed, KeyV4, TableKey};
use crate::id::{BackendSlot, ServiceSlot};
use crate::shared::sync::Ordering;
use crate::shared::{Epochs, Layout, Memory, Region, Secret};

const SECRET: Secret = Secret {
    table_key: TableKey([
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7344,
        0xa409_3822_299f_31d0,
        0x082e_fa98_ec4e_6c89,
        0x4528_21e6_38d0_1377,
        0xbe54_66cf_34e9_0c6c,
    ]),
    seed: HashSeed([7; 16]),
};

/// A region's memory, and the table as one process after another has it.
struct Machine {
    memory: Memory,
    layout: Layout,
}

impl Machine {
    fn new(capacity: u32) -> Self {
        let layout = Layout::new(capacity).unwrap().with_slots(16, 4);
        let memory = Memory::heap(layout.octets());
        Region::create(memory.clone(), &layout, &SECRET, 1).unwrap();
        Self { memory, layout }
    }

    fn start(&self) -> (ConnTable<2>, Lane<2>, Adopted) {
        let region = Region::adopt(self.memory.clone(), &self.layout, 1).unwrap();
        let (table, adopted) = ConnTable::open(&region, Arc::new(Epochs::new(1))).unwrap();
        let mut lane = table.lane(0, Some(Sweeping { number: 0, of: 1 })).unwrap();
        table.turn(&mut lane);
        (table, lane, adopted)
    }
}

fn flow(n: u32) -> NewConn<2> {
    NewConn {
        forward: KeyV4::v4(0x0a00_0000 | n, 0xc000_020a, 1024, 80, 6),
        reverse: Some(KeyV4::v4(0x0a64_0001, 0x0a00_0000 | n, 8080, 1024, 6)),
        service: ServiceSlot(1),
        backend: BackendSlot(n % 16),
        state: ConnState {
            protocol: 1,
            flags: 0,
        },
        ip_delta: 1,
        l4_delta: 2,
        next_hop: 3,
        sequence: [n, !n],
        now: Tick(1),
        due: Tick(61),
    }
}

fn insert(table: &ConnTable<2>, lane: &mut Lane<2>, n: u32) -> Result<ConnId, InsertError> {
    table.insert(lane, table.hash(&flow(n).forward), &flow(n))
}

/// Both keys of flow `n` are found, or neither; and which.
fn is_there(table: &ConnTable<2>, n: u32) -> bool {
    let there = |key| table.find(table.hash(&key), &key).map(|(id, _, _)| id);
    let (forward, reverse) = (there(flow(n).forward), there(flow(n).reverse.unwrap()));
    assert_eq!(forward, reverse, "flow {n}");
    forward.is_some()
}

/// Nothing leads anywhere but to live entries, each slot's entry owns its key, the counts of moved
/// keys and of live connections are right, and every cell is free or live.
fn check_consistent(table: &ConnTable<2>) {
    let mut slots = HashMap::new();
    let mut moved = HashMap::new();
    for (number, bucket) in table.buckets.iter().enumerate() {
        for slot in (0..super::bucket::SLOTS).map(|i| bucket.slot(i)) {
            let Some(cell) = slot.cell() else { continue };
            let conn = table
                .conn(ConnId(cell))
                .expect("a slot leads to a live entry");
            let hash = table.hash(&conn.key(slot.direction()));
            let home = super::bucket::primary(hash, table.buckets.len());
            if home != number {
                assert_eq!(super::bucket::alternate(hash, table.buckets.len()), number);
                *moved.entry(home).or_insert(0) += 1;
            }
            assert!(
                slots.insert((cell, slot.direction()), number).is_none(),
                "two slots for a key"
            );
        }
    }
    for (number, bucket) in table.buckets.iter().enumerate() {
        assert_eq!(
            bucket.moved(),
            moved.get(&number).copied().unwrap_or(0),
            "bucket {number}"
        );
    }
    let mut live = 0;
    for cell in 0..table.used_cells() {
        let conn = table.cell(cell).unwrap();
        if conn.life() == Some(Life::Live) {
            live += 1;
            assert!(slots.contains_key(&(cell, Direction::Forward)));
            assert_eq!(
                slots.contains_key(&(cell, Direction::Reverse)),
                !conn.is_one_way()
            );
            assert_ne!(table.deadlines[cell as usize].load(Ordering::Relaxed), 0);
        } else {
            assert_eq!(conn.life(), Some(Life::Free), "cell {cell}");
        }
    }
    assert_eq!(table.len(), live);
    assert_eq!(u64::from(table.live().service(ServiceSlot(1))), live);
}

/// Ends a process in the middle of something, and checks what the next one finds.
fn stop_after(what: impl FnOnce(&ConnTable<2>, &mut Lane<2>)) -> (ConnTable<2>, Lane<2>, Adopted) {
    let machine = Machine::new(64);
    let (table, mut lane, _) = machine.start();
    for n in 0..20 {
        insert(&table, &mut lane, n).unwrap();
    }
    what(&table, &mut lane);
    drop((table, lane));
    let (table, mut lane, adopted) = machine.start();
    check_consistent(&table);
    assert!((0..19).all(|n| is_there(&table, n)));
    assert_eq!(adopted.lost, 0);
    // All free cells come back: the table can be filled to the last one.
    let filled = (100..)
        .take_while(|&n| insert(&table, &mut lane, n).is_ok())
        .count();
    assert_eq!(filled as u64 + u64::from(adopted.kept), 64);
    (table, lane, adopted)
}

#[test]
fn a_process_that_ends_between_two_inserts_leaves_all_its_connections() {
    let (_, _, adopted) = stop_after(|_, _| ());
    assert_eq!(
        adopted,
        Adopted {
            kept: 20,
            unfinished: 0,
            lost: 0
        }
    );
}

#[test]
fn an_insert_cut_off_at_any_step_before_the_last_leaves_nothing() {
    let hash = |table: &ConnTable<2>, key| table.hash(&key);
    for step in 0..=6 {
        let (table, _, adopted) = stop_after(|table, lane| {
            let (new, cell) = (flow(50), table.take_cell(lane).unwrap());
            let (there, back) = (hash(table, new.forward), hash(table, new.reverse.unwrap()));
            let steps: [&dyn Fn(); 6] = [
                &|| table.prepare(cell, &new),
                &|| table.primary(there).count_moved(),
                &|| assert!(table.place_one(cell, Direction::Forward, there)),
                &|| table.primary(back).count_moved(),
                &|| assert!(table.place_one(cell, Direction::Reverse, back)),
                &|| assert_eq!(table.cell(cell).unwrap().life(), Some(Life::Tentative)),
            ];
            steps.iter().take(step).for_each(|step| step());
        });
        assert!(!is_there(&table, 50), "step {step}");
        assert_eq!(
            (adopted.kept, adopted.unfinished),
            (20, u32::from(step > 0))
        );
    }
}

#[test]
fn an_entry_filled_by_half_is_not_a_connection() {
    let (_, _, adopted) = stop_after(|table, lane| {
        let cell = table.take_cell(lane).unwrap();
        let conn = table.cell(cell).unwrap();
        conn.links()[0].store(u64::MAX, Ordering::Relaxed);
        conn.links()[2].store(u64::MAX, Ordering::Relaxed);
    });
    assert_eq!(
        adopted,
        Adopted {
            kept: 20,
            unfinished: 0,
            lost: 0
        }
    );
}

#[test]
fn an_insert_cut_off_after_its_last_step_is_a_connection() {
    let (table, _, adopted) = stop_after(|table, lane| {
        let (new, cell) = (flow(50), table.take_cell(lane).unwrap());
        table.prepare(cell, &new);
        assert!(table.place_one(cell, Direction::Forward, table.hash(&new.forward)));
        assert!(table.place_one(cell, Direction::Reverse, table.hash(&new.reverse.unwrap())));
        // Without the counts that follow.
        table.cell(cell).unwrap().set_life(Life::Live);
    });
    assert!(is_there(&table, 50));
    assert_eq!(adopted.kept, 21);
}

#[test]
fn a_removal_cut_off_at_any_step_is_finished() {
    for step in 1..=6 {
        let (table, _, adopted) = stop_after(|table, lane| {
            let key = flow(19).forward;
            let (id, _, conn) = table.find(table.hash(&key), &key).unwrap();
            let (there, back) = (table.hash(&key), table.hash(&flow(19).reverse.unwrap()));
            let clear = || table.deadlines[id.0 as usize].store(0, Ordering::Relaxed);
            let steps: [&dyn Fn(); 6] = [
                &|| assert!(conn.change_life(Life::Live, Life::Dead)),
                &|| table.live.sub(conn.service(), conn.backend()),
                &clear,
                &|| table.unplace(id.0, Direction::Forward, there),
                &|| table.unplace(id.0, Direction::Reverse, back),
                &|| conn.set_life(Life::Orphan),
            ];
            steps.iter().take(step).for_each(|step| step());
            let _ = lane;
        });
        assert!(!is_there(&table, 19), "step {step}");
        assert_eq!((adopted.kept, adopted.unfinished), (19, 1));
    }
}

#[test]
fn a_withdrawal_cut_off_leaves_the_connection_that_was_there_first() {
    let (table, _, adopted) = stop_after(|table, lane| {
        let (new, cell) = (flow(5), table.take_cell(lane).unwrap());
        table.prepare(cell, &new);
        assert!(table.place_one(cell, Direction::Forward, table.hash(&new.forward)));
    });
    assert!(is_there(&table, 5));
    assert_eq!((adopted.kept, adopted.unfinished), (20, 1));
}

#[test]
fn an_adoption_cut_off_can_be_done_again() {
    let (table, _, adopted) = stop_after(|table, _| {
        table.buckets.iter().take(20).for_each(Bucket::clear);
        table.control().free.0.store(0, Ordering::Relaxed);
    });
    assert!((0..20).all(|n| is_there(&table, n)));
    assert_eq!(adopted.kept, 20);
}

#[test]
fn nonsense_in_the_buckets_and_the_free_list_does_not_survive_an_adoption() {
    stop_after(|table, _| {
        for (i, bucket) in table.buckets.iter().enumerate() {
            bucket.count_moved();
            let value = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            bucket.take_slot(bucket.empty(), super::bucket::Slot(value));
        }
        table.control().free.0.store(u64::MAX, Ordering::Relaxed);
    });
}

#[test]
fn a_key_that_two_live_entries_have_is_kept_once() {
    let machine = Machine::new(64);
    let (table, mut lane, _) = machine.start();
    let id = insert(&table, &mut lane, 1).unwrap();
    let double = table.take_cell(&mut lane).unwrap();
    table.prepare(double, &flow(1));
    table.cell(double).unwrap().set_life(Life::Live);
    let (table, _, adopted) = machine.start();
    assert_eq!(
        adopted,
        Adopted {
            kept: 1,
            unfinished: 0,
            lost: 1
        }
    );
    check_consistent(&table);
    assert_eq!(
        table
            .find(table.hash(&flow(1).forward), &flow(1).forward)
            .unwrap()
            .0,
        id
    );
}

#[test]
fn connections_removed_in_one_process_make_room_in_the_next() {
    let machine = Machine::new(64);
    let (table, mut lane, _) = machine.start();
    let ids: Vec<_> = (0..60)
        .map(|n| insert(&table, &mut lane, n).unwrap())
        .collect();
    for &id in ids.iter().skip(1).step_by(2) {
        table.remove(&mut lane, id);
    }
    let (table, mut lane, adopted) = machine.start();
    check_consistent(&table);
    assert_eq!(adopted.kept, 30);
    assert_eq!(
        (100..)
            .take_while(|&n| insert(&table, &mut lane, n).is_ok())
            .count(),
        34
    );
}

#[test]
fn the_table_stays_consistent_through_crowded_buckets() {
    let machine = Machine::new(512);
    let (table, mut lane, _) = machine.start();
    let mut there = Vec::new();
    for round in 0..20u32 {
        for n in 0..600 {
            if let Ok(id) = insert(&table, &mut lane, round * 600 + n) {
                there.push(id);
            }
        }
        check_lively(&table);
        there.retain(|&id| id.0 % 3 == round % 3 || !table.remove(&mut lane, id));
        for _ in 0..600 {
            table.turn(&mut lane);
        }
    }
    drop((table, lane));
    check_consistent(&machine.start().0);
}

/// As [`check_consistent`], but cells may be in limbo.
fn check_lively(table: &ConnTable<2>) {
    let moved: u64 = table.buckets.iter().map(Bucket::moved).sum();
    assert!(moved > 0, "this test wants crowded buckets");
    for bucket in table.buckets.iter() {
        for slot in (0..super::bucket::SLOTS).map(|i| bucket.slot(i)) {
            assert!(
                slot.cell()
                    .is_none_or(|cell| table.conn(ConnId(cell)).is_some())
            );
        }
    }
}

#[test]
fn a_lane_without_room_for_the_dead_leaves_them_to_the_sweep() {
    let layout = Layout::new(40_000).unwrap();
    let region = Region::create(Memory::heap(layout.octets()), &layout, &SECRET, 1).unwrap();
    let (table, _) = ConnTable::<2>::open(&region, Arc::new(Epochs::new(2))).unwrap();
    let mut lane = table.lane(0, Some(Sweeping { number: 0, of: 1 })).unwrap();
    let mut idle = table.lane(1, None).unwrap();
    table.turn(&mut lane);
    table.turn(&mut idle);
    let ids: Vec<_> = (0..36_000)
        .map(|n| insert(&table, &mut lane, n).unwrap())
        .collect();
    assert!(ids.iter().all(|&id| table.remove(&mut lane, id)));
    let orphans = |table: &ConnTable<2>| {
        (0..40_000)
            .filter(|&n| table.cell(n).unwrap().life() == Some(Life::Orphan))
            .count()
    };
    assert_eq!(orphans(&table), 36_000 - 32_768);
    table.rest(&idle);
    for _ in 0..4 {
        for _ in 0..100 {
            table.turn(&mut lane);
        }
        table.sweep(&mut lane, Tick(2), 40_000, |_| 60, |_, _| ());
    }
    assert_eq!(orphans(&table), 0);
}

#[test]
fn an_entry_that_is_being_inserted_is_not_found() {
    let machine = Machine::new(64);
    let (table, mut lane, _) = machine.start();
    let (new, cell) = (flow(1), table.take_cell(&mut lane).unwrap());
    let hash = table.hash(&new.forward);
    table.prepare(cell, &new);
    assert!(table.place_one(cell, Direction::Forward, hash));
    assert!(table.find(hash, &new.forward).is_none());
    assert!(
        table
            .resolve(table.probe(hash), hash, &new.forward)
            .is_none()
    );
    // Another lane that wants the same key gives up in the end, and leaves nothing behind.
    assert_eq!(insert(&table, &mut lane, 1), Err(InsertError::Contended));
    table.cell(cell).unwrap().set_life(Life::Live);
    assert!(table.find(hash, &new.forward).is_some());
}

/// The fullest bucket after 10,000 flows in a table for 16,384.
fn fullest(flows: impl Iterator<Item = KeyV4>) -> u32 {
    let machine = Machine::new(16_384);
    let (table, mut lane, _) = machine.start();
    for key in flows {
        let new = NewConn {
            forward: key,
            reverse: None,
            ..flow(0)
        };
        table.insert(&mut lane, table.hash(&key), &new).unwrap();
    }
    7 - table
        .buckets
        .iter()
        .map(|bucket| bucket.empty().count())
        .min()
        .unwrap()
}

#[test]
fn flows_that_differ_in_one_field_only_do_not_pile_up() {
    let port = |n: u32| u16::try_from(n).unwrap();
    let many: [(&str, &dyn Fn(u32) -> KeyV4); 5] = [
        ("source port", &|n| {
            KeyV4::v4(0x0a00_0001, 0xc000_020a, port(n), 80, 6)
        }),
        ("destination port", &|n| {
            KeyV4::v4(0x0a00_0001, 0xc000_020a, 1024, port(n), 6)
        }),
        ("source address", &|n| {
            KeyV4::v4(0x0a00_0000 + n, 0xc000_020a, 1024, 80, 6)
        }),
        ("source network", &|n| {
            KeyV4::v4(n << 16 | 1, 0xc000_020a, 1024, 80, 6)
        }),
        ("destination address", &|n| {
            KeyV4::v4(0x0a00_0001, 0xc000_0000 + n, 1024, 80, 6)
        }),
    ];
    for (field, key) in many {
        let fullest = fullest((0..10_000).map(key));
        assert!(fullest <= 6, "{field}: {fullest}");
    }
}

#[test]
fn flows_chosen_to_collide_under_another_key_do_not_pile_up() {
    let guess = TableKey([3, 1, 4, 1, 5, 9]);
    let collides = |key: &KeyV4| {
        let FlowHash(hash) = guess.hash(key);
        super::bucket::primary(FlowHash(hash), 8192) < 8
    };
    let candidates =
        (0..).map(|n: u32| KeyV4::v4(n.wrapping_mul(0x9e37_79b1), 0xc000_020a, 1024, 80, 6));
    let fullest = fullest(candidates.filter(collides).take(4_000));
    assert!(fullest <= 5, "{fullest}");
}
