//! `capability`: backends that have the service's tags first, the others for what those cannot take.
//!
//! WO 00/30294, master module 54 (backends that differ in what they can do). The preferred get everything
//! up to a utilisation of [`OVERFLOW`]; beyond it, the others take the rest, until all are equally busy.
//! Within each of the two sets the rules are those of `even`.
//! Easy to get wrong: how much overflows follows from strengths and the work that there is, not from how
//! hot the preferred are now, or letting flows go would cool them and call the flows back.

use super::even::by_strength;
use super::fit::settle;
use super::rules::{OVERFLOW, OVERFLOW_BAND, Rule, STANDBY};
use super::seat::Seat;

/// Sets the targets of all seats; `tags` are those that the service names.
pub(super) fn aim(seats: &mut [Seat<'_>], tags: &[String]) {
    by_strength(seats);
    let has_tags = |seat: &Seat<'_>| tags.iter().all(|tag| seat.tags.contains(tag));
    let whole: f64 = seats.iter().map(|seat| seat.base).sum();
    let needs = Needs::of(seats, has_tags);
    let (mut preferred, mut others): (Vec<_>, Vec<_>) =
        seats.iter_mut().partition(|seat| has_tags(seat));
    if preferred.is_empty() || others.is_empty() {
        let mut all = if others.is_empty() { preferred } else { others };
        settle(&mut all, 1.0);
        return;
    }
    let base = |set: &[&mut Seat<'_>]| set.iter().map(|seat| seat.base).sum::<f64>();
    let fair = base(&others) / whole;
    let share = needs.map_or(fair, |needs| needs.overflow().max(STANDBY * fair));
    let is_overflowing = share > STANDBY * fair;
    settle(&mut preferred, (1.0 - share) / (1.0 - fair));
    settle(&mut others, share / fair);
    for seat in preferred {
        seat.note(Rule::Preferred);
    }
    for seat in others {
        if seat.verdict.is_some() {
            seat.band = seat.band.max(OVERFLOW_BAND);
        }
        seat.note(if is_overflowing {
            Rule::Overflow
        } else {
            Rule::Standby
        });
    }
}

/// Work there is, and work that can be done, per second.
#[derive(Clone, Copy, Debug)]
struct Needs {
    work: f64,
    preferred: f64,
    others: f64,
}

impl Needs {
    /// `None` if nothing is known of the preferred. Backends without a word count as the mean of all that
    /// have one, for their configured weight.
    fn of(seats: &[Seat<'_>], has_tags: impl Fn(&Seat<'_>) -> bool) -> Option<Self> {
        let mut known = Sums::default();
        let mut work = Sums::default();
        let (mut preferred, mut others) = (Sums::default(), Sums::default());
        for seat in seats {
            let set = if has_tags(seat) {
                &mut preferred
            } else {
                &mut others
            };
            set.whole += seat.base;
            if let Some(strength) = seat.strength {
                set.amount += strength;
                set.of += seat.base;
                known.amount += strength;
                known.of += seat.base;
            }
            work.whole += seat.flows();
            if let Some(done) = seat.work {
                work.amount += done;
                work.of += seat.flows();
            }
        }
        if preferred.of <= 0.0 || work.of <= 0.0 {
            return None;
        }
        let per_base = known.amount / known.of;
        let all = |set: Sums| set.amount + (set.whole - set.of) * per_base;
        Some(Self {
            work: work.amount * work.whole / work.of,
            preferred: all(preferred),
            others: all(others),
        })
    }

    /// Share of the flows that the preferred cannot take.
    fn overflow(self) -> f64 {
        let even = self.others / (self.preferred + self.others).max(f64::MIN_POSITIVE);
        if self.work <= 0.0 {
            return 0.0;
        }
        (1.0 - OVERFLOW * self.preferred / self.work).clamp(0.0, even)
    }
}

/// An amount known for some of a set (`of`) and wanted for the `whole`.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    amount: f64,
    of: f64,
    whole: f64,
}
