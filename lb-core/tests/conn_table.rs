//! The connection table as the filter uses it: what is inserted is found from both sides until it
//! ends.
//!
//! WO 00/30294: table 66, steps 212, 218 and 220 of Fig. 6.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "test")]

mod conn_kit;

use conn_kit::{Flow, Make, SECRET, flow, is_flow, open, region, table};
use lb_core::conn::{ConnId, ConnState, Direction, InsertError, Probe, Tick};
use lb_core::flow::FlowHash;
use lb_core::id::{BackendSlot, ServiceSlot};
use lb_core::shared::{Layout, Memory, Region};

#[test]
fn both_directions_of_a_flow_lead_to_the_same_entry() {
    fn check<const W: usize>()
    where
        Make: Flow<W>,
    {
        let (table, mut lanes) = table::<W>(64, 1);
        let new = flow::<W>(5);
        let id = table
            .insert(&mut lanes[0], table.hash(&new.forward), &new)
            .unwrap();
        let (there, direction, conn) = table.find(table.hash(&new.forward), &new.forward).unwrap();
        assert_eq!((there, direction), (id, Direction::Forward));
        assert!(is_flow(conn, 5) && !conn.is_one_way());
        let back = new.reverse.unwrap();
        let (there, direction, _) = table.find(table.hash(&back), &back).unwrap();
        assert_eq!((there, direction), (id, Direction::Reverse));
    }
    check::<2>();
    check::<5>();
}

#[test]
fn a_direct_flow_is_found_from_the_client_side_only() {
    let (table, mut lanes) = table::<2>(64, 1);
    let nat = flow::<2>(5);
    let new = lb_core::conn::NewConn {
        reverse: None,
        ..nat
    };
    table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    assert!(
        table
            .find(table.hash(&new.forward), &new.forward)
            .unwrap()
            .2
            .is_one_way()
    );
    let back = nat.reverse.unwrap();
    assert!(table.find(table.hash(&back), &back).is_none());
}

#[test]
fn a_flow_that_is_there_is_named_instead_of_inserted_again() {
    let (table, mut lanes) = table::<2>(64, 1);
    let new = flow::<2>(5);
    let id = table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    let again = table.insert(&mut lanes[0], table.hash(&new.forward), &new);
    assert_eq!(
        again,
        Err(InsertError::Exists {
            id,
            direction: Direction::Forward
        })
    );
    assert_eq!(table.len(), 1);
    assert!(table.find(table.hash(&new.forward), &new.forward).is_some());
}

#[test]
fn a_flow_whose_way_back_is_anothers_is_refused() {
    let (table, mut lanes) = table::<2>(64, 1);
    let first = flow::<2>(5);
    let second = lb_core::conn::NewConn {
        reverse: first.reverse,
        ..flow::<2>(6)
    };
    table
        .insert(&mut lanes[0], table.hash(&first.forward), &first)
        .unwrap();
    let result = table.insert(&mut lanes[0], table.hash(&second.forward), &second);
    assert_eq!(result, Err(InsertError::ReverseTaken));
    assert!(
        table
            .find(table.hash(&second.forward), &second.forward)
            .is_none()
    );
    let back = first.reverse.unwrap();
    assert!(is_flow(table.find(table.hash(&back), &back).unwrap().2, 5));
}

#[test]
fn a_way_back_may_not_be_another_flows_way_there() {
    let (table, mut lanes) = table::<2>(64, 1);
    let first = flow::<2>(5);
    let second = lb_core::conn::NewConn {
        reverse: Some(first.forward),
        ..flow::<2>(6)
    };
    table
        .insert(&mut lanes[0], table.hash(&first.forward), &first)
        .unwrap();
    let result = table.insert(&mut lanes[0], table.hash(&second.forward), &second);
    assert_eq!(result, Err(InsertError::ReverseTaken));
}

#[test]
fn a_removed_flow_is_gone_at_once_and_may_come_again() {
    let (table, mut lanes) = table::<2>(64, 1);
    let new = flow::<2>(5);
    let id = table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    assert!(table.remove(&mut lanes[0], id));
    assert!(!table.remove(&mut lanes[0], id));
    assert!(table.find(table.hash(&new.forward), &new.forward).is_none());
    assert!(table.is_empty());
    let again = table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    assert_ne!(again, id, "the old entry may still be held in this turn");
}

#[test]
fn a_removed_entry_is_not_reused_before_every_lane_has_turned() {
    let (table, lanes) = table::<2>(1, 2);
    let [mut one, mut other] = <[_; 2]>::try_from(lanes).unwrap();
    let (old, new) = (flow::<2>(1), flow::<2>(2));
    let id = table
        .insert(&mut one, table.hash(&old.forward), &old)
        .unwrap();
    let held = table
        .find(table.hash(&old.forward), &old.forward)
        .unwrap()
        .2;
    assert!(table.remove(&mut one, id));
    let mut insert = || {
        table.turn(&mut one);
        table.insert(&mut one, table.hash(&new.forward), &new)
    };
    assert_eq!(insert(), Err(InsertError::Full));
    assert_eq!(insert(), Err(InsertError::Full));
    assert!(is_flow(held, 1));
    table.turn(&mut other);
    // The first turn after that publishes, the second one finds that all have passed.
    let result = (0..3).map(|_| insert()).find(Result::is_ok);
    assert_eq!(result, Some(Ok(id)));
}

#[test]
fn a_table_of_one_takes_flows_again_and_again() {
    let (table, mut lanes) = table::<2>(1, 1);
    for n in 0..1000 {
        let new = flow::<2>(n);
        let id = table
            .insert(&mut lanes[0], table.hash(&new.forward), &new)
            .unwrap();
        assert!(is_flow(table.conn(id).unwrap(), n));
        assert!(table.remove(&mut lanes[0], id));
        table.turn(&mut lanes[0]);
    }
    assert_eq!(table.len(), 0);
}

#[test]
fn a_full_table_refuses_new_flows_and_keeps_the_known() {
    let (table, mut lanes) = table::<2>(8, 1);
    let outcome = |n| table.find(table.hash(&flow::<2>(n).forward), &flow::<2>(n).forward);
    let mut known = Vec::new();
    for n in 0..100 {
        let new = flow::<2>(n);
        match table.insert(&mut lanes[0], table.hash(&new.forward), &new) {
            Ok(_) => known.push(n),
            Err(error) => assert_eq!(error, InsertError::Full),
        }
    }
    assert!(known.len() <= 8 && known.len() >= 6, "{known:?}");
    assert!(known.iter().all(|&n| is_flow(outcome(n).unwrap().2, n)));
}

#[test]
fn the_stages_of_a_burst_find_what_find_finds() {
    fn check<const W: usize>()
    where
        Make: Flow<W>,
    {
        let (table, mut lanes) = table::<W>(4096, 1);
        for n in 0..4000 {
            let new = flow::<W>(n);
            table
                .insert(&mut lanes[0], table.hash(&new.forward), &new)
                .unwrap();
        }
        for n in 0..8000 {
            for key in [flow::<W>(n).forward, flow::<W>(n).reverse.unwrap()] {
                let hash = table.hash(&key);
                table.prefetch_bucket(hash);
                let probe = table.probe(hash);
                let staged = table
                    .resolve(probe, hash, &key)
                    .map(|(id, way, _)| (id, way));
                let plain = table.find(hash, &key).map(|(id, way, _)| (id, way));
                assert_eq!(staged, plain);
                assert_eq!(staged.is_some(), n < 4000);
            }
        }
    }
    check::<2>();
    check::<5>();
}

#[test]
fn a_burst_is_probed_at_once_and_each_packet_gets_its_own_answer() {
    // A table that a cache holds, and one that is asked for in another way; entries of one line, and of two.
    check_bursts::<2>(4000);
    check_bursts::<2>(12_000);
    check_bursts::<5>(4000);
    check_bursts::<5>(12_000);
}

fn check_bursts<const W: usize>(count: u32)
where
    Make: Flow<W>,
{
    let (table, mut lanes) = table::<W>(count + 96, 1);
    let lane = lanes.first_mut().unwrap();
    for n in 0..count {
        let new = flow::<W>(n);
        table.insert(lane, table.hash(&new.forward), &new).unwrap();
    }
    for first in (0..2 * count).step_by(32) {
        let numbers: [u32; 32] = std::array::from_fn(|i| first + u32::try_from(i).unwrap());
        let hashes = numbers.map(|n| table.hash(&flow::<W>(n).forward));
        let mut probes = [Probe::default(); 32];
        // Places of the other family are left alone, and so are those behind a short burst.
        let taken = match first % 96 {
            0 => u32::MAX,
            32 => u32::MAX >> (first / 32 % 32),
            _ => 0x7fff_0ff5_u32.rotate_left(first / 32),
        };
        let elsewhere = table.probe_burst(&hashes, &mut probes, taken);
        assert_eq!(elsewhere & !taken, 0);
        table.probe_elsewhere(&hashes, &mut probes, elsewhere);
        for (i, (n, (hash, probe))) in numbers
            .into_iter()
            .zip(hashes.into_iter().zip(probes))
            .enumerate()
        {
            if taken >> i & 1 == 0 {
                assert_eq!(probe, Probe::default());
                continue;
            }
            let found = table.resolve(probe, hash, &flow::<W>(n).forward);
            assert_eq!(found.is_some(), n < count);
            assert!(found.is_none_or(|(_, _, conn)| is_flow(conn, n)));
        }
    }
}

#[test]
fn a_probe_that_found_another_entry_with_the_same_tag_is_only_a_hint() {
    let (table, mut lanes) = table::<2>(64, 1);
    let (new, other) = (flow::<2>(5), flow::<2>(6));
    let hash = table.hash(&new.forward);
    table.insert(&mut lanes[0], hash, &new).unwrap();
    let probe = table.probe(hash);
    assert!(!probe.is_nothing());
    assert!(table.resolve(probe, hash, &other.forward).is_none());
    assert!(
        table
            .resolve(Probe::default(), hash, &new.forward)
            .is_none()
    );
}

#[test]
fn live_counts_follow_inserts_and_removals_and_know_no_slot_out_of_range() {
    let (table, mut lanes) = table::<2>(64, 1);
    let new = lb_core::conn::NewConn {
        service: ServiceSlot(3),
        backend: BackendSlot(9),
        ..flow(1)
    };
    let stray = lb_core::conn::NewConn {
        backend: BackendSlot(u32::MAX),
        ..flow(2)
    };
    let id = table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    table
        .insert(&mut lanes[0], table.hash(&stray.forward), &stray)
        .unwrap();
    let live = table.live();
    assert_eq!(
        (live.service(ServiceSlot(3)), live.backend(BackendSlot(9))),
        (1, 1)
    );
    assert_eq!(live.backend(BackendSlot(u32::MAX)), 0);
    table.remove(&mut lanes[0], id);
    assert_eq!(
        (live.service(ServiceSlot(3)), live.backend(BackendSlot(9))),
        (0, 0)
    );
    assert_eq!(table.len(), 1);
}

#[test]
fn a_state_changes_only_from_the_one_that_was_expected() {
    let (table, mut lanes) = table::<2>(64, 1);
    let new = flow::<2>(5);
    let id = table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    let (syn, established) = (
        new.state,
        ConnState {
            protocol: 2,
            flags: 0x8001,
        },
    );
    assert!(table.change_state(id, syn, established, Tick(100)));
    assert!(!table.change_state(id, syn, established, Tick(100)));
    assert_eq!(table.conn(id).unwrap().state(), established);
    table.remove(&mut lanes[0], id);
    assert!(!table.change_state(id, established, syn, Tick(100)));
}

#[test]
fn what_may_change_in_a_live_entry_is_read_back() {
    let (table, mut lanes) = table::<5>(64, 1);
    let new = flow::<5>(5);
    let id = table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    let conn = table.conn(id).unwrap();
    conn.touch(Tick(17));
    conn.set_next_hop(0xdead_beef);
    conn.note_sequence(Direction::Reverse, 42);
    assert_eq!((conn.last_seen(), conn.next_hop()), (Tick(17), 0xdead_beef));
    assert_eq!(conn.sequence(Direction::Reverse), 42);
    assert_eq!(conn.sequence(Direction::Forward), new.sequence[0]);
    assert_eq!(conn.key(Direction::Forward), new.forward);
}

#[test]
fn pages_of_a_listing_show_every_connection_once() {
    let (table, mut lanes) = table::<2>(4096, 1);
    let ids: Vec<ConnId> = (0..1000)
        .map(|n| {
            table
                .insert(&mut lanes[0], table.hash(&flow::<2>(n).forward), &flow(n))
                .unwrap()
        })
        .collect();
    for &id in ids.iter().step_by(3) {
        table.remove(&mut lanes[0], id);
    }
    let mut seen = Vec::new();
    let mut next = Some(ConnId(0));
    let mut pages = 0;
    while let Some(from) = next {
        next = table.for_each(from, 100, |id, conn| {
            seen.push((id, conn.key(Direction::Forward)))
        });
        pages += 1;
    }
    assert!(pages >= 10, "{pages} pages");
    let mut left: Vec<_> = (0..1000)
        .filter(|n| n % 3 != 0)
        .map(|n| (ids[n as usize], flow::<2>(n).forward))
        .collect();
    left.sort_by_key(|&(id, _)| id);
    assert_eq!(seen, left);
}

#[test]
fn a_flow_without_packets_ends_after_its_life_and_not_before() {
    let (table, mut lanes) = table::<2>(64, 1);
    let new = flow::<2>(5);
    table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    let mut sweep = |now| {
        let share = table.share(&lanes[0]);
        let mut ended = 0;
        let removed = table.sweep(
            &mut lanes[0],
            Tick(now),
            share,
            |_| 60,
            |_, conn| {
                assert!(is_flow(conn, 5));
                ended += 1;
            },
        );
        assert_eq!(removed, ended);
        removed
    };
    assert_eq!(sweep(60), 0);
    assert_eq!(
        sweep(61),
        0,
        "the last packet may have come at the end of second 1"
    );
    assert_eq!(sweep(62), 1);
    assert!(table.is_empty());
}

#[test]
fn packets_keep_a_flow_and_a_closing_state_shortens_its_life() {
    let (table, mut lanes) = table::<2>(64, 1);
    let new = flow::<2>(5);
    let id = table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    let closing = ConnState {
        protocol: 9,
        flags: 0,
    };
    let mut sweep = |now| {
        let life =
            |conn: lb_core::conn::Conn<'_, 2>| if conn.state() == closing { 10 } else { 7440 };
        table.sweep(&mut lanes[0], Tick(now), 4096, life, |_, _| ())
    };
    assert_eq!(sweep(61), 0);
    table.conn(id).unwrap().touch(Tick(500));
    assert!(table.change_state(id, new.state, closing, Tick(511)));
    assert_eq!(sweep(510), 0);
    assert_eq!(sweep(511), 1);
}

#[test]
fn shorter_lives_by_configuration_show_after_a_recheck() {
    let (table, mut lanes) = table::<2>(64, 1);
    let new = lb_core::conn::NewConn {
        due: Tick(7441),
        ..flow::<2>(5)
    };
    table
        .insert(&mut lanes[0], table.hash(&new.forward), &new)
        .unwrap();
    assert_eq!(
        table.sweep(&mut lanes[0], Tick(100), 4096, |_| 30, |_, _| ()),
        0
    );
    table.recheck(&mut lanes[0]);
    assert_eq!(
        table.sweep(&mut lanes[0], Tick(100), 4096, |_| 30, |_, _| ()),
        1
    );
}

#[test]
fn lanes_that_sweep_their_shares_in_small_steps_meet_every_cell_within_a_round() {
    let (table, mut lanes) = table::<2>(20_000, 3);
    for n in 0..10_000 {
        let lane = &mut lanes[n as usize % 3];
        table
            .insert(lane, table.hash(&flow::<2>(n).forward), &flow(n))
            .unwrap();
    }
    for lane in &mut lanes {
        let (share, steps) = (table.share(lane), 10);
        for _ in 0..steps {
            table.sweep(lane, Tick(1000), share.div_ceil(steps), |_| 60, |_, _| ());
        }
    }
    assert_eq!(table.len(), 0);
}

#[test]
fn cells_of_a_lane_that_was_given_up_come_back_through_the_sweep() {
    let (table, mut lanes) = table::<2>(256, 2);
    let mut gone = lanes.pop().unwrap();
    let mut stays = lanes.pop().unwrap();
    for n in 0..200 {
        let new = flow::<2>(n);
        let id = table
            .insert(&mut gone, table.hash(&new.forward), &new)
            .unwrap();
        assert!(table.remove(&mut gone, id));
    }
    table.retire_lane(gone);
    // The other lane's share of the sweep is too small a part here: take all of it.
    let whole = lb_core::conn::Sweeping { number: 0, of: 1 };
    let mut sweeper = table.lane(1, Some(whole)).unwrap();
    table.turn(&mut sweeper);
    table.sweep(&mut sweeper, Tick(10), 4096, |_| 60, |_, _| ());
    for _ in 0..1000 {
        table.turn(&mut sweeper);
        table.turn(&mut stays);
    }
    table.retire_lane(sweeper);
    let inserted = (0..200)
        .filter(|&n| {
            table
                .insert(&mut stays, table.hash(&flow::<2>(n).forward), &flow(n))
                .is_ok()
        })
        .count();
    assert_eq!(inserted, 200);
}

#[test]
fn a_lane_number_beyond_the_epochs_lanes_is_refused() {
    let (table, _lanes) = table::<2>(64, 2);
    assert!(table.lane(2, None).is_none());
}

#[test]
fn ipv4_and_ipv6_tables_of_one_region_do_not_touch_each_other() {
    let region = region(64);
    let (v4, mut lanes4) = open::<2>(&region, 1);
    let (v6, mut lanes6) = open::<5>(&region, 1);
    for n in 0..40 {
        v4.insert(&mut lanes4[0], v4.hash(&flow::<2>(n).forward), &flow(n))
            .unwrap();
        v6.insert(&mut lanes6[0], v6.hash(&flow::<5>(n).forward), &flow(n))
            .unwrap();
    }
    for n in 0..40 {
        let (key4, key6) = (flow::<2>(n).forward, flow::<5>(n).forward);
        assert!(is_flow(v4.find(v4.hash(&key4), &key4).unwrap().2, n));
        assert!(is_flow(v6.find(v6.hash(&key6), &key6).unwrap().2, n));
    }
    assert_eq!(region.live().service(ServiceSlot(0)), 2 * 6);
}

#[test]
fn a_hash_of_zero_is_a_hash_like_any_other() {
    let layout = Layout::new(64).unwrap();
    let memory = Memory::heap(layout.octets());
    let region = Region::create(memory, &layout, &SECRET, 1).unwrap();
    let (table, _) = open::<2>(&region, 1);
    assert!(table.find(FlowHash(0), &flow::<2>(0).forward).is_none());
    assert!(table.probe(FlowHash(0)).is_nothing());
}

#[test]
fn memory_per_connection_at_eighty_percent_keeps_its_promise() {
    let capacity = 1 << 20;
    let layout = Layout::new(capacity).unwrap();
    // Untouched memory costs nothing, so each table is charged with all that both share.
    let (v4, v6) = layout.octets_by_family();
    let per = |octets: usize| octets as f64 / (0.8 * f64::from(capacity));
    println!(
        "octets per connection at 80 %: IPv4 {:.1}, IPv6 {:.1}",
        per(v4),
        per(v6)
    );
    assert!(per(v4) <= 128.0, "{}", per(v4));
    assert!(per(v6) <= 224.0, "{}", per(v6));
}
