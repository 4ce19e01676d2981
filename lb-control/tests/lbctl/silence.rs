//! Nobody there, or somebody who is no API: one sentence, a status, and never a table.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::dir::Dir;
use crate::kit::{Ended, lbctl, lbctl_at};

/// A server that does one thing to its first connection, after the request's head has come.
fn serve(dir: &Dir, act: impl FnOnce(UnixStream) + Send + 'static) -> PathBuf {
    let socket = dir.join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut octet = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut octet).unwrap() == 1 {
            head.push(octet[0]);
        }
        act(stream);
    });
    socket
}

fn answered(answer: &'static str, words: &[&str]) -> Ended {
    let dir = Dir::new();
    let socket = serve(&dir, |mut stream| {
        stream.write_all(answer.as_bytes()).unwrap();
    });
    lbctl_at(&socket, words)
}

#[test]
fn a_socket_that_is_not_there_says_so() {
    let dir = Dir::new();
    let wanted = [
        "no lb-dataplane answers",
        "no such socket",
        "Is it running?",
        "--control",
    ];
    lbctl_at(&dir.join("control.sock"), &["services"]).failed(1, &wanted);
    lbctl_at(&dir.join("control.sock"), &["services", "--json"]).failed(1, &wanted);
}

#[test]
fn a_socket_that_was_left_over_says_so() {
    let dir = Dir::new();
    let socket = dir.join("control.sock");
    drop(UnixListener::bind(&socket).unwrap());
    lbctl_at(&socket, &["status"]).failed(1, &["left over", "Is it running?"]);
}

#[test]
fn a_port_without_listener_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    lbctl(&["--control", &address, "status"]).failed(1, &[&address, "nobody listens"]);
}

#[test]
fn a_hung_server_is_given_up() {
    let dir = Dir::new();
    let socket = dir.join("control.sock");
    let _hung = UnixListener::bind(&socket).unwrap();
    let words = ["--timeout", "0.2", "services"];
    lbctl_at(&socket, &words).failed(1, &["did not answer within 0.2 s", "busy or stuck"]);
}

#[test]
fn a_change_without_answer_is_not_said_to_have_failed() {
    let dir = Dir::new();
    let socket = dir.join("control.sock");
    let _hung = UnixListener::bind(&socket).unwrap();
    let words = ["--timeout", "0.2", "drain", "web/web-1"];
    let wanted = ["may have been made or not", "lbctl revisions"];
    lbctl_at(&socket, &words).failed(1, &wanted);
}

#[test]
fn a_server_that_never_ends_its_answer_is_given_up() {
    let dir = Dir::new();
    let socket = serve(&dir, |mut stream| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
        let mut goes_on = stream.write_all(head).is_ok();
        while goes_on {
            goes_on = stream.write_all(b" ").is_ok();
            // The pace of the server; nothing waits for it.
            thread::sleep(Duration::from_millis(10));
        }
    });
    let words = ["--timeout", "0.3", "services"];
    lbctl_at(&socket, &words).failed(1, &["did not answer within 0.3 s"]);
}

#[test]
fn a_connection_that_is_closed_early_says_so() {
    let dir = Dir::new();
    let socket = serve(&dir, drop);
    lbctl_at(&socket, &["ports"]).failed(1, &["closed the connection before"]);
    answered(
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ports\":[]",
        &["ports"],
    )
    .failed(1, &["closed the connection before"]);
}

#[test]
fn another_program_s_socket_is_not_believed() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    ] {
        answered(answer, &["services"]).failed(1, &["is not lb-dataplane's API", "--control"]);
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_no_empty_table() {
    for body in ["{}", "", "null", "{\"services\":null}", "[]"] {
        let dir = Dir::new();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let socket = serve(&dir, move |mut stream| {
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let wanted = [
            "/v1/services answers what this lbctl cannot read",
            "version",
        ];
        lbctl_at(&socket, &["services"]).failed(1, &wanted);
    }
}

#[test]
fn nothing_travels_in_the_clear_to_another_machine() {
    let wanted = ["192.0.2.1:80 is another machine", "--ca"];
    lbctl(&["--control", "192.0.2.1:80", "status"]).failed(2, &wanted);
}

#[test]
fn options_that_do_not_fit_together_are_refused() {
    let dir = Dir::new();
    let file = dir.write("x.pem", "no certificate");
    let file = file.to_str().unwrap();
    for (words, wanted) in [
        (
            vec!["--certificate", file, "status"],
            "--certificate needs --key",
        ),
        (vec!["--key", file, "status"], "--key needs --certificate"),
        (
            vec!["--certificate", file, "--key", file, "status"],
            "need --ca",
        ),
        (
            vec!["--control", "lb:1", "--ca", file, "status"],
            "no certificate",
        ),
        (
            vec!["--token-file", "/nonexistent", "status"],
            "/nonexistent",
        ),
        (vec!["ports", "--rate", "--json"], "leave out --json"),
    ] {
        let ended = lbctl(&words);
        assert!(
            ended.err.contains(wanted) && ended.out.is_empty(),
            "{wanted}: {ended:?}"
        );
        let is_file = wanted == "/nonexistent";
        assert_eq!(ended.status, if is_file { 1 } else { 2 }, "{ended:?}");
    }
}

#[test]
fn a_token_that_is_none_is_refused() {
    let dir = Dir::new();
    for text in ["", "two words", "\u{fc}"] {
        let file = dir.write("token", text);
        let words = ["--token-file", file.to_str().unwrap(), "status"];
        lbctl(&words).failed(2, &["visible ASCII"]);
    }
}

#[test]
fn wrong_usage_is_status_2() {
    for words in [
        vec![],
        vec!["stauts"],
        vec!["drain", "web"],
        vec!["--timeout", "0", "status"],
        vec!["--control", "/run/lb/control.sock", "status"],
        vec!["rollback", "-1"],
    ] {
        let ended = lbctl(&words);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{words:?}");
        assert!(!ended.err.is_empty());
    }
}

#[test]
fn a_document_that_is_not_there_is_named() {
    lbctl(&["check", "/nonexistent.json"]).failed(1, &["/nonexistent.json: No such file"]);
}
