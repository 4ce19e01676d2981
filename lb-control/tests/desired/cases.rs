//! Cases of changing the document: applied, refused, rolled back, patched, looked at.
//!
//! No counterpart in the patent. Easy to get wrong: what a refusal must leave as it was is more than the document.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use lb_control::control::{Action, ApplyError, Outcome, Patch};
use lb_core::config::BackendState;
use proptest::prelude::*;

use super::documents::{right, too_large, wrong};
use super::support::{Side, Start, agree, somebody};

/// Two services of two backends each.
pub(crate) const TEXT: &str = r#"{
  "interfaces": [ { "port": 1, "name": "server", "addresses": ["10.0.0.1/24"] } ],
  "services": [
    { "name": "web", "address": "192.0.2.10", "port": 80, "protocol": "tcp", "forwarding": "nat",
      "weights": "even",
      "backends": [ { "name": "web-1", "address": "10.0.0.11" }, { "name": "web-2", "address": "10.0.0.12" } ] },
    { "name": "dns", "address": "192.0.2.10", "port": 53, "protocol": "udp", "forwarding": "nat",
      "backends": [ { "name": "dns-1", "address": "10.0.0.21" }, { "name": "dns-2", "address": "10.0.0.22" } ] }
  ]
}
"#;

pub(crate) fn side(text: &str) -> Side {
    Start {
        text: Some(text),
        ..Start::default()
    }
    .side()
    .unwrap()
}

fn drain() -> Patch {
    Patch {
        weight: None,
        state: Some(BackendState::Draining),
    }
}

#[test]
fn a_program_without_a_document_has_an_empty_one() {
    let it = Start::default().side().unwrap();
    let current = it.control.current();
    assert_eq!((current.number, &*current.text), (1, "{}"));
    it.control.look(|look| {
        assert_eq!((look.generation, look.flips, look.refusals), (1, 1, 0));
        assert!(look.distribution.services().is_empty());
    });
}

#[test]
fn a_program_does_not_start_with_a_document_that_is_wrong() {
    let start = Start {
        text: Some("{\"a\": 1}"),
        ..Start::default()
    };
    let Err(ApplyError::Refused(refusals)) = start.side() else {
        unreachable!("it was taken")
    };
    assert_eq!(refusals[0].path, "a");
}

#[test]
fn a_document_is_given_back_as_it_was_put() {
    let it = side("{}");
    let text = format!("\n{TEXT}\t ");
    let applied = it.control.apply(&text, &somebody(), None).unwrap();
    assert_eq!((applied.revision, applied.generation), (2, 2));
    let current = it.control.current();
    assert_eq!((current.number, &*current.text), (2, text.as_str()));
    assert_eq!(current.by, somebody());
    it.control.look(agree);
}

#[test]
fn a_text_that_is_in_force_already_makes_no_revision_and_other_words_for_it_no_flip() {
    let it = side(TEXT);
    let same = it.control.apply(TEXT, &somebody(), None).unwrap();
    assert_eq!(
        (same.revision, same.generation, same.changes.len()),
        (1, 1, 0)
    );
    let words = TEXT.replace(' ', "");
    let other = it.control.apply(&words, &somebody(), None).unwrap();
    assert_eq!(
        (other.revision, other.generation, other.changes.len()),
        (2, 1, 0)
    );
    assert_eq!(&*it.control.current().text, words);
    it.control.look(|look| assert_eq!(look.flips, 1));
}

#[test]
fn whoever_knows_an_older_revision_is_told_which_one_is_in_force() {
    let it = side(TEXT);
    let first = it.control.current().number;
    it.control
        .patch_backend("web", "web-1", &drain(), &somebody(), Some(first))
        .unwrap();
    let before = it.trace();
    let late = it.control.apply("{}", &somebody(), Some(first));
    assert!(matches!(
        late,
        Err(ApplyError::Conflict { expected: 1, is: 2 })
    ));
    let late = it
        .control
        .patch_backend("web", "web-2", &drain(), &somebody(), Some(first));
    assert!(matches!(
        late,
        Err(ApplyError::Conflict { expected: 1, is: 2 })
    ));
    assert_eq!(it.trace(), before);
    it.control.apply("{}", &somebody(), Some(2)).unwrap();
}

#[test]
fn a_backend_that_drains_has_no_weight_and_one_that_is_disabled_no_place() {
    let it = side(TEXT);
    let applied = it
        .control
        .patch_backend("dns", "dns-1", &drain(), &somebody(), None)
        .unwrap();
    let [change] = applied.changes.as_slice() else {
        unreachable!("one change")
    };
    assert_eq!(change.path, "services[dns].backends[dns-1].state");
    assert_eq!(
        (change.before.clone(), change.after.clone()),
        (Some("enabled".into()), Some("draining".into()))
    );
    it.control.look(|look| {
        assert_eq!(
            [look.weight("dns", "dns-1"), look.weight("dns", "dns-2")],
            [Some(0), Some(100)]
        );
    });
    let disable = Patch {
        weight: Some(7),
        state: Some(BackendState::Disabled),
    };
    it.control
        .patch_backend("dns", "dns-2", &disable, &somebody(), None)
        .unwrap();
    it.control.look(|look| {
        agree(look);
        assert_eq!(
            [look.weight("dns", "dns-1"), look.weight("dns", "dns-2")],
            [Some(0), None]
        );
        let (_, dns) = look.revision.service("dns").unwrap();
        assert_eq!(dns.backends[1].weight, 7);
    });
}

#[test]
fn a_patch_that_changes_nothing_makes_no_revision() {
    let it = side(TEXT);
    let same = Patch {
        weight: Some(100),
        state: Some(BackendState::Enabled),
    };
    for patch in [same, Patch::default()] {
        let applied = it
            .control
            .patch_backend("web", "web-1", &patch, &somebody(), None)
            .unwrap();
        assert_eq!((applied.revision, applied.generation), (1, 1));
    }
    assert_eq!(&*it.control.current().text, TEXT);
}

#[test]
fn a_patch_of_nobody_says_who_is_missing() {
    let it = side(TEXT);
    for (service, backend, says) in [
        ("mail", "web-1", "there is no service `mail`"),
        ("web", "dns-1", "service `web` has no backend `dns-1`"),
    ] {
        let error = it
            .control
            .patch_backend(service, backend, &drain(), &somebody(), None)
            .unwrap_err();
        assert!(matches!(error, ApplyError::NotFound { .. }));
        assert_eq!(error.to_string(), says);
    }
}

#[test]
fn a_weight_out_of_range_is_refused_with_its_key() {
    let it = side(TEXT);
    let patch = Patch {
        weight: Some(65_536),
        state: None,
    };
    let error = it
        .control
        .patch_backend("web", "web-2", &patch, &somebody(), None)
        .unwrap_err();
    let ApplyError::Refused(refusals) = error else {
        unreachable!("{error}")
    };
    assert_eq!(refusals[0].path, "services[0].backends[1].weight");
}

#[test]
fn any_of_sixteen_revisions_comes_back_and_none_before() {
    let it = side(TEXT);
    let texts: Vec<String> = (0..20)
        .map(|round| {
            TEXT.replacen(
                "\"10.0.0.11\"",
                &format!("\"10.0.0.11\", \"weight\": {round}"),
                1,
            )
        })
        .collect();
    for text in &texts {
        it.control.apply(text, &somebody(), None).unwrap();
    }
    let kept: Vec<u64> = it
        .control
        .revisions()
        .iter()
        .map(|revision| revision.number)
        .collect();
    assert_eq!(kept, (6..=21).rev().collect::<Vec<_>>());
    let before = it.trace();
    for gone in [0, 1, 5, 22] {
        let error = it.control.rollback(gone, &somebody()).unwrap_err();
        assert!(
            matches!(error, ApplyError::NoSuchRevision { oldest: 6, newest: 21, wanted } if wanted == gone)
        );
    }
    assert_eq!(it.trace(), before);
    // Every rollback is a revision too, so the oldest goes away with it.
    for (rolled, number) in (0..).zip(6..=21_u64) {
        let text = Arc::clone(&it.control.revisions().last().unwrap().text);
        let applied = it.control.rollback(number, &somebody()).unwrap();
        assert_eq!(applied.revision, 22 + rolled);
        assert_eq!(it.control.current().text, text);
        it.control.look(|look| {
            agree(look);
            assert_eq!(
                look.weight("web", "web-1"),
                Some(u32::try_from(number - 2).unwrap())
            );
        });
    }
}

#[test]
fn a_diff_and_a_check_change_nothing() {
    let it = side(TEXT);
    let before = it.trace();
    let other = TEXT
        .replace("10.0.0.22", "10.0.0.23")
        .replace("\"port\": 53", "\"port\": 54");
    it.control.check(&other).unwrap();
    let changes = it.control.diff(&other).unwrap();
    let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "services[dns].port",
            "services[dns].backends[dns-2].address"
        ]
    );
    assert!(it.control.check("{\"x\": 1}").is_err());
    assert!(it.control.diff("{\"x\": 1}").is_err());
    assert_eq!(it.trace(), before);
    assert_eq!(it.control.audit(10).len(), 1);
}

#[test]
fn a_document_that_only_a_build_refuses_is_refused_with_a_key_and_changes_nothing() {
    let it = Start {
        text: Some(TEXT),
        neighbors: 64,
        ..Start::default()
    }
    .side()
    .unwrap();
    let before = it.trace();
    let text = too_large();
    let refusals = it.control.check(&text).unwrap_err();
    assert_eq!(it.trace(), before);
    let Err(ApplyError::Refused(applied)) = it.control.apply(&text, &somebody(), None) else {
        unreachable!("it was taken")
    };
    assert_eq!(it.trace(), before);
    for refusals in [refusals, applied] {
        let [refusal] = refusals.as_slice() else {
            unreachable!("one refusal")
        };
        assert!(refusal.path.ends_with(".address"), "{refusal}");
        assert!(
            refusal.line > 1 && refusal.message.contains("neighbor table is full"),
            "{refusal}"
        );
    }
    it.control
        .apply(&TEXT.replace("10.0.0.22", "10.0.0.23"), &somebody(), None)
        .unwrap();
}

#[test]
fn while_a_lcore_stays_in_the_generation_before_changes_are_refused_as_busy() {
    let mut it = side(TEXT);
    assert_eq!(it.reader.turn().generation, 1);
    it.control.apply("{}", &somebody(), None).unwrap();
    let before = it.trace();
    let stuck = it.control.apply(TEXT, &somebody(), None);
    assert!(matches!(stuck, Err(ApplyError::Busy(_))));
    assert_eq!(it.trace(), before);
    assert_eq!(it.reader.turn().generation, 2);
    it.control.apply(TEXT, &somebody(), None).unwrap();
    it.control.look(agree);
}

#[test]
fn a_panic_in_the_middle_of_a_change_leaves_everything_as_it_was() {
    let it = side(TEXT);
    let before = it.trace();
    it.panics.store(true, Ordering::Relaxed);
    let other = TEXT.replace("10.0.0.22", "10.0.0.23");
    catch_unwind(AssertUnwindSafe(|| {
        it.control.apply(&other, &somebody(), None)
    }))
    .unwrap_err();
    catch_unwind(AssertUnwindSafe(|| it.control.check(&other))).unwrap_err();
    it.panics.store(false, Ordering::Relaxed);
    assert_eq!(it.trace(), before);
    it.control.apply(&other, &somebody(), None).unwrap();
    it.control.look(agree);
}

#[test]
fn every_change_stands_in_the_audit_log_and_refused_ones_too() {
    let it = side(TEXT);
    it.control
        .patch_backend("web", "web-1", &drain(), &somebody(), None)
        .unwrap();
    let wrong = TEXT.replace("10.0.0.22", "10.9.9.9");
    it.control.apply(&wrong, &somebody(), None).unwrap_err();
    it.control.apply("{}", &somebody(), Some(1)).unwrap_err();
    it.control.rollback(1, &somebody()).unwrap();
    it.control.rollback(99, &somebody()).unwrap_err();
    it.control.reload(&somebody()).unwrap_err();
    it.control.save(&somebody()).unwrap_err();
    let records = it.control.audit(usize::MAX);
    let seen: Vec<_> = records
        .iter()
        .rev()
        .map(|r| {
            (
                r.action,
                r.outcome,
                r.revision_before,
                r.revision,
                r.changes.len(),
                r.errors.len(),
            )
        })
        .collect();
    use Action::{Apply, Patch, Reload, Rollback, Save, Start};
    use Outcome::{Done, Refused};
    assert_eq!(
        seen,
        [
            (Start, Done, 0, 1, 0, 0),
            (Patch, Done, 1, 2, 1, 0),
            (Apply, Refused, 2, 2, 2, 1),
            (Apply, Refused, 2, 2, 3, 1),
            (Rollback, Done, 2, 3, 1, 0),
            (Rollback, Refused, 3, 3, 0, 1),
            (Reload, Refused, 3, 3, 0, 1),
            (Save, Refused, 3, 3, 0, 1),
        ]
    );
    assert!(records[0].errors[0].contains("no file to write"));
    assert_eq!(
        (records[6].by.as_str(), records[6].via.as_str()),
        ("uid 0 (pid 1)", "unix")
    );
    assert_eq!(it.control.audit(2).len(), 2);
    it.control.look(|look| assert_eq!(look.refusals, 4));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_refused_document_leaves_everything_as_it_was(first in right(), second in wrong(), third in right()) {
        let it = Start { neighbors: 64, ..Start::default() }.side().unwrap();
        // A random one may be too large for the neighbor table; then nothing is in force but the empty one.
        let _ = it.control.apply(&first, &somebody(), None);
        let before = it.trace();
        let ok = it.control.check(&second).is_ok();
        prop_assert_eq!(it.trace(), before);
        let before = it.trace();
        let applied = it.control.apply(&second, &somebody(), None);
        prop_assert_eq!(applied.is_ok(), ok);
        if !ok {
            prop_assert_eq!(it.trace(), before);
        }
        if it.control.apply(&third, &somebody(), None).is_ok() {
            prop_assert_eq!(&*it.control.current().text, third);
        }
        it.control.look(agree);
    }
}
