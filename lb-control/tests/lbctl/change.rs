//! Verbs that change, against the project's own API.

use serde_json::Value;

use crate::kit::lbctl_reading;
use crate::rig::{DOCUMENT, Rig};

fn other() -> String {
    let other = DOCUMENT.replace("\"weight\": 300", "\"weight\": 30");
    assert_ne!(other, DOCUMENT);
    other
}

#[test]
fn a_document_is_checked_compared_applied_and_taken_back() {
    let rig = Rig::new();
    let file = rig.dir.write("other.json", &other());
    let file = file.to_str().unwrap();
    let change = "services[web].backends[web-2].weight: 300 → 30";
    let checked = rig.lbctl(&["check", file]).done();
    assert_eq!(
        checked,
        "good: 2 interfaces, 1 route, 3 neighbors, 2 services, 3 backends\n"
    );
    assert_eq!(rig.lbctl(&["diff", file]).done(), format!("{change}\n"));
    assert_eq!(rig.lbctl(&["config"]).done(), DOCUMENT);
    let applied = rig.lbctl(&["apply", file]).done();
    assert!(applied.starts_with("revision 2 (generation "), "{applied}");
    assert!(
        applied.ends_with(&format!("): 1 change\n  {change}\n")),
        "{applied}"
    );
    assert_eq!(rig.lbctl(&["config"]).done(), other());
    assert_eq!(
        rig.lbctl(&["diff", file]).done(),
        "no changes: revision 2 says the same\n"
    );
    let back = rig.lbctl(&["rollback", "1"]).done();
    assert!(back.contains("weight: 30 → 300"), "{back}");
    assert_eq!(rig.lbctl(&["config"]).done(), DOCUMENT);
    let revisions = rig.lbctl(&["revisions"]).done();
    assert_eq!(revisions.lines().count(), 1 + 3, "{revisions}");
    let audit = rig.lbctl(&["audit", "--limit", "2"]).done();
    assert!(audit.contains("apply: done, revision 2"), "{audit}");
    assert!(
        audit.contains("(unix)") && audit.contains(change),
        "{audit}"
    );
}

#[test]
fn a_document_may_come_from_standard_input() {
    let rig = Rig::new();
    let control = format!("unix:{}", rig.dir.join("control.sock").display());
    let words = ["--control", &control, "apply", "-"];
    let applied = lbctl_reading(&words, &other()).done();
    assert!(applied.contains("300 → 30"), "{applied}");
}

#[test]
fn every_refusal_is_printed_with_its_line() {
    let rig = Rig::new();
    let wrong = DOCUMENT
        .replace("\"port\": 80,", "\"port\": 0,")
        .replace("\"10.0.0.12\", \"port\"", "\"10.0.0\", \"port\"");
    let file = rig.dir.write("wrong.json", &wrong);
    for verb in ["check", "diff", "apply"] {
        let refused = rig.lbctl(&[verb, file.to_str().unwrap()]);
        assert_eq!(
            (refused.status, refused.out.as_str()),
            (2, ""),
            "{refused:?}"
        );
        let lines: Vec<_> = refused.err.lines().collect();
        assert_eq!(lines[0], "lbctl: refused for 2 reasons:", "{refused:?}");
        assert!(
            lines[1].starts_with("  line 13: services[0].port: "),
            "{refused:?}"
        );
        assert!(
            lines[2].starts_with("  line 17: services[0].backends[1].address: "),
            "{refused:?}"
        );
    }
    let json = rig.lbctl(&["check", file.to_str().unwrap(), "--json"]);
    assert_eq!(json.status, 2);
    let errors: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(errors["errors"][0]["line"], 13, "{json:?}");
    assert_eq!(rig.lbctl(&["config"]).done(), DOCUMENT);
}

#[test]
fn what_is_no_document_is_refused() {
    let rig = Rig::new();
    for text in ["", "{", "[]", "\u{0}"] {
        let file = rig.dir.write("wrong.json", text);
        rig.lbctl(&["apply", file.to_str().unwrap()])
            .failed(2, &["line 1"]);
    }
}

#[test]
fn another_revision_in_force_is_a_failure_and_no_refusal() {
    let rig = Rig::new();
    let file = rig.dir.write("other.json", &other());
    let file = file.to_str().unwrap();
    rig.lbctl(&["drain", "dns/dns-1"]).done();
    rig.lbctl(&["apply", file, "--if-revision", "1"])
        .failed(1, &["revision 2 is in force", "lbctl revisions"]);
    rig.lbctl(&["apply", file, "--if-revision", "2"]).done();
}

#[test]
fn the_box_and_single_vips_are_switched() {
    let rig = Rig::new();
    let off = rig.lbctl(&["advertise", "off", "192.0.2.10"]).done();
    assert!(off.contains("192.0.2.10"), "{off}");
    let status = rig.lbctl(&["status"]).done();
    assert!(
        status.contains("not announced, switched off: 192.0.2.10"),
        "{status}"
    );
    rig.lbctl(&["advertise", "on", "192.0.2.10"]).done();
    rig.lbctl(&["advertise", "off"]).done();
    let status = rig.lbctl(&["status"]).done();
    assert!(status.contains("this box is switched off"), "{status}");
    let audit = rig.lbctl(&["audit"]).done();
    assert!(audit.contains("advertise[192.0.2.10]"), "{audit}");
    let unknown = rig.lbctl(&["advertise", "off", "192.0.2.99"]);
    unknown.failed(2, &["no service has the address 192.0.2.99"]);
}

#[test]
fn a_backend_is_drained_disabled_enabled_and_weighed() {
    let rig = Rig::new();
    let row = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("web/web-1"));
        line.unwrap()
            .split_whitespace()
            .take(5)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for (words, change, wanted) in [
        (
            &["drain", "web/web-1"][..],
            "state: ",
            ["draining", "100", "0"],
        ),
        (
            &["disable", "web/web-1"],
            "state: \"draining\" → \"disabled\"",
            ["disabled", "100", "0"],
        ),
        (
            &["enable", "web/web-1"],
            "state: \"disabled\" → \"enabled\"",
            ["enabled", "100", "100"],
        ),
        (
            &["weight", "web/web-1", "700"],
            "weight: 100 → 700",
            ["enabled", "700", "700"],
        ),
    ] {
        let text = rig.lbctl(words).done();
        assert!(
            text.contains(&format!("services[web].backends[web-1].{change}")),
            "{text}"
        );
        let shown = row(&rig.lbctl(&["backends", "web"]).done());
        let told = [&*shown[1], &*shown[3], &*shown[4]];
        assert_eq!(told, wanted, "{words:?}");
    }
    let same = rig.lbctl(&["weight", "web/web-1", "700"]).done();
    assert!(same.contains("nothing changed"), "{same}");
}

#[test]
fn the_file_is_written_and_read_again() {
    let rig = Rig::new();
    rig.lbctl(&["weight", "web/web-1", "700"]).done();
    let path = rig.dir.join("lb.json");
    let saved = rig.lbctl(&["save"]).done();
    assert_eq!(saved, format!("written to {}\n", path.display()));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(rig.lbctl(&["config"]).done().trim_end(), text.trim_end());
    rig.dir.write("lb.json", DOCUMENT);
    let reloaded = rig.lbctl(&["reload"]).done();
    assert!(reloaded.contains("weight: 700 → 100"), "{reloaded}");
    rig.dir.write("lb.json", "{");
    rig.lbctl(&["reload"]).failed(2, &["line 1"]);
    assert_eq!(rig.lbctl(&["config"]).done(), DOCUMENT);
}

#[test]
fn a_revision_that_is_not_kept_is_refused() {
    let rig = Rig::new();
    rig.lbctl(&["rollback", "9"]).failed(2, &["9"]);
    rig.lbctl(&["revisions", "9"])
        .failed(2, &["revision 9 is not kept"]);
}
