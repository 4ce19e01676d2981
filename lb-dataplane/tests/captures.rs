//! The table of packet cases through the real program: captures in, captures out, octets compared.
//!
//! WO 00/30294, Figs. 5 and 6 together. The same cases run in memory in `lb-core/tests/filter_cases.rs`; here
//! those of one configuration run together, on DPDK's `net_pcap`, polled by one lcore.
//! Easy to get wrong: port 0 is polled before port 1, and all its frames before the first of port 1, so what
//! leaves a port is ordered by the port that it came in on.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

#[expect(
    dead_code,
    reason = "nothing is refused here, and nothing told to stop"
)]
mod program_support;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use lb_core::testkit::cases::cases;
use lb_core::testkit::layout::difference;
use lb_core::testkit::{Case, Way};
use program_support::ended::{Ended, number};
use program_support::{Place, lacks_processors};

/// Frames of one port in one run: fewer than the engine takes from a port before it turns to the next.
const MOST: usize = 200;

/// Cases that run together.
type Group = Vec<Case>;

#[test]
fn every_case_holds_through_the_program() {
    if lacks_processors() {
        return;
    }
    let groups = groups();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..)
            .zip(&groups)
            .map(|(at, group)| scope.spawn(move || run(at, group)))
            .collect();
        runs.into_iter()
            .filter_map(|run| {
                run.join()
                    .unwrap_or_else(|_| Err("a run ended badly".to_owned()))
                    .err()
            })
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// All cases that can run through the program, by configuration, in groups that are small enough.
fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases() {
        if Way::PortByPort.not_for(&case).is_some() {
            continue;
        }
        let at = open.get(&case.configuration).copied();
        let at = at
            .filter(|&at| has_room(&groups[at], &case))
            .unwrap_or_else(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
        open.insert(case.configuration.clone(), at);
        groups[at].push(case);
    }
    groups
}

fn has_room(group: &Group, case: &Case) -> bool {
    [0, 1].into_iter().all(|port| {
        group
            .iter()
            .chain([case])
            .map(|case| case.input(port).len())
            .sum::<usize>()
            <= MOST
    })
}

/// Runs a group; what went wrong.
fn run(number: usize, group: &Group) -> Result<(), String> {
    let place = Place::new(&format!("cases{number}"));
    place.write("lb.json", &group[0].configuration);
    for port in [0, 1] {
        let frames: Vec<_> = group
            .iter()
            .flat_map(|case| case.input(port))
            .map(<[u8]>::to_vec)
            .collect();
        place.capture(&format!("in{port}.pcap"), &frames);
    }
    let ended = place.run(
        "-l 0,1 --no-huge -m 256 --no-pci --vdev=net_pcap0,rx_pcap=in0.pcap,tx_pcap=out0.pcap \
         --vdev=net_pcap1,rx_pcap=in1.pcap,tx_pcap=out1.pcap \
         -- --ports 0,1 --config lb.json --exit-when-idle 200 --report r.json",
    );
    for port in [0, 1] {
        let file = format!("out{port}.pcap");
        compare(group, port, &place.frames(&file))
            .map_err(|text| format!("{text}\n{}", ended.told()))?;
        check_with_tshark(&place.path(&file))?;
    }
    check_counters(group, &ended)
}

/// Frames that must leave on a port, each with the name of its case, in order: all that came in on port 0
/// leaves before what came in on port 1, whatever the case.
fn expected(group: &Group, port: u8) -> Vec<(&str, Vec<u8>)> {
    let of = |ingress| {
        group.iter().flat_map(move |case| {
            case.output_of(ingress, port)
                .into_iter()
                .map(|frame| (case.name.as_str(), frame))
        })
    };
    of(0).chain(of(1)).collect()
}

fn compare(group: &Group, port: u8, found: &[Vec<u8>]) -> Result<(), String> {
    let expected = expected(group, port);
    for (at, ((name, expected), found)) in expected.iter().zip(found).enumerate() {
        if expected != found {
            return Err(format!(
                "{name}: port {port}, frame {at} out:\n{}",
                difference(expected, found)
            ));
        }
    }
    if expected.len() == found.len() {
        return Ok(());
    }
    let name = expected.get(found.len()).map_or("none", |(name, _)| name);
    Err(format!(
        "port {port} sent {} frames, expected {}; first missing: {name}",
        found.len(),
        expected.len()
    ))
}

/// The report counts each drop under its reason, and received = forwarded + replied + punted + apps + dropped.
fn check_counters(group: &Group, ended: &Ended) -> Result<(), String> {
    let report = ended.went_well();
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for reason in group.iter().flat_map(Case::drops) {
        *expected.entry(reason.name()).or_default() += 1;
    }
    let counted = report["drops"].as_object().unwrap();
    let found: BTreeMap<&str, u64> = counted
        .iter()
        .filter_map(|(reason, count)| Some((reason.as_str(), count.as_u64()?)))
        .collect();
    if found != expected {
        return Err(format!("drops: expected {expected:?}, found {found:?}"));
    }
    let received: usize = group
        .iter()
        .map(|case| case.input(0).len() + case.input(1).len())
        .sum();
    match number(report, "/received") {
        found if found == received as u64 => Ok(()),
        found => Err(format!("received: expected {received}, found {found}")),
    }
}

/// Another implementation's opinion of what we sent: no bad checksum, no malformed frame.
fn check_with_tshark(capture: &Path) -> Result<(), String> {
    const BAD: &str = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || \
                       udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0";
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(capture);
    for layer in ["ip", "tcp", "udp"] {
        tshark.args(["-o", &format!("{layer}.check_checksum:TRUE")]);
    }
    // What the cases carry is data, whatever protocol has their ports or numbers elsewhere.
    for ports in ["tcp.port", "udp.port"] {
        tshark.args(["-d", &format!("{ports}==1-65535,data")]);
    }
    for protocol in ["sctp", "gre", "esp"] {
        tshark.args(["--disable-protocol", protocol]);
    }
    let said = match tshark.args(["-Y", BAD]).output() {
        Ok(said) => said,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: tshark");
            return Ok(());
        }
        Err(error) => return Err(format!("tshark: {error}")),
    };
    let bad = String::from_utf8_lossy(&said.stdout);
    if said.status.success() && bad.trim().is_empty() {
        return Ok(());
    }
    Err(format!(
        "tshark objects to {}:\n{bad}{}",
        capture.display(),
        String::from_utf8_lossy(&said.stderr)
    ))
}
