//! Neighbor table: who answers to an IP address on a link, for ARP and neighbor discovery alike.
//!
//! WO 00/30294 leaves ARP to its routing table 62; this is the ARP cache of our words.
//! Rows are shared by all lcores without locks: a row is claimed by one compare-and-swap and never moves,
//! so that distributions and connections may keep its number. Frames are written by `filter::reply`.
//! States follow RFC 4861, section 7.3, with ARP treated alike: unresolved, reachable, stale while probed.
//! Easy to get wrong: rows are made by *our* need to send, never by what a neighbor says, or a flood of
//! forged replies would fill the table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::id::{NeighborId, PortId};
use crate::wire::MacAddr;
use crate::wire::ethernet::MacWord;

/// Seconds for which a confirmed neighbor is believed without asking again (RFC 4861, `REACHABLE_TIME`).
pub const REACHABLE_SECONDS: u32 = 30;
/// Milliseconds between two questions for one neighbor (RFC 4861, `RETRANS_TIMER`).
pub const RETRANSMIT_MILLIS: u32 = 1_000;
/// Unanswered questions after which a neighbor is unresolved again (RFC 4861, `MAX_UNICAST_SOLICIT`).
pub const MAX_SOLICITATIONS: u32 = 3;
/// Seconds without use after which a row may serve another address.
pub const IDLE_SECONDS: u32 = 60;
/// Rows that one address may lie in, from its hash on.
const WINDOW: u32 = 32;

const EMPTY: u64 = 0;
const CLAIMED: u64 = 1;
const READY: u64 = 1 << 63;

const PINNED: u32 = 1;
const STATIC: u32 = 2;

/// The moment at which something is asked of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Whole seconds of the region's time; goes on over restarts; 0 is never used.
    pub tick: u32,
    /// Milliseconds since the program started, wrapping after 49 days.
    pub millis: u32,
}

/// A resolved neighbor in one word: where a frame for it leaves, and to which MAC. `USABLE | port << 48 | mac`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(NonZeroU64);

impl Link {
    /// Tells port 0 and an address of zeros from no link.
    const USABLE: NonZeroU64 = match NonZeroU64::new(1 << 63) {
        Some(bit) => bit,
        None => NonZeroU64::MIN,
    };

    fn new(port: PortId, mac: MacAddr) -> Self {
        let word = u64::from(port.0 & 0x7fff) << 48 | mac.word().number();
        Self(Self::USABLE | word)
    }

    /// Port of the link.
    #[inline(always)]
    #[must_use]
    pub const fn port(self) -> PortId {
        PortId((self.0.get() >> 48 & 0x7fff) as u16)
    }

    /// The neighbor's address on it.
    #[inline(always)]
    #[must_use]
    pub const fn mac(self) -> MacWord {
        MacWord::low_bits(self.0.get())
    }
}

/// What became of a neighbor's statement about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// Taken over.
    Updated,
    /// Nobody here waits for or uses that address; nothing was stored.
    Unasked,
    /// The row is configured; nothing was stored.
    Static,
}

#[derive(Default)]
#[repr(align(64))]
struct Row {
    /// `EMPTY`, `CLAIMED`, or `READY | family << 16 | port`.
    name: AtomicU64,
    high: AtomicU64,
    low: AtomicU64,
    /// A [`Link`], or 0.
    link: AtomicU64,
    flags: AtomicU32,
    confirmed: AtomicU32,
    used: AtomicU32,
    asked_millis: AtomicU32,
    unanswered: AtomicU32,
}

/// A row as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// The row's number.
    pub id: NeighborId,
    /// IP address.
    pub address: IpAddr,
    /// Port of the link.
    pub port: PortId,
    /// MAC address, where it is known.
    pub mac: Option<MacAddr>,
    /// Configured, so never asked for and never overwritten.
    pub is_static: bool,
    /// Used by the current distribution: kept fresh whether packets flow or not.
    pub is_pinned: bool,
    /// Tick of the last confirmation; 0 for never.
    pub confirmed: u32,
}

/// The table: a fixed number of rows, found by hash, shared by reference.
pub struct NeighborTable {
    rows: Box<[Row]>,
    mask: u32,
    reused: AtomicU16,
    learned: AtomicU32,
    changes: AtomicU32,
}

impl NeighborTable {
    /// Rows of the default table; ids fit in 16 bits.
    pub const ROWS: u32 = 65_536;

    /// An empty table of `rows` rows, a power of two from 32 to 65,536.
    #[must_use]
    pub fn new(rows: u32) -> Self {
        let rows = rows.clamp(WINDOW, Self::ROWS).next_power_of_two();
        Self {
            rows: (0..rows).map(|_| Row::default()).collect(),
            mask: rows - 1,
            reused: AtomicU16::new(0),
            learned: AtomicU32::new(0),
            changes: AtomicU32::new(0),
        }
    }

    /// Changes whenever a neighbor has become known: packets that wait may go.
    #[inline]
    #[must_use]
    pub fn learned(&self) -> u32 {
        self.learned.load(Ordering::Acquire)
    }

    /// Changes whenever a row has been given to another address, which makes kept ids stale.
    #[inline]
    #[must_use]
    pub fn reused(&self) -> u16 {
        self.reused.load(Ordering::Acquire)
    }

    /// The way to a neighbor, if it is resolved.
    #[inline]
    #[must_use]
    pub fn link(&self, id: NeighborId) -> Option<Link> {
        NonZeroU64::new(self.row(id)?.link.load(Ordering::Acquire)).map(Link)
    }

    /// Whether a neighbor is known not to answer: it has been asked [`MAX_SOLICITATIONS`] times, and nothing came.
    #[must_use]
    pub fn is_silent(&self, id: NeighborId) -> bool {
        self.row(id).is_some_and(|row| {
            row.link.load(Ordering::Acquire) == 0
                && row.unanswered.load(Ordering::Relaxed) >= MAX_SOLICITATIONS
        })
    }

    /// The port of a neighbor's link, resolved or not; `None` for an empty row.
    #[inline]
    #[must_use]
    pub fn port(&self, id: NeighborId) -> Option<PortId> {
        let name = self.row(id)?.name.load(Ordering::Acquire);
        (name & READY != 0).then_some(PortId((name & 0xffff) as u16))
    }

    /// Changes whenever the way to some neighbor does; links that were kept are good as long as it stands still.
    #[inline]
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// Sets the way to a neighbor, or that there is none.
    fn set_link(&self, row: &Row, link: Option<Link>) {
        let word = link.map_or(0, |link| link.0.get());
        if row.link.swap(word, Ordering::AcqRel) != word {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The row of an address on a port, if there is one.
    #[must_use]
    pub fn find(&self, address: IpAddr, port: PortId) -> Option<NeighborId> {
        let (name, high, low) = words(address, port);
        self.window(name, high, low)
            .find(|&id| self.row(id).is_some_and(|row| row.is(name, high, low)))
    }

    /// The row of an address on a port, made if need be; `None` when its window is full of rows in use.
    pub fn find_or_create(&self, address: IpAddr, port: PortId, now: Now) -> Option<NeighborId> {
        let (name, high, low) = words(address, port);
        for id in self.window(name, high, low) {
            let row = self.row(id)?;
            let seen = row.name.load(Ordering::Acquire);
            if seen == EMPTY
                && row
                    .name
                    .compare_exchange(EMPTY, CLAIMED, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
            {
                row.occupy(name, high, low, now);
                return Some(id);
            }
            row.wait_while_claimed();
            if row.is(name, high, low) {
                return Some(id);
            }
        }
        self.reuse(name, high, low, now)
    }

    /// Gives the longest unused row of the window, unused for [`IDLE_SECONDS`] at least, to a new address.
    fn reuse(&self, name: u64, high: u64, low: u64, now: Now) -> Option<NeighborId> {
        let (id, row) = self
            .window(name, high, low)
            .filter_map(|id| Some((id, self.row(id)?)))
            .filter(|(_, row)| row.flags.load(Ordering::Relaxed) == 0)
            .max_by_key(|(_, row)| now.tick.saturating_sub(row.used.load(Ordering::Relaxed)))?;
        let idle = now.tick.saturating_sub(row.used.load(Ordering::Relaxed));
        let seen = row.name.load(Ordering::Acquire);
        if idle < IDLE_SECONDS
            || row
                .name
                .compare_exchange(seen, CLAIMED, Ordering::AcqRel, Ordering::Acquire)
                .is_err()
        {
            return None;
        }
        self.set_link(row, None);
        self.reused.fetch_add(1, Ordering::AcqRel);
        row.occupy(name, high, low, now);
        Some(id)
    }

    /// Sets a configured neighbor: usable at once, never asked for, never overwritten.
    pub fn set_static(&self, id: NeighborId, port: PortId, mac: MacAddr) {
        if let Some(row) = self.row(id) {
            row.flags.fetch_or(STATIC, Ordering::AcqRel);
            self.set_link(row, Some(Link::new(port, mac)));
            self.learned.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets that a row was configured; it is asked for from now on.
    pub fn clear_static(&self, id: NeighborId) {
        if let Some(row) = self.row(id) {
            row.flags.fetch_and(!STATIC, Ordering::AcqRel);
            row.confirmed.store(0, Ordering::Relaxed);
        }
    }

    /// Keeps a row, and keeps it fresh, while a distribution names it.
    pub fn pin(&self, id: NeighborId, pinned: bool) {
        if let Some(row) = self.row(id) {
            if pinned {
                row.flags.fetch_or(PINNED, Ordering::AcqRel);
            } else {
                row.flags.fetch_and(!PINNED, Ordering::AcqRel);
            }
        }
    }

    /// Notes that packets go to this neighbor; writes at most once a tick.
    #[inline]
    pub fn note_use(&self, id: NeighborId, tick: u32) {
        if let Some(row) = self.row(id)
            && row.used.load(Ordering::Relaxed) != tick
        {
            row.used.store(tick, Ordering::Relaxed);
        }
    }

    /// Takes over what a neighbor says of itself. `answers_us`: an ARP reply or a solicited advertisement.
    pub fn learn(
        &self,
        address: IpAddr,
        port: PortId,
        mac: MacAddr,
        answers_us: bool,
        now: Now,
    ) -> Learned {
        let row = match self.unconfigured(address, port) {
            Ok(row) => row,
            Err(why) => return why,
        };
        let is_awaited = row.unanswered.load(Ordering::Relaxed) > 0;
        let is_known = row.link.load(Ordering::Relaxed) != 0;
        if !(answers_us && is_awaited || is_known) || !mac.is_unicast() {
            return Learned::Unasked;
        }
        self.confirm(row, port, mac, now);
        Learned::Updated
    }

    /// Takes over what the kernel believes of a neighbor: only of a row that there is and that is not configured. It is
    /// reachable from now on, and packets that wait for it may go.
    pub fn tell(&self, address: IpAddr, port: PortId, mac: MacAddr, now: Now) -> Learned {
        match self.unconfigured(address, port) {
            Ok(row) if mac.is_unicast() => {
                self.confirm(row, port, mac, now);
                Learned::Updated
            }
            Ok(_) => Learned::Unasked,
            Err(why) => why,
        }
    }

    /// The kernel has given a neighbor up, or forgotten it: it is asked for anew, if anybody needs it. What is known
    /// serves until the questions have stayed without an answer.
    pub fn doubt(&self, address: IpAddr, port: PortId) {
        if let Ok(row) = self.unconfigured(address, port) {
            row.confirmed.store(0, Ordering::Relaxed);
        }
    }

    /// The row of an address, unless it is configured.
    fn unconfigured(&self, address: IpAddr, port: PortId) -> Result<&Row, Learned> {
        let row = self.find(address, port).and_then(|id| self.row(id));
        let row = row.ok_or(Learned::Unasked)?;
        if row.flags.load(Ordering::Acquire) & STATIC != 0 {
            return Err(Learned::Static);
        }
        Ok(row)
    }

    fn confirm(&self, row: &Row, port: PortId, mac: MacAddr, now: Now) {
        self.set_link(row, Some(Link::new(port, mac)));
        row.confirmed.store(now.tick, Ordering::Relaxed);
        row.unanswered.store(0, Ordering::Relaxed);
        self.learned.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the caller shall send a question for this row now; one lcore at a time gets true.
    pub fn claim_question(&self, id: NeighborId, now: Now) -> bool {
        let Some(row) = self.row(id) else {
            return false;
        };
        if row.flags.load(Ordering::Relaxed) & STATIC != 0 {
            return false;
        }
        let asked = row.asked_millis.load(Ordering::Relaxed);
        let is_first = row.unanswered.load(Ordering::Relaxed) == 0;
        if !is_first && now.millis.wrapping_sub(asked) < RETRANSMIT_MILLIS {
            return false;
        }
        if row
            .asked_millis
            .compare_exchange(asked, now.millis, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return false;
        }
        row.unanswered.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// Looks after `count` rows from `from` on, round the table: gives up silent neighbors, and calls `ask`
    /// for each that needs a question now. Returns where to go on.
    pub fn maintain(
        &self,
        from: u32,
        count: u32,
        now: Now,
        mut ask: impl FnMut(NeighborId),
    ) -> u32 {
        let mut at = from;
        for _ in 0..count.min(self.mask + 1) {
            let id = NeighborId(at & self.mask);
            at = at.wrapping_add(1) & self.mask;
            let Some(row) = self.row(id) else { continue };
            if row.name.load(Ordering::Acquire) & READY == 0 || !row.wants_fresh(now) {
                continue;
            }
            let is_silent = row.unanswered.load(Ordering::Relaxed) >= MAX_SOLICITATIONS;
            if is_silent
                && now
                    .millis
                    .wrapping_sub(row.asked_millis.load(Ordering::Relaxed))
                    >= RETRANSMIT_MILLIS
            {
                self.set_link(row, None);
            }
            if self.claim_question(id, now) {
                ask(id);
            }
        }
        at
    }

    /// A row as people see it; `None` for an empty one.
    #[must_use]
    pub fn read(&self, id: NeighborId) -> Option<Neighbor> {
        let row = self.row(id)?;
        let name = row.name.load(Ordering::Acquire);
        if name & READY == 0 {
            return None;
        }
        let (high, low) = (
            row.high.load(Ordering::Relaxed),
            row.low.load(Ordering::Relaxed),
        );
        let bits = u128::from(high) << 64 | u128::from(low);
        let address = if name >> 16 & 0xff == 4 {
            IpAddr::V4(Ipv4Addr::from((low & 0xffff_ffff) as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from(bits))
        };
        let flags = row.flags.load(Ordering::Relaxed);
        Some(Neighbor {
            id,
            address,
            port: self.port(id)?,
            mac: self.link(id).map(|link| link.mac().address()),
            is_static: flags & STATIC != 0,
            is_pinned: flags & PINNED != 0,
            confirmed: row.confirmed.load(Ordering::Relaxed),
        })
    }

    /// All rows in use.
    pub fn iter(&self) -> impl Iterator<Item = Neighbor> + '_ {
        (0..=self.mask).filter_map(|id| self.read(NeighborId(id)))
    }

    #[inline]
    fn row(&self, id: NeighborId) -> Option<&Row> {
        self.rows.get(id.0 as usize)
    }

    fn window(&self, name: u64, high: u64, low: u64) -> impl Iterator<Item = NeighborId> + use<> {
        let mixed =
            (name ^ high.rotate_left(31) ^ low.rotate_left(7)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let home = (mixed >> 40) as u32;
        let mask = self.mask;
        (0..WINDOW).map(move |step| NeighborId(home.wrapping_add(step) & mask))
    }
}

impl Row {
    fn is(&self, name: u64, high: u64, low: u64) -> bool {
        self.name.load(Ordering::Acquire) == name
            && self.high.load(Ordering::Relaxed) == high
            && self.low.load(Ordering::Relaxed) == low
    }

    /// Fills a claimed row and makes it ready.
    fn occupy(&self, name: u64, high: u64, low: u64, now: Now) {
        self.high.store(high, Ordering::Relaxed);
        self.low.store(low, Ordering::Relaxed);
        self.flags.store(0, Ordering::Relaxed);
        self.confirmed.store(0, Ordering::Relaxed);
        self.unanswered.store(0, Ordering::Relaxed);
        self.used.store(now.tick, Ordering::Relaxed);
        self.name.store(name, Ordering::Release);
    }

    /// A claimed row is ready a few stores later; bounded, so that a lcore that was stopped there costs
    /// a duplicate row at worst.
    fn wait_while_claimed(&self) {
        for _ in 0..64 {
            if self.name.load(Ordering::Acquire) != CLAIMED {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Whether this row has to be confirmed (again): it is in use, and its last confirmation is old.
    fn wants_fresh(&self, now: Now) -> bool {
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & STATIC != 0 {
            return false;
        }
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        let is_old = confirmed == 0 || now.tick.saturating_sub(confirmed) >= REACHABLE_SECONDS;
        let unused_for = now.tick.saturating_sub(self.used.load(Ordering::Relaxed));
        is_old && (flags & PINNED != 0 || unused_for < REACHABLE_SECONDS)
    }
}

/// What a row is known by: family and port, and the address in two words.
fn words(address: IpAddr, port: PortId) -> (u64, u64, u64) {
    let (family, [high, low]) = match address {
        IpAddr::V4(v4) => (4, [0, u64::from(u32::from(v4))]),
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments().map(u64::from);
            let half = |w, x, y, z| w << 48 | x << 32 | y << 16 | z;
            (6, [half(a, b, c, d), half(e, f, g, h)])
        }
    };
    (READY | family << 16 | u64::from(port.0), high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: PortId = PortId(1);

    fn at(seconds: u32) -> Now {
        Now {
            tick: seconds,
            millis: seconds * 1000,
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn mac(last: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, last])
    }

    #[test]
    fn a_neighbor_is_usable_once_it_has_answered_our_question() {
        let table = NeighborTable::new(64);
        let id = table.find_or_create(address(1), PORT, at(1)).unwrap();
        assert_eq!(table.link(id), None);
        assert!(table.claim_question(id, at(1)));
        assert_eq!(
            table.learn(address(1), PORT, mac(1), true, at(1)),
            Learned::Updated
        );
        assert_eq!(table.link(id), Some(Link::new(PORT, mac(1))));
    }

    #[test]
    fn a_reply_nobody_asked_for_creates_and_changes_nothing() {
        let table = NeighborTable::new(64);
        assert_eq!(
            table.learn(address(1), PORT, mac(1), true, at(1)),
            Learned::Unasked
        );
        let id = table.find_or_create(address(2), PORT, at(1)).unwrap();
        assert_eq!(
            table.learn(address(2), PORT, mac(2), true, at(1)),
            Learned::Unasked
        );
        assert_eq!(table.link(id), None);
        assert_eq!(table.iter().count(), 1);
    }

    #[test]
    fn a_configured_neighbor_is_never_overwritten_nor_asked_for() {
        let table = NeighborTable::new(64);
        let id = table.find_or_create(address(1), PORT, at(1)).unwrap();
        table.set_static(id, PORT, mac(7));
        table.pin(id, true);
        assert_eq!(
            table.learn(address(1), PORT, mac(8), true, at(2)),
            Learned::Static
        );
        assert_eq!(table.link(id).unwrap().mac().address(), mac(7));
        table.maintain(0, 64, at(500), |_| {
            panic!("asked for a configured neighbor")
        });
    }

    #[test]
    fn a_server_that_moved_is_followed() {
        let table = NeighborTable::new(64);
        let id = table.find_or_create(address(1), PORT, at(1)).unwrap();
        table.claim_question(id, at(1));
        table.learn(address(1), PORT, mac(1), true, at(1));
        assert_eq!(
            table.learn(address(1), PORT, mac(2), false, at(5)),
            Learned::Updated
        );
        assert_eq!(table.link(id).unwrap().mac().address(), mac(2));
    }

    #[test]
    fn questions_for_one_neighbor_are_a_second_apart() {
        let table = NeighborTable::new(64);
        let id = table.find_or_create(address(1), PORT, at(1)).unwrap();
        assert!(table.claim_question(
            id,
            Now {
                tick: 1,
                millis: 1000
            }
        ));
        assert!(!table.claim_question(
            id,
            Now {
                tick: 1,
                millis: 1500
            }
        ));
        assert!(table.claim_question(
            id,
            Now {
                tick: 2,
                millis: 2000
            }
        ));
    }

    #[test]
    fn a_pinned_neighbor_is_asked_again_and_given_up_after_three_questions() {
        let table = NeighborTable::new(64);
        let id = table.find_or_create(address(1), PORT, at(1)).unwrap();
        table.pin(id, true);
        table.claim_question(id, at(1));
        table.learn(address(1), PORT, mac(1), true, at(1));
        let mut questions = 0;
        for second in 2..=40 {
            table.maintain(0, 64, at(second), |_| questions += 1);
            if second <= 33 {
                assert!(table.link(id).is_some(), "second {second}");
            }
        }
        assert_eq!(questions, 10);
        assert_eq!(table.link(id), None);
    }

    #[test]
    fn what_the_kernel_knows_serves_us_where_we_need_it_and_only_there() {
        let table = NeighborTable::new(64);
        assert_eq!(
            table.tell(address(1), PORT, mac(1), at(1)),
            Learned::Unasked
        );
        assert_eq!(table.iter().count(), 0);
        let id = table.find_or_create(address(1), PORT, at(1)).unwrap();
        let learned = table.learned();
        assert_eq!(
            table.tell(address(1), PORT, mac(1), at(1)),
            Learned::Updated
        );
        assert_eq!(table.link(id), Some(Link::new(PORT, mac(1))));
        assert_ne!(table.learned(), learned, "packets that wait may go");
        let group = MacAddr([1, 0, 0, 0, 0, 1]);
        assert_eq!(table.tell(address(1), PORT, group, at(2)), Learned::Unasked);
        table.set_static(id, PORT, mac(7));
        assert_eq!(table.tell(address(1), PORT, mac(8), at(3)), Learned::Static);
        assert_eq!(table.link(id).unwrap().mac().address(), mac(7));
    }

    #[test]
    fn a_neighbor_that_the_kernel_has_lost_is_asked_at_once_and_serves_until_it_stays_silent() {
        let table = NeighborTable::new(64);
        let id = table.find_or_create(address(1), PORT, at(1)).unwrap();
        table.pin(id, true);
        table.tell(address(1), PORT, mac(1), at(1));
        table.maintain(0, 64, at(2), |_| panic!("it was reachable a second ago"));
        table.doubt(address(1), PORT);
        let mut questions = 0;
        for second in 3..=5 {
            table.maintain(0, 64, at(second), |_| questions += 1);
            assert!(table.link(id).is_some(), "second {second}");
        }
        assert_eq!(questions, MAX_SOLICITATIONS);
        table.maintain(0, 64, at(6), |_| {});
        assert_eq!(table.link(id), None);
        table.set_static(id, PORT, mac(7));
        table.doubt(address(1), PORT);
        assert_eq!(table.link(id).unwrap().mac().address(), mac(7));
    }

    #[test]
    fn a_full_window_gives_up_its_longest_unused_row_and_says_so() {
        let table = NeighborTable::new(32);
        for last in 0..32 {
            assert!(table.find_or_create(address(last), PORT, at(1)).is_some());
        }
        assert_eq!(table.find_or_create(address(200), PORT, at(30)), None);
        for last in 0..31 {
            let id = table.find(address(last), PORT).unwrap();
            table.note_use(id, 50);
        }
        let reused = table.reused();
        assert!(table.find_or_create(address(200), PORT, at(70)).is_some());
        assert_eq!(table.find(address(31), PORT), None);
        assert_ne!(table.reused(), reused);
    }

    #[test]
    fn ipv6_and_ipv4_rows_and_ports_are_kept_apart() {
        let table = NeighborTable::new(64);
        let v6 = IpAddr::V6(Ipv6Addr::from(u128::from(u32::from(Ipv4Addr::new(
            10, 0, 0, 1,
        )))));
        let a = table.find_or_create(address(1), PORT, at(1)).unwrap();
        let b = table.find_or_create(v6, PORT, at(1)).unwrap();
        let c = table.find_or_create(address(1), PortId(2), at(1)).unwrap();
        assert!(a != b && b != c && a != c);
        assert_eq!(table.read(b).unwrap().address, v6);
    }
}
