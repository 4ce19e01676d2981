//! A whole number with a range, as it stands in the document.
//!
//! No counterpart in the patent. A number outside its range is still read, so that one look at a
//! document can name every such key; [`Whole::within`] is where the range holds.
//! Easy to get wrong: a number with a fraction or beyond 64 bits is no whole number and ends the reading.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// A whole number that should be from `MIN` to `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: u32, const MAX: u32>(i128);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// Wraps a default.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value as i128)
    }

    /// The number, if it lies in its range.
    #[must_use]
    pub fn within(self) -> Option<u32> {
        u32::try_from(self.0)
            .ok()
            .filter(|value| (MIN..=MAX).contains(value))
    }
}

impl<const MIN: u32, const MAX: u32> fmt::Display for Whole<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: u32, const MAX: u32> Serialize for Whole<MIN, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.0) {
            Ok(value) => serializer.serialize_i64(value),
            Err(_) => serializer.serialize_i128(self.0),
        }
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

/// Takes both kinds of whole number that the JSON reader knows.
struct WholeVisitor<const MIN: u32, const MAX: u32>;

impl<const MIN: u32, const MAX: u32> Visitor<'_> for WholeVisitor<MIN, MAX> {
    type Value = Whole<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {MIN} to {MAX}")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Whole(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Whole(value.into()))
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole_{MIN}_to_{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_belong_to_it() {
        assert_eq!(Whole::<1, 9>::new(0).within(), None);
        assert_eq!(Whole::<1, 9>::new(1).within(), Some(1));
        assert_eq!(Whole::<1, 9>::new(9).within(), Some(9));
        assert_eq!(Whole::<1, 9>::new(10).within(), None);
    }

    #[test]
    fn numbers_out_of_range_are_read_and_fractions_are_not() {
        let read = serde_json::from_str::<Whole<1, 9>>;
        assert_eq!(read("-5").unwrap().within(), None);
        assert_eq!(
            read("18446744073709551615").unwrap().to_string(),
            u64::MAX.to_string()
        );
        let message = read("1.5").unwrap_err().to_string();
        assert!(
            message.contains("expected a whole number from 1 to 9"),
            "{message}"
        );
    }
}
