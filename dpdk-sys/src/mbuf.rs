//! The fields of DPDK's packet descriptor that Rust reads and writes itself.
//!
//! No counterpart in the patent. Written by hand and not by bindgen: later releases of DPDK wrap the
//! same fields in nameless unions, at the same offsets. The offsets are compared with the installed
//! headers when this file is compiled, and with the compiled shim in `tests/layout.rs`.
//! Easy to get wrong: a DPDK built without `RTE_IOVA_IN_MBUF` has `next` in the first cache line; the
//! comparison below then stops the build.

use core::ffi::c_void;
use core::mem::{align_of, offset_of, size_of};

/// A segment of a packet: where its octets are, and which segment follows.
///
/// Fields that are not named here belong to DPDK and its drivers.
#[repr(C, align(64))]
pub struct rte_mbuf {
    /// Start of the segment's buffer, head room included.
    pub buf_addr: *mut c_void,
    _buf_iova: u64,
    /// Octets from `buf_addr` to the first octet of data.
    pub data_off: u16,
    /// Owners of this mbuf; 1 for every mbuf of ours.
    pub refcnt: u16,
    /// Segments of the packet; valid in the first one only.
    pub nb_segs: u16,
    /// Port that received the packet.
    pub port: u16,
    /// Offload flags, `RTE_MBUF_F_*`.
    pub ol_flags: u64,
    _packet_type: u32,
    /// Octets of data in all segments; valid in the first one only.
    pub pkt_len: u32,
    /// Octets of data in this segment.
    pub data_len: u16,
    _vlan_tci: u16,
    _hash: [u32; 2],
    _vlan_tci_outer: u16,
    /// Octets of the segment's buffer, head room included.
    pub buf_len: u16,
    /// Pool that the mbuf goes back to.
    pub pool: *mut crate::rte_mempool,
    /// Following segment, or null.
    pub next: *mut rte_mbuf,
    _private: [u8; 56],
}

/// Stops the build where the installed headers disagree with the structure above.
macro_rules! same_as_in_c {
    ($($ours:expr => $theirs:ident),* $(,)?) => {
        $(const _: () = assert!(
            $ours == crate::$theirs as usize,
            concat!("this DPDK lays rte_mbuf out differently: ", stringify!($theirs)),
        );)*
    };
}

same_as_in_c! {
    size_of::<rte_mbuf>() => SHIM_MBUF_SIZE,
    align_of::<rte_mbuf>() => SHIM_MBUF_ALIGN,
    offset_of!(rte_mbuf, buf_addr) => SHIM_MBUF_BUF_ADDR,
    offset_of!(rte_mbuf, data_off) => SHIM_MBUF_DATA_OFF,
    offset_of!(rte_mbuf, refcnt) => SHIM_MBUF_REFCNT,
    offset_of!(rte_mbuf, nb_segs) => SHIM_MBUF_NB_SEGS,
    offset_of!(rte_mbuf, port) => SHIM_MBUF_PORT,
    offset_of!(rte_mbuf, ol_flags) => SHIM_MBUF_OL_FLAGS,
    offset_of!(rte_mbuf, pkt_len) => SHIM_MBUF_PKT_LEN,
    offset_of!(rte_mbuf, data_len) => SHIM_MBUF_DATA_LEN,
    offset_of!(rte_mbuf, buf_len) => SHIM_MBUF_BUF_LEN,
    offset_of!(rte_mbuf, pool) => SHIM_MBUF_POOL,
    offset_of!(rte_mbuf, next) => SHIM_MBUF_NEXT,
}
