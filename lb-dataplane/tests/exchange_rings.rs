//! The exchange: rings between one lcore and the interface daemon, over real mbufs.
//!
//! WO 00/30294: storage area 68; claims 1–3, 13, 14.

#![expect(clippy::unwrap_used, reason = "test")]

mod dpdk_support;

use dpdk_support::{burst, frame, octets, run, whole};
use lb_core::filter::Class;
use lb_core::id::PortId;
use lb_dataplane::dpdk::mempool::Settings;
use lb_dataplane::dpdk::{Burst, Eal, LcoreId, Mempool};
use lb_dataplane::exchange::{BULK, DOWN, Exchange, Punted};

#[test]
fn frames_cross_between_a_lcore_and_the_daemon() {
    run(
        &[],
        &[
            ("what goes up arrives in order, class by class", goes_up),
            (
                "a flood of bulk leaves control traffic its ring, and is dropped beyond its own",
                bulk_is_full,
            ),
            ("frames that went up come home to their lcore", comes_home),
            (
                "the kernel's frames go down to the first lcore of their port",
                goes_down,
            ),
            ("what is left in the rings is freed with them", is_freed),
        ],
    );
}

const LCORE: LcoreId = LcoreId(1);
const PORT: PortId = PortId(0);

fn exchange(eal: &Eal) -> Exchange {
    Exchange::new(eal, [(LCORE, PORT)]).unwrap()
}

fn punted(pool: &Mempool, class: Class, seeds: std::ops::Range<usize>) -> Punted {
    let mut punted = Punted::default();
    for seed in seeds {
        punted.push(class, frame(pool, &octets(seed, 60)));
    }
    punted
}

fn seen(burst: &Burst) -> Vec<Vec<u8>> {
    burst.as_slice().iter().map(whole).collect()
}

fn wanted(seeds: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    seeds.map(|seed| octets(seed, 60)).collect()
}

fn goes_up(eal: &Eal, pool: &Mempool) {
    let mut all = exchange(eal);
    let mut worker = all.take_worker(LCORE).remove(0);
    let up = all.ups.first_mut().unwrap();
    assert_eq!((worker.port(), up.port), (PORT, PORT));
    for (class, seeds) in [
        (Class::Bulk, 0..3),
        (Class::Neighbor, 3..5),
        (Class::Icmp, 5..6),
        (Class::Routing, 6..8),
    ] {
        assert_eq!(worker.send_up(&mut punted(pool, class, seeds)), 0);
    }
    let (mut control, mut bulk) = (Burst::new(), Burst::new());
    assert_eq!(
        (up.take_control(&mut control), up.take_bulk(&mut bulk)),
        (4, 4)
    );
    assert_eq!(seen(&control), [wanted(3..5), wanted(6..8)].concat());
    assert_eq!(seen(&bulk), [wanted(0..3), wanted(5..6)].concat());
}

fn bulk_is_full(eal: &Eal, _: &Mempool) {
    let settings = Settings {
        count: 2 * BULK - 1,
        ..Settings::default()
    };
    let pool = &Mempool::create(eal, "many", settings).unwrap();
    let mut all = exchange(eal);
    let mut worker = all.take_worker(LCORE).remove(0);
    let bursts = BULK as usize / 32;
    let dropped: usize = (0..bursts + 2)
        .map(|_| worker.send_up(&mut punted(pool, Class::Bulk, 0..32)))
        .sum();
    assert_eq!(dropped, 64);
    assert_eq!(worker.send_up(&mut punted(pool, Class::Routing, 0..32)), 0);
    assert_eq!(pool.in_use(), BULK + 32, "what was dropped is freed");
}

fn comes_home(eal: &Eal, pool: &Mempool) {
    let mut all = exchange(eal);
    let mut worker = all.take_worker(LCORE).remove(0);
    let up = all.ups.first_mut().unwrap();
    worker.send_up(&mut punted(pool, Class::Bulk, 0..5));
    let mut hand = Burst::new();
    up.take_bulk(&mut hand);
    up.send_home(&mut hand);
    assert!(hand.is_empty());
    assert_eq!(pool.in_use(), 5, "the daemon frees none of them");
    assert_eq!(worker.take(&mut Burst::new()), 0);
    assert_eq!(pool.in_use(), 0);
}

fn goes_down(eal: &Eal, pool: &Mempool) {
    let two = [(LCORE, PORT), (LcoreId(2), PORT)];
    let mut all = Exchange::new(eal, two).unwrap();
    let mut first = all.take_worker(LCORE).remove(0);
    let mut second = all.take_worker(LcoreId(2)).remove(0);
    assert_eq!((all.ups.len(), all.downs.len()), (2, 1));
    let down = all.downs.first_mut().unwrap();
    let mut sent = 0;
    loop {
        let mut more = burst(pool, 32);
        sent += down.send(&mut more);
        if !more.is_empty() {
            break;
        }
    }
    assert_eq!(
        sent, DOWN as usize,
        "a full ring leaves the rest to the daemon"
    );
    let mut taken = Burst::new();
    assert_eq!((second.take(&mut taken), first.take(&mut taken)), (0, 32));
    assert_eq!(taken.as_slice().first().map(whole), Some(octets(0, 60)));
}

fn is_freed(eal: &Eal, pool: &Mempool) {
    let mut all = exchange(eal);
    let mut worker = all.take_worker(LCORE).remove(0);
    worker.send_up(&mut punted(pool, Class::Bulk, 0..7));
    worker.send_up(&mut punted(pool, Class::Neighbor, 0..7));
    all.downs.first_mut().unwrap().send(&mut burst(pool, 9));
    drop(worker);
    drop(all);
    assert_eq!(pool.in_use(), 0);
}
