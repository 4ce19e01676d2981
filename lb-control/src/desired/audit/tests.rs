//! Cases of the log: lengths that are bounded, files that take turns.

use super::*;

fn record(changes: &[Change]) -> AuditRecord {
    let mut record = AuditRecord {
        at: 1,
        by: "somebody".to_owned(),
        via: "unix".to_owned(),
        action: Action::Apply,
        outcome: Outcome::Done,
        revision_before: 1,
        revision: 2,
        changes: Vec::new(),
        changes_left_out: 0,
        errors: Vec::new(),
    };
    record.set_changes(changes);
    record
}

fn change(path: &str, octets: usize) -> Change {
    Change {
        path: path.to_owned(),
        before: None,
        after: Some(Value::String("x".repeat(octets))),
    }
}

#[test]
fn a_record_of_many_changes_says_how_many_it_leaves_out() {
    let changes: Vec<_> = (0..250).map(|n| change(&n.to_string(), 1)).collect();
    let record = record(&changes);
    assert_eq!((record.changes.len(), record.changes_left_out), (100, 150));
}

#[test]
fn whatever_is_sent_to_us_a_record_stays_short() {
    let changes: Vec<_> = (0..50)
        .map(|n| change(&"p".repeat(5000), 1000 * n))
        .collect();
    let record = record(&changes);
    assert_eq!(record.changes.len() + record.changes_left_out, 50);
    assert!(serde_json::to_vec(&record).unwrap().len() < 40_000);
}

#[test]
fn the_memory_keeps_the_newest_records() {
    let mut audit = Audit::new(None);
    for revision in 0..RECORDS_KEPT as u64 + 5 {
        let mut record = record(&[]);
        record.revision = revision;
        audit.add(record);
    }
    let kept: Vec<_> = audit.last(usize::MAX).iter().map(|r| r.revision).collect();
    assert_eq!(
        (kept.len(), kept[0], kept[RECORDS_KEPT - 1]),
        (RECORDS_KEPT, 1004, 5)
    );
}

#[test]
fn a_file_that_is_full_makes_room_and_three_old_ones_stay() {
    let directory = std::env::temp_dir().join(format!("lb-audit-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("audit.log");
    for round in 0..6 {
        // A fresh log finds the file as the one before has left it.
        let mut audit = Audit::new(Some(path.clone()));
        audit.add(record(&[change(&format!("round {round}"), 1)]));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(FILE_OCTETS_MAX).unwrap();
        audit.open = Some((
            OpenOptions::new().append(true).open(&path).unwrap(),
            FILE_OCTETS_MAX,
        ));
        audit.add(record(&[]));
        assert_eq!(
            (
                audit.lost(),
                fs::read_to_string(&path).unwrap().lines().count()
            ),
            (0, 1)
        );
    }
    let mut names: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3"]
    );
    fs::remove_dir_all(&directory).unwrap();
}
