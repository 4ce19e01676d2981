//! Clients that flood, hang, or break off: the others are answered all the same.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use lb_control::api::UNIX_CONNECTIONS_MAX;
use lb_control::view;

use crate::client::{Client, connect, report, request};
use crate::rig::{DOCUMENT, Rig};

#[test]
fn a_flood_of_reports_leaves_the_admin_s_socket_answering() {
    const REPORTS: u64 = 10_000;
    const AT_ONCE: u64 = 50;
    let rig = Rig::with_tcp();
    let is_over = AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut agent = Client::tcp(&rig, 1);
            let mut answered = 0;
            for batch in 0..REPORTS / AT_ONCE {
                let mut octets = Vec::new();
                for number in 1..=AT_ONCE {
                    let body = report("web-1", "b", batch * AT_ONCE + number);
                    octets.extend(request("POST", "/v1/load-reports", &[], body.as_bytes()));
                }
                agent.say(&octets).unwrap();
                for _ in 0..AT_ONCE {
                    let status = agent.answer().unwrap().status;
                    assert!(matches!(status, 200 | 429), "{status}");
                    answered += 1;
                }
            }
            is_over.store(true, Ordering::Relaxed);
            answered
        });
        let mut looks = 0;
        while !is_over.load(Ordering::Relaxed) && !flood.is_finished() {
            let mut admin = Client::unix(&rig);
            assert_eq!(admin.get("/v1/status").status, 200);
            assert_eq!(admin.put("/v1/config", DOCUMENT).status, 200);
            looks += 1;
        }
        assert!(looks > 1, "the admin was answered meanwhile");
        flood.join().unwrap()
    });
    assert_eq!(answered, REPORTS);
    let known: view::LoadReports = Client::unix(&rig).get("/v1/load-reports").done();
    assert_eq!(known.taken + known.refused["too_many"], REPORTS);
}

#[test]
fn clients_that_never_finish_hold_up_nobody() {
    let rig = Rig::with_tcp();
    let unfinished: [&[u8]; 5] = [
        b"",
        b"GET /v1/st",
        b"PUT /v1/config HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /v1/load-reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
          Content-Length: 100\r\n\r\n{\"backend\"",
        b"POST /v1/load-reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
          Transfer-Encoding: chunked\r\n\r\n5\r\n{\"b",
    ];
    let mut hung = Vec::new();
    for octets in unfinished.iter().cycle().take(50) {
        let mut unix = Client::unix(&rig);
        unix.say(octets).unwrap();
        let mut tcp = Client::tcp(&rig, 1);
        tcp.say(octets).unwrap();
        hung.push((unix, tcp));
    }
    assert_eq!(Client::unix(&rig).get("/v1/status").status, 200);
    assert_eq!(Client::tcp(&rig, 1).get("/v1/status").status, 200);
    drop(hung);
    assert_eq!(Client::unix(&rig).put("/v1/config", "{}").status, 200);
}

#[test]
fn a_crowd_on_one_listener_leaves_the_other_open() {
    let rig = Rig::with_tcp();
    let crowd: Vec<_> = (0..UNIX_CONNECTIONS_MAX + 10)
        .map(|_| UnixStream::connect(rig.socket()).unwrap())
        .collect();
    assert_eq!(Client::tcp(&rig, 1).get("/v1/status").status, 200);
    drop(crowd);
    assert_eq!(Client::unix(&rig).get("/v1/status").status, 200);
}

#[test]
fn what_is_not_http_ends_its_own_connection_and_no_other() {
    let rig = Rig::with_tcp();
    let mut good = Client::tcp(&rig, 1);
    assert_eq!(good.get("/v1/status").status, 200);
    for octets in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        &[b'A'; 100_000],
    ] {
        let mut bad = Client::over(connect(rig.port(1)));
        let _ = bad.say(octets);
        if let Some(answer) = bad.answer() {
            assert!((400..500).contains(&answer.status), "{}", answer.status);
        }
    }
    assert_eq!(good.get("/v1/status").status, 200);
}

#[test]
fn who_breaks_off_in_the_middle_of_a_document_changes_nothing() {
    let rig = Rig::new();
    for length in [1, 10, DOCUMENT.len() - 1] {
        let whole = request("PUT", "/v1/config", &[], DOCUMENT.as_bytes());
        let cut = whole.len() - length;
        let mut client = Client::unix(&rig);
        client.say(&whole[..cut]).unwrap();
        drop(client);
    }
    let status: view::Status = Client::unix(&rig).get("/v1/status").done();
    assert_eq!(status.revision, 1);
}
