//! A number with a range and up to three decimals, as it stands in the document.
//!
//! No counterpart in the patent. The companion of [`Whole`](super::whole::Whole) for seconds and shares: a number
//! outside its range is still read, so that one look at a document can name every such key.
//! Easy to get wrong: the range is in thousandths, the number is not.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// A number that should be from `MIN` to `MAX` thousandths, both included, in steps of one thousandth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decimal<const MIN: u32, const MAX: u32>(f64);

/// JSON has no number that is not equal to itself.
impl<const MIN: u32, const MAX: u32> Eq for Decimal<MIN, MAX> {}

impl<const MIN: u32, const MAX: u32> Decimal<MIN, MAX> {
    /// Wraps a default, in thousandths.
    #[must_use]
    pub fn new(thousandths: u32) -> Self {
        Self(f64::from(thousandths) / 1000.0)
    }

    /// The number in thousandths, if it lies in its range and is a whole number of them.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range of u32, and whole but for what binary fractions cannot hold"
    )]
    pub fn within(self) -> Option<u32> {
        let thousandths = (self.0 * 1000.0).round();
        let is_exact = (self.0 * 1000.0 - thousandths).abs() < 1e-6;
        let is_within = thousandths >= f64::from(MIN) && thousandths <= f64::from(MAX);
        (is_exact && is_within).then_some(thousandths as u32)
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for Decimal<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: u32, const MAX: u32> Serialize for Decimal<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.within() {
            Some(thousandths) if thousandths % 1000 == 0 => {
                serializer.serialize_u32(thousandths / 1000)
            }
            _ => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Decimal<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

/// Takes all kinds of number that the JSON reader knows.
struct DecimalVisitor<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Visitor<'_> for DecimalVisitor<MIN, MAX> {
    type Value = Decimal<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (f64::from(MIN) / 1000.0, f64::from(MAX) / 1000.0);
        write!(f, "a number from {min} to {max}")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Decimal(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what is lost is far out of range"
    )]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Decimal(value as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what is lost is far out of range"
    )]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Decimal(value as f64))
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Decimal<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Decimal_{MIN}_to_{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (min, max) = (f64::from(MIN) / 1000.0, f64::from(MAX) / 1000.0);
        json_schema!({ "type": "number", "minimum": min, "maximum": max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal<100, 3_600_000> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_ends_of_the_range_belong_to_it_and_steps_are_thousandths() {
        assert_eq!(read("0.1").within(), Some(100));
        assert_eq!(read("3600").within(), Some(3_600_000));
        assert_eq!(read("0.123").within(), Some(123));
        for outside in ["0.099", "3600.001", "-1", "1e300", "0.1234"] {
            assert_eq!(read(outside).within(), None, "{outside}");
        }
    }

    #[test]
    fn a_number_is_written_as_it_is_shortest() {
        let written = |text| serde_json::to_string(&read(text)).unwrap();
        assert_eq!(written("2.0"), "2");
        assert_eq!(written("0.25"), "0.25");
    }
}
