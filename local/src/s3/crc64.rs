//! CRC64NVME of joined bytes, from the CRCs of the pieces. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// CRC64NVME and length of some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc64AndSize {
    pub crc: u64,
    /// In bytes.
    pub size: u64,
}

impl Crc64AndSize {
    /// Returns the CRC and size of these bytes followed by those of `next`.
    pub fn concat(self, next: Self) -> Self {
        // Appending n bytes multiplies the CRC by x^(8n). Repeated squaring takes microseconds, which matters
        // for 10,000 parts.
        let (mut shift, mut square, mut bits) = (ONE, ONE >> 8, next.size);
        while bits > 0 {
            if bits & 1 == 1 {
                shift = multiply(shift, square);
            }
            square = multiply(square, square);
            bits >>= 1;
        }
        Self { crc: multiply(self.crc, shift) ^ next.crc, size: self.size + next.size }
    }

    /// Returns the ETag that earlier versions gave to objects and parts; data folders still have such rows.
    pub fn legacy_etag(self) -> String {
        format!("{:016x}{:016x}", self.crc, self.size)
    }

    /// Returns the value of `x-amz-checksum-crc64nvme`: base64 of eight big-endian bytes.
    pub fn checksum_header(self) -> String {
        STANDARD.encode(self.crc.to_be_bytes())
    }
}

/// The polynomial of CRC64NVME, and 1; the lowest power is in the highest bit.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;
const ONE: u64 = 1 << 63;

/// Multiplies two polynomials modulo [`POLYNOMIAL`].
fn multiply(a: u64, b: u64) -> u64 {
    let (mut product, mut power) = (0, b);
    for bit in (0..64).rev() {
        product ^= power & (a >> bit & 1).wrapping_neg();
        power = power >> 1 ^ POLYNOMIAL & (power & 1).wrapping_neg();
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc_fast::{CrcAlgorithm, checksum};
    use proptest::prelude::*;

    fn content(bytes: &[u8]) -> Crc64AndSize {
        Crc64AndSize { crc: checksum(CrcAlgorithm::Crc64Nvme, bytes), size: bytes.len() as u64 }
    }

    #[test]
    fn crc64nvme_matches_the_published_check_value() {
        assert_eq!(content(b"123456789").crc, 0xae8b_1486_0a79_9888);
        assert_eq!(content(b"123456789").checksum_header(), "rosUhgp5mIg=");
        assert_eq!(content(b""), Crc64AndSize::default());
    }

    proptest! {
        #[test]
        fn concat_equals_crc_of_joined_bytes(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(content(head).concat(content(tail)), content(&bytes));
        }

        #[test]
        fn concat_equals_crc_fast_combine(first: u64, next: u64, size in 0..u64::MAX / 8) {
            let crc = crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, first, next, size);
            prop_assert_eq!(Crc64AndSize { crc: first, size: 0 }.concat(Crc64AndSize { crc: next, size }), Crc64AndSize { crc, size });
        }
    }
}
