//! Time for the packet loop: one instruction and one multiplication.
//!
//! No counterpart in the patent. The time-stamp counter of the processor, turned into nanoseconds;
//! `lb_core` gets them handed in. Needs a counter that runs at one rate on all processors
//! (`constant_tsc`, `nonstop_tsc`), which every x86-64 of the last fifteen years has.
//! Easy to get wrong: a reading taken on one processor may be a little behind one taken earlier on
//! another; [`Clock::now`] never goes below zero, but only readings of one lcore are in order.

use super::eal::Eal;

/// Binary places of the multiplier; at 10 GHz an error of one in 10^14, and fit for 1 MHz and above.
const SHIFT: u32 = 53;

/// Nanoseconds since it was made. A copy runs on as the original does, on any lcore.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: u64,
    /// Nanoseconds per cycle, times two to the power of [`SHIFT`].
    multiplier: u64,
}

impl Clock {
    /// Starts at zero now, at the rate that the EAL measured when it came up.
    #[must_use]
    pub fn new(_eal: &Eal) -> Self {
        // SAFETY: the EAL is up, so the rate has been measured.
        let hertz = unsafe { dpdk_sys::rte_get_tsc_hz() };
        Self {
            start: cycles(),
            multiplier: multiplier(hertz),
        }
    }

    /// Nanoseconds since the clock was made.
    #[inline]
    #[must_use]
    pub fn now(&self) -> u64 {
        self.nanoseconds(cycles().saturating_sub(self.start))
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "64 bits of nanoseconds are 584 years"
    )]
    fn nanoseconds(&self, cycles: u64) -> u64 {
        ((u128::from(cycles) * u128::from(self.multiplier)) >> SHIFT) as u64
    }
}

/// Reading of the time-stamp counter.
#[inline]
#[must_use]
pub fn cycles() -> u64 {
    // SAFETY: every x86-64 has the instruction, and Linux leaves it to programs unless asked not to.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// For a counter of at least 1 MHz; anything slower counts as that.
#[expect(clippy::cast_possible_truncation, reason = "at most 1000 * 2^53")]
fn multiplier(hertz: u64) -> u64 {
    ((1_000_000_000u128 << SHIFT) / u128::from(hertz.max(1_000_000))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(hertz: u64) -> Clock {
        Clock {
            start: 0,
            multiplier: multiplier(hertz),
        }
    }

    #[test]
    fn a_day_at_an_odd_rate_is_exact_to_a_microsecond() {
        let hertz = 2_399_998_373;
        let day = 86_400;
        let nanoseconds = clock(hertz).nanoseconds(hertz * day);
        assert!(
            nanoseconds.abs_diff(day * 1_000_000_000) < 1_000,
            "{nanoseconds}"
        );
    }

    #[test]
    fn the_slowest_and_the_fastest_counter_fit() {
        assert_eq!(clock(1_000_000).nanoseconds(7), 7_000);
        assert!(
            clock(10_000_000_000)
                .nanoseconds(10_000_000_000)
                .abs_diff(1_000_000_000)
                <= 1
        );
    }

    #[test]
    fn twenty_years_of_uptime_do_not_overflow() {
        let hertz = 5_000_000_000;
        let years = 20 * 365 * 86_400;
        let nanoseconds = clock(hertz).nanoseconds(hertz * years);
        assert!(
            nanoseconds.abs_diff(years * 1_000_000_000) < 1_000,
            "{nanoseconds}"
        );
    }

    #[test]
    fn a_start_ahead_of_this_processors_counter_reads_as_zero() {
        assert_eq!(
            Clock {
                start: u64::MAX,
                multiplier: multiplier(1_000_000_000)
            }
            .now(),
            0
        );
    }
}
