//! Rates: the difference of two looks over the time between them.
//!
//! No counterpart in the patent.
//! Easy to get wrong: a counter that went back means another process or another service of the same name,
//! and no rate; never a huge one.

/// An earlier look at the same thing.
#[derive(Debug)]
pub(crate) struct Before<'a, T> {
    /// What was seen.
    pub view: &'a T,
    /// Seconds between the two looks, above 0.
    pub seconds: f64,
}

impl<T> Clone for Before<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Before<'_, T> {}

/// How much a counter grew a second; `None` if it went back or no time passed.
pub(crate) fn per_second(before: u64, after: u64, seconds: f64) -> Option<f64> {
    let grown = after.checked_sub(before)?;
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let grown = grown as f64;
    (seconds > 0.0).then(|| grown / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_went_back_has_no_rate() {
        assert_eq!(per_second(10, 30, 2.0), Some(10.0));
        assert_eq!(per_second(30, 10, 2.0), None);
        assert_eq!(per_second(10, 30, 0.0), None);
    }
}
