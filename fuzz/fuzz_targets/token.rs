//! The upload token: other texts are invalid, and a sealed token can be opened only unchanged.
#![no_main]
#![allow(dead_code)]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use libfuzzer_sys::fuzz_target;
use token::{InvalidToken, Session, Tokens};
use wire::ChecksumKind;

#[path = "../../edge/src/token.rs"]
mod token;

// The first eight bytes give the numbers and the position of a change; the rest is text.
fuzz_target!(|data: &[u8]| {
    let tokens = Tokens::new(b"a secret of at least thirty-two bytes");
    let text = String::from_utf8_lossy(data);
    assert_eq!(tokens.open(&text), Err(InvalidToken));
    let Some((number, text)) = data.split_first_chunk() else { return };
    let number = u64::from_le_bytes(*number);
    let text = String::from_utf8_lossy(text);
    let session = Session {
        bucket: "uploads".into(),
        key: text.chars().rev().take(300).collect(),
        s3_upload: text.chars().take(300).collect(),
        size: number,
        part_size: number.rotate_left(8),
        checksum: if number & 1 == 0 { ChecksumKind::Crc64Nvme } else { ChecksumKind::None },
        owner: text.chars().take(60).collect(),
        expires: number,
    };
    let Some(sealed) = tokens.seal(&session) else { return };
    if sealed.len() <= 4096 {
        assert_eq!(tokens.open(&sealed), Ok(session));
    }
    let Ok(mut bytes) = BASE64URL.decode(&sealed) else { panic!("a token is base64url") };
    let at = (number >> 3) as usize % bytes.len();
    bytes[at] ^= 1 << (number & 7);
    assert_eq!(tokens.open(&BASE64URL.encode(&bytes)), Err(InvalidToken));
    bytes.truncate(at);
    assert_eq!(tokens.open(&BASE64URL.encode(&bytes)), Err(InvalidToken));
});
