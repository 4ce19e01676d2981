//! Sources: where an agent learns how loaded its backend is. One file each.
//!
//! No counterpart in the patent. A source is asked once in a round and answers with the values that it
//! knows; what it needs of the round before (counters) it keeps itself. Parsing and arithmetic are plain
//! functions of text and time, apart from the reading.
//! Easy to get wrong: whatever a source reads is bounded in size, and the asking in time.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::Instant;

use crate::notice::printable;
use crate::values::{Field, Unusable, Values};

pub mod cgroup;
pub mod command;
pub mod expression;
pub mod file;
pub mod haproxy;
pub mod nginx;
pub mod proc;
pub mod prometheus;
pub mod series;
pub mod sockets;
pub mod text;

/// One round's question.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// When it is asked; counters are taken to be of this moment.
    pub at: Instant,
    /// When the answer must be there.
    pub deadline: Instant,
}

/// What a source said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What it knows.
    pub values: Values,
    /// What it should know and does not, for the operator.
    pub remark: Option<String>,
}

/// Why a source said nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Not in time.
    #[error("no answer in time")]
    Hung,
    /// Not to be reached or read.
    #[error("{0}")]
    Io(io::Error),
    /// Not what it should be.
    #[error("{0}")]
    Unreadable(String),
    /// A value that cannot stand in a report.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut => Self::Hung,
            _ => Self::Io(error),
        }
    }
}

impl Failure {
    fn unreadable(what: impl Into<String>) -> Self {
        Self::Unreadable(what.into())
    }
}

/// Something that knows about a backend's load.
pub trait Source: Send {
    /// What it is, for messages: `nginx http://127.0.0.1:8080/stub_status`.
    fn name(&self) -> &str;

    /// Asks it.
    ///
    /// # Errors
    /// That it said nothing; the report goes without it.
    fn read(&mut self, ask: Ask) -> Result<Reading, Failure>;
}

impl Reading {
    /// Enters a value if there is one; one that cannot stand in a report becomes the remark.
    fn enter(&mut self, field: &Field, value: Option<f64>) {
        if let Some(value) = value
            && let Err(unusable) = self.values.set(field, value)
        {
            self.remark.get_or_insert(unusable.to_string());
        }
    }
}

/// A file's text, if it is no longer than `max` octets.
fn read_text(path: &Path, max: u64) -> Result<String, Failure> {
    let at = |error: io::Error| {
        Failure::Io(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        ))
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(max + 1).read_to_string(&mut text))
        .map_err(at)?;
    if text.len() as u64 > max {
        return Err(Failure::unreadable(format!(
            "{} is longer than {max} octets",
            path.display()
        )));
    }
    Ok(text)
}

/// Values out of a program's or a file's text: a number for `field`, or an object with a report's names.
fn read_values(text: &str, field: Option<&Field>) -> Result<Reading, Failure> {
    let mut reading = Reading::default();
    let Some(field) = field else {
        let said: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text.trim())
            .map_err(|error| Failure::unreadable(format!("no JSON object: {error}")))?;
        for (name, value) in &said {
            enter_member(&mut reading.values, name, value)?;
        }
        return Ok(reading);
    };
    let number: f64 = text.trim().parse().map_err(|_| {
        let shown = printable(text);
        Failure::unreadable(format!("{shown:?} is no number; expected one for {field}"))
    })?;
    reading.values.set(field, number)?;
    Ok(reading)
}

fn enter_member(values: &mut Values, name: &str, value: &serde_json::Value) -> Result<(), Failure> {
    let no_number = || Failure::unreadable(format!("{}: expected a number", printable(name)));
    if name == "named_metrics" {
        let named = value
            .as_object()
            .ok_or_else(|| Failure::unreadable("named_metrics: expected an object"))?;
        for (name, value) in named {
            let field: Field = format!("named_metrics.{name}")
                .parse()
                .map_err(|error| Failure::unreadable(format!("{error}")))?;
            values.set(&field, value.as_f64().ok_or_else(no_number)?)?;
        }
        return Ok(());
    }
    let field: Field = name
        .parse()
        .map_err(|error| Failure::unreadable(format!("{error}")))?;
    Ok(values.set(&field, value.as_f64().ok_or_else(no_number)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_where_it_was_said_to_go() {
        let reading = read_values(" 0.25\n", Some(&Field::CpuUtilization)).unwrap();
        assert_eq!(reading.values.cpu_utilization, Some(0.25));
        assert!(read_values("a lot", Some(&Field::Eps)).is_err());
        assert!(read_values("-1", Some(&Field::Eps)).is_err());
    }

    #[test]
    fn an_object_has_the_names_of_a_report() {
        let text = r#"{"clients": 3, "named_metrics": {"queue": 1.5}}"#;
        let values = read_values(text, None).unwrap().values;
        assert_eq!(values.clients, Some(3));
        assert_eq!(values.named_metrics["queue"], 1.5);
    }

    #[test]
    fn an_object_that_says_something_else_is_refused_whole() {
        for (text, wanted) in [
            ("[]", "no JSON object"),
            (r#"{"cpu": 1}"#, "no field"),
            (r#"{"eps": "1"}"#, "eps: expected a number"),
            (r#"{"mem_utilization": 1.5}"#, "from 0 to 1"),
            (r#"{"named_metrics": 1}"#, "expected an object"),
            (r#"{"named_metrics": {"a b": 1}}"#, "no field"),
            (r#"{"backend": "web-9"}"#, "no field"),
        ] {
            let told = read_values(text, None).unwrap_err().to_string();
            assert!(told.contains(wanted), "{text}: {told}");
        }
    }
}
