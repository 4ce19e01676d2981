//! The connection table against a plain map: a million random operations, the same answers.
//!
//! WO 00/30294: table 66.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "test")]

mod conn_kit;

use std::collections::HashMap;

use conn_kit::{Flow, Make, flow, is_flow, table};
use lb_core::conn::{ConnId, ConnTable, Direction, InsertError, Lane, Tick};
use proptest::prelude::*;

/// What a lane may do; numbers choose the flow.
#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u32),
    Find(u32),
    Remove(u32),
    Touch(u32),
    Turn,
    Sweep,
}

/// Table and map side by side; each flow's entry and when it was last used.
struct Pair<const W: usize> {
    table: ConnTable<W>,
    lanes: Vec<Lane<W>>,
    map: HashMap<u32, (ConnId, Tick)>,
    now: Tick,
    turns: u32,
}

const LIFE: u32 = 50;

/// Spreads the work over the lanes.
fn pick<const W: usize>(lanes: &mut [Lane<W>], n: u32) -> &mut Lane<W> {
    let number = n as usize % lanes.len();
    lanes.get_mut(number).unwrap()
}

impl<const W: usize> Pair<W>
where
    Make: Flow<W>,
{
    fn new(capacity: u32) -> Self {
        let (table, lanes) = table(capacity, 2);
        Self {
            table,
            lanes,
            map: HashMap::new(),
            now: Tick(1),
            turns: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Insert(n) => self.insert(n),
            Step::Find(n) => self.find(n),
            Step::Remove(n) => self.remove(n),
            Step::Touch(n) => self.touch(n),
            Step::Turn => self.turn(),
            Step::Sweep => self.sweep(),
        }
    }

    fn insert(&mut self, n: u32) {
        let mut new = flow::<W>(n);
        (new.now, new.due) = (self.now, self.now.after(LIFE + 1));
        let lane = pick(&mut self.lanes, n);
        let result = self.table.insert(lane, self.table.hash(&new.forward), &new);
        match self.map.get(&n) {
            Some(&(id, _)) => {
                let direction = Direction::Forward;
                assert_eq!(result, Err(InsertError::Exists { id, direction }));
            }
            None => match result {
                Ok(id) => {
                    self.map.insert(n, (id, self.now));
                }
                Err(error) => assert_eq!(error, InsertError::Full),
            },
        }
    }

    fn find(&self, n: u32) {
        let flow = flow::<W>(n);
        let keys = [
            (flow.forward, Direction::Forward),
            (flow.reverse.unwrap(), Direction::Reverse),
        ];
        for (key, way) in keys {
            let found = self.table.find(self.table.hash(&key), &key);
            assert_eq!(
                found.map(|(id, _, _)| id),
                self.map.get(&n).map(|&(id, _)| id)
            );
            assert!(found.is_none_or(|(_, there, conn)| there == way && is_flow(conn, n)));
        }
    }

    fn remove(&mut self, n: u32) {
        if let Some((id, _)) = self.map.remove(&n) {
            assert!(self.table.remove(pick(&mut self.lanes, n >> 1), id));
        }
    }

    fn touch(&mut self, n: u32) {
        if let Some((id, seen)) = self.map.get_mut(&n) {
            self.table.conn(*id).unwrap().touch(self.now);
            *seen = self.now;
        }
    }

    fn turn(&mut self) {
        self.turns += 1;
        self.table.turn(pick(&mut self.lanes, self.turns));
    }

    /// One second passes, and all lanes sweep their whole share.
    fn sweep(&mut self) {
        self.now = self.now.after(1);
        let mut ended = Vec::new();
        for lane in &mut self.lanes {
            let share = self.table.share(lane);
            self.table
                .sweep(lane, self.now, share, |_| LIFE, |id, _| ended.push(id));
        }
        let now = self.now;
        let before = self.map.len();
        self.map.retain(|_, &mut (id, seen)| {
            let over = seen.after(LIFE + 1) <= now;
            assert_eq!(over, ended.contains(&id));
            !over
        });
        assert_eq!(before - self.map.len(), ended.len());
    }

    fn check(&self, flows: u32) {
        assert_eq!(self.table.len(), self.map.len() as u64);
        (0..flows).for_each(|n| self.find(n));
    }
}

fn step(flows: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        400 => (0..flows).prop_map(Step::Insert),
        200 => (0..flows).prop_map(Step::Find),
        250 => (0..flows).prop_map(Step::Remove),
        120 => (0..flows).prop_map(Step::Touch),
        50 => Just(Step::Turn),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_small_crowded_table_answers_like_a_map(
        steps in prop::collection::vec(step(100), 1..2000),
    ) {
        let mut pair = Pair::<2>::new(64);
        steps.into_iter().for_each(|step| pair.take(step));
        pair.check(100);
    }

    #[test]
    fn a_small_ipv6_table_answers_like_a_map(
        steps in prop::collection::vec(step(100), 1..2000),
    ) {
        let mut pair = Pair::<5>::new(64);
        steps.into_iter().for_each(|step| pair.take(step));
        pair.check(100);
    }
}

#[test]
fn a_million_operations_on_a_large_table_answer_like_a_map() {
    let mut pair = Pair::<2>::new(16_384);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for i in 0..1_000_000u32 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let n = u32::try_from(random >> 40).unwrap() % 20_000;
        pair.take(match random % 100 {
            0..40 => Step::Insert(n),
            40..60 => Step::Find(n),
            60..85 => Step::Remove(n),
            85..97 => Step::Touch(n),
            _ => Step::Turn,
        });
        if i % 10_000 == 0 {
            pair.take(Step::Sweep);
        }
    }
    pair.check(20_000);
}
