//! The shapes that may lie in a region: plain structs of atomics.
//!
//! No counterpart in the patent. A region outlives processes and is written by all lcores at once, so
//! its contents can be anything; a shape is admitted only when anything is a valid value of it.
//! The meaning of each shape is said where it is defined; this page is the complete list.
//! Easy to get wrong: a field added to one of these structs changes the layout, so
//! [`LAYOUT_VERSION`](super::layout::LAYOUT_VERSION) goes up with it.

#![expect(
    unsafe_code,
    reason = "the admission of a shape is a promise that the compiler cannot check"
)]

use super::region::{Header, Identity, TableControl};
use super::sync::{AtomicU32, AtomicU64};
use crate::conn::Cell;
use crate::conn::bucket::Bucket;

/// A shape that may lie in shared memory. Sealed: the list is in this file.
///
/// # Safety
/// The type consists of nothing but atomic integers (and arrays and structs of them, in C layout):
/// every bit pattern is a value, all zero means empty, it has no destructor, and any number of
/// lcores may use it through shared references.
pub unsafe trait Plain: Default + Send + Sync + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! admit {
    ($($(#[$why:meta])* [$($generics:tt)*] $shape:ty;)*) => { $(
        impl<$($generics)*> sealed::Sealed for $shape {}
        // SAFETY: the type is, or is in C layout made of, `AtomicU16`, `AtomicU32`, `AtomicU64` and arrays
        // of them only; its definition names this list.
        unsafe impl<$($generics)*> Plain for $shape {}
    )* };
}

admit! {
    [] AtomicU32;
    [] AtomicU64;
    [] Header;
    [] Identity;
    [] TableControl;
    [] Bucket;
    [const W: usize] Cell<W>;
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Bucket>() == 64 && align_of::<Bucket>() == 64);
    assert!(size_of::<Cell<2>>() == 64 && align_of::<Cell<2>>() == 64);
    assert!(size_of::<Cell<5>>() == 128 && align_of::<Cell<5>>() == 64);
    assert!(size_of::<TableControl>() == 256);
};
