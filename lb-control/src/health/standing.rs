//! What is known of one backend's health: a state machine of checks passed and failed.
//!
//! No counterpart in the patent. Pure: the moment is handed in, in seconds since 1970.
//! Not here: how a check is made (`probe`), and what follows for flows (`fitness`).
//! Easy to get wrong: one result of the other kind begins the count anew. A counter that is only ever raised takes a
//! backend out for ten failures in a week.

use super::outcome::{Cause, Outcome};

/// What is known of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No check has been heard of yet.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// How many results in a row change a mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Passed, to be up; from 1.
    pub rise: u32,
    /// Failed, to be down; from 1.
    pub fall: u32,
}

/// A change of mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The first result bore out what was assumed.
    Confirmed,
    /// It was down, or waited for its first check, and is up.
    Up,
    /// It was up, or was taken for it, and is down.
    Down,
}

/// One backend's health.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    counts_as_up: bool,
    is_decided: bool,
    against: u32,
    /// When the state began.
    pub since: f64,
    /// What made it so.
    pub why: String,
    /// How long the last check took that passed, in seconds.
    pub latency: Option<f64>,
    /// Checks whose result is known.
    pub checks: u64,
    /// Those among them that failed.
    pub failures: u64,
    /// How often it went down after it was up.
    pub flaps: u64,
}

impl Standing {
    /// Of a backend that nobody has checked. `counts_as_up`: until its first check.
    #[must_use]
    pub fn new(counts_as_up: bool, now: f64) -> Self {
        Self {
            counts_as_up,
            is_decided: false,
            against: 0,
            since: now,
            why: "not checked yet".to_owned(),
            latency: None,
            checks: 0,
            failures: 0,
            flaps: 0,
        }
    }

    /// What is known.
    #[must_use]
    pub const fn state(&self) -> State {
        match (self.is_decided, self.counts_as_up) {
            (false, _) => State::Unknown,
            (true, true) => State::Up,
            (true, false) => State::Down,
        }
    }

    /// Whether it is up, or taken for it until its first check.
    #[must_use]
    pub const fn counts_as_up(&self) -> bool {
        self.counts_as_up
    }

    /// Whether a check has failed that the next one may put right.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        self.counts_as_up && self.against > 0
    }

    /// The check is another one now: its results begin anew, what is known stays.
    pub fn begin_anew(&mut self) {
        self.against = 0;
    }

    /// Takes a result in. The first one decides at once, but for our own kernel's knowing no way there: that is so for
    /// a moment whenever a program starts.
    pub fn note(&mut self, outcome: &Outcome, rules: Rules, now: f64) -> Option<Turn> {
        let failure = match outcome {
            Outcome::NotMade(_) => {
                if !self.is_decided {
                    self.why = outcome.to_string();
                }
                return None;
            }
            Outcome::Passed { latency, .. } => {
                self.latency = Some(latency.as_secs_f64());
                None
            }
            Outcome::Failed(failure) => Some(failure),
        };
        self.checks += 1;
        self.failures += u64::from(failure.is_some());
        let passed = failure.is_none();
        if passed == self.counts_as_up {
            self.against = 0;
            if self.is_decided {
                return None;
            }
            self.enter(passed, outcome, now);
            return Some(Turn::Confirmed);
        }
        self.against += 1;
        let is_weak = failure.is_some_and(|failure| failure.cause == Cause::NoRoute);
        let needed = match (self.is_decided || is_weak, passed) {
            (false, _) => 1,
            (true, true) => rules.rise,
            (true, false) => rules.fall,
        };
        if self.against < needed {
            return None;
        }
        self.flaps += u64::from(self.is_decided && !passed);
        self.enter(passed, outcome, now);
        Some(if passed { Turn::Up } else { Turn::Down })
    }

    fn enter(&mut self, is_up: bool, outcome: &Outcome, now: f64) {
        let count = self.against.max(1);
        self.why = match count {
            1 => outcome.to_string(),
            _ => format!("{count} times in a row: {outcome}"),
        };
        self.counts_as_up = is_up;
        self.is_decided = true;
        self.against = 0;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::outcome::Failure;
    use super::*;

    const RULES: Rules = Rules { rise: 2, fall: 3 };

    fn passed() -> Outcome {
        Outcome::Passed {
            latency: Duration::from_millis(5),
            what: "connected".to_owned(),
        }
    }

    fn failed(cause: Cause) -> Outcome {
        Outcome::Failed(Failure::new(cause, "no"))
    }

    /// Results one second apart; what each of them turned.
    fn run(standing: &mut Standing, results: &str) -> Vec<Option<Turn>> {
        let results = results.chars().zip(1_u32..);
        results
            .map(|(result, now)| {
                let outcome = match result {
                    '+' => passed(),
                    '-' => failed(Cause::Refused),
                    '0' => Outcome::NotMade("no descriptor".to_owned()),
                    _ => failed(Cause::NoRoute),
                };
                standing.note(&outcome, RULES, now.into())
            })
            .collect()
    }

    fn up() -> Standing {
        let mut standing = Standing::new(true, 0.0);
        run(&mut standing, "+");
        standing
    }

    #[test]
    fn the_first_result_decides_at_once() {
        let mut assumed_up = Standing::new(true, 0.0);
        assert_eq!(assumed_up.state(), State::Unknown);
        assert_eq!(run(&mut assumed_up, "-"), [Some(Turn::Down)]);
        assert_eq!(assumed_up.state(), State::Down);
        let mut waiting = Standing::new(false, 0.0);
        assert_eq!(run(&mut waiting, "+"), [Some(Turn::Up)]);
        assert_eq!(up().state(), State::Up);
        assert_eq!(
            run(&mut Standing::new(false, 0.0), "-"),
            [Some(Turn::Confirmed)]
        );
    }

    #[test]
    fn a_kernel_that_knows_no_way_at_the_start_is_given_time() {
        let mut standing = Standing::new(true, 0.0);
        assert_eq!(run(&mut standing, "~~"), [None, None]);
        assert!(standing.counts_as_up());
        assert_eq!(run(&mut standing, "~"), [Some(Turn::Down)]);
    }

    #[test]
    fn it_falls_with_the_third_failure_in_a_row_and_rises_with_the_second_success() {
        let mut standing = up();
        let turns = run(&mut standing, "---");
        assert_eq!(turns, [None, None, Some(Turn::Down)]);
        assert_eq!((standing.since, standing.flaps), (3.0, 1));
        assert_eq!(standing.why, "3 times in a row: refused: no");
        assert_eq!(run(&mut standing, "++"), [None, Some(Turn::Up)]);
        assert_eq!(standing.why, "2 times in a row: connected");
        assert_eq!(standing.latency, Some(0.005));
    }

    #[test]
    fn one_result_of_the_other_kind_begins_the_count_anew() {
        let mut standing = up();
        assert!(run(&mut standing, "--+--+--").iter().all(Option::is_none));
        assert!(standing.is_in_doubt());
        assert_eq!(run(&mut standing, "-"), [Some(Turn::Down)]);
        assert!(run(&mut standing, "+-+-+-").iter().all(Option::is_none));
        assert_eq!(standing.state(), State::Down);
        assert!(!standing.is_in_doubt());
    }

    #[test]
    fn a_check_that_could_not_be_made_says_nothing() {
        let mut standing = up();
        assert_eq!(
            run(&mut standing, "-0-0-"),
            [None, None, None, None, Some(Turn::Down)]
        );
        assert_eq!((standing.checks, standing.failures), (4, 3));
    }

    #[test]
    fn another_check_keeps_what_is_known_and_begins_to_count_anew() {
        let mut standing = up();
        run(&mut standing, "--");
        standing.begin_anew();
        assert_eq!(run(&mut standing, "--"), [None, None]);
        assert_eq!(standing.state(), State::Up);
    }

    proptest! {
        #[test]
        fn the_state_changes_only_after_a_run_of_its_length(results in prop::collection::vec(any::<bool>(), 0..200), rise in 1_u32..5, fall in 1_u32..5) {
            let rules = Rules { rise, fall };
            let mut standing = Standing::new(true, 0.0);
            standing.note(&passed(), rules, 0.0);
            let mut run = (true, 0);
            for (result, now) in results.into_iter().zip(1_u32..) {
                run = if run.0 == result { (result, run.1 + 1) } else { (result, 1) };
                let was = standing.state();
                let outcome = if result { passed() } else { failed(Cause::Timeout) };
                let turn = standing.note(&outcome, rules, now.into());
                let needed = if result { rise } else { fall };
                let wanted = if result { State::Up } else { State::Down };
                if was == wanted {
                    prop_assert_eq!((turn, standing.state()), (None, was));
                } else {
                    prop_assert_eq!(turn.is_some(), run.1 >= needed);
                    prop_assert_eq!(standing.state() == wanted, run.1 >= needed);
                }
            }
        }
    }
}
