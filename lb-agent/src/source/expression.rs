//! What a field is made of, where a source has named series: `rate(a_sum)/rate(a_count)`.
//!
//! No counterpart in the patent. One term, or two with a division; a term is a number, a series' value, or
//! its rate. Series that match one selector are added up.
//! Not here: where samples come from (`prometheus`).
//! Easy to get wrong: `rate(a)/rate(b)` of a server that was not asked anything is unknown, not zero.

use std::fmt;
use std::time::Instant;

use crate::rate::Rate;

/// Longest text of an expression, in octets.
pub const LENGTH_MAX: usize = 1024;
/// Labels that one selector may name.
const LABELS_MAX: usize = 16;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no expression; expected NUMBER, SERIES, rate(SERIES), or two of them with / between, \
     where SERIES is NAME or NAME{{LABEL=\"VALUE\",...}}"
)]
pub struct NoExpression(String);

/// What one label must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMatch {
    /// The label's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Whether it must have this value, or must not.
    pub is_equal: bool,
}

/// Which series are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The metric's name.
    pub name: String,
    /// What its labels must be.
    pub labels: Vec<LabelMatch>,
}

#[derive(Clone, Debug)]
enum Term {
    Number(f64),
    Value(Selector),
    Rate(Selector, Rate),
}

/// An expression, and what its rates remember.
#[derive(Clone, Debug)]
pub struct Expression {
    dividend: Term,
    divisor: Option<Term>,
}

impl std::str::FromStr for Expression {
    type Err = NoExpression;

    fn from_str(text: &str) -> Result<Self, NoExpression> {
        let read = || {
            let mut reader = Reader { rest: text };
            if text.len() > LENGTH_MAX {
                return None;
            }
            let dividend = reader.term()?;
            let divisor = match reader.take('/') {
                Some(()) => Some(reader.term()?),
                None => None,
            };
            reader
                .rest
                .trim()
                .is_empty()
                .then_some(Self { dividend, divisor })
        };
        read().ok_or_else(|| NoExpression(crate::notice::printable(text)))
    }
}

impl Expression {
    /// The series that it needs, in a fixed order.
    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        self.terms().filter_map(Term::selector)
    }

    fn terms(&self) -> impl Iterator<Item = &Term> {
        std::iter::once(&self.dividend).chain(&self.divisor)
    }

    /// Its value, given the sums of [`Expression::selectors`] in their order; `None` while it is unknown.
    pub fn evaluate(&mut self, at: Instant, sums: &[Option<f64>]) -> Option<f64> {
        let mut sums = sums.iter().copied();
        let dividend = self.dividend.evaluate(at, &mut sums);
        let value = match &mut self.divisor {
            None => dividend?,
            Some(divisor) => {
                // Both rates must see every round, also where the first is unknown.
                let divisor = divisor.evaluate(at, &mut sums);
                dividend? / divisor?
            }
        };
        value.is_finite().then_some(value)
    }
}

impl Term {
    fn selector(&self) -> Option<&Selector> {
        match self {
            Self::Number(_) => None,
            Self::Value(selector) | Self::Rate(selector, _) => Some(selector),
        }
    }

    fn evaluate(
        &mut self,
        at: Instant,
        sums: &mut impl Iterator<Item = Option<f64>>,
    ) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Value(_) => sums.next()?,
            Self::Rate(_, rate) => rate.next(at, sums.next()??),
        }
    }
}

/// A place in the text.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn take(&mut self, punctuation: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(punctuation)?;
        Some(())
    }

    /// What is made of the given characters; `None` if there is nothing of it.
    fn word(&mut self, is_part: impl Fn(char) -> bool) -> Option<&'t str> {
        let text = self.rest.trim_start();
        let (word, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn name(&mut self) -> Option<&'t str> {
        self.word(is_part_of_name)
            .filter(|name| !name.starts_with(|c: char| c.is_ascii_digit()))
    }

    fn term(&mut self) -> Option<Term> {
        if self
            .rest
            .trim_start()
            .starts_with(|c: char| c.is_ascii_digit() || c == '.')
        {
            let number = self.word(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))?;
            return Some(Term::Number(number.parse().ok()?));
        }
        let name = self.name()?;
        if name == "rate" && self.take('(').is_some() {
            let name = self.name()?;
            let selector = self.selector(name)?;
            self.take(')')?;
            return Some(Term::Rate(selector, Rate::default()));
        }
        Some(Term::Value(self.selector(name)?))
    }

    fn selector(&mut self, name: &str) -> Option<Selector> {
        let mut labels = Vec::new();
        if self.take('{').is_some() && self.take('}').is_none() {
            loop {
                labels.push(self.label()?);
                match (self.take(','), self.take('}')) {
                    (_, Some(())) => break,
                    (Some(()), None) if labels.len() < LABELS_MAX => {}
                    _ => return None,
                }
            }
        }
        Some(Selector {
            name: name.to_owned(),
            labels,
        })
    }

    fn label(&mut self) -> Option<LabelMatch> {
        let name = self.name()?.to_owned();
        let is_equal = self.take('!').is_none();
        self.take('=')?;
        self.take('"')?;
        let mut value = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(LabelMatch {
                        name,
                        value,
                        is_equal,
                    });
                }
                '\\' => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    c @ ('"' | '\\') => c,
                    _ => return None,
                }),
                c => value.push(c),
            }
        }
        None
    }
}

fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (position, label) in self.labels.iter().enumerate() {
            let before = if position == 0 { '{' } else { ',' };
            let operator = if label.is_equal { "=" } else { "!=" };
            write!(f, "{before}{}{operator}{:?}", label.name, label.value)?;
        }
        if self.labels.is_empty() {
            Ok(())
        } else {
            f.write_str("}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn selectors(text: &str) -> Vec<String> {
        let expression: Expression = text.parse().unwrap();
        expression.selectors().map(ToString::to_string).collect()
    }

    #[test]
    fn an_expression_names_the_series_that_it_needs() {
        assert_eq!(selectors("a_total"), ["a_total"]);
        assert_eq!(selectors("rate( a ) / rate( b )"), ["a", "b"]);
        assert_eq!(selectors("a/1e3"), ["a"]);
        assert_eq!(selectors("1 / a"), ["a"]);
        assert_eq!(selectors("rate"), ["rate"]);
        assert_eq!(selectors("7"), [""; 0]);
        assert_eq!(
            selectors(r#"rate(x{a="1", b!="\"\\\n",})"#),
            [r#"x{a="1",b!="\"\\\n"}"#]
        );
        assert_eq!(selectors("x{}"), ["x"]);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "",
            " ",
            "a b",
            "a/",
            "a/b/c",
            "rate(a",
            "rate()",
            "rate(1)",
            "x{a}",
            "x{a=1}",
            r#"x{a="1}"#,
            r#"x{a=~"1"}"#,
            r#"x{a="1""#,
            r#"x{a="1" b="2"}"#,
            r#"x{a="\x"}"#,
            "-1",
            "1.2.3",
        ] {
            assert!(text.parse::<Expression>().is_err(), "{text}");
        }
        assert!("a".repeat(LENGTH_MAX + 1).parse::<Expression>().is_err());
    }

    #[test]
    fn a_mean_time_is_the_quotient_of_two_rates() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut mean: Expression = "rate(s_sum)/rate(s_count)".parse().unwrap();
        assert_eq!(mean.evaluate(start, &[Some(10.0), Some(100.0)]), None);
        let after = mean.evaluate(start + second, &[Some(12.0), Some(500.0)]);
        assert_eq!(after, Some(0.005));
        let idle = mean.evaluate(start + second * 2, &[Some(12.0), Some(500.0)]);
        assert_eq!(idle, None, "nobody was served");
        let gone = mean.evaluate(start + second * 3, &[None, Some(500.0)]);
        assert_eq!(gone, None, "a series went away");
    }

    #[test]
    fn a_value_may_be_divided_by_a_number() {
        let mut expression: Expression = "load_percent/100".parse().unwrap();
        assert_eq!(
            expression.evaluate(Instant::now(), &[Some(43.0)]),
            Some(0.43)
        );
        let mut expression: Expression = "a/0".parse().unwrap();
        assert_eq!(expression.evaluate(Instant::now(), &[Some(1.0)]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_expression_or_refused(text in r#"[a-z0-9_(){}="/\\,.!é ]{0,40}"#) {
            if let Ok(mut expression) = text.parse::<Expression>() {
                let sums = vec![Some(1.0); expression.selectors().count()];
                expression.evaluate(Instant::now(), &sums);
            }
        }
    }
}
