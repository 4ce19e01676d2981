//! A thousand flips a second under traffic.
//!
//! WO 00/30294, claims 4 and 24: two buffers, one index. Each generation gives its own set of backends; between the two
//! sets stand backends of weight 0, so that positions of one generation looked up in the other's lists lead to them.
//! Easy to get wrong: all backends are in both documents, or flows would end by right.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::farm::{backend, document, service};
use crate::kit::{Switch, alone, is_long, number};
use crate::restart_kit::{Place, lacks_processors};
use crate::traffic::{DEVICES, Traffic};

/// The two documents. The first gives new flows to backends 0 and 1, the second to 2 and 3, which stand at other
/// places; at their places stand others there.
fn documents() -> [String; 2] {
    let with = |weights: [(u8, u32); 8]| {
        let backends = weights.map(|(number, weight)| backend(number, weight));
        let keys = json!({
            "scheduler": "maglev", "maglev_table_size": 53, "timeouts": { "closing": 1 },
        });
        document(&[service(&keys, &backends)]).to_string()
    };
    [
        with([
            (0, 1),
            (1, 1),
            (4, 0),
            (5, 0),
            (2, 0),
            (3, 0),
            (6, 0),
            (7, 0),
        ]),
        with([
            (4, 0),
            (5, 0),
            (2, 1),
            (3, 1),
            (6, 0),
            (7, 0),
            (0, 0),
            (1, 0),
        ]),
    ]
}

#[test]
fn a_thousand_flips_a_second_lose_no_packet_break_no_flow_and_mix_no_generations() {
    if lacks_processors() {
        return;
    }
    let _alone = alone();
    let time = Duration::from_secs(if is_long() { 60 } else { 5 });
    let place = Place::new("flips");
    let documents = documents();
    std::fs::write(place.path("lb.json"), &documents[0]).unwrap();
    let traffic = Traffic::prepare(&place, Duration::ZERO);
    let switch = Switch::start(place, DEVICES, "--config lb.json");
    let mut client = switch.client();
    let before = number(&client.get("/v1/status").done(), "/flips");
    let began = Instant::now();
    let (mut calls, mut busy) = (0, 0);
    while began.elapsed() < time {
        calls += 1;
        let answer = client.put("/v1/config", &documents[calls % 2]);
        match answer.status {
            200 => {}
            // A worker lcore that the system kept from running for 100 ms; nothing was changed.
            503 => busy += 1,
            _ => panic!("{}", answer.text()),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let flips = number(&client.get("/v1/status").done(), "/flips") - before;
    traffic.stop();
    let report = {
        // The document is in force to the end; what is in the pipe comes out.
        crate::kit::until("all frames have come in", || {
            let status = client.get("/v1/status").done();
            (number(&status, "/received") == traffic.sent()).then_some(())
        });
        switch.end()
    };
    let (sent, witness) = traffic.end();
    println!(
        "{flips} flips in {seconds:.1} s ({:.0} a second), {busy} busy; {sent} packets ({:.0} a second), {} flows; \
         the set of backends was seen to change {} times, {} times within one flow; new flows by backend: {:?}",
        flips as f64 / seconds,
        sent as f64 / seconds,
        witness.flows(),
        witness.changes,
        witness.lived_through,
        &witness.opened[..8]
    );
    witness.found_no_fault();
    assert_eq!(
        witness.opened[4..],
        [0; 12],
        "weight 0: positions of another generation"
    );
    assert_eq!(number(&report, "/received"), sent);
    assert_eq!(number(&report, "/verdicts/forwarded"), sent, "{report:#}");
    assert_eq!(witness.frames, sent);
    assert!(witness.lived_through > 1, "flips within flows");
    // What is built without optimisation has no rate that would mean anything.
    if is_long() {
        assert!(flips as f64 >= 1000.0 * seconds, "cargo test --release");
    }
}
