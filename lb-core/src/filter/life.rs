//! The life of a connection entry: which state a packet leaves it in, and how long that state may idle.
//!
//! WO 00/30294 ends a connection with its closing packet; this follows RFC 9293, section 3.3.2, as far as
//! someone in the middle can, with the idle times of RFC 5382 and RFC 4787. Pure: no table, no clock.
//! Easy to get wrong: a reset seen passing by may be forged (RFC 5961), so it only shortens the entry's
//! life, and a later packet *from the side that seemed to reset* takes that back; packets from the other
//! side prove nothing, they were under way.

use crate::config::Timeouts;
use crate::conn::Direction;
use crate::wire::tcp::Flags;

/// Seconds that a connection closed on one side only may idle (RFC 5382, REQ-5: transitory, 4 minutes).
pub const HALF_CLOSED_SECONDS: u32 = 240;

/// State of a connection, as the two directions seen from here show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The client's SYN passed.
    Opening = 1,
    /// The backend's SYN+ACK passed.
    Answered = 2,
    /// Both sides have spoken.
    Established = 3 | SETTLED,
    /// The client's FIN passed.
    ClientClosed = 4,
    /// The backend's FIN passed.
    BackendClosed = 5,
    /// Both FINs passed.
    Closing = 6,
    /// A reset came from the client's side.
    ResetByClient = 7,
    /// A reset came from the backend's side.
    ResetByBackend = 8,
    /// UDP: nothing but idle time.
    Datagram = 9 | SETTLED,
}

/// Bit of the states that no packet changes but one with a flag of [`STEERING`].
pub(super) const SETTLED: u8 = 0x80;

/// Flags that may change a connection's state.
pub(super) const STEERING: u8 = Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0;

const DATAGRAM: u8 = State::Datagram as u8;

impl State {
    /// The state behind a stored number; an unknown one reads as established.
    #[inline]
    #[must_use]
    pub const fn from_u8(number: u8) -> Self {
        match number {
            1 => Self::Opening,
            2 => Self::Answered,
            4 => Self::ClientClosed,
            5 => Self::BackendClosed,
            6 => Self::Closing,
            7 => Self::ResetByClient,
            8 => Self::ResetByBackend,
            DATAGRAM => Self::Datagram,
            _ => Self::Established,
        }
    }

    /// Whether the handshake is not over: a SYN with the same number is a retransmission.
    #[inline]
    #[must_use]
    pub const fn is_opening(self) -> bool {
        matches!(self, Self::Opening | Self::Answered)
    }

    /// Whether a SYN with this sequence number repeats the one that opened the connection, or is an old
    /// duplicate of it: it goes the old way, where the backend knows what to do with it. `noted` is a
    /// number seen from the client since. New connections begin ahead of what went before (RFC 6528), and
    /// a connection that has ended is not there to be repeated.
    #[inline]
    #[must_use]
    pub const fn is_repeated_by(self, syn: u32, noted: u32) -> bool {
        const BEHIND: u32 = 1 << 16;
        matches!(self, Self::Opening | Self::Answered | Self::Established)
            && noted.wrapping_sub(syn) < BEHIND
    }

    /// Seconds that this state may idle.
    #[must_use]
    pub fn timeout(self, timeouts: &Timeouts) -> u32 {
        match self {
            Self::Opening | Self::Answered => timeouts.half_open,
            Self::Established => timeouts.established,
            Self::ClientClosed | Self::BackendClosed => {
                HALF_CLOSED_SECONDS.min(timeouts.established)
            }
            Self::Closing | Self::ResetByClient | Self::ResetByBackend => timeouts.closing,
            Self::Datagram => timeouts.udp,
        }
    }

    /// The state after a TCP segment. `sees_both` is false where replies do not pass us (`direct`).
    #[must_use]
    pub fn after(self, direction: Direction, flags: Flags, sees_both: bool) -> Self {
        let from_client = direction == Direction::Forward;
        if self == Self::Datagram {
            return self;
        }
        if flags.contains(Flags::RST) {
            return match (self, from_client) {
                (Self::Closing, _) => Self::Closing,
                (_, true) => Self::ResetByClient,
                (_, false) => Self::ResetByBackend,
            };
        }
        if flags.contains(Flags::SYN) {
            return match (self, from_client) {
                (Self::Opening, false) => Self::Answered,
                _ => self,
            };
        }
        let alive = match (self, from_client) {
            (Self::Opening, true) if sees_both => Self::Opening,
            (Self::Opening | Self::Answered | Self::ResetByClient, true)
            | (Self::Opening | Self::ResetByBackend, false) => Self::Established,
            _ => self,
        };
        if !flags.contains(Flags::FIN) {
            return alive;
        }
        match (alive, from_client) {
            (Self::ClientClosed, false) | (Self::BackendClosed, true) => Self::Closing,
            (Self::Opening | Self::Answered | Self::Established, true) => Self::ClientClosed,
            (Self::Opening | Self::Answered | Self::Established, false) => Self::BackendClosed,
            _ => alive,
        }
    }
}

/// Whether a reset's sequence number can belong to the connection, given one noted from the same side up
/// to a second or so before (RFC 5961, section 3; coarse, since windows are not tracked).
#[inline]
#[must_use]
pub const fn reset_is_plausible(sequence: u32, noted: u32) -> bool {
    const BEHIND: u32 = 1 << 16;
    const AHEAD: u32 = 1 << 31;
    sequence.wrapping_sub(noted).wrapping_add(BEHIND) < AHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Forward, Reverse};

    const SYN: Flags = Flags::SYN;
    const ACK: Flags = Flags::ACK;
    const RST: Flags = Flags::RST;

    fn both(a: Flags, b: Flags) -> Flags {
        Flags(a.0 | b.0)
    }

    fn walk(start: State, sees_both: bool, steps: &[(Direction, Flags)]) -> State {
        steps.iter().fold(start, |state, &(direction, flags)| {
            state.after(direction, flags, sees_both)
        })
    }

    #[test]
    fn three_way_handshake_establishes() {
        let end = walk(
            State::Opening,
            true,
            &[(Reverse, both(SYN, ACK)), (Forward, ACK)],
        );
        assert_eq!(end, State::Established);
    }

    #[test]
    fn a_client_alone_cannot_establish_where_replies_pass_us() {
        assert_eq!(
            walk(State::Opening, true, &[(Forward, ACK), (Forward, ACK)]),
            State::Opening
        );
        assert_eq!(
            walk(State::Opening, false, &[(Forward, ACK)]),
            State::Established
        );
    }

    #[test]
    fn one_fin_half_closes_and_the_second_closes() {
        let fin = both(Flags::FIN, ACK);
        assert_eq!(
            walk(State::Established, true, &[(Forward, fin)]),
            State::ClientClosed
        );
        assert_eq!(
            walk(State::Established, true, &[(Reverse, fin)]),
            State::BackendClosed
        );
        assert_eq!(
            walk(State::Established, true, &[(Forward, fin), (Reverse, fin)]),
            State::Closing
        );
        assert_eq!(
            walk(
                State::Established,
                true,
                &[(Reverse, fin), (Forward, fin), (Reverse, ACK)]
            ),
            State::Closing
        );
    }

    #[test]
    fn data_from_the_side_that_reset_takes_the_reset_back() {
        assert_eq!(
            walk(State::Established, true, &[(Forward, RST), (Forward, ACK)]),
            State::Established
        );
        assert_eq!(
            walk(State::Established, true, &[(Reverse, RST), (Reverse, ACK)]),
            State::Established
        );
    }

    #[test]
    fn data_under_way_to_the_side_that_reset_takes_nothing_back() {
        assert_eq!(
            walk(State::Established, true, &[(Reverse, RST), (Forward, ACK)]),
            State::ResetByBackend
        );
        assert_eq!(
            walk(State::Established, true, &[(Forward, RST), (Reverse, ACK)]),
            State::ResetByClient
        );
    }

    #[test]
    fn states_idle_as_long_as_the_service_says() {
        let timeouts = Timeouts {
            established: 7440,
            half_open: 60,
            closing: 10,
            udp: 120,
        };
        assert_eq!(State::Opening.timeout(&timeouts), 60);
        assert_eq!(State::Established.timeout(&timeouts), 7440);
        assert_eq!(State::ClientClosed.timeout(&timeouts), 240);
        assert_eq!(State::ResetByBackend.timeout(&timeouts), 10);
        assert_eq!(State::Datagram.timeout(&timeouts), 120);
    }

    #[test]
    fn a_duplicate_of_the_opening_syn_opens_nothing_and_a_later_one_does() {
        for state in [State::Opening, State::Answered, State::Established] {
            assert!(state.is_repeated_by(1_000, 1_000));
            assert!(state.is_repeated_by(1_000, 1_500));
            assert!(!state.is_repeated_by(1_500, 1_000));
            assert!(!state.is_repeated_by(1_000, 1_000_000));
        }
        assert!(!State::Closing.is_repeated_by(1_000, 1_000));
        assert!(!State::ResetByClient.is_repeated_by(1_000, 1_000));
    }

    #[test]
    fn every_state_survives_its_number() {
        for number in [1, 2, 3 | SETTLED, 4, 5, 6, 7, 8, 9 | SETTLED] {
            assert_eq!(State::from_u8(number) as u8, number);
        }
    }

    #[test]
    fn a_reset_far_outside_the_window_is_implausible() {
        assert!(reset_is_plausible(1_000, 1_000));
        assert!(reset_is_plausible(5, u32::MAX - 5));
        assert!(!reset_is_plausible(1_000, 1_000_000));
        assert!(!reset_is_plausible(0x9000_0000, 0));
    }
}
