//! Raw DPDK: the functions, structures and constants that the switch uses, and no more.
//!
//! No counterpart in the patent. Declarations are generated from the installed headers by an allowlist
//! (`build.rs`); `shim.c` gives header inlines a symbol per burst and copies structures whose fields
//! moved between releases. Nothing here decides anything; safe owners are `lb-dataplane`'s `dpdk`.
//! Easy to get wrong: a function DPDK defines in a header has no symbol to link with; it needs a line
//! in the shim.
#![expect(
    non_camel_case_types,
    reason = "C's names are kept, so that they can be looked up"
)]
#![no_std]

mod mbuf;

pub use mbuf::rte_mbuf;

/// A pool of mbufs, known by its address only.
#[repr(C)]
pub struct rte_mempool {
    _opaque: [u8; 0],
}

/// A ring of pointers, known by its address only.
#[repr(C)]
pub struct rte_ring {
    _opaque: [u8; 0],
}

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
