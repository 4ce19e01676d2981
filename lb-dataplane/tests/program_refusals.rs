//! What an operator reads when the program does not start: one sentence, and nothing is left half started.
//!
//! No counterpart in the patent. Status 2 for what the operator wrote, 1 for what the machine lacks.
//! Easy to get wrong: the EAL writes lines of its own; ours is the last, and the only one that begins with the
//! program's name.

#[expect(dead_code, reason = "everything is refused here")]
mod program_support;

use lb_core::testkit::net;
use program_support::{Place, lacks_processors};

const EAL: &str = "-l 0,1 --no-huge -m 64 --no-pci";
const NULLS: &str = "--vdev=net_null0 --vdev=net_null1";
const PCAP: &str = "--vdev=net_pcap0,rx_pcap=none.pcap,tx_pcap=out.pcap";

/// Runs that are refused: what stands before `--`, what behind it, and what the sentence must contain.
type Cases<'a> = &'a [(&'a str, &'a str, &'a str)];

fn refused(name: &str, status: i32, cases: Cases<'_>) {
    are_refused(&Place::new(name), status, cases);
}

fn are_refused(place: &Place, status: i32, cases: Cases<'_>) {
    if lacks_processors() {
        return;
    }
    place.write("lb.json", net::plain());
    place.capture("none.pcap", &[]);
    for (eal, ours, wanted) in cases {
        let ended = place.run(&format!("{eal} -- {ours} --run-for 5 --report r.json"));
        let sentence = ended.refused(status);
        assert!(sentence.contains(wanted), "{sentence}\nlacks {wanted:?}");
        let eal_usage = |line: &String| line.starts_with("Usage: ");
        if !ended.out.iter().any(eal_usage) {
            assert_eq!(ended.out, [""; 0], "nothing was started: {}", ended.told());
        }
    }
}

#[test]
fn what_is_wrong_with_an_option_of_ours_is_said_before_anything_starts() {
    let eal = EAL;
    refused(
        "options",
        2,
        &[
            (eal, "--ports 0,x", "such as 0,1,2"),
            (eal, "--ports 70000", "such as 0,1,2"),
            (eal, "--prots 0", "'--ports'"),
            (eal, "surplus", "'surplus'"),
            (eal, "--rx 0,0,1", "such as (0,0,1),(1,0,1)"),
            (eal, "--rx (0,0,1),(1,0)", "such as (0,0,1),(1,0,1)"),
            (eal, "--rx (0,0,1)(1,0,1)", "such as (0,0,1),(1,0,1)"),
            (eal, "--rx (0,0,-1)", "such as (0,0,1),(1,0,1)"),
            (eal, "--mbufs 63", "64..=268435456"),
            (eal, "--mbufs many", "--mbufs"),
            (eal, "--connections 0", "1..=67108864"),
            (eal, "--connections 67108865", "1..=67108864"),
            (eal, "--exit-when-idle 1s", "whole milliseconds"),
            (eal, "--exception wire", "auto, virtio-user, tap, none"),
            (
                eal,
                "--control 198.51.100.1:8080",
                "--control 198.51.100.1:8080:",
            ),
            (eal, "--control 8080", "expected unix:PATH"),
            (
                eal,
                "--config missing.json",
                "--config missing.json: cannot be read: No such file",
            ),
            (
                eal,
                "--config .",
                "--config .: cannot be read: Is a directory",
            ),
        ],
    );
}

#[test]
fn a_door_that_cannot_be_opened_is_said_before_anything_starts() {
    let eal = &format!("{EAL} {NULLS}");
    let place = Place::new("doors");
    place.write("a-file", "no socket");
    place.write("short", "0123456789");
    place.write("wrong.pem", "no certificate");
    let tls = "--tls-certificate wrong.pem --tls-key wrong.pem --tls-clients wrong.pem";
    are_refused(
        &place,
        2,
        &[
            (
                eal,
                "--control here",
                "--control here: expected unix:PATH, such as unix:/run/lb/control.sock, or HOST:PORT",
            ),
            (
                eal,
                "--control unix:",
                "expected unix: and a path of 1 to 103 octets",
            ),
            (
                eal,
                "--control 127.0.0.1:65536",
                "expected unix:PATH, such as",
            ),
            (
                eal,
                "--control none --control unix:x",
                "--control none stands beside other addresses; expected one or the other",
            ),
            (
                eal,
                "--control 192.0.2.1:8080",
                "without TLS only an address of this machine alone is possible, such as 127.0.0.1:8080",
            ),
            (
                eal,
                "--control 0.0.0.0:0",
                "without TLS only an address of this machine alone is possible",
            ),
            (
                eal,
                "--control unix:missing/control.sock",
                "--control unix:missing/control.sock: ",
            ),
            (
                eal,
                "--control unix:a-file",
                "there is a file that is no socket; remove it, or choose another path",
            ),
            (eal, "--tls-certificate wrong.pem", "--tls-key <FILE>"),
            (eal, "--tls-key wrong.pem", "--tls-certificate <FILE>"),
            (eal, "--tls-clients wrong.pem", "--tls-certificate <FILE>"),
            (eal, "--admin operator", "--tls-certificate <FILE>"),
            (eal, "--reader collector", "--tls-certificate <FILE>"),
            (
                eal,
                &format!("--control 127.0.0.1:0 {tls}"),
                "wrong.pem: no certificate in it",
            ),
            (
                eal,
                "--admin-token-file missing",
                "--admin-token-file missing: cannot be read: No such file",
            ),
            (
                eal,
                "--agent-token-file short",
                "--agent-token-file short: expected one line of 16 to 4096 visible ASCII characters",
            ),
        ],
    );
}

#[test]
fn an_address_that_somebody_answers_at_is_not_taken_over() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("answered");
    let listener = std::os::unix::net::UnixListener::bind(place.path("taken.sock")).unwrap();
    let eal = &format!("{EAL} {NULLS}");
    let said = "another program answers there; stop it, or choose another address";
    are_refused(&place, 2, &[(eal, "--control unix:taken.sock", said)]);
    drop(listener);
    // Nobody answers any more; what is left of it is taken over.
    let ended = place.run(&format!(
        "{eal} -- --mbufs 1023 --control unix:taken.sock --run-for 0.1 --report r.json"
    ));
    ended.went_well();
}

#[test]
fn ports_that_do_not_exist_are_named_with_those_that_do() {
    let nulls = &format!("{EAL} {NULLS}");
    let none = EAL;
    refused(
        "ports",
        2,
        &[
            (nulls, "--ports 0,1,7", "there is no port 7; DPDK found 0,1"),
            (nulls, "--ports 0,0", "port 0 stands there twice"),
            (
                none,
                "--ports 0",
                "no port: DPDK found no device; bind a NIC",
            ),
            (none, "", "no port: DPDK found no device; bind a NIC"),
        ],
    );
}

#[test]
fn a_wrong_map_of_queues_is_refused_with_what_would_be_right() {
    let nulls = &format!("{EAL} {NULLS}");
    let pcap = &format!("{EAL} {PCAP}");
    let pcap_3 = &format!("--lcores (0-2)@(0,1) --no-huge -m 64 --no-pci {PCAP} --vdev=net_null0");
    refused(
        "rx",
        2,
        &[
            (
                nulls,
                "--rx (0,0,1)",
                "no queue of port 1; name one, or leave the port out of --ports",
            ),
            (
                nulls,
                "--rx (0,0,1),(1,0,0)",
                "lcore 0, which is no worker lcore; workers are 1",
            ),
            (
                nulls,
                "--rx (0,0,1),(1,0,1),(2,0,1)",
                "port 2, which is not among --ports 0,1",
            ),
            (
                nulls,
                "--ports 0 --rx (0,0,1),(1,0,1)",
                "port 1, which is not among --ports 0",
            ),
            (
                nulls,
                "--rx (0,0,1),(1,0,1),(1,0,1)",
                "port 1 queue 0 to two lcores",
            ),
            (
                nulls,
                "--rx (0,0,1),(1,1,1)",
                "port 1 queues up to 1, but queue 0 to nobody",
            ),
            (
                nulls,
                "--rx (0,65535,1),(1,0,1)",
                "65536 receive queues on port 0 (net_null), which has 1024",
            ),
            (
                pcap,
                "--rx (0,0,1),(0,1,1)",
                "2 receive queues on port 0 (net_pcap), which has 1",
            ),
            (
                pcap_3,
                "--rx (0,0,1),(1,0,2)",
                "2 lcores poll, but port 0 (net_pcap) has only 1 transmit queues",
            ),
        ],
    );
}

#[test]
fn lcores_and_devices_that_the_eal_cannot_have_are_refused() {
    let one = &format!("-l 0 --no-huge -m 64 --no-pci {NULLS}");
    let many = &format!("-l 0,1000 --no-huge -m 64 --no-pci {NULLS}");
    let no_file = &format!("{EAL} --vdev=net_pcap0,rx_pcap=missing.pcap,tx_pcap=out.pcap");
    let no_out = &format!("{EAL} --vdev=net_pcap0,rx_pcap=none.pcap,tx_pcap=missing/out.pcap");
    let no_key = &format!("{EAL} --vdev=net_pcap0,nonsense=1");
    let no_driver = &format!("{EAL} --vdev=net_nonsense0");
    let no_option = &format!("{EAL} lb.json");
    refused(
        "eal",
        2,
        &[
            (
                one,
                "",
                "no worker lcore: the first lcore is the main one and polls nothing; name at least two",
            ),
            (
                many,
                "",
                "the EAL refuses its arguments (everything before --)",
            ),
            (
                no_file,
                "",
                "device \"net_pcap0\" could not be set up; the EAL's lines above say why",
            ),
            (no_out, "", "device \"net_pcap0\" could not be set up"),
            (no_key, "", "device \"net_pcap0\" could not be set up"),
            (no_driver, "", "--vdev"),
            (
                no_option,
                "",
                "\"lb.json\" is no EAL option; the program's own options go behind --",
            ),
        ],
    );
}

#[test]
fn a_forgotten_double_dash_is_what_the_sentence_is_about() {
    let place = Place::new("dash");
    for words in [
        "-l 0,1 --ports 0 --config lb.json",
        "-l 0,1 --ports=0,1",
        "-l 0,1 --ports 0 -- --mbufs 64",
    ] {
        let sentence = place.run(words).refused(2);
        assert!(sentence.starts_with("--ports"), "{sentence}");
        assert!(
            sentence.contains("put -- in front of the program's own options"),
            "{sentence}"
        );
    }
}

#[test]
fn no_hugepages_is_told_with_the_cure() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("nohuge");
    let ended = place.run(&format!(
        "-l 0,1 --no-pci --huge-dir /nonexistent {NULLS} -- --run-for 5 --report r.json"
    ));
    let sentence = ended.refused(1);
    assert!(
        sentence.starts_with("no hugepages: reserve some"),
        "{sentence}"
    );
    assert!(sentence.contains("--no-huge -m 512"), "{sentence}");
}

#[test]
fn too_many_and_too_few_mbufs_are_told_with_the_cure() {
    let nulls = &format!("{EAL} {NULLS}");
    // Endless reception takes an mbuf for each frame of its file.
    let endless = &format!("{EAL} --vdev=net_pcap0,rx_pcap=in.pcap,infinite_rx=1");
    let place = Place::new("mbufs");
    place.capture("in.pcap", &vec![vec![0; 60]; 100]);
    let many = "give DPDK more (hugepages, EAL option -m) or ask for fewer (--mbufs)";
    let few = "if it wants more than the pool's 64 mbufs, ask for more (--mbufs)";
    are_refused(
        &place,
        1,
        &[
            (nulls, "--mbufs 1000000", many),
            (endless, "--mbufs 64", few),
        ],
    );
}

#[test]
fn a_configuration_is_refused_with_its_line_and_path() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("config");
    // Without a default route, so that not every address is behind one.
    let plain = net::pathless();
    let line = |text: &str, of: &str| {
        let line = of.lines().position(|line| line.contains(text)).unwrap();
        format!("lb.json: line {}: ", line + 1)
    };
    for (from, to, path) in [
        // No route leads to a backend.
        (
            r#""address": "10.0.0.11", "port": 8080"#,
            r#""address": "172.16.0.1", "port": 8080"#,
            "services[0].backends[0].address: no route leads to 172.16.0.1",
        ),
        // A port that is there, but not driven.
        (
            r#""port": 1, "name": "server""#,
            r#""port": 7, "name": "server""#,
            "interfaces[1].port: ",
        ),
        (
            r#""name": "web-ipv4""#,
            r#""nom": "web-ipv4""#,
            "services[0].nom: ",
        ),
        (
            r#""scheduler": "maglev""#,
            r#""scheduler": "fair""#,
            "services[0].scheduler: ",
        ),
        (r#""transit": true,"#, r#""transit": true"#, ""),
    ] {
        let text = plain.replacen(from, to, 1);
        assert_ne!(text, plain);
        place.write("lb.json", &text);
        let ended = place.run(&format!(
            "{EAL} {NULLS} -- --config lb.json --run-for 5 --report r.json"
        ));
        let sentence = ended.refused(2);
        if path.is_empty() {
            assert!(sentence.starts_with("lb.json: line "), "{sentence}");
        } else {
            let wanted = format!("{}{path}", line(to, &text));
            assert!(sentence.starts_with(&wanted), "{sentence}\nis not {wanted}");
        }
        assert_eq!(ended.out, [""; 0]);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_refused_at_the_start() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("report");
    let ended = place.run(&format!(
        "{EAL} {NULLS} -- --mbufs 1023 --run-for 5 --report missing/r.json"
    ));
    let sentence = ended.refused(2);
    assert!(
        sentence.starts_with("--report missing/r.json: cannot be written: No such file"),
        "{sentence}"
    );
    assert_eq!(ended.out, [""; 0]);
}

#[test]
fn a_second_program_with_the_same_file_prefix_is_refused() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("twice");
    let mut first = place.start(&format!(
        "{EAL} {NULLS} -- --mbufs 1023 --run-for 50 --report r.json"
    ));
    first.until_it_polls();
    let second = place.run(&format!(
        "{EAL} {NULLS} -- --mbufs 1023 --run-for 5 --report second.json"
    ));
    let sentence = second.refused(1);
    assert!(
        sentence.contains("another program with the same --file-prefix"),
        "{sentence}"
    );
    first.signal("TERM");
    first.end().went_well();
}

#[test]
fn nothing_is_left_that_would_keep_a_refused_program_from_starting_later() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("later");
    let line =
        |ours: &str| format!("{EAL} {NULLS} -- --mbufs 1023 --report r.json --run-for 0.1 {ours}");
    place.run(&line("--ports 0,7")).refused(2);
    place.run(&line("--rx (0,0,1)")).refused(2);
    place.run(&line("")).went_well();
}
