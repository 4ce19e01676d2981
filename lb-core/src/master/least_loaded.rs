//! `least-loaded`: most new flows to the lightest.
//!
//! WO 00/30294, master module 54. The weight falls with the square of a backend's load over the mean:
//! half the load, four times the weight. Load is utilisation; where most agents do not report it, clients
//! for the configured weight; else execution time. It needs no requests per second, and leaves utilisations
//! closer together than configured weights would, but not equal.
//! Easy to get wrong: this *is* a feedback loop, with a gain above 1; it is calm only because it
//! goes its way slowly ([`LEAST_LOADED_SECONDS`]).

use super::even::doubt;
use super::fit::settle;
use super::rules::{
    GAIN, LEAST_LOADED_BAND, LEAST_LOADED_BASE, LEAST_LOADED_POWER, LEAST_LOADED_SECONDS, Rule,
};
use super::seat::{Fleet, Seat};

/// Sets the targets of all seats; `period_seconds` passes between two moves.
pub(super) fn aim(seats: &mut [Seat<'_>], period_seconds: f64) {
    let fleet = Fleet::of(seats.iter());
    let reporting = seats.iter().filter(|seat| seat.report.is_some()).count();
    let kinds = [utilization, clients, execution_time];
    let kind = kinds.into_iter().find(|kind| {
        let known = seats.iter().filter(|seat| kind(seat).is_some()).count();
        known > 0 && 2 * known >= reporting
    });
    let loads: Vec<Option<f64>> = seats
        .iter()
        .map(|seat| kind.and_then(|kind| kind(seat)))
        .collect();
    let mean = mean(&loads);
    for (seat, load) in seats.iter_mut().zip(loads) {
        // What a backend can do does not matter here, so neither does what is not known of it.
        seat.rules
            .retain(|rule| !matches!(rule, Rule::Incomplete | Rule::LittleEvidence));
        seat.verdict = load.map(|load| {
            let relative = if mean > 0.0 { load / mean } else { 1.0 };
            ((1.0 + LEAST_LOADED_BASE) / (relative + LEAST_LOADED_BASE)).powf(LEAST_LOADED_POWER)
        });
        if seat.verdict.is_some() {
            seat.gain = (period_seconds / LEAST_LOADED_SECONDS).clamp(0.0, 1.0);
            seat.band = LEAST_LOADED_BAND;
        } else if seat.report.is_some() {
            (seat.gain, seat.band) = (GAIN, 0.0);
            seat.note(Rule::Incomplete);
        }
    }
    doubt(seats, fleet);
    let mut all: Vec<_> = seats.iter_mut().collect();
    settle(&mut all, 1.0);
}

fn utilization(seat: &Seat<'_>) -> Option<f64> {
    seat.busy
}

fn clients(seat: &Seat<'_>) -> Option<f64> {
    Some(seat.report?.clients? / seat.base)
}

fn execution_time(seat: &Seat<'_>) -> Option<f64> {
    seat.report?.execution_time_seconds
}

#[expect(clippy::cast_precision_loss, reason = "backends of one service")]
fn mean(loads: &[Option<f64>]) -> f64 {
    let known: Vec<f64> = loads.iter().copied().flatten().collect();
    if known.is_empty() {
        return 0.0;
    }
    known.iter().sum::<f64>() / known.len() as f64
}
