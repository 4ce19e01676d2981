//! Connection table: every interleaving of a few steps of two lanes.
//!
//! WO 00/30294: one table 66 for all switching processors. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p lb-core --release --test loom_conn`. Under loom buckets have
//! two slots and are crowded from the first one on, so that alternate buckets take part.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "test")]

use std::sync::Arc;

use lb_core::conn::{Conn, ConnState, ConnTable, Direction, InsertError, Lane, NewConn, Tick};
use lb_core::flow::{HashSeed, KeyV4, TableKey};
use lb_core::id::{BackendSlot, ServiceSlot};
use lb_core::shared::{Epochs, Layout, Memory, Region, Secret};
use loom::thread;

type Table = Arc<ConnTable<2>>;

fn model(steps: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 20_000;
    builder.check(steps);
}

fn table(capacity: u32, lanes: usize) -> (Table, Vec<Lane<2>>) {
    let layout = Layout::new(capacity).unwrap().with_slots(1, 1);
    let secret = Secret {
        table_key: TableKey([1, 2, 3, 4, 5, 7]),
        seed: HashSeed::default(),
    };
    let region = Region::create(Memory::heap(layout.octets()), &layout, &secret, 1).unwrap();
    let (table, _) = ConnTable::open(&region, Arc::new(Epochs::new(lanes))).unwrap();
    let lanes = (0..lanes)
        .map(|number| table.lane(number, None).unwrap())
        .collect();
    (Arc::new(table), lanes)
}

/// A one-way flow with client `n`; all that is its own says `mark`.
fn flow(n: u32, mark: u32) -> NewConn<2> {
    NewConn {
        forward: KeyV4::v4(n, 9, 1, 2, 6),
        reverse: None,
        service: ServiceSlot(0),
        backend: BackendSlot(0),
        state: ConnState::default(),
        ip_delta: 0,
        l4_delta: 0,
        next_hop: mark,
        sequence: [mark, mark],
        now: Tick(1),
        due: Tick(9),
    }
}

fn insert(table: &Table, lane: &mut Lane<2>, new: &NewConn<2>) -> Result<(), InsertError> {
    table
        .insert(lane, table.hash(&new.forward), new)
        .map(|_| ())
}

fn find<'a>(table: &'a Table, new: &NewConn<2>) -> Option<Conn<'a, 2>> {
    table
        .find(table.hash(&new.forward), &new.forward)
        .map(|(_, _, conn)| conn)
}

fn is_whole(conn: Conn<'_, 2>, new: &NewConn<2>) -> bool {
    conn.key(Direction::Forward) == new.forward
        && conn.next_hop() == new.next_hop
        && conn.sequence(Direction::Forward) == new.next_hop
        && conn.sequence(Direction::Reverse) == new.next_hop
}

#[test]
fn of_two_lanes_that_insert_the_same_key_at_most_one_succeeds() {
    model(|| {
        let (table, mut lanes) = table(4, 2);
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        let (a, b) = (flow(1, 100), flow(1, 200));
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.turn(&mut second);
                insert(&table, &mut second, &b)
            })
        };
        table.turn(&mut first);
        let results = [insert(&table, &mut first, &a), other.join().unwrap()];
        match results {
            [Ok(()), Ok(())] => panic!("the key is there twice"),
            [Ok(()), Err(_)] => assert!(is_whole(find(&table, &a).unwrap(), &a)),
            [Err(_), Ok(())] => assert!(is_whole(find(&table, &b).unwrap(), &b)),
            [Err(_), Err(_)] => assert!(find(&table, &a).is_none()),
        }
        let succeeded = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(table.len(), succeeded as u64);
    });
}

#[test]
fn a_way_back_and_a_way_there_with_the_same_key_do_not_both_get_in() {
    model(|| {
        let (table, mut lanes) = table(4, 2);
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        let (a, plain) = (flow(1, 100), flow(2, 200));
        let b = NewConn {
            reverse: Some(a.forward),
            ..plain
        };
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.turn(&mut second);
                insert(&table, &mut second, &b)
            })
        };
        table.turn(&mut first);
        let result = insert(&table, &mut first, &a);
        assert!(
            result.is_err() || other.join().unwrap().is_err(),
            "the key is there twice"
        );
    });
}

#[test]
fn a_lookup_during_an_insert_finds_the_whole_entry_or_none() {
    model(|| {
        let (table, mut lanes) = table(4, 2);
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        let new = flow(1, 100);
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.turn(&mut second);
                let probe = table.probe(table.hash(&new.forward));
                let hash = table.hash(&new.forward);
                let found = table.resolve(probe, hash, &new.forward);
                assert!(found.is_none_or(|(_, _, conn)| is_whole(conn, &new)));
            })
        };
        table.turn(&mut first);
        insert(&table, &mut first, &new).unwrap();
        other.join().unwrap();
        assert!(find(&table, &new).is_some());
    });
}

#[test]
fn a_live_entry_in_its_alternate_bucket_is_found_while_others_come_and_go() {
    model(|| {
        let (table, mut lanes) = table(4, 2);
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        table.turn(&mut first);
        let all = [flow(1, 100), flow(2, 200), flow(3, 300)];
        let kept: Vec<_> = all
            .iter()
            .filter(|n| insert(&table, &mut first, n).is_ok())
            .collect();
        let kept: Vec<_> = kept.into_iter().copied().collect();
        let other = {
            let (table, kept) = (Arc::clone(&table), kept.clone());
            thread::spawn(move || {
                table.turn(&mut second);
                assert!(
                    kept.iter()
                        .skip(1)
                        .all(|n| find(&table, n).is_some_and(|c| is_whole(c, n)))
                );
            })
        };
        let gone = kept.first().unwrap();
        let (id, _, _) = table
            .find(table.hash(&gone.forward), &gone.forward)
            .unwrap();
        assert!(table.remove(&mut first, id));
        other.join().unwrap();
    });
}

#[test]
fn an_entry_that_a_lane_holds_is_not_reused_for_another_flow() {
    model(|| {
        let (table, mut lanes) = table(1, 2);
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        let (old, new) = (flow(1, 100), flow(2, 200));
        table.turn(&mut first);
        insert(&table, &mut first, &old).unwrap();
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.turn(&mut second);
                if let Some(conn) = find(&table, &old) {
                    assert!(is_whole(conn, &old));
                }
                table.rest(&second);
            })
        };
        let (id, _, _) = table.find(table.hash(&old.forward), &old.forward).unwrap();
        assert!(table.remove(&mut first, id));
        table.turn(&mut first);
        let reused = insert(&table, &mut first, &new);
        other.join().unwrap();
        assert!(find(&table, &old).is_none());
        assert_eq!(find(&table, &new).is_some(), reused.is_ok());
    });
}

#[test]
fn of_two_lanes_that_remove_an_entry_one_does() {
    model(|| {
        let (table, mut lanes) = table(4, 2);
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        let new = flow(1, 100);
        table.turn(&mut first);
        let id = table
            .insert(&mut first, table.hash(&new.forward), &new)
            .unwrap();
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.turn(&mut second);
                table.remove(&mut second, id)
            })
        };
        let one = table.remove(&mut first, id);
        assert!(one ^ other.join().unwrap());
        assert_eq!((table.len(), find(&table, &new).is_none()), (0, true));
    });
}

#[test]
fn a_free_cell_is_handed_out_once() {
    model(|| {
        let (table, mut lanes) = table(4, 3);
        let mut third = lanes.pop().unwrap();
        let (mut second, mut first) = (lanes.pop().unwrap(), lanes.pop().unwrap());
        // Two chunks of free cells on the shared stack.
        table.turn(&mut third);
        let id = table
            .insert(&mut third, table.hash(&flow(7, 7).forward), &flow(7, 7))
            .unwrap();
        let next = table
            .insert(&mut third, table.hash(&flow(8, 8).forward), &flow(8, 8))
            .unwrap();
        assert!(table.remove(&mut third, id) && table.remove(&mut third, next));
        table.turn(&mut third);
        table.turn(&mut third);
        table.retire_lane(third);
        let (a, b) = (flow(1, 100), flow(2, 200));
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                table.turn(&mut second);
                table
                    .insert(&mut second, table.hash(&b.forward), &b)
                    .unwrap()
            })
        };
        table.turn(&mut first);
        let one = table
            .insert(&mut first, table.hash(&a.forward), &a)
            .unwrap();
        assert_ne!(one, other.join().unwrap());
        assert!(is_whole(find(&table, &a).unwrap(), &a));
        assert!(is_whole(find(&table, &b).unwrap(), &b));
    });
}
