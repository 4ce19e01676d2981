//! `even`: all backends equally busy.
//!
//! WO 00/30294, master module 54. A backend's weight follows its strength, which is the work that it does
//! per second over its utilisation; flows in proportion to strength make utilisations equal, at any load.
//! Source: weighted round robin of gRFC A58, which divides the same values.
//! Easy to get wrong: the target is not the utilisation. A loop that pushes weights up where utilisation
//! is low answers every delay with a swing.

use super::fit::settle;
use super::rules::{HOT, IDLE, IMPLAUSIBLE, Rule};
use super::seat::{Fleet, Seat};

/// Sets the targets of all seats.
pub(super) fn aim(seats: &mut [Seat<'_>]) {
    by_strength(seats);
    let mut all: Vec<_> = seats.iter_mut().collect();
    settle(&mut all, 1.0);
}

/// Gives every seat the verdict that its strength is worth.
pub(super) fn by_strength(seats: &mut [Seat<'_>]) {
    let fleet = Fleet::of(seats.iter());
    for seat in seats.iter_mut() {
        seat.verdict = seat.strength.map(|strength| strength / seat.base);
    }
    doubt(seats, fleet);
}

/// What `even` and `least-loaded` ask before they believe a utilisation.
pub(super) fn doubt(seats: &mut [Seat<'_>], fleet: Fleet) {
    for seat in seats.iter_mut() {
        let Some(busy) = seat.busy else {
            continue;
        };
        if fleet.mean < IDLE {
            seat.note(Rule::FleetIdle);
            seat.is_held = seat.is_known;
            (seat.verdict, seat.band) = (None, 0.0);
        } else if busy < fleet.median * IMPLAUSIBLE {
            seat.note(Rule::Implausible);
            (seat.verdict, seat.band) = (None, 0.0);
        } else if busy >= HOT && fleet.mean >= HOT {
            seat.note(Rule::FleetHot);
        }
    }
}
