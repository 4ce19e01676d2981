//! The patent map is whole, and what it names exists.
//!
//! WO 00/30294: `docs/patent-map.md` lists each figure, box, step and claim with its file and its test.
//! Easy to get wrong: a test that is renamed leaves the map behind; this says which row.
#![expect(clippy::unwrap_used, reason = "test")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn map() -> String {
    fs::read_to_string(root().join("docs/patent-map.md")).unwrap()
}

/// What stands in backquotes in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Rows of all tables: cells without the outer bars.
fn rows(map: &str) -> Vec<Vec<&str>> {
    let lines = map
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(|line| line.split(" | ").collect()).collect()
}

/// Whether `name` is a test in a Rust file, or a function of a shell file (`x.sh`, or a program without an extension).
fn is_test(file: &str, text: &str, name: &str) -> bool {
    if Path::new(file).extension().is_none_or(|kind| kind != "rs") {
        return text.contains(&format!("\n{name}() {{"));
    }
    let Some((before, _)) = text.split_once(&format!("fn {name}(")) else {
        return false;
    };
    before
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        == Some("#[test]")
}

#[test]
fn every_part_of_the_patent_has_one_row() {
    let figures = (1..=13).map(|n| format!("Fig. {n}"));
    let boxes = [
        34, 37, 42, 44, 52, 53, 54, 57, 58, 62, 64, 65, 66, 68, 72, 74,
    ];
    let steps = (102..=112).step_by(2).chain((204..=224).step_by(2));
    let claims = (1..=14).chain(22..=24).map(|n| format!("claim {n}"));
    let numbers = boxes.into_iter().chain(steps).map(|n| n.to_string());
    let map = map();
    let rows = rows(&map);
    for part in figures.chain(numbers).chain(claims) {
        let count = rows
            .iter()
            .filter(|row| row.first() == Some(&part.as_str()))
            .count();
        assert_eq!(count, 1, "rows of {part}");
    }
}

#[test]
fn every_row_names_a_file_or_says_why_not() {
    let map = map();
    for row in rows(&map) {
        let [part, what, place, test] = row.as_slice() else {
            assert!(
                row.iter().all(|cell| cell.is_empty()),
                "four cells: {row:?}"
            );
            continue;
        };
        if *place == "where" {
            continue;
        }
        let is_absent = *what == "not described" || place.starts_with("not built yet (");
        let has_file = quoted(place).any(|word| word.contains('/'));
        let has_test = quoted(test).any(|word| word.contains("::"));
        assert!(is_absent || has_file, "{part} has no file");
        assert!(
            is_absent || has_test || test.starts_with("no test"),
            "{part} has no test"
        );
    }
}

#[test]
fn every_file_and_test_that_the_map_names_exists() {
    let map = map();
    let mut tests = 0;
    for word in map
        .lines()
        .flat_map(quoted)
        .filter(|word| word.contains('/'))
    {
        let (file, test) = word
            .split_once("::")
            .map_or((word, None), |(file, test)| (file, Some(test)));
        let path = root().join(file);
        assert!(path.exists(), "there is no {file}");
        if let Some(test) = test {
            let text = fs::read_to_string(&path).unwrap();
            assert!(is_test(file, &text, test), "{file} has no test {test}");
            tests += 1;
        }
    }
    assert!(tests > 30, "only {tests} tests found");
}
