//! The first timestamp of a segment in an MPEG transport stream, to which the times of captions are mapped. Pure; files are
//! untrusted.

/// In bytes.
const PACKET_SIZE: usize = 188;
const SYNC: u8 = 0x47;

/// The presentation timestamp of the first video frame, in 1/90,000 s. `None`: there is none in these bytes.
pub fn first_video_pts(bytes: &[u8]) -> Option<u64> {
    bytes.chunks_exact(PACKET_SIZE).filter(|packet| packet[0] == SYNC).find_map(packet_pts)
}

/// The timestamp of the frame that begins in a packet.
fn packet_pts(packet: &[u8]) -> Option<u64> {
    let begins_unit = packet[1] & 0x40 != 0;
    let (has_adaptation, has_payload) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
    let start = if has_adaptation { 5 + usize::from(packet[4]) } else { 4 };
    let payload = packet.get(start..).filter(|_| begins_unit && has_payload)?;
    // A video stream's start code, two bytes of length, a byte of flags, those of the timestamps, a length.
    let [0, 0, 1, 0xE0..=0xEF, _, _, _, flags, _, pts @ ..] = payload else { return None };
    let pts = pts.first_chunk::<5>().filter(|_| flags & 0x80 != 0)?;
    let [a, b, c, d, e] = pts.map(u64::from);
    Some(((a >> 1 & 0x07) << 30) | (b << 22) | ((c >> 1) << 15) | (d << 7) | (e >> 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(flags: u8, adaptation: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![SYNC, flags, 0x11, if adaptation.is_empty() { 0x10 } else { 0x30 }];
        packet.extend(adaptation);
        packet.extend(payload);
        packet.resize(PACKET_SIZE, 0xFF);
        packet
    }

    /// A video frame of this timestamp.
    fn frame(pts: u64) -> Vec<u8> {
        let byte =
            |shift: u32, mask: u64, left: u32| u8::try_from((pts >> shift & mask) << left).unwrap() | 1;
        let mut payload = vec![0, 0, 1, 0xE0, 0, 0, 0x80, 0x80, 5];
        payload.push(0x20 | byte(30, 0x07, 1));
        payload.push(u8::try_from(pts >> 22 & 0xFF).unwrap());
        payload.push(byte(15, 0x7F, 1));
        payload.push(u8::try_from(pts >> 7 & 0xFF).unwrap());
        payload.push(byte(0, 0x7F, 1));
        payload
    }

    #[test]
    fn timestamp_of_the_first_video_frame_is_found() {
        let mut audio = frame(5);
        audio[3] = 0xC0;
        for pts in [0, 90_000, 126_000, (1 << 33) - 1, 0x1_2345_6789] {
            let tables = packet(0x40, &[], &[0, 0, 0xB0, 0x0D]);
            let later = packet(0x40, &[], &frame(pts + 1));
            let stuffed = packet(0x40, &[7, 0x50, 0, 0, 0, 0, 0, 0], &frame(pts));
            let stream = [tables, packet(0x40, &[], &audio), stuffed, later].concat();
            assert_eq!(first_video_pts(&stream), Some(pts));
        }
        assert_eq!(first_video_pts(&packet(0, &[], &frame(9))), None, "the middle of a frame");
        assert_eq!(first_video_pts(b"\0\0\0\x18ftypmp42"), None);
    }

    proptest! {
        #[test]
        fn other_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 188..800)) {
            for at in (0..bytes.len()).step_by(PACKET_SIZE) {
                bytes[at] = SYNC;
            }
            let _ = first_video_pts(&bytes);
        }
    }
}
