//! Why a request was refused.
//!
//! No counterpart in the patent. Every answer with a status of 400 and above has this body.
//! Easy to get wrong: `path` is a key of the *request's document*; it is empty where the request as a whole is
//! refused.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One or more reasons, in the order of the document's lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Errors {
    /// At least one, 20 at most.
    pub errors: Vec<Error>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Error {
    /// Path of the key, as in `services[0].backends[1].address`; empty for the whole request.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// Line of the key in the document, from 1; absent where there is no document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl Errors {
    /// One reason that concerns the request as a whole.
    #[must_use]
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            errors: vec![Error {
                path: String::new(),
                message: message.into(),
                line: None,
            }],
        }
    }
}
