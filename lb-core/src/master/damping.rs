//! One move: from the factors of now towards the targets, as far as the rules allow.
//!
//! No counterpart in the patent. What some gain others give, in the same move: the sum of all shares
//! stays 1, so a weight changes only because its own share does. Those who want to move do; whoever is
//! within the dead band gives or takes the difference in proportion to the room there is.
//! Easy to get wrong: limits are kept by moving less on *both* sides; scaling afterwards would break
//! them again.

use super::rules::{REST, Rule, STEP, STEP_LEAST};
use super::seat::Seat;

/// Distance from the target below which nobody would say that there is any.
const EXACT: f64 = 1e-9;

/// Moves all seats by one period. `budget` is the share of all flows that may change its backend.
pub(super) fn step(seats: &mut [Seat<'_>], budget: f64) {
    let wishes: Vec<Wish> = seats.iter_mut().map(Wish::of).collect();
    let whole: f64 = seats.iter().map(|seat| seat.base).sum();
    let up = Side::of(wishes.iter().map(|wish| (wish.up, wish.room_up)));
    let down = Side::of(wishes.iter().map(|wish| (wish.down, wish.room_down)));

    let wanted = up.wanted.max(down.wanted);
    let moved = wanted.min(up.wanted + up.room).min(down.wanted + down.room);
    let allowed = moved.min(budget * whole);
    let (up, down) = (up.shares(allowed), down.shares(allowed));
    let is_cut = allowed < moved * (1.0 - EXACT);

    for (seat, wish) in seats.iter_mut().zip(wishes) {
        let gained = wish.up * up.wanting + wish.room_up * up.having_room;
        let lost = wish.down * down.wanting + wish.room_down * down.having_room;
        seat.factor += (gained - lost) / seat.base;
        if is_cut && wish.up + wish.down > 0.0 {
            seat.note(Rule::Churn);
        }
    }
}

/// What one seat wants to gain or lose, or else could; in units of configured weight.
#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    up: f64,
    down: f64,
    room_up: f64,
    room_down: f64,
}

impl Wish {
    fn of(seat: &mut Seat<'_>) -> Self {
        let reach = (STEP * seat.factor).max(STEP_LEAST);
        let distance = seat.target - seat.factor;
        let band = if seat.is_moving {
            seat.band * REST
        } else {
            seat.band
        };
        seat.is_moving = distance.abs() > (band * seat.factor).max(EXACT);
        if !seat.is_moving {
            if distance.abs() > EXACT {
                seat.note(Rule::DeadBand);
            }
            return Self {
                room_up: seat.base * (seat.high - seat.factor).clamp(0.0, reach),
                room_down: seat.base * (seat.factor - seat.low).clamp(0.0, reach),
                ..Self::default()
            };
        }
        let wanted = distance * seat.gain;
        let delta = wanted.clamp(-reach, reach);
        if delta.abs() < wanted.abs() {
            seat.note(Rule::Step);
        }
        Self {
            up: seat.base * delta.max(0.0),
            down: seat.base * (-delta).max(0.0),
            ..Self::default()
        }
    }
}

/// All who gain, or all who lose.
#[derive(Clone, Copy, Debug)]
struct Side {
    wanted: f64,
    room: f64,
}

/// Parts of the wishes and of the room that a side uses.
#[derive(Clone, Copy, Debug)]
struct Shares {
    wanting: f64,
    having_room: f64,
}

impl Side {
    fn of(wishes: impl Iterator<Item = (f64, f64)>) -> Self {
        let (wanted, room) = wishes.fold((0.0, 0.0), |(wanted, room), (wish, spare)| {
            (wanted + wish, room + spare)
        });
        Self { wanted, room }
    }

    /// How the side makes up a move of `moved`: wishes first, then room.
    fn shares(self, moved: f64) -> Shares {
        let part = |of: f64, amount: f64| {
            if of > 0.0 {
                (amount / of).clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        Shares {
            wanting: part(self.wanted, moved),
            having_room: part(self.room, moved - self.wanted),
        }
    }
}
