//! The interface daemon with a real TAP, in a network namespace of its own: what the kernel's device looks like, and
//! frames up and down.
//!
//! WO 00/30294, Fig. 8: boxes 53 and 57; claims 1–3. Needs root; skipped otherwise.
//! Easy to get wrong: nothing here waits for a time; the daemon is turned until the kernel has answered.

#![expect(clippy::unwrap_used, reason = "test")]

#[expect(dead_code, reason = "needs a part of it")]
mod dpdk_support;

use std::process::Command;

use dpdk_support::{frame, run, whole};
use lb_core::config::Cidr;
use lb_core::filter::Class;
use lb_core::id::PortId;
use lb_core::testkit::build::{arp_reply, arp_request};
use lb_core::testkit::{Frame, pcap};
use lb_core::wire::MacAddr;
use lb_dataplane::dpdk::port::{Port, Settings};
use lb_dataplane::dpdk::{Burst, Eal, LcoreId, Mbuf, Mempool};
use lb_dataplane::exchange::{Exchange, Punted, WorkerEnd};
use lb_dataplane::interface_daemon::way::Way;
use lb_dataplane::interface_daemon::{Interface, InterfaceDaemon, Path};

const INSIDE: &str = "LB_TEST_NAMESPACE";
const US: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 2, 1]);
const MTU: u16 = 9000;

#[test]
fn the_kernels_device_is_the_ports_twin() {
    if std::env::var_os(INSIDE).is_none() {
        let myself = std::env::current_exe().unwrap();
        let can = Command::new("unshare")
            .args(["--net", "ip", "tuntap", "add", "lb-probe", "mode", "tap"])
            .status();
        if !can.is_ok_and(|status| status.success()) {
            println!("skipped: root, unshare and /dev/net/tun");
            return;
        }
        let status = Command::new("unshare")
            .arg("--net")
            .arg(myself)
            .args([
                "--nocapture",
                "--exact",
                "the_kernels_device_is_the_ports_twin",
            ])
            .env(INSIDE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let jumbo = std::env::temp_dir().join(format!("lb-exchange-{}.pcap", std::process::id()));
    std::fs::write(&jumbo, pcap::write([jumbo_echo().octets().as_slice()])).unwrap();
    run(
        &[&format!("--vdev=net_pcap0,rx_pcap={}", jumbo.display())],
        &[
            (
                "a device that is plugged in later is a port like others",
                a_device_is_plugged_in,
            ),
            (
                "the kernel answers in whole, padded frames, also a jumbo frame in several mbufs; its device follows the interface",
                a_daemon_at_work,
            ),
        ],
    );
    std::fs::remove_file(jumbo).unwrap();
}

fn a_device_is_plugged_in(eal: &Eal, _: &Mempool) {
    let id = eal.plug("net_null7", "size=64").unwrap();
    assert_eq!(Port::info(eal, id).unwrap().device, "net_null7");
    let refused = eal.plug("net_nonsense0", "").unwrap_err().to_string();
    assert!(
        refused.starts_with("device net_nonsense0 () cannot be set up"),
        "{refused}"
    );
}

fn interface() -> Interface {
    Interface {
        port: PortId(0),
        name: "client".to_owned(),
        mac: US,
        mtu: MTU,
        is_up: true,
        addresses: vec![
            Cidr::parse("198.51.100.1/24").unwrap(),
            Cidr::parse("2001:db8:1::1/64").unwrap(),
        ],
        routes: Vec::new(),
    }
}

/// A daemon for port 0, and the lcore's end. What fails is a panic.
fn daemon(eal: &Eal, interfaces: &[Interface]) -> (InterfaceDaemon, WorkerEnd) {
    let path = Path::open(eal, Way::Tap, interfaces).unwrap();
    let mut exchange = Exchange::new(eal, [(LcoreId(1), PortId(0))]).unwrap();
    let worker = exchange.take_worker(LcoreId(1)).remove(0);
    let tell = |line: String| assert_eq!(line, "");
    let mut daemon = InterfaceDaemon::new(eal, path, exchange, MTU, tell)
        .unwrap()
        .unwrap();
    daemon.arrange(interfaces);
    (daemon, worker)
}

fn ip(words: &str) -> String {
    let told = Command::new("ip").args(words.split(' ')).output().unwrap();
    String::from_utf8(told.stdout).unwrap()
}

fn a_daemon_at_work(eal: &Eal, pool: &Mempool) {
    let (mut daemon, mut worker) = daemon(eal, &[interface()]);
    the_kernel_answers(&mut daemon, &mut worker, pool);
    a_jumbo_frame_goes_up(eal, &mut daemon, &mut worker, pool);
    the_device_follows(&mut daemon);
}

fn the_device_follows(daemon: &mut InterfaceDaemon) {
    let mut interface = interface();
    let told = ip("address show dev lb-client");
    for wanted in [
        "02:00:00:00:00:01",
        "mtu 9000",
        "LOWER_UP",
        "198.51.100.1/24",
        "2001:db8:1::1/64",
    ] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    interface.is_up = false;
    interface.mtu = 1500;
    interface.addresses = vec![Cidr::parse("198.51.100.7/24").unwrap()];
    ip("address add 10.9.9.9/32 dev lb-client");
    daemon.arrange(std::slice::from_ref(&interface));
    let told = ip("address show dev lb-client");
    for wanted in ["NO-CARRIER", "mtu 1500", "198.51.100.7/24", "10.9.9.9/32"] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    assert!(
        !told.contains("198.51.100.1/24") && !told.contains("2001:db8:1::1"),
        "{told}"
    );

    interface.is_up = true;
    interface.name = "outside".to_owned();
    daemon.arrange(std::slice::from_ref(&interface));
    let told = ip("link show");
    assert!(
        told.contains("lb-outside") && !told.contains("lb-client"),
        "{told}"
    );
    daemon.arrange(&[]);
    assert!(!ip("link show").contains("lb-outside"));
}

/// Of 8,000 octets, which fill four mbufs.
fn jumbo_echo() -> Frame {
    Frame::echo_request([198, 51, 100, 2].into(), [198, 51, 100, 1].into())
        .data(&[9; 8000])
        .link(PEER, US)
}

fn a_jumbo_frame_goes_up(
    eal: &Eal,
    daemon: &mut InterfaceDaemon,
    worker: &mut WorkerEnd,
    pool: &Mempool,
) {
    let settings = Settings {
        rx_queues: 1,
        tx_queues: 1,
        rx_descriptors: 64,
        tx_descriptors: 64,
        mtu: Some(MTU),
        mempool: pool.clone(),
    };
    let (port, mut rx, tx) = Port::open(eal, PortId(0), &settings).unwrap();
    port.start().unwrap();
    let mut burst = Burst::new();
    rx.first_mut().unwrap().receive(&mut burst);
    let jumbo = burst.pop().unwrap();
    assert_eq!((jumbo.segment_count(), burst.len()), (4, 0));
    let asked = jumbo_echo().octets();
    let is_echo = |octets: &[u8]| octets.get(23) == Some(&1) && octets.len() == asked.len();
    let answer = ask(daemon, worker, jumbo, is_echo);
    assert_eq!(answer.get(42..), asked.get(42..), "all data come back");
    worker.take(&mut Burst::new());
    drop((rx, tx, port));
}

/// Sends a frame up and turns the daemon until a frame comes down that `is_it`.
fn ask(
    daemon: &mut InterfaceDaemon,
    worker: &mut WorkerEnd,
    frame: Mbuf,
    is_it: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut up = Punted::default();
    up.push(Class::Neighbor, frame);
    assert_eq!(worker.send_up(&mut up), 0);
    for _ in 0..100_000 {
        let found = daemon.turn();
        let mut down = Burst::new();
        worker.take(&mut down);
        let mut octets = down.as_slice().iter().map(whole);
        if let Some(answer) = octets.find(|octets| is_it(octets)) {
            return answer;
        }
        daemon.rest(found);
    }
    Vec::new()
}

fn the_kernel_answers(daemon: &mut InterfaceDaemon, worker: &mut WorkerEnd, pool: &Mempool) {
    let peer = ([198, 51, 100, 2].into(), PEER);
    let us = ([198, 51, 100, 1].into(), US);
    let request = arp_request(peer, us.0).padded().octets();
    let is_reply = |octets: &[u8]| octets.get(12..22) == Some(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 2][..]);
    let reply = ask(daemon, worker, frame(pool, &request), is_reply);
    assert_eq!(reply, arp_reply(us, peer).padded().octets());

    let echo = Frame::echo_request(peer.0.into(), us.0.into())
        .data(&[7; 1400])
        .link(PEER, US);
    let is_echo = |octets: &[u8]| octets.get(23) == Some(&1);
    let answer = ask(daemon, worker, frame(pool, &echo.octets()), is_echo);
    assert_eq!(answer.len(), echo.octets().len());
    assert_eq!(answer.get(34), Some(&0), "an echo reply");

    let counters = daemon.counters();
    let counted = counters.get(&PortId(0)).unwrap();
    assert_eq!((counted.up.value(), counted.up_dropped.value()), (2, 0));
    assert!(counted.down.value() >= 2);
    // The last frame comes home.
    worker.take(&mut Burst::new());
}
