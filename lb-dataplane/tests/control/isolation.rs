//! Whatever happens to the control side, packets go on as the last generation says.
//!
//! WO 00/30294, claims 1 and 2: the control processor and the switching processors share memory, and nothing else.
//! Easy to get wrong: what is asked for here is that packets *flow* all the time, not how many; a machine that is shared
//! with others says nothing about rates.

use std::fs;
use std::process::Command;
use std::sync::mpsc::{TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, request};
use crate::farm::{backend, document, service};
use crate::freezer::{Freezer, threads};
use crate::kit::{Switch, alone, is_long, number, until};
use crate::restart_kit::{Place, lacks_processors};
use crate::traffic::{DEVICES, Traffic};

/// A slice of time in which packets come out.
const SLICE: Duration = Duration::from_millis(100);
/// Slices with packets that there are at least. One without may be the system's, which gave the processor to others.
const FULL_MIN: u32 = 10;
/// Slices in a row without a packet that are too many on any machine.
const EMPTY_MAX: u32 = 200;

/// The program with four backends and traffic; `meanwhile` is called when the EAL is up, and nothing of ours yet.
fn started(name: &str, meanwhile: impl FnOnce(&Switch)) -> (Switch, Traffic) {
    let place = Place::new(name);
    let backends: Vec<Value> = (0..4).map(|number| backend(number, 1)).collect();
    let text = document(&[service(&json!({}), &backends)]).to_string();
    fs::write(place.path("lb.json"), text).unwrap();
    let traffic = Traffic::held(&place, Duration::from_micros(100));
    let mut switch = Switch::spawn(place, DEVICES, "--config lb.json");
    until("the first pipe is open", || {
        (traffic.sent() > 0).then_some(())
    });
    meanwhile(&switch);
    traffic.let_go();
    switch.until("API on ");
    until("the first packet", || (traffic.seen() > 0).then_some(()));
    (switch, traffic)
}

/// Looks on for a time: packets come out slice by slice. What was seen, in words.
fn flows_for(traffic: &Traffic, time: Duration, what: &str) -> String {
    let began = Instant::now();
    let first = traffic.seen();
    let (mut slices, mut full, mut least, mut empty) = (0, 0, u64::MAX, 0);
    while began.elapsed() < time || full < FULL_MIN {
        let before = traffic.seen();
        thread::sleep(SLICE);
        let came = traffic.seen() - before;
        empty = if came > 0 { 0 } else { empty + 1 };
        assert!(empty < EMPTY_MAX, "{what}: no packet up to slice {slices}");
        slices += 1;
        full += u32::from(came > 0);
        least = least.min(came);
    }
    let rate = (traffic.seen() - first) as f64 / began.elapsed().as_secs_f64();
    format!("{what}: {rate:.0} packets a second, {least} in the poorest of {slices} slices")
}

/// Ends program and traffic: nothing was lost, and no flow was broken.
fn ends_well(switch: Switch, traffic: Traffic) {
    traffic.stop();
    let mut client = switch.client();
    until("all frames have come in", || {
        let status = client.get("/v1/status").done();
        (number(&status, "/received") == traffic.sent()).then_some(())
    });
    let report = switch.end();
    let (sent, witness) = traffic.end();
    witness.found_no_fault();
    assert_eq!(number(&report, "/verdicts/forwarded"), sent, "{report:#}");
    assert_eq!(witness.frames, sent);
}

/// Whether a thread is one of a worker lcore's.
fn is_worker(name: &str) -> bool {
    name.contains("worker")
}

#[test]
fn control_threads_that_stand_still_stop_no_packet() {
    if lacks_processors() {
        return;
    }
    let _alone = alone();
    let time = Duration::from_secs(if is_long() { 10 } else { 3 });
    let (switch, traffic) = started("still", |_| {});
    let mut client = switch.client();
    client.get("/v1/status").done();
    let names: Vec<String> = threads(switch.pid()).map(|(_, name)| name).collect();
    assert!(names.iter().any(|name| is_worker(name)), "{names:?}");
    let Some(freezer) = Freezer::of(switch.pid(), |name| !is_worker(name)) else {
        println!("skipped: control groups that may be written");
        return;
    };
    let before = flows_for(&traffic, Duration::from_secs(1), "before");
    freezer.hold();
    let socket = switch.socket();
    let (sender, answer) = channel();
    thread::spawn(move || sender.send(Client::unix(&socket).get("/v1/status").status));
    let during = flows_for(&traffic, time, "control threads held");
    assert_eq!(
        answer.try_recv(),
        Err(TryRecvError::Empty),
        "nobody is there to answer"
    );
    freezer.release();
    assert_eq!(answer.recv_timeout(Duration::from_secs(60)), Ok(200));
    let patched = client.change(
        "PATCH",
        "/v1/services/web/backends/web-0",
        r#"{"weight": 2}"#,
    );
    assert_eq!(number(&patched, "/revision"), 2);
    let after = flows_for(&traffic, Duration::from_secs(1), "after");
    println!("{before}\n{during}\n{after}");
    drop(freezer);
    ends_well(switch, traffic);
}

#[test]
fn clients_that_hang_stop_no_packet_and_no_other_client() {
    if lacks_processors() {
        return;
    }
    let _alone = alone();
    let (switch, traffic) = started("hang", |_| {});
    let document = fs::read(switch.place.path("lb.json")).unwrap();
    let whole = request("PUT", "/v1/config", &document);
    let asked = request("GET", "/v1/config", b"");
    let hung: Vec<Client> = (0..100)
        .map(|number| {
            let mut client = switch.client();
            match number % 3 {
                0 => client.say(&whole[..whole.len() - 1]).unwrap(),
                1 => client.say(&asked[..20]).unwrap(),
                // Asks for more than its socket can hold, and fetches nothing.
                _ => client.say(&asked.repeat(200)).unwrap(),
            }
            client
        })
        .collect();
    let told = flows_for(&traffic, Duration::from_secs(2), "100 clients that hang");
    let mut client = switch.client();
    let patched = client.change(
        "PATCH",
        "/v1/services/web/backends/web-0",
        r#"{"weight": 2}"#,
    );
    assert_eq!(number(&patched, "/revision"), 2);
    println!("{told}");
    drop(hung);
    ends_well(switch, traffic);
}

/// The file descriptor of the audit log. The API's socket and the report come right behind it, and then what tasks need.
fn audit_descriptor() -> u32 {
    let (switch, traffic) = started("files", |_| {});
    let files = fs::read_dir(format!("/proc/{}/fd", switch.pid())).unwrap();
    let number = files.flatten().find_map(|file| {
        let name = fs::read_link(file.path()).ok()?;
        let is_it = name.ends_with("state/audit.log");
        is_it.then(|| file.file_name().to_str()?.parse().ok())?
    });
    ends_well(switch, traffic);
    number.unwrap()
}

/// All panics that tasks have had, and whether all tasks run.
fn panics(client: &mut Client) -> (u64, bool) {
    let status = client.get("/v1/status").done();
    let tasks = status["tasks"].as_array().unwrap();
    let panics = tasks.iter().map(|task| number(task, "/panics")).sum();
    (panics, tasks.iter().all(|task| task["state"] == "running"))
}

/// Sets how many file descriptors a program may have.
fn limit_descriptors(switch: &Switch, limit: u32) {
    let status = Command::new("prlimit")
        .args([
            "--pid",
            &switch.pid().to_string(),
            &format!("--nofile={limit}:"),
        ])
        .status();
    assert!(status.unwrap().success(), "prlimit");
}

/// The system has no more file descriptors when the tasks begin, so that those of the API and of the agent-checks panic,
/// and panic again each time that they are started.
#[test]
fn tasks_that_panic_stop_no_packet_and_are_started_again() {
    if lacks_processors() {
        return;
    }
    let _alone = alone();
    let enough_to_start = audit_descriptor() + 4;
    let (switch, traffic) = started("panic", |switch| limit_descriptors(switch, enough_to_start));
    let told = flows_for(&traffic, Duration::from_secs(2), "two tasks panic");
    limit_descriptors(&switch, 1024);
    let mut client = switch.client();
    let panics = until("all tasks run", || {
        let (panics, all_run) = panics(&mut client);
        all_run.then_some(panics)
    });
    println!("{told}; {panics} panics");
    assert!(panics >= 2, "{panics}");
    let patched = client.change(
        "PATCH",
        "/v1/services/web/backends/web-0",
        r#"{"weight": 2}"#,
    );
    assert_eq!(number(&patched, "/revision"), 2);
    ends_well(switch, traffic);
}
