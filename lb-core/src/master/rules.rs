//! The rules that damp the loop: their numbers, and their names in explanations.
//!
//! No counterpart in the patent, which leaves the distribution algorithm open. Every number is here,
//! with its source or its reason; `docs/feedback.md` has the same table for operators.
//! Units: a *factor* is a backend's share of new flows over its fair share, which is the share that
//! its configured weight gives it; 1 is neutral.
//! Easy to get wrong: these numbers hold each other up (a smaller step needs a longer expiry, a shorter
//! memory a wider dead band); `tests/master_simulation.rs` measures them together.

use std::fmt;

/// Seconds between two moves of the weights. Twice the agents' usual interval, so that every move can
/// see something new.
pub const PERIOD_SECONDS: f64 = 2.0;

/// Reports of an agent's start that must have come before it is believed. gRFC A58 waits 10 s
/// (`blackout_period`) where reports come with every call; five even out the first second's noise.
pub const BLACKOUT_REPORTS: u32 = 5;

/// Seconds of silence after which a backend is at its neutral weight. gRFC A58 waits three minutes
/// (`weight_expiration_period`) and then forgets at once; we begin at a third of the time and glide.
pub const EXPIRY_SECONDS: f64 = 30.0;
/// Part of the expiry during which the last word still counts: with the default ten reports, where one
/// in ten gets lost and the slowest takes 5 s.
pub const HOLD_PART: f64 = 1.0 / 3.0;

/// Seconds over which a newcomer's share grows to its full size: what a cache, or a compiler at run time,
/// mostly needs. Who needs more sets more.
pub const SLOW_START_SECONDS: f64 = 30.0;
/// Seconds after the first backend of a service during which none is a newcomer: at a program's start, and
/// after an outage of all, health checks pass one by one, and the first must not carry the rest.
pub const FOUNDING_SECONDS: f64 = 15.0;
/// Part of the others' share with which a newcomer begins; [`FLOOR`], near the 10 % that Envoy begins
/// with (`min_weight_percent`).
pub const SLOW_START_FACTOR: f64 = FLOOR;

/// Largest change of a factor in a period, as a part of it. From one end of the range to the other it
/// takes 16 periods up and 13 down; an estimate that is wrong for one report costs a quarter at most.
pub const STEP: f64 = 0.25;
/// Largest change of a factor below [`FLOOR`], where a quarter of nearly nothing would be too little.
pub const STEP_LEAST: f64 = STEP * FLOOR;

/// Smallest factor: one of many servers that are each eight times as strong.
pub const FLOOR: f64 = 1.0 / 8.0;
/// Largest factor. What an agent can win by a lie of any size; a server that is stronger than this
/// among many weak ones needs a configured weight that says so.
pub const CEILING: f64 = 4.0;
/// Part of their fair share that the others keep together, whatever one agent says: what is left for
/// one of two servers when the other is eight times as strong.
pub const OTHERS_KEEP: f64 = 2.0 / 9.0;
/// Factor of backends that lack a service's tags while those that have them can cope: enough flows to
/// see that they live.
pub const STANDBY: f64 = 1.0 / 64.0;

/// Smallest dead band, as a part of the factor: what nobody would notice.
pub const DEAD_BAND: f64 = 0.02;
/// Largest dead band: beyond this even a rough estimate is better than none.
pub const DEAD_BAND_WIDEST: f64 = 0.25;
/// Standard errors of the estimate that the dead band is wide (5 % of honest estimates are outside).
pub const DEAD_BAND_ERRORS: f64 = 2.0;
/// Once a factor moves, it moves until it is within this part of the dead band.
pub const REST: f64 = 0.25;

/// Share of all new flows that may change its backend in a period, for schedulers without memory.
pub const CHURN_BUDGET: f64 = 0.25;
/// The same for `maglev` and `source-hash`, where a moved place of the table moves clients.
pub const CHURN_BUDGET_HASHED: f64 = 0.05;

/// Requests by which a backend's strength is remembered: their number makes an error of 1 %. A server's
/// strength changes seldom, its load all the time.
pub const MEMORY_REQUESTS: f64 = 10_000.0;
/// Shortest memory, as a time constant in seconds: six times the smoothing.
pub const MEMORY_SHORTEST: f64 = 30.0;
/// Longest memory, as a time constant in seconds; also that of clients, who cannot be counted as
/// requests are.
pub const MEMORY_LONGEST: f64 = 300.0;
/// Longest time that one report can speak for, in seconds.
pub const LONGEST_GAP_SECONDS: f64 = 10.0;
/// Change of strength (as a part) that makes the memory start anew if it lasts.
pub const JUMP: f64 = 0.25;
/// Standard errors by which the last seconds must differ from the memory as well.
pub const JUMP_ERRORS: f64 = 5.0;
/// Reports in a row that must show the jump.
pub const JUMP_REPORTS: u32 = 3;
/// Requests that must have been seen before a backend's strength is judged for the first time.
pub const LEAST_WORK: f64 = 10.0;
/// Relative error that is assumed where clients are counted instead of requests.
pub const CLIENTS_ERROR: f64 = 0.05;

/// Weight of failed requests: a server that fails all its requests counts as busy by 1 more (gRFC A58,
/// `error_utilization_penalty`), or failing fast would look like strength.
pub const ERROR_PENALTY: f64 = 1.0;
/// Memory use from which memory counts as load; below, it is mostly cache.
pub const MEMORY_ALARM: f64 = 0.95;
/// Mean utilisation of the fleet below which nothing moves: the machines' own noise outweighs the load.
pub const IDLE: f64 = 0.05;
/// Utilisation from which a backend counts as full: what it does no longer grows with what it is given.
pub const HOT: f64 = 0.9;
/// Part of the fleet's median utilisation below which a value is not believed: nobody who takes part in
/// the work is thirty-two times as strong as half of the others (8 in strength, 4 in factor).
pub const IMPLAUSIBLE: f64 = 1.0 / 32.0;
/// Distance from the fleet's mean utilisation beyond which a hotter backend does not gain, and a cooler
/// one does not lose, whatever its estimate says.
pub const DIRECTION_BAND: f64 = 0.1;

/// Part of its factor that a full backend loses in a period while others have room and its own estimate
/// would give it more: half in 70 s, slow enough to see the effect before it is too much.
pub const RELIEF: f64 = 0.02;

/// Part of the way to an estimate that `even` and `capability` go in a period.
pub const GAIN: f64 = 0.5;
/// The same where clients are counted: they follow a weight only as fast as connections end.
pub const GAIN_CLIENTS: f64 = 0.1;
/// Seconds in which `least-loaded` goes its way. Its gain (the power) times the loop's delay (5 s of
/// smoothing, up to 5 s under way) over this time is 1/3, well below the π/2 at which such a loop swings.
pub const LEAST_LOADED_SECONDS: f64 = 60.0;
/// Power of the load in `least-loaded`: half the load, four times the weight.
pub const LEAST_LOADED_POWER: f64 = 2.0;
/// Load that `least-loaded` adds to every backend's, as a part of the mean, so that near-zero is not
/// infinitely light.
pub const LEAST_LOADED_BASE: f64 = 0.1;
/// Dead band of `least-loaded`: its loads are means of seconds, not of a minute.
pub const LEAST_LOADED_BAND: f64 = 0.1;
/// Utilisation of the preferred backends from which `capability` lets the others take flows.
pub const OVERFLOW: f64 = 0.8;
/// Dead band of those others: what overflows is a small difference of two large numbers.
pub const OVERFLOW_BAND: f64 = 0.1;

/// Weight that the lightest configured backend should reach at factor 1, so that rounding stays far
/// below the dead band.
pub const RESOLUTION: f64 = 1000.0;

/// A rule that acted on one backend in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The configured weight, unchanged (`static`).
    Configured,
    /// No new flows: disabled, or configured with weight 0.
    Disabled,
    /// No report, or none within the hold: on the way to neutral.
    Silent,
    /// Too few reports since the agent's start.
    Blackout,
    /// The reports lack what the algorithm needs.
    Incomplete,
    /// Too few requests so far to judge by.
    LittleEvidence,
    /// A utilisation that nobody at work can have; taken as silence.
    Implausible,
    /// Share limited because the backend is new.
    SlowStart,
    /// The whole fleet is idle: nothing moves.
    FleetIdle,
    /// Hot, but so are the others: no reason to move.
    FleetHot,
    /// Hotter than the fleet and would have gained, or cooler and would have lost: stays.
    WrongDirection,
    /// Full while others are not, and would have gained or counts clients only: loses.
    Relief,
    /// The strength changed for good: what was remembered is forgotten.
    Jump,
    /// Close enough: stays.
    DeadBand,
    /// Wanted to move further than one step.
    Step,
    /// Made smaller by the churn budget.
    Churn,
    /// Would have less but for the floor.
    Floor,
    /// Would have more but for the ceiling.
    Ceiling,
    /// Has the tags that the service names.
    Preferred,
    /// Lacks the tags; takes what the preferred cannot.
    Overflow,
    /// Lacks the tags; the preferred can cope.
    Standby,
}

impl Rule {
    /// Every rule, in the order of the manual.
    pub const ALL: [Self; 21] = [
        Self::Configured,
        Self::Disabled,
        Self::Silent,
        Self::Blackout,
        Self::Incomplete,
        Self::LittleEvidence,
        Self::Implausible,
        Self::SlowStart,
        Self::FleetIdle,
        Self::FleetHot,
        Self::WrongDirection,
        Self::Relief,
        Self::Jump,
        Self::DeadBand,
        Self::Step,
        Self::Churn,
        Self::Floor,
        Self::Ceiling,
        Self::Preferred,
        Self::Overflow,
        Self::Standby,
    ];

    /// The rule's name in answers and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Disabled => "disabled",
            Self::Silent => "silent",
            Self::Blackout => "blackout",
            Self::Incomplete => "incomplete",
            Self::LittleEvidence => "little-evidence",
            Self::Implausible => "implausible",
            Self::SlowStart => "slow-start",
            Self::FleetIdle => "fleet-idle",
            Self::FleetHot => "fleet-hot",
            Self::WrongDirection => "wrong-direction",
            Self::Relief => "relief",
            Self::Jump => "jump",
            Self::DeadBand => "dead-band",
            Self::Step => "step",
            Self::Churn => "churn",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
            Self::Preferred => "preferred",
            Self::Overflow => "overflow",
            Self::Standby => "standby",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
