//! S3's checksums: algorithms, values, and the checksum of an object from those of its parts. Pure.

use super::digest::Hasher;
use super::error::OperationError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use s3s::dto::ChecksumType;
use s3s::s3_error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The checksum algorithms of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Fails with `InvalidRequest` for an unknown name.
    pub fn from_name(name: &str) -> Result<Self, OperationError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        Ok(found.ok_or_else(|| {
            s3_error!(
                InvalidRequest,
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
            )
        })?)
    }

    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Returns the checksum of joined bytes from those of the pieces, for a CRC of 32 bits; each piece comes with
    /// its size in bytes.
    fn combine(self, pieces: impl Iterator<Item = (String, u64)>) -> Option<String> {
        let params = match self {
            Self::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
            Self::Crc32c => CrcAlgorithm::Crc32Iscsi,
            Self::Crc64Nvme | Self::Sha1 | Self::Sha256 => return None,
        };
        let mut combined = 0;
        for (checksum, size) in pieces {
            let bytes: [u8; 4] = STANDARD.decode(checksum).ok()?.try_into().ok()?;
            combined = crc_fast::checksum_combine(params, combined, u32::from_be_bytes(bytes).into(), size);
        }
        Some(STANDARD.encode(u32::try_from(combined).ok()?.to_be_bytes()))
    }

    /// Returns the composite checksum of S3: that of the pieces' checksums, with their number.
    fn compose(self, pieces: impl Iterator<Item = (String, u64)>) -> Option<String> {
        let (mut joined, mut count) = (Vec::new(), 0);
        for (checksum, _) in pieces {
            joined.extend(STANDARD.decode(checksum).ok()?);
            count += 1;
        }
        let mut hasher = Hasher::new(|algorithm| algorithm == self);
        hasher.update(&joined);
        Some(format!("{}-{count}", hasher.finish().checksums.get(self)?))
    }
}

/// Checksums in base64, by algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksums(BTreeMap<Algorithm, String>);

impl Checksums {
    pub fn get(&self, algorithm: Algorithm) -> Option<&String> {
        self.0.get(&algorithm)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Algorithm, &String)> {
        self.0.iter().map(|(algorithm, value)| (*algorithm, value))
    }
}

impl<const N: usize> From<[(Algorithm, Option<String>); N]> for Checksums {
    fn from(values: [(Algorithm, Option<String>); N]) -> Self {
        Self(values.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value?))).collect())
    }
}

/// Takes the checksums out of a part of a request.
macro_rules! take_checksums {
    ($input:expr) => {
        $crate::s3::checksums::Checksums::from([
            ($crate::s3::checksums::Algorithm::Crc32, $input.checksum_crc32.take()),
            ($crate::s3::checksums::Algorithm::Crc32c, $input.checksum_crc32c.take()),
            ($crate::s3::checksums::Algorithm::Crc64Nvme, $input.checksum_crc64nvme.take()),
            ($crate::s3::checksums::Algorithm::Sha1, $input.checksum_sha1.take()),
            ($crate::s3::checksums::Algorithm::Sha256, $input.checksum_sha256.take()),
        ])
    };
}
pub(super) use take_checksums;

/// Builds a part of a response, with the checksums in its five fields.
macro_rules! with_checksums {
    ($output:ident { $($fields:tt)* }, $checksums:expr) => {{
        let checksums: &$crate::s3::checksums::Checksums = $checksums;
        $output {
            checksum_crc32: checksums.get($crate::s3::checksums::Algorithm::Crc32).cloned(),
            checksum_crc32c: checksums.get($crate::s3::checksums::Algorithm::Crc32c).cloned(),
            checksum_crc64nvme: checksums.get($crate::s3::checksums::Algorithm::Crc64Nvme).cloned(),
            checksum_sha1: checksums.get($crate::s3::checksums::Algorithm::Sha1).cloned(),
            checksum_sha256: checksums.get($crate::s3::checksums::Algorithm::Sha256).cloned(),
            $($fields)*
        }
    }};
}
pub(super) use with_checksums;

/// The checksum of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectChecksum {
    pub algorithm: Algorithm,
    /// In base64; a composite one ends with a hyphen and the number of parts.
    pub value: String,
}

impl ObjectChecksum {
    pub fn checksum_type(&self) -> ChecksumType {
        ChecksumType::from_static(if self.value.contains('-') {
            ChecksumType::COMPOSITE
        } else {
            ChecksumType::FULL_OBJECT
        })
    }

    pub fn into_checksums(self) -> Checksums {
        Checksums::from([(self.algorithm, Some(self.value))])
    }
}

/// The checksum that a multipart upload was created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredChecksum {
    pub algorithm: Algorithm,
    /// Whether the object's checksum is that of its bytes, instead of that of its parts' checksums.
    pub full_object: bool,
}

impl DeclaredChecksum {
    /// Fails with `InvalidRequest` if S3 doesn't have the combination.
    pub fn new(algorithm: Algorithm, checksum_type: Option<&str>) -> Result<Self, OperationError> {
        let full_object = match (algorithm, checksum_type) {
            (Algorithm::Crc64Nvme, None | Some(ChecksumType::FULL_OBJECT)) => true,
            (Algorithm::Crc32 | Algorithm::Crc32c, Some(ChecksumType::FULL_OBJECT)) => true,
            (Algorithm::Crc64Nvme, _) | (_, Some(ChecksumType::FULL_OBJECT)) => Err(s3_error!(
                InvalidRequest,
                "The {} checksum type cannot be used with the {} checksum algorithm.",
                checksum_type.unwrap_or_default(),
                algorithm.name()
            ))?,
            (_, None | Some(ChecksumType::COMPOSITE)) => false,
            (_, Some(_)) => {
                Err(s3_error!(InvalidRequest, "Value for x-amz-checksum-type header is invalid."))?
            }
        };
        Ok(Self { algorithm, full_object })
    }

    pub fn checksum_type(self) -> ChecksumType {
        ChecksumType::from_static(if self.full_object {
            ChecksumType::FULL_OBJECT
        } else {
            ChecksumType::COMPOSITE
        })
    }

    /// Returns the object's checksum from those of the parts, each with its size in bytes; `None` if the algorithm
    /// is CRC64NVME, whose combination isn't here, or a part lacks its checksum.
    pub fn of_parts<'a>(
        self,
        parts: impl Iterator<Item = (&'a Checksums, u64)> + Clone,
    ) -> Option<ObjectChecksum> {
        if !parts.clone().all(|(checksums, _)| checksums.get(self.algorithm).is_some()) {
            return None;
        }
        let pieces = parts.filter_map(|(sums, size)| Some((sums.get(self.algorithm)?.clone(), size)));
        let value = if self.full_object {
            self.algorithm.combine(pieces)?
        } else {
            self.algorithm.compose(pieces)?
        };
        Some(ObjectChecksum { algorithm: self.algorithm, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_parts_is_composite_or_of_all_bytes() {
        let sum = |bytes: &[u8], algorithm: Algorithm| {
            let mut hasher = Hasher::new(|one| one == algorithm);
            hasher.update(bytes);
            hasher.finish().checksums
        };
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c] {
            let parts = [sum(b"1234", algorithm), sum(b"56789", algorithm)];
            let declared = DeclaredChecksum::new(algorithm, Some(ChecksumType::FULL_OBJECT)).unwrap();
            let of_parts = declared.of_parts(parts.iter().zip([4, 5])).unwrap();
            assert_eq!(of_parts.value, *sum(b"123456789", algorithm).get(algorithm).unwrap());
            assert_eq!(of_parts.checksum_type().as_str(), ChecksumType::FULL_OBJECT);
        }
        let parts = [sum(b"1234", Algorithm::Sha256), sum(b"56789", Algorithm::Sha256)];
        let declared = DeclaredChecksum::new(Algorithm::Sha256, None).unwrap();
        let of_parts = declared.of_parts(parts.iter().zip([4, 5])).unwrap();
        assert_eq!(of_parts.value, "bnRBBTileCDVQlLT/6fZJGrqcf3O3X6G8kD8V7zZqxQ=-2");
        assert_eq!(of_parts.checksum_type().as_str(), ChecksumType::COMPOSITE);
        assert!(declared.of_parts([(&Checksums::default(), 4)].into_iter()).is_none());
        assert!(DeclaredChecksum::new(Algorithm::Sha256, Some(ChecksumType::FULL_OBJECT)).is_err());
        assert!(DeclaredChecksum::new(Algorithm::Crc64Nvme, Some(ChecksumType::COMPOSITE)).is_err());
    }
}
