//! Checksums: what the bytes of a body add up to, and whether a request claims the same of them. Pure.

use super::error::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Md5, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3Request, TrailingHeaders, s3_error};

/// CRC64NVME and length of some bytes. ETags and S3's own checksum are both written from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub crc: u64,
    /// In bytes.
    pub size: u64,
}

impl Sum {
    /// The sum of these bytes followed by those of `next`.
    pub fn then(self, next: Self) -> Self {
        // Appending n bytes multiplies a CRC by x^(8n). Square by square that takes microseconds, which
        // counts where 10,000 parts are put together.
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

    /// S3's ETag is MD5 only without KMS encryption, so clients take it as opaque; this one is free.
    pub fn etag(self) -> String {
        format!("{:016x}{:016x}", self.crc, self.size)
    }

    /// The ETag of an object completed from `parts` parts, with S3's suffix.
    pub fn multipart_etag(self, parts: usize) -> String {
        format!("{}-{parts}", self.etag())
    }

    /// `x-amz-checksum-crc64nvme`: base64 of eight big-endian bytes.
    pub fn checksum(self) -> String {
        STANDARD.encode(self.crc.to_be_bytes())
    }
}

/// The polynomial of CRC64NVME, and 1, with the lowest power in the highest bit.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;
const ONE: u64 = 1 << 63;

/// The product of two polynomials modulo [`POLYNOMIAL`].
fn multiply(one: u64, other: u64) -> u64 {
    let (mut product, mut power) = (0, other);
    for bit in (0..64).rev() {
        product ^= power & (one >> bit & 1).wrapping_neg();
        power = power >> 1 ^ POLYNOMIAL & (power & 1).wrapping_neg();
    }
    product
}

/// Adds up a body's bytes in one pass.
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

    pub fn finish(self) -> Digests {
        let sum = Sum { crc: self.crc.finalize(), size: self.size };
        let mut checksums = self.others.finalize();
        checksums.checksum_crc64nvme = Some(sum.checksum());
        Digests { sum, checksums, md5: self.md5.map(|md5| STANDARD.encode(md5.finalize())) }
    }
}

/// What a body's bytes added up to.
pub struct Digests {
    pub sum: Sum,
    /// In base64: CRC64NVME always, any other only if the request claims it.
    pub checksums: Checksum,
    md5: Option<String>,
}

impl Digests {
    fn named(&self, header: &str) -> Option<&str> {
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

const CHECKSUMS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// What a request says that its body adds up to: in headers or, after an aws-chunked body, in trailers.
#[derive(Default)]
pub struct Claims {
    headers: HeaderMap,
    trailers: Option<TrailingHeaders>,
}

impl Claims {
    pub fn of<T>(request: &S3Request<T>) -> Self {
        Self { headers: request.headers.clone(), trailers: request.trailing_headers.clone() }
    }

    /// A hasher of everything that [`Claims::verify`] will compare.
    pub fn hasher(&self) -> Hasher {
        let claimed = |name: &str| self.headers.contains_key(name) || self.promised(name);
        Hasher {
            crc: Digest::new(CrcAlgorithm::Crc64Nvme),
            size: 0,
            others: ChecksumHasher {
                crc32: claimed("x-amz-checksum-crc32").then(Crc32::new),
                crc32c: claimed("x-amz-checksum-crc32c").then(Crc32c::new),
                sha1: claimed("x-amz-checksum-sha1").then(Sha1::new),
                sha256: claimed("x-amz-checksum-sha256").then(Sha256::new),
                crc64nvme: None,
            },
            md5: self.headers.contains_key("content-md5").then(Md5::new),
        }
    }

    /// Compares, once the whole body has been read: `BadDigest` if a claim is wrong, `InvalidDigest` if it
    /// can't be read, `InvalidRequest` if a promised trailer is missing.
    pub fn verify(&self, found: &Digests) -> Result<(), Failure> {
        if let Some(claim) = self.headers.get("content-md5") {
            if !STANDARD.decode(claim).is_ok_and(|md5| md5.len() == 16) {
                Err(s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))?;
            }
            if found.md5.as_ref().map(String::as_bytes) != Some(claim.as_bytes()) {
                Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))?;
            }
        }
        for name in CHECKSUMS {
            let trailer = || self.trailers.as_ref()?.read(|t| t.get(name).cloned()).flatten();
            match self.headers.get(name).cloned().or_else(trailer) {
                Some(claim) if found.named(name).map(str::as_bytes) == Some(claim.as_bytes()) => {}
                Some(_) => Err(s3_error!(
                    BadDigest,
                    "The {} you specified did not match the calculated checksum.",
                    name.trim_start_matches("x-amz-checksum-").to_uppercase()
                ))?,
                None if self.promised(name) => {
                    Err(s3_error!(InvalidRequest, "The trailer {name} was promised and is missing."))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Whether `x-amz-trailer` announces a trailer of this name.
    fn promised(&self, name: &str) -> bool {
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

    fn sum(bytes: &[u8]) -> Sum {
        digests(&Claims::default(), bytes).sum
    }

    fn digests(claims: &Claims, bytes: &[u8]) -> Digests {
        let mut hasher = claims.hasher();
        hasher.update(bytes);
        hasher.finish()
    }

    fn claims(name: &'static str, value: &str) -> Claims {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        Claims { headers, trailers: None }
    }

    fn code(result: Result<(), Failure>) -> String {
        match result {
            Err(Failure::Refused(error)) => error.code().as_str().to_owned(),
            Err(Failure::Database(_) | Failure::Disk(_)) => "internal".into(),
            Ok(()) => "ok".into(),
        }
    }

    #[test]
    fn the_published_check_value() {
        assert_eq!(sum(b"123456789").crc, 0xae8b_1486_0a79_9888);
        assert_eq!(sum(b"123456789").checksum(), "rosUhgp5mIg=");
        assert_eq!(sum(b""), Sum::default());
    }

    #[test]
    fn etags_look_like_s3s() {
        assert_eq!(sum(b"123456789").etag(), "ae8b14860a7998880000000000000009");
        assert_eq!(sum(b"123456789").multipart_etag(3), "ae8b14860a7998880000000000000009-3");
    }

    #[test]
    fn claims_are_compared() {
        let right = [
            ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw=="),
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("x-amz-checksum-crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ];
        for (name, value) in right {
            let claims = claims(name, value);
            assert_eq!(code(claims.verify(&digests(&claims, b"123456789"))), "ok", "{name}");
            assert_eq!(code(claims.verify(&digests(&claims, b"12345678"))), "BadDigest", "{name}");
        }
        let unreadable = claims("content-md5", "25f9e794");
        assert_eq!(code(unreadable.verify(&digests(&unreadable, b"123456789"))), "InvalidDigest");
        let promised = claims("x-amz-trailer", "X-Amz-Checksum-Crc32");
        assert_eq!(code(promised.verify(&digests(&promised, b"123456789"))), "InvalidRequest");
    }

    proptest! {
        #[test]
        fn sums_combine(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(sum(head).then(sum(tail)), sum(&bytes));
        }

        #[test]
        fn sums_combine_as_another_implementation_does(one: u64, next: u64, size in 0..u64::MAX / 8) {
            let crc = crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, one, next, size);
            prop_assert_eq!(Sum { crc: one, size: 0 }.then(Sum { crc: next, size }), Sum { crc, size });
        }
    }
}
