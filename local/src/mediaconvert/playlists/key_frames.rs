//! Finds the key frames in a transport stream, for HLS playlists of I-frames. Pure.

use super::{Part, Segment, Track};

/// Size of a packet, in bytes.
const PACKET_SIZE: usize = 188;
const SYNC_BYTE: u8 = 0x47;
/// ISO/IEC 13818-1: H.264 and H.265.
const VIDEO_STREAM_TYPES: [u8; 2] = [0x1b, 0x24];
/// Ticks of a timestamp in a second.
const CLOCK_HZ: f64 = 90_000.0;

/// A key frame in a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFrame {
    /// Offset and length in bytes, from the tables that precede the frame to its last packet.
    pub range: (u64, u64),
    /// When it is shown, in seconds.
    pub time_s: f64,
}

/// Returns the key frames of the video in a segment. They can be decoded from their bytes alone, because each begins
/// with the tables that name the stream. Anything but a transport stream has none.
pub fn find(segment: &[u8]) -> Vec<KeyFrame> {
    let (mut tables_pid, mut video_pid) = (None, None);
    // Where the tables start that directly precede the current packet.
    let mut tables = None;
    // Start and time of the frame whose end isn't known.
    let mut open: Option<(u64, f64)> = None;
    let mut last_video_end = 0;
    let mut found = vec![];
    let mut close = |open: &mut Option<(u64, f64)>, end: u64| {
        if let Some((start, time_s)) = open.take() {
            found.push(KeyFrame { range: (start, end - start), time_s });
        }
    };
    for (start, bytes) in (0..).step_by(PACKET_SIZE).zip(segment.chunks_exact(PACKET_SIZE)) {
        let Some(packet) = Packet::parse(bytes) else { break };
        if packet.pid == 0 {
            tables = Some(start);
            tables_pid = packet.section().and_then(first_program).or(tables_pid);
            continue;
        }
        if Some(packet.pid) == tables_pid {
            tables = tables.or(Some(start));
            video_pid = packet.section().and_then(first_video).or(video_pid);
            continue;
        }
        let preceding = tables.take();
        if Some(packet.pid) != video_pid {
            continue;
        }
        if packet.starts_unit {
            close(&mut open, last_video_end);
            if let (true, Some(tables), Some(time_s)) = (packet.is_key_frame, preceding, packet.time_s()) {
                open = Some((tables, time_s));
            }
        }
        last_video_end = start + PACKET_SIZE as u64;
    }
    close(&mut open, last_video_end);
    found
}

/// Returns the I-frames of a track as segments, each as long as until the next one. `key_frames` has those of each
/// segment.
pub fn i_frames(track: &Track, key_frames: &[Vec<KeyFrame>]) -> Vec<Segment> {
    let all: Vec<(&Part, &KeyFrame)> = track
        .segments
        .iter()
        .zip(key_frames)
        .flat_map(|(segment, frames)| frames.iter().map(move |frame| (&segment.part, frame)))
        .collect();
    let end = all.first().map_or(0.0, |(_, first)| first.time_s) + track.seconds();
    let next = all.iter().skip(1).map(|(_, frame)| frame.time_s).chain([end]);
    all.iter()
        .zip(next)
        .map(|((part, frame), next)| {
            let (offset, length) = frame.range;
            let start = part.range.map_or(0, |(start, _)| start);
            let part = Part { name: part.name.clone(), range: Some((start + offset, length)) };
            Segment { seconds: (next - frame.time_s).max(0.0), part }
        })
        .collect()
}

struct Packet<'a> {
    pid: u16,
    /// Whether a PES packet or a section starts here.
    starts_unit: bool,
    /// The stream can be decoded from here on.
    is_key_frame: bool,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [SYNC_BYTE, high, low, control, rest @ ..] = bytes else { return None };
        let has_adaptation = control & 0x20 != 0;
        let length = if has_adaptation { usize::from(*rest.first()?) + 1 } else { 0 };
        let flags = if length > 1 { *rest.get(1)? } else { 0 };
        Some(Self {
            pid: u16::from_be_bytes([high & 0x1f, *low]),
            starts_unit: high & 0x40 != 0,
            is_key_frame: flags & 0x40 != 0,
            payload: rest.get(length..)?,
        })
    }

    /// Returns the section that starts here, from its table id on.
    fn section(&self) -> Option<&'a [u8]> {
        let pointer = usize::from(*self.payload.first().filter(|_| self.starts_unit)?);
        self.payload.get(1 + pointer..)
    }

    /// Returns the time of the PES packet that starts here, in seconds.
    fn time_s(&self) -> Option<f64> {
        let [0, 0, 1, _, _, _, _, flags, _, a, b, c, d, e, ..] = self.payload else { return None };
        let bits = |byte: &u8| u64::from(*byte);
        let (high, middle, low) =
            ((bits(a) >> 1) & 7, (bits(b) << 7) | (bits(c) >> 1), (bits(d) << 7) | (bits(e) >> 1));
        let ticks = (high << 30) | (middle << 15) | low;
        // The cast is exact: a time has 33 bits.
        (flags & 0x80 != 0).then_some(ticks as f64 / CLOCK_HZ)
    }
}

/// Returns the PID of the first program's table from a program association section.
fn first_program(section: &[u8]) -> Option<u16> {
    let [0, _, _, _, _, _, _, _, programs @ ..] = section else { return None };
    let [_, _, high, low, ..] = programs else { return None };
    Some(u16::from_be_bytes([high & 0x1f, *low]))
}

/// Returns the PID of the first video from a program map section.
fn first_video(section: &[u8]) -> Option<u16> {
    let [2, length_high, length_low, _, _, _, _, _, _, _, info_high, info_low, streams @ ..] = section else {
        return None;
    };
    let number = |high: &u8, low: &u8| usize::from(u16::from_be_bytes([high & 0x0f, *low]));
    // The length counts what follows it: 9 bytes of the header and 4 of the checksum aren't streams.
    let size = number(length_high, length_low).checked_sub(13)?;
    let mut streams = streams.get(..size)?.get(number(info_high, info_low)..)?;
    while let [kind, high, low, info_high, info_low, rest @ ..] = streams {
        if VIDEO_STREAM_TYPES.contains(kind) {
            return Some(u16::from_be_bytes([high & 0x1f, *low]));
        }
        streams = rest.get(number(info_high, info_low)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, starts_unit: bool, key_frame: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let stuffing = PACKET_SIZE - 4 - 2 - payload.len();
        let mut bytes = vec![SYNC_BYTE, high | (u8::from(starts_unit) << 6), low, 0x30];
        bytes.extend([u8::try_from(stuffing + 1).unwrap(), u8::from(key_frame) << 6]);
        bytes.extend(vec![0xff; stuffing]);
        bytes.extend(payload);
        bytes
    }

    fn tables() -> Vec<u8> {
        let programs = [0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 1, 2, 3, 4];
        let streams = [
            0, 2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0,
            0, 1, 2, 3, 4,
        ];
        [packet(0, true, false, &programs), packet(0x1000, true, false, &streams)].concat()
    }

    fn frame(ticks: u8, key_frame: bool) -> Vec<u8> {
        let pes = [0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, ticks, 1];
        packet(0x100, true, key_frame, &pes)
    }

    #[test]
    fn key_frames_begin_with_tables_and_end_before_the_next_frame() {
        let audio = packet(0x101, true, true, &[0; 20]);
        let more = packet(0x100, false, false, &[7; 100]);
        let segment =
            [tables(), frame(0, true), audio.clone(), more, audio, frame(1, false), tables(), frame(2, true)]
                .concat();
        let ranges = [(0, 5 * 188), (7 * 188, 3 * 188)];
        let times = [0.0, 256.0 / CLOCK_HZ];
        let expected: Vec<_> =
            ranges.into_iter().zip(times).map(|(range, time_s)| KeyFrame { range, time_s }).collect();
        assert_eq!(find(&segment), expected);
        // Without the first table, and parts of a segment, and other files.
        assert_eq!(find(&segment[188..]).len(), 1);
        assert_eq!(find(&segment[..2 * 188 + 50]), []);
        assert_eq!(find(b"\0\0\0\x18ftyp"), []);
    }

    #[test]
    fn i_frames_last_until_the_next_one() {
        let part = |range| Part { name: "a.ts".into(), range };
        let segments = [(0, 500), (500, 300)].map(|range| Segment { seconds: 2.0, part: part(Some(range)) });
        let track = Track { segments: segments.into(), ..Track::default() };
        let frame = |range, time_s| KeyFrame { range, time_s };
        let frames = [vec![frame((0, 90), 1.0), frame((200, 80), 2.5)], vec![frame((0, 70), 3.0)]];
        let expected = [(1.5, (0, 90)), (0.5, (200, 80)), (2.0, (500, 70))];
        let expected = expected.map(|(seconds, range)| Segment { seconds, part: part(Some(range)) });
        assert_eq!(i_frames(&track, &frames), expected);
    }
}
