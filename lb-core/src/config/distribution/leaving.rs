//! Backends that are down, and what their flows do.
//!
//! No counterpart in the patent, whose backends do not fail. Asked for every packet that the filter's straight path
//! leaves over, so it costs nothing while nobody is down.
//! Easy to get wrong: a slot that changes hands begins anew; every build begins with nobody down.

use super::super::OnDown;
use crate::id::BackendSlot;

/// What flows do, by slot; empty while nobody is down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaving(Vec<Option<OnDown>>);

impl Leaving {
    #[inline]
    pub(super) fn of(&self, slot: BackendSlot) -> Option<OnDown> {
        self.0.get(slot.0 as usize).copied().flatten()
    }

    pub(super) fn set(&mut self, slot: BackendSlot, leaves: Option<OnDown>) {
        let at = slot.0 as usize;
        if leaves.is_some() && self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        if let Some(place) = self.0.get_mut(at) {
            *place = leaves;
        }
        while self.0.last() == Some(&None) {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_when_the_last_backend_is_up_again() {
        let mut leaving = Leaving::default();
        leaving.set(BackendSlot(7), Some(OnDown::Move));
        leaving.set(BackendSlot(3), Some(OnDown::Reset));
        assert_eq!(leaving.of(BackendSlot(7)), Some(OnDown::Move));
        assert_eq!(leaving.of(BackendSlot(8)), None);
        leaving.set(BackendSlot(7), None);
        assert_eq!(leaving.of(BackendSlot(3)), Some(OnDown::Reset));
        leaving.set(BackendSlot(3), None);
        assert_eq!(leaving, Leaving::default());
    }
}
