//! CRC64NVME, the checksum S3 computes of all that it stores, and how the checksums of parts combine into
//! that of the whole. Pure: bytes in, numbers out.
//!
//! The polynomial is 0xAD93D23594C93659, bits reflected, all ones before and after (NVM Express Base
//! Specification; AWS's name for it is `CRC64NVME`).
//!
//! A checksum is the remainder of a division by the polynomial. Dividing by a multiple of it first changes
//! nothing, and there is a multiple of seven terms whose powers are all whole bytes ([`POWERS`]). So the long
//! division of all but the last bytes is six loads and xors for every eight bytes, with neither a table nor
//! a chain of steps that wait for each other. (The idea is that of Chorba, Russell 2024, arXiv:2412.16398.)

/// The polynomial with its bits reflected; x^64 itself is implied.
const POLYNOMIAL: u64 = 0x9A6C_9329_AC4B_C9B5;
/// The polynomial "1", reflected.
const ONE: u64 = 1 << 63;

/// The sum of x^(8 · power) over these and [`WINDOW`] is a multiple of the polynomial; a test adds it up.
///
/// "1" and six powers below 5,000 make about 2^64 sums, so one was to be expected to be zero. It was found by
/// meeting in the middle: all sums of three powers that agree in their lowest twelve bits, against all sums
/// of "1" and three that agree in the same; for one pattern of twelve bits after the other, which took
/// seconds. Fewer terms need a window that leaves the nearest cache: six some 18 KB, for no gain, five some
/// 145 KB, for a fifth.
const POWERS: [usize; 6] = [0, 153, 355, 727, 1750, 3925];
/// The highest power, thus the bytes that the division must remember.
const WINDOW: usize = 4498;
/// Bytes divided in one step; fewer than lie between the two highest powers, as no step may need what it
/// makes itself.
const STEP: usize = 512;
const _: () = assert!(STEP <= WINDOW - POWERS[5]);
/// Steps until the window is moved back to the start of its buffer.
const STEPS: usize = 32;

/// Eight bytes that leave all ones, the first one lowest: every message begins after them.
const BEFORE: u64 = 0x5207_8AF9_9239_552E;

/// A checksum in the making.
#[derive(Clone)]
pub struct Crc64 {
    /// What the division by the multiple has yielded, up to `end`: a byte for each byte taken.
    quotient: Vec<u8>,
    end: usize,
}

impl Default for Crc64 {
    fn default() -> Self {
        let mut crc = Self { quotient: vec![0; WINDOW + STEPS * STEP], end: WINDOW };
        crc.update(&BEFORE.to_le_bytes());
        crc
    }
}

impl Crc64 {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let (steps, rest) = bytes.as_chunks();
        for step in steps {
            self.divide(step, STEP);
        }
        let mut step = [0; STEP];
        step.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.divide(&step, rest.len());
    }

    /// Takes the first `count` bytes of `step`.
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

    /// The checksum of all bytes taken so far.
    pub fn value(&self) -> u64 {
        let last = &self.quotient[self.end - WINDOW..self.end];
        // The division goes only as far as whole multiples fit: what the last bytes of the quotient have
        // changed is changed back, which leaves the remainder.
        let mut remainder = last.to_vec();
        for power in &POWERS[1..] {
            let changed = remainder.iter_mut().skip(WINDOW - power);
            changed.zip(last).for_each(|(byte, digit)| *byte ^= digit);
        }
        let table: [u64; 256] = std::array::from_fn(|byte| (0..8).fold(byte as u64, |crc, _| times_x(crc)));
        !remainder.iter().fold(0, |crc, byte| table[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
    }
}

/// Eight bytes of the quotient, `at` bytes into a step, from what lies before the step and the step itself.
///
/// Plain sums and indexes: of anything finer, an optimizer that is after size leaves calls in the loop.
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

    #[test]
    fn the_seven_terms_are_a_multiple_of_the_polynomial() {
        let terms = POWERS.iter().chain([&WINDOW]);
        assert_eq!(terms.fold(0, |sum, power| sum ^ Shift::over(*power as u64).factor), 0);
    }

    #[test]
    fn what_comes_before_leaves_all_ones() {
        assert_eq!((0..64).fold(BEFORE, |crc, _| times_x(crc)), !0);
    }

    /// Bytes without a pattern, always the same.
    fn noise(size: usize) -> Vec<u8> {
        let numbers = std::iter::successors(Some(ONE), |number| {
            Some(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
        });
        numbers.map(|number| (number >> 56) as u8).take(size).collect()
    }

    #[test]
    fn equals_a_known_implementation_around_every_bound() {
        let whole = STEPS * STEP;
        for bound in [8, STEP, WINDOW - POWERS[5], WINDOW, WINDOW + STEP, whole, whole + WINDOW, 1 << 18] {
            for size in bound - 8..=bound + 8 {
                let bytes = noise(size);
                assert_eq!(crc64(&bytes), known(&bytes), "{size} bytes");
            }
        }
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
        fn equals_a_known_implementation(bytes in proptest::collection::vec(any::<u8>(), 0..6000)) {
            prop_assert_eq!(crc64(&bytes), known(&bytes));
        }

        #[test]
        fn is_the_same_however_it_is_fed(
            size in 0..600_000usize,
            // Mostly small pieces, some larger than all buffers.
            pieces in proptest::collection::vec((0..20u32, any::<u32>()), 1..30),
        ) {
            let bytes = noise(size);
            let (mut crc, mut rest) = (Crc64::default(), bytes.as_slice());
            for (bits, length) in pieces {
                let (piece, later) = rest.split_at(rest.len().min((length >> (31 - bits)) as usize));
                crc.update(piece);
                // Asking changes nothing.
                prop_assert_eq!(crc.value(), known(&bytes[..size - later.len()]));
                rest = later;
            }
            crc.update(rest);
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
