//! Atomics and shared ownership, imported from one place.
//!
//! No counterpart in the patent. Under `--cfg loom` the model checker's types stand in for those of
//! the standard library, so that the interleavings of `shared` and `conn` can be walked through.
//! Easy to get wrong: loom's atomics are not plain memory, so under loom a slice of them is built
//! value by value instead of being carved out of zeroed octets (`memory`).

#[cfg(not(loom))]
mod imports {
    pub(crate) use std::cell::UnsafeCell;
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::Arc;
    pub(crate) use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
}

#[cfg(loom)]
mod imports {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
}

pub(crate) use imports::*;
