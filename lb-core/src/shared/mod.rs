//! Shared memory 34: what several lcores, and one process after another, look at together.
//!
//! WO 00/30294: the memory that holds tables 62, 64 and 66, and the index that tells which buffer of
//! the configuration table is in use. Here are only the means: a block of memory and the shapes that
//! may lie in it ([`memory`], [`plain`]), its named parts ([`region`]), the promise that nobody looks
//! any more ([`epoch`]), two buffers and an index ([`mod@double_buffer`]), counters. What the tables
//! mean is said in `conn`, `config` and `route`.
//! The only unsafe code of the crate is in this folder.
//! Easy to get wrong: all that lies in a region is made of atomics, for which every bit pattern is
//! valid and zero means empty; a pointer, an enum or a `bool` must never get in.

pub(crate) mod columns;
pub mod counters;
pub mod double_buffer;
pub mod epoch;
pub(crate) mod halves;
pub mod layout;
pub mod live;
pub mod memory;
pub mod plain;
pub mod prefetch;
pub mod region;
pub(crate) mod scaled;
pub(crate) mod sync;

pub use counters::{Counter, Padded};
pub use double_buffer::{Buffer, NotYet, Published, Reader, Writer, double_buffer};
pub use epoch::Epochs;
pub use layout::{BadCapacity, Layout};
pub use live::LiveCounts;
pub use memory::{Memory, Slice};
pub use prefetch::prefetch_read;
pub use region::{Identity, Refused, Region, Secret, Tick};
