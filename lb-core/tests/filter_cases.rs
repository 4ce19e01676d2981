//! The table of packet cases, in memory.
//!
//! WO 00/30294, Fig. 6. The same table goes through the program in `lb-dataplane/tests/captures.rs`.

use std::collections::BTreeSet;

use lb_core::testkit::cases::cases;
use lb_core::testkit::{Way, run};

/// Runs every case that can run in this way.
fn run_all(way: Way) {
    let failures: Vec<String> = cases()
        .iter()
        .filter(|case| way.not_for(case).is_none())
        .filter_map(|case| run(case, way).err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} cases failed:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_case_holds_step_by_step() {
    run_all(Way::StepByStep);
}

#[test]
fn every_case_holds_with_neighboring_frames_in_one_burst() {
    run_all(Way::Bursts);
}

#[test]
fn every_case_holds_with_each_frames_headers_alone_in_its_first_segment() {
    run_all(Way::Split);
}

#[test]
fn every_case_holds_with_port_0_polled_before_port_1() {
    run_all(Way::PortByPort);
}

#[test]
fn every_case_has_a_name_of_its_own_and_there_are_enough_of_them() {
    let cases = cases();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 130, "{} cases", cases.len());
    let rows: BTreeSet<_> = cases.iter().map(|case| case.row).collect();
    for row in (1..=11).chain([14]).chain(19..=25).chain([28, 30]) {
        assert!(rows.contains(&row), "no case for row {row}");
    }
}

#[test]
fn few_cases_cannot_run_through_the_program() {
    let all = cases();
    let few = all
        .iter()
        .filter(|case| case.in_memory_only.is_some())
        .count();
    assert!(few * 5 <= all.len(), "{few} of {}", all.len());
}
