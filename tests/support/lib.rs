//! Helpers shared by the integration tests, the benchmarks and the programs beside them.

pub mod lambda_runtime;
pub mod token;

use base64::Engine;

/// CRC64NVME as S3 writes it: base64 of eight big-endian bytes.
pub fn crc64(bytes: &[u8]) -> String {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
    base64::prelude::BASE64_STANDARD.encode(crc.to_be_bytes())
}
