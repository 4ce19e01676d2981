//! A thousand checks a second: all are made, by one thread, and not at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::kit::{Asked, Side, document, until};
use crate::servers::closed;

const MANY: usize = 1000;

/// A server whose every connection is counted and noted with its moment; one thread for all.
fn counting() -> (SocketAddr, Arc<AtomicUsize>, Arc<Mutex<Vec<Instant>>>) {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let moments = Arc::new(Mutex::new(Vec::new()));
    let (counts, notes) = (Arc::clone(&count), Arc::clone(&moments));
    std::thread::spawn(move || {
        for _stream in listener.incoming().flatten() {
            counts.fetch_add(1, Ordering::Relaxed);
            notes.lock().push(Instant::now());
        }
    });
    (at, count, moments)
}

/// Threads of this process that make checks: the task's own and any that a runtime would add.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    let makes_checks = |name: &String| name.starts_with("lb-health") || name.starts_with("tokio");
    names.filter(makes_checks).count()
}

#[test]
fn a_thousand_backends_are_checked_every_second_by_one_thread() {
    let (at, count, moments) = counting();
    let dead = closed();
    let names: Vec<String> = (0..MANY).map(|number| format!("b{number}")).collect();
    // Every hundredth is dead.
    let asked: Vec<Asked<'_>> = names
        .iter()
        .enumerate()
        .map(|(number, name)| (name.as_str(), if number % 100 == 0 { dead } else { at }, ""))
        .collect();
    let keys = r#""health": { "type": "tcp", "interval": 1, "timeout": 1 }"#;
    let side = Side::new(&document(keys, &asked));
    until("everybody is checked three times", || {
        let mut least = u64::MAX;
        side.checks.ask(|table| {
            for (_, entry) in table.entries() {
                least = least.min(entry.standing.checks);
            }
        });
        (3..u64::MAX).contains(&least)
    });
    // One here, and one for each other test of this process.
    assert!((1..=16).contains(&threads()), "{}", threads());
    side.checks.ask(|table| {
        assert_eq!(table.entries().count(), MANY);
        let tally = table.tally();
        assert_eq!(tally.not_made, 0);
        let failed: u64 = tally.failed.values().sum();
        assert!(tally.passed + failed >= 3 * MANY as u64, "{tally:?}");
        assert!(failed >= 30, "{tally:?}");
    });
    until("all connections are counted", || {
        count.load(Ordering::Relaxed) >= 2970
    });
    until("who is dead gets nothing", || {
        side.weight("b100") == 0 && side.weight("b1") == 100
    });
    // Spread: of the tenths of a second there were, the fullest has far less than all checks of a second.
    let moments = moments.lock();
    let first = *moments.first().unwrap();
    let mut tenths = std::collections::BTreeMap::<u128, usize>::new();
    for moment in moments.iter() {
        *tenths
            .entry(moment.duration_since(first).as_millis() / 100)
            .or_default() += 1;
    }
    assert!(tenths.len() >= 10, "{tenths:?}");
}
