//! Causes of failure as DPDK gives them.
//!
//! No counterpart in the patent. DPDK answers a call with 0 or a negated number, or leaves the number
//! in a variable of the calling thread; its own numbers lie above the system's, so the text comes
//! from `rte_strerror`.
//! Easy to get wrong: the variable keeps an old number when a call fails without setting one.

use std::ffi::{CStr, c_int};
use std::fmt;

/// Number of a cause, as in `errno.h` or `rte_errno.h`; 0 where DPDK named none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(i32);

impl Errno {
    /// The cause that the last failed call of this thread left behind.
    pub(super) fn last() -> Self {
        // SAFETY: reads a variable of the calling thread, which exists before the EAL does.
        Self(unsafe { dpdk_sys::shim_errno() })
    }

    /// The cause in an answer, or none where the answer is no failure.
    pub(super) fn check(answer: c_int) -> Result<(), Self> {
        if answer < 0 {
            Err(Self(answer.saturating_neg()))
        } else {
            Ok(())
        }
    }

    /// The number itself.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("DPDK gives no cause");
        }
        // SAFETY: takes any number, before the EAL is up too; the text is constant or the thread's own.
        let text = unsafe { dpdk_sys::rte_strerror(self.0) };
        // SAFETY: it ends in NUL, and this thread does not ask for another text before it is printed.
        let text = unsafe { CStr::from_ptr(text) };
        write!(f, "{} (errno {})", text.to_string_lossy(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negated_answer_is_told_in_words() {
        let cause = Errno::check(-libc::EBUSY).unwrap_err();
        assert_eq!(cause.to_string(), "Device or resource busy (errno 16)");
    }

    #[test]
    fn an_answer_of_zero_or_more_is_no_failure() {
        assert_eq!(Errno::check(0), Ok(()));
        assert_eq!(Errno::check(3), Ok(()));
    }

    #[test]
    fn a_failure_without_a_cause_says_so() {
        assert_eq!(Errno(0).to_string(), "DPDK gives no cause");
    }
}
