//! Multipart uploads, from many parts at once to the one event at the end.

use super::fixture::{House, KEY, MIB, film, refusal};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedPart};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use std::collections::HashSet;
use tests::crc64;

#[tokio::test]
async fn parts_make_one_object_and_one_event() {
    let mut house = House::new().await;
    let bytes = film(17 * MIB, 4);
    let upload = house.open(KEY).await;
    let sent: Vec<_> = bytes.chunks(5 * MIB).enumerate().rev().collect();
    let mut parts = join_all(sent.into_iter().map(async |(at, part)| {
        let put =
            house.s3.upload_part().bucket("uploads").key(KEY).upload_id(&upload).part_number(at as i32 + 1);
        let stored = put.body(part.to_vec().into()).send().await.unwrap();
        assert_eq!(stored.checksum_crc64_nvme(), Some(crc64(part).as_str()));
        CompletedPart::builder().part_number(at as i32 + 1).e_tag(stored.e_tag.unwrap()).build()
    }))
    .await;
    parts.reverse();
    let open = house.s3.list_multipart_uploads().bucket("uploads").send().await.unwrap();
    assert_eq!(open.uploads()[0].upload_id(), Some(upload.as_str()));

    let size = bytes.len() as i64;
    let done = house.complete(&upload, &parts).mpu_object_size(size).if_none_match("*").send().await.unwrap();
    let etag = done.e_tag().unwrap();
    assert!(etag.trim_matches('"').ends_with("-4"), "{etag}");
    assert_eq!(done.checksum_crc64_nvme(), Some(crc64(&bytes).as_str()));
    assert_eq!(done.checksum_type(), Some(&ChecksumType::FullObject));
    assert_eq!(house.bytes(KEY).await, bytes);
    let seam = house.s3.get_object().bucket("uploads").key(KEY).range("bytes=5242870-10485770").send().await;
    assert_eq!(seam.unwrap().body.collect().await.unwrap().to_vec(), bytes[5_242_870..=10_485_770]);

    let gone = (404, "NoSuchUpload".to_owned());
    assert_eq!(refusal(house.complete(&upload, &parts).send().await), gone);
    let abort = house.s3.abort_multipart_upload().bucket("uploads").key(KEY).upload_id(&upload);
    assert_eq!(refusal(abort.send().await), gone);
    let list = house.s3.list_parts().bucket("uploads").key(KEY).upload_id(&upload);
    assert_eq!(refusal(list.send().await), gone);

    let events = house.events_so_far().await;
    assert_eq!(events.len(), 1, "{events:?}");
    let record = &events[0]["Records"][0];
    assert_eq!(
        (record["eventVersion"].as_str(), record["awsRegion"].as_str()),
        (Some("2.1"), Some("us-east-1"))
    );
    assert_eq!(record["eventName"], "ObjectCreated:CompleteMultipartUpload");
    assert_eq!(record["s3"]["bucket"]["name"], "uploads");
    let object = &record["s3"]["object"];
    assert_eq!((&object["key"], &object["size"]), (&json!(KEY), &json!(size)));
    assert_eq!(object["eTag"], etag.trim_matches('"'));
    assert!(u64::from_str_radix(object["sequencer"].as_str().unwrap(), 16).is_ok());
}

#[tokio::test]
async fn only_announced_keys_make_events_and_their_sequence_grows() {
    let mut house = House::new().await;
    for key in ["elsewhere/a", "inputs/red flower.jpg", "inputs/red flower.jpg"] {
        house.s3.put_object().bucket("uploads").key(key).send().await.unwrap();
    }
    house.s3.put_object().bucket("media").key("inputs/a").send().await.unwrap();
    let copy = house.s3.copy_object().bucket("uploads").key("inputs/copy").copy_source("uploads/elsewhere/a");
    copy.send().await.unwrap();
    let events = house.events_so_far().await;
    let told: Vec<_> = events.iter().map(|event| &event["Records"][0]).collect();
    let names: Vec<_> = told
        .iter()
        .map(|r| (r["eventName"].as_str().unwrap(), r["s3"]["object"]["key"].as_str().unwrap()))
        .collect();
    let put = ("ObjectCreated:Put", "inputs/red+flower.jpg");
    assert_eq!(names, [put, put, ("ObjectCreated:Copy", "inputs/copy")]);
    let sequence: Vec<_> = told.iter().map(|r| r["s3"]["object"]["sequencer"].as_str().unwrap()).collect();
    assert!(sequence.is_sorted_by(|one, next| one < next), "{sequence:?}");
}

#[tokio::test]
async fn parts_are_listed_beyond_the_first_page() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let put = |number: i32| house.put_part(&upload, number, number.to_be_bytes().to_vec());
    let mut puts = stream::iter((1..=1_003).map(put)).buffer_unordered(8);
    while puts.next().await.is_some() {}
    let list = || house.s3.list_parts().bucket("uploads").key(KEY).upload_id(&upload);
    let first = list().send().await.unwrap();
    assert_eq!(
        (first.parts().len(), first.is_truncated(), first.next_part_number_marker()),
        (1_000, Some(true), Some("1000"))
    );
    let mut pages = list().max_parts(400).into_paginator().send();
    let (mut numbers, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        for part in page.unwrap().parts() {
            let number = part.part_number().unwrap();
            assert_eq!(part.checksum_crc64_nvme(), Some(crc64(&number.to_be_bytes()).as_str()));
            assert_eq!((part.size(), part.e_tag().map(str::len)), (Some(4), Some(34)));
            numbers.push(number);
        }
        count += 1;
    }
    assert_eq!((numbers, count), ((1..=1_003).collect(), 3));

    house.s3.abort_multipart_upload().bucket("uploads").key(KEY).upload_id(&upload).send().await.unwrap();
    assert_eq!(refusal(list().send().await), (404, "NoSuchUpload".into()));
    assert_eq!(house.files(), [0, 0]);
}

#[tokio::test]
async fn completions_that_do_not_fit_make_no_object() {
    let mut house = House::new().await;
    let create = house.s3.create_multipart_upload().bucket("uploads").key(KEY);
    let create =
        create.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let bytes = film(6 * MIB, 5);
    let one = house.put_part(&upload, 1, bytes[..5 * MIB].to_vec()).await;
    let small = house.put_part(&upload, 2, bytes[5 * MIB..].to_vec()).await;
    let three = house.put_part(&upload, 3, b"end".to_vec()).await;
    let other = CompletedPart::builder().part_number(1).e_tag(small.e_tag().unwrap()).build();
    let missing = CompletedPart::builder().part_number(4).e_tag(one.e_tag().unwrap()).build();
    let lists: [(&[_], _); 6] = [
        (&[], "MalformedXML"),
        (&[other, small.clone()], "InvalidPart"),
        (&[one.clone(), missing], "InvalidPart"),
        (&[small.clone(), one.clone()], "InvalidPartOrder"),
        (&[one.clone(), one.clone()], "InvalidPartOrder"),
        (&[one.clone(), small.clone(), three], "EntityTooSmall"),
    ];
    for (parts, code) in lists {
        assert_eq!(refusal(house.complete(&upload, parts).send().await), (400, code.into()), "{parts:?}");
    }
    let complete = || house.complete(&upload, &[one.clone(), small.clone()]);
    let size = bytes.len() as i64;
    assert_eq!(refusal(complete().mpu_object_size(size - 1).send().await), (400, "InvalidRequest".into()));
    assert_eq!(refusal(complete().checksum_crc64_nvme(crc64(b"")).send().await), (400, "BadDigest".into()));
    assert_eq!(refusal(complete().key("inputs/other").send().await), (404, "NoSuchUpload".into()));
    assert_eq!(refusal(house.s3.head_object().bucket("uploads").key(KEY).send().await).0, 404);
    let right = complete()
        .mpu_object_size(size)
        .checksum_crc64_nvme(crc64(&bytes))
        .checksum_type(ChecksumType::FullObject);
    right.send().await.unwrap();
    assert_eq!(house.bytes(KEY).await, bytes);
    assert_eq!(house.events_so_far().await.len(), 1);
    // The part that wasn't named has gone with the upload; the last file is the object of `events_so_far`.
    assert_eq!(house.files(), [0, 3]);
}

#[tokio::test]
async fn a_checksum_that_was_not_declared_is_not_checked_but_answered() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let part = house.put_part(&upload, 1, b"film".to_vec()).await;
    let done = house.complete(&upload, &[part]).checksum_crc64_nvme(crc64(b"")).send().await.unwrap();
    assert_eq!(done.checksum_crc64_nvme(), Some(crc64(b"film").as_str()));
}

#[tokio::test]
async fn other_algorithms_are_verified_part_by_part() {
    let house = House::new().await;
    let create = house.s3.create_multipart_upload().bucket("uploads").key(KEY);
    let created = create.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    assert_eq!(created.checksum_type(), Some(&ChecksumType::Composite));
    let upload = created.upload_id.unwrap();
    let put = || {
        house
            .s3
            .upload_part()
            .bucket("uploads")
            .key(KEY)
            .upload_id(&upload)
            .part_number(1)
            .body(b"123456789".to_vec().into())
    };
    assert_eq!(
        refusal(put().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").send().await),
        (400, "BadDigest".into())
    );
    assert_eq!(house.files(), [0, 0]);
    let stored = put().checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    assert_eq!(stored.checksum_sha256(), Some("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="));
    assert_eq!(stored.checksum_crc64_nvme(), Some("rosUhgp5mIg="));
}

#[tokio::test]
async fn a_part_replaces_the_earlier_one_of_its_number() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    let first = house.put_part(&upload, 1, b"first".to_vec()).await;
    let second = house.put_part(&upload, 1, b"second".to_vec()).await;
    assert_eq!(house.files(), [0, 1]);
    assert_eq!(refusal(house.complete(&upload, &[first]).send().await), (400, "InvalidPart".into()));
    house.complete(&upload, &[second]).send().await.unwrap();
    assert_eq!(house.bytes(KEY).await, b"second");
    assert_eq!(house.files(), [0, 1]);
}

#[tokio::test]
async fn part_numbers_have_limits() {
    let house = House::new().await;
    let upload = house.open(KEY).await;
    for number in [-1, 0, 10_001] {
        let put = house.s3.upload_part().bucket("uploads").key(KEY).upload_id(&upload).part_number(number);
        assert_eq!(refusal(put.send().await), (400, "InvalidArgument".into()), "{number}");
    }
    house.put_part(&upload, 10_000, b"last".to_vec()).await;
    let other = house.s3.upload_part().bucket("uploads").key(KEY).upload_id("none").part_number(1);
    assert_eq!(refusal(other.send().await), (404, "NoSuchUpload".into()));
}

#[tokio::test]
async fn of_two_completions_one_wins() {
    let mut house = House::new().await;
    let mut uploads = Vec::new();
    for name in ["one", "two", "three", "four"] {
        let upload = house.open(KEY).await;
        let part = house.put_part(&upload, 1, name.as_bytes().to_vec()).await;
        uploads.push((upload, part));
    }
    let race = uploads.iter().map(async |(upload, part)| {
        house.complete(upload, std::slice::from_ref(part)).if_none_match("*").send().await
    });
    let (won, lost): (Vec<_>, Vec<_>) = join_all(race).await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 3));
    for refused in lost {
        assert_eq!(refusal(refused), (412, "PreconditionFailed".into()));
    }
    assert_eq!(house.events_so_far().await.len(), 1);
    // Those that lost are still open.
    let open = house.s3.list_multipart_uploads().bucket("uploads").max_uploads(2).send().await.unwrap();
    assert_eq!((open.uploads().len(), open.is_truncated()), (2, Some(true)));
    let rest =
        house.s3.list_multipart_uploads().bucket("uploads").key_marker(open.next_key_marker().unwrap());
    let rest = rest.upload_id_marker(open.next_upload_id_marker().unwrap()).send().await.unwrap();
    let ids: HashSet<_> =
        open.uploads().iter().chain(rest.uploads()).map(|upload| upload.upload_id()).collect();
    assert_eq!((ids.len(), rest.is_truncated()), (3, Some(false)));
}
