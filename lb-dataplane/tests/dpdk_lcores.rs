//! Worker lcores, the rings between them, and the clock they read.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test"
)]

mod dpdk_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dpdk_support::{burst, frame, octets, run, whole};
use lb_dataplane::dpdk::eal::SocketId;
use lb_dataplane::dpdk::lcore::{self, LaunchError, LcoreId};
use lb_dataplane::dpdk::ring::{self, RingError};
use lb_dataplane::dpdk::{Burst, Clock, Eal, Mempool};

#[test]
fn lcores_run_closures_and_rings_carry_frames_between_them() {
    run(
        &[],
        &[
            (
                "the EAL knows its lcores and where they run",
                lcores_are_known,
            ),
            (
                "a closure runs on its lcore and its result comes back",
                a_closure_runs,
            ),
            (
                "a panic on a lcore is an error, and the lcore lives",
                a_panic_is_caught,
            ),
            (
                "only a waiting worker lcore can be launched",
                only_workers_that_wait,
            ),
            (
                "a ring gives frames back in order and refuses what does not fit",
                rings_keep_order,
            ),
            (
                "a ring for many senders loses and doubles nothing",
                many_senders,
            ),
            ("frames cross from lcore to lcore", frames_cross_lcores),
            (
                "rings that cannot be are refused",
                impossible_rings_are_refused,
            ),
            (
                "the clock of every lcore goes on from the same start",
                clocks_agree,
            ),
        ],
    );
}

fn lcores_are_known(eal: &Eal, _pool: &Mempool) {
    assert_eq!(eal.main_lcore(), LcoreId(0));
    assert_eq!(eal.worker_lcores(), [LcoreId(1), LcoreId(2)]);
    assert_eq!(eal.cpus_of(LcoreId(2)), [0]);
    assert!(eal.socket_of(LcoreId(1)).is_some());
    assert_eq!(eal.socket_of(LcoreId(100_000)), None);
    assert_eq!(eal.cpus_of(LcoreId(100_000)), [0; 0]);
}

fn a_closure_runs(eal: &Eal, _pool: &Mempool) {
    let here = std::thread::current().id();
    let handle = lcore::launch(eal, LcoreId(1), || (std::thread::current().id(), 42)).unwrap();
    assert_eq!(handle.lcore(), LcoreId(1));
    let (there, answer) = handle.join().unwrap();
    assert_ne!(there, here);
    assert_eq!(answer, 42);

    let again = lcore::launch(eal, LcoreId(1), || std::thread::current().id()).unwrap();
    assert_eq!(again.join().unwrap(), there, "a lcore is one thread");
}

fn a_panic_is_caught(eal: &Eal, _pool: &Mempool) {
    let handle = lcore::launch(eal, LcoreId(2), || -> u8 { panic!("frame {} is odd", 7) }).unwrap();
    let panicked = handle.join().unwrap_err();
    assert_eq!(
        (panicked.lcore, panicked.message.as_str()),
        (LcoreId(2), "frame 7 is odd")
    );
    assert_eq!(
        lcore::launch(eal, LcoreId(2), || 1)
            .unwrap()
            .join()
            .unwrap(),
        1
    );
}

fn only_workers_that_wait(eal: &Eal, _pool: &Mempool) {
    for lcore in [LcoreId(0), LcoreId(9), LcoreId(100_000)] {
        let refused = lcore::launch(eal, lcore, || ()).unwrap_err();
        assert!(
            matches!(refused, LaunchError::NotAWorker(found) if found == lcore),
            "{refused}"
        );
    }
    let ends = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ends);
    let busy = lcore::launch(eal, LcoreId(1), move || {
        while !seen.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
    });
    let busy = busy.unwrap();
    assert!(!busy.is_finished());
    let refused = lcore::launch(eal, LcoreId(1), || ()).unwrap_err();
    assert!(
        matches!(refused, LaunchError::Busy(LcoreId(1))),
        "{refused}"
    );
    ends.store(true, Ordering::Release);
    busy.join().unwrap();
}

fn rings_keep_order(eal: &Eal, pool: &Mempool) {
    let (mut sender, mut receiver) = ring::single(eal, "order", 24, None).unwrap();
    assert_eq!(sender.capacity(), 24);
    assert!(receiver.is_empty());
    let mut out = burst(pool, 32);
    assert_eq!(
        sender.send(&mut out),
        24,
        "a ring holds what it was made for, power of two or not"
    );
    assert_eq!((out.len(), receiver.len()), (8, 24));
    assert_eq!(out.as_slice()[0].len(), 60 + 24);

    let mut back = Burst::new();
    assert_eq!(receiver.receive(&mut back), 24);
    assert_eq!(sender.send(&mut out), 8);
    assert_eq!(receiver.receive(&mut back), 8);
    for (seed, mbuf) in back.drain().enumerate() {
        assert_eq!(mbuf.head(), octets(seed, 60 + seed));
    }
    assert_eq!(receiver.receive(&mut back), 0);
}

fn many_senders(eal: &Eal, pool: &Mempool) {
    const PER_SENDER: u16 = 500;
    let (sender, mut receiver) = ring::multi(eal, "many", 64, None).unwrap();
    let handles: Vec<_> = eal
        .worker_lcores()
        .into_iter()
        .map(|lcore| {
            let (sender, pool) = (sender.clone(), pool.clone());
            let name = u8::try_from(lcore.0).unwrap();
            let work = move || {
                for number in 0..PER_SENDER {
                    let mut one = Burst::new();
                    let [high, low] = number.to_be_bytes();
                    one.push(frame(&pool, &[name, high, low])).unwrap();
                    while sender.send(&mut one) == 0 {
                        std::thread::yield_now();
                    }
                }
            };
            lcore::launch(eal, lcore, work).unwrap()
        })
        .collect();
    let mut next = [0; 3];
    let mut back = Burst::new();
    while next != [0, PER_SENDER, PER_SENDER] {
        receiver.receive(&mut back);
        for mbuf in back.drain() {
            let [name, high, low] = mbuf.head().try_into().unwrap();
            assert_eq!(
                u16::from_be_bytes([high, low]),
                next[usize::from(name)],
                "frames of one sender are in order"
            );
            next[usize::from(name)] += 1;
        }
        std::thread::yield_now();
    }
    for handle in handles {
        handle.join().unwrap();
    }
    assert!(receiver.is_empty());
}

fn frames_cross_lcores(eal: &Eal, pool: &Mempool) {
    let (mut to_two, mut at_two) = ring::single(eal, "one to two", 64, None).unwrap();
    let (mut to_main, mut at_main) = ring::single(eal, "two to main", 64, None).unwrap();
    let frames = pool.clone();
    let one = lcore::launch(eal, LcoreId(1), move || {
        to_two.send(&mut burst(&frames, 32))
    })
    .unwrap();
    let two = lcore::launch(eal, LcoreId(2), move || {
        let mut through = Burst::new();
        let mut seen = 0;
        while seen < 32 {
            seen += at_two.receive(&mut through);
            for mbuf in through.as_mut_slice() {
                mbuf.head_mut().reverse();
            }
            to_main.send(&mut through);
            std::thread::yield_now();
        }
        through.len()
    });
    assert_eq!(one.join().unwrap(), 32);
    assert_eq!(two.unwrap().join().unwrap(), 0);
    let mut back = Burst::new();
    assert_eq!(at_main.receive(&mut back), 32);
    for (seed, mbuf) in back.drain().enumerate() {
        let expected: Vec<u8> = octets(seed, 60 + seed).into_iter().rev().collect();
        assert_eq!(whole(&mbuf), expected);
    }
}

fn impossible_rings_are_refused(eal: &Eal, _pool: &Mempool) {
    let refusal = |name: &str, capacity| ring::multi(eal, name, capacity, None).unwrap_err();
    assert!(matches!(
        refusal("none", 0),
        RingError::Capacity { capacity: 0, .. }
    ));
    assert!(matches!(
        refusal("vast", u32::MAX),
        RingError::Capacity { .. }
    ));
    assert!(matches!(refusal(&"x".repeat(40), 8), RingError::Name(_)));
    assert!(
        matches!(refusal("large", 1 << 24), RingError::Memory { .. }),
        "{}",
        refusal("large", 1 << 24)
    );
    let held = ring::multi(eal, "held", 8, Some(SocketId(0))).unwrap();
    assert!(matches!(refusal("held", 8), RingError::Name(name) if name == "held"));
    drop(held);
    drop(ring::multi(eal, "held", 8, None).unwrap());
}

fn clocks_agree(eal: &Eal, _pool: &Mempool) {
    let clock = Clock::new(eal);
    let before = clock.now();
    let there = lcore::launch(eal, LcoreId(1), move || clock.now())
        .unwrap()
        .join()
        .unwrap();
    let after = clock.now();
    assert!(
        before <= there && there <= after,
        "{before} {there} {after}"
    );
    let a_minute = 60_000_000_000;
    assert!(
        after < a_minute,
        "nanoseconds since it was made, not since the machine came up"
    );
}
