//! What stands of an agent-check's statements for one backend.
//!
//! No counterpart in the patent. An agent says what it wants to change; the rest of its words stand. So
//! `drain`, and later `75%`, is a drained backend with three quarters of its weight, as in HAProxy. Unlike
//! there, an agent that falls silent takes all of its words with it.
//! Easy to get wrong: words that expired must not come back with the agent's next answer.

use crate::agent_check::{Admin, AskError, Health, Statement};

/// Shortest silence after which an agent's words no longer stand, in seconds.
pub const LEAST_CHECK_EXPIRY_SECONDS: f64 = 10.0;
/// Intervals of silence after which an agent's words no longer stand.
const INTERVALS: f64 = 5.0;
/// Largest percentage that has an effect: what the master lets any agent win (factor 4).
pub const MOST_PERCENT: u16 = 400;

/// The words of one agent for one backend, as they stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Every word that was said last of its kind; `unknown` and `description` are those of the last answer.
    pub words: Statement,
    /// When it was heard last; `None`: never, or it expired.
    heard_at: Option<f64>,
    /// Answers in all.
    pub answers: u64,
    /// Questions without an answer, in all.
    pub failures: u64,
    /// Why the last question had no answer; `None`: it had one.
    pub failure: Option<AskError>,
}

/// Seconds of silence after which the words of an agent no longer stand.
pub(super) fn expiry_seconds(interval_seconds: u32) -> f64 {
    (f64::from(interval_seconds) * INTERVALS).max(LEAST_CHECK_EXPIRY_SECONDS)
}

impl Standing {
    /// Takes an answer in.
    pub(super) fn take(&mut self, said: &Statement, now: f64, expiry: f64) {
        self.expire(now, expiry);
        let words = &mut self.words;
        words.percent = said.percent.or(words.percent);
        words.admin = said.admin.or(words.admin);
        words.most_connections = said.most_connections.or(words.most_connections);
        if said.health.is_some() {
            words.health = said.health;
            words.description.clone_from(&said.description);
        }
        words.unknown.clone_from(&said.unknown);
        self.heard_at = Some(now);
        self.answers = self.answers.saturating_add(1);
        self.failure = None;
    }

    /// Takes in that there was no answer.
    pub(super) fn miss(&mut self, error: AskError) {
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(error);
    }

    /// Forgets the words of an agent that has been silent for `expiry` seconds.
    pub(super) fn expire(&mut self, now: f64, expiry: f64) {
        if self.heard_at.is_some_and(|at| now - at > expiry) {
            self.words = Statement::default();
            self.heard_at = None;
        }
    }

    /// Seconds since the last answer; `None` where nothing stands.
    pub(super) fn age(&self, now: f64) -> Option<f64> {
        self.heard_at.map(|at| (now - at).max(0.0))
    }

    /// Whether the agent leaves its backend new flows.
    #[must_use]
    pub fn lets_flows_in(&self) -> bool {
        let is_ready = self.words.admin.is_none_or(|admin| admin == Admin::Ready);
        let is_up = self.words.health.is_none_or(|health| health == Health::Up);
        is_ready && is_up && self.words.percent != Some(0)
    }

    /// Per cent of its weight that the backend should have, 0 to [`MOST_PERCENT`].
    #[must_use]
    pub fn percent(&self) -> u16 {
        self.words.percent.unwrap_or(100).min(MOST_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(lines: &[&str]) -> Standing {
        let mut standing = Standing::default();
        for line in lines {
            let said = Statement::parse(format!("{line}\n").as_bytes()).unwrap();
            standing.take(&said, 0.0, 10.0);
        }
        standing
    }

    #[test]
    fn what_an_agent_leaves_out_stays_as_it_was() {
        let standing = after(&["drain", "75%", "maxconn:30"]);
        assert!(!standing.lets_flows_in());
        assert_eq!(standing.percent(), 75);
        assert!(after(&["drain", "75%", "ready"]).lets_flows_in());
    }

    #[test]
    fn ready_does_not_undo_down_nor_up_undo_drain() {
        for (lines, lets_in) in [
            (["down", "ready"], false),
            (["drain", "up"], false),
            (["maint", "ready"], true),
            (["fail", "up"], true),
            (["stopped", "up"], true),
            (["0%", "up ready"], false),
            (["0%", "1%"], true),
        ] {
            assert_eq!(after(&lines).lets_flows_in(), lets_in, "{lines:?}");
        }
    }

    #[test]
    fn words_that_expired_do_not_come_back_with_the_next_answer() {
        let mut standing = after(&["down # burnt"]);
        let next = Statement::parse(b"75%\n").unwrap();
        standing.take(&next, 10.1, 10.0);
        assert!(standing.lets_flows_in());
        assert_eq!(standing.words.description, None);
        assert_eq!(standing.percent(), 75);
    }

    #[test]
    fn an_agent_that_answers_without_a_word_keeps_its_words_alive() {
        let mut standing = after(&["drain"]);
        for second in 1..60 {
            standing.take(&Statement::default(), f64::from(second), 10.0);
        }
        assert!(!standing.lets_flows_in());
    }

    #[test]
    fn silence_of_five_intervals_but_ten_seconds_at_least_ends_a_statement() {
        assert!((expiry_seconds(1) - 10.0).abs() < 1e-9);
        assert!((expiry_seconds(2) - 10.0).abs() < 1e-9);
        assert!((expiry_seconds(60) - 300.0).abs() < 1e-9);
    }
}
