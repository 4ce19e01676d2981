//! Completions and man pages come out of the program itself.

use crate::dir::Dir;
use crate::kit::lbctl;

const VERBS: [&str; 29] = [
    "status",
    "services",
    "backends",
    "connections",
    "ports",
    "lcores",
    "drops",
    "neighbors",
    "routes",
    "advertise",
    "agents",
    "explain",
    "config",
    "check",
    "diff",
    "apply",
    "rollback",
    "revisions",
    "save",
    "reload",
    "drain",
    "enable",
    "disable",
    "weight",
    "top",
    "audit",
    "completions",
    "man",
    "help",
];

#[test]
fn every_verb_has_a_man_page() {
    let dir = Dir::new();
    let pages = dir.join("man/man1");
    let written = lbctl(&["man", pages.to_str().unwrap()]);
    assert_eq!(written.done(), "");
    let read = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    for verb in VERBS.iter().filter(|verb| **verb != "help") {
        let page = read(&format!("lbctl-{verb}.1"));
        assert!(page.contains(".SH SYNOPSIS"), "{verb}: {page}");
    }
    let page = read("lbctl.1");
    assert!(
        page.contains("Exit status") && page.contains("lbctl\\-drain(1)"),
        "{page}"
    );
}

#[test]
fn every_shell_gets_completions_for_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lbctl(&["completions", shell]).done();
        for verb in VERBS {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
        assert!(script.contains("if-revision"), "{shell}");
    }
}

#[test]
fn help_names_every_verb() {
    let help = lbctl(&["--help"]).done();
    for verb in VERBS {
        assert!(
            help.lines().any(|line| line.trim().starts_with(verb)),
            "{verb}: {help}"
        );
    }
    assert!(help.contains("Exit status"), "{help}");
}
