//! Master: reports and history in, integer weights out.
//!
//! WO 00/30294, box 54 (master module) and its distribution algorithm; the patent leaves open how raw load
//! data become a distribution. One [`Master`] per service; [`Master::step`] is called about every second
//! with what is known of the service's backends, and answers their weights. It is pure arithmetic: the
//! same calls give the same weights.
//! In the order of a step: who is heard (`standing`), how strong they are (`evidence`), what the algorithm
//! wants (`even`, `least_loaded`, `capability`), targets that add up (`fit`), one damped move
//! (`damping`), whole numbers (`rounding`). Every number is in [`rules`]; `docs/feedback.md` is the manual.
//! Not here: taking and expiring reports (`resource_manager`); tables made of weights (`scheduler`).
//! Easy to get wrong: weights are ratios. A configured 100 is 1000 here when nothing is known.

mod algorithm;
mod capability;
mod damping;
mod even;
mod evidence;
mod explanation;
mod fit;
mod least_loaded;
mod measure;
mod rounding;
pub mod rules;
mod seat;
mod settings;
mod standing;

use std::collections::BTreeMap;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use explanation::Explanation;
pub use rules::Rule;
pub use settings::Settings;

use crate::id::BackendSlot;
use crate::load::SmoothedReport;
use measure::Measure;
use seat::Seat;
use standing::Member;

/// What is known of one backend at a step.
#[derive(Clone, Copy, Debug)]
pub struct BackendInput<'a> {
    /// Its lasting identity, different from all others of the step.
    pub slot: BackendSlot,
    /// Configured weight, 0 to 65535; 0: no new flows.
    pub base_weight: u32,
    /// Tags that the configuration gives it.
    pub tags: &'a [String],
    /// Its smoothed reports; `None`: never heard.
    pub report: Option<&'a SmoothedReport>,
    /// Seconds since the newest report came, on the receiver's clock.
    pub age_seconds: f64,
    /// Whether it may have new flows: enabled, not draining, healthy.
    pub is_enabled: bool,
}

impl BackendInput<'_> {
    fn is_eligible(&self) -> bool {
        self.is_enabled && self.base_weight > 0
    }
}

/// The weights of one service.
#[derive(Clone, Debug)]
pub struct Master {
    settings: Settings,
    /// Latest time that was handed in, in seconds.
    now: f64,
    next_move: f64,
    /// When the first of the backends that now take part came.
    founded_at: f64,
    /// Who took part in the last step, with configured weights.
    eligible: Vec<(BackendSlot, u32)>,
    members: BTreeMap<BackendSlot, Member>,
    explanations: Vec<Explanation>,
}

impl Master {
    /// A master that has heard of no backend.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            now: f64::NEG_INFINITY,
            next_move: f64::NEG_INFINITY,
            founded_at: f64::NEG_INFINITY,
            eligible: Vec::new(),
            members: BTreeMap::new(),
            explanations: Vec::new(),
        }
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Other settings from the next step on; what is known of backends is kept.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Weights of `backends`, in their order: 0 to 65535, 0 only where new flows are not wanted.
    ///
    /// `now_seconds` is a monotonic clock from any origin; one that goes back stands still. Weights move
    /// at most once in a period, except that a backend which comes or goes is seen at once: the others
    /// then take over, or give, in the ratio of their weights.
    pub fn step(&mut self, now_seconds: f64, backends: &[BackendInput<'_>]) -> Vec<u32> {
        if now_seconds.is_finite() {
            self.now = self.now.max(now_seconds);
        }
        if self.settings.algorithm == Algorithm::Static {
            return self.hand_out_configured(backends);
        }
        let mut eligible: Vec<&BackendInput<'_>> = backends
            .iter()
            .filter(|backend| backend.is_eligible())
            .collect();
        eligible.sort_unstable_by_key(|backend| backend.slot);
        eligible.dedup_by_key(|backend| backend.slot);

        self.admit(&eligible, backends);
        let measure = self.listen(&eligible);
        if self.now >= self.next_move || self.next_move == f64::NEG_INFINITY {
            self.move_once(&eligible, measure);
            self.next_move = self.now + self.settings.period_seconds;
        }
        self.hand_out(&eligible, backends)
    }

    /// Why the weights of the last step are what they are, in the order of its backends.
    #[must_use]
    pub fn explanations(&self) -> &[Explanation] {
        &self.explanations
    }

    /// Takes in who came, and forgets who is no longer configured.
    fn admit(&mut self, eligible: &[&BackendInput<'_>], backends: &[BackendInput<'_>]) {
        let taking_part: Vec<_> = eligible
            .iter()
            .map(|backend| (backend.slot, backend.base_weight))
            .collect();
        if taking_part == self.eligible {
            return;
        }
        let mut slots: Vec<BackendSlot> = backends.iter().map(|backend| backend.slot).collect();
        slots.sort_unstable();
        self.members
            .retain(|slot, _| slots.binary_search(slot).is_ok());
        if self.eligible.is_empty() {
            self.founded_at = self.now;
        }
        let is_founding = self.now - self.founded_at <= rules::FOUNDING_SECONDS;
        let is_eligible = |slot: &BackendSlot| {
            let found = taking_part.binary_search_by_key(slot, |&(slot, _)| slot);
            found.is_ok()
        };
        for (slot, member) in &mut self.members {
            member.is_enabled &= is_eligible(slot);
        }
        for &(slot, _) in &taking_part {
            let member = self.members.entry(slot).or_insert_with(Member::new);
            if !member.is_enabled {
                member.start(self.now, is_founding, &self.settings);
            }
        }
        self.eligible = taking_part;
        self.share_out_anew();
    }

    /// Scales the factors so that they are shares over fair shares among those who now take part.
    fn share_out_anew(&mut self) {
        let (mut whole, mut flows) = (0.0, 0.0);
        for &(slot, base) in &self.eligible {
            if let Some(member) = self.members.get(&slot) {
                whole += f64::from(base);
                flows += f64::from(base) * member.factor;
            }
        }
        for (slot, _) in &self.eligible {
            if let Some(member) = self.members.get_mut(slot) {
                member.rescale(whole / flows);
            }
        }
    }

    /// Takes new reports into the backends' evidence; answers what their work is counted in.
    fn listen(&mut self, eligible: &[&BackendInput<'_>]) -> Measure {
        let settings = &self.settings;
        let heard = eligible
            .iter()
            .filter_map(|backend| standing::heard(backend, settings));
        let measure = Measure::of(heard);
        for backend in eligible {
            let member = self.members.get_mut(&backend.slot);
            if let (Some(member), Some(report)) = (member, backend.report) {
                member.has_jumped |= member.evidence.absorb(report, measure);
            }
        }
        measure
    }

    fn move_once(&mut self, eligible: &[&BackendInput<'_>], measure: Measure) {
        let mut seats: Vec<Seat<'_>> = Vec::with_capacity(eligible.len());
        for backend in eligible {
            if let Some(member) = self.members.get_mut(&backend.slot) {
                seats.push(member.seat(backend, measure, self.now, &self.settings));
            }
        }
        match self.settings.algorithm {
            Algorithm::Static => {}
            Algorithm::Even => even::aim(&mut seats),
            Algorithm::LeastLoaded => {
                least_loaded::aim(&mut seats, self.settings.period_seconds);
            }
            Algorithm::Capability => capability::aim(&mut seats, &self.settings.tags),
        }
        damping::step(&mut seats, self.settings.churn_budget);
        for seat in seats {
            if let Some(member) = self.members.get_mut(&seat.slot) {
                member.keep(seat, self.now);
            }
        }
    }

    fn hand_out(
        &mut self,
        eligible: &[&BackendInput<'_>],
        backends: &[BackendInput<'_>],
    ) -> Vec<u32> {
        let bases = || {
            eligible
                .iter()
                .map(|backend| f64::from(backend.base_weight))
        };
        let most = match self.settings.algorithm {
            Algorithm::Capability => bases().sum(),
            _ => bases().fold(0.0, f64::max) * rules::CEILING,
        };
        let scale = rounding::scale(bases().fold(f64::INFINITY, f64::min), most);
        self.explanations = backends
            .iter()
            .map(|backend| {
                let member = self.members.get(&backend.slot);
                let Some(member) = member.filter(|_| backend.is_eligible()) else {
                    return Explanation::of_disabled(backend.slot);
                };
                Explanation {
                    slot: backend.slot,
                    weight: rounding::weight(f64::from(backend.base_weight), member.factor, scale),
                    factor: member.factor,
                    target: member.target,
                    utilization: backend.report.and_then(measure::busy),
                    strength: member.evidence.strength(),
                    rules: member.rules.clone(),
                }
            })
            .collect();
        self.weights()
    }

    fn hand_out_configured(&mut self, backends: &[BackendInput<'_>]) -> Vec<u32> {
        self.explanations = backends
            .iter()
            .map(|backend| {
                if !backend.is_eligible() {
                    return Explanation::of_disabled(backend.slot);
                }
                Explanation {
                    slot: backend.slot,
                    weight: backend.base_weight.min(u32::from(u16::MAX)),
                    factor: 1.0,
                    target: 1.0,
                    utilization: backend.report.and_then(measure::busy),
                    strength: None,
                    rules: vec![Rule::Configured],
                }
            })
            .collect();
        self.weights()
    }

    fn weights(&self) -> Vec<u32> {
        let weights = self.explanations.iter();
        weights.map(|explanation| explanation.weight).collect()
    }
}
