//! Checksums of bodies: computing them, and comparing them with those in the request. Pure.

use super::error::OperationError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Md5, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3Request, TrailingHeaders, s3_error};

/// CRC64NVME and length of some bytes. The ETag and `x-amz-checksum-crc64nvme` are derived from it.
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

    /// Returns the ETag. Clients must treat it as opaque (S3's is an MD5 only without KMS encryption), so no MD5
    /// is computed.
    pub fn etag(self) -> String {
        format!("{:016x}{:016x}", self.crc, self.size)
    }

    /// Returns the ETag of an object completed from `parts` parts, with S3's suffix.
    pub fn multipart_etag(self, parts: usize) -> String {
        format!("{}-{parts}", self.etag())
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

/// Computes all checksums of a body in one pass.
pub struct Hasher {
    crc: Digest,
    size: u64,
    others: ChecksumHasher,
    md5: Option<Md5>,
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.size += bytes.len() as u64;
        self.others.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    pub fn finish(self) -> ComputedChecksums {
        let content = Crc64AndSize { crc: self.crc.finalize(), size: self.size };
        let mut checksums = self.others.finalize();
        checksums.checksum_crc64nvme = Some(content.checksum_header());
        ComputedChecksums { content, checksums, md5: self.md5.map(|md5| STANDARD.encode(md5.finalize())) }
    }
}

/// The checksums computed from a body.
pub struct ComputedChecksums {
    pub content: Crc64AndSize,
    /// In base64. CRC64NVME is always present, the others only if the request has them.
    pub checksums: Checksum,
    md5: Option<String>,
}

impl ComputedChecksums {
    fn by_header(&self, header: &str) -> Option<&str> {
        let c = &self.checksums;
        match header {
            "x-amz-checksum-crc32" => c.checksum_crc32.as_deref(),
            "x-amz-checksum-crc32c" => c.checksum_crc32c.as_deref(),
            "x-amz-checksum-crc64nvme" => c.checksum_crc64nvme.as_deref(),
            "x-amz-checksum-sha1" => c.checksum_sha1.as_deref(),
            "x-amz-checksum-sha256" => c.checksum_sha256.as_deref(),
            _ => None,
        }
    }
}

const CHECKSUM_HEADERS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// The checksums that a request gives for its body: in headers or, after an aws-chunked body, in trailers.
#[derive(Default)]
pub struct ExpectedChecksums {
    headers: HeaderMap,
    trailers: Option<TrailingHeaders>,
}

impl ExpectedChecksums {
    pub fn from_request<T>(request: &S3Request<T>) -> Self {
        Self { headers: request.headers.clone(), trailers: request.trailing_headers.clone() }
    }

    /// Returns a hasher that computes everything that [`ExpectedChecksums::verify`] compares.
    pub fn hasher(&self) -> Hasher {
        let expected = |name: &str| self.headers.contains_key(name) || self.has_announced_trailer(name);
        Hasher {
            crc: Digest::new(CrcAlgorithm::Crc64Nvme),
            size: 0,
            others: ChecksumHasher {
                crc32: expected("x-amz-checksum-crc32").then(Crc32::new),
                crc32c: expected("x-amz-checksum-crc32c").then(Crc32c::new),
                sha1: expected("x-amz-checksum-sha1").then(Sha1::new),
                sha256: expected("x-amz-checksum-sha256").then(Sha256::new),
                crc64nvme: None,
            },
            md5: self.headers.contains_key("content-md5").then(Md5::new),
        }
    }

    /// Compares with the checksums of the complete body. Fails with `BadDigest` on a difference, `InvalidDigest`
    /// if a value can't be decoded, `InvalidRequest` if an announced trailer is missing.
    pub fn verify(&self, computed: &ComputedChecksums) -> Result<(), OperationError> {
        if let Some(expected) = self.headers.get("content-md5") {
            if !STANDARD.decode(expected).is_ok_and(|md5| md5.len() == 16) {
                Err(s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))?;
            }
            if computed.md5.as_ref().map(String::as_bytes) != Some(expected.as_bytes()) {
                Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))?;
            }
        }
        for name in CHECKSUM_HEADERS {
            let trailer = || self.trailers.as_ref()?.read(|t| t.get(name).cloned()).flatten();
            match self.headers.get(name).cloned().or_else(trailer) {
                Some(expected)
                    if computed.by_header(name).map(str::as_bytes) == Some(expected.as_bytes()) => {}
                Some(_) => Err(s3_error!(
                    BadDigest,
                    "The {} you specified did not match the calculated checksum.",
                    name.trim_start_matches("x-amz-checksum-").to_uppercase()
                ))?,
                None if self.has_announced_trailer(name) => {
                    Err(s3_error!(InvalidRequest, "The trailer {name} was announced and is missing."))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Checks that the request gives, or announces, the checksum of the algorithm that the upload was created with.
    /// Fails with `InvalidRequest`.
    pub fn require(&self, algorithm: &str) -> Result<(), OperationError> {
        let name = format!("x-amz-checksum-{}", algorithm.to_ascii_lowercase());
        if self.headers.contains_key(&name) || self.has_announced_trailer(&name) {
            return Ok(());
        }
        Err(s3_error!(
            InvalidRequest,
            "The upload was created with {algorithm} checksums, so each part must bring {name}."
        ))?
    }

    /// Whether `x-amz-trailer` announces a trailer of this name.
    fn has_announced_trailer(&self, name: &str) -> bool {
        let Some(value) = self.headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()) else {
            return false;
        };
        value.split(',').any(|trailer| trailer.trim().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn content(bytes: &[u8]) -> Crc64AndSize {
        compute(&ExpectedChecksums::default(), bytes).content
    }

    fn compute(expected: &ExpectedChecksums, bytes: &[u8]) -> ComputedChecksums {
        let mut hasher = expected.hasher();
        hasher.update(bytes);
        hasher.finish()
    }

    fn expected(name: &'static str, value: &str) -> ExpectedChecksums {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        ExpectedChecksums { headers, trailers: None }
    }

    fn code(result: Result<(), OperationError>) -> String {
        match result {
            Err(OperationError::Refused(error)) => error.code().as_str().to_owned(),
            Err(OperationError::Database(_) | OperationError::Disk(_)) => "internal".into(),
            Ok(()) => "ok".into(),
        }
    }

    #[test]
    fn crc64nvme_matches_the_published_check_value() {
        assert_eq!(content(b"123456789").crc, 0xae8b_1486_0a79_9888);
        assert_eq!(content(b"123456789").checksum_header(), "rosUhgp5mIg=");
        assert_eq!(content(b""), Crc64AndSize::default());
    }

    #[test]
    fn etag_has_32_hex_digits_and_part_count() {
        assert_eq!(content(b"123456789").etag(), "ae8b14860a7998880000000000000009");
        assert_eq!(content(b"123456789").multipart_etag(3), "ae8b14860a7998880000000000000009-3");
    }

    #[test]
    fn wrong_checksum_is_refused() {
        let correct = [
            ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ];
        for (name, value) in correct {
            let expected = expected(name, value);
            assert_eq!(code(expected.verify(&compute(&expected, b"123456789"))), "ok", "{name}");
            assert_eq!(code(expected.verify(&compute(&expected, b"12345678"))), "BadDigest", "{name}");
        }
        let undecodable = expected("content-md5", "25f9e794");
        assert_eq!(code(undecodable.verify(&compute(&undecodable, b"123456789"))), "InvalidDigest");
        let announced = expected("x-amz-trailer", "X-Amz-Checksum-Crc32");
        assert_eq!(code(announced.verify(&compute(&announced, b"123456789"))), "InvalidRequest");
    }

    #[test]
    fn declared_algorithm_is_required_as_header_or_trailer() {
        for (name, value) in
            [("x-amz-checksum-crc64nvme", "rosUhgp5mIg="), ("x-amz-trailer", "x-amz-checksum-crc64nvme")]
        {
            assert_eq!(code(expected(name, value).require("CRC64NVME")), "ok", "{name}");
            assert_eq!(code(expected(name, value).require("CRC32")), "InvalidRequest", "{name}");
        }
        assert_eq!(code(ExpectedChecksums::default().require("CRC64NVME")), "InvalidRequest");
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
