//! Boxes that a resource manager of its own feeds with weights.
//!
//! WO 00/30294: the devices that one resource manager serves.
//! Easy to get wrong: a box in trouble may still forward with the weights that it got last, until their time is over,
//! and with those of its own after that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All boxes, in the order of the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Boxes {
    /// One at least.
    pub boxes: Vec<FedBox>,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FedBox {
    /// Where its API is.
    pub address: String,
    /// Revision of its document at the last visit; absent where none has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Services in its document.
    pub services: usize,
    /// Seconds since it took weights; absent where it never has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_age_seconds: Option<f64>,
    /// Times that it took weights.
    pub feedings: u64,
    /// Visits that came to nothing.
    pub failures: u64,
    /// Why the last one did; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
