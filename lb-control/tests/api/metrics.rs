//! `/metrics`: clean by promtool, bounded, described; and what is made of it (alert rules, dashboard) uses what exists.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output, Stdio};

use crate::client::Client;
use lb_control::view;

use crate::rig::{DOCUMENT, Rig, Setup, plain, repository};

/// A page on which every family has a sample.
fn page() -> String {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let rig = Rig::with(Setup {
        document: checked(server.local_addr().unwrap().port()),
        listeners: vec![plain()],
        ..Setup::default()
    });
    until_checked(&rig);
    let mut client = Client::unix(&rig);
    let report = r#"{"backend":"web-1","boot_id":"b","sequence":1,"monotonic_seconds":1,"clients":3,"cpu_utilization":0.5,
        "mem_utilization":0.25,"execution_time_seconds":0.01,"rps_fractional":100,"eps":1}"#;
    assert_eq!(client.post("/v1/load-reports", report).status, 200);
    client.get("/v1/nothing").refused(404);
    client.get("/metrics").text().to_owned()
}

/// The rig's document, with a backend that is checked where this server listens.
pub(crate) fn checked(port: u16) -> String {
    let service = r#""name": "web6", "health": { "type": "tcp", "interval": 0.1 },"#;
    let backend =
        format!(r#""name": "web-6", "health": {{ "address": "127.0.0.1", "port": {port} }},"#);
    DOCUMENT
        .replace(r#""name": "web6","#, service)
        .replace(r#""name": "web-6","#, &backend)
}

/// Waits until that backend is known to be up.
pub(crate) fn until_checked(rig: &Rig) -> view::Backend {
    let mut client = Client::unix(rig);
    loop {
        let one: view::Backend = client.get("/v1/services/web6/backends/web-6").done();
        let state = one.health.as_ref().map(|health| health.state);
        if state == Some(view::HealthState::Up) {
            return one;
        }
        std::thread::yield_now();
    }
}

/// Names of families, with their types.
fn families(page: &str) -> Vec<(&str, &str)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split_once(' ').unwrap()).collect()
}

/// Runs promtool; `None`, and a line that says so, where there is none.
fn promtool(words: &[&str], input: &str) -> Option<Output> {
    let child = Command::new("promtool")
        .args(words)
        .current_dir(repository("packaging/prometheus"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("skipped: promtool");
        return None;
    };
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Some(child.wait_with_output().unwrap())
}

fn assert_clean(output: Option<Output>) {
    if let Some(output) = output {
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{output:?}");
    }
}

#[test]
fn the_page_is_clean_by_promtool() {
    assert_clean(promtool(&["check", "metrics"], &page()));
}

#[test]
fn the_alert_rules_are_right_and_tell_what_they_should() {
    assert_clean(promtool(&["check", "rules", "lb.rules.yml"], ""));
    assert_clean(promtool(&["test", "rules", "lb.rules.test.yml"], ""));
}

#[test]
fn names_begin_with_the_project_s_and_counters_end_in_total() {
    let page = page();
    let families = families(&page);
    assert!(families.len() > 60, "{}", families.len());
    for (name, kind) in families {
        assert!(name.starts_with("lb_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
    }
}

#[test]
fn figures_are_those_of_the_data_path() {
    let page = page();
    for line in [
        "lb_port_up{port=\"0\"} 1",
        "lb_port_received_packets_total{port=\"1\"} 1000",
        "lb_port_speed_bytes{port=\"0\"} 1250000000",
        "lb_exception_up_packets_total{port=\"0\"} 70",
        "lb_exception_down_dropped_packets_total{port=\"0\"} 2",
        "lb_lcore_verdicts_total{lcore=\"1\",verdict=\"forwarded\"} 97",
        "lb_lcore_busy_seconds_total{lcore=\"1\"} 1.5",
        "lb_lcore_burst_packets_bucket{lcore=\"1\",le=\"0\"} 7",
        "lb_lcore_burst_packets_bucket{lcore=\"1\",le=\"31\"} 11",
        "lb_lcore_burst_packets_bucket{lcore=\"1\",le=\"+Inf\"} 14",
        "lb_lcore_burst_packets_sum{lcore=\"1\"} 100",
        "lb_pool_used_mbufs{pool=\"node-0\"} 12",
        "lb_connection_table_capacity_entries{family=\"ipv4\"} 1024",
        "lb_service_backends{service=\"web\"} 2",
        "lb_backend_configured_weight{service=\"web\",backend=\"web-2\"} 300",
        "lb_backend_up{service=\"web6\",backend=\"web-6\"} 1",
        "lb_service_up_backends{service=\"web6\"} 1",
        "lb_service_panic{service=\"web\"} 0",
        "lb_health_checks_total{result=\"refused\"} 0",
        "lb_agent_clients{backend=\"web-1\"} 3",
        "lb_agent_taken_reports_total{sender=\"local\"} 1",
        "lb_configuration_revision 1",
        "lb_routing_daemon_routes 17",
        "lb_routing_daemon_resyncs_total{reason=\"overrun\"} 2",
        "lb_api_requests_total{code=\"404\"} 1",
        "lb_task_panics_total{task=\"api\"} 0",
    ] {
        assert!(page.lines().any(|one| one == line), "{line}\n{page}");
    }
    assert!(page.contains("lb_api_request_seconds{quantile=\"0.99\"}"));
}

#[test]
fn no_label_is_made_of_what_a_client_says() {
    let rig = Rig::with_tcp();
    for number in 0..20 {
        let path = format!("/v1/services/canary-{number}?canary={number}");
        Client::tcp(&rig, 1).get(&path);
        let report = format!(
            "{{\"backend\":\"canary-{number}\",\"boot_id\":\"canary\",\"sequence\":1,\"monotonic_seconds\":1}}"
        );
        Client::tcp(&rig, 1).post("/v1/load-reports", &report);
    }
    let page = Client::unix(&rig).get("/metrics");
    assert!(!page.text().contains("canary"));
}

#[test]
fn so_many_backends_that_they_cannot_all_have_series_are_counted() {
    let mut document = "{\"interfaces\":[{\"port\":0,\"name\":\"a\",\"addresses\":[\"10.0.0.1/8\"]}],\"services\":[".to_owned();
    for service in 0..51 {
        let comma = if service == 0 { "" } else { "," };
        write!(
            document,
            "{comma}{{\"name\":\"s{service}\",\"address\":\"192.0.2.10\",\"port\":{},\"protocol\":\"tcp\",\
             \"forwarding\":\"nat\",\"scheduler\":\"round-robin\",\"backends\":[",
            1000 + service
        )
        .unwrap();
        for backend in 0..100 {
            let comma = if backend == 0 { "" } else { "," };
            write!(
                document,
                "{comma}{{\"name\":\"b{backend}\",\"address\":\"10.1.{service}.{backend}\",\"port\":80}}"
            )
            .unwrap();
        }
        document += "]}";
    }
    document += "]}";
    let rig = Rig::with(Setup {
        document,
        ..Setup::default()
    });
    let page = Client::unix(&rig).get("/metrics");
    let count = |start: &str| {
        page.text()
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!(count("lb_backend_effective_weight{"), 5000);
    assert!(page.text().contains("\nlb_metrics_omitted_backends 100\n"));
}

/// Every word in a text that is a metric's name.
fn names_in(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c| !is_part(c));
    words.filter(|word| word.starts_with("lb_")).collect()
}

#[test]
fn rules_dashboard_and_manual_use_what_the_page_has() {
    let page = page();
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (name, kind) in families(&page) {
        known.insert(name.to_owned());
        if kind == "histogram" || kind == "summary" {
            for part in ["_bucket", "_sum", "_count"] {
                known.insert(format!("{name}{part}"));
            }
        }
    }
    for file in [
        "packaging/prometheus/lb.rules.yml",
        "packaging/prometheus/lb.rules.test.yml",
        "packaging/grafana/lb.json",
        "docs/api.md",
    ] {
        let text = std::fs::read_to_string(repository(file)).unwrap();
        let names = names_in(&text);
        assert!(names.len() > 5, "{file}");
        for name in names {
            assert!(known.contains(name), "{file}: {name}");
        }
    }
    let manual = std::fs::read_to_string(repository("docs/api.md")).unwrap();
    for (name, _) in families(&page) {
        assert!(
            manual.contains(&format!("`{name}`")),
            "docs/api.md does not name {name}"
        );
    }
}
