//! Hashes bodies while they are stored, and compares the results with the checksums in the request. Pure.

use super::checksums::{Algorithm, Checksums, ObjectChecksum, take_checksums};
use super::crc64::Crc64AndSize;
use super::error::OperationError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest};
use http::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Md5, Sha1, Sha256};
use s3s::{S3Request, TrailingHeaders, s3_error};

/// Computes all checksums of a body in one pass.
pub struct Hasher {
    crc: Digest,
    size: u64,
    others: ChecksumHasher,
    /// `None` if it is computed elsewhere.
    md5: Option<Md5>,
}

impl Hasher {
    /// Returns a hasher that computes MD5, CRC64NVME and the algorithms that are `wanted`.
    pub fn new(wanted: impl Fn(Algorithm) -> bool) -> Self {
        Self {
            crc: Digest::new(CrcAlgorithm::Crc64Nvme),
            size: 0,
            others: ChecksumHasher {
                crc32: wanted(Algorithm::Crc32).then(Crc32::new),
                crc32c: wanted(Algorithm::Crc32c).then(Crc32c::new),
                sha1: wanted(Algorithm::Sha1).then(Sha1::new),
                sha256: wanted(Algorithm::Sha256).then(Sha256::new),
                crc64nvme: None,
            },
            md5: Some(Md5::new()),
        }
    }

    /// Splits off MD5, which takes several times as long as all else, for another thread. The result must be set in
    /// [`ComputedChecksums::md5`].
    pub fn split_md5(&mut self) -> Md5Hasher {
        Md5Hasher(self.md5.take().unwrap_or_default())
    }

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
        ComputedChecksums {
            content,
            checksums: take_checksums!(checksums),
            md5: self.md5.map(Md5::finalize).unwrap_or_default(),
        }
    }
}

/// MD5 of a body.
pub struct Md5Hasher(Md5);

impl Md5Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(self) -> [u8; 16] {
        self.0.finalize()
    }
}

/// The checksums computed from a body.
pub struct ComputedChecksums {
    pub content: Crc64AndSize,
    /// CRC64NVME is always present, the others only if the request has them.
    pub checksums: Checksums,
    pub md5: [u8; 16],
}

impl ComputedChecksums {
    /// Returns the ETag of an object or part with these bytes: MD5 in hexadecimal digits, as in S3.
    pub fn etag(&self) -> String {
        hex::encode(self.md5)
    }

    /// Returns the checksum that S3 keeps and repeats in the response: one of the request, or CRC64NVME.
    pub fn object_checksum(&self) -> ObjectChecksum {
        let other = self.checksums.iter().find(|(algorithm, _)| *algorithm != Algorithm::Crc64Nvme);
        match other {
            Some((algorithm, value)) => ObjectChecksum { algorithm, value: value.clone() },
            None => ObjectChecksum { algorithm: Algorithm::Crc64Nvme, value: self.content.checksum_header() },
        }
    }
}

/// Returns the ETag of an object completed from parts with these MD5s: the MD5 of all, and the number of parts.
pub fn multipart_etag(parts: &[[u8; 16]]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

/// The checksums in a request's headers and trailers.
#[derive(Clone, Default)]
pub struct ExpectedChecksums {
    headers: HeaderMap,
    /// Readable only after the body has been read.
    trailers: Option<TrailingHeaders>,
}

impl ExpectedChecksums {
    pub fn from_request<T>(request: &S3Request<T>) -> Self {
        Self { headers: request.headers.clone(), trailers: request.trailing_headers.clone() }
    }

    /// Returns a hasher that computes everything that [`ExpectedChecksums::verify`] compares.
    pub fn hasher(&self) -> Hasher {
        Hasher::new(|algorithm| self.has(algorithm))
    }

    /// Whether the request gives, or announces, a checksum of this algorithm.
    pub fn has(&self, algorithm: Algorithm) -> bool {
        self.headers.contains_key(algorithm.header()) || self.has_announced_trailer(algorithm.header())
    }

    /// Compares with the checksums of the complete body. Fails with `BadDigest` on a difference, `InvalidDigest`
    /// if a value can't be decoded, `InvalidRequest` if an announced trailer is missing.
    pub fn verify(&self, computed: &ComputedChecksums) -> Result<(), OperationError> {
        if let Some(expected) = self.headers.get("content-md5") {
            let Some(expected) = STANDARD.decode(expected).ok().filter(|md5| md5.len() == 16) else {
                Err(s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))?
            };
            if expected != computed.md5 {
                Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))?;
            }
        }
        for algorithm in Algorithm::ALL {
            let name = algorithm.header();
            let trailer = || self.trailers.as_ref()?.read(|t| t.get(name).cloned()).flatten();
            let computed = computed.checksums.get(algorithm).map(String::as_bytes);
            match self.headers.get(name).cloned().or_else(trailer) {
                Some(expected) if computed == Some(expected.as_bytes()) => {}
                Some(_) => Err(s3_error!(
                    BadDigest,
                    "The {} you specified did not match the calculated checksum.",
                    algorithm.name()
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
    pub fn require(&self, algorithm: Algorithm) -> Result<(), OperationError> {
        if self.has(algorithm) {
            return Ok(());
        }
        Err(s3_error!(
            InvalidRequest,
            "The upload was created with {} checksums, so each part must bring {}.",
            algorithm.name(),
            algorithm.header()
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
    fn etag_is_md5_and_of_parts_the_md5_of_their_md5s() {
        let computed = compute(&ExpectedChecksums::default(), b"123456789");
        assert_eq!(computed.etag(), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(multipart_etag(&[computed.md5; 2]), "4f2908c19b573e50b194e208c928de17-2");
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
            assert_eq!(code(expected(name, value).require(Algorithm::Crc64Nvme)), "ok", "{name}");
            assert_eq!(code(expected(name, value).require(Algorithm::Crc32)), "InvalidRequest", "{name}");
        }
        assert_eq!(code(ExpectedChecksums::default().require(Algorithm::Crc64Nvme)), "InvalidRequest");
    }
}
