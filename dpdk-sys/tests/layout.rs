//! Rust's `rte_mbuf` and C's are one structure.
//!
//! The build compares with the headers as libclang reads them; this test asks the shim, which another
//! compiler built, and that is what runs.

use std::mem::{align_of, offset_of, size_of};

use dpdk_sys::rte_mbuf;

#[test]
fn every_mbuf_field_rust_touches_is_where_c_has_it() {
    let ours = [
        ("size", size_of::<rte_mbuf>()),
        ("align", align_of::<rte_mbuf>()),
        ("buf_addr", offset_of!(rte_mbuf, buf_addr)),
        ("data_off", offset_of!(rte_mbuf, data_off)),
        ("refcnt", offset_of!(rte_mbuf, refcnt)),
        ("nb_segs", offset_of!(rte_mbuf, nb_segs)),
        ("port", offset_of!(rte_mbuf, port)),
        ("ol_flags", offset_of!(rte_mbuf, ol_flags)),
        ("pkt_len", offset_of!(rte_mbuf, pkt_len)),
        ("data_len", offset_of!(rte_mbuf, data_len)),
        ("buf_len", offset_of!(rte_mbuf, buf_len)),
        ("pool", offset_of!(rte_mbuf, pool)),
        ("next", offset_of!(rte_mbuf, next)),
    ];
    let mut theirs = [0; 13];
    // SAFETY: the shim writes at most as many values as the array holds.
    let known = unsafe { dpdk_sys::shim_mbuf_layout(theirs.as_mut_ptr(), theirs.len()) };
    assert_eq!(known, ours.len());
    for ((field, ours), theirs) in ours.into_iter().zip(theirs) {
        assert_eq!(ours, theirs, "{field}");
    }
}

#[test]
fn the_library_that_runs_is_not_older_than_22_11() {
    // SAFETY: returns a string constant of the library.
    let version = unsafe { dpdk_sys::rte_version() };
    // SAFETY: it ends in NUL and lives as long as the library.
    let version = unsafe { std::ffi::CStr::from_ptr(version) }
        .to_str()
        .unwrap();
    let number = version.strip_prefix("DPDK ").unwrap();
    let mut parts = number
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let release = (parts.next().unwrap(), parts.next().unwrap());
    assert!(release >= (22, 11), "{version}");
}
