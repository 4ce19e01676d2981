//! One answer of an agent in HAProxy's protocol, read into what it says.
//!
//! No counterpart in the patent. Source: HAProxy's configuration manual, `agent-check`, and what its parser
//! does where the manual is silent: one line, ended by the first CR or LF; words between blanks, tabs and
//! commas, in any case and order; of two words of a kind the last counts; a word that begins with `#` ends
//! the words, and what follows describes the state.
//! Not here: `weight:N` without `%`, which only means something beside HAProxy's own weights; it is told as
//! not understood.
//! Easy to get wrong: a line without an end is no line. Half of `maxconn:30` reads as `maxconn:3`.

/// Largest percentage that is told apart; more counts as this much.
pub const LARGEST_PERCENT: u16 = 25_600;
/// Longest description or unknown word that is kept, in octets.
pub const LONGEST_TEXT: usize = 128;

/// What an agent says of its server's administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// `ready`: takes back `drain` and `maint`.
    Ready,
    /// `drain`: no new flows.
    Drain,
    /// `maint`: no new flows, somebody works on it.
    Maint,
}

impl Admin {
    /// The protocol's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// What an agent says of its server's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// `up`: takes back the others.
    Up,
    /// `down`: does not answer.
    Down,
    /// `fail`: seems to answer, but fails a test.
    Fail,
    /// `stopped`: somebody stopped it.
    Stopped,
}

impl Health {
    /// The protocol's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Fail => "fail",
            Self::Stopped => "stopped",
        }
    }
}

/// One answer. `None`: the agent does not speak of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// `75%` or `weight:75%`: per cent of the configured weight, 0 to [`LARGEST_PERCENT`].
    pub percent: Option<u16>,
    /// `ready`, `drain` or `maint`.
    pub admin: Option<Admin>,
    /// `up`, `down`, `fail` or `stopped`.
    pub health: Option<Health>,
    /// `maxconn:30`: connections that the server wants at most. Shown, not enforced.
    pub most_connections: Option<u32>,
    /// Text after `#`; kept only with a word of health.
    pub description: Option<String>,
    /// The first word that was not understood and passed over.
    pub unknown: Option<String>,
}

/// The answer has no end of line: cut short on its way, or not an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer ended without an end of line")]
pub struct Unfinished;

impl Statement {
    /// Reads an answer up to the end of its first line. An empty line says nothing, and is a statement.
    ///
    /// # Errors
    /// When there is no end of line.
    pub fn parse(answer: &[u8]) -> Result<Self, Unfinished> {
        let is_end = |octet: &u8| matches!(octet, b'\r' | b'\n');
        let end = answer.iter().position(is_end).ok_or(Unfinished)?;
        let mut rest = answer.get(..end).unwrap_or_default();
        let mut statement = Self::default();
        loop {
            let blanks = rest.iter().take_while(|octet| is_separator(octet)).count();
            rest = rest.get(blanks..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(statement);
            }
            if let Some(description) = rest.strip_prefix(b"#") {
                statement.description = statement.health.and_then(|_| text(description));
                return Ok(statement);
            }
            let length = rest.iter().position(is_separator).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            if statement.take(word).is_none() && statement.unknown.is_none() {
                statement.unknown = text(word);
            }
            rest = after;
        }
    }

    /// Takes one word in; `None`: not understood.
    fn take(&mut self, word: &[u8]) -> Option<()> {
        let word = std::str::from_utf8(word).ok()?.to_ascii_lowercase();
        match word.as_str() {
            "ready" => self.admin = Some(Admin::Ready),
            "drain" => self.admin = Some(Admin::Drain),
            "maint" => self.admin = Some(Admin::Maint),
            "up" => self.health = Some(Health::Up),
            "down" => self.health = Some(Health::Down),
            "fail" => self.health = Some(Health::Fail),
            "stopped" => self.health = Some(Health::Stopped),
            other => return self.take_number(other),
        }
        Some(())
    }

    fn take_number(&mut self, word: &str) -> Option<()> {
        if let Some(limit) = word.strip_prefix("maxconn:") {
            self.most_connections = Some(digits(limit)?);
            return Some(());
        }
        let percent = digits(
            word.strip_prefix("weight:")
                .unwrap_or(word)
                .strip_suffix('%')?,
        )?;
        self.percent = Some(
            u16::try_from(percent)
                .unwrap_or(LARGEST_PERCENT)
                .min(LARGEST_PERCENT),
        );
        Some(())
    }
}

const fn is_separator(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t' | b',')
}

/// A number without a sign, as large as it may be.
fn digits(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Octets as text that can be shown anywhere: no control characters, no more than [`LONGEST_TEXT`].
fn text(octets: &[u8]) -> Option<String> {
    let mut kept = String::new();
    for character in String::from_utf8_lossy(octets.trim_ascii()).chars() {
        if kept.len() + character.len_utf8() > LONGEST_TEXT {
            break;
        }
        kept.push(if character.is_control() {
            '\u{fffd}'
        } else {
            character
        });
    }
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Statement {
        Statement::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn every_word_of_the_protocol_is_understood() {
        let nothing = Statement::default;
        let cases = [
            (
                "75%\n",
                Statement {
                    percent: Some(75),
                    ..nothing()
                },
            ),
            (
                "weight:75%\n",
                Statement {
                    percent: Some(75),
                    ..nothing()
                },
            ),
            (
                "0%\r\n",
                Statement {
                    percent: Some(0),
                    ..nothing()
                },
            ),
            (
                "ready\n",
                Statement {
                    admin: Some(Admin::Ready),
                    ..nothing()
                },
            ),
            (
                "drain\n",
                Statement {
                    admin: Some(Admin::Drain),
                    ..nothing()
                },
            ),
            (
                "maint\n",
                Statement {
                    admin: Some(Admin::Maint),
                    ..nothing()
                },
            ),
            (
                "up\n",
                Statement {
                    health: Some(Health::Up),
                    ..nothing()
                },
            ),
            (
                "down\n",
                Statement {
                    health: Some(Health::Down),
                    ..nothing()
                },
            ),
            (
                "fail\n",
                Statement {
                    health: Some(Health::Fail),
                    ..nothing()
                },
            ),
            (
                "stopped\n",
                Statement {
                    health: Some(Health::Stopped),
                    ..nothing()
                },
            ),
            (
                "maxconn:30\n",
                Statement {
                    most_connections: Some(30),
                    ..nothing()
                },
            ),
            ("\n", nothing()),
        ];
        for (line, statement) in cases {
            assert_eq!(said(line), statement, "{line:?}");
        }
    }

    #[test]
    fn words_stand_in_any_order_between_blanks_tabs_and_commas() {
        let all = said("UP,ready\t75%  maxconn:30\r\nthe second line says nothing: down\n");
        let expected = Statement {
            percent: Some(75),
            admin: Some(Admin::Ready),
            health: Some(Health::Up),
            most_connections: Some(30),
            ..Statement::default()
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn of_two_words_of_a_kind_the_last_counts() {
        let twice = said("drain ready 10% 20% down up\n");
        assert_eq!((twice.percent, twice.admin), (Some(20), Some(Admin::Ready)));
        assert_eq!(twice.health, Some(Health::Up));
    }

    #[test]
    fn a_description_follows_a_sharp_and_belongs_to_a_word_of_health() {
        assert_eq!(
            said("down # disk is full, 100%\n").description.as_deref(),
            Some("disk is full, 100%")
        );
        assert_eq!(said("down # disk is full, 100%\n").percent, None);
        assert_eq!(said("75% # on a whim\n").description, None);
        assert_eq!(said("fail #\n").description, None);
    }

    #[test]
    fn the_first_word_that_is_not_understood_is_told_and_the_others_count() {
        for (line, word) in [
            ("HTTP/1.1 400 75%\n", "HTTP/1.1"),
            ("75% down#full\n", "down#full"),
            ("75% -5%\n", "-5%"),
            ("75% 7.5%\n", "7.5%"),
            ("75% maxconn:\n", "maxconn:"),
            ("75% maxconn:-1\n", "maxconn:-1"),
            ("75% weight:50\n", "weight:50"),
            ("75% %\n", "%"),
            ("75% \u{1b}[2J up\n", "\u{fffd}[2J"),
        ] {
            let statement = said(line);
            assert_eq!(statement.unknown.as_deref(), Some(word), "{line:?}");
            assert_eq!(statement.percent, Some(75), "{line:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_no_line() {
        for answer in ["", "75%", "maxconn:3", "down # dis"] {
            assert_eq!(Statement::parse(answer.as_bytes()), Err(Unfinished));
        }
    }

    #[test]
    fn what_is_kept_of_an_answer_is_bounded() {
        let long = said(&format!(
            "down {} # {}\n",
            "x".repeat(5000),
            "ä".repeat(5000)
        ));
        assert!(long.unknown.unwrap().len() <= LONGEST_TEXT);
        assert!(long.description.unwrap().len() <= LONGEST_TEXT);
        let large = said("99999999999999999999% maxconn:99999999999999999999\n");
        assert_eq!(large.percent, Some(LARGEST_PERCENT));
        assert_eq!(large.most_connections, Some(u32::MAX));
        assert!(Statement::parse(b"\xff\xfe\0 75%\n").is_ok_and(|said| said.percent == Some(75)));
    }
}
