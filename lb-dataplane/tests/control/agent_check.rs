//! Agents of HAProxy's protocol, as they are deployed, drive weights in the real program.
//!
//! No counterpart in the patent. One agent of a few lines here, and one of socat.
//! Easy to get wrong: what an agent does not mention stays as it said last.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::client::Client;
use crate::farm::{backend, document, service};
use crate::kit::{NULLS, Switch, alone, is_long, number, until};
use crate::restart_kit::{Place, lacks_processors};

/// A service of two backends; the agent of the first is at 127.0.0.1, of the second nowhere.
fn switch(name: &str, port: u16, keys: &serde_json::Value) -> Switch {
    let place = Place::new(name);
    let mut backends = [backend(0, 100), backend(1, 100)];
    backends[0]["agent_address"] = json!("127.0.0.1");
    backends[1]["agent_address"] = json!("127.0.0.2");
    let mut service = service(keys, &backends);
    service["agent_check"] = json!({ "port": port, "interval": 1 });
    std::fs::write(place.path("lb.json"), document(&[service]).to_string()).unwrap();
    Switch::start(place, NULLS, "--config lb.json")
}

/// Waits until both backends have these weights in force.
#[track_caller]
fn weights_become(client: &mut Client, wanted: [u64; 2]) {
    until(&format!("weights {wanted:?}"), || {
        let service = client.get("/v1/services/web").done();
        let weight = |at| number(&service, &format!("/backends/{at}/effective_weight"));
        ([weight(0), weight(1)] == wanted).then_some(())
    });
}

#[test]
fn what_an_agent_says_becomes_its_backend_s_weight() {
    if lacks_processors() {
        return;
    }
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let word = Arc::new(Mutex::new("75%"));
    let said = Arc::clone(&word);
    // Ends with the process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let line = *said.lock().unwrap();
            // A line of nothing is a statement too; who is silent closes.
            if !line.is_empty() {
                let _ = stream.unwrap().write_all(format!("{line}\n").as_bytes());
            }
        }
    });
    let switch = switch("agent", port, &json!({}));
    let mut client = switch.client();
    let mut says = |line: &'static str, weight: u64| {
        *word.lock().unwrap() = line;
        weights_become(&mut client, [weight, 100]);
    };
    says("75%", 75);
    says("up ready 200%", 200);
    says("drain", 0);
    says("ready 40%", 40);
    says("down #the disk is full", 0);
    says("ready", 0);
    says("up", 40);
    says("maxconn:30 10%", 10);
    let shown = client.get("/v1/services/web/backends/web-0").done();
    let said_last = shown["agent_check"]["said"].as_str().unwrap();
    assert!(said_last.contains("10%"), "{shown:#}");
    if is_long() {
        // Silence of ten seconds ends all of its words.
        *word.lock().unwrap() = "";
        weights_become(&mut client, [100, 100]);
    }
    switch.end();
}

/// A child that is killed when dropped.
struct Socat(Child);

impl Drop for Socat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_line_of_socat_is_an_agent() {
    if lacks_processors() {
        return;
    }
    let child = Command::new("socat")
        .args([
            "-d",
            "-d",
            "TCP-LISTEN:0,bind=127.0.0.1,fork",
            "EXEC:echo 30%",
        ])
        .stderr(Stdio::piped())
        .spawn();
    let Ok(child) = child else {
        println!("skipped: socat");
        return;
    };
    let _alone = alone();
    let mut socat = Socat(child);
    let mut notices = BufReader::new(socat.0.stderr.take().unwrap()).lines();
    let listens = |line: String| line.split_once("127.0.0.1:")?.1.parse().ok();
    let port = notices.by_ref().map_while(Result::ok).find_map(listens);
    let port = port.expect("socat says where it listens");
    // What socat goes on to say must not fill its pipe.
    thread::spawn(move || notices.for_each(drop));
    for algorithm in ["static", "even"] {
        let switch = switch("socat", port, &json!({ "weights": algorithm }));
        let mut client = switch.client();
        until("the first weighs 30 % of the second", || {
            let service = client.get("/v1/services/web").done();
            let weight = |at| number(&service, &format!("/backends/{at}/effective_weight"));
            (weight(0) * 10 == weight(1) * 3).then_some(())
        });
        switch.end();
    }
}
