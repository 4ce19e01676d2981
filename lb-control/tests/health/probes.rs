//! Every kind of check against every kind of server: the outcome and its cause.

use std::io::Write as _;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::mpsc::channel;

use lb_control::health::outcome::{Cause, Outcome};
use lb_control::health::probe::{self, Trust};

use crate::kit::{PATIENCE, check};
use crate::servers::{closed, closed_udp, http, hung, request, tcp, udp};

/// What comes of one check.
pub(crate) fn asked(health: &str, at: SocketAddr) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(probe::run(&check(health, at), &Trust::default()));
    runtime.shutdown_background();
    outcome
}

#[track_caller]
pub(crate) fn passes(health: &str, at: SocketAddr) -> String {
    match asked(health, at) {
        Outcome::Passed { what, .. } => what,
        other => panic!("{health}: {other}"),
    }
}

#[track_caller]
pub(crate) fn fails(health: &str, at: SocketAddr) -> (Cause, String) {
    match asked(health, at) {
        Outcome::Failed(failure) => (failure.cause, failure.detail),
        other => panic!("{health}: {other}"),
    }
}

const TCP: &str = r#""type": "tcp", "interval": 60, "timeout": 30"#;
const HTTP: &str = r#""type": "http", "interval": 60, "timeout": 30"#;
const UDP: &str =
    r#""type": "udp", "send": "ping", "expect": "pong", "interval": 60, "timeout": 30"#;
const DNS: &str = r#""type": "dns", "name": "example.org", "interval": 60, "timeout": 30"#;
/// For servers that never answer.
const SHORT: &str = r#""interval": 60, "timeout": 0.2"#;

fn short(kind: &str) -> String {
    format!("{kind}, {SHORT}")
}

#[test]
fn a_connection_can_be_had_or_is_refused() {
    assert_eq!(passes(TCP, tcp(drop)), "connected");
    assert_eq!(fails(TCP, closed()).0, Cause::Refused);
}

#[test]
fn a_server_that_takes_no_more_connections_runs_out_of_time() {
    let (at, _streams) = hung();
    let (cause, detail) = fails(&short(r#""type": "tcp""#), at);
    assert_eq!(
        (cause, detail.as_str()),
        (Cause::Timeout, "no answer within 0.2 s")
    );
}

#[test]
fn a_connection_is_closed_without_a_reset() {
    let (sender, ends) = channel();
    let at = tcp(move |mut stream| {
        let end = std::io::Read::read(&mut stream, &mut [0; 1]);
        sender.send(end.map_err(|error| error.kind())).unwrap();
    });
    passes(TCP, at);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Ok(0));
}

#[test]
fn a_page_passes_by_its_status() {
    let page = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").leak();
    assert_eq!(passes(HTTP, http(page("200 OK"))), "answered 200 OK");
    assert_eq!(passes(HTTP, http(page("302 Found"))), "answered 302 Found");
    let (cause, detail) = fails(HTTP, http(page("500 Internal Server Error")));
    assert_eq!(cause, Cause::Unexpected);
    assert_eq!(detail, "answered 500 Internal Server Error");
    let only = format!(r#"{HTTP}, "status": [204, "5xx"]"#);
    passes(&only, http(page("503 Service Unavailable")));
    passes(&only, http("HTTP/1.1 204 No Content\r\n\r\n"));
    assert_eq!(fails(&only, http(page("200 OK"))).0, Cause::Unexpected);
}

#[test]
fn a_page_passes_by_what_it_holds() {
    let wants = format!(r#"{HTTP}, "body": "healthy""#);
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nheal\r\n3\r\nthy\r\n0\r\n\r\n";
    passes(&wants, http(chunked));
    passes(&wants, http("HTTP/1.0 200 OK\r\n\r\nhealthy until the end"));
    let (cause, detail) = fails(
        &wants,
        http("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsick"),
    );
    assert_eq!(cause, Cause::Unexpected);
    assert_eq!(detail, "answered 200 OK without `healthy`");
    let cut_short = "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nheal";
    assert_eq!(fails(&wants, http(cut_short)).0, Cause::Closed);
}

#[test]
fn a_request_says_what_the_document_says() {
    let (sender, heads) = channel();
    let at = tcp(move |mut stream| {
        sender.send(request(&stream)).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    passes(
        &format!(r#"{HTTP}, "path": "/health?deep=1", "host": "web.example""#),
        at,
    );
    passes(HTTP, at);
    let head = heads.recv_timeout(PATIENCE).unwrap();
    assert_eq!(head[0], "GET /health?deep=1 HTTP/1.1");
    assert!(head.contains(&"host: web.example".to_owned()), "{head:?}");
    assert!(head.contains(&"connection: close".to_owned()), "{head:?}");
    let head = heads.recv_timeout(PATIENCE).unwrap();
    assert_eq!(head[0], "GET / HTTP/1.1");
    assert!(head.contains(&format!("host: {at}")), "{head:?}");
}

#[test]
fn a_server_that_hangs_breaks_off_or_talks_nonsense_fails_for_that() {
    let silent = tcp(|stream| {
        request(&stream);
        // Holds the connection until the check gives up.
        request(&stream);
    });
    assert_eq!(fails(&short(r#""type": "http""#), silent).0, Cause::Timeout);
    assert_eq!(fails(HTTP, closed()).0, Cause::Refused);
    let breaks_off = tcp(|stream| drop(request(&stream)));
    assert_eq!(fails(HTTP, breaks_off).0, Cause::Closed);
    assert_eq!(
        fails(HTTP, http("SSH-2.0-OpenSSH\r\n\r\n")).0,
        Cause::Unexpected
    );
}

#[test]
fn a_page_without_an_end_passes_where_nothing_is_asked_of_it() {
    let endless = tcp(|mut stream| {
        request(&stream);
        let mut piece = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
        while stream.write_all(piece.as_bytes()).is_ok() {
            piece = "x".repeat(1000);
        }
    });
    passes(HTTP, endless);
    let wants = format!(r#"{HTTP}, "body": "y""#);
    assert_eq!(fails(&wants, endless).0, Cause::Unexpected);
}

#[test]
fn a_datagram_is_answered_as_expected_or_not() {
    let answers = |text: &'static [u8]| udp(move |asked| (asked == b"ping").then(|| text.to_vec()));
    passes(UDP, answers(b"a pong it is"));
    assert_eq!(fails(UDP, answers(b"what?")).0, Cause::Unexpected);
    assert_eq!(fails(UDP, closed_udp()).0, Cause::Refused);
    let any = r#""type": "udp", "send": "hex:70696e67", "interval": 60, "timeout": 30"#;
    passes(any, answers(b"what?"));
    let silent = short(r#""type": "udp", "send": "nothing""#);
    assert_eq!(fails(&silent, answers(b"")).0, Cause::Timeout);
}

/// A name server that answers with this code and so many records.
fn name_server(code: u8, records: u8) -> SocketAddr {
    udp(move |question| {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&[0x85, 0x80 | code]);
        answer[7] = records;
        Some(answer)
    })
}

#[test]
fn a_name_server_passes_by_its_code() {
    assert_eq!(
        passes(DNS, name_server(0, 1)),
        "answered noerror with 1 record(s)"
    );
    for (code, records) in [(0, 0), (2, 0), (3, 0), (5, 0)] {
        assert_eq!(fails(DNS, name_server(code, records)).0, Cause::Unexpected);
    }
    let wants = |rcode: &str| format!(r#"{DNS}, "record": "aaaa", "rcode": "{rcode}""#);
    passes(&wants("nxdomain"), name_server(3, 0));
    passes(&wants("refused"), name_server(5, 0));
    passes(&wants("any"), name_server(2, 0));
    assert_eq!(fails(DNS, closed_udp()).0, Cause::Refused);
    // Who repeats the question asks it, and answers nothing.
    let parrot = udp(|question| Some(question.to_vec()));
    let short = short(r#""type": "dns", "name": "example.org""#);
    assert_eq!(fails(&short, parrot).0, Cause::Timeout);
}

#[test]
fn an_echo_comes_back() {
    let icmp = r#""type": "icmp", "interval": 60, "timeout": 30"#;
    for at in [
        SocketAddr::from(([127, 0, 0, 1], 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    ] {
        match asked(icmp, at) {
            Outcome::NotMade(why) => println!("skipped: a socket for ICMP ({why})"),
            Outcome::Passed { what, .. } => assert_eq!(what, "echo came back"),
            other @ Outcome::Failed(_) => panic!("{at}: {other}"),
        }
    }
}
