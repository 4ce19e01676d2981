//! Reports arrive: in order, once, again after the other side was away.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::kit::{Agent, Scratch, Server, command};

const FAST: &str = "--interval 0.1 --backend web-1";

#[test]
fn reports_count_up_under_one_boot_id_over_one_connection() {
    let scratch = Scratch::new("count-up");
    let socket = scratch.path("s");
    let server = Server::unix(&socket);
    let _agent = Agent::start(&format!("{FAST} --to unix:{}", socket.display()));
    let heard: Vec<_> = (0..4).map(|_| server.next()).collect();
    for pair in heard.windows(2) {
        assert!(pair[1].sequence() > pair[0].sequence());
        let seconds = |at: usize| pair[at].report["monotonic_seconds"].as_f64().unwrap();
        assert!(seconds(1) > seconds(0));
        assert_eq!(pair[0].text("boot_id"), pair[1].text("boot_id"));
        assert_eq!(pair[1].connection, 0);
    }
    assert_eq!(heard[0].text("backend"), "web-1");
    assert!(
        heard[0]
            .head
            .starts_with("POST /v1/load-reports HTTP/1.1\r\n")
    );
    let report = serde_json::from_value(heard[0].report.clone()).unwrap();
    assert!(lb_core::load::validate(&report).is_ok(), "{report:?}");
    assert!(report.cpu_utilization.is_some() && report.mem_utilization.is_some());
}

#[test]
fn two_agents_have_two_boot_ids() {
    let scratch = Scratch::new("two");
    let socket = scratch.path("s");
    let server = Server::unix(&socket);
    let words = format!("{FAST} --to unix:{}", socket.display());
    let first = Agent::start(&words);
    let before = server.next();
    drop(first);
    let _second = Agent::start(&words);
    while server.next().text("boot_id") == before.text("boot_id") {}
}

#[test]
fn reports_go_on_after_the_server_died_and_came_back() {
    let scratch = Scratch::new("reborn");
    let socket = scratch.path("s");
    let server = Server::unix(&socket);
    let agent = Agent::start(&format!("{FAST} --to unix:{}", socket.display()));
    let before = server.next();
    drop(server);
    agent.told("unix:");
    let server = Server::unix(&socket);
    let after = server.next();
    assert!(after.sequence() > before.sequence());
    assert_eq!(after.text("boot_id"), before.text("boot_id"));
    assert!(server.next().sequence() > after.sequence());
}

#[test]
fn an_agent_may_be_there_before_the_server() {
    let scratch = Scratch::new("early");
    let socket = scratch.path("s");
    let agent = Agent::start(&format!("{FAST} --to unix:{}", socket.display()));
    let line = agent.told("unix:");
    assert!(line.contains("No such file"), "{line}");
    let server = Server::unix(&socket);
    server.next();
}

#[test]
fn the_token_is_sent_and_a_new_one_is_taken_up() {
    let scratch = Scratch::new("token");
    let (socket, token) = (scratch.path("s"), scratch.write("token", "first\n"));
    let server = Server::unix_answering(&socket, |heard| {
        match heard.head.contains("\r\nAuthorization: Bearer second\r\n") {
            true => ("202 Accepted", ""),
            false => ("401 Unauthorized", "who are you?"),
        }
    });
    let token_file = token.display();
    let agent = Agent::start(&format!(
        "{FAST} --to unix:{} --token-file {token_file}",
        socket.display()
    ));
    assert!(
        server
            .next()
            .head
            .contains("\r\nAuthorization: Bearer first\r\n")
    );
    agent.told("answered 401: who are you?");
    scratch.write("token", "second\n");
    while !server.next().head.contains("Bearer second") {}
}

#[test]
fn a_token_from_the_environment_is_sent_and_not_handed_on() {
    let scratch = Scratch::new("environment");
    let (socket, script) = (
        scratch.path("s"),
        scratch.write("script", "echo ${LB_AGENT_TOKEN-7}\n"),
    );
    let server = Server::unix(&socket);
    let mut command = command(&format!("{FAST} --to unix:{}", socket.display()));
    let script = format!("eps=sh {}", script.display());
    let command = command.arg("--command").arg(script);
    let _agent = Agent::spawn(command.env("LB_AGENT_TOKEN", "42"));
    let mut heard = server.next();
    while heard.report["eps"].is_null() {
        heard = server.next();
    }
    assert!(heard.head.contains("\r\nAuthorization: Bearer 42\r\n"));
    assert_eq!(heard.report["eps"], 7.0);
}

#[test]
fn a_refused_report_is_told_with_its_reason_and_the_next_one_is_sent() {
    let scratch = Scratch::new("refused");
    let socket = scratch.path("s");
    let server = Server::unix_answering(&socket, |_| ("404 Not Found", "no backend \"web-1\""));
    let agent = Agent::start(&format!("{FAST} --to unix:{}", socket.display()));
    agent.told("refused a report with 404: no backend \"web-1\"");
    let (first, second) = (server.next(), server.next());
    assert!(second.sequence() > first.sequence());
    assert_eq!(second.connection, first.connection);
}

#[test]
fn a_server_that_says_not_now_gets_the_report_later() {
    let scratch = Scratch::new("later");
    let socket = scratch.path("s");
    let answered = AtomicU32::new(0);
    let server = Server::unix_answering(&socket, move |_| {
        match answered.fetch_add(1, Ordering::SeqCst) {
            0 => ("503 Service Unavailable", "starting"),
            _ => ("202 Accepted", ""),
        }
    });
    let agent = Agent::start(&format!("{FAST} --to unix:{}", socket.display()));
    agent.told("answered 503: starting");
    let first = server.next();
    let second = server.next();
    assert!(second.sequence() >= first.sequence());
    assert_eq!(second.connection, first.connection + 1);
}

#[test]
fn several_backends_share_a_connection_and_count_by_themselves() {
    let scratch = Scratch::new("several");
    let socket = scratch.path("s");
    let server = Server::unix(&socket);
    let config = scratch.write(
        "agent.json",
        &format!(
            r#"{{"to": ["unix:{}"], "interval": 0.1,
                "backends": [{{"name": "a"}}, {{"name": "b"}}, {{"name": "c"}}]}}"#,
            socket.display()
        ),
    );
    let _agent = Agent::start(&format!("--config {}", config.display()));
    let mut last = [0_u64; 3];
    while last.iter().any(|&sequence| sequence < 2) {
        let heard = server.next();
        let backend = ["a", "b", "c"]
            .iter()
            .position(|&name| name == heard.text("backend"))
            .unwrap();
        assert!(heard.sequence() > last[backend]);
        assert_eq!(heard.connection, 0);
        last[backend] = heard.sequence();
    }
}

#[test]
fn a_destination_that_hangs_does_not_hold_up_another() {
    let scratch = Scratch::new("hang");
    let (hung, alive) = (scratch.path("hung"), scratch.path("alive"));
    // Takes connections and says nothing.
    let _hung = UnixListener::bind(&hung).unwrap();
    let server = Server::unix(&alive);
    let words = format!(
        "{FAST} --to unix:{} --to unix:{}",
        hung.display(),
        alive.display()
    );
    let _agent = Agent::start(&words);
    for _ in 0..5 {
        server.next();
    }
}
