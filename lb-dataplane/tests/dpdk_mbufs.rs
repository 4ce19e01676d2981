//! Mbufs and bursts: growing, shrinking, order, and every mbuf back in its pool.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod dpdk_support;

use dpdk_support::{burst, frame, octets, run, whole};
use lb_dataplane::dpdk::burst::CAPACITY;
use lb_dataplane::dpdk::mempool::{CACHE_MAX, CreateError, DATA_ROOM, Settings, octets_per_mbuf};
use lb_dataplane::dpdk::{Burst, Eal, Mbuf, Mempool};

#[test]
fn mbufs_keep_their_octets_and_find_their_way_home() {
    run(
        &[],
        &[
            (
                "a new mbuf is empty, one segment, with room for a frame",
                a_new_mbuf_is_empty,
            ),
            (
                "a frame grows with zeros and shrinks at its end",
                a_frame_grows_and_shrinks,
            ),
            (
                "a frame that would outgrow its segment stays as it is",
                no_room_changes_nothing,
            ),
            (
                "octets are taken off the front, never more than there are",
                front_is_stripped,
            ),
            (
                "an emptied pool gives no mbuf and recovers",
                an_empty_pool_recovers,
            ),
            (
                "a burst holds 32 frames and hands the next one back",
                a_burst_holds_thirty_two,
            ),
            (
                "drain gives frames in order and frees what is not taken",
                drain_keeps_order,
            ),
            (
                "the front of a burst is split off in order",
                front_is_split_off,
            ),
            (
                "frames may change places within a burst",
                frames_change_places,
            ),
            (
                "a burst is filled from the pool whole or not at all",
                fill_is_all_or_none,
            ),
            (
                "an mbuf is freed on another thread",
                an_mbuf_crosses_threads,
            ),
            (
                "a pool that cannot be is refused with its cure",
                impossible_pools_are_refused,
            ),
        ],
    );
}

fn a_new_mbuf_is_empty(_eal: &Eal, pool: &Mempool) {
    let mbuf = Mbuf::alloc(pool).unwrap();
    assert!(mbuf.is_empty());
    assert_eq!(mbuf.head(), b"");
    assert_eq!(mbuf.segment_count(), 1);
    assert_eq!(mbuf.room(), usize::from(DATA_ROOM) - 128);
    assert_eq!(pool.in_use(), 1);
    drop(mbuf);
    assert_eq!(pool.available(), pool.capacity());
}

fn a_frame_grows_and_shrinks(_eal: &Eal, pool: &Mempool) {
    let mut mbuf = frame(pool, &octets(1, 1500));
    assert!(mbuf.set_len(40));
    assert_eq!(mbuf.head(), octets(1, 40));
    assert!(mbuf.set_len(60));
    assert_eq!(mbuf.len(), 60);
    assert_eq!(mbuf.head()[..40], octets(1, 40));
    assert_eq!(
        mbuf.head()[40..],
        [0; 20],
        "nothing of what was cut off comes back"
    );
    assert!(mbuf.set_len(0));
    assert!(mbuf.is_empty());
}

fn no_room_changes_nothing(_eal: &Eal, pool: &Mempool) {
    let mut mbuf = frame(pool, &octets(2, 100));
    let room = mbuf.room();
    assert!(!mbuf.set_len(room + 1));
    assert!(!mbuf.set_len(65_536 + 60));
    assert_eq!(mbuf.head(), octets(2, 100));
    assert!(mbuf.set_len(room));
    assert_eq!(mbuf.len(), room);
}

fn front_is_stripped(_eal: &Eal, pool: &Mempool) {
    let mut mbuf = frame(pool, &octets(3, 100));
    let room = mbuf.room();
    assert!(mbuf.strip_front(20));
    assert_eq!(mbuf.head(), &octets(3, 100)[20..]);
    assert_eq!((mbuf.len(), mbuf.room()), (80, room - 20));
    assert!(!mbuf.strip_front(81));
    assert!(!mbuf.strip_front(65_536));
    assert_eq!(mbuf.head(), &octets(3, 100)[20..]);
    assert!(mbuf.strip_front(80));
    assert!(mbuf.is_empty());
}

fn an_empty_pool_recovers(eal: &Eal, _pool: &Mempool) {
    let settings = Settings {
        count: 63,
        cache: 0,
        ..Settings::default()
    };
    let small = Mempool::create(eal, "small", settings).unwrap();
    let mut held: Vec<Mbuf> = (0..63).map(|_| Mbuf::alloc(&small).unwrap()).collect();
    assert!(Mbuf::alloc(&small).is_none());
    assert_eq!((small.available(), small.in_use()), (0, 63));
    held.pop();
    assert!(Mbuf::alloc(&small).is_some());
    drop(held);
    assert_eq!(small.in_use(), 0);
}

fn a_burst_holds_thirty_two(_eal: &Eal, pool: &Mempool) {
    let mut full = burst(pool, CAPACITY);
    assert!(full.is_full());
    let refused = full.push(frame(pool, &octets(99, 64))).unwrap_err();
    assert_eq!(refused.head(), octets(99, 64));
    assert_eq!(full.pop().unwrap().head(), octets(31, 91));
    full.push(refused).unwrap();
    assert_eq!(full.len(), CAPACITY);
    full.clear();
    assert!(full.is_empty());
    assert!(full.pop().is_none());
    assert_eq!(pool.in_use(), 0);
}

fn drain_keeps_order(_eal: &Eal, pool: &Mempool) {
    let mut some = burst(pool, 5);
    for (seed, mbuf) in some.drain().take(3).enumerate() {
        assert_eq!(mbuf.head(), octets(seed, 60 + seed));
    }
    assert!(some.is_empty());
    assert_eq!(pool.in_use(), 0);
}

fn front_is_split_off(_eal: &Eal, pool: &Mempool) {
    let mut rest = burst(pool, 7);
    let front = rest.split_front(3);
    let heads = |burst: &Burst| burst.as_slice().iter().map(Mbuf::len).collect::<Vec<_>>();
    assert_eq!(heads(&front), [60, 61, 62]);
    assert_eq!(heads(&rest), [63, 64, 65, 66]);
    assert_eq!(heads(&rest.split_front(0)), [0; 0]);
    assert_eq!(heads(&rest.split_front(100_000)), [63, 64, 65, 66]);
    assert!(rest.is_empty());
}

fn frames_change_places(_eal: &Eal, pool: &Mempool) {
    let mut some = burst(pool, 3);
    some.as_mut_slice().swap(0, 2);
    some.as_mut_slice()[1].head_mut().fill(0xee);
    let found: Vec<Vec<u8>> = some.as_slice().iter().map(whole).collect();
    assert_eq!(found, [octets(2, 62), vec![0xee; 61], octets(0, 60)]);
}

fn fill_is_all_or_none(eal: &Eal, _pool: &Mempool) {
    let settings = Settings {
        count: 31,
        cache: 0,
        ..Settings::default()
    };
    let small = Mempool::create(eal, "fill", settings).unwrap();
    let mut some = Burst::new();
    assert!(some.fill(&small, 10));
    assert!(some.fill(&small, 10));
    assert!(
        !some.fill(&small, 12),
        "12 more would pass the pool, though not the burst"
    );
    assert!(!some.fill(&small, 13), "13 more would pass the burst");
    assert_eq!((some.len(), small.in_use()), (20, 20));
    assert!(some.as_slice().iter().all(Mbuf::is_empty));
}

fn an_mbuf_crosses_threads(_eal: &Eal, pool: &Mempool) {
    let mbuf = frame(pool, &octets(4, 64));
    let length = std::thread::spawn(move || mbuf.len()).join().unwrap();
    assert_eq!(length, 64);
    assert_eq!(pool.in_use(), 0);
}

fn impossible_pools_are_refused(eal: &Eal, _pool: &Mempool) {
    let refusal = |name: &str, settings| Mempool::create(eal, name, settings).unwrap_err();
    let settings = Settings::default();

    assert!(matches!(refusal("frames", settings), CreateError::Name(name) if name == "frames"));
    assert!(matches!(
        refusal(&"x".repeat(40), settings),
        CreateError::Name(_)
    ));
    assert!(matches!(refusal("a\0b", settings), CreateError::Name(_)));
    let greedy = Settings {
        cache: CACHE_MAX + 1,
        ..settings
    };
    assert!(matches!(
        refusal("greedy", greedy),
        CreateError::Cache { .. }
    ));
    let thin = Settings {
        count: 300,
        cache: 256,
        ..settings
    };
    assert!(matches!(refusal("thin", thin), CreateError::Cache { .. }));

    let huge = refusal(
        "huge",
        Settings {
            count: 1_000_000,
            ..settings
        },
    );
    let octets = 1_000_000 * u64::from(octets_per_mbuf(DATA_ROOM));
    assert!(matches!(huge, CreateError::Memory { octets: asked, .. } if asked == octets));
    let told = huge.to_string();
    assert!(
        told.contains("1000000 mbufs") && told.contains("--mbufs"),
        "{told}"
    );
}
