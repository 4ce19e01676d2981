//! How full the table gets: every insert succeeds up to 80 percent, and nearly every one after that.
//!
//! No counterpart in the patent.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod conn_kit;

use conn_kit::{Flow, Make, flow, is_flow, table};

fn fill<const W: usize>(capacity: u32)
where
    Make: Flow<W>,
{
    let (table, mut lanes) = table::<W>(capacity, 1);
    let eighty = capacity / 10 * 8;
    let mut insert = |n| {
        let new = flow::<W>(n);
        table.insert(&mut lanes[0], table.hash(&new.forward), &new)
    };
    for n in 0..eighty {
        insert(n).unwrap();
    }
    let refused = (eighty..capacity).filter(|&n| insert(n).is_err()).count();
    println!("refused between 80 and 100 percent: {refused}");
    assert!(refused <= 100, "{refused}");
    for n in (0..eighty).step_by(97) {
        let key = flow::<W>(n).reverse.unwrap();
        assert!(is_flow(table.find(table.hash(&key), &key).unwrap().2, n));
    }
}

#[test]
fn an_ipv4_table_takes_every_flow_up_to_eighty_percent() {
    fill::<2>(1 << 20);
}

#[test]
fn an_ipv6_table_takes_every_flow_up_to_eighty_percent() {
    fill::<5>(1 << 18);
}
