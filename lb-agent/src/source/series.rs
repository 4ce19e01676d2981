//! Prometheus' text format, one line at a time.
//!
//! No counterpart in the patent. Exposition format 0.0.4 and OpenMetrics 1.0: name, labels, value, then a
//! time stamp or an exemplar, which are passed over. Lines are read in place; nothing is built of what is
//! not asked for.
//! Easy to get wrong: a label's value may hold any character, `}` and `,` too.

use super::expression::Selector;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'l> {
    /// The metric's name.
    pub name: &'l str,
    /// What stands between the braces.
    labels: &'l str,
    /// Its value; may be NaN or infinite.
    pub value: f64,
}

/// Reads one line; `None` for comments, blanks, and what is no sample.
#[must_use]
pub fn parse_line(line: &str) -> Option<Sample<'_>> {
    let line = line.trim_start();
    let is_end = |c: char| c == '{' || c.is_ascii_whitespace();
    let (name, rest) = line.split_at(line.find(is_end)?);
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => {
            let end = end_of_labels(rest)?;
            (rest.get(..end)?, rest.get(end + 1..)?)
        }
        None => ("", rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample {
        name,
        labels,
        value,
    })
}

/// Where the brace is that no quotes enclose.
fn end_of_labels(text: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'}' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

impl Sample<'_> {
    /// Whether a selector means this sample.
    #[must_use]
    pub fn is_meant_by(&self, selector: &Selector) -> bool {
        self.name == selector.name
            && selector.labels.iter().all(|wanted| {
                // A label that is not there is an empty one.
                let value = self.label(&wanted.name).unwrap_or_default();
                (value == wanted.value) == wanted.is_equal
            })
    }

    /// A label's value without its escapes.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<String> {
        let mut rest = self.labels;
        loop {
            let (found, behind) = rest.split_once('=')?;
            let quoted = behind.trim_start().strip_prefix('"')?;
            let (value, behind) = unquote(quoted)?;
            if found.trim() == name {
                return Some(value);
            }
            rest = behind.trim_start().strip_prefix(',')?;
        }
    }
}

/// Text up to the closing quotes, without escapes, and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                c => c,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::expression::Expression;
    use proptest::prelude::*;

    fn is_meant(line: &str, selector: &str) -> bool {
        let expression: Expression = selector.parse().unwrap();
        let selector = expression.selectors().next().unwrap();
        parse_line(line).unwrap().is_meant_by(selector)
    }

    #[test]
    fn every_form_of_a_sample_is_read() {
        for (line, name, value) in [
            ("up 1", "up", 1.0),
            ("  up\t1 1700000000000", "up", 1.0),
            (r#"x{a="b"} 0.25"#, "x", 0.25),
            (r#"x{a="}",b="\"}"}2.5e-3"#, "x", 0.0025),
            (
                "x_bucket{le=\"+Inf\"} 7 # {trace=\"1\"} 0.5",
                "x_bucket",
                7.0,
            ),
            ("x +Inf", "x", f64::INFINITY),
        ] {
            let sample = parse_line(line).unwrap();
            assert_eq!((sample.name, sample.value), (name, value), "{line}");
        }
        assert!(parse_line("x NaN").unwrap().value.is_nan());
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        for line in [
            "",
            "# HELP up x",
            "# EOF",
            "up",
            "up x",
            "{a=\"b\"} 1",
            "x{a=\"b\" 1",
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }

    #[test]
    fn labels_decide_which_series_are_meant() {
        let line = r#"http_requests_total{code="200",path="/a,\"b\"}"} 3"#;
        assert!(is_meant(line, "http_requests_total"));
        assert!(is_meant(line, r#"http_requests_total{code="200"}"#));
        assert!(is_meant(line, r#"http_requests_total{path="/a,\"b\"}"}"#));
        assert!(is_meant(line, r#"http_requests_total{code!="500"}"#));
        assert!(is_meant(line, r#"http_requests_total{host=""}"#));
        assert!(!is_meant(line, "http_requests"));
        assert!(!is_meant(line, r#"http_requests_total{code="500"}"#));
        assert!(!is_meant(line, r#"http_requests_total{host="x"}"#));
        assert!(!is_meant(line, r#"http_requests_total{code!="200"}"#));
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_passed_over(line in r#"[a-z{}"=\\,é 0-9]{0,60}"#) {
            if let Some(sample) = parse_line(&line) {
                let _ = sample.label("a");
            }
        }
    }
}
