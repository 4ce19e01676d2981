//! Cases of the document's file and the audit log's.
//!
//! No counterpart in the patent. Easy to get wrong: what is in force and what is in the file may differ on purpose.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use lb_control::control::{ApplyError, AuditRecord, Patch, SaveError};

use super::cases::TEXT;
use super::support::{Directory, Side, Start, somebody};

fn with_file(file: &Path) -> Side {
    let text = fs::read_to_string(file).unwrap();
    Start {
        text: Some(&text),
        file: Some(file),
        ..Start::default()
    }
    .side()
    .unwrap()
}

fn patch(it: &Side, weight: u32) {
    let patch = Patch {
        weight: Some(weight),
        state: None,
    };
    it.control
        .patch_backend("web", "web-1", &patch, &somebody(), None)
        .unwrap();
}

#[test]
fn what_the_api_changed_is_saved_whole_with_the_files_mode_and_nothing_is_left_beside() {
    let directory = Directory::new("save");
    let file = directory.file("lb.json");
    fs::write(&file, TEXT).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    let it = with_file(&file);
    patch(&it, 5);
    assert_eq!(fs::read_to_string(&file).unwrap(), TEXT);
    assert_eq!(it.control.save(&somebody()).unwrap(), file);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        *it.control.current().text
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o604
    );
    assert_eq!(directory.names(), ["lb.json"]);
    // Read again, it is what is in force.
    let again = it.control.reload(&somebody()).unwrap();
    assert_eq!(again.revision, 2);
}

#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_replaced() {
    let directory = Directory::new("link");
    let (file, link) = (directory.file("real.json"), directory.file("lb.json"));
    fs::write(&file, TEXT).unwrap();
    symlink(&file, &link).unwrap();
    let it = with_file(&link);
    patch(&it, 5);
    it.control.save(&somebody()).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        *it.control.current().text
    );
}

#[test]
fn what_somebody_else_wrote_into_the_file_is_not_overwritten() {
    let directory = Directory::new("changed");
    let file = directory.file("lb.json");
    fs::write(&file, TEXT).unwrap();
    let it = with_file(&file);
    patch(&it, 5);
    let theirs = TEXT.replace("10.0.0.22", "10.0.0.23");
    fs::write(&file, &theirs).unwrap();
    assert!(matches!(
        it.control.save(&somebody()),
        Err(SaveError::Changed { .. })
    ));
    assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
    it.control.reload(&somebody()).unwrap();
    patch(&it, 6);
    it.control.save(&somebody()).unwrap();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        *it.control.current().text
    );
    fs::remove_file(&file).unwrap();
    it.control.save(&somebody()).unwrap();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        *it.control.current().text
    );
}

#[test]
fn a_file_that_is_wrong_or_gone_is_not_loaded() {
    let directory = Directory::new("reload");
    let file = directory.file("lb.json");
    fs::write(&file, TEXT).unwrap();
    let it = with_file(&file);
    let before = it.trace();
    fs::write(&file, "{ \"services\": 7 }").unwrap();
    assert!(matches!(
        it.control.reload(&somebody()),
        Err(ApplyError::Refused(_))
    ));
    fs::write(&file, [0xff, 0xfe]).unwrap();
    assert!(matches!(
        it.control.reload(&somebody()),
        Err(ApplyError::File { .. })
    ));
    fs::remove_file(&file).unwrap();
    assert!(matches!(
        it.control.reload(&somebody()),
        Err(ApplyError::File { .. })
    ));
    assert_eq!(it.trace(), before);
    fs::write(&file, "{}").unwrap();
    assert_eq!(it.control.reload(&somebody()).unwrap().revision, 2);
    it.control.look(|look| assert_eq!(look.refusals, 3));
}

#[test]
fn the_audit_log_is_a_file_of_json_lines_that_goes_on_after_a_restart() {
    let directory = Directory::new("audit");
    let log = directory.file("audit.log");
    for round in 1..=2 {
        let it = Start {
            text: Some(TEXT),
            audit: Some(&log),
            ..Start::default()
        }
        .side()
        .unwrap();
        patch(&it, round);
        let lines = fs::read_to_string(&log).unwrap();
        let records: Vec<AuditRecord> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(records.len(), 2 * usize::try_from(round).unwrap());
        let mut newest = it.control.audit(2);
        newest.reverse();
        assert_eq!(records[records.len() - 2..], newest);
        assert_eq!(it.control.audit_lost(), 0);
    }
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o007, 0);
}

#[test]
fn a_log_that_cannot_be_written_holds_up_nothing_and_is_counted() {
    let directory = Directory::new("lost");
    let log = directory.file("nowhere/audit.log");
    let it = Start {
        text: Some(TEXT),
        audit: Some(&log),
        ..Start::default()
    }
    .side()
    .unwrap();
    patch(&it, 5);
    assert_eq!(it.control.audit_lost(), 2);
    fs::create_dir(directory.file("nowhere")).unwrap();
    patch(&it, 6);
    assert_eq!(it.control.audit_lost(), 2);
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 1);
    assert_eq!(it.control.audit(10).len(), 3);
}
