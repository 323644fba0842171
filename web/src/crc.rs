//! CRC64NVME, the checksum S3 computes of all that it stores, and how the checksums of parts combine into
//! that of the whole. Pure: bytes in, numbers out.
//!
//! The polynomial is 0xAD93D23594C93659, bits reflected, all ones before and after (NVM Express Base
//! Specification; AWS's name for it is `CRC64NVME`).

use std::sync::OnceLock;

/// The polynomial with its bits reflected; x^64 itself is implied.
const POLYNOMIAL: u64 = 0x9A6C_9329_AC4B_C9B5;
/// The polynomial "1", reflected.
const ONE: u64 = 1 << 63;
/// Bytes taken in one step.
const STEP: usize = 16;

type Tables = [[u64; 256]; STEP];

/// Row `k` holds what a byte contributes when `k` more bytes follow it. 32 KiB, so they are made here in
/// some microseconds rather than downloaded.
fn tables() -> &'static Tables {
    static TABLES: OnceLock<Box<Tables>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut rows = Box::new([[0; 256]; STEP]);
        for byte in 0..256 {
            rows[0][byte] = (0..8).fold(byte as u64, |crc, _| times_x(crc));
        }
        for k in 1..STEP {
            for byte in 0..256 {
                let before = rows[k - 1][byte];
                rows[k][byte] = (before >> 8) ^ rows[0][(before & 0xFF) as usize];
            }
        }
        rows
    })
}

/// A checksum in the making.
#[derive(Clone)]
pub struct Crc64 {
    tables: &'static Tables,
    state: u64,
}

impl Default for Crc64 {
    fn default() -> Self {
        Self { tables: tables(), state: !0 }
    }
}

impl Crc64 {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let t = self.tables;
        let mut crc = self.state;
        let (steps, rest) = bytes.as_chunks::<STEP>();
        for step in steps {
            let [first, second] = halves(step);
            crc = eight(t, 8, first ^ crc) ^ eight(t, 0, second);
        }
        for byte in rest {
            crc = t[0][usize::from(crc as u8 ^ byte)] ^ (crc >> 8);
        }
        self.state = crc;
    }

    /// The checksum of all bytes taken so far.
    pub fn value(&self) -> u64 {
        !self.state
    }
}

/// What the eight bytes of `word` contribute when `after` more bytes follow them.
///
/// Shifts, not an array of bytes: an optimizer that is after size leaves an array in memory, and this takes
/// three times as long.
#[inline(always)]
fn eight(t: &Tables, after: usize, word: u64) -> u64 {
    let row = |place: usize| t[after + 7 - place][((word >> (8 * place)) & 0xFF) as usize];
    (row(0) ^ row(1) ^ row(2) ^ row(3)) ^ (row(4) ^ row(5) ^ row(6) ^ row(7))
}

#[inline(always)]
fn halves(step: &[u8; STEP]) -> [u64; 2] {
    let both = u128::from_le_bytes(*step);
    [both as u64, (both >> 64) as u64]
}

/// The checksum of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::default();
    crc.update(bytes);
    crc.value()
}

/// Carries a checksum over the bytes that follow, known only by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    bytes: u64,
    factor: u64,
}

impl Shift {
    /// Over `bytes` bytes: the factor is x^(8 · bytes), by repeated squaring.
    pub fn over(bytes: u64) -> Self {
        let mut factor = ONE;
        let mut square = (0..8).fold(ONE, |power, _| times_x(power));
        let mut left = bytes;
        while left > 0 {
            if left & 1 == 1 {
                factor = multiply(factor, square);
            }
            square = multiply(square, square);
            left >>= 1;
        }
        Self { bytes, factor }
    }

    /// The checksum of A followed by B, from that of A and that of B, where B is as long as this shift.
    pub fn join(self, a: u64, b: u64) -> u64 {
        multiply(a, self.factor) ^ b
    }
}

/// The checksum of pieces in their order, each given as its checksum and its length in bytes.
pub fn combine(pieces: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let mut shift = Shift::over(0);
    pieces.into_iter().fold(0, |whole, (crc, bytes)| {
        // All parts but the last are equally long, so this is worked out twice and no more.
        if shift.bytes != bytes {
            shift = Shift::over(bytes);
        }
        shift.join(whole, crc)
    })
}

/// A checksum as S3 writes it: base64 of its eight bytes, the highest first.
pub fn to_base64(crc: u64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u64| char::from(DIGITS[(value & 63) as usize]);
    // Ten digits take 60 bits; the eleventh has the last four and two of filling.
    let high = (0..10).map(|place| digit(crc >> (58 - 6 * place)));
    high.chain([digit(crc << 2), '=']).collect()
}

/// The checksum that [`to_base64`] wrote; nothing for any other text.
pub fn from_base64(text: &str) -> Option<u64> {
    let value = |digit: u8| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (digits, last) = text.strip_suffix('=')?.as_bytes().split_at_checked(10)?;
    let [last] = last else { return None };
    let high = digits.iter().try_fold(0, |sum: u64, digit| Some((sum << 6) | u64::from(value(*digit)?)))?;
    let crc = (high << 4) | u64::from(value(*last)? >> 2);
    (to_base64(crc) == text).then_some(crc)
}

fn times_x(a: u64) -> u64 {
    (a >> 1) ^ if a & 1 == 1 { POLYNOMIAL } else { 0 }
}

/// a · b modulo the polynomial; both reflected, so bit 63 is x^0.
fn multiply(a: u64, b: u64) -> u64 {
    let mut product = 0;
    let mut shifted = b;
    for bit in (0..64).rev() {
        if a >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = times_x(shifted);
    }
    product
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(bytes: &[u8]) -> u64 {
        crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
    }

    #[test]
    fn the_published_check_value() {
        assert_eq!(crc64(b"123456789"), 0xAE8B_1486_0A79_9888);
        assert_eq!(to_base64(crc64(b"123456789")), "rosUhgp5mIg=");
        assert_eq!(crc64(b""), 0);
    }

    proptest! {
        #[test]
        fn base64_is_that_of_others(crc: u64) {
            use base64::{Engine, engine::general_purpose::STANDARD};
            prop_assert_eq!(to_base64(crc), STANDARD.encode(crc.to_be_bytes()));
            prop_assert_eq!(from_base64(&to_base64(crc)), Some(crc));
        }

        #[test]
        fn what_is_no_checksum_is_not_read(text in ".{0,14}") {
            prop_assert!(from_base64(&text).is_none_or(|crc| to_base64(crc) == text));
        }

        #[test]
        fn equals_a_known_implementation(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            prop_assert_eq!(crc64(&bytes), known(&bytes));
        }

        #[test]
        fn is_the_same_however_it_is_fed(bytes in proptest::collection::vec(any::<u8>(), 0..500), cut in 0..500usize) {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            let mut crc = Crc64::default();
            crc.update(a);
            crc.update(b);
            prop_assert_eq!(crc.value(), known(&bytes));
        }

        #[test]
        fn pieces_combine_into_the_whole(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..9)) {
            let whole = known(&pieces.concat());
            prop_assert_eq!(combine(pieces.iter().map(|p| (crc64(p), p.len() as u64))), whole);
        }

        #[test]
        fn combines_lengths_no_memory_could_hold(a: u64, b: u64, bytes in 0..1u64 << 53) {
            let expected = crc_fast::checksum_combine(crc_fast::CrcAlgorithm::Crc64Nvme, a, b, bytes);
            prop_assert_eq!(combine([(a, 0), (b, bytes)]), expected);
        }
    }
}
