//! The edge's replies, as `wire` has them, made into what the machine takes.

use js_sys::Date;
use serde::Deserialize;
use uploader_core::types::{OpenedUpload, PresignedPart};
use wire::{ChecksumKind, SignedPart, UploadOpened, VideoStatus};

/// The fields of a [`wire::Video`] that the poller reads.
#[derive(Deserialize)]
pub struct VideoProgress {
    pub status: VideoStatus,
    /// Progress of the conversion, 0–100.
    pub progress: u8,
    #[serde(default)]
    pub error: Option<wire::VideoError>,
}

pub fn opened_upload(opened: UploadOpened) -> OpenedUpload {
    OpenedUpload {
        expires_at_ms: time_ms(&opened.expires_at),
        upload: opened.upload,
        video_id: opened.video_id,
        part_size: opened.part_size,
        part_count: opened.part_count,
        checksum: opened.checksum == ChecksumKind::Crc64Nvme,
        parts: opened.parts.into_iter().map(presigned_part).collect(),
    }
}

pub fn presigned_part(part: SignedPart) -> PresignedPart {
    // Both times are the server's, so a wrong clock of this machine doesn't matter.
    let lifetime = time_ms(&part.expires_at).zip(signed_at_ms(&part.url));
    PresignedPart {
        part: part.part_number,
        ttl_ms: lifetime.map(|(end, start)| end.saturating_sub(start)),
        url: part.url,
        headers: part.headers,
    }
}

/// When a URL was signed, in milliseconds since 1970: SigV4 has it as `X-Amz-Date=20261125T010203Z`.
fn signed_at_ms(url: &str) -> Option<u64> {
    time_ms(&extended_format(query_parameter(url, "X-Amz-Date")?)?)
}

fn query_parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(other, _)| *other == name))
        .map(|(_, value)| value)
}

/// ISO 8601's extended format, which `Date.parse` reads, of its basic format.
fn extended_format(basic: &str) -> Option<String> {
    let digits =
        |range| basic.get(range).filter(|text: &&str| text.bytes().all(|byte| byte.is_ascii_digit()));
    if basic.len() != 16 || basic.get(8..9) != Some("T") || basic.get(15..) != Some("Z") {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
    let (hour, minute, second) = (digits(9..11)?, digits(11..13)?, digits(13..15)?);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// An RFC 3339 time in milliseconds since 1970; `None` if it isn't one.
fn time_ms(text: &str) -> Option<u64> {
    let time = Date::parse(text);
    (time > 0.0).then_some(time as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_time_is_found_in_the_query() {
        let url = "https://store.test/7?partNumber=7&X-Amz-Date=20261125T010203Z&X-Amz-Expires=9";
        let date = query_parameter(url, "X-Amz-Date").unwrap();
        assert_eq!(extended_format(date).as_deref(), Some("2026-11-25T01:02:03Z"));
    }

    #[test]
    fn signing_time_of_another_format_is_none() {
        for text in [
            "",
            "T",
            "20261125",
            "2026112T010203Z",
            "20261125T010203",
            "2026é125T01020Z",
            "20261125T0102035Z",
        ] {
            assert_eq!(extended_format(text), None, "{text}");
        }
        assert_eq!(query_parameter("https://store.test/7", "X-Amz-Date"), None);
    }
}
