//! Connections cut, processes killed, folders that can't be used.

use super::fixture::{House, KEY, MIB, config, film};
use aws_sdk_s3::presigning::PresigningConfig;
use local::s3;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that has sent the head of a `PUT` of part `number`, with no body yet.
async fn begin_part(house: &House, upload: &str, number: i32, length: usize, more: &str) -> TcpStream {
    let put = house.s3.upload_part().bucket("uploads").key(KEY).upload_id(upload).part_number(number);
    let url = put.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    house.begin_put(url.uri(), length, more).await
}

async fn parts(house: &House, upload: &str) -> Vec<i32> {
    let listed = house.s3.list_parts().bucket("uploads").key(KEY).upload_id(upload).send().await.unwrap();
    listed.parts().iter().map(|part| part.part_number().unwrap()).collect()
}

#[tokio::test]
async fn a_connection_cut_in_mid_body_leaves_no_part() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let mut connection = begin_part(&house, &upload, 1, 8 * MIB, "").await;
    connection.write_all(&film(MIB, 7)).await.unwrap();
    house.until_files([1, 0]).await;
    drop(connection);
    house.until_files([0, 0]).await;
    assert!(parts(&house, &upload).await.is_empty());
}

#[tokio::test]
async fn a_kill_in_mid_part_loses_that_part_only() {
    let house = House::new().await;
    let bytes = film(6 * MIB, 8);
    let upload = house.open(KEY).await;
    let first = house.put_part(&upload, 1, bytes[..5 * MIB].to_vec()).await;
    let mut connection = begin_part(&house, &upload, 2, MIB, "").await;
    connection.write_all(&bytes[..MIB / 2]).await.unwrap();
    house.until_files([1, 1]).await;
    // What else a kill can leave: complete files that no row names yet, and half ones.
    std::fs::write(house.root().join("chunks/orphan"), "").unwrap();
    std::fs::write(house.root().join("tmp/half"), "").unwrap();

    let mut house = house.killed_and_started().await;
    assert_eq!(house.files(), [0, 1]);
    assert_eq!(parts(&house, &upload).await, [1]);
    let second = house.put_part(&upload, 2, bytes[5 * MIB..].to_vec()).await;
    house.complete(&upload, &[first, second]).send().await.unwrap();
    let house_events = house.events_so_far().await;
    assert_eq!(house_events.len(), 1);
    let house = house.killed_and_started().await;
    assert_eq!(house.bytes(KEY).await, bytes);
}

#[tokio::test]
async fn a_part_that_a_power_cut_has_torn_is_forgotten() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    for number in 1..=3 {
        house.put_part(&upload, number, film(1000, 9)).await;
    }
    let mut chunks =
        std::fs::read_dir(house.root().join("chunks")).unwrap().map(|chunk| chunk.unwrap().path());
    std::fs::write(chunks.next().unwrap(), "half").unwrap();
    std::fs::remove_file(chunks.next().unwrap()).unwrap();
    let house = house.killed_and_started().await;
    assert_eq!(parts(&house, &upload).await.len(), 1);
    assert_eq!(house.files(), [0, 1]);
}

#[tokio::test]
async fn more_than_a_part_may_have_is_refused_before_it_is_sent() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let mut connection = begin_part(&house, &upload, 1, 5 << 30 | 1, "Expect: 100-continue\r\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"</Error>") {
        assert_ne!(
            connection.read_buf(&mut answer).await.unwrap(),
            0,
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>EntityTooLarge</Code>"), "{answer}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("s3"), "in the way").unwrap();
    let (config, _) = config(data.path()).await;
    let Err(error) = s3::open(config).await else { panic!("must not start") };
    let sentence = error.to_string();
    assert!(
        sentence.starts_with("The data folder ") && sentence.contains("/s3 can't be used: "),
        "{sentence}"
    );
}
