//! What the filter answers for a packet, and the reasons for which one is dropped.
//!
//! WO 00/30294, Fig. 6: the ways out of the figure (steps 208, 222, 224).
//! Every received packet ends in exactly one verdict of the five that are counted; every drop has
//! exactly one reason. `Hold` is the answer *not yet*: the packet is finished but for its neighbor's
//! MAC, and is asked about again.

use super::punt::Class;
use crate::id::{NeighborId, PortId};

/// A network application on a worker lcore, from 0; none exists yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppId(pub u16);

/// The filter's answer for one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rewritten; send it on this port.
    Forward(PortId),
    /// Rewritten into an answer; send it back on the port that it came from.
    Reply,
    /// For the control processor, with traffic of this class.
    Punt(Class),
    /// For a network application.
    App(AppId),
    /// Counted under its reason and freed.
    Drop(Reason),
    /// Waits for this neighbor's MAC; not counted before it is forwarded or dropped.
    Hold(NeighborId),
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a packet was dropped; `name` is the word in counters, reports and manuals.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of its number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
            /// How many reasons there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The reason's word: lower case, underscores.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+),)+ }
            }
        }
    };
}

reasons! {
    /// Shorter than an Ethernet header.
    Runt = "runt",
    /// A header does not lie whole in the first mbuf segment.
    HeaderSplit = "header_split",
    /// Unicast to a MAC address that is not the port's.
    NotOurMac = "not_our_mac",
    /// An IP unicast address in a link-layer broadcast or multicast (RFC 1122, 3.3.6).
    UnicastInBroadcast = "unicast_in_broadcast",
    /// Link-layer broadcast or multicast that nobody here listens to.
    LinkMulticast = "link_multicast",
    /// An LLC frame: its type field is a length.
    LlcFrame = "llc_frame",
    /// An EtherType that is not handled.
    UnknownEthertype = "unknown_ethertype",
    /// An 802.1Q tag with a VLAN that no interface has, and no exception path.
    UnknownVlan = "unknown_vlan",
    /// Two VLAN tags.
    StackedVlan = "stacked_vlan",
    /// ARP with a length, type or operation that RFC 826 does not have on Ethernet.
    ArpMalformed = "arp_malformed",
    /// ARP for an address that is not ours.
    ArpNotOurs = "arp_not_ours",
    /// An ARP reply or a neighbor advertisement that nobody asked for.
    NeighborUnasked = "neighbor_unasked",
    /// An ARP reply or a neighbor advertisement that ended here because it was learned; not a loss.
    NeighborLearned = "neighbor_learned",
    /// Neighbor discovery that fails a check of RFC 4861, section 7.1.
    NdInvalid = "nd_invalid",
    /// Neighbor solicitation for an address that is not ours.
    NdNotOurs = "nd_not_ours",
    /// An IPv4 header that does not fit into the frame.
    Ipv4Truncated = "ipv4_truncated",
    /// EtherType says IPv4, the version field does not.
    Ipv4BadVersion = "ipv4_bad_version",
    /// IHL below 5.
    Ipv4BadHeaderLength = "ipv4_bad_header_length",
    /// Total length below the header's length.
    Ipv4TotalBelowHeader = "ipv4_total_below_header",
    /// Total length beyond the frame.
    Ipv4TotalBeyondFrame = "ipv4_total_beyond_frame",
    /// IPv4 header checksum wrong.
    Ipv4BadChecksum = "ipv4_bad_checksum",
    /// An IPv4 option with an impossible length.
    Ipv4BadOption = "ipv4_bad_option",
    /// Loose or strict source routing (RFC 7126).
    Ipv4SourceRoute = "ipv4_source_route",
    /// An IPv6 header that does not fit into the frame.
    Ipv6Truncated = "ipv6_truncated",
    /// EtherType says IPv6, the version field does not.
    Ipv6BadVersion = "ipv6_bad_version",
    /// Payload length beyond the frame.
    Ipv6PayloadBeyondFrame = "ipv6_payload_beyond_frame",
    /// IPv6 extension headers that are truncated, misplaced or too many.
    Ipv6BadExtension = "ipv6_bad_extension",
    /// IPv6 routing header of type 0 (RFC 5095).
    Ipv6RoutingHeader0 = "ipv6_routing_header_0",
    /// A fragment to a service; fragments are not balanced yet.
    Fragment = "fragment",
    /// A source address that cannot be one: this net, loopback, multicast, reserved, or our own.
    MartianSource = "martian_source",
    /// A destination address that is never forwarded to.
    MartianDestination = "martian_destination",
    /// A TCP header that does not fit into the packet.
    TcpTruncated = "tcp_truncated",
    /// TCP data offset below 5 or past the end of the packet.
    TcpBadDataOffset = "tcp_bad_data_offset",
    /// TCP flags that no stack sends together.
    TcpIllegalFlags = "tcp_illegal_flags",
    /// UDP header truncated, or its length field wrong.
    UdpBadLength = "udp_bad_length",
    /// UDP over IPv6 without a checksum (RFC 8200, 8.1).
    UdpNoChecksum = "udp_no_checksum",
    /// TCP or UDP with port 0.
    PortZero = "port_zero",
    /// ICMP truncated or with a wrong checksum.
    IcmpMalformed = "icmp_malformed",
    /// ICMP to us or to a VIP that is not answered here.
    IcmpUnanswered = "icmp_unanswered",
    /// A protocol other than TCP, UDP and ICMP to a VIP.
    UnknownProtocol = "unknown_protocol",
    /// To a VIP but for no service, and not to be answered: UDP, or TCP that must not get a reset.
    NoService = "no_service",
    /// A later TCP packet without a connection, where the service says `drop` or a reset must not be answered.
    NoConnection = "no_connection",
    /// The service has no backend that takes new flows.
    NoBackend = "no_backend",
    /// From a backend that is down, of a flow that its service resets or moves.
    BackendDown = "backend_down",
    /// The connection table is full.
    TableFull = "table_full",
    /// The service has reached its `max_connections`.
    ServiceFull = "service_full",
    /// The backend already has a connection with the same client address and port.
    ReverseTaken = "reverse_taken",
    /// Two lcores opened the same connection at the same moment, several times over.
    InsertContended = "insert_contended",
    /// An answer of ours (reset, echo reply, ICMP error) was held back by its rate limit.
    ReplyRateLimited = "reply_rate_limited",
    /// TTL or hop limit ran out, and no time-exceeded message could be sent for it.
    TtlExpired = "ttl_expired",
    /// Longer than the way out takes, and not to be told so: it may be fragmented, which we do not do, or must not be
    /// answered.
    TooBig = "too_big",
    /// Came in on a port whose kernel device is down.
    PortDown = "port_down",
    /// Neither to a VIP nor to us, and `transit` is off.
    NotForUs = "not_for_us",
    /// The route table knows no way.
    NoRoute = "no_route",
    /// Waited for a neighbor that did not answer.
    NeighborUnresolved = "neighbor_unresolved",
    /// Too many packets wait for neighbors already.
    NeighborQueueFull = "neighbor_queue_full",
    /// The neighbor table is full.
    NeighborTableFull = "neighbor_table_full",
    /// For the control processor, and there is no exception path.
    NoExceptionPath = "no_exception_path",
    /// For the control processor, more than its class of traffic may send there in that time.
    PuntRate = "punt_rate",
    /// For the control processor, which has not caught up with what was sent there before.
    PuntQueueFull = "punt_queue_full",
}

/// The port that all packets of a burst leave on, if there is one; none for an empty burst.
#[inline]
#[must_use]
pub fn one_way(verdicts: &[Verdict]) -> Option<PortId> {
    let Some(&Verdict::Forward(port)) = verdicts.first() else {
        return None;
    };
    let leaves_elsewhere = |verdict: &Verdict| *verdict != Verdict::Forward(port);
    // Without a way out of the loop, so that it takes several at a time.
    let others = verdicts.iter().filter(|verdict| leaves_elsewhere(verdict));
    (others.count() == 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_names_are_unique_and_spelled_like_counters() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|r| r.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::COUNT);
        assert!(names.iter().all(|n| {
            n.bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit())
        }));
    }

    #[test]
    fn a_verdict_stays_small_enough_for_a_register() {
        assert!(size_of::<Verdict>() <= 8);
    }
}
