//! What the manuals point to is there: files of the tree, and other manuals.
//!
//! No counterpart in the patent. Easy to get wrong: only words in backquotes that begin with a folder of ours are
//! taken for a path; what holds a capitalised placeholder is a pattern.
#![expect(clippy::unwrap_used, reason = "test")]

use std::fs;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 11] = [
    ".ci/",
    "ci/",
    "docs/",
    "dpdk-sys/",
    "fuzz/",
    "lb-agent/",
    "lb-control/",
    "lb-core/",
    "lb-dataplane/",
    "scripts/",
    "tests/",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every manual with its text.
fn manuals() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let all = pages.chain([root().join("README.md")]);
    all.map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_file_that_a_manual_names_exists() {
    let mut named = 0;
    for (manual, text) in manuals() {
        for quoted in text
            .lines()
            .flat_map(|line| line.split('`').skip(1).step_by(2))
        {
            let first = quoted.split_whitespace().next().unwrap_or_default();
            let file = first.split("::").next().unwrap_or_default();
            let is_pattern = file.chars().any(|c| c == '*' || c.is_ascii_uppercase())
                && !file.ends_with(".toml");
            if is_pattern || !FOLDERS.iter().any(|folder| file.starts_with(folder)) {
                continue;
            }
            named += 1;
            // What is said to be missing may be missing.
            let is_optional = file.starts_with("fuzz/") || file == "scripts/bench";
            assert!(
                is_optional || root().join(file).exists(),
                "{}: there is no {file}",
                manual.display()
            );
        }
    }
    assert!(named > 100, "only {named} files found");
}

#[test]
fn every_page_that_a_manual_links_to_exists() {
    for (manual, text) in manuals() {
        let folder = manual.parent().unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let page = link.split('#').next().unwrap_or_default();
            let is_elsewhere = page.is_empty() || page.contains("://");
            assert!(
                is_elsewhere || folder.join(page).exists(),
                "{}: no page {link}",
                manual.display()
            );
        }
    }
}
