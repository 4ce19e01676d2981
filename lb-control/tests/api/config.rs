//! The document: put, read back, compared, rolled back, saved; and what is refused.

use std::sync::atomic::Ordering;
use std::time::Instant;

use lb_control::view;
use serde_json::{Value, json};

use crate::client::{Client, PATIENCE};
use crate::rig::{DOCUMENT, Rig};

fn without_dns() -> String {
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let services = document["services"].as_array_mut().unwrap();
    services.retain(|service| service["name"] != "dns");
    document.to_string()
}

#[test]
fn get_after_put_gives_the_same_octets() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    for text in [
        "{ }\n\n",
        "{\r\n\t\"services\" : [ ]}",
        DOCUMENT,
        &without_dns(),
        "  {\"transit\":true,\"services\":[],\"neighbors\":[]}",
    ] {
        let applied: view::Applied = client.put("/v1/config", text).done();
        let read = client.get("/v1/config");
        assert_eq!(read.text(), text);
        assert_eq!(read.fields["etag"], format!("\"{}\"", applied.revision));
        assert_eq!(read.fields["content-type"], "application/json");
    }
}

#[test]
fn a_change_that_was_overtaken_is_refused() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let put = |client: &mut Client, tag: &str, text: &str| {
        client.send("PUT", "/v1/config", &[("If-Match", tag)], text.as_bytes())
    };
    let applied: view::Applied = put(&mut client, "\"1\"", "{}").done();
    assert_eq!(applied.revision, 2);
    put(&mut client, "\"1\"", DOCUMENT).refused(412);
    put(&mut client, "W/\"2\"", DOCUMENT).refused(400);
    assert_eq!(client.get("/v1/config").text(), "{}");
    let applied: view::Applied = put(&mut client, "\"1\", \"2\"", DOCUMENT).done();
    assert_eq!(applied.revision, 3);
    let path = "/v1/services/web/backends/web-1";
    let old = client.send("PATCH", path, &[("If-Match", "\"2\"")], br#"{"weight":1}"#);
    old.refused(412);
    let any = client.send("PATCH", path, &[("If-Match", "*")], br#"{"weight":1}"#);
    assert_eq!(any.status, 200);
}

#[test]
fn a_wrong_document_is_refused_whole_with_every_key_s_path() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let wrong = r#"{
        "interfaces": [ { "port": 0, "name": "client", "addresses": ["198.51.100.1/24"] } ],
        "services": [ { "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp",
            "forwarding": "nat", "scheduler": "maglev", "schedular": 1,
            "backends": [ { "name": "web-1", "address": "172.16.0.1", "port": 0 } ] } ] }"#;
    for (method, path) in [
        ("PUT", "/v1/config"),
        ("POST", "/v1/config/check"),
        ("POST", "/v1/config/diff"),
    ] {
        let answer = client.send(method, path, &[], wrong.as_bytes());
        let reasons = answer.refused(422);
        assert!(
            reasons
                .iter()
                .all(|(path, _)| path.starts_with("services[0]"))
        );
    }
    let port = DOCUMENT.replacen("8080", "0", 1);
    let answer = client.put("/v1/config", &port);
    let reasons = answer.refused(422);
    assert_eq!(reasons[0].0, "services[0].backends[0].port");
    let body: view::Errors = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body.errors[0].line, Some(15));
    client.put("/v1/config", "{").refused(422);
    assert_eq!(client.get("/v1/config").text(), DOCUMENT);
    assert_eq!(rig.control.current().number, 1);
}

#[test]
fn a_document_is_compared_with_the_one_in_force_by_names() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let heavier = DOCUMENT.replacen("\"weight\": 100", "\"weight\": 200", 1);
    let diff: view::Diff = client.post("/v1/config/diff", &heavier).done();
    assert_eq!(diff.revision, 1);
    assert_eq!(
        diff.changes,
        [view::Change {
            path: "services[web].backends[web-1].weight".to_owned(),
            before: Some(json!(100)),
            after: Some(json!(200)),
        }]
    );
    let checked: view::Checked = client.post("/v1/config/check", DOCUMENT).done();
    assert_eq!((checked.services, checked.backends), (3, 4));
}

#[test]
fn any_revision_that_is_kept_can_be_read_and_applied_again() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    for number in 2..=20 {
        let text = format!("{{\"transit\":{}}}{}", number % 2 == 0, " ".repeat(number));
        assert_eq!(client.put("/v1/config", &text).status, 200);
    }
    let kept: view::Revisions = client.get("/v1/config/revisions").done();
    let numbers: Vec<u64> = kept.revisions.iter().map(|one| one.revision).collect();
    assert_eq!(numbers, (5..=20).rev().collect::<Vec<_>>());
    assert!(kept.revisions[0].is_current);
    let seventh = client.get("/v1/config/revisions/7");
    assert_eq!(
        seventh.text(),
        format!("{{\"transit\":false}}{}", " ".repeat(7))
    );
    client.get("/v1/config/revisions/4").refused(404);
    client.get("/v1/config/revisions/x").refused(400);
    let back = client.post("/v1/config/rollback", r#"{"revision":7}"#);
    let back: view::Applied = back.done();
    assert_eq!(back.revision, 21);
    assert_eq!(client.get("/v1/config").body, seventh.body);
    client
        .post("/v1/config/rollback", r#"{"revision":4}"#)
        .refused(404);
    client
        .post("/v1/config/rollback", r#"{"rev":4}"#)
        .refused(422);
}

#[test]
fn what_was_changed_is_saved_and_what_is_in_the_file_can_be_loaded() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    client.put("/v1/config", "{ }");
    let saved: view::Saved = client.post("/v1/config/save", "").done();
    assert_eq!(saved.path, rig.dir.join("lb.json").display().to_string());
    assert_eq!(std::fs::read_to_string(&saved.path).unwrap(), "{ }");
    std::fs::write(&saved.path, DOCUMENT).unwrap();
    client.put("/v1/config", "{}");
    client.post("/v1/config/save", "").refused(409);
    let loaded: view::Applied = client.post("/v1/config/reload", "").done();
    assert_eq!(loaded.revision, 4);
    assert_eq!(client.get("/v1/config").text(), DOCUMENT);
}

#[test]
fn the_file_is_read_again_when_the_program_is_asked_by_a_signal() {
    let rig = Rig::new();
    rig.dir.write("lb.json", "{ }");
    rig.reload.store(true, Ordering::Relaxed);
    let began = Instant::now();
    while rig.control.current().number == 1 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    let mut client = Client::unix(&rig);
    assert_eq!(client.get("/v1/config").text(), "{ }");
    // The record comes after what it records.
    while client
        .get("/v1/audit?limit=1")
        .done::<view::Audit>()
        .records[0]
        .by
        .via
        != "signal"
    {
        assert!(began.elapsed() < PATIENCE);
    }
}

#[test]
fn a_backend_is_changed_by_a_patch() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    let path = "/v1/services/web/backends/web-2";
    let patched: view::Applied = client
        .patch(path, r#"{"weight":5,"state":"draining"}"#)
        .done();
    assert_eq!(patched.changes.len(), 2);
    let backend: view::Backend = client.get(path).done();
    assert_eq!(backend.weight, 5);
    assert_eq!(backend.state, view::BackendState::Draining);
    assert_eq!(backend.effective_weight, 0);
    client.patch(path, "{}").refused(422);
    let reasons = client.patch(path, r#"{"weigth":5}"#).refused(422);
    assert!(reasons[0].1.contains("weigth"), "{reasons:?}");
    let reasons = client.patch(path, r#"{"weight":"5"}"#).refused(422);
    assert_eq!(reasons[0].0, "weight");
    let reasons = client.patch(path, r#"{"weight":65536}"#).refused(422);
    assert!(reasons[0].0.ends_with("weight"), "{reasons:?}");
    client
        .patch("/v1/services/web/backends/web-9", r#"{"weight":5}"#)
        .refused(404);
    client
        .patch("/v1/services/mail/backends/web-1", r#"{"weight":5}"#)
        .refused(404);
}

#[test]
fn the_audit_log_has_what_was_done_and_what_was_refused() {
    let rig = Rig::new();
    let mut client = Client::unix(&rig);
    client.put("/v1/config", "{}");
    client.put("/v1/config", "{\"x\":1}").refused(422);
    let audit: view::Audit = client.get("/v1/audit").done();
    let outcomes: Vec<_> = audit
        .records
        .iter()
        .map(|one| (one.what.as_str(), one.is_done, one.revision))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("apply", false, None),
            ("apply", true, Some(2)),
            ("start", true, Some(1))
        ]
    );
    assert_eq!(audit.records[1].by.via, "unix");
    assert!(audit.records[1].by.name.starts_with("uid "));
    client.get("/v1/audit?limit=0").refused(400);
    client.get("/v1/audit?last=1").refused(400);
}

#[test]
fn what_is_not_a_request_for_this_api_is_refused_in_its_own_way() {
    let rig = Rig::new();
    let ask = |method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]| {
        Client::unix(&rig).send(method, path, fields, body)
    };
    ask("GET", "/", &[], b"").refused(404);
    ask("GET", "/v1/config/", &[], b"").refused(404);
    let wrong = ask("DELETE", "/v1/config", &[], b"");
    wrong.refused(405);
    assert!(wrong.fields["allow"].contains("PUT"), "{:?}", wrong.fields);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    ask("PUT", "/v1/config", &form, b"{}").refused(415);
    ask("POST", "/v1/config/check", &[], b"{\"a\xff\":1}").refused(400);
    ask("GET", "/v1/services/%ff", &[], b"").refused(400);
    let long = vec![b' '; 5000];
    ask("POST", "/v1/config/rollback", &[], &long).refused(413);
}
