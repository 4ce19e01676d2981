//! The secret that agents and control processor share.
//!
//! No counterpart in the patent. It comes from a file or from the environment, never from the command
//! line, which every user of the machine can read.
//! Easy to get wrong: it must not show in a log; `Debug` hides it, and only [`Token::secret`] gives it out.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Environment variable with the token, where no file is named.
pub const VARIABLE: &str = "LB_AGENT_TOKEN";
/// Longest token, in octets.
const LENGTH_MAX: usize = 4096;

/// A bearer token (RFC 6750): 1 to 4096 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// What is there cannot be one.
    #[error("{0} holds no token; expected 1 to {LENGTH_MAX} visible ASCII characters")]
    NotOne(String),
}

impl Token {
    /// Reads it from a file; blanks around it do not count.
    ///
    /// # Errors
    /// A file that cannot be read or holds no token.
    pub fn read(path: &Path) -> Result<Self, NoToken> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(LENGTH_MAX as u64 + 64).read_to_string(&mut text))
            .map_err(|error| NoToken::Unreadable {
                path: path.display().to_string(),
                error,
            })?;
        text.trim()
            .parse()
            .map_err(|()| NoToken::NotOne(path.display().to_string()))
    }

    /// The secret itself.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_visible = text.bytes().all(|octet| octet.is_ascii_graphic());
        ((1..=LENGTH_MAX).contains(&text.len()) && is_visible)
            .then(|| Self(text.to_owned()))
            .ok_or(())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Where the token comes from.
#[derive(Clone, Debug, Default)]
pub enum TokenFrom {
    /// There is none.
    #[default]
    Nowhere,
    /// A file, read anew for every connection so that a token can be changed.
    File(PathBuf),
    /// The environment at start.
    Environment(Token),
}

impl TokenFrom {
    /// The token as it is now.
    ///
    /// # Errors
    /// Those of [`Token::read`].
    pub fn token(&self) -> Result<Option<Token>, NoToken> {
        match self {
            Self::Nowhere => Ok(None),
            Self::File(path) => Token::read(path).map(Some),
            Self::Environment(token) => Ok(Some(token.clone())),
        }
    }
}

/// A sentence if every user of the machine may read a secret's file.
#[must_use]
pub fn too_open(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| {
        format!(
            "{} can be read by every user of this machine; chmod 640 or less would keep it secret",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_shows_in_a_log() {
        let token: Token = "s3cret".parse().unwrap();
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn what_could_break_out_of_a_field_is_no_token() {
        for text in ["", "a b", "a\r\nX: y", "é", &"x".repeat(5000)] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }
}
