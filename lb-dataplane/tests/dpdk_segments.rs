//! Long frames: net_pcap hands a jumbo frame over in several segments, and sends it whole.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

#[expect(dead_code, reason = "frames come from a file here")]
mod dpdk_support;

use std::fs;
use std::path::Path;

use dpdk_support::{octets, run, whole};
use lb_core::id::PortId;
use lb_dataplane::dpdk::mempool::DATA_ROOM;
use lb_dataplane::dpdk::port::{Port, Settings};
use lb_dataplane::dpdk::{Burst, Eal, Mbuf, Mempool};

const LENGTHS: [usize; 5] = [60, 9000, 2048, 2049, 9000];
/// Octets of data that a segment of the pool holds.
const ROOM: usize = DATA_ROOM as usize - 128;

#[test]
fn a_jumbo_frame_is_received_in_segments_and_sent_whole() {
    let directory = std::env::temp_dir().join(format!("lb-dpdk-segments-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let (input, output) = (directory.join("in.pcap"), directory.join("out.pcap"));
    let frames: Vec<Vec<u8>> = LENGTHS
        .iter()
        .enumerate()
        .map(|(seed, &length)| octets(seed, length))
        .collect();
    write_pcap(&input, &frames);
    let pcap = format!(
        "--vdev=net_pcap0,rx_pcap={},tx_pcap={}",
        input.display(),
        output.display()
    );

    run(
        &[&pcap, "--vdev=net_ring0"],
        &[(
            "chains pass a file, a loop and a file again",
            chains_are_forwarded,
        )],
    );

    let mut expected = frames;
    expected[4].truncate(1500);
    assert_eq!(read_pcap(&output), expected);
    fs::remove_dir_all(&directory).unwrap();
}

/// Receives the frames, cuts the last into its first segment, sends all round the loop and out.
fn chains_are_forwarded(eal: &Eal, pool: &Mempool) {
    let settings = Settings {
        rx_queues: 1,
        tx_queues: 1,
        rx_descriptors: 64,
        tx_descriptors: 64,
        mtu: Some(9000),
        mempool: pool.clone(),
    };
    let (file, mut from_file, mut to_file) = Port::open(eal, PortId(0), &settings).unwrap();
    let (ring, mut from_loop, mut to_loop) = Port::open(eal, PortId(1), &settings).unwrap();
    file.start().unwrap();
    ring.start().unwrap();

    let mut burst = Burst::new();
    assert_eq!(from_file[0].receive(&mut burst), LENGTHS.len());
    for (seed, mbuf) in burst.as_slice().iter().enumerate() {
        let expected = octets(seed, LENGTHS[seed]);
        assert_eq!(mbuf.len(), expected.len());
        assert_eq!(mbuf.head(), &expected[..expected.len().min(ROOM)]);
        assert_eq!(whole(mbuf), expected);
        assert_eq!(mbuf.port(), PortId(0));
    }
    assert_eq!(segment_counts(&burst), [1, 5, 1, 2, 5]);
    assert_eq!(pool.in_use(), 14);

    let last = &mut burst.as_mut_slice()[4];
    assert!(!last.set_len(ROOM + 1), "the second segment is not asked");
    assert_eq!((last.len(), last.segment_count()), (9000, 5));
    assert!(last.set_len(1500));
    assert_eq!(pool.in_use(), 10, "four segments went home");

    assert_eq!(to_loop[0].send(&mut burst), 5);
    assert_eq!(from_loop[0].receive(&mut burst), 5);
    assert_eq!(segment_counts(&burst), [1, 5, 1, 2, 1]);
    assert_eq!(to_file[0].send(&mut burst), 5);
    assert_eq!(pool.in_use(), 0);

    let stats = file.stats().unwrap();
    assert_eq!(
        (stats.rx_packets, stats.rx_bytes),
        (5, 60 + 9000 + 2048 + 2049 + 9000)
    );
    assert_eq!(
        (stats.tx_packets, stats.tx_bytes),
        (5, 60 + 9000 + 2048 + 2049 + 1500)
    );
}

fn segment_counts(burst: &Burst) -> Vec<usize> {
    burst.as_slice().iter().map(Mbuf::segment_count).collect()
}

/// Classic pcap, little-endian, microseconds, Ethernet.
fn write_pcap(path: &Path, frames: &[Vec<u8>]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap();
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    fs::write(path, file).unwrap();
}

/// Frames of such a file; whatever its clock, the lengths are where they are.
fn read_pcap(path: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(path).unwrap();
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        frames.push(behind[..length].to_vec());
        rest = &behind[length..];
    }
    frames
}
