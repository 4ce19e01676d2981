//! The API's refusals, as people read them.
//!
//! No counterpart in the patent. One refusal is a sentence; several are a list, a line each, with the line of
//! the document where there is one.
//! Easy to get wrong: the body is kept as it came, for `--json`.

use std::fmt;

use lb_control::view;

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The answer's status, 400 to 599.
    pub status: u16,
    /// Its body, as it came.
    pub body: Vec<u8>,
    errors: Vec<view::Error>,
    hint: Option<String>,
}

impl Refused {
    /// Reads a refusal; `None` if it is not one of the API's.
    pub(crate) fn read(status: u16, body: Vec<u8>) -> Option<Self> {
        let view::Errors { errors } = serde_json::from_slice(&body).ok()?;
        let hint = match status {
            401 => Some("show who you are: --token-file, or --certificate and --key"),
            412 => Some("lbctl diff and lbctl revisions show what it is now"),
            429 | 503 => Some("try again in a moment"),
            _ => None,
        };
        (!errors.is_empty()).then_some(Self {
            status,
            body,
            errors,
            hint: hint.map(str::to_owned),
        })
    }

    /// The same refusal with one more sentence that says what to do.
    pub(crate) fn with_hint(self, hint: String) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    /// Whether the same request will be refused again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.status, 400 | 404 | 405 | 413 | 415 | 422)
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.as_slice() {
            [error] => write_error(f, error)?,
            errors => {
                write!(f, "refused for {} reasons:", errors.len())?;
                for error in errors {
                    f.write_str("\n  ")?;
                    write_error(f, error)?;
                }
            }
        }
        match (&self.hint, self.errors.len()) {
            (Some(hint), 1) => write!(f, "; {hint}"),
            (Some(hint), _) => write!(f, "\n{hint}"),
            (None, _) => Ok(()),
        }
    }
}

fn write_error(f: &mut fmt::Formatter<'_>, error: &view::Error) -> fmt::Result {
    if let Some(line) = error.line {
        write!(f, "line {line}: ")?;
    }
    if !error.path.is_empty() {
        write!(f, "{}: ", error.path)?;
    }
    f.write_str(&error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_shown_with_its_line() {
        let body = br#"{"errors":[
            {"path":"services[0].port","message":"0 is out of range","line":4},
            {"path":"","message":"no"}]}"#;
        let refused = Refused::read(422, body.to_vec()).unwrap();
        assert!(refused.is_final());
        assert_eq!(
            refused.to_string(),
            "refused for 2 reasons:\n  line 4: services[0].port: 0 is out of range\n  no"
        );
    }

    #[test]
    fn one_reason_is_one_sentence_with_what_to_do() {
        let body = br#"{"errors":[{"path":"","message":"revision 3 is in force"}]}"#;
        let refused = Refused::read(412, body.to_vec()).unwrap();
        assert!(!refused.is_final());
        let told = refused.to_string();
        assert!(
            told.starts_with("revision 3 is in force; lbctl diff"),
            "{told}"
        );
        assert_eq!(told.lines().count(), 1);
    }

    #[test]
    fn what_is_not_a_refusal_of_the_api_is_none() {
        for body in ["", "<html>", "{}", r#"{"errors":[]}"#] {
            assert!(Refused::read(502, body.into()).is_none(), "{body}");
        }
    }
}
