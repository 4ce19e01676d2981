//! Documents that hold and documents that are refused.

use super::*;

fn check(text: &str) -> Result<Plan, String> {
    Document::parse(text)?
        .check()
        .map_err(|refused| refused.to_string())
}

const WHOLE: &str = r#"{
  "to": ["unix:/run/lb/control.sock", "https://lb.example:8443"],
  "interval": 0.5,
  "token_file": "/etc/lb/token",
  "ca": "/etc/lb/ca.pem", "certificate": "/etc/lb/agent.pem", "key": "/etc/lb/agent.key",
  "backends": [
    { "name": "web-1", "ports": [80, 443], "cgroup": "system.slice/nginx.service",
      "nginx": "http://127.0.0.1/stub_status" },
    { "name": "app-1", "proc": false, "haproxy": "unix:/run/haproxy/admin.sock", "haproxy_proxies": ["app"],
      "prometheus": [ { "url": "http://127.0.0.1:9100/metrics",
                        "series": ["execution_time_seconds=rate(t_sum)/rate(t_count)"] } ],
      "files": [ { "path": "/run/app.json", "age": 0 } ],
      "commands": [ { "run": ["/usr/local/bin/queue", "-n"], "field": "named_metrics.queue" } ] }
  ]
}"#;

#[test]
fn a_whole_document_becomes_a_plan() {
    let plan = check(WHOLE).unwrap();
    assert_eq!(plan.interval, Duration::from_millis(500));
    assert_eq!(plan.destinations.len(), 2);
    assert!(plan.tls.unwrap().client.is_some());
    let sources: Vec<usize> = plan
        .backends
        .iter()
        .map(|plan| plan.sources.len())
        .collect();
    assert_eq!(sources, [3, 4]);
    assert!(matches!(
        &plan.backends[1].sources[2],
        SourcePlan::File(_, None, None)
    ));
}

#[test]
fn the_machine_alone_is_a_source() {
    let plan = check(r#"{"backends": [{"name": "web-1"}]}"#).unwrap();
    assert_eq!(plan.interval, Duration::from_secs(1));
    assert!(matches!(
        plan.backends[0].sources[..],
        [SourcePlan::Proc(Group::Visible)]
    ));
}

/// Replaces one value of the whole document.
fn with(old: &str, new: &str) -> String {
    let text = WHOLE.replacen(old, new, 1);
    assert_ne!(text, WHOLE, "{old}");
    text
}

#[test]
fn a_refusal_names_the_key_and_what_was_expected() {
    for (text, wanted) in [
        (with("0.5", "0.05"), "interval: 0.05"),
        (with("0.5", "61"), "expected 0.1 to 60 seconds"),
        (with("0.5", "\"1\""), "interval: invalid type"),
        (with("interval", "intervall"), "intervall"),
        (
            with("unix:/run/lb/control.sock", "http://192.0.2.1"),
            "to[0]: \"http://192.0.2.1\" would send reports in the clear",
        ),
        (
            with("unix:/run/lb/control.sock", "https://lb.example:8443"),
            "to[1]: https://lb.example:8443 stands here twice",
        ),
        (
            with(r#""ca": "/etc/lb/ca.pem","#, ""),
            "ca: an https destination needs",
        ),
        (
            with(r#", "key": "/etc/lb/agent.key""#, ""),
            "certificate: a certificate is of no use",
        ),
        (
            with(r#""certificate": "/etc/lb/agent.pem","#, ""),
            "key: a key is of no use",
        ),
        (
            with("app-1", "web-1"),
            "backends[1].name: web-1 stands here twice",
        ),
        (
            with("app-1", "app 1"),
            "backends[1].name: \"app 1\" is no backend's name",
        ),
        (with("80,", "0,"), "backends[0].ports: 0 is no port"),
        (
            with("443]", "65536]"),
            "backends[0].ports[1]: invalid value",
        ),
        (
            with("system.slice/", "/sys/fs/cgroup/"),
            "backends[0].cgroup",
        ),
        (with("system.slice/", "../"), "backends[0].cgroup"),
        (
            with(r#""ports": [80, 443],"#, r#""pid_file": "x","#),
            "backends[0].pid_file: the service's group is already known",
        ),
        (
            with(r#""ports": [80, 443],"#, r#""proc": false,"#),
            "backends[0].proc: a control group is of no use",
        ),
        (
            with("http://127.0.0.1/stub", "https://127.0.0.1/stub"),
            "backends[0].nginx",
        ),
        (
            with("unix:/run/haproxy", "/run/haproxy"),
            "backends[1].haproxy:",
        ),
        (
            with(r#""haproxy": "unix:/run/haproxy/admin.sock","#, ""),
            "backends[1].haproxy_proxies: proxies are of no use",
        ),
        (
            with("http://127.0.0.1:9100", "127.0.0.1:9100"),
            "backends[1].prometheus[0].url",
        ),
        (
            with("execution_time_seconds=", ""),
            "backends[1].prometheus[0].series[0]: \"rate(t_sum)/rate(t_count)\" names no field",
        ),
        (
            with("execution_time_seconds=", "time="),
            "backends[1].prometheus[0].series[0]: \"time\" is no field",
        ),
        (
            with("rate(t_sum)/", "rate(t_sum"),
            "backends[1].prometheus[0].series[0]: \"rate(t_sumrate(t_count)\" is no expression",
        ),
        (
            with(
                r#"["execution_time_seconds=rate(t_sum)/rate(t_count)"]"#,
                "[]",
            ),
            "backends[1].prometheus[0].series: expected at least one",
        ),
        (
            with("\"age\": 0", "\"age\": -1"),
            "backends[1].files[0].age: -1",
        ),
        (
            with("named_metrics.queue", "queue"),
            "backends[1].commands[0].field",
        ),
        (
            with(r#"["/usr/local/bin/queue", "-n"]"#, "[]"),
            "backends[1].commands[0].run",
        ),
        (format!("{WHOLE} x"), "trailing characters"),
        ("{}".to_owned(), "missing field `backends`"),
        (
            r#"{"backends": []}"#.to_owned(),
            "backends: expected 1 to 64",
        ),
        (
            r#"{"backends": [{"name": "a", "proc": false}]}"#.to_owned(),
            "backends[0]: expected 1 to 16 sources, found 0",
        ),
    ] {
        let told = check(&text).unwrap_err();
        assert!(told.contains(wanted), "{wanted}\n{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}
