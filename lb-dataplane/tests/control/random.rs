//! Callers who do anything: documents good and broken, requests cut off, files changed under the program, all at once.
//!
//! No counterpart in the patent. What they do is drawn from one number for each caller; what it meets is not, for they
//! disturb each other. So the promises are those that hold whoever else is at work: no fault of the program, and a
//! document that was taken is taken whole.
//! Easy to get wrong: between a PUT and the GET behind it somebody else may have put another document; the tag tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lb_core::config::{PortsPresent, parse};
use lb_core::id::PortId;
use serde_json::{Value, json};

use crate::client::{Answer, Client, request};
use crate::farm;
use crate::kit::{Switch, alone, is_long, number, until};
use crate::restart_kit::{Place, lacks_processors};
use crate::traffic::{DEVICES, Traffic};

/// Callers on the Unix socket, and one on plain TCP, who may only look.
const ADMINS: u64 = 4;
/// Backends that documents draw from.
const BACKENDS: usize = 8;

/// A small generator (xorshift64*): the same course for the same number.
struct Chance(u64);

impl Chance {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A document that must be taken.
    fn document(&mut self) -> String {
        let mut services = vec![self.service("web")];
        for (name, port) in [("mail", 25), ("shop", 443)] {
            if self.below(2) == 0 {
                let mut service = self.service(name);
                service["port"] = json!(port);
                services.push(service);
            }
        }
        let mut document = farm::document(&services);
        document["transit"] = json!(self.below(2) == 0);
        match self.below(3) {
            0 => document.to_string(),
            1 => format!("{document:#}"),
            _ => format!("\n {document} \t\n"),
        }
    }

    fn service(&mut self, name: &str) -> Value {
        let count = self.below(BACKENDS);
        let first = self.below(BACKENDS);
        let backends: Vec<Value> = (0..count)
            .map(|at| {
                let weight = self.below(5) as u32;
                let mut backend = farm::backend(((first + at) % BACKENDS) as u8, weight);
                backend["state"] =
                    json!(self.one_of(&["enabled", "enabled", "enabled", "draining", "disabled"]));
                backend
            })
            .collect();
        let schedulers = [
            "round-robin",
            "weighted-round-robin",
            "least-connections",
            "source-hash",
            "maglev",
        ];
        let keys = json!({
            "name": name,
            "scheduler": self.one_of(&schedulers),
            "weights": self.one_of(&["static", "even", "least-loaded"]),
            "on_miss": self.one_of(&["reset", "drop", "hash"]),
        });
        farm::service(&keys, &backends)
    }

    /// A document that must be refused: a piece is left out, an octet changed, or a word does not belong there.
    fn broken(&mut self) -> Vec<u8> {
        loop {
            let octets = self.changed();
            let is_taken =
                std::str::from_utf8(&octets).is_ok_and(|text| parse(text, &ports()).is_ok());
            if !is_taken {
                return octets;
            }
        }
    }

    fn changed(&mut self) -> Vec<u8> {
        let mut octets = self.document().into_bytes();
        let at = self.below(octets.len());
        match self.below(4) {
            0 => octets.truncate(at),
            1 => octets[at] = self.below(256) as u8,
            2 => drop(octets.drain(at..at + self.below(octets.len() - at))),
            _ => {
                let text = String::from_utf8(octets).unwrap();
                let word = self.one_of(&["nat", "web-1", "enabled", "10.0.0", "\"weight\":", "80"]);
                let other =
                    self.one_of(&["", "\"", "-1", "web-2", "null", "65536", "[", "10.9.0.0"]);
                octets = text.replacen(word, other, 1 + self.below(3)).into_bytes();
            }
        }
        octets
    }
}

fn ports() -> PortsPresent {
    [PortId(0), PortId(1)].into_iter().collect()
}

/// What came of all calls.
#[derive(Default)]
struct Tally {
    calls: AtomicU64,
    by_status: Mutex<BTreeMap<String, u64>>,
    /// Documents that were read back and were the same.
    same: AtomicU64,
}

impl Tally {
    fn count(&self, what: String) {
        *self.by_status.lock().unwrap().entry(what).or_default() += 1;
    }

    /// An answer is a fault of ours only from 500 on, except that a change may have to wait for a lcore.
    fn judge(&self, answer: &Answer, what: impl Fn() -> String) {
        self.count(answer.status.to_string());
        assert!(
            answer.status < 500 || answer.status == 503,
            "{}\n{}",
            what(),
            answer.text()
        );
        if answer.status >= 400 {
            let said: Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(said["errors"][0]["message"].is_string(), "{}", what());
        }
    }
}

const LOOKS: [&str; 20] = [
    "/v1/config",
    "/v1/config/revisions",
    "/v1/config/revisions/99999999999999999999",
    "/v1/status",
    "/v1/services",
    "/v1/services/web",
    "/v1/services/%00/backends/%2e%2e",
    "/v1/backends?service=web&limit=1",
    "/v1/backends?limit=0",
    "/v1/connections?client=%25&limit=9",
    "/v1/connections?service=web&limit=50",
    "/v1/ports",
    "/v1/lcores",
    "/v1/drops",
    "/v1/neighbors",
    "/v1/routes",
    "/v1/audit?limit=5",
    "/v1/load-reports",
    "/v1/explain?service=web",
    "/metrics",
];

/// One caller on one connection.
struct Caller<'a> {
    chance: Chance,
    switch: &'a Path,
    /// Address of the listener for those who may only look.
    tcp: Option<&'a str>,
    tally: &'a Tally,
    client: Client,
    /// Connections that hang, with half a request each.
    hung: Vec<Client>,
}

impl<'a> Caller<'a> {
    fn new(seed: u64, socket: &'a Path, tcp: Option<&'a str>, tally: &'a Tally) -> Self {
        Self {
            chance: Chance::of(seed),
            switch: socket,
            tcp,
            tally,
            client: Self::connect(socket, tcp),
            hung: Vec::new(),
        }
    }

    fn connect(socket: &Path, tcp: Option<&str>) -> Client {
        tcp.map_or_else(|| Client::unix(socket), Client::tcp)
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.tally.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.client.try_send(method, path, body);
        let Some(answer) = answer else {
            panic!(
                "{method} {path}: no answer\n{}",
                String::from_utf8_lossy(body)
            );
        };
        let what = || format!("{method} {path}\n{}", String::from_utf8_lossy(body));
        self.tally.judge(&answer, what);
        if answer.is_last() {
            self.client = Self::connect(self.switch, self.tcp);
        }
        answer
    }

    fn act(&mut self) {
        // Who may only look tries the rest now and then.
        let is_look = self.tcp.is_some() && self.chance.below(8) > 0;
        match if is_look { 9 } else { 0 } + self.chance.below(if is_look { 5 } else { 14 }) {
            0 | 1 => self.put_and_read_back(),
            2 => {
                let broken = self.chance.broken();
                let path = self.chance.one_of(&[
                    "/v1/config",
                    "/v1/config",
                    "/v1/config/check",
                    "/v1/config/diff",
                ]);
                let method = if path == "/v1/config" { "PUT" } else { "POST" };
                let answer = self.send(method, path, &broken);
                assert!(answer.status >= 400, "{}", String::from_utf8_lossy(&broken));
            }
            3 => {
                let document = self.chance.document();
                let path = self.chance.one_of(&["/v1/config/check", "/v1/config/diff"]);
                self.send("POST", path, document.as_bytes());
            }
            4 | 5 => {
                let path = format!("/v1/services/web/backends/web-{}", self.chance.below(9));
                let body = self.chance.one_of(&[
                    r#"{"weight": 3}"#,
                    r#"{"weight": 65536}"#,
                    r#"{"state": "draining"}"#,
                    r#"{"state": "enabled", "weight": 1}"#,
                    r#"{"state": "gone"}"#,
                    "{}",
                ]);
                self.send("PATCH", &path, body.as_bytes());
            }
            6 => {
                let back = self.chance.below(20);
                let now = self.send("GET", "/v1/config", b"").tag();
                let revision = now.unwrap_or(1).saturating_sub(back as u64);
                let body = json!({ "revision": revision }).to_string();
                self.send("POST", "/v1/config/rollback", body.as_bytes());
            }
            7 => {
                let path = self
                    .chance
                    .one_of(&["/v1/config/save", "/v1/config/reload"]);
                self.send("POST", path, b"");
            }
            8 => {
                let weights: Vec<Value> = (0..BACKENDS)
                    .map(|at| json!({ "backend": format!("web-{at}"), "weight": self.chance.below(9) }))
                    .collect();
                let body = json!({ "ttl_seconds": 1, "services": [{ "service": "web", "backends": weights }] });
                self.send("PUT", "/v1/weights", body.to_string().as_bytes());
            }
            9 => {
                let body = json!({
                    "backend": format!("web-{}", self.chance.below(9)), "boot_id": "b",
                    "sequence": self.chance.below(1 << 20), "monotonic_seconds": self.chance.below(1 << 20),
                    "cpu_utilization": self.chance.below(100) as f64 / 80.0 - 0.1, "rps_fractional": 100.0,
                });
                self.send("POST", "/v1/load-reports", body.to_string().as_bytes());
            }
            10 => self.break_off(),
            _ => {
                let path = self.chance.one_of(&LOOKS);
                self.send("GET", path, b"");
            }
        }
    }

    /// Puts a good document, which must be taken, and reads it back.
    fn put_and_read_back(&mut self) {
        let document = self.chance.document();
        let put = self.send("PUT", "/v1/config", document.as_bytes());
        if put.status != 200 {
            let is_reader = self.tcp.is_some() && put.status == 403;
            assert!(is_reader || put.status == 503, "{}\n{document}", put.text());
            return;
        }
        let revision = number(&put.done(), "/revision");
        let mut got = self.send("GET", "/v1/config", b"");
        if got.tag() != Some(revision) {
            // Somebody else was faster. The document is kept under its number for a while.
            let path = format!("/v1/config/revisions/{revision}");
            got = self.send("GET", &path, b"");
            if got.status != 200 {
                return;
            }
        }
        assert_eq!(got.text(), document, "revision {revision}");
        self.tally.same.fetch_add(1, Ordering::Relaxed);
    }

    /// Leaves in the middle of a request, or stays and hangs.
    fn break_off(&mut self) {
        self.tally.calls.fetch_add(1, Ordering::Relaxed);
        self.tally.count("broken off".to_owned());
        let document = self.chance.document();
        let whole = request("PUT", "/v1/config", document.as_bytes());
        let mut client = Self::connect(self.switch, self.tcp);
        let length = self.chance.below(whole.len());
        let _ = client.say(&whole[..length]);
        if self.hung.len() < 10 {
            self.hung.push(client);
        }
    }
}

/// Writes the file, well or badly, and has it read again, until the others are done.
fn change_file(switch: &Switch, seed: u64, is_over: &AtomicBool, tally: &Tally) {
    let mut chance = Chance::of(seed);
    let path = switch.place.path("lb.json");
    let mut client = switch.client();
    // Before all tasks run, SIGHUP would be the program's end.
    client.get("/v1/status").done();
    while !is_over.load(Ordering::Relaxed) {
        let octets = match chance.below(3) {
            0 => chance.broken(),
            _ => chance.document().into_bytes(),
        };
        fs::write(&path, octets).unwrap();
        if chance.below(2) == 0 {
            switch.signal("HUP");
            tally.count("SIGHUP".to_owned());
        } else {
            let answer = client.try_send("POST", "/v1/config/reload", b"").unwrap();
            tally.judge(&answer, || "reload".to_owned());
        }
        tally.calls.fetch_add(1, Ordering::Relaxed);
        // Whatever it has become, it answers.
        client.get("/v1/status").done();
    }
}

#[test]
fn callers_who_do_anything_find_no_fault_and_leave_a_document_that_holds() {
    if lacks_processors() {
        return;
    }
    let _alone = alone();
    let calls: u64 = if is_long() { 100_000 } else { 10_000 };
    let place = Place::new("random");
    fs::write(place.path("lb.json"), Chance::of(99).document()).unwrap();
    let traffic = Traffic::prepare(&place, Duration::from_millis(1));
    let options = "--config lb.json --control unix:state/control.sock --control 127.0.0.1:0";
    let mut switch = Switch::start(place, DEVICES, options);
    let line = switch.until("API on 127");
    let tcp = line.strip_prefix("API on ").unwrap().to_owned();
    let (tally, is_over) = (Tally::default(), AtomicBool::new(false));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let (switch, tally, is_over, tcp) = (&switch, &tally, &is_over, &tcp);
        let callers: Vec<_> = (0..=ADMINS)
            .map(|seed| {
                scope.spawn(move || {
                    let socket = switch.socket();
                    let tcp = (seed == ADMINS).then_some(tcp.as_str());
                    let mut caller = Caller::new(seed + 1, &socket, tcp, tally);
                    while tally.calls.load(Ordering::Relaxed) < calls {
                        caller.act();
                    }
                })
            })
            .collect();
        scope.spawn(move || change_file(switch, 1000, is_over, tally));
        let outcomes: Vec<_> = callers.into_iter().map(|caller| caller.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        if outcomes.iter().any(Result::is_err) {
            println!("{}", switch.told());
        }
        for outcome in outcomes {
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    assert!(switch.is_alive());
    let status = switch.client().get("/v1/status").done();
    for task in status["tasks"].as_array().unwrap() {
        assert_eq!(task["panics"], 0, "{status:#}");
    }
    println!(
        "{} calls in {seconds:.1} s, by status {:?}; {} documents read back; {} revisions, {} flips, {} refusals",
        tally.calls.load(Ordering::Relaxed),
        tally.by_status.lock().unwrap(),
        tally.same.load(Ordering::Relaxed),
        status["revision"],
        status["flips"],
        status["refusals"],
    );
    behaves_as_it_says(switch, traffic);
}

/// New flows go where the document in force says, and nowhere else.
fn behaves_as_it_says(switch: Switch, traffic: Traffic) {
    let mut client = switch.client();
    let text = client.get("/v1/config").text();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    // With weights that do not move; the rest is as it came to be.
    for service in document["services"].as_array_mut().into_iter().flatten() {
        service["weights"] = json!("static");
        service.as_object_mut().unwrap().remove("tags");
    }
    // In the file as well: the last SIGHUP may still be waiting for its turn.
    fs::write(switch.place.path("lb.json"), document.to_string()).unwrap();
    client.change("PUT", "/v1/config", &document.to_string());
    let web = document["services"].as_array().into_iter().flatten();
    let web = web.clone().find(|service| service["port"] == 80);
    let wanted: Vec<u8> = web
        .and_then(|web| web["backends"].as_array())
        .into_iter()
        .flatten()
        .filter(|backend| {
            let is_enabled = backend.get("state").is_none_or(|state| state == "enabled");
            is_enabled && backend.get("weight").is_none_or(|weight| weight != 0)
        })
        .map(|backend| (number(backend, "/port") - u64::from(farm::port(0))) as u8)
        .collect();
    let first = traffic.flows_from_now();
    until("new flows", || {
        (traffic.flows_from_now() > first + 1024).then_some(())
    });
    traffic.stop();
    until("all frames have come in", || {
        let status = client.get("/v1/status").done();
        (number(&status, "/received") == traffic.sent()).then_some(())
    });
    switch.end();
    let (_, witness) = traffic.end();
    assert_eq!(witness.faults, 0, "{:?}", witness.fault);
    let found = witness.backends_of(first);
    println!("new flows at the end: {found:?} of {wanted:?}");
    assert!(
        found.iter().all(|backend| wanted.contains(backend)),
        "{text}"
    );
    assert_eq!(found.is_empty(), wanted.is_empty(), "{text}");
}
