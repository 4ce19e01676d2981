//! What is announced to routers: the API's switches, and the kernel's table in a network namespace of the test's own.
//!
//! Easy to get wrong: nothing here waits for a time; the kernel is asked again and again until it is so.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Instant;

use lb_control::advertiser::TABLE;
use lb_control::view::{Advertise, AdvertiseState, AdvertisedVip};
use serde_json::Value;

use crate::client::{Client, PATIENCE};
use crate::rig::{DOCUMENT, Rig, Setup};

const INSIDE: &str = "LB_TEST_NAMESPACE";
const BACKEND: &str = "/v1/services/web6/backends/web-6";

fn told(rig: &Rig) -> Advertise {
    Client::unix(rig).get("/v1/advertise").done()
}

fn vip(told: &Advertise, address: &str) -> AdvertisedVip {
    let found = told.vips.iter().find(|vip| vip.address == address);
    found.unwrap().clone()
}

fn switch(rig: &Rig, body: &str) -> Advertise {
    Client::unix(rig).put("/v1/advertise", body).done()
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn without_an_exception_path_no_vip_is_announced_and_the_answer_says_why() {
    let rig = Rig::new();
    until("VIPs are known", || !told(&rig).vips.is_empty());
    let told = told(&rig);
    assert_eq!((told.table, told.protocol), (76, 76));
    assert!(
        told.obstacle
            .unwrap()
            .starts_with("there is no exception path")
    );
    let addresses: Vec<&str> = told.vips.iter().map(|vip| vip.address.as_str()).collect();
    assert_eq!(addresses, ["192.0.2.10", "2001:db8::10"]);
    assert_eq!(told.vips[0].services, ["web", "dns"]);
    assert!(told.vips.iter().all(|vip| !vip.is_advertised));
    let page = Client::unix(&rig).get("/metrics").text().to_owned();
    assert!(
        page.contains("\nlb_vip_advertised{vip=\"192.0.2.10\"} 0\n"),
        "{page}"
    );
}

#[test]
fn a_switch_is_kept_noted_and_outlives_the_program() {
    let mut rig = Rig::new();
    until("VIPs are known", || !told(&rig).vips.is_empty());
    let answer = switch(&rig, r#"{"state": "off", "vip": "192.0.2.10"}"#);
    assert_eq!(vip(&answer, "192.0.2.10").state, AdvertiseState::Off);
    assert_eq!(vip(&answer, "2001:db8::10").state, AdvertiseState::On);
    let answer = switch(&rig, r#"{"state": "off"}"#);
    assert_eq!((answer.state, answer.not_kept), (AdvertiseState::Off, None));
    let status: Value = Client::unix(&rig).get("/v1/status").done();
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("this box is switched off"), "{warnings}");
    let audit: Value = Client::unix(&rig).get("/v1/audit").done();
    let last = &audit["records"][0];
    assert_eq!(last["what"], "advertise");
    assert_eq!(last["changes"][0]["path"], "advertise");
    assert_eq!(last["changes"][0]["before"], "on");
    assert_eq!(last["changes"][0]["after"], "off");
    assert_eq!(
        audit["records"][1]["changes"][0]["path"],
        "advertise[192.0.2.10]"
    );
    rig.stop();
    let file = rig.dir.join(lb_control::advertiser::FILE);
    let kept: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept["is_off"], true);
    assert_eq!(kept["vips_off"][0], "192.0.2.10");
}

#[test]
fn a_vip_that_no_service_has_is_refused() {
    let rig = Rig::new();
    for (body, said) in [
        (
            r#"{"state": "off", "vip": "192.0.2.99"}"#,
            "no service has the address 192.0.2.99",
        ),
        (
            r#"{"state": "off", "vip": "web"}"#,
            "expected an IP address",
        ),
    ] {
        let refused = Client::unix(&rig).put("/v1/advertise", body).refused(422);
        assert_eq!(refused[0].0, "vip");
        assert!(refused[0].1.starts_with(said), "{}", refused[0].1);
    }
    let refused = Client::unix(&rig).put("/v1/advertise", r#"{"state": "perhaps"}"#);
    assert!((400..500).contains(&refused.status), "{}", refused.text());
}

/// Runs `ip` with these words; what it prints.
fn ip(words: &str) -> String {
    let told = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(told.status.success(), "ip {words}: {told:?}");
    String::from_utf8(told.stdout).unwrap()
}

/// Destinations in our table, both families.
fn announced() -> Vec<String> {
    let family = |family| {
        // A table without a route is none, which iproute2 says as an error.
        let words = format!("-{family} route show table {TABLE} proto 76");
        let told = Command::new("ip").args(words.split(' ')).output().unwrap();
        let lines = String::from_utf8(told.stdout).unwrap();
        let first = |line: &str| line.split(' ').next().unwrap().to_owned();
        lines.lines().map(first).collect::<Vec<_>>()
    };
    [family(4), family(6)].concat()
}

fn devices_up() {
    ip("link add lb-client type veth peer name lb-server");
    for name in ["lb-client", "lb-server"] {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "0");
        ip(&format!("link set {name} up"));
    }
}

const BOTH: [&str; 2] = ["192.0.2.10", "2001:db8::10"];

#[test]
fn the_kernels_table_follows_backends_switches_devices_and_the_end() {
    const NAME: &str = "advertise::the_kernels_table_follows_backends_switches_devices_and_the_end";
    if std::env::var_os(INSIDE).is_none() {
        let can = Command::new("unshare")
            .args("--net ip link add veth0 type veth peer name veth1".split(' '))
            .status();
        if !can.is_ok_and(|status| status.success()) {
            println!("skipped: root, unshare and veth");
            return;
        }
        let status = Command::new("unshare")
            .arg("--net")
            .arg(std::env::current_exe().unwrap())
            .args(["--nocapture", "--exact", NAME])
            .env(INSIDE, "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    ip("link set lo up");
    devices_up();
    // Left over by an earlier process: one over a device of ours, one over another's, and one that is not ours.
    ip("route add 192.0.2.99/32 dev lb-client table 76 proto 76");
    ip("route add 192.0.2.98/32 dev lo table 76 proto 76");
    ip("route add 192.0.2.97/32 dev lb-client table 76 proto static");
    let main = ip("route show table main");
    let mut rig = Rig::with(Setup {
        exception_path: "tap",
        ..Setup::default()
    });
    until("both VIPs are announced, leftovers are gone", || {
        announced() == BOTH
    });
    assert!(ip("route show table 76").contains("192.0.2.97"));
    assert_eq!(ip("route show table main"), main);
    let told = told(&rig);
    assert_eq!(told.obstacle, None);
    assert!(
        told.vips
            .iter()
            .all(|vip| vip.device.as_deref() == Some("lb-client"))
    );

    the_last_backend_goes_and_comes(&rig);
    switches_act_at_once(&rig);
    a_device_goes_and_comes(&rig);
    a_lcore_stands_still(&rig);

    rig.running.as_ref().unwrap().withdraw();
    assert!(announced().is_empty());
    rig.stop();
}

fn the_last_backend_goes_and_comes(rig: &Rig) {
    let patch = |state| {
        let body = format!(r#"{{"state": "{state}"}}"#);
        assert_eq!(Client::unix(rig).patch(BACKEND, &body).status, 200);
    };
    for state in ["draining", "disabled"] {
        patch(state);
        until("its only backend is gone", || announced() == BOTH[..1]);
        let why = vip(&told(rig), BOTH[1]).why_not.unwrap();
        assert_eq!(why, "none of its services has a usable backend");
        patch("enabled");
        until("it is back", || announced() == BOTH);
    }
    // Two services have this VIP; one is enough.
    for backend in ["web-1", "web-2"] {
        let path = format!("/v1/services/web/backends/{backend}");
        assert_eq!(
            Client::unix(rig).patch(&path, r#"{"weight": 0}"#).status,
            200
        );
    }
    assert!(vip(&told(rig), BOTH[0]).is_advertised);
    let document = DOCUMENT.replace("2001:db8::10", "2001:db8::11");
    assert_eq!(Client::unix(rig).put("/v1/config", &document).status, 200);
    until("a VIP that moved is announced where it is", || {
        announced() == [BOTH[0], "2001:db8::11"]
    });
    assert_eq!(Client::unix(rig).put("/v1/config", DOCUMENT).status, 200);
    until("and back", || announced() == BOTH);
}

/// The answer comes when the kernel has done it.
fn switches_act_at_once(rig: &Rig) {
    let answer = switch(rig, r#"{"state": "off", "vip": "192.0.2.10"}"#);
    assert!(!vip(&answer, BOTH[0]).is_advertised);
    assert_eq!(announced(), BOTH[1..]);
    switch(rig, r#"{"state": "off"}"#);
    assert!(announced().is_empty());
    switch(rig, r#"{"state": "on"}"#);
    assert_eq!(announced(), BOTH[1..]);
    switch(rig, r#"{"state": "on", "vip": "192.0.2.10"}"#);
    assert_eq!(announced(), BOTH);
}

fn a_device_goes_and_comes(rig: &Rig) {
    ip("link set lb-client down");
    let over = |name| {
        move || {
            told(rig)
                .vips
                .iter()
                .all(|vip| vip.device.as_deref() == Some(name))
        }
    };
    until("routes go over the other device", over("lb-server"));
    until("both are announced", || announced() == BOTH);
    ip("link delete lb-client");
    until("without a device nothing is announced", || {
        announced().is_empty() && told(rig).vips.iter().all(|vip| vip.why_not.is_some())
    });
    devices_up();
    until("with devices everything is", || announced() == BOTH);
}

fn a_lcore_stands_still(rig: &Rig) {
    rig.figures.stands_still.store(true, Ordering::Relaxed);
    until("an unwell data path is not announced", || {
        announced().is_empty()
    });
    let why = told(rig).obstacle.unwrap();
    assert_eq!(why, "the data path is unwell: lcore 1 stands still");
    rig.figures.stands_still.store(false, Ordering::Relaxed);
    until("a well one is", || announced() == BOTH);
}
