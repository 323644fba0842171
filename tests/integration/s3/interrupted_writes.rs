//! Connections closed in the middle of a body, kills, torn files, unusable folders.

use super::fixture::{Fixture, KEY, MIB, config, random_bytes};
use aws_sdk_s3::presigning::PresigningConfig;
use local::s3;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Opens a connection and sends the head of a part's `PUT`, without its body.
async fn send_part_head(
    fixture: &Fixture,
    upload: &str,
    number: i32,
    length: usize,
    headers: &str,
) -> TcpStream {
    let put = fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(number);
    let url = put.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    fixture.send_put_head(url.uri(), length, headers).await
}

async fn stored_part_numbers(fixture: &Fixture, upload: &str) -> Vec<i32> {
    let listed = fixture.s3.list_parts().bucket("uploads").key(KEY).upload_id(upload).send().await.unwrap();
    listed.parts().iter().map(|part| part.part_number().unwrap()).collect()
}

#[tokio::test]
async fn connection_closed_in_the_body_leaves_no_part() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    let mut connection = send_part_head(&fixture, &upload, 1, 8 * MIB, "").await;
    connection.write_all(&random_bytes(MIB, 7)).await.unwrap();
    fixture.wait_for_files([1, 0]).await;
    drop(connection);
    fixture.wait_for_files([0, 0]).await;
    assert!(stored_part_numbers(&fixture, &upload).await.is_empty());
}

#[tokio::test]
async fn kill_during_a_part_loses_only_that_part() {
    let fixture = Fixture::new().await;
    let bytes = random_bytes(6 * MIB, 8);
    let upload = fixture.open_upload(KEY).await;
    let first = fixture.put_part(&upload, 1, bytes[..5 * MIB].to_vec()).await;
    let mut connection = send_part_head(&fixture, &upload, 2, MIB, "").await;
    connection.write_all(&bytes[..MIB / 2]).await.unwrap();
    fixture.wait_for_files([1, 1]).await;
    // A kill can also leave complete files without a database row, and partial files.
    std::fs::write(fixture.root().join("chunks/orphan"), "").unwrap();
    std::fs::write(fixture.root().join("tmp/partial"), "").unwrap();

    let mut fixture = fixture.kill_and_restart().await;
    assert_eq!(fixture.file_counts(), [0, 1]);
    assert_eq!(stored_part_numbers(&fixture, &upload).await, [1]);
    let second = fixture.put_part(&upload, 2, bytes[5 * MIB..].to_vec()).await;
    fixture.complete(&upload, &[first, second]).send().await.unwrap();
    assert_eq!(fixture.events().await.len(), 1);
    let fixture = fixture.kill_and_restart().await;
    assert_eq!(fixture.object(KEY).await, bytes);
}

#[tokio::test]
async fn torn_or_missing_part_file_is_dropped_after_a_restart() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    for number in 1..=3 {
        fixture.put_part(&upload, number, random_bytes(1000, 9)).await;
    }
    let mut chunks =
        std::fs::read_dir(fixture.root().join("chunks")).unwrap().map(|chunk| chunk.unwrap().path());
    std::fs::write(chunks.next().unwrap(), "torn").unwrap();
    std::fs::remove_file(chunks.next().unwrap()).unwrap();
    let fixture = fixture.kill_and_restart().await;
    assert_eq!(stored_part_numbers(&fixture, &upload).await.len(), 1);
    assert_eq!(fixture.file_counts(), [0, 1]);
}

#[tokio::test]
async fn oversized_part_is_rejected_before_its_body() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    let mut connection = send_part_head(&fixture, &upload, 1, 5 << 30 | 1, "Expect: 100-continue\r\n").await;
    let mut response = Vec::new();
    while !response.ends_with(b"</Error>") {
        assert_ne!(
            connection.read_buf(&mut response).await.unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&response)
        );
    }
    let response = String::from_utf8(response).unwrap();
    assert!(
        response.starts_with("HTTP/1.1 400") && response.contains("<Code>EntityTooLarge</Code>"),
        "{response}"
    );
}

#[tokio::test]
async fn unusable_folder_is_named_in_the_error() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("s3"), "in the way").unwrap();
    let (config, _) = config(data.path()).await;
    let Err(error) = s3::open(config).await else { panic!("must not start") };
    let message = error.to_string();
    assert!(message.starts_with("The data folder ") && message.contains("/s3 can't be used: "), "{message}");
}
