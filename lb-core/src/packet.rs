//! What the filter needs of a buffer that holds one frame.
//!
//! WO 00/30294: a buffer of the shared memory 34; its ownership bit is Rust's ownership here.
//! An mbuf and a test's vector both are one. Owning, freeing and segment chains stay with the implementor.
//! Easy to get wrong: `head` is only the *first segment*; `total_len` counts all of them.

/// One frame in a buffer that can be rewritten in place.
pub trait Packet {
    /// Octets of the first segment, from the Ethernet header on.
    fn head(&self) -> &[u8];
    /// The same, to be rewritten.
    fn head_mut(&mut self) -> &mut [u8];
    /// Octets of the whole frame, all segments; at least `head().len()`.
    fn total_len(&self) -> usize;
    /// Makes the frame one segment of `len` octets, cut or grown at its end; new octets hold anything.
    /// False, and nothing changed, where the first segment has no room for that.
    fn set_len(&mut self, len: usize) -> bool;
    /// Takes `count` octets off the front. False, and nothing changed, where the first segment is shorter.
    fn strip_front(&mut self, count: usize) -> bool;
}
