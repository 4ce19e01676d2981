//! Many clients that ask for whatever comes: never a fault of ours, never a half-applied document.

use serde_json::Value;

use crate::client::Client;
use crate::rig::{DOCUMENT, Rig};

/// Clients at once, and what each of them asks.
const CLIENTS: u64 = 4;
const REQUESTS: u64 = 400;

/// A small generator (xorshift64*): the same run for the same number.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % limit
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const METHODS: [&str; 6] = ["GET", "GET", "PUT", "POST", "PATCH", "DELETE"];
const PATHS: [&str; 26] = [
    "/v1/config",
    "/v1/config",
    "/v1/config/check",
    "/v1/config/diff",
    "/v1/config/rollback",
    "/v1/config/save",
    "/v1/config/reload",
    "/v1/config/revisions",
    "/v1/config/revisions/1",
    "/v1/config/revisions/99999999999999999999",
    "/v1/status",
    "/v1/services",
    "/v1/services/web",
    "/v1/services/web/backends/web-1",
    "/v1/services/web/backends/web-1",
    "/v1/services/%00/backends/%2e%2e",
    "/v1/backends?service=web&limit=1",
    "/v1/connections?client=%25&limit=9",
    "/v1/connections?state=established",
    "/v1/lcores",
    "/v1/drops",
    "/v1/neighbors",
    "/v1/load-reports",
    "/v1/weights",
    "/v1/explain?service=web",
    "/metrics",
];
const BODIES: [&str; 12] = [
    "",
    "{}",
    "[]",
    "null",
    "{\"transit\": true}",
    "{\"revision\": 1}",
    "{\"revision\": -1}",
    "{\"weight\": 7}",
    "{\"state\": \"draining\"}",
    "{\"weight\": 0, \"state\": \"enabled\"}",
    "{\"ttl_seconds\":5,\"services\":[{\"service\":\"web\",\"backends\":[{\"backend\":\"web-1\",\"weight\":1},{\"backend\":\"web-2\",\"weight\":2}]}]}",
    "{\"backend\":\"web-1\",\"boot_id\":\"b\",\"sequence\":1,\"monotonic_seconds\":1}",
];

/// Something to send: a ready body, or a document with one octet changed or a piece left out.
fn body(chance: &mut Chance) -> Vec<u8> {
    match chance.below(4) {
        0 => DOCUMENT.as_bytes().to_vec(),
        1 => {
            let mut octets = DOCUMENT.as_bytes().to_vec();
            let at = chance.below(octets.len());
            octets[at] = u8::try_from(chance.below(256)).unwrap();
            octets
        }
        2 => {
            let from = chance.below(DOCUMENT.len());
            let length = chance.below(DOCUMENT.len() - from);
            let mut octets = DOCUMENT.as_bytes().to_vec();
            octets.drain(from..from + length);
            octets
        }
        _ => chance.one_of(&BODIES).as_bytes().to_vec(),
    }
}

fn ask(rig: &Rig, seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut client = Client::unix(rig);
    for number in 0..REQUESTS {
        let method = chance.one_of(&METHODS);
        let path = chance.one_of(&PATHS);
        let body = if method == "GET" {
            Vec::new()
        } else {
            body(&mut chance)
        };
        let answer = client.send(method, path, &[], &body);
        let what = || {
            let body = String::from_utf8_lossy(&body);
            format!("client {seed}, request {number}: {method} {path}\n{body}")
        };
        assert!(answer.status < 500, "{}\n{}", what(), answer.text());
        if answer.status >= 400 {
            let said: Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(said["errors"][0]["message"].is_string(), "{}", what());
        }
        if answer
            .fields
            .get("connection")
            .is_some_and(|value| value == "close")
        {
            client = Client::unix(rig);
        }
    }
}

#[test]
fn random_requests_of_many_clients_never_find_a_fault_of_ours() {
    let rig = Rig::new();
    std::thread::scope(|scope| {
        for seed in 1..=CLIENTS {
            let rig = &rig;
            scope.spawn(move || ask(rig, seed));
        }
        let rig = &rig;
        scope.spawn(move || {
            let mut client = Client::unix(rig);
            for _ in 0..REQUESTS {
                let text = client.get("/v1/config").text().to_owned();
                let checked = rig.control.check(&text);
                assert!(checked.is_ok(), "what is in force can be applied: {text}");
            }
        });
    });
    let tasks = rig.running.as_ref().unwrap().board().tasks();
    assert!(tasks.iter().all(|task| task.panics == 0), "{tasks:?}");
    let mut client = Client::unix(&rig);
    assert_eq!(client.put("/v1/config", DOCUMENT).status, 200);
    assert_eq!(client.get("/v1/config").text(), DOCUMENT);
}
