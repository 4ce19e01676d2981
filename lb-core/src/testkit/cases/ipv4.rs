//! The IPv4 header: what is malformed, options, fragments, other protocols.
//!
//! No counterpart in the patent. Rows 1, 11, 12 and 30 of the edge cases.
//! Easy to get wrong: each defect has a reason of its own, and the first one in the order of the fields counts.

use super::{Flow, List, Scene};
use crate::filter::Reason;
use crate::testkit::build::Frame;
use crate::testkit::case::{Expect, Step};
use crate::testkit::net::{Family, NAT, plain};
use crate::wire::IpProtocol;

pub(super) fn add(list: &mut List) {
    list.with(plain());
    malformed(list);
    options(list);
    fragments(list);
}

fn malformed(list: &mut List) {
    let drop = |list: &mut List, name: &str, reason: Reason, spoil: fn(Frame) -> Frame| {
        list.one(1, Family::V4, name, |scene| {
            let frame = spoil(scene.nat().syn().padded());
            vec![Step::client(&frame, Expect::Drop(reason))]
        });
    };
    drop(
        list,
        "a wrong header checksum is dropped",
        Reason::Ipv4BadChecksum,
        Frame::bad_header_checksum,
    );
    drop(
        list,
        "a version that the ethertype does not promise is dropped",
        Reason::Ipv4BadVersion,
        |f| f.version(6),
    );
    drop(
        list,
        "a header length below five is dropped",
        Reason::Ipv4BadHeaderLength,
        |f| f.ihl(4),
    );
    drop(
        list,
        "a header length of zero is dropped",
        Reason::Ipv4BadHeaderLength,
        |f| f.ihl(0),
    );
    drop(
        list,
        "a header that the frame cuts off is dropped",
        Reason::Ipv4Truncated,
        |f| f.cut(33),
    );
    drop(
        list,
        "a header whose options the frame cuts off is dropped",
        Reason::Ipv4Truncated,
        |f| f.ihl(15).cut(60),
    );
    drop(
        list,
        "a total length below the header is dropped",
        Reason::Ipv4TotalBelowHeader,
        |f| f.ip_len(19),
    );
    drop(
        list,
        "a total length beyond the frame is dropped",
        Reason::Ipv4TotalBeyondFrame,
        |f| f.ip_len(1500),
    );
    drop(
        list,
        "a total length one octet beyond the frame is dropped",
        Reason::Ipv4TotalBeyondFrame,
        |f| f.ip_len(47),
    );
    drop(
        list,
        "a packet that ends with its header is dropped for want of tcp",
        Reason::TcpTruncated,
        |f| f.ip_len(20),
    );
}

/// Record route, nothing recorded yet.
const RECORD_ROUTE: [u8; 8] = [7, 7, 4, 0, 0, 0, 0, 0];

fn options(list: &mut List) {
    for (forwarding, flow) in [
        ("nat", Scene::nat as fn(Scene) -> Flow),
        ("direct", Scene::direct),
    ] {
        list.one(
            11,
            Family::V4,
            format!("ip options are passed over and kept with {forwarding}"),
            |scene| {
                let flow = flow(scene);
                let steps = [&RECORD_ROUTE[..], &[0x94, 4, 0, 0], &[1, 1, 1, 0], &[1; 40]];
                steps
                    .map(|options| flow.goes(&flow.syn().options(options)))
                    .to_vec()
            },
        );
    }
    list.one(
        11,
        Family::V4,
        "an answer's ip options are passed over and kept",
        |scene| {
            let flow = scene.nat();
            vec![
                flow.goes(&flow.syn()),
                flow.returns(&flow.syn_ack().options(&RECORD_ROUTE)),
            ]
        },
    );
    let drop = |list: &mut List, name: &str, reason: Reason, options: &[u8]| {
        list.one(11, Family::V4, name, |scene| {
            vec![Step::client(
                &scene.nat().syn().options(options),
                Expect::Drop(reason),
            )]
        });
    };
    let source_route = Reason::Ipv4SourceRoute;
    drop(
        list,
        "loose source routing is dropped",
        source_route,
        &[131, 7, 4, 10, 0, 0, 1, 0],
    );
    drop(
        list,
        "strict source routing is dropped",
        source_route,
        &[137, 7, 4, 10, 0, 0, 1, 0],
    );
    drop(
        list,
        "source routing behind padding is dropped",
        source_route,
        &[1, 1, 1, 131, 3, 4, 0, 0],
    );
    drop(
        list,
        "an ip option of length zero is dropped",
        Reason::Ipv4BadOption,
        &[7, 0, 0, 0],
    );
    drop(
        list,
        "an ip option past the header is dropped",
        Reason::Ipv4BadOption,
        &[7, 5, 4, 0],
    );
    list.one(
        11,
        Family::V4,
        "options behind the end of the list are not read",
        |scene| {
            let flow = scene.nat();
            vec![flow.goes(&flow.syn().options(&[0, 131, 3, 4]))]
        },
    );
}

fn fragments(list: &mut List) {
    list.both(
        12,
        "pieces of a datagram for a service are dropped",
        |scene| {
            let whole = scene.nat_udp().datagram(&[9; 200]);
            let drop = |piece: Frame| Step::client(&piece, Expect::Drop(Reason::Fragment));
            vec![
                drop(whole.clone().piece(0, 104, true)),
                drop(whole.piece(104, 999, false)),
            ]
        },
    );
    list.one(
        30,
        Family::V4,
        "protocols other than tcp and udp are not read as ports",
        |scene| {
            // Octets that would be the ports of the web service.
            let payload = [0x9c, 0x40, 0x00, 0x50, 0, 0, 0, 0, 0, 0, 0, 0];
            let packet =
                |protocol| Frame::ip(scene.client().ip(), scene.at(NAT), protocol, &payload);
            let protocols = [
                IpProtocol::SCTP,
                IpProtocol::GRE,
                IpProtocol::ESP,
                IpProtocol::ICMPV6,
                IpProtocol(255),
            ];
            protocols
                .map(|protocol| {
                    Step::client(&packet(protocol), Expect::Drop(Reason::UnknownProtocol))
                })
                .to_vec()
        },
    );
}
