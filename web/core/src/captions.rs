//! Captions files: which a file is, by its name and its first bytes.

/// The kind of a captions file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptionsFormat {
    /// WebVTT, `.vtt`.
    WebVtt,
    /// SubRip, `.srt`.
    SubRip,
}

impl CaptionsFormat {
    /// The format that a file's name tells; `None` if it isn't that of captions.
    pub fn from_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        if extension.eq_ignore_ascii_case("vtt") {
            Some(Self::WebVtt)
        } else if extension.eq_ignore_ascii_case("srt") {
            Some(Self::SubRip)
        } else {
            None
        }
    }

    /// The MIME type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::WebVtt => "text/vtt",
            Self::SubRip => "application/x-subrip",
        }
    }

    /// Whether a file that starts with `start` can be of this format: WebVTT's signature after an optional byte order mark,
    /// or the arrow of a SubRip cue. Zero bytes don't count: in UTF-16 every second one is zero.
    pub fn matches(self, start: &[u8]) -> bool {
        let mut text: Vec<u8> = start.to_vec();
        text.retain(|byte| *byte != 0);
        match self {
            Self::WebVtt => {
                let mark = text.iter().take_while(|byte| !byte.is_ascii()).count();
                mark <= 3 && text.get(mark..).is_some_and(|text| text.starts_with(b"WEBVTT"))
            }
            Self::SubRip => text.windows(3).any(|bytes| bytes == b"-->"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_tells_the_format() {
        let formats =
            ["film.de.vtt", "Film.SRT", "film.mp4", "vtt", "film.vtt.mp4"].map(CaptionsFormat::from_name);
        assert_eq!(formats, [Some(CaptionsFormat::WebVtt), Some(CaptionsFormat::SubRip), None, None, None]);
    }

    #[test]
    fn start_must_be_that_of_the_format() {
        let utf16: Vec<u8> = "\u{FEFF}WEBVTT\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for start in [b"WEBVTT\n\n".as_slice(), b"\xEF\xBB\xBFWEBVTT - a title", &utf16] {
            assert!(CaptionsFormat::WebVtt.matches(start), "{start:?}");
            assert!(!CaptionsFormat::SubRip.matches(start), "{start:?}");
        }
        assert!(CaptionsFormat::SubRip.matches(b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n"));
        assert!(!CaptionsFormat::WebVtt.matches(b"{\"a\": 1}"));
        assert!(!CaptionsFormat::SubRip.matches(b""));
    }
}
