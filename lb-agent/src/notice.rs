//! What an operator is told on standard error, and how seldom.
//!
//! No counterpart in the patent. A trouble is told when it begins, when it changes and when it ends, never
//! every second; a trouble that comes and goes is told at most every [`QUIET`].
//! Easy to get wrong: the other side wrote part of a text; it is cut and made printable.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

/// Shortest time between two notices about the same thing.
pub const QUIET: Duration = Duration::from_secs(10);
/// Characters of foreign text that a notice repeats at most.
const QUOTED_MAX: usize = 200;

/// Tells one line. That nobody listens is no reason to stop.
pub fn tell(line: &dyn Display) {
    let _ = writeln!(std::io::stderr().lock(), "lb-agent: {line}");
}

/// Text of others, cut and made printable.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown: String = text
        .trim()
        .chars()
        .take(QUOTED_MAX)
        .flat_map(|c| match c {
            '\'' | '"' | '\\' => c.to_string().chars().collect::<Vec<_>>(),
            c => c.escape_debug().collect(),
        })
        .collect();
    if text.trim().chars().nth(QUOTED_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Health of one thing, as it was last told.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    told: Option<String>,
    at: Option<Instant>,
}

impl Trouble {
    /// Takes how things are now, `None` for well; the line to tell, if it is time for one.
    pub fn now(&mut self, at: Instant, trouble: Option<&str>, what: &str) -> Option<String> {
        let is_quiet = |told: Instant| at.saturating_duration_since(told) < QUIET;
        if self.told.as_deref() == trouble || self.at.is_some_and(is_quiet) {
            return None;
        }
        self.at = Some(at);
        self.told = trouble.map(str::to_owned);
        Some(match trouble {
            Some(trouble) => format!("{what}: {trouble}"),
            None => format!("{what}: well again"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_once_and_its_end_once() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        let mut told = Vec::new();
        for second in 0..60 {
            let now = (20..40).contains(&second).then_some("refused");
            told.extend(trouble.now(start + Duration::from_secs(second), now, "nginx"));
        }
        assert_eq!(told, ["nginx: refused", "nginx: well again"]);
    }

    #[test]
    fn a_trouble_that_comes_and_goes_is_told_seldom() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        let told = (0..600).filter_map(|second| {
            let now = (second % 2 == 0).then_some("timed out");
            trouble.now(start + Duration::from_secs(second), now, "nginx")
        });
        assert!((2..=61).contains(&told.count()));
    }

    #[test]
    fn foreign_text_is_cut_and_printable() {
        assert_eq!(printable(" \u{1b}[2J\"a\"\n"), "\\u{1b}[2J\"a\"");
        assert_eq!(printable(&"x".repeat(500)).chars().count(), QUOTED_MAX + 1);
    }
}
