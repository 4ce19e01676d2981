//! What is wrong with a document: where, and a sentence.
//!
//! No counterpart in the patent. All independent refusals are gathered, so that one look at the
//! answer is enough, up to [`REFUSALS_MAX`].
//! Easy to get wrong: text of the document that a message repeats is not ours; it is cut and made
//! printable first.

use std::fmt;

use super::decimal::Decimal;
use super::locate::{self, KeyPath};
use super::whole::Whole;

/// Refusals that one answer holds at most; later ones are left out.
pub const REFUSALS_MAX: usize = 20;

/// Characters of the document's own text that a message repeats at most.
const QUOTED_MAX: usize = 64;

/// Characters of a message that another library wrote.
const FOREIGN_MAX: usize = 400;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The key's path, as in `services[0].backends[1].address`; empty for the whole document.
    pub path: String,
    /// Line of the key in the document, from 1.
    pub line: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Refusals while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<(KeyPath, String)>);

impl Refusals {
    /// Notes that the value at `path` is refused.
    pub(super) fn add(&mut self, path: KeyPath, message: impl Into<String>) {
        if self.0.len() < REFUSALS_MAX {
            self.0.push((path, message.into()));
        }
    }

    /// Passes a value on; its error is the message of a refusal.
    pub(super) fn keep<T>(&mut self, path: KeyPath, value: Result<T, String>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(message) => {
                self.add(path, message);
                None
            }
        }
    }

    /// Passes a number on that lies in its range; `T` must hold all of the range.
    pub(super) fn number<T: TryFrom<u32>, const MIN: u32, const MAX: u32>(
        &mut self,
        path: KeyPath,
        number: Whole<MIN, MAX>,
    ) -> Option<T> {
        let within = number.within().and_then(|value| T::try_from(value).ok());
        let message =
            || format!("{number} is out of range; expected a whole number from {MIN} to {MAX}");
        self.keep(path, within.ok_or_else(message))
    }

    /// The same of a number with decimals; the answer is in thousandths.
    pub(super) fn decimal<const MIN: u32, const MAX: u32>(
        &mut self,
        path: KeyPath,
        number: Decimal<MIN, MAX>,
    ) -> Option<u32> {
        let (min, max) = (f64::from(MIN) / 1000.0, f64::from(MAX) / 1000.0);
        let message = || {
            format!(
                "{number} is out of range; expected a number from {min} to {max} with at most three decimals"
            )
        };
        self.keep(path, number.within().ok_or_else(message))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// True if nothing has been refused.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Finds the line of each in the document's text, and orders them by it.
    pub(super) fn locate(self, text: &str) -> Vec<Refusal> {
        let mut refusals: Vec<Refusal> = self
            .0
            .into_iter()
            .map(|(path, message)| Refusal {
                line: locate::line_of(text, &path).unwrap_or(1),
                path: path.to_string(),
                message,
            })
            .collect();
        refusals.sort_by_key(|refusal| refusal.line);
        refusals
    }
}

/// Cuts text of the document to a bounded length and escapes what does not print.
pub(super) fn printable(text: &str) -> String {
    escaped(text, QUOTED_MAX)
}

/// The same for the JSON reader's messages, which repeat text of the document.
pub(super) fn tidy(message: &str) -> String {
    escaped(message, FOREIGN_MAX)
}

fn escaped(text: &str, max: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().take(max) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_repeats_is_cut_and_made_printable() {
        assert_eq!(printable("a\u{1b}[2J\n\"b\""), "a\\u{1b}[2J\\n\"b\"");
        assert_eq!(printable(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(printable(&"x".repeat(65)), format!("{}…", "x".repeat(64)));
    }

    #[test]
    fn refusals_are_bounded_and_come_in_the_order_of_lines() {
        let mut refusals = Refusals::default();
        let text = "{\n\"a\": 1,\n\"b\": 2}";
        refusals.add(KeyPath::default().key("b"), "second");
        refusals.add(KeyPath::default().key("a"), "first");
        for _ in 0..100 {
            refusals.add(KeyPath::default().key("b"), "more");
        }
        let refusals = refusals.locate(text);
        assert_eq!(refusals.len(), REFUSALS_MAX);
        let shown: Vec<String> = refusals.iter().take(2).map(ToString::to_string).collect();
        assert_eq!(shown, ["line 2: a: first", "line 3: b: second"]);
    }

    #[test]
    fn a_refusal_of_the_whole_document_has_no_path() {
        let refusal = Refusal {
            path: String::new(),
            line: 7,
            message: "no".to_owned(),
        };
        assert_eq!(refusal.to_string(), "line 7: no");
    }
}
