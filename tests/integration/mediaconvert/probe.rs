//! `Probe`: container and tracks of an input.

use super::fixture::{Fixture, clip};
use serde_json::json;

#[tokio::test]
async fn probe_describes_container_and_tracks() {
    let fixture = Fixture::new().await;
    let bytes = clip("640x360", 25, 2, true).await;
    let size = bytes.len();
    let input = fixture.put_input("inputs/a.mp4", bytes.clone()).await;
    let probed = fixture.boto3(&["probe", &input]).await;
    assert_eq!(probed["Metadata"]["FileSize"], size);
    assert_eq!(probed["Container"]["Format"], "mp4");
    assert_eq!(probed["Container"]["Duration"].as_f64().map(f64::round), Some(2.0));
    let (video, audio) = (&probed["Container"]["Tracks"][0], &probed["Container"]["Tracks"][1]);
    assert_eq!(
        (&video["Index"], &video["TrackType"], &video["Codec"]),
        (&json!(1), &json!("video"), &json!("AVC"))
    );
    assert_eq!(video["VideoProperties"]["FrameRate"], json!({"Numerator": 25, "Denominator": 1}));
    assert!(video["VideoProperties"].get("Rotation").is_none());
    assert_eq!((&audio["Codec"], &audio["AudioProperties"]["SampleRate"]), (&json!("AAC"), &json!(44100)));
    let mapping = json!([{"VideoTrackIndexes": [1], "AudioTrackIndexes": [2], "DataTrackIndexes": []}]);
    assert_eq!(probed["TrackMappings"], mapping);

    let probe_error = async |key: &str, bytes: Vec<u8>| {
        let uri = fixture.put_input(key, bytes).await;
        fixture.boto3(&["probe", &uri]).await["refused"].clone()
    };
    assert_eq!(probe_error("inputs/text.mp4", b"nothing".repeat(99)).await, "BadRequestException");
    assert_eq!(probe_error("inputs/empty.mp4", vec![]).await, "BadRequestException");
    assert_eq!(
        probe_error("inputs/half.mp4", bytes[..size / 2].to_vec()).await,
        "UnprocessableEntityException"
    );
    let other_uris =
        ["s3://uploads/inputs/none.mp4", "http://127.0.0.1:1/a.mp4", "file:///etc/hostname", "/etc/hostname"];
    let expected = ["NotFoundException", "BadRequestException", "BadRequestException", "BadRequestException"];
    for (uri, code) in other_uris.into_iter().zip(expected) {
        assert_eq!(fixture.boto3(&["probe", uri]).await, json!({"refused": code}), "{uri}");
    }
}
