//! What an agent costs the server that it runs on.

use crate::kit::{Agent, Scratch, Server};

/// Resident memory in kilobytes: now, and at its highest.
fn memory(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| -> u64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// CPU time of all threads so far, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind = text.rsplit_once(") ").unwrap().1;
    let fields: Vec<&str> = behind.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn ten_seconds_of_reports_stay_below_20_megabytes() {
    let scratch = Scratch::new("resources");
    let socket = scratch.path("s");
    let server = Server::unix(&socket);
    let agent = Agent::start(&format!(
        "--backend web-1 --port 80,443 --to unix:{}",
        socket.display()
    ));
    let pid = agent.child.id();
    server.next();
    let before = ticks(pid);
    for _ in 0..10 {
        server.next();
    }
    let (now, highest) = memory(pid);
    let used = ticks(pid) - before;
    println!(
        "10 reports: {} ms of CPU time, {now} kB resident, {highest} kB at most",
        used * 10
    );
    assert!(highest < 20 * 1024, "{highest} kB");
}
