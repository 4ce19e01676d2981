//! What the DPDK tests share: an EAL without hugepages, and frames to send through it.
//!
//! DPDK starts once per process and stays on its thread, so each file has one EAL and one test that
//! walks through a table of cases, each a sentence.
#![expect(clippy::unwrap_used, reason = "test")]

use lb_dataplane::dpdk::mempool::Settings;
use lb_dataplane::dpdk::{Burst, Eal, Mbuf, Mempool};

/// A sentence and the code that makes it true.
pub(crate) type Case = (&'static str, fn(&Eal, &Mempool));

/// EAL arguments for a machine without hugepages and without network cards, and some more.
pub(crate) fn arguments(more: &[&str]) -> Vec<String> {
    let base = [
        "test",
        "--no-huge",
        "-m",
        "256",
        "--no-shconf",
        "--no-pci",
        "--no-telemetry",
    ];
    let lcores = ["--lcores", "0@0,1@0,2@0"];
    base.iter()
        .chain(&lcores)
        .chain(more)
        .map(|&word| word.to_owned())
        .collect()
}

/// Starts DPDK, runs the cases, and sees the pool full and DPDK down in the end.
pub(crate) fn run(more: &[&str], cases: &[Case]) {
    let (eal, _) = Eal::init(arguments(more)).unwrap();
    assert_eq!(eal.missing_devices(), [""; 0]);
    let pool = Mempool::create(
        &eal,
        "frames",
        Settings {
            count: 2047,
            ..Settings::default()
        },
    )
    .unwrap();
    for (sentence, case) in cases {
        println!("case: {sentence}");
        case(&eal, &pool);
    }
    assert_eq!(pool.in_use(), 0, "every mbuf is back");
    drop(pool);
    eal.close().unwrap();
}

/// A frame of these octets.
pub(crate) fn frame(pool: &Mempool, octets: &[u8]) -> Mbuf {
    let mut mbuf = Mbuf::alloc(pool).unwrap();
    assert!(mbuf.set_len(octets.len()));
    mbuf.head_mut().copy_from_slice(octets);
    mbuf
}

/// Octets that tell frames and places apart.
pub(crate) fn octets(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| u8::try_from((place * 7 + seed * 31) % 251).unwrap())
        .collect()
}

/// A burst of `count` frames, number `n` of them with `octets(n, 60 + n)`.
pub(crate) fn burst(pool: &Mempool, count: usize) -> Burst {
    let mut burst = Burst::new();
    for seed in 0..count {
        burst.push(frame(pool, &octets(seed, 60 + seed))).unwrap();
    }
    burst
}

/// All octets of a frame, segment after segment.
pub(crate) fn whole(mbuf: &Mbuf) -> Vec<u8> {
    mbuf.segments().flatten().copied().collect()
}
