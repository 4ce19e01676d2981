//! What an operator reads when DPDK does not come up.
//!
//! A failed start is the only one of a process, so each case is a process: the test starts its own
//! program again for one hidden test, which tries the arguments and prints the error.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test")]

use std::process::{Command, Output};

use lb_dataplane::dpdk::Eal;

/// Carries the arguments to the process that tries them.
const ARGUMENTS: &str = "LB_TEST_EAL_ARGUMENTS";

fn start(arguments: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_start", "--ignored", "--nocapture"])
        .env(ARGUMENTS, arguments)
        .output()
        .unwrap()
}

fn told(arguments: &str) -> String {
    let output = String::from_utf8(start(arguments).stdout).unwrap();
    let told = output.lines().find_map(|line| line.split_once("told: "));
    told.unwrap_or_else(|| panic!("{arguments}: {output}"))
        .1
        .to_owned()
}

#[test]
#[ignore = "the other tests start it, in a process of its own"]
fn one_start() {
    let arguments = std::env::var(ARGUMENTS).unwrap();
    let words = arguments.split(' ').map(str::to_owned);
    match Eal::init(words) {
        Ok((_, consumed)) => println!("told: up, {consumed} consumed"),
        Err(error) => println!("told: {error}"),
    }
    let again = Eal::init(["again".to_owned()]).map(|_| ()).unwrap_err();
    assert!(again.to_string().contains("only once"), "{again}");
}

const PLAIN: &str = "lb --no-huge -m 64 --no-shconf --no-pci --no-telemetry --lcores 0@0";

#[test]
fn missing_hugepages_are_told_with_the_cure() {
    let told = told("lb --huge-dir /nonexistent --no-shconf --no-pci --no-telemetry --lcores 0@0");
    assert!(
        told.starts_with("no hugepages: reserve some (echo 1024 > "),
        "{told}"
    );
}

#[test]
fn an_unknown_option_is_told_apart_from_the_programs_own() {
    let told = told(&format!("{PLAIN} --ports 0 -- --config x"));
    assert!(
        told.contains("refuses its arguments (everything before --)"),
        "{told}"
    );
}

#[test]
fn a_word_that_belongs_to_no_option_is_named() {
    let told = told(&format!("{PLAIN} lb.json"));
    assert!(told.starts_with("\"lb.json\" is no EAL option"), "{told}");
}

#[test]
fn a_device_that_no_driver_knows_is_an_error() {
    let told = told(&format!("{PLAIN} --vdev=nonsense0"));
    assert!(told.contains("--vdev"), "{told}");
}

#[test]
fn the_programs_own_options_are_left_over() {
    let words = PLAIN.split(' ').count() + 1;
    assert_eq!(
        told(&format!("{PLAIN} -- --ports 0")),
        format!("up, {words} consumed")
    );
    assert_eq!(told(PLAIN), format!("up, {} consumed", words - 1));
}

#[test]
fn asking_the_eal_for_help_ends_the_process_well() {
    let output = start("lb --help");
    assert!(output.status.success());
    assert!(
        !String::from_utf8_lossy(&output.stdout).contains("told:"),
        "the EAL has exited by itself"
    );
}
