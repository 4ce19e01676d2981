//! Every rendering against its text, word by word.

use serde_json::{Value, json};

use super::*;

/// A view from the JSON that the API answers.
pub(crate) fn view<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// A service of the list of services.
pub(crate) fn summary(name: &str, packets: u64) -> Value {
    json!({
        "name": name, "address": "192.0.2.10", "port": 80, "protocol": "tcp", "forwarding": "nat",
        "scheduler": "maglev", "weights": "even", "tags": [], "on_miss": "reset",
        "packets": packets, "octets": packets * 100, "connections_opened": packets / 10,
        "connections_live": 12, "backends_total": 2, "backends_taking": 1, "backends_up": 1,
        "on_down": "drain", "all_down": "withdraw", "is_panicking": false, "is_on_backup": false
    })
}

/// A backend as the API shows it.
pub(crate) fn a_backend(name: &str, effective_weight: u32) -> Value {
    json!({
        "service": "web", "name": name, "address": "10.0.0.11", "port": 8080, "state": "enabled",
        "weight": 100, "effective_weight": effective_weight, "tags": [], "connections_live": 7,
        "is_resolved": true, "is_reachable": true, "is_backup": false
    })
}

/// A worker lcore that has worked for some seconds.
pub(crate) fn a_lcore(lcore: u32, received: u64, busy_seconds: f64) -> Value {
    json!({
        "lcore": lcore, "queues": ["0:0", "1:0"], "is_beating": true, "heartbeat_age_seconds": 0.01,
        "turns": 1000, "idle_turns": 900, "busy_seconds": busy_seconds, "busy_ratio": 0.25,
        "empty_polls": 900, "polls": [900, received / 10], "received": received,
        "received_octets": received * 100, "held": 0, "solicitations": 0, "no_mbuf": 0,
        "verdicts": {"forwarded": received, "replied": 0, "punted": 0, "apps": 0, "dropped": 0}
    })
}

/// The drop counters, two reasons of them.
pub(crate) fn the_drops(runt: u64, no_service: u64) -> Value {
    json!({"dropped": runt + no_service, "reasons": [
        {"reason": "runt", "sentence": "Shorter than an Ethernet header.", "packets": runt},
        {"reason": "no_service", "sentence": "To a VIP but for no service.", "packets": no_service}
    ]})
}

/// The status of a switch that is well.
pub(crate) fn the_status(received: u64) -> Value {
    json!({
        "program": "lb-dataplane", "version": "0.1.0", "started_at": 1_700_000_000,
        "uptime_seconds": 200_000.0, "exception_path": "none", "state_directory": "/run/lb",
        "revision": 7, "revision_by": {"name": "uid 0 (pid 123)", "via": "unix"},
        "revision_at": 1_700_100_000, "generation": 91, "buffer": "b", "flipped_at": 1_700_150_000.5,
        "flips": 90, "refusals": 2, "ports": 2, "ports_up": 2, "lcores": 4, "lcores_beating": 4,
        "services": 1, "backends": 2, "connections_ipv4": {"used": 12345, "capacity": 1_048_576},
        "connections_ipv6": {"used": 0, "capacity": 1_048_576},
        "pools": [{"name": "node 0", "used": 512, "capacity": 16384}], "received": received,
        "verdicts": {"forwarded": received, "replied": 0, "punted": 0, "apps": 0, "dropped": 0},
        "tasks": [{"name": "api", "state": "running", "panics": 0, "heartbeat_age_seconds": 0.1}],
        "warnings": []
    })
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn status_is_one_page() {
    assert_eq!(
        lines(&status(&view(the_status(1_234_567)), None)),
        [
            "lb-dataplane 0.1.0, up 2 d 7 h, since 2023-11-14 22:13:20Z",
            "revision     7, by uid 0 (pid 123) (unix), 2023-11-16 02:00:00Z",
            "generation   91 in buffer b since 2023-11-16 15:53:20Z; 90 flips, 2 changes refused",
            "ports        2, all up",
            "lcores       4, all beat",
            "services     1, with 2 backends",
            "connections  IPv4 12,345 of 1,048,576 (1.2 %)",
            "             IPv6 0 of 1,048,576 (0 %)",
            "mbufs        node 0 512 of 16,384 (3.1 %)",
            "packets      1,234,567 received: 1,234,567 forwarded, 0 replied, 0 punted, 0 to apps, 0 dropped",
            "exception    none",
            "state        /run/lb",
            "tasks        api runs",
        ]
    );
}

#[test]
fn what_is_wrong_stands_last_and_whole() {
    let mut json = the_status(0);
    json["lcores_beating"] = json!(3);
    json["ports_up"] = json!(0);
    json["tasks"][0]["panics"] = json!(2);
    json["tasks"][0]["state"] = json!("restarting");
    json["tasks"][0]["last_panic"] = json!("index out of bounds");
    json["warnings"] = json!(["lcore 3 has been silent for 12 s"]);
    let text = status(&view(json), Some(40));
    let shown = lines(&text);
    assert!(shown.contains(&"lcores       3 of 4 beat"), "{text}");
    assert!(shown.contains(&"ports        0 of 2 up"), "{text}");
    assert_eq!(
        shown.last(),
        Some(&"warning      lcore 3 has been silent for 12 s")
    );
    assert!(
        shown.contains(&"tasks        api is restarted (panics: …"),
        "{text}"
    );
}

#[test]
fn services_show_totals_or_rates() {
    let now = view(json!({"services": [summary("web", 12_000), summary("dns", 500)]}));
    assert_eq!(
        lines(&services(&now, None, None)),
        [
            "SERVICE  ADDRESS            BACKENDS  LIVE  OPENED  PACKETS  OCTETS  FORWARDING  SCHEDULER  WEIGHTS",
            "web      192.0.2.10:80/tcp       1/2    12   1,200   12,000  1.2 MB  nat         maglev     even",
            "dns      192.0.2.10:80/tcp       1/2    12      50      500   50 kB  nat         maglev     even",
        ]
    );
    let before = view(json!({"services": [summary("web", 2_000)]}));
    let before = Before {
        view: &before,
        seconds: 2.0,
    };
    assert_eq!(
        lines(&services(&now, Some(before), None)),
        [
            "SERVICE  ADDRESS            BACKENDS  LIVE  NEW/s  PACKETS/s  BIT/s",
            "web      192.0.2.10:80/tcp       1/2    12    500         5k     4M",
            "dns      192.0.2.10:80/tcp       1/2    12      -          -      -",
        ]
    );
}

#[test]
fn one_service_is_shown_with_its_backends() {
    let mut json = summary("web", 12_000);
    json["address"] = json!("2001:db8::10");
    json["max_connections"] = json!(5000);
    json["tags"] = json!(["gpu", "ssd"]);
    json["backends"] = json!([a_backend("web-1", 30)]);
    let text = service(&view(json), None);
    assert_eq!(
        lines(&text)[..15],
        [
            "service          web",
            "address          [2001:db8::10]:80/tcp",
            "forwarding       nat",
            "scheduler        maglev",
            "weights          even",
            "tags             gpu ssd",
            "on_miss          reset",
            "on_down          drain",
            "all_down         withdraw",
            "health           1 backend up",
            "max_connections  5,000",
            "connections      12 live, 1,200 opened",
            "packets          12,000 (1.2 MB)",
            "",
            "BACKEND    STATE    HEALTH  WEIGHT  EFFECTIVE  SHARE  LIVE  CPU  AGE  CLIENTS  REQ/s  CHECK  MEM  EXECUTION  WHY  ADDRESS",
        ]
    );
}

#[test]
fn backends_show_their_share_and_what_agents_say() {
    let mut heard = a_backend("web-1", 30);
    heard["agent"] = json!({"age_seconds": 0.4, "is_expired": false, "reports": 100, "clients": 12.0,
        "cpu_utilization": 0.43, "mem_utilization": 0.61, "execution_time_seconds": 0.0032,
        "rps_fractional": 250.0});
    heard["agent_check"] = json!({"said": "75%", "age_seconds": 1.0});
    let mut silent = a_backend("web-2", 90);
    silent["agent"] = json!({"age_seconds": 30.0, "is_expired": true, "reports": 5});
    silent["is_resolved"] = json!(false);
    let health = |state: &str, age: f64| {
        json!({"state": state, "since": 0.0, "age_seconds": age, "why": "refused: as told", "type": "tcp",
            "latency_seconds": 0.002, "checks": 1200, "failures": 3, "flaps": 1})
    };
    heard["health"] = health("up", 1.5);
    silent["health"] = health("down", 7.0);
    let mut off = a_backend("web-3", 0);
    off["state"] = json!("disabled");
    let all: Vec<lb_control::view::Backend> = view(json!([heard, silent, off]));
    assert_eq!(
        lines(&backends(&all, None)),
        [
            "BACKEND    STATE            HEALTH      WEIGHT  EFFECTIVE  SHARE  LIVE   CPU             AGE  CLIENTS  REQ/s  CHECK         MEM  EXECUTION  WHY               ADDRESS",
            "web/web-1  enabled          up 1.5 s       100         30   25 %     7  43 %          400 ms       12    250  75% (1.0 s)  61 %     3.2 ms  -                 10.0.0.11:8080",
            "web/web-2  enabled, no MAC  down 7.0 s     100         90   75 %     7     -  expired 30.0 s        -      -  -               -          -  refused: as told  10.0.0.11:8080",
            "web/web-3  disabled         -              100          0    0 %     7     -               -        -      -  -               -          -  -                 10.0.0.11:8080",
        ]
    );
    assert_eq!(
        lines(&backends(&all, Some(80))),
        [
            "BACKEND    STATE            HEALTH      WEIGHT  EFFECTIVE  SHARE  LIVE   CPU",
            "web/web-1  enabled          up 1.5 s       100         30   25 %     7  43 %",
            "web/web-2  enabled, no MAC  down 7.0 s     100         90   75 %     7     -",
            "web/web-3  disabled         -              100          0    0 %     7     -",
        ]
    );
    let text = backend(&all[0]);
    assert!(
        text.contains("agent              100 reports, age 400 ms\n"),
        "{text}"
    );
    assert!(text.contains("memory             61 %\n"), "{text}");
    let wanted = "health checks      1,200 of type tcp, 3 failed, last took 2 ms\n";
    assert!(text.contains(wanted), "{text}");
    let down = backend(&all[1]);
    assert!(
        down.contains("health             down 7.0 s: refused: as told\n"),
        "{down}"
    );
    assert!(backend(&all[2]).contains("health             not checked\n"));
    assert!(backend(&all[2]).ends_with("agent              never heard\n"));
}

#[test]
fn a_pool_without_weight_has_no_shares() {
    let all: Vec<lb_control::view::Backend> = view(json!([a_backend("web-1", 0)]));
    let text = backends(&all, None);
    let row: Vec<_> = lines(&text)[1].split_whitespace().collect();
    assert_eq!(row[..6], ["web/web-1", "enabled", "-", "100", "0", "-"]);
}

fn a_port(rx_packets: u64, rx_missed: u64) -> Value {
    json!({"port": 0, "interface": "client", "addresses": ["198.51.100.1/24"], "device": "0000:01:00.0",
        "driver": "net_ixgbe", "mac": "02:00:00:00:00:01", "is_up": true, "megabits": 10_000,
        "rx_packets": rx_packets, "rx_octets": rx_packets * 60, "rx_missed": rx_missed, "rx_errors": 0,
        "rx_no_mbuf": 0, "tx_packets": 5, "tx_octets": 300, "tx_errors": 0, "tx_dropped": 3,
        "kernel": {"up": 2000, "up_dropped": 0, "down": 7, "down_dropped": 1}})
}

#[test]
fn ports_name_the_losses_that_occurred() {
    let now = view(json!({"ports": [a_port(3_000_000, 1500)]}));
    assert_eq!(
        lines(&ports(&now, None, None)),
        [
            "PORT  INTERFACE  LINK                RX  TX  LOST                                         RX OCTETS  TX OCTETS  TO KERNEL  FROM KERNEL  MAC                DEVICE",
            "   0  client     up 10Gbit/s  3,000,000   5  rx_missed 1,500 tx_dropped 3 down_dropped 1     180 MB      300 B      2,000            7  02:00:00:00:00:01  0000:01:00.0 (net_ixgbe)",
        ]
    );
    let before = view(json!({"ports": [a_port(1_000_000, 500)]}));
    let before = Before {
        view: &before,
        seconds: 2.0,
    };
    assert_eq!(
        lines(&ports(&now, Some(before), Some(80))),
        [
            "PORT  INTERFACE  LINK         RX/s  TX/s  LOST/s         RX BIT/s  TX BIT/s",
            "   0  client     up 10Gbit/s    1M     0  rx_missed 500      480M         0",
        ]
    );
}

#[test]
fn lcores_are_busy_over_the_time_between_two_looks() {
    let now = view(json!({"lcores": [a_lcore(1, 5000, 3.0)]}));
    assert_eq!(
        lines(&lcores(&now, None, Some(80))),
        [
            "LCORE  HEARTBEAT  BUSY  RECEIVED  DROPPED  BURST  FORWARDED  REPLIED  PUNTED",
            "    1  beats      25 %     5,000        0     10      5,000        0       0",
        ]
    );
    let before = view(json!({"lcores": [a_lcore(1, 1000, 2.0)]}));
    let before = Before {
        view: &before,
        seconds: 2.0,
    };
    assert_eq!(
        lines(&lcores(&now, Some(before), Some(60))),
        [
            "LCORE  HEARTBEAT  BUSY  RECEIVED/s  DROPPED/s  BURST",
            "    1  beats      50 %          2k          0     10",
        ]
    );
    let mut silent = a_lcore(1, 0, 0.0);
    silent["is_beating"] = json!(false);
    silent["heartbeat_age_seconds"] = json!(12.0);
    let text = lcores(&view(json!({"lcores": [silent]})), None, None);
    assert!(text.contains("silent 12.0 s"), "{text}");
}

#[test]
fn drops_list_only_what_occurred() {
    let now = view(the_drops(3, 1200));
    assert_eq!(
        lines(&drops(&now, None, None)),
        [
            "REASON      PACKETS  MEANING",
            "no_service    1,200  To a VIP but for no service.",
            "runt              3  Shorter than an Ethernet header.",
        ]
    );
    let before = view(the_drops(3, 200));
    let before = Before {
        view: &before,
        seconds: 2.0,
    };
    assert_eq!(
        lines(&drops(&now, Some(before), None)),
        [
            "REASON      PACKETS/s  MEANING",
            "no_service        500  To a VIP but for no service.",
        ]
    );
}

#[test]
fn neighbors_and_routes_name_their_interface() {
    let known = json!({"neighbors": [
        {"address": "10.0.0.11", "port": 1, "interface": "server", "mac": "02:00:00:00:01:01",
         "state": "reachable", "source": "learned", "is_needed": true, "confirmed_seconds_ago": 4},
        {"address": "10.0.0.12", "port": 1, "state": "static", "source": "kernel",
         "mac": "02:00:00:00:01:02", "is_needed": true},
        {"address": "10.0.0.13", "port": 1, "state": "unresolved", "source": "learned", "is_needed": true}]});
    assert_eq!(
        lines(&neighbors(&view(known), None)),
        [
            "ADDRESS    INTERFACE  MAC                STATE       SOURCE   CONFIRMED  NEEDED",
            "10.0.0.11  server     02:00:00:00:01:01  reachable   learned    4 s ago  yes",
            "10.0.0.12  port 1     02:00:00:00:01:02  static      kernel           -  yes",
            "10.0.0.13  port 1     -                  unresolved  learned          -  yes",
        ]
    );
    let known = json!([
        {"prefix": "0.0.0.0/0", "metric": 4000, "source": "document", "protocol": 76,
         "next_hops": [{"via": "198.51.100.254", "port": 0, "weight": 1}]},
        {"prefix": "10.0.0.0/24", "metric": 0, "source": "connected", "protocol": 2,
         "next_hops": [{"port": 1, "interface": "server", "weight": 1}]},
        {"prefix": "10.9.0.0/16", "metric": 20, "source": "kernel", "protocol": 186,
         "next_hops": [{"via": "10.0.0.2", "port": 1, "interface": "server", "weight": 1},
                       {"via": "10.0.0.3", "port": 1, "interface": "server", "weight": 3}]},
        {"prefix": "10.9.9.0/24", "metric": 0, "source": "kernel", "protocol": 4, "next_hops": []}]);
    let known: Vec<lb_control::view::Route> = view(known);
    assert_eq!(
        lines(&routes(&known, None)),
        [
            "PREFIX       VIA             INTERFACE  WEIGHT  METRIC  SOURCE     PROTOCOL",
            "0.0.0.0/0    198.51.100.254  port 0          -   4,000  document   76",
            "10.0.0.0/24  -               server          -       0  connected  2",
            "10.9.0.0/16  10.0.0.2        server          1      20  kernel     186",
            "             10.0.0.3        server          3",
            "10.9.9.0/24  drops           -               -       0  kernel     4",
        ]
    );
}

#[test]
fn vips_say_why_they_are_not_announced() {
    let mut told = json!({
        "state": "on", "table": 76, "protocol": 76, "announcements": 1, "withdrawals": 0,
        "vips": [
            {"address": "192.0.2.10", "services": ["web", "dns"], "state": "on", "is_advertised": true,
             "since": 1_700_000_000, "device": "lb-client"},
            {"address": "192.0.2.20", "services": ["shop"], "state": "off", "is_advertised": false,
             "since": 1_700_000_000, "why_not": "it is switched off"}
        ],
        "off_elsewhere": ["192.0.2.30"]
    });
    let all = advertise(&view(told.clone()), None, None);
    assert_eq!(
        lines(&all),
        [
            "VIPs are announced in the kernel's table 76, protocol 76",
            "VIP         ANNOUNCED  SINCE                 DEVICE     SERVICES  WHY NOT",
            "192.0.2.10  yes        2023-11-14 22:13:20Z  lb-client  web dns   -",
            "192.0.2.20  no         2023-11-14 22:13:20Z  -          shop      it is switched off",
            "192.0.2.30 is switched off; no service has it",
        ]
    );
    let one = advertise(&view(told.clone()), "192.0.2.20".parse().ok(), None);
    assert!(!one.contains("192.0.2.10"), "{one}");
    told["obstacle"] = "the data path is unwell: lcore 1 stands still".into();
    let none = advertise(&view(told), None, None);
    assert!(
        none.starts_with("no VIP is announced: the data path is unwell"),
        "{none}"
    );
}

#[test]
fn connections_go_on_under_their_heading() {
    let connection = |client: &str, backend: Value| {
        json!({"protocol": "tcp", "client": client, "vip": "192.0.2.10:80", "service": "web",
            "backend": backend, "backend_address": "10.0.0.11:8080", "state": "established",
            "idle_seconds": 3, "is_one_way": false})
    };
    let mut listing = Listing::default();
    let page: Vec<_> = view(json!([connection("198.51.100.7:4711", json!("web-1"))]));
    assert_eq!(
        lines(&listing.page(&page, None)),
        [
            "PROTOCOL  CLIENT             BACKEND    STATE        IDLE  BACKEND ADDRESS  VIP",
            "tcp       198.51.100.7:4711  web/web-1  established   3 s  10.0.0.11:8080   192.0.2.10:80",
        ]
    );
    let page: Vec<_> = view(json!([connection("[2001:db8::7]:1", json!(null))]));
    assert_eq!(
        lines(&listing.page(&page, None)),
        [
            "tcp       [2001:db8::7]:1    web/-      established   3 s  10.0.0.11:8080   192.0.2.10:80"
        ]
    );
    assert_eq!(listing.page(&[], None), "");
}

#[test]
fn agents_show_what_was_refused() {
    let reports = json!({"taken": 1200, "refused": {"replayed": 3, "unknown_backend": 0}, "agents": [
        {"service": "web", "backend": "web-1", "values": {"age_seconds": 0.5, "is_expired": false,
         "reports": 100, "cpu_utilization": 1.04, "clients": 3.0, "named_metrics": {"queue": 17.0}}}]});
    assert_eq!(
        lines(&agents(&view(reports), None)),
        [
            "BACKEND       AGE    CPU  MEM  CLIENTS  REQ/s  CHECK  ERRORS/s  EXECUTION  REPORTS  OWN VALUES",
            "web/web-1  500 ms  104 %    -        3      -  -             -          -      100  queue 17",
            "",
            "1,200 reports taken; refused: 3 replayed",
        ]
    );
}

#[test]
fn explanations_stand_below_the_figures() {
    let explanation = json!({"service": "web", "weights": "even", "source": "master", "backends": [
        {"backend": "web-1", "configured_weight": 100, "effective_weight": 4096, "factor": 0.5,
         "target": 0.45, "utilization": 0.91, "strength": 250.0, "agent_check_percent": 75,
         "rules": [{"rule": "step", "sentence": "A weight moves by a bounded step."}]},
        {"backend": "web-2", "configured_weight": 100, "effective_weight": 0, "factor": 1.0,
         "target": 1.0, "agent_check_percent": 100, "is_kept_out": true, "rules": []}]});
    assert_eq!(
        lines(&explained(&view(explanation), None)),
        [
            "web: weights even, master",
            "BACKEND  WEIGHT  EFFECTIVE  FACTOR  TARGET  UTILIZATION     CHECK  STRENGTH",
            "web-1       100      4,096    0.50    0.45         91 %      75 %     250/s",
            "web-2       100          0    1.00    1.00            -  kept out         -",
            "",
            "web-1:",
            "  step: A weight moves by a bounded step.",
            "",
            "web-2:",
            "  no rule of the master acted",
        ]
    );
}

#[test]
fn changes_read_from_before_to_after() {
    let changes = json!([
        {"path": "services[web].backends[web-1].weight", "before": 100, "after": 30},
        {"path": "services[dns]", "after": {"name": "dns", "port": 53}}]);
    let found = view(json!({"revision": 7, "changes": changes}));
    assert_eq!(
        lines(&diff(&found, None)),
        [
            "services[web].backends[web-1].weight: 100 → 30",
            "services[dns]: (absent) → {\"name\":\"dns\",\"port\":53}",
        ]
    );
    assert_eq!(
        lines(&diff(&found, Some(30))),
        [
            "services[web].backends[web-1]…",
            "services[dns]: (absent) → {\"n…"
        ]
    );
    let done = json!({"revision": 8, "generation": 92, "changes": changes});
    assert_eq!(
        lines(&applied(&view(done), None))[..2],
        [
            "revision 8 (generation 92): 2 changes",
            "  services[web].backends[web-1].weight: 100 → 30",
        ]
    );
    let same = json!({"revision": 7, "generation": 91, "changes": []});
    assert_eq!(
        applied(&view(same.clone()), None),
        "revision 7 (generation 91): nothing changed\n"
    );
    assert_eq!(
        diff(&view(same), None),
        "no changes: revision 7 says the same\n"
    );
}

#[test]
fn revisions_and_the_audit_log_say_who_and_when() {
    let who = json!({"name": "uid 0 (pid 123)", "via": "unix"});
    let kept = json!({"revisions": [
        {"revision": 2, "at": 1_700_000_060, "by": who, "octets": 1500, "is_current": true},
        {"revision": 1, "at": 1_700_000_000, "by": {"name": "/etc/lb/lb.json", "via": "file"},
         "octets": 2, "is_current": false}]});
    assert_eq!(
        lines(&revisions(&view(kept), None)),
        [
            "REVISION  IN FORCE  APPLIED               BY                      SIZE",
            "       2  yes       2023-11-14 22:14:20Z  uid 0 (pid 123) (unix)  1.5 kB",
            "       1  no        2023-11-14 22:13:20Z  /etc/lb/lb.json (file)  2 B",
        ]
    );
    let log = json!({"records": [
        {"at": 1_700_000_060, "by": who, "what": "apply", "outcome": "done", "is_done": true,
         "revision": 2, "changes": [{"path": "transit", "before": false, "after": true}]},
        {"at": 1_700_000_000, "by": who, "what": "rollback 9", "outcome": "no such revision",
         "is_done": false}]});
    assert_eq!(
        lines(&audit(&view(log), None)),
        [
            "2023-11-14 22:13:20Z  uid 0 (pid 123) (unix)  rollback 9: no such revision",
            "2023-11-14 22:14:20Z  uid 0 (pid 123) (unix)  apply: done, revision 2",
            "    transit: false → true",
        ]
    );
}

#[test]
fn a_list_without_members_is_a_sentence() {
    for (text, wanted) in [
        (
            services(&view(json!({"services": []})), None, None),
            "no services are configured\n",
        ),
        (backends(&[], None), "no backends are configured\n"),
        (
            ports(&view(json!({"ports": []})), None, None),
            "no ports are in use\n",
        ),
        (
            lcores(&view(json!({"lcores": []})), None, None),
            "no worker lcore polls a port\n",
        ),
        (
            drops(&view(the_drops(0, 0)), None, None),
            "no packet was dropped\n",
        ),
        (
            neighbors(&view(json!({"neighbors": []})), None),
            "no neighbors are known or needed\n",
        ),
        (routes(&[], None), "no routes\n"),
        (
            audit(&view(json!({"records": []})), None),
            "nobody has asked for a change yet\n",
        ),
        (
            agents(
                &view(json!({"agents": [], "taken": 0, "refused": {}})),
                None,
            ),
            "no agent has said anything yet\n\n0 reports taken, none refused\n",
        ),
    ] {
        assert_eq!(text, wanted);
    }
}
