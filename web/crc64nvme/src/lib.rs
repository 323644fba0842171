//! CRC64NVME, the checksum that S3 verifies of parts and objects, and the combination of the parts' checksums into the
//! file's.
//!
//! The polynomial is 0xAD93D23594C93659, with reflected bits, an initial value of all ones and a final inversion (NVM
//! Express Base Specification; AWS calls it `CRC64NVME`).
//!
//! A CRC is the remainder of a division by the polynomial. A division by a multiple of it first doesn't change the
//! remainder, and there is a multiple with seven terms whose powers are all multiples of eight ([`POWERS`]). So the
//! division of all but the last bytes takes six loads and xors for every eight bytes, without a table and without a chain
//! of dependent steps. (The method is that of Chorba, Russell 2024, arXiv:2412.16398.)

/// The polynomial with its bits reflected; x^64 itself is implied.
const POLYNOMIAL: u64 = 0x9A6C_9329_AC4B_C9B5;
/// The polynomial "1", reflected.
const ONE: u64 = 1 << 63;

/// The sum of x^(8 · power) over these and [`WINDOW`] is a multiple of the polynomial; a test verifies it.
///
/// The constant 1 and six powers below 5,000 have about 2^64 sums, so one of them is likely to be zero. It was found by
/// a meet-in-the-middle search: sums of three powers with equal lowest twelve bits against sums of 1 and three powers
/// with the same twelve bits, for each pattern of twelve bits. Fewer terms need a window that doesn't fit into the L1
/// cache: six terms some 18 KB, for no gain; five some 145 KB, for a gain of a fifth.
const POWERS: [usize; 6] = [0, 153, 355, 727, 1750, 3925];
/// The highest power: the division needs that many bytes of its past.
const WINDOW: usize = 4498;
/// Bytes divided in one step. At most the difference of the two highest powers: a step must not need its own output.
const STEP: usize = 512;
const _: () = assert!(STEP <= WINDOW - POWERS[5]);
/// Steps after which the window is moved back to the start of its buffer.
const STEPS: usize = 32;

/// Eight bytes (little-endian) that bring the CRC from zero to all ones, its initial value.
const PREFIX: u64 = 0x5207_8AF9_9239_552E;

/// Computes a CRC64NVME incrementally. Takes some 21 KB.
#[derive(Clone)]
pub struct Crc64 {
    /// The quotient of the division by the multiple, up to `end`: one byte for each input byte.
    quotient: Vec<u8>,
    end: usize,
}

impl Default for Crc64 {
    fn default() -> Self {
        let mut crc = Self { quotient: vec![0; WINDOW + STEPS * STEP], end: WINDOW };
        crc.update(&PREFIX.to_le_bytes());
        crc
    }
}

impl Crc64 {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let (steps, rest) = bytes.as_chunks();
        for step in steps {
            self.divide(step, STEP);
        }
        let mut step = [0; STEP];
        step.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.divide(&step, rest.len());
    }

    /// Adds the first `count` bytes of `step`.
    fn divide(&mut self, step: &[u8; STEP], count: usize) {
        if self.end > WINDOW + (STEPS - 1) * STEP {
            self.quotient.copy_within(self.end - WINDOW.., 0);
            self.end = WINDOW;
        }
        let (past, new) = self.quotient.split_at_mut(self.end);
        if let (Some(past), Some(new)) = (past.last_chunk(), new.first_chunk_mut::<STEP>()) {
            for (place, word) in new.as_chunks_mut().0.iter_mut().enumerate() {
                *word = quotient_word(past, step, 8 * place).to_le_bytes();
            }
        }
        self.end += count;
    }

    /// The CRC of all bytes added so far. More bytes can be added after it.
    pub fn value(&self) -> u64 {
        let last = &self.quotient[self.end - WINDOW..self.end];
        // The last bytes of the quotient are no part of the division: undoing their effect leaves the remainder.
        let mut remainder = last.to_vec();
        for power in &POWERS[1..] {
            let affected = remainder.iter_mut().skip(WINDOW - power);
            affected.zip(last).for_each(|(byte, digit)| *byte ^= digit);
        }
        let table: [u64; 256] = std::array::from_fn(|byte| (0..8).fold(byte as u64, |crc, _| times_x(crc)));
        !remainder.iter().fold(0, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
    }
}

/// Eight bytes of the quotient at offset `at` of a step, from the bytes before the step and its own.
///
/// Written with plain sums and indexes: with iterators, an optimizer for size leaves calls in the loop.
#[inline(always)]
fn quotient_word(past: &[u8; WINDOW], step: &[u8; STEP], at: usize) -> u64 {
    let [a, b, c, d, e, f] = POWERS;
    (word(step, at) ^ word(past, at + a) ^ word(past, at + b))
        ^ (word(past, at + c) ^ word(past, at + d))
        ^ (word(past, at + e) ^ word(past, at + f))
}

#[inline(always)]
fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from_le_bytes([
        bytes[at],
        bytes[at + 1],
        bytes[at + 2],
        bytes[at + 3],
        bytes[at + 4],
        bytes[at + 5],
        bytes[at + 6],
        bytes[at + 7],
    ])
}

/// The CRC64NVME of `bytes`.
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::default();
    crc.update(bytes);
    crc.value()
}

/// Combines the CRC of a text with that of a following text whose length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    bytes: u64,
    factor: u64,
}

impl Shift {
    /// For a following text of `bytes` bytes. Takes O(log `bytes`) steps.
    pub fn over(bytes: u64) -> Self {
        // x^(8 · bytes) by repeated squaring.
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

    /// The CRC of A followed by B, from the CRC of A and that of B; B has the length given to [`Shift::over`].
    pub fn join(self, a: u64, b: u64) -> u64 {
        multiply(a, self.factor) ^ b
    }
}

/// The CRC of a sequence of pieces, each given as its CRC and its length in bytes.
pub fn combine(pieces: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let mut shift = Shift::over(0);
    pieces.into_iter().fold(0, |combined, (crc, bytes)| {
        // All parts but the last have the same length, so this is computed at most twice.
        if shift.bytes != bytes {
            shift = Shift::over(bytes);
        }
        shift.join(combined, crc)
    })
}

/// A CRC in S3's notation: base64 of its eight bytes, big-endian.
pub fn to_base64(crc: u64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u64| char::from(DIGITS[(value & 63) as usize]);
    // Ten digits take 60 bits; the eleventh has the last four and two padding bits.
    let high = (0..10).map(|place| digit(crc >> (58 - 6 * place)));
    high.chain([digit(crc << 2), '=']).collect()
}

/// Parses the output of [`to_base64`]; `None` for any other text.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(bytes: &[u8]) -> u64 {
        crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
    }

    #[test]
    fn check_value_is_the_published_one() {
        assert_eq!(crc64(b"123456789"), 0xAE8B_1486_0A79_9888);
        assert_eq!(to_base64(crc64(b"123456789")), "rosUhgp5mIg=");
        assert_eq!(crc64(b""), 0);
    }

    #[test]
    fn seven_terms_are_a_multiple_of_the_polynomial() {
        let terms = POWERS.iter().chain([&WINDOW]);
        assert_eq!(terms.fold(0, |sum, power| sum ^ Shift::over(*power as u64).factor), 0);
    }

    #[test]
    fn prefix_gives_the_initial_value() {
        assert_eq!((0..64).fold(PREFIX, |crc, _| times_x(crc)), !0);
    }

    /// Pseudorandom bytes, always the same.
    fn noise(size: usize) -> Vec<u8> {
        let numbers = std::iter::successors(Some(ONE), |number| {
            Some(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
        });
        numbers.map(|number| (number >> 56) as u8).take(size).collect()
    }

    #[test]
    fn crc_equals_crc_fast_around_every_internal_limit() {
        let buffer = STEPS * STEP;
        for limit in [8, STEP, WINDOW - POWERS[5], WINDOW, WINDOW + STEP, buffer, buffer + WINDOW, 1 << 18] {
            for size in limit - 8..=limit + 8 {
                let bytes = noise(size);
                assert_eq!(crc64(&bytes), known(&bytes), "{size} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn base64_equals_the_base64_crate(crc: u64) {
            use base64::{Engine, engine::general_purpose::STANDARD};
            prop_assert_eq!(to_base64(crc), STANDARD.encode(crc.to_be_bytes()));
            prop_assert_eq!(from_base64(&to_base64(crc)), Some(crc));
        }

        #[test]
        fn other_text_is_not_parsed(text in ".{0,14}") {
            prop_assert!(from_base64(&text).is_none_or(|crc| to_base64(crc) == text));
        }

        #[test]
        fn crc_equals_crc_fast(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
            prop_assert_eq!(crc64(&bytes), known(&bytes));
        }

        #[test]
        fn crc_is_independent_of_the_chunks(
            size in 0..600_000usize,
            // Mostly small pieces, some larger than every buffer.
            pieces in proptest::collection::vec((0..20u32, any::<u32>()), 1..30),
        ) {
            let bytes = noise(size);
            let (mut crc, mut rest) = (Crc64::default(), bytes.as_slice());
            for (bits, length) in pieces {
                let (piece, later) = rest.split_at(rest.len().min((length >> (31 - bits)) as usize));
                crc.update(piece);
                // `value` changes nothing.
                prop_assert_eq!(crc.value(), known(&bytes[..size - later.len()]));
                rest = later;
            }
            crc.update(rest);
            prop_assert_eq!(crc.value(), known(&bytes));
        }

        #[test]
        fn crcs_of_pieces_combine_into_that_of_all(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..9)) {
            let expected = known(&pieces.concat());
            prop_assert_eq!(combine(pieces.iter().map(|p| (crc64(p), p.len() as u64))), expected);
        }

        #[test]
        fn crcs_of_huge_lengths_combine(a: u64, b: u64, bytes in 0..1u64 << 53) {
            let expected = crc_fast::checksum_combine(crc_fast::CrcAlgorithm::Crc64Nvme, a, b, bytes);
            prop_assert_eq!(combine([(a, 0), (b, bytes)]), expected);
        }
    }
}
