//! What the program does under pressure: frames larger than an mbuf, empty pools, full ports, and minutes of
//! work in seconds.
//!
//! No counterpart in the patent. Nothing may be lost without being counted, and nothing may stay lost: every
//! run ends with all mbufs back in their pools.
//! Easy to get wrong: `net_pcap` has no offload for frames of several segments and can have them all the same.

#![expect(clippy::unwrap_used, reason = "test")]

#[expect(
    dead_code,
    reason = "nothing is refused here, and nothing told to stop"
)]
mod program_support;

use lb_core::testkit::Frame;
use lb_core::testkit::build::arp_request;
use lb_core::testkit::layout;
use lb_core::testkit::net::{
    self, CLIENT, CLIENT_SIDE, DESERTED, DIRECT, DIRECT_HASH, DNS, DNS_BACKEND, Family, HTTP,
    HTTP_BACKEND, Host, NAT, NEAR_CLIENT, ON_MISS_DROP, ON_MISS_HASH, ONE_ARMED, REMOTE, ROUTER,
    SERVER, port_mac,
};
use lb_core::wire::tcp::Flags;
use program_support::ended::{drops, number, sum};
use program_support::{Place, asking, lacks_processors};

const PCAPS: &str = "-l 0,1 --no-huge -m 256 --no-pci --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap \
                     --vdev=net_pcap1,rx_pcap=none.pcap,tx_pcap=out1.pcap";

/// Octets of which no two neighbors are alike.
fn data(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at * 7 % 251).unwrap())
        .collect()
}

/// A frame of so many octets in all.
fn filled(frame: Frame, length: usize) -> Frame {
    let headers = frame.octets().len();
    frame.data(&data(length - headers))
}

/// How a frame to a service leaves port 1 to its backend.
fn forwarded(frame: &Frame, vip: Host, family: Family, backend_port: u16) -> Vec<u8> {
    let frame = frame.clone().link(port_mac(1), SERVER.mac);
    let frame = if vip == NAT {
        frame
            .hops(63)
            .to_socket(SERVER.socket(family, backend_port))
    } else {
        frame
    };
    frame.octets()
}

#[test]
fn frames_larger_than_one_mbuf_are_forwarded_whole_with_right_checksums() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("jumbo");
    let (mut come, mut leave) = (Vec::new(), Vec::new());
    let mut port = 20_000;
    for family in Family::BOTH {
        for vip in [NAT, DIRECT] {
            // An mbuf holds 2,048 octets; some of these end in the first, some with a segment, some after it.
            for length in [1_514, 2_047, 2_048, 2_049, 4_224, 9_000, 16_000] {
                port += 1;
                let client = CLIENT.socket(family, port);
                let query = filled(Frame::udp(client, vip.socket(family, DNS)), length);
                let syn = Frame::syn(client, vip.socket(family, HTTP));
                let segment = Frame::tcp(client, vip.socket(family, HTTP))
                    .seq(1001)
                    .ack(5001);
                let segment = filled(segment, length);
                for (frame, backend_port) in [
                    (query, DNS_BACKEND),
                    (syn, HTTP_BACKEND),
                    (segment, HTTP_BACKEND),
                ] {
                    come.push(frame.octets());
                    leave.push(forwarded(&frame, vip, family, backend_port));
                }
            }
        }
    }
    place.write("lb.json", net::plain());
    place.capture("in.pcap", &come);
    place.capture("none.pcap", &[]);
    let ended = place.run(&format!(
        "{PCAPS} -- --config lb.json --exit-when-idle 100 --report r.json"
    ));
    let report = ended.went_well();
    assert_eq!(
        number(report, "/verdicts/forwarded"),
        leave.len() as u64,
        "{report:#}"
    );
    let found = place.frames("out1.pcap");
    assert_eq!(found.len(), leave.len());
    for (found, expected) in found.iter().zip(&leave) {
        assert!(found == expected, "{}", layout::difference(expected, found));
    }
    let octets = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(number(report, "/ports/1/tx_bytes"), octets(&leave));
    assert_eq!(number(report, "/lcores/0/received_bytes"), octets(&come));
}

#[test]
fn answers_to_frames_larger_than_one_mbuf_have_the_right_length() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("answers");
    let (mut come, mut leave) = (Vec::new(), Vec::new());
    for family in Family::BOTH {
        let (client, vip) = (CLIENT.address(family), NAT.address(family));
        let back = |frame: Frame| frame.link(port_mac(0), ROUTER.mac).octets();
        come.push(filled(Frame::echo_request(client, vip), 9_000).octets());
        leave.push(back(filled(Frame::echo_reply(vip, client), 9_000)));
        // Of no connection: a reset, which carries none of it (RFC 9293, 3.10.7.1).
        let (client, vip) = (CLIENT.socket(family, 40_000), NAT.socket(family, HTTP));
        come.push(filled(Frame::tcp(client, vip).seq(1001).ack(5001), 9_000).octets());
        leave.push(back(
            Frame::tcp(vip, client)
                .seq(5001)
                .flags(Flags::RST)
                .window(0),
        ));
    }
    place.write("lb.json", net::plain());
    place.capture("in.pcap", &come);
    place.capture("none.pcap", &[]);
    let ended = place.run(&format!(
        "{PCAPS} -- --config lb.json --exit-when-idle 100 --report r.json"
    ));
    assert_eq!(
        number(ended.went_well(), "/verdicts/replied"),
        4,
        "{}",
        ended.told()
    );
    let found = place.frames("out0.pcap");
    assert_eq!(found.len(), leave.len());
    for (found, expected) in found.iter().zip(&leave) {
        assert!(found == expected, "{}", layout::difference(expected, found));
    }
}

#[test]
fn an_empty_pool_is_counted_and_fills_again() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("empty");
    // Packets wait for a neighbor that never answers, until none of the 64 mbufs is left for those of port 1.
    let query = Frame::udp(
        CLIENT.socket(Family::V4, 40_000),
        NAT.socket(Family::V4, DNS),
    );
    place.write("lb.json", asking());
    place.capture("in.pcap", &vec![query.octets(); 1000]);
    place.capture(
        "strange.pcap",
        &[Frame::raw(0x88b5, &[1; 46]).to_mac(port_mac(1)).octets()],
    );
    let ended = place.run(
        "-l 0,1 --no-huge -m 64 --no-pci --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap \
         --vdev=net_pcap1,rx_pcap=strange.pcap,infinite_rx=1 \
         -- --mbufs 64 --config lb.json --run-for 4 --report r.json",
    );
    let report = ended.went_well();
    let waited = drops(report, "neighbor_unresolved");
    assert!((32..64).contains(&waited), "{report:#}");
    assert_eq!(number(report, "/ports/0/rx_packets"), waited, "{report:#}");
    assert_eq!(
        number(report, "/ports/0/rx_no_mbuf"),
        1000 - waited,
        "{report:#}"
    );
    assert!(
        number(report, "/lcores/0/no_mbuf") > 0,
        "questions found no mbuf either: {report:#}"
    );
    // While the pool was empty nothing came in; what one turn may take is 256.
    assert!(drops(report, "unknown_ethertype") > 2_560, "{report:#}");
}

#[test]
fn what_a_full_port_does_not_take_is_dropped_and_counted() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("full");
    let query = |n: u16| {
        Frame::udp(
            CLIENT.socket(Family::V4, 40_000 + n % 20),
            NAT.socket(Family::V4, DNS),
        )
    };
    let come: Vec<_> = (0..1000).map(|n| query(n).octets()).collect();
    place.write("lb.json", net::plain());
    place.capture("in.pcap", &come);
    // Eight files give more in one turn than the ring of port 1 can hold, which gives back what it takes.
    let files = ["rx_pcap=in.pcap"; 8].join(",");
    let ended = place.run(&format!(
        "-l 0,1 --no-huge -m 256 --no-pci --vdev=net_pcap0,{files},tx_pcap=out0.pcap --vdev=net_ring1 \
         -- --config lb.json --exit-when-idle 100 --report r.json"
    ));
    let report = ended.went_well();
    let (sent, dropped) = (
        number(report, "/ports/1/tx_packets"),
        number(report, "/ports/1/tx_dropped"),
    );
    assert_eq!(number(report, "/verdicts/forwarded"), 8000, "{report:#}");
    assert_eq!(sent + dropped, 8000, "{report:#}");
    assert!(sent >= 1023 && dropped > 0, "{report:#}");
    assert_eq!(number(report, "/ports/1/rx_packets"), sent, "{report:#}");
    assert_eq!(drops(report, "not_our_mac"), sent, "{report:#}");
}

#[test]
fn three_null_ports_flood_three_lcores() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("flood");
    let ended = place.run(
        "--lcores (0-3)@(0,1) --no-huge -m 256 --no-pci --vdev=net_null0 --vdev=net_null1,size=1500 \
         --vdev=net_null2,size=2048,copy=1 -- --run-for 3 --report r.json",
    );
    let report = ended.went_well();
    // Their frames are zeros.
    assert_eq!(
        drops(report, "not_our_mac"),
        number(report, "/received"),
        "{report:#}"
    );
    for port in 0..3 {
        assert!(
            number(report, &format!("/ports/{port}/rx_packets")) > 0,
            "{report:#}"
        );
    }
}

/// A frame for nearly everything that the filter does.
fn everything() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for family in Family::BOTH {
        let vips = [
            NAT,
            DIRECT,
            ON_MISS_DROP,
            ON_MISS_HASH,
            DIRECT_HASH,
            DESERTED,
            ONE_ARMED,
        ];
        for (vip, ports) in vips.into_iter().zip((30_000u16..).step_by(8)) {
            for port in ports..ports + 8 {
                let (client, web) = (CLIENT.socket(family, port), vip.socket(family, HTTP));
                let segment = Frame::tcp(client, web).seq(1001).ack(5001);
                let ends = segment.clone().flags(Flags::ACK.with(Flags::FIN));
                let reset = Frame::tcp(client, web).seq(1002).flags(Flags::RST);
                let dns = Frame::udp(client, vip.socket(family, DNS)).data(b"who is it?");
                frames.extend([Frame::syn(client, web), segment, ends, reset, dns]);
            }
        }
        let answer = Frame::tcp(
            SERVER.socket(family, HTTP_BACKEND),
            CLIENT.socket(family, 30_000),
        );
        frames.extend([
            Frame::echo_request(CLIENT.address(family), NAT.address(family)),
            Frame::echo_request(CLIENT.address(family), CLIENT_SIDE.address(family)),
            Frame::udp(CLIENT.socket(family, 9), REMOTE.socket(family, 9)),
            Frame::udp(CLIENT.socket(family, 9), NAT.socket(family, DNS)).hops(1),
            Frame::udp(CLIENT.socket(family, 9), NAT.socket(family, DNS)).cut(30),
            answer.flags(Flags::ACK),
        ]);
    }
    frames.push(arp_request(
        (NEAR_CLIENT.v4, NEAR_CLIENT.mac),
        CLIENT_SIDE.v4,
    ));
    frames.push(Frame::raw(0x88b5, &[1; 46]));
    frames.iter().map(Frame::octets).collect()
}

#[test]
fn services_of_every_kind_under_endless_traffic() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("soak");
    place.write("lb.json", net::plain());
    place.capture("in.pcap", &everything());
    let ended = place.run(
        "--lcores (0-2)@(0,1) --no-huge -m 256 --no-pci \
         --vdev=net_pcap0,rx_pcap=in.pcap,rx_pcap=in.pcap,infinite_rx=1 --vdev=net_null1,no-rx=1 \
         -- --mbufs 16383 --config lb.json --run-for 4 --report r.json",
    );
    let report = ended.went_well();
    for verdict in ["forwarded", "replied", "dropped"] {
        assert!(
            number(report, &format!("/verdicts/{verdict}")) > 0,
            "{report:#}"
        );
    }
    for reason in [
        "no_backend",
        "no_connection",
        "unknown_ethertype",
        "not_for_us",
    ] {
        assert!(drops(report, reason) > 0, "{reason}: {report:#}");
    }
    let sent = sum(report, "ports", "tx_packets") + sum(report, "ports", "tx_dropped");
    let verdicts = number(report, "/verdicts/forwarded") + number(report, "/verdicts/replied");
    assert_eq!(
        sent,
        verdicts + number(report, "/solicitations"),
        "{report:#}"
    );
    let live = number(report, "/connections/ipv4") + number(report, "/connections/ipv6");
    assert_eq!(
        sum(report, "services", "connections_live"),
        live,
        "{report:#}"
    );
}

#[test]
fn ports_of_different_drivers_work_together() {
    if lacks_processors() {
        return;
    }
    let place = Place::new("mixed");
    let query = Frame::udp(
        CLIENT.socket(Family::V4, 40_000),
        NAT.socket(Family::V4, DNS),
    );
    place.write("lb.json", net::plain());
    place.capture("in.pcap", &vec![query.octets(); 100]);
    for other in ["net_null1,no-rx=1", "net_ring1"] {
        let ended = place.run(&format!(
            "-l 0,1 --no-huge -m 256 --no-pci --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out0.pcap --vdev={other} \
             -- --config lb.json --exit-when-idle 100 --report r.json"
        ));
        let report = ended.went_well();
        assert_eq!(
            number(report, "/ports/1/tx_packets"),
            100,
            "{other}: {report:#}"
        );
    }
}
