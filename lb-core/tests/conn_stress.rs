//! Four threads on one table: nobody ever gets another flow's entry.
//!
//! WO 00/30294: one table 66 for all switching processors.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "test")]

mod conn_kit;

use std::thread;

use conn_kit::{digest, flow, is_flow, table};
use lb_core::conn::{ConnTable, InsertError, Lane, Tick};

const FLOWS: u32 = 3_000;
const ROUNDS: u32 = 50_000;

/// Inserts, finds and removes flows that all threads share, in an order of its own.
fn work(table: &ConnTable<2>, lane: &mut Lane<2>, seed: u32) -> (u64, u64) {
    let (mut inserted, mut removed) = (0, 0);
    for round in 0..ROUNDS {
        table.turn(lane);
        let mut held = Vec::with_capacity(8);
        for i in 0..8 {
            let n = digest(round.wrapping_mul(8).wrapping_add(i) ^ seed.wrapping_mul(0x0101_0101));
            let (n, wish) = (n % FLOWS, n / FLOWS % 8);
            let new = flow::<2>(n);
            let key = if wish % 2 == 0 {
                new.forward
            } else {
                new.reverse.unwrap()
            };
            let hash = table.hash(&key);
            match table.resolve(table.probe(hash), hash, &key) {
                Some((id, _, conn)) => {
                    held.push((n, conn));
                    if wish == 0 && table.remove(lane, id) {
                        removed += 1;
                    }
                }
                None => match table.insert(lane, table.hash(&new.forward), &new) {
                    Ok(_) => inserted += 1,
                    Err(InsertError::Exists { .. } | InsertError::ReverseTaken) => {}
                    Err(InsertError::Full | InsertError::Contended) => {}
                },
            }
        }
        assert!(
            held.iter().all(|&(n, conn)| is_flow(conn, n)),
            "an entry changed within a turn"
        );
        if round % 64 == 0 {
            table.sweep(lane, Tick(1), 512, |_| 60, |_, _| ());
        }
    }
    table.rest(lane);
    (inserted, removed)
}

#[test]
fn four_threads_never_get_another_flows_entry() {
    // Room for two thirds of the flows only, so that cells are used over and over.
    let (table, lanes) = table::<2>(2_048, 4);
    let sums = thread::scope(|scope| {
        let threads: Vec<_> = lanes
            .into_iter()
            .zip(1..)
            .map(|(mut lane, seed)| {
                let table = &table;
                scope.spawn(move || work(table, &mut lane, seed))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    let (inserted, removed) = sums.iter().fold((0, 0), |sum, &(inserted, removed)| {
        (sum.0 + inserted, sum.1 + removed)
    });
    println!(
        "inserted {inserted}, removed {removed}, left {}",
        table.len()
    );
    assert!(removed > 10_000, "{removed}");
    assert_eq!(table.len(), inserted - removed);
    let found = (0..FLOWS).filter(|&n| {
        let (there, back) = (flow::<2>(n).forward, flow::<2>(n).reverse.unwrap());
        let there = table.find(table.hash(&there), &there).map(|(id, _, _)| id);
        let back = table.find(table.hash(&back), &back).map(|(id, _, _)| id);
        assert_eq!(there, back, "flow {n} is there by half");
        there.is_some()
    });
    assert_eq!(found.count() as u64, table.len());
}
