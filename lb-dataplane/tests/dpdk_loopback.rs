//! Ports, queues and frames over net_ring, a virtual device that receives what it sends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

mod dpdk_support;

use dpdk_support::{burst, frame, octets, run, whole};
use lb_core::id::{PortId, QueueId};
use lb_dataplane::dpdk::eal::InitError;
use lb_dataplane::dpdk::port::{self, OpenError, Port, Settings, Stats, StopError};
use lb_dataplane::dpdk::{Burst, Eal, Mbuf, Mempool, RxQueue, TxQueue};

const DEVICES: [&str; 4] = [
    "--vdev=net_ring0",
    "--vdev=net_ring1",
    "--vdev=net_ring2",
    "--vdev=net_null0",
];

#[test]
fn frames_sent_over_a_loop_come_back_octet_for_octet() {
    run(
        &DEVICES,
        &[
            (
                "a second start of DPDK is refused",
                a_second_start_is_refused,
            ),
            (
                "every device is a port with a name and a driver",
                devices_are_ports,
            ),
            (
                "frames come back whole, in order, and are counted",
                frames_come_back,
            ),
            (
                "what a full queue does not take stays in the burst, in order",
                a_full_queue_hands_back,
            ),
            (
                "a queue on another thread keeps its port alive",
                a_queue_keeps_its_port,
            ),
            (
                "impossible settings are refused in words",
                impossible_settings_are_refused,
            ),
            (
                "several queues per port are independent",
                queues_are_independent,
            ),
            (
                "a port cannot be opened twice, open or closed",
                a_port_is_opened_once,
            ),
        ],
    );
}

fn settings(pool: &Mempool, queues: u16) -> Settings {
    Settings {
        rx_queues: queues,
        tx_queues: queues,
        rx_descriptors: 256,
        tx_descriptors: 256,
        mtu: None,
        mempool: pool.clone(),
    }
}

/// Opens a port with one queue each way and starts it.
fn open(eal: &Eal, pool: &Mempool, id: u16) -> (Port, RxQueue, TxQueue) {
    let (port, mut rx, mut tx) = Port::open(eal, PortId(id), &settings(pool, 1)).unwrap();
    port.start().unwrap();
    (port, rx.pop().unwrap(), tx.pop().unwrap())
}

fn a_second_start_is_refused(_eal: &Eal, _pool: &Mempool) {
    let second = Eal::init(["again".to_owned()]).map(|_| ()).unwrap_err();
    assert!(matches!(second, InitError::Again), "{second}");
}

fn devices_are_ports(eal: &Eal, _pool: &Mempool) {
    assert_eq!(port::count(eal), 4);
    let names = ["net_ring0", "net_ring1", "net_ring2", "net_null0"];
    for (id, name) in port::all(eal).into_iter().zip(names) {
        let info = Port::info(eal, id).unwrap();
        assert_eq!((info.id, info.device.as_str()), (id, name));
        assert!(info.driver.starts_with("net_"), "{}", info.driver);
        assert!(info.min_mtu <= 1500 && info.max_mtu >= 1500);
    }
    let ring = Port::info(eal, PortId(0)).unwrap();
    assert!(ring.scatters() && ring.gathers());
    assert_eq!(ring.rss_of_flows(), 0);
    assert_ne!(
        Port::info(eal, PortId(3)).unwrap().rss_of_flows(),
        0,
        "net_null hashes"
    );

    let nothing = Port::info(eal, PortId(77)).unwrap_err();
    assert!(
        nothing
            .to_string()
            .starts_with("port 77: asking what the device can do"),
        "{nothing}"
    );
}

fn frames_come_back(eal: &Eal, pool: &Mempool) {
    let (port, mut rx, mut tx) = open(eal, pool, 0);
    assert_eq!(
        (rx.port(), rx.queue(), tx.port()),
        (PortId(0), QueueId(0), PortId(0))
    );
    assert!(port.link().unwrap().is_up);
    assert_eq!(port.mtu().unwrap(), 1500);
    port.set_promiscuous(true).unwrap();
    port.set_all_multicast(true).unwrap();

    let mut out = burst(pool, 20);
    assert_eq!(tx.send(&mut out), 20);
    assert!(out.is_empty());

    let mut back = Burst::new();
    back.push(frame(pool, b"was here before")).unwrap();
    assert_eq!(rx.receive(&mut back), 20);
    let back: Vec<Vec<u8>> = back.drain().map(|mbuf| whole(&mbuf)).collect();
    assert_eq!(back[0], b"was here before");
    for (seed, found) in back[1..].iter().enumerate() {
        assert_eq!(*found, octets(seed, 60 + seed));
    }
    assert_eq!(rx.receive(&mut Burst::new()), 0);

    let expected = Stats {
        rx_packets: 20,
        tx_packets: 20,
        ..Stats::default()
    };
    assert_eq!(
        port.stats().unwrap(),
        expected,
        "net_ring counts frames, not octets"
    );
}

fn a_full_queue_hands_back(eal: &Eal, pool: &Mempool) {
    let (_port, mut rx, mut tx) = open(eal, pool, 1);
    let mut sent = 0;
    let mut left = Burst::new();
    while left.is_empty() {
        left = burst(pool, 32);
        sent += tx.send(&mut left);
    }
    assert_eq!(sent, 1023, "the ring of net_ring holds so many");
    let rest: Vec<usize> = left.as_slice().iter().map(Mbuf::len).collect();
    assert_eq!(rest, [91], "the last of 32 frames found no room");
    assert_eq!(tx.send(&mut left), 0);
    assert_eq!(left.len(), 1);

    let mut received = 0;
    let mut back = Burst::new();
    while rx.receive(&mut back) > 0 {
        received += back.len();
        back.clear();
    }
    assert_eq!(received, sent);
    assert_eq!(tx.send(&mut left), 1, "there is room again");
    assert_eq!(rx.receive(&mut back), 1);
}

fn a_queue_keeps_its_port(eal: &Eal, pool: &Mempool) {
    let (mut port, mut rx, mut tx) = open(eal, pool, 2);
    assert!(matches!(port.stop(), Err(StopError::Held(PortId(2)))));
    drop(port);

    let mut out = burst(pool, 2);
    assert_eq!(tx.send(&mut out), 2);
    let seen = std::thread::spawn(move || {
        let mut back = Burst::new();
        rx.receive(&mut back)
    });
    assert_eq!(seen.join().unwrap(), 2);
    assert!(port::all(eal).contains(&PortId(2)));
    drop(tx);
    assert!(
        !port::all(eal).contains(&PortId(2)),
        "closed with its last queue"
    );
}

fn impossible_settings_are_refused(eal: &Eal, pool: &Mempool) {
    let refusal = |id, settings: &Settings| Port::open(eal, PortId(id), settings).unwrap_err();
    let plain = settings(pool, 1);

    let nowhere = refusal(31, &plain);
    assert!(
        matches!(
            nowhere,
            OpenError::NotThere {
                port: PortId(31),
                ..
            }
        ),
        "{nowhere}"
    );
    for queues in [0, 2_000] {
        let told = refusal(3, &settings(pool, queues)).to_string();
        assert!(
            told.contains("net_null0") && told.contains("1 to 1024"),
            "{told}"
        );
    }
    let told = refusal(
        3,
        &Settings {
            mtu: Some(20),
            ..plain
        },
    )
    .to_string();
    assert!(
        told.contains("(net_null0) cannot have an MTU of 20 octets: "),
        "{told}"
    );
}

fn queues_are_independent(eal: &Eal, pool: &Mempool) {
    let four = Settings {
        mtu: Some(4000),
        ..settings(pool, 4)
    };
    let (mut port, mut rx, tx) = Port::open(eal, PortId(3), &four).unwrap();
    assert_eq!((rx.len(), tx.len()), (4, 4));
    assert_eq!(port.mtu().unwrap(), 4000);
    port.start().unwrap();
    let numbers: Vec<u16> = rx.iter().map(|queue| queue.queue().0).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let mut back = Burst::new();
    for queue in &mut rx {
        assert_eq!(queue.receive(&mut back), 32, "net_null never runs dry");
        back.clear();
    }
    assert_eq!(port.stats().unwrap().rx_packets, 4 * 32);
    drop((rx, tx));
    port.stop().unwrap();
}

fn a_port_is_opened_once(eal: &Eal, pool: &Mempool) {
    for id in [0, 2, 3] {
        let again = Port::open(eal, PortId(id), &settings(pool, 1)).unwrap_err();
        assert!(
            matches!(again, OpenError::Again(PortId(found)) if found == id),
            "{again}"
        );
    }
}
