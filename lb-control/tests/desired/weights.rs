//! Cases of weights that move while the document does not.
//!
//! WO 00/30294: what comes out of master module 54. Easy to get wrong: an operator's zero is stronger than a program's wish.

use lb_control::control::{Busy, Patch, ServiceWeights};
use lb_core::config::BackendState;

use super::cases::{TEXT, side};
use super::support::{Side, agree, somebody, weights};

fn wanted(service: &str, weights: &[(&str, u32)]) -> ServiceWeights {
    ServiceWeights {
        service: service.to_owned(),
        weights: weights
            .iter()
            .map(|&(name, weight)| (name.to_owned(), weight))
            .collect(),
    }
}

fn in_force(it: &Side) -> Vec<u32> {
    it.control.look(weights)
}

#[test]
fn wanted_weights_flip_once_and_leave_the_revision_as_it_is() {
    let it = side(&TEXT.replace("\"udp\"", "\"udp\", \"agent_check\": { \"port\": 8081 }"));
    let wishes = [
        wanted("web", &[("web-1", 1500), ("web-2", 500)]),
        wanted("dns", &[("dns-2", 7)]),
    ];
    assert_eq!(it.control.set_weights(&wishes), Ok(2));
    assert_eq!(in_force(&it), [1500, 500, 100, 7]);
    assert_eq!(it.control.set_weights(&wishes), Ok(2));
    it.control.look(|look| {
        assert_eq!(
            (look.revision.number, look.flips, look.generation),
            (1, 2, 2)
        );
        assert_eq!(look.weights_waiting, 0);
    });
    assert_eq!(it.control.audit(10).len(), 1);
}

#[test]
fn who_is_not_named_goes_back_to_the_configured_weight() {
    let it = side(TEXT);
    it.control
        .set_weights(&[wanted("web", &[("web-1", 1500), ("web-2", 500)])])
        .unwrap();
    it.control
        .set_weights(&[wanted("web", &[("web-2", 500)])])
        .unwrap();
    assert_eq!(in_force(&it), [100, 500, 100, 100]);
    it.control.set_weights(&[]).unwrap();
    assert_eq!(in_force(&it), [100, 100, 100, 100]);
}

#[test]
fn a_wish_does_not_overrule_a_document_that_fixes_the_weights() {
    let it = side(TEXT);
    assert_eq!(
        it.control.set_weights(&[wanted("dns", &[("dns-1", 7)])]),
        Ok(1)
    );
    assert_eq!(in_force(&it), [100, 100, 100, 100]);
}

#[test]
fn names_that_are_gone_are_passed_over_and_weights_stay_in_their_range() {
    let it = side(TEXT);
    let wishes = [
        wanted("mail", &[("web-1", 5)]),
        wanted("web", &[("web-9", 5), ("web-1", u32::MAX), ("web-2", 0)]),
    ];
    it.control.set_weights(&wishes).unwrap();
    assert_eq!(in_force(&it), [65_535, 0, 100, 100]);
}

#[test]
fn a_wish_does_not_overrule_an_operator_who_stops_a_backend() {
    let it = side(TEXT);
    let wishes = [wanted("web", &[("web-1", 1500), ("web-2", 500)])];
    it.control.set_weights(&wishes).unwrap();
    let drain = Patch {
        weight: None,
        state: Some(BackendState::Draining),
    };
    it.control
        .patch_backend("web", "web-1", &drain, &somebody(), None)
        .unwrap();
    assert_eq!(in_force(&it), [0, 500, 100, 100]);
    it.control.set_weights(&wishes).unwrap();
    assert_eq!(in_force(&it), [0, 500, 100, 100]);
    let none = Patch {
        weight: Some(0),
        state: None,
    };
    it.control
        .patch_backend("web", "web-2", &none, &somebody(), None)
        .unwrap();
    it.control.set_weights(&wishes).unwrap();
    assert_eq!(in_force(&it), [0, 0, 100, 100]);
    it.control.look(agree);
}

#[test]
fn a_new_document_keeps_what_was_found_and_a_newcomer_has_the_average_of_it() {
    let it = side(TEXT);
    it.control
        .set_weights(&[wanted("web", &[("web-1", 1500), ("web-2", 500)])])
        .unwrap();
    let grown = TEXT
        .replace("\"10.0.0.11\"", "\"10.0.0.11\", \"weight\": 200")
        .replace(
            "\"10.0.0.12\" }",
            "\"10.0.0.12\" }, { \"name\": \"web-3\", \"address\": \"10.0.0.13\", \"weight\": 50 }",
        );
    it.control.apply(&grown, &somebody(), None).unwrap();
    assert_eq!(in_force(&it), [3000, 500, 500, 100, 100]);
}

#[test]
fn a_service_that_becomes_static_has_its_configured_weights_at_once() {
    let it = side(TEXT);
    it.control
        .set_weights(&[wanted("web", &[("web-1", 1500), ("web-2", 500)])])
        .unwrap();
    it.control
        .apply(&TEXT.replace("\"even\"", "\"static\""), &somebody(), None)
        .unwrap();
    assert_eq!(in_force(&it), [100, 100, 100, 100]);
    it.control.look(agree);
}

#[test]
fn while_a_lcore_stays_in_the_generation_before_weights_stay_too() {
    let mut it = side(TEXT);
    it.reader.turn();
    let wishes = |weight| [wanted("web", &[("web-1", weight)])];
    it.control.set_weights(&wishes(1)).unwrap();
    let before = it.trace();
    assert_eq!(it.control.set_weights(&wishes(2)), Err(Busy));
    assert_eq!(it.trace(), before);
    it.reader.rest();
    it.control.set_weights(&wishes(2)).unwrap();
    assert_eq!(in_force(&it), [2, 100, 100, 100]);
}
