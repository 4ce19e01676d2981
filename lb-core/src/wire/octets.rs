//! Big-endian fields of a fixed array, at offsets known when compiling.
//!
//! No counterpart in the patent. The views of this folder borrow `[u8; N]` and read through this
//! trait; a field that does not fit its header is a compile error, so no bounds check is left to
//! run.
//! Easy to get wrong: the fallbacks below look like hidden defaults, but cannot be reached: the
//! assertion in front of them has already failed the build.

/// Loads and stores at constant offsets.
pub(crate) trait Octets {
    /// The `LEN` octets from offset `AT`.
    fn array_at<const AT: usize, const LEN: usize>(&self) -> [u8; LEN];

    /// Overwrites the `LEN` octets from offset `AT`.
    fn put_array<const AT: usize, const LEN: usize>(&mut self, octets: [u8; LEN]);

    #[inline(always)]
    fn u8_at<const AT: usize>(&self) -> u8 {
        let [octet] = self.array_at::<AT, 1>();
        octet
    }

    #[inline(always)]
    fn u16_at<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes(self.array_at::<AT, 2>())
    }

    #[inline(always)]
    fn u32_at<const AT: usize>(&self) -> u32 {
        u32::from_be_bytes(self.array_at::<AT, 4>())
    }

    #[inline(always)]
    fn u128_at<const AT: usize>(&self) -> u128 {
        u128::from_be_bytes(self.array_at::<AT, 16>())
    }

    #[inline(always)]
    fn put_u8<const AT: usize>(&mut self, value: u8) {
        self.put_array::<AT, 1>([value]);
    }

    #[inline(always)]
    fn put_u16<const AT: usize>(&mut self, value: u16) {
        self.put_array::<AT, 2>(value.to_be_bytes());
    }

    #[inline(always)]
    fn put_u32<const AT: usize>(&mut self, value: u32) {
        self.put_array::<AT, 4>(value.to_be_bytes());
    }

    #[inline(always)]
    fn put_u128<const AT: usize>(&mut self, value: u128) {
        self.put_array::<AT, 16>(value.to_be_bytes());
    }
}

impl<const N: usize> Octets for [u8; N] {
    #[inline(always)]
    fn array_at<const AT: usize, const LEN: usize>(&self) -> [u8; LEN] {
        const { assert!(AT + LEN <= N, "field beyond its header") };
        match self.get(AT..).and_then(<[u8]>::first_chunk) {
            Some(octets) => *octets,
            None => [0; LEN],
        }
    }

    #[inline(always)]
    fn put_array<const AT: usize, const LEN: usize>(&mut self, octets: [u8; LEN]) {
        const { assert!(AT + LEN <= N, "field beyond its header") };
        if let Some(slot) = self.get_mut(AT..).and_then(<[u8]>::first_chunk_mut) {
            *slot = octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_big_endian_and_stores_touch_only_their_own_octets() {
        let mut octets = [0xee; 20];
        octets.put_u16::<1>(0x0102);
        octets.put_u128::<4>(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        assert_eq!(octets[..4], [0xee, 1, 2, 0xee]);
        assert_eq!(octets[19], 0x10);
        assert_eq!(octets.u32_at::<0>(), 0xee01_02ee);
        assert_eq!(octets.u128_at::<4>() >> 120, 1);
        assert_eq!(octets.u8_at::<19>(), 0x10);
    }
}
