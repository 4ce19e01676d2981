//! What an agent refuses to start with: one sentence, status 2, nothing else.

use crate::kit::{Scratch, run};

fn refusal(words: &str) -> String {
    let output = run(words);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(output.stdout.is_empty(), "{words}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{words}: {told}");
    assert!(told.starts_with("lb-agent: "), "{told}");
    told
}

#[test]
fn plain_reports_to_another_machine_are_refused() {
    let told = refusal("--backend web-1 --to http://192.0.2.1:80");
    assert!(told.contains("--to: \"http://192.0.2.1:80\" would send reports in the clear"));
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for (words, wanted) in [
        ("", "--backend"),
        ("--backend web-1", "nobody to report to"),
        ("--backend web-1 --to nowhere", "is no destination"),
        (
            "--backend web-1 --to https://h:1",
            "--ca: an https destination needs",
        ),
        (
            "--backend web-1 --once --interval 0",
            "--interval: 0 is no interval",
        ),
        (
            "--backend web-1 --once --interval nan",
            "--interval: NaN is no interval",
        ),
        (
            "--backend web-1 --once --no-proc",
            "expected 1 to 16 sources",
        ),
        (
            "--backend web-1 --once --no-proc --cgroup x",
            "--no-proc: a control group",
        ),
        ("--backend web-1 --once --bogus", "--bogus"),
        (
            "--backend web-1 --once --command eps=",
            "--command: expected a program",
        ),
        (
            "--backend web-1 --once --file x --file-age -3",
            "--file-age: -3 is no age",
        ),
        ("--config /nonexistent/agent.json", "No such file"),
    ] {
        let told = refusal(words);
        assert!(told.contains(wanted), "{words}: {told}");
    }
}

#[test]
fn a_file_that_makes_no_sense_is_named_with_key_and_line() {
    let scratch = Scratch::new("bad-file");
    let file = scratch.write("agent.json", "{\n\"backends\": [\n{\"name\": 7}]}\n");
    let told = refusal(&format!("--config {}", file.display()));
    assert!(
        told.contains("agent.json: backends[0].name: invalid type"),
        "{told}"
    );
    assert!(told.contains("line 3"), "{told}");
    let file = scratch.write(
        "agent.json",
        r#"{"backends": [{"name": "a", "ports": [0]}]}"#,
    );
    let told = refusal(&format!("--config {}", file.display()));
    assert!(
        told.contains("agent.json: backends[0].ports: 0 is no port"),
        "{told}"
    );
}

#[test]
fn secrets_that_cannot_be_read_are_refused_before_anything_is_sent() {
    let scratch = Scratch::new("bad-secrets");
    let (empty, text) = (
        scratch.write("empty", "\n"),
        scratch.write("text", "hello\n"),
    );
    let (empty, text) = (empty.display(), text.display());
    let base = "--backend web-1 --to https://127.0.0.1:1";
    for (words, wanted) in [
        (format!("{base} --ca /nonexistent/ca"), "/nonexistent/ca"),
        (format!("{base} --ca {text}"), "it holds no certificate"),
        (
            format!("{base} --ca {text} --key {text}"),
            "--key: a key is of no use",
        ),
        (
            format!("--backend web-1 --to unix:/x --token-file {empty}"),
            "holds no token",
        ),
        (
            "--backend web-1 --to unix:/x --token-file /nonexistent/t".to_owned(),
            "/nonexistent/t",
        ),
    ] {
        let told = refusal(&words);
        assert!(told.contains(wanted), "{words}: {told}");
    }
}

#[test]
fn help_and_version_are_no_refusals() {
    for words in ["--help", "--version"] {
        let output = run(words);
        assert!(output.status.success());
        assert!(!output.stdout.is_empty());
    }
}
