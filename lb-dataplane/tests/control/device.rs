//! A resource manager of its own between agents and two real boxes, each a process.
//!
//! WO 00/30294: one resource manager for several devices.
//! Easy to get wrong: before a box has been visited its backends are not known, and reports for them are refused.

use std::time::Duration;

use lb_control::api::{Access, Address, Listener};
use lb_control::device::{self, Parts, Trust, Way};
use serde_json::json;

use crate::client::Client;
use crate::farm::{backend, document, service};
use crate::kit::{NULLS, Switch, alone, number, until};
use crate::restart_kit::{Place, lacks_processors};

/// A box with two backends of the same weight.
fn a_box(name: &str) -> Switch {
    let place = Place::new(name);
    let backends = [backend(0, 100), backend(1, 100)];
    let service = service(&json!({ "weights": "even" }), &backends);
    std::fs::write(place.path("lb.json"), document(&[service]).to_string()).unwrap();
    Switch::start(place, NULLS, "--config lb.json")
}

#[test]
fn two_boxes_follow_the_reports_that_one_device_hears() {
    if lacks_processors() {
        return;
    }
    let _alone = alone();
    let boxes = [a_box("box-1"), a_box("box-2")];
    let addresses = boxes
        .each_ref()
        .map(|one| format!("unix:{}", one.socket().display()));
    let any_port: Address = "127.0.0.1:0".parse().unwrap();
    let device = device::run(Parts {
        boxes: Way::to_all(&addresses, &Trust::default()).unwrap(),
        period: Duration::from_millis(100),
        ttl_seconds: 10.0,
        listeners: vec![Listener::bind(&any_port).unwrap()],
        access: Access::default(),
        tell: Box::new(|_| {}),
    })
    .unwrap();
    let mut agents = Client::tcp(&device.addresses()[0].to_string());
    let mut clients = boxes.each_ref().map(Switch::client);
    let mut sequence = 0;
    until("the idle backend weighs twice the busy one", || {
        sequence += 1;
        for (backend, cpu) in [("web-0", 0.9), ("web-1", 0.2)] {
            let report = json!({
                "backend": backend, "boot_id": "b", "sequence": sequence, "monotonic_seconds": sequence,
                "cpu_utilization": cpu, "rps_fractional": 300.0,
            });
            let report = report.to_string();
            let answer = agents.try_send("POST", "/v1/load-reports", report.as_bytes());
            let status = answer.unwrap().status;
            assert!(matches!(status, 200 | 404 | 429), "{status}");
        }
        let follows = clients.each_mut().map(|client| {
            let service = client.get("/v1/services/web").done();
            let weight = |at| number(&service, &format!("/backends/{at}/effective_weight"));
            weight(1) >= 2 * weight(0)
        });
        (follows == [true, true]).then_some(())
    });
    for client in &mut clients {
        let explained = client.get("/v1/explain?service=web").done();
        let source = explained["source"].as_str().unwrap();
        assert!(source.starts_with("sent by uid"), "{source}");
    }
    let known = Client::tcp(&device.addresses()[0].to_string()).get("/v1/boxes");
    for one in known.done()["boxes"].as_array().unwrap() {
        assert_eq!(number(one, "/failures"), 0, "{one:#}");
        assert!(number(one, "/feedings") > 0, "{one:#}");
    }
    device.stop();
    for one in boxes {
        one.end();
    }
}
