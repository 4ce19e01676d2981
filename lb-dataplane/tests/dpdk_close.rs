//! DPDK does not go down under an mbuf, an owner or a running lcore.
//!
//! Each refusal leaves DPDK up until the process ends, so each case is a process: the test starts its
//! own program again for one hidden test, which plays the case.

#![expect(clippy::unwrap_used, reason = "test")]

#[expect(dead_code, reason = "no case here sends frames")]
mod dpdk_support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dpdk_support::{arguments, frame};
use lb_dataplane::dpdk::eal::CloseError;
use lb_dataplane::dpdk::mempool::Settings;
use lb_dataplane::dpdk::{Eal, Mempool, lcore, ring};

/// Names the case to the process that plays it.
const CASE: &str = "LB_TEST_CLOSE_CASE";

fn play(case: &str) {
    let played = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_case", "--ignored", "--nocapture"])
        .env(CASE, case)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{case}: {told}");
    assert!(
        String::from_utf8_lossy(&played.stdout).contains("1 passed"),
        "{case}"
    );
}

#[test]
fn an_mbuf_that_is_out_keeps_dpdk_up_and_stays_readable() {
    play("mbuf");
}

#[test]
fn an_owner_keeps_dpdk_up() {
    play("owner");
}

#[test]
fn a_running_lcore_keeps_dpdk_up() {
    play("lcore");
}

#[test]
fn frames_left_in_a_ring_are_freed_with_it() {
    play("ring");
}

#[test]
#[ignore = "the other tests start it, in a process of its own"]
fn one_case() {
    let (eal, _) = Eal::init(arguments(&[])).unwrap();
    let pool = Mempool::create(
        &eal,
        "frames",
        Settings {
            count: 511,
            ..Settings::default()
        },
    )
    .unwrap();
    let mbuf = frame(&pool, b"still here");
    match std::env::var(CASE).unwrap().as_str() {
        "mbuf" => {
            drop(pool);
            let refused = CloseError::MbufsOut {
                pool: "frames".to_owned(),
                missing: 1,
            };
            assert_eq!(eal.close(), Err(refused));
            assert_eq!(mbuf.head(), b"still here");
        }
        "owner" => {
            drop(mbuf);
            assert_eq!(eal.close(), Err(CloseError::Held));
            assert_eq!(frame(&pool, b"and works").head(), b"and works");
        }
        "lcore" => {
            drop((mbuf, pool));
            let lcore = eal.worker_lcores()[0];
            let ends = Arc::new(AtomicBool::new(false));
            let seen = Arc::clone(&ends);
            let work = move || {
                while !seen.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            };
            drop(lcore::launch(&eal, lcore, work).unwrap());
            assert_eq!(eal.close(), Err(CloseError::Running(lcore)));
            ends.store(true, Ordering::Relaxed);
        }
        "ring" => {
            let (mut sender, receiver) = ring::single(&eal, "left", 8, None).unwrap();
            let mut burst = lb_dataplane::dpdk::Burst::new();
            burst.push(mbuf).unwrap();
            assert_eq!(sender.send(&mut burst), 1);
            drop(sender);
            assert_eq!(receiver.len(), 1);
            drop((receiver, pool));
            eal.close().unwrap();
        }
        other => panic!("no case {other}"),
    }
}
