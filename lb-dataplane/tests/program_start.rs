//! The command lines that the program is made for, as they stand: who polls what, and what comes out.
//!
//! WO 00/30294: one control processor 42, switching processors 44 that poll the network interfaces 37.
//! Easy to get wrong: a lcore without a queue must cost nothing at all, so its processor time is read from the
//! kernel while another lcore polls.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test")]

#[expect(dead_code, reason = "nothing is refused here")]
mod program_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::time::Duration;

use lb_core::testkit::Frame;
use lb_core::testkit::net::{self, CLIENT, DNS, DNS_BACKEND, Family, NAT, SERVER, port_mac};
use program_support::ended::{Ended, number};
use program_support::{Place, Running, lacks_processors};
use serde_json::Value;

const PCAPS: &str = "--vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap --vdev=net_pcap1,rx_pcap=none.pcap,tx_pcap=out1.pcap";
const OURS: &str = "-- --ports 0,1 --config lb.json --exit-when-idle 200 --report r.json";

fn query(data: &[u8]) -> Frame {
    Frame::udp(
        CLIENT.socket(Family::V4, 40_000),
        NAT.socket(Family::V4, DNS),
    )
    .data(data)
}

/// The files of the first command line.
fn files(place: &Place) {
    place.write("lb.json", net::plain());
    place.capture("in.pcap", &[query(b"one").octets(), query(b"two").octets()]);
    place.capture("none.pcap", &[]);
}

fn both_queries_came_through(place: &Place, ended: &Ended) {
    let report = ended.went_well();
    assert_eq!(number(report, "/verdicts/forwarded"), 2, "{}", ended.told());
    let forwarded = |data: &[u8]| {
        let to_backend = query(data)
            .hops(63)
            .to_socket(SERVER.socket(Family::V4, DNS_BACKEND));
        to_backend.link(port_mac(1), SERVER.mac).octets()
    };
    assert_eq!(
        place.frames("out1.pcap"),
        [forwarded(b"one"), forwarded(b"two")]
    );
    assert!(place.frames("out0.pcap").is_empty());
}

#[test]
fn two_capture_files_without_hugepages() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("pcap");
    files(&place);
    let ended = place.run(&format!("-l 0,1 --no-huge -m 512 --no-pci {PCAPS} {OURS}"));
    both_queries_came_through(&place, &ended);
    assert_eq!(
        queues(&ended),
        BTreeMap::from([(1, vec!["0:0".to_owned(), "1:0".to_owned()])])
    );
}

#[test]
fn two_capture_files_on_hugepages() {
    if lacks_processors() {
        return;
    }
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let is_mounted = fs::read_to_string("/proc/mounts")
        .unwrap()
        .contains(" hugetlbfs ");
    if !is_mounted || field("HugePages_Free:") * field("Hugepagesize:") < 900 << 10 {
        println!("skipped: 900 MiB of free hugepages, and hugetlbfs mounted (scripts/setup)");
        return;
    }
    let place = Place::new("huge");
    files(&place);
    let ended = place.run(&format!("-l 0,1 --no-pci {PCAPS} {OURS}"));
    both_queries_came_through(&place, &ended);
}

#[test]
fn two_null_ports() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("null");
    place.write("lb.json", net::plain());
    let ended = place.run(
        "-l 0-1 --no-huge -m 512 --no-pci --vdev=net_null0 --vdev=net_null1 \
         -- --ports 0,1 --config lb.json --run-for 0.3 --report r.json",
    );
    let report = ended.went_well();
    assert!(number(report, "/verdicts/dropped") > 0, "{}", ended.told());
    assert_eq!(queues(&ended)[&1], ["0:0", "1:0"]);
}

/// What each lcore says that it polls, which the report must say as well.
fn queues(ended: &Ended) -> BTreeMap<u64, Vec<String>> {
    let said = ended.out.iter().filter_map(|line| {
        let (lcore, polled) = line.strip_prefix("lcore ")?.split_once(" polls ")?;
        let words = polled.split(", ").map(|queue| {
            let words: Vec<_> = queue.split(' ').collect();
            assert_eq!(
                (words[0], words[2], words.len()),
                ("port", "queue", 4),
                "{line}"
            );
            format!("{}:{}", words[1], words[3])
        });
        Some((lcore.parse().unwrap(), words.collect::<Vec<_>>()))
    });
    let said: BTreeMap<u64, Vec<String>> = said.collect();
    let report = ended.went_well()["lcores"].as_array().unwrap();
    let counted = report.iter().map(|lcore| {
        let queues = lcore["queues"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str);
        (
            number(lcore, "/lcore"),
            queues.map(str::to_owned).collect::<Vec<_>>(),
        )
    });
    assert_eq!(said, counted.collect(), "{}", ended.told());
    said
}

/// Lcores that say that they sleep.
fn sleepers(ended: &Ended) -> Vec<String> {
    let lines = ended
        .out
        .iter()
        .filter_map(|line| line.strip_suffix(" has no queue and sleeps"));
    lines.map(str::to_owned).collect()
}

fn every_queue_has_one_lcore(ended: &Ended, queues_per_port: usize) -> usize {
    let queues = queues(ended);
    let polled: Vec<_> = queues.values().flatten().collect();
    let distinct: BTreeSet<_> = polled.iter().collect();
    assert_eq!(
        polled.len(),
        distinct.len(),
        "a queue has one lcore: {}",
        ended.told()
    );
    assert_eq!(polled.len(), 3 * queues_per_port, "{}", ended.told());
    queues.len()
}

const EIGHT: &str = "--lcores (0-7)@(0,1) --no-huge -m 512 --no-pci";

#[test]
fn eight_lcores_share_three_ports_that_spread_flows() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("eight");
    let nulls = "--vdev=net_null0 --vdev=net_null1 --vdev=net_null2";
    let ended = place.run(&format!(
        "{EIGHT} {nulls} -- --ports 0,1,2 --run-for 0.5 --report r.json"
    ));
    assert_eq!(every_queue_has_one_lcore(&ended, 7), 7);
    assert_eq!(sleepers(&ended), [""; 0]);
}

#[test]
fn eight_lcores_poll_as_the_user_wrote() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("written");
    let nulls = "--vdev=net_null0 --vdev=net_null1 --vdev=net_null2";
    let rx = "--rx (0,0,2),(1,0,4),(2,0,4)";
    let ended = place.run(&format!(
        "{EIGHT} {nulls} -- --ports 0,1,2 {rx} --run-for 0.3 --report r.json"
    ));
    assert_eq!(every_queue_has_one_lcore(&ended, 1), 2);
    assert_eq!(
        sleepers(&ended),
        ["lcore 1", "lcore 3", "lcore 5", "lcore 6", "lcore 7"]
    );
}

#[test]
fn lcores_without_a_queue_say_so_and_take_no_processor_time() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("asleep");
    place.capture("none.pcap", &[]);
    let pcaps = (0..3).map(|n| format!("--vdev=net_pcap{n},rx_pcap=none.pcap,tx_pcap=out{n}.pcap"));
    let pcaps = pcaps.collect::<Vec<_>>().join(" ");
    let mut running = place.start(&format!(
        "{EIGHT} {pcaps} -- --ports 0,1,2 --run-for 50 --report r.json"
    ));
    running.until_it_polls();
    // As many clock ticks as tell a lcore that polls from one that does not.
    let enough = ticks(&running)["rte-worker-1"] + 20;
    let before = ticks(&running);
    while ticks(&running)["rte-worker-1"] < enough {
        assert!(running.listen_for(Duration::from_millis(20)));
    }
    let after = ticks(&running);
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(every_queue_has_one_lcore(&ended, 1), 1);
    assert_eq!(
        sleepers(&ended),
        (2..=7).map(|n| format!("lcore {n}")).collect::<Vec<_>>()
    );
    assert!(
        ended
            .out
            .iter()
            .any(|line| line.contains("so 1 of 7 worker lcores can poll")),
        "{}",
        ended.told()
    );
    for lcore in 2..=7 {
        let name = format!("rte-worker-{lcore}");
        assert_eq!(after[&name], before[&name], "{name}: {before:?} {after:?}");
    }
}

/// Clock ticks that each thread of the program has run, in the kernel and outside, by the thread's name.
fn ticks(running: &Running) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    let threads = stats.filter_map(|stat| {
        let (front, rest) = stat.rsplit_once(')')?;
        // proc(5): behind the name come the state, and as 12th and 13th word user and system time.
        let words: Vec<_> = rest.split_whitespace().collect();
        let time = words[11].parse::<u64>().ok()? + words[12].parse::<u64>().ok()?;
        Some((front.split_once('(')?.1.to_owned(), time))
    });
    threads.collect()
}

#[test]
fn the_program_needs_no_root() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("nobody");
    files(&place);
    let words = format!("-l 0,1 --no-huge -m 256 --no-pci {PCAPS} {OURS}");
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let command = if is_root {
        if Command::new("setpriv").arg("--version").output().is_err() {
            println!(
                "skipped: setpriv (Debian package util-linux), to run without root's privileges"
            );
            return;
        }
        // Where the program was built, others may have no business.
        fs::copy(env!("CARGO_BIN_EXE_lb-dataplane"), place.path("lb")).unwrap();
        fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        let nobody = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
            "./lb",
        ];
        place.command(&nobody, &words)
    } else {
        place.program(&words)
    };
    let ended = place.run_command(command);
    both_queries_came_through(&place, &ended);
}

#[test]
fn help_and_version_need_nothing_else() {
    let place = Place::new("help");
    for words in [
        "--help",
        "-h",
        "-l 0-7 --ports 0 --help",
        "-l 0,1 -- --help",
    ] {
        let ended = place.run(words);
        assert_eq!(ended.status(), Some(0), "{}", ended.told());
        assert!(
            ended
                .out
                .iter()
                .any(|line| line.contains("--exit-when-idle")),
            "{}",
            ended.told()
        );
        assert_eq!(ended.err, [""; 0]);
    }
    for words in ["--version", "-V", "-l 0,1 -- --version"] {
        let ended = place.run(words);
        assert_eq!(ended.status(), Some(0), "{}", ended.told());
        assert_eq!(
            ended.out,
            [format!("lb-dataplane {}", env!("CARGO_PKG_VERSION"))]
        );
    }
}
