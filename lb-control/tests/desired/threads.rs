//! Several threads change and look at once, while a lcore takes its turns.
//!
//! No counterpart in the patent. `PROPTEST_CASES` makes it longer: a case is about 50 calls.
//! Easy to get wrong: who has been answered may have been overtaken since; what he put is then an older revision.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lb_control::control::{ApplyError, Control, Patch, ServiceWeights};
use lb_core::config::{BackendState, Distribution};
use lb_core::shared::Reader;
use proptest::prelude::*;

use super::documents::{right, wrong};
use super::support::{Start, agree, somebody, weights};

/// One call.
#[derive(Clone, Debug)]
enum Call {
    Put(String),
    PutIfCurrent(String),
    Check(String),
    Diff(String),
    Patch(u8, u8, Option<u32>, Option<BackendState>),
    Rollback(u64),
    Weights(Vec<(u8, u8, u32)>),
}

fn call() -> impl Strategy<Value = Call> {
    let states = [
        BackendState::Enabled,
        BackendState::Draining,
        BackendState::Disabled,
    ];
    let state = prop::option::of(prop::sample::select(states.to_vec()));
    prop_oneof![
        4 => right().prop_map(Call::Put),
        2 => wrong().prop_map(Call::Put),
        2 => right().prop_map(Call::PutIfCurrent),
        1 => prop_oneof![right(), wrong()].prop_map(Call::Check),
        1 => prop_oneof![right(), wrong()].prop_map(Call::Diff),
        4 => (1_u8..9, 2_u8..98, prop::option::of(0_u32..70_000), state)
            .prop_map(|(service, backend, weight, state)| Call::Patch(service, backend, weight, state)),
        2 => (0_u64..20).prop_map(Call::Rollback),
        4 => prop::collection::vec((1_u8..9, 2_u8..98, 0_u32..2000), 0..20).prop_map(Call::Weights),
    ]
}

/// Makes the call and looks at what it came to.
fn make(control: &Control, call: &Call) {
    match call {
        Call::Put(text) => was_put(control, text, control.apply(text, &somebody(), None)),
        Call::PutIfCurrent(text) => {
            let current = control.current().number;
            was_put(
                control,
                text,
                control.apply(text, &somebody(), Some(current)),
            );
        }
        Call::Check(text) => {
            let _ = control.check(text);
        }
        Call::Diff(text) => {
            let _ = control.diff(text);
        }
        Call::Patch(service, backend, weight, state) => {
            let patch = Patch {
                weight: *weight,
                state: *state,
            };
            let (service, backend) = (format!("s{service}"), format!("b{backend}"));
            let patched = control.patch_backend(&service, &backend, &patch, &somebody(), None);
            assert!(!matches!(patched, Err(ApplyError::Conflict { .. })));
        }
        Call::Rollback(back) => {
            let number = control.current().number.saturating_sub(*back);
            let text = control.revisions().into_iter().find(|r| r.number == number);
            let rolled = control.rollback(number, &somebody());
            if let Some(revision) = text {
                was_put(control, &revision.text, rolled);
            }
        }
        Call::Weights(wishes) => {
            let wishes: Vec<_> = wishes
                .iter()
                .map(|(service, backend, weight)| ServiceWeights {
                    service: format!("s{service}"),
                    weights: vec![(format!("b{backend}"), *weight)],
                })
                .collect();
            let _ = control.set_weights(&wishes);
        }
    }
}

/// What was put is a revision with the same text, while it is kept; what was refused says why.
fn was_put(
    control: &Control,
    text: &str,
    answer: Result<lb_control::control::Applied, ApplyError>,
) {
    match answer {
        Ok(applied) => {
            let found = control
                .revisions()
                .into_iter()
                .find(|r| r.number == applied.revision);
            assert!(found.is_none_or(|revision| &*revision.text == text));
        }
        Err(ApplyError::Refused(refusals)) => assert!(!refusals.is_empty()),
        Err(_) => {}
    }
}

/// Takes turns until told to stop: generations go up, and each is whole.
fn take_turns(reader: &mut Reader<Distribution>, stop: &AtomicBool) {
    let mut last = 0;
    while !stop.load(Ordering::Relaxed) {
        let seen = reader.turn();
        assert!(seen.generation >= last);
        last = seen.generation;
        for service in seen.services() {
            for &slot in &service.backends {
                assert_eq!(seen.backend(slot).unwrap().service, service.slot);
            }
        }
        thread::yield_now();
    }
    reader.rest();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_called_at_once_document_and_distribution_agree(
        calls in prop::collection::vec(prop::collection::vec(call(), 8..16), 4)
    ) {
        let mut it = Start { neighbors: 64, ..Start::default() }.side().unwrap();
        let (control, reader, stop) = (&it.control, &mut it.reader, AtomicBool::new(false));
        thread::scope(|scope| {
            let callers: Vec<_> = calls
                .iter()
                .map(|calls| scope.spawn(move || {
                    for call in calls {
                        make(control, call);
                        control.look(agree);
                    }
                }))
                .collect();
            let lcore = scope.spawn(|| take_turns(reader, &stop));
            let ended: Vec<_> = callers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            stop.store(true, Ordering::Relaxed);
            lcore.join().unwrap();
            for caller in ended {
                caller.unwrap();
            }
        });
        let kept = control.revisions();
        prop_assert!(kept.len() <= 16);
        prop_assert!(kept.windows(2).all(|pair| pair[0].number == pair[1].number + 1));
        prop_assert_eq!(&control.current().revision, &kept[0]);
        control.look(agree);
        // A fresh start with the same document comes to the same weights and neighbor rows.
        let text = control.current().text.to_string();
        control.set_weights(&[]).unwrap();
        let fresh = Start { text: Some(&text), ..Start::default() }.side().unwrap();
        prop_assert_eq!(control.look(weights), fresh.control.look(weights));
        prop_assert_eq!(it.trace().pins, fresh.trace().pins);
    }
}
