//! Finds the line of a key in the text of a JSON document.
//!
//! No counterpart in the patent. A refusal names the key's path; people look for a line.
//! Not here: whether the text is valid JSON. What cannot be followed has no line.
//! Easy to get wrong: nesting is the sender's choice, so values off the path are skipped with a
//! counter and not with recursion.

use std::fmt;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into an object, by key.
    Key(String),
    /// Into an array, by position from 0.
    Index(usize),
}

/// Steps from the whole document to one value: `services[0].backends[1].address`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

impl KeyPath {
    /// This path and one key more.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// This path and one position more.
    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// The key that the path ends with.
    pub(super) fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(f, "{}", super::refusal::printable(key))?,
                Step::Key(key) => write!(f, ".{}", super::refusal::printable(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Line, from 1, where the value at `path` begins, or its key if it has one.
///
/// Where a key stands twice the first is meant. `None` if the text has no such value.
pub(super) fn line_of(text: &str, path: &KeyPath) -> Option<usize> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_blanks();
    let mut found = scanner.at;
    for step in &path.0 {
        found = match step {
            Step::Key(key) => scanner.enter_member(key)?,
            Step::Index(index) => scanner.enter_element(*index)?,
        };
    }
    let before = text.as_bytes().get(..found)?;
    Some(1 + before.iter().filter(|&&octet| octet == b'\n').count())
}

/// A place in the text. Every method leaves it behind what it read.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes one octet of punctuation and the blanks on both sides.
    fn take(&mut self, punctuation: u8) -> Option<()> {
        self.skip_blanks();
        if self.peek()? != punctuation {
            return None;
        }
        self.at += 1;
        self.skip_blanks();
        Some(())
    }

    /// From an object to the value of one member; answers where its key begins.
    fn enter_member(&mut self, wanted: &str) -> Option<usize> {
        self.take(b'{')?;
        loop {
            let start = self.at;
            self.skip_string()?;
            let matches = key_is(self.text.get(start..self.at)?, wanted);
            self.take(b':')?;
            if matches {
                return Some(start);
            }
            self.skip_value()?;
            self.take(b',')?;
        }
    }

    /// From an array to one element; answers where it begins.
    fn enter_element(&mut self, wanted: usize) -> Option<usize> {
        self.take(b'[')?;
        for _ in 0..wanted {
            self.skip_value()?;
            self.take(b',')?;
        }
        // An empty array has no first element.
        (self.peek()? != b']').then_some(self.at)
    }

    /// Passes a string, quotes and all.
    fn skip_string(&mut self) -> Option<()> {
        if self.peek()? != b'"' {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// Passes a value of any depth.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.skip_string()?;
                    if depth == 0 {
                        return Some(());
                    }
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => {
                    // Closing what was opened before: the value was a bare word and ends here.
                    if depth == 0 {
                        return Some(());
                    }
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Some(());
                    }
                }
                b',' if depth == 0 => return Some(()),
                _ => {}
            }
            self.at += 1;
        }
    }
}

/// True if a key in quotes, as it stands in the text, means `wanted`.
fn key_is(quoted: &str, wanted: &str) -> bool {
    if quoted.contains('\\') {
        return serde_json::from_str::<String>(quoted).is_ok_and(|key| key == wanted);
    }
    quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "a": [ 1, "x ] } , \" ",
    { "b": { "c": [[], {}] },
      "d\u0065": true } ],
  "f": null
}"#;

    fn at(path: &KeyPath) -> Option<usize> {
        line_of(TEXT, path)
    }

    #[test]
    fn keys_and_elements_are_found_on_their_lines() {
        let root = KeyPath::default();
        assert_eq!(at(&root), Some(1));
        assert_eq!(at(&root.key("a")), Some(2));
        assert_eq!(at(&root.key("a").index(1)), Some(2));
        assert_eq!(at(&root.key("a").index(2)), Some(3));
        assert_eq!(
            at(&root.key("a").index(2).key("b").key("c").index(1)),
            Some(3)
        );
        assert_eq!(at(&root.key("f")), Some(5));
    }

    #[test]
    fn an_escaped_key_is_the_key_it_means() {
        assert_eq!(at(&KeyPath::default().key("a").index(2).key("de")), Some(4));
    }

    #[test]
    fn what_is_not_there_has_no_line() {
        let root = KeyPath::default();
        assert_eq!(at(&root.key("z")), None);
        assert_eq!(at(&root.key("a").index(3)), None);
        assert_eq!(at(&root.index(0)), None);
        assert_eq!(line_of("[]", &root.index(0)), None);
        assert_eq!(line_of("{}", &root.key("a")), None);
        assert_eq!(line_of("", &root.key("a")), None);
    }

    #[test]
    fn a_million_brackets_are_skipped_without_recursion() {
        let deep = format!(
            "{{\"a\": {}{},\n\"b\": 1}}",
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        assert_eq!(line_of(&deep, &KeyPath::default().key("b")), Some(2));
    }

    #[test]
    fn a_text_that_ends_anywhere_is_followed_without_a_panic() {
        let path = KeyPath::default().key("a").index(2).key("de");
        for end in (0..TEXT.len()).filter(|&end| TEXT.is_char_boundary(end)) {
            assert!(line_of(&TEXT[..end], &path).is_none_or(|line| line == 4));
        }
    }

    #[test]
    fn a_path_prints_as_people_write_it() {
        let path = KeyPath::default()
            .key("services")
            .index(0)
            .key("backends")
            .index(1)
            .key("address");
        assert_eq!(path.to_string(), "services[0].backends[1].address");
    }
}
