//! From verdicts to targets that add up, as far as limits let them.
//!
//! No counterpart in the patent. Verdicts are only relative; they are scaled so that those who are judged
//! get together what their configured weights give them, and nobody less than the floor or more than
//! the ceiling. So "all are hot" moves nothing, and a backend without a verdict keeps its fair share.
//! Easy to get wrong: scaling and limiting undo each other, so the scale is searched for. Where limits leave
//! no sum (all are new, or silent), `damping` still lets nobody gain what nobody gives.

use super::rules::{CEILING, DIRECTION_BAND, FLOOR, HOT, OTHERS_KEEP, RELIEF, Rule};
use super::seat::{Fleet, Seat};

/// Halvings of the search for a scale: enough for every digit.
const HALVINGS: u32 = 100;
/// Part of the largest verdict below which all are alike: far below the floor, and no strain on the search.
const NEGLIGIBLE: f64 = 1e-6;

/// Sets targets and limits for a set of seats that has `scale` times the fair share of its members.
/// Seats without a verdict aim at their fair share of the set, held ones at what they have.
pub(super) fn settle(seats: &mut [&mut Seat<'_>], scale: f64) {
    let whole: f64 = seats.iter().map(|seat| seat.base).sum();
    let mut judged_flows = whole;
    for seat in seats.iter_mut() {
        let fair = seat.base / whole;
        seat.low = FLOOR.min(seat.ramp);
        seat.high = ceiling(fair).min(seat.ramp);
        if seat.is_held {
            seat.target = (seat.factor / scale).clamp(seat.low, seat.high);
            judged_flows -= seat.base * seat.target;
        } else if seat.verdict.is_none() {
            seat.target = seat.high.min(1.0);
            judged_flows -= seat.base * seat.target;
        }
    }
    judge(seats, judged_flows);

    for seat in seats.iter_mut() {
        seat.target *= scale;
        seat.low *= scale;
        seat.high *= scale;
    }
    refuse_wrong_directions(seats);
}

/// Largest factor of a backend with a fair share of `fair`.
fn ceiling(fair: f64) -> f64 {
    CEILING.min((1.0 - OTHERS_KEEP * (1.0 - fair)) / fair)
}

/// Shares `flows` among the judged seats by their verdicts, within their limits.
fn judge(seats: &mut [&mut Seat<'_>], flows: f64) {
    let mut judged: Vec<(&mut Seat<'_>, f64)> = seats
        .iter_mut()
        .filter(|seat| !seat.is_held)
        .filter_map(|seat| seat.verdict.map(|verdict| (&mut **seat, verdict)))
        .collect();
    let largest = judged
        .iter()
        .map(|(_, verdict)| *verdict)
        .fold(0.0, f64::max);
    for (_, verdict) in &mut judged {
        *verdict = verdict.max(largest * NEGLIGIBLE);
    }
    let scale = {
        let given = |scale: f64| -> f64 {
            let factor = |(seat, verdict): &(&mut Seat<'_>, f64)| {
                seat.base * (verdict * scale).clamp(seat.low, seat.high)
            };
            judged.iter().map(factor).sum()
        };
        let positive = judged.iter().filter(|(_, verdict)| *verdict > 0.0);
        let most = positive.map(|(seat, verdict)| seat.high / verdict);
        let (mut below, mut above) = (0.0, most.fold(0.0, f64::max));
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(below, above);
            if given(middle) < flows {
                below = middle;
            } else {
                above = middle;
            }
        }
        above
    };
    for (seat, verdict) in &mut judged {
        let wanted = *verdict * scale;
        seat.target = wanted.clamp(seat.low, seat.high);
        if wanted < seat.low {
            seat.note(Rule::Floor);
        } else if wanted > seat.high && !seat.ramp.is_finite() {
            seat.note(Rule::Ceiling);
        }
    }
}

/// A hotter backend never gains and a cooler one never loses: whatever the estimate is wrong by, the
/// loop cannot run away. If the hotter one is full, its queue is what looks like work: it loses.
fn refuse_wrong_directions(seats: &mut [&mut Seat<'_>]) {
    let mean = Fleet::of(seats.iter().map(|seat| &**seat)).mean;
    for seat in seats.iter_mut() {
        let Some(busy) = seat.busy else {
            continue;
        };
        let is_hotter = busy > mean * (1.0 + DIRECTION_BAND);
        let is_cooler = busy < mean * (1.0 - DIRECTION_BAND);
        let gains = seat.target >= seat.factor;
        let would_gain = seat.target > seat.factor * (1.0 + seat.band);
        if is_hotter && busy >= HOT && (would_gain || seat.is_blind) {
            seat.target = (seat.factor * (1.0 - RELIEF)).clamp(seat.low, seat.high);
            (seat.gain, seat.band) = (1.0, 0.0);
            seat.note(Rule::Relief);
        } else if (is_hotter && gains) || (is_cooler && !gains && seat.verdict.is_some()) {
            seat.target = seat.factor.clamp(seat.low, seat.high);
            seat.note(Rule::WrongDirection);
        }
    }
}
