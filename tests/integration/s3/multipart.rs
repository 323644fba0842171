//! Multipart uploads: parts, listings, completion, checksums, events.

use super::fixture::{Fixture, KEY, MIB, error_of, random_bytes};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use tests::crc64;

#[tokio::test]
async fn parallel_parts_make_one_object_and_one_event() {
    let mut fixture = Fixture::new().await;
    let bytes = random_bytes(17 * MIB, 4);
    let upload = fixture.open_upload(KEY).await;
    let sent: Vec<_> = bytes.chunks(5 * MIB).enumerate().rev().collect();
    let mut parts = join_all(sent.into_iter().map(async |(at, part)| {
        let put =
            fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id(&upload).part_number(at as i32 + 1);
        let stored = put.body(part.to_vec().into()).send().await.unwrap();
        // The SDK sends a CRC32, and S3 returns what it was sent.
        assert!(stored.checksum_crc32().is_some() && stored.checksum_crc64_nvme().is_none());
        CompletedPart::builder().part_number(at as i32 + 1).e_tag(stored.e_tag.unwrap()).build()
    }))
    .await;
    parts.reverse();
    let open = fixture.s3.list_multipart_uploads().bucket("uploads").send().await.unwrap();
    assert_eq!(open.uploads()[0].upload_id(), Some(upload.as_str()));

    let size = bytes.len() as i64;
    let done =
        fixture.complete(&upload, &parts).mpu_object_size(size).if_none_match("*").send().await.unwrap();
    let etag = done.e_tag().unwrap();
    assert!(etag.trim_matches('"').ends_with("-4"), "{etag}");
    assert_eq!(done.checksum_crc64_nvme(), Some(crc64(&bytes).as_str()));
    assert_eq!(done.checksum_type(), Some(&ChecksumType::FullObject));
    assert_eq!(fixture.object(KEY).await, bytes);
    let seam =
        fixture.s3.get_object().bucket("uploads").key(KEY).range("bytes=5242870-10485770").send().await;
    assert_eq!(seam.unwrap().body.collect().await.unwrap().to_vec(), bytes[5_242_870..=10_485_770]);

    let gone = (404, "NoSuchUpload".to_owned());
    let repeated = fixture.complete(&upload, &parts).mpu_object_size(size).if_none_match("*").send();
    let repeated = repeated.await.unwrap();
    assert_eq!((repeated.e_tag(), repeated.checksum_crc64_nvme()), (Some(etag), done.checksum_crc64_nvme()));
    let other = fixture.complete(&upload, &parts).checksum_crc64_nvme(crc64(b""));
    assert_eq!(error_of(other.send().await), gone);
    let abort = fixture.s3.abort_multipart_upload().bucket("uploads").key(KEY).upload_id(&upload);
    assert_eq!(error_of(abort.send().await), gone);
    let list = fixture.s3.list_parts().bucket("uploads").key(KEY).upload_id(&upload);
    assert_eq!(error_of(list.send().await), gone);

    let events = fixture.events().await;
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
async fn events_are_sent_for_the_notification_prefix_in_sequence() {
    let mut fixture = Fixture::new().await;
    for key in ["elsewhere/a", "inputs/red flower.jpg", "inputs/red flower.jpg"] {
        fixture.s3.put_object().bucket("uploads").key(key).send().await.unwrap();
    }
    fixture.s3.put_object().bucket("media").key("inputs/a").send().await.unwrap();
    let copy =
        fixture.s3.copy_object().bucket("uploads").key("inputs/copy").copy_source("uploads/elsewhere/a");
    copy.send().await.unwrap();
    let events = fixture.events().await;
    let records: Vec<_> = events.iter().map(|event| &event["Records"][0]).collect();
    let names: Vec<_> = records
        .iter()
        .map(|r| (r["eventName"].as_str().unwrap(), r["s3"]["object"]["key"].as_str().unwrap()))
        .collect();
    let put = ("ObjectCreated:Put", "inputs/red+flower.jpg");
    assert_eq!(names, [put, put, ("ObjectCreated:Copy", "inputs/copy")]);
    let sequence: Vec<_> = records.iter().map(|r| r["s3"]["object"]["sequencer"].as_str().unwrap()).collect();
    assert!(sequence.is_sorted_by(|one, next| one < next), "{sequence:?}");
}

#[tokio::test]
async fn parts_are_listed_over_several_pages() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_verified_upload(KEY).await;
    let put = |number: i32| fixture.put_part(&upload, number, number.to_be_bytes().to_vec());
    let mut puts = stream::iter((1..=1_003).map(put)).buffer_unordered(8);
    while puts.next().await.is_some() {}
    let list = || fixture.s3.list_parts().bucket("uploads").key(KEY).upload_id(&upload);
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

    fixture.s3.abort_multipart_upload().bucket("uploads").key(KEY).upload_id(&upload).send().await.unwrap();
    assert_eq!(error_of(list().send().await), (404, "NoSuchUpload".into()));
    assert_eq!(fixture.file_counts(), [0, 0]);
}

#[tokio::test]
async fn invalid_completion_makes_no_object() {
    let mut fixture = Fixture::new().await;
    let upload = fixture.open_verified_upload(KEY).await;
    let bytes = random_bytes(6 * MIB, 5);
    let one = fixture.put_part(&upload, 1, bytes[..5 * MIB].to_vec()).await;
    let small = fixture.put_part(&upload, 2, bytes[5 * MIB..].to_vec()).await;
    let three = fixture.put_part(&upload, 3, b"end".to_vec()).await;
    let other = CompletedPart::builder().part_number(1).e_tag(small.e_tag().unwrap()).build();
    let missing = CompletedPart::builder().part_number(4).e_tag(one.e_tag().unwrap()).build();
    let wrong_checksum =
        CompletedPart::builder().part_number(1).e_tag(one.e_tag().unwrap()).checksum_crc64_nvme(crc64(b""));
    let lists: [(&[_], _); 7] = [
        (&[], "MalformedXML"),
        (&[other, small.clone()], "InvalidPart"),
        (&[one.clone(), missing], "InvalidPart"),
        (&[wrong_checksum.build(), small.clone()], "InvalidPart"),
        (&[small.clone(), one.clone()], "InvalidPartOrder"),
        (&[one.clone(), one.clone()], "InvalidPartOrder"),
        (&[one.clone(), small.clone(), three], "EntityTooSmall"),
    ];
    for (parts, code) in lists {
        assert_eq!(error_of(fixture.complete(&upload, parts).send().await), (400, code.into()), "{parts:?}");
    }
    let complete = || fixture.complete(&upload, &[one.clone(), small.clone()]);
    let size = bytes.len() as i64;
    assert_eq!(error_of(complete().mpu_object_size(size - 1).send().await), (400, "InvalidRequest".into()));
    assert_eq!(error_of(complete().checksum_crc64_nvme(crc64(b"")).send().await), (400, "BadDigest".into()));
    assert_eq!(error_of(complete().key("inputs/other").send().await), (404, "NoSuchUpload".into()));
    assert_eq!(error_of(fixture.s3.head_object().bucket("uploads").key(KEY).send().await).0, 404);
    let right = complete()
        .mpu_object_size(size)
        .checksum_crc64_nvme(crc64(&bytes))
        .checksum_type(ChecksumType::FullObject);
    right.send().await.unwrap();
    assert_eq!(fixture.object(KEY).await, bytes);
    assert_eq!(fixture.events().await.len(), 1);
    // The unlisted part is removed with the upload; the third file is the object made by `events`.
    assert_eq!(fixture.file_counts(), [0, 3]);
}

#[tokio::test]
async fn undeclared_checksum_is_computed_and_not_compared() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    let part = fixture.put_part(&upload, 1, b"film".to_vec()).await;
    let done = fixture.complete(&upload, &[part]).checksum_crc64_nvme(crc64(b"")).send().await.unwrap();
    assert_eq!(done.checksum_crc64_nvme(), Some(crc64(b"film").as_str()));
    let head = fixture.s3.head_object().bucket("uploads").key(KEY).checksum_mode(ChecksumMode::Enabled);
    assert_eq!(head.send().await.unwrap().checksum_crc64_nvme(), None);
}

#[tokio::test]
async fn undeclared_checksum_is_not_listed() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    fixture.put_part(&upload, 1, b"film".to_vec()).await;
    let listed = fixture.s3.list_parts().bucket("uploads").key(KEY).upload_id(&upload).send().await.unwrap();
    assert_eq!((listed.checksum_algorithm(), listed.checksum_type()), (None, None));
    assert_eq!(listed.parts()[0].checksum_crc64_nvme(), None);
}

#[tokio::test]
async fn part_without_the_declared_checksum_is_refused() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_verified_upload(KEY).await;
    let put = || {
        let put = fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id(&upload).part_number(1);
        put.body(b"123456789".to_vec().into())
    };
    let refused = (400, "InvalidRequest".to_owned());
    let put_bare = put().presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap());
    let bare = reqwest::Client::new().put(put_bare.await.unwrap().uri()).body("123456789").send();
    let bare = bare.await.unwrap();
    assert_eq!(bare.status(), 400);
    assert!(bare.text().await.unwrap().contains("<Code>InvalidRequest</Code>"));
    assert_eq!(error_of(put().checksum_algorithm(ChecksumAlgorithm::Crc32).send().await), refused);
    assert_eq!(fixture.file_counts(), [0, 0]);
    // As a trailer, and as a header.
    put().checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).send().await.unwrap();
    put().checksum_crc64_nvme(crc64(b"123456789")).send().await.unwrap();
    let listed = fixture.s3.list_parts().bucket("uploads").key(KEY).upload_id(&upload).send().await.unwrap();
    assert_eq!(listed.checksum_algorithm(), Some(&ChecksumAlgorithm::Crc64Nvme));
    assert_eq!(listed.checksum_type(), Some(&ChecksumType::FullObject));
}

#[tokio::test]
async fn composite_checksum_is_verified_per_part() {
    let fixture = Fixture::new().await;
    let create = fixture.s3.create_multipart_upload().bucket("uploads").key(KEY);
    let created = create.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    assert_eq!(created.checksum_type(), Some(&ChecksumType::Composite));
    let upload = created.upload_id.unwrap();
    let put = || {
        fixture
            .s3
            .upload_part()
            .bucket("uploads")
            .key(KEY)
            .upload_id(&upload)
            .part_number(1)
            .body(b"123456789".to_vec().into())
    };
    assert_eq!(
        error_of(put().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").send().await),
        (400, "BadDigest".into())
    );
    assert_eq!(fixture.file_counts(), [0, 0]);
    let stored = put().checksum_algorithm(ChecksumAlgorithm::Sha256).send().await.unwrap();
    assert_eq!(stored.checksum_sha256(), Some("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="));
    assert_eq!(stored.checksum_crc64_nvme(), None);
}

#[tokio::test]
async fn repeated_part_replaces_the_earlier_one() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    let first = fixture.put_part(&upload, 1, b"first".to_vec()).await;
    let second = fixture.put_part(&upload, 1, b"second".to_vec()).await;
    assert_eq!(fixture.file_counts(), [0, 1]);
    assert_eq!(error_of(fixture.complete(&upload, &[first]).send().await), (400, "InvalidPart".into()));
    fixture.complete(&upload, &[second]).send().await.unwrap();
    assert_eq!(fixture.object(KEY).await, b"second");
    assert_eq!(fixture.file_counts(), [0, 1]);
}

#[tokio::test]
async fn part_number_out_of_range_is_rejected() {
    let fixture = Fixture::new().await;
    let upload = fixture.open_upload(KEY).await;
    for number in [-1, 0, 10_001] {
        let put = fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id(&upload).part_number(number);
        assert_eq!(error_of(put.send().await), (400, "InvalidArgument".into()), "{number}");
    }
    fixture.put_part(&upload, 10_000, b"last".to_vec()).await;
    let other = fixture.s3.upload_part().bucket("uploads").key(KEY).upload_id("none").part_number(1);
    assert_eq!(error_of(other.send().await), (404, "NoSuchUpload".into()));
}

#[tokio::test]
async fn concurrent_conditional_completions_make_one_object() {
    let mut fixture = Fixture::new().await;
    let mut uploads = Vec::new();
    for name in ["one", "two", "three", "four"] {
        let upload = fixture.open_upload(KEY).await;
        let part = fixture.put_part(&upload, 1, name.as_bytes().to_vec()).await;
        uploads.push((upload, part));
    }
    let race = uploads.iter().map(async |(upload, part)| {
        fixture.complete(upload, std::slice::from_ref(part)).if_none_match("*").send().await
    });
    let (won, lost): (Vec<_>, Vec<_>) = join_all(race).await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 3));
    for result in lost {
        assert_eq!(error_of(result), (412, "PreconditionFailed".into()));
    }
    assert_eq!(fixture.events().await.len(), 1);
    // The uploads that lost are still open.
    let open = fixture.s3.list_multipart_uploads().bucket("uploads").max_uploads(2).send().await.unwrap();
    assert_eq!((open.uploads().len(), open.is_truncated()), (2, Some(true)));
    let rest =
        fixture.s3.list_multipart_uploads().bucket("uploads").key_marker(open.next_key_marker().unwrap());
    let rest = rest.upload_id_marker(open.next_upload_id_marker().unwrap()).send().await.unwrap();
    let ids: HashSet<_> =
        open.uploads().iter().chain(rest.uploads()).map(|upload| upload.upload_id()).collect();
    assert_eq!((ids.len(), rest.is_truncated()), (3, Some(false)));
}
