//! A plain build finds DPDK's drivers by itself: no environment variable, no option.

#![expect(clippy::unwrap_used, reason = "test")]

#[expect(dead_code, reason = "no frames here")]
mod dpdk_support;

use std::fs;

use dpdk_support::arguments;
use lb_dataplane::dpdk::Eal;
use lb_dataplane::dpdk::port::{self, Port};

#[test]
fn every_kind_of_virtual_device_becomes_a_port() {
    let file = std::env::temp_dir().join(format!("lb-dpdk-devices-{}.pcap", std::process::id()));
    let pcap = format!("net_pcap0,tx_pcap={}", file.display());
    let mut devices = vec!["net_null0", "net_ring0", &pcap];
    if may_make_interfaces() {
        devices.extend(["net_af_packet0,iface=lo", "net_tap0,iface=lbprobe0"]);
    } else {
        println!("skipped: net_af_packet, net_tap: /dev/net/tun or the right to use it");
    }
    // Known drivers that fail: DPDK comes up all the same, and says so only in its log.
    let failing = [
        "net_af_packet9,iface=lbnone0",
        "net_pcap9,rx_pcap=/nonexistent/in.pcap",
    ];
    let options: Vec<String> = devices
        .iter()
        .chain(&failing)
        .map(|device| format!("--vdev={device}"))
        .collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();

    let (eal, consumed) = Eal::init(arguments(&options)).unwrap();
    assert_eq!(consumed, arguments(&options).len());
    let names: Vec<String> = port::all(&eal)
        .into_iter()
        .map(|id| Port::info(&eal, id).unwrap().device)
        .collect();
    let expected: Vec<&str> = devices
        .iter()
        .map(|device| device.split(',').next().unwrap())
        .collect();
    assert_eq!(names, expected);
    assert_eq!(eal.missing_devices(), ["net_af_packet9", "net_pcap9"]);
    eal.close().unwrap();
    let _ = fs::remove_file(file);
}

/// True where this process may open a TAP device and a packet socket.
fn may_make_interfaces() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .unwrap();
    let effective = u64::from_str_radix(effective.trim(), 16).unwrap();
    // CAP_NET_ADMIN and CAP_NET_RAW.
    let needed = 1 << 12 | 1 << 13;
    let tun = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    effective & needed == needed && tun.is_ok()
}
