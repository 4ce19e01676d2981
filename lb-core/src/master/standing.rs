//! Whether a backend is heard, and for how long it has been there.
//!
//! No counterpart in the patent. Silence, a young agent and a young backend are told apart here, before any
//! algorithm looks at a value.
//! Easy to get wrong: a restarted *agent* is not a restarted backend; the weight stays while its reports
//! are too few to be believed, but no longer than the last word of a silent one would count.

use super::evidence::Evidence;
use super::measure::{Measure, busy};
use super::rules::{BLACKOUT_REPORTS, HOLD_PART, Rule, SLOW_START_FACTOR};
use super::seat::Seat;
use super::settings::Settings;
use super::{BackendInput, rules};
use crate::load::SmoothedReport;

/// Distance from the neutral factor within which a slow start has nothing to do.
const NEW: f64 = 1e-3;

/// What is remembered of a backend from one step to the next.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Share over fair share.
    pub(super) factor: f64,
    /// When it was enabled, and its factor then; `None`: it was there from the beginning.
    pub(super) began: Option<(f64, f64)>,
    pub(super) is_enabled: bool,
    pub(super) is_moving: bool,
    pub(super) has_jumped: bool,
    /// When there was a verdict last.
    pub(super) judged_at: Option<f64>,
    pub(super) evidence: Evidence,
    pub(super) target: f64,
    pub(super) rules: Vec<Rule>,
}

impl Member {
    /// A backend that nothing is known of, and that has not started yet.
    pub(super) fn new() -> Self {
        Self {
            factor: 1.0,
            began: None,
            is_enabled: false,
            is_moving: false,
            has_jumped: false,
            judged_at: None,
            evidence: Evidence::default(),
            target: 1.0,
            rules: Vec::new(),
        }
    }

    /// Starts a backend that appeared, or was enabled again: slowly, unless all are as new as it is.
    pub(super) fn start(&mut self, now: f64, is_founding: bool, settings: &Settings) {
        self.is_enabled = true;
        self.is_moving = false;
        self.judged_at = None;
        if settings.slow_start_seconds > 0.0 && !is_founding {
            self.factor = SLOW_START_FACTOR;
            self.began = Some((now, self.factor));
            self.rules = vec![Rule::SlowStart];
        } else {
            self.factor = 1.0;
            self.began = None;
            self.rules = Vec::new();
        }
        self.target = self.factor;
    }

    /// Takes on a new factor for the same share, because the set of backends is another.
    pub(super) fn rescale(&mut self, by: f64) {
        self.factor *= by;
        if let Some((_, factor)) = &mut self.began {
            *factor *= by;
        }
    }

    /// Limit of the factor by slow start: grows by the same part every second, up to 1.
    fn ramp(&mut self, now: f64, settings: &Settings) -> f64 {
        let Some((since, factor)) = self.began else {
            return f64::INFINITY;
        };
        let left = 1.0 - (now - since) / settings.slow_start_seconds;
        // Among nothing but newcomers nobody is new.
        if left > 0.0 && factor < 1.0 - NEW {
            return factor.powf(left);
        }
        self.began = None;
        f64::INFINITY
    }

    /// The seat of this backend at the move of `now`.
    pub(super) fn seat<'a>(
        &mut self,
        input: &BackendInput<'a>,
        measure: Measure,
        now: f64,
        settings: &Settings,
    ) -> Seat<'a> {
        let mut seat = Seat {
            slot: input.slot,
            base: f64::from(input.base_weight),
            tags: input.tags,
            report: None,
            factor: self.factor,
            ramp: self.ramp(now, settings),
            is_moving: self.is_moving,
            is_held: false,
            is_known: self.judged_at.is_some(),
            is_blind: false,
            busy: None,
            work: None,
            strength: None,
            band: 0.0,
            gain: rules::GAIN,
            verdict: None,
            target: self.factor,
            low: 0.0,
            high: 0.0,
            rules: Vec::new(),
        };
        if seat.ramp.is_finite() {
            seat.note(Rule::SlowStart);
        }
        match heard(input, settings) {
            None => seat.note(Rule::Silent),
            Some(report) if report.since_boot < BLACKOUT_REPORTS => {
                seat.note(Rule::Blackout);
                let hold = hold_seconds(settings);
                seat.is_held = self.judged_at.is_some_and(|at| now - at <= hold);
            }
            Some(report) => self.fill(&mut seat, report, measure),
        }
        seat
    }

    fn fill<'a>(&mut self, seat: &mut Seat<'a>, report: &'a SmoothedReport, measure: Measure) {
        seat.report = Some(report);
        seat.busy = busy(report);
        seat.work = measure.work(report);
        if measure == Measure::Clients {
            seat.gain = rules::GAIN_CLIENTS;
            seat.is_blind = seat.busy.is_some_and(|busy| busy >= rules::HOT);
        }
        if std::mem::take(&mut self.has_jumped) {
            seat.note(Rule::Jump);
        }
        if seat.busy.is_none() || seat.work.is_none() {
            seat.note(Rule::Incomplete);
        } else if !self.evidence.is_ample() && !seat.is_known {
            seat.note(Rule::LittleEvidence);
        } else {
            seat.strength = self.evidence.strength();
            seat.band = self.evidence.band();
        }
    }

    /// Keeps what the move decided.
    pub(super) fn keep(&mut self, seat: Seat<'_>, now: f64) {
        self.factor = seat.factor;
        self.is_moving = seat.is_moving;
        self.target = seat.target;
        self.rules = seat.rules;
        self.rules.sort_unstable();
        if seat.verdict.is_some() {
            self.judged_at = Some(now);
        }
    }
}

/// The report of a backend that is not silent.
pub(super) fn heard<'a>(
    input: &BackendInput<'a>,
    settings: &Settings,
) -> Option<&'a SmoothedReport> {
    input
        .report
        .filter(|_| input.age_seconds <= hold_seconds(settings))
}

fn hold_seconds(settings: &Settings) -> f64 {
    settings.expiry_seconds * HOLD_PART
}
