//! Single objects and listings.

use super::fixture::{Fixture, MIB, error_of, random_bytes};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, Delete, EncodingType, MetadataDirective, ObjectIdentifier,
};
use std::collections::HashSet;
use tests::crc64;

#[tokio::test]
async fn object_is_returned_with_its_headers_and_metadata() {
    let fixture = Fixture::new().await;
    let bytes = random_bytes(3 * MIB, 1);
    let put = fixture.s3.put_object().bucket("media").key("assets/a.bin").content_type("video/mp4");
    let put = put.cache_control("max-age=60").metadata("tint", "sépia").body(bytes.clone().into());
    let put = put.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).send().await.unwrap();
    let etag = put.e_tag.unwrap();
    assert_eq!(etag.trim_matches('"').len(), 32);

    let get =
        fixture.s3.get_object().bucket("media").key("assets/a.bin").checksum_mode(ChecksumMode::Enabled);
    let got = get.send().await.unwrap();
    assert_eq!(got.e_tag(), Some(etag.as_str()));
    assert_eq!(got.content_type(), Some("video/mp4"));
    assert_eq!(got.cache_control(), Some("max-age=60"));
    // Headers are ASCII; S3 encodes other characters by RFC 2047.
    assert_eq!(got.metadata().unwrap()["tint"], "=?UTF-8?B?c8OpcGlh?=");
    assert_eq!(got.checksum_crc64_nvme(), Some(crc64(&bytes).as_str()));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes);

    let head = fixture.s3.head_object().bucket("media").key("assets/a.bin").send().await.unwrap();
    assert_eq!(head.content_length(), Some(bytes.len() as i64));
    assert_eq!((head.e_tag(), head.checksum_crc64_nvme()), (Some(etag.as_str()), None));

    fixture.s3.delete_object().bucket("media").key("assets/a.bin").send().await.unwrap();
    fixture.s3.delete_object().bucket("media").key("assets/a.bin").send().await.unwrap();
    assert_eq!(
        error_of(fixture.s3.get_object().bucket("media").key("assets/a.bin").send().await),
        (404, "NoSuchKey".into())
    );
    assert_eq!(error_of(fixture.s3.head_object().bucket("media").key("assets/a.bin").send().await).0, 404);
    assert_eq!(fixture.file_counts(), [0, 0]);
}

#[tokio::test]
async fn range_returns_the_requested_bytes_or_416() {
    let fixture = Fixture::new().await;
    let bytes = random_bytes(MIB, 2);
    fixture.s3.put_object().bucket("media").key("a").body(bytes.clone().into()).send().await.unwrap();
    fixture.s3.put_object().bucket("media").key("empty").send().await.unwrap();
    let size = bytes.len();
    let cases = [
        ("bytes=0-0", 0..1),
        ("bytes=1000-300000", 1000..300_001),
        ("bytes=1048000-", 1_048_000..size),
        ("bytes=-100", size - 100..size),
        ("bytes=5-99999999", 5..size),
    ];
    for (range, wanted) in cases {
        let got = fixture.s3.get_object().bucket("media").key("a").range(range).send().await.unwrap();
        let expected = format!("bytes {}-{}/{size}", wanted.start, wanted.end - 1);
        assert_eq!(got.content_range(), Some(expected.as_str()), "{range}");
        assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes[wanted], "{range}");
    }
    for (key, range) in
        [("a", "bytes=1048576-"), ("a", "bytes=-0"), ("empty", "bytes=0-"), ("empty", "bytes=-1")]
    {
        let error = error_of(fixture.s3.get_object().bucket("media").key(key).range(range).send().await);
        assert_eq!(error, (416, "InvalidRange".into()), "{key} {range}");
    }
    let head = fixture.s3.head_object().bucket("media").key("a").range("bytes=0-9").send().await.unwrap();
    assert_eq!(head.content_length(), Some(10));
    assert_eq!(
        fixture.s3.get_object().bucket("media").key("empty").send().await.unwrap().content_length(),
        Some(0)
    );
}

#[tokio::test]
async fn preconditions_are_evaluated_for_get_and_put() {
    let fixture = Fixture::new().await;
    let put = || fixture.s3.put_object().bucket("media").key("a").body(b"one".to_vec().into());
    let etag = put().if_none_match("*").send().await.unwrap().e_tag.unwrap();
    assert_eq!(error_of(put().if_none_match("*").send().await), (412, "PreconditionFailed".into()));
    assert_eq!(error_of(put().if_match("\"other\"").send().await), (412, "PreconditionFailed".into()));
    put().if_match(&etag).send().await.unwrap();
    let nowhere = fixture.s3.put_object().bucket("media").key("b").if_match(&etag).send().await;
    assert_eq!(error_of(nowhere), (404, "NoSuchKey".into()));

    let get = || fixture.s3.get_object().bucket("media").key("a");
    get().if_match(&etag).send().await.unwrap();
    get().if_none_match("\"other\"").send().await.unwrap();
    assert_eq!(error_of(get().if_none_match(&etag).send().await).0, 304);
    assert_eq!(error_of(get().if_match("\"other\"").send().await), (412, "PreconditionFailed".into()));
    let modified = *get().send().await.unwrap().last_modified().unwrap();
    let before = DateTime::from_secs(modified.secs() - 1);
    assert_eq!(error_of(get().if_modified_since(modified).send().await).0, 304);
    get().if_modified_since(before).send().await.unwrap();
    get().if_unmodified_since(modified).send().await.unwrap();
    assert_eq!(error_of(get().if_unmodified_since(before).send().await).0, 412);
}

#[tokio::test]
async fn wrong_checksum_leaves_no_object() {
    let fixture = Fixture::new().await;
    let put = || fixture.s3.put_object().bucket("uploads").key("a").body(b"123456789".to_vec().into());
    let md5_of_nothing = "1B2M2Y8AsgTpgAmY7PhCfg==";
    assert_eq!(error_of(put().content_md5(md5_of_nothing).send().await), (400, "BadDigest".into()));
    assert_eq!(error_of(put().content_md5("no").send().await), (400, "InvalidDigest".into()));
    assert_eq!(error_of(put().checksum_crc64_nvme("AAAAAAAAAAA=").send().await), (400, "BadDigest".into()));
    assert_eq!(error_of(put().checksum_crc32("AAAAAA==").send().await), (400, "BadDigest".into()));
    assert_eq!(error_of(put().bucket("elsewhere").send().await), (404, "NoSuchBucket".into()));
    assert_eq!(fixture.file_counts(), [0, 0]);
    put().checksum_crc64_nvme(crc64(b"123456789")).send().await.unwrap();
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        put().checksum_algorithm(algorithm).send().await.unwrap();
    }
    assert_eq!(fixture.file_counts(), [0, 1]);
}

#[tokio::test]
async fn copy_survives_the_deletion_of_its_source() {
    let fixture = Fixture::new().await;
    let bytes = random_bytes(MIB, 3);
    let put = fixture.s3.put_object().bucket("uploads").key("a +b").content_type("video/mp4");
    put.body(bytes.clone().into()).send().await.unwrap();
    let copy = || fixture.s3.copy_object().bucket("uploads").copy_source("uploads/a%20%2Bb");
    copy().key("b").send().await.unwrap();
    let replace = copy().key("c").metadata_directive(MetadataDirective::Replace).content_type("text/plain");
    replace.send().await.unwrap();
    assert_eq!(error_of(copy().key("d").copy_source_if_match("\"other\"").send().await).0, 412);
    fixture.s3.delete_object().bucket("uploads").key("a +b").send().await.unwrap();
    for (key, kind) in [("b", "video/mp4"), ("c", "text/plain")] {
        assert_eq!(fixture.object(key).await, bytes);
        let head = fixture.s3.head_object().bucket("uploads").key(key).send().await.unwrap();
        assert_eq!(head.content_type(), Some(kind));
    }
    assert_eq!(error_of(copy().key("d").send().await), (404, "NoSuchKey".into()));
    assert_eq!(fixture.file_counts(), [0, 2]);
}

#[tokio::test]
async fn unusual_keys_are_stored_and_listed() {
    let mut fixture = Fixture::new().await;
    let long = format!("inputs/{}u", "ü".repeat(508));
    let keys = ["inputs/a b+c%20d%2F#?\"'&<>.mp4", "inputs/🎬\u{1}", "inputs//..//.", long.as_str()];
    for key in keys {
        fixture
            .s3
            .put_object()
            .bucket("uploads")
            .key(key)
            .body(key.as_bytes().to_vec().into())
            .send()
            .await
            .unwrap();
        assert_eq!(fixture.object(key).await, key.as_bytes());
    }
    assert_eq!(fixture.events().await.len(), keys.len());
    fixture.s3.delete_object().bucket("uploads").key("inputs/last").send().await.unwrap();
    let listed =
        fixture.s3.list_objects_v2().bucket("uploads").encoding_type(EncodingType::Url).send().await.unwrap();
    let listed: HashSet<_> =
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
    assert!(listed.contains("inputs/a+b%2Bc%2520d%252F%23%3F%22%27%26%3C%3E.mp4"), "{listed:?}");
    assert!(listed.contains("inputs/%F0%9F%8E%AC%01"), "{listed:?}");

    let longer = fixture.s3.put_object().bucket("uploads").key(format!("{long}v")).send().await;
    assert_eq!(error_of(longer), (400, "KeyTooLongError".into()));
}

#[tokio::test]
async fn listing_supports_pages_prefixes_and_delimiters() {
    let fixture = Fixture::new().await;
    for key in ["a/1", "a/2", "a/b/3", "c", "d/4", "é"] {
        fixture.s3.put_object().bucket("media").key(key).send().await.unwrap();
    }
    let list = || fixture.s3.list_objects_v2().bucket("media");
    let mut pages = list().max_keys(2).into_paginator().send();
    let (mut keys, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        keys.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
        count += 1;
    }
    assert_eq!((keys, count), (["a/1", "a/2", "a/b/3", "c", "d/4", "é"].map(String::from).to_vec(), 3));

    let folders = list().delimiter("/").send().await.unwrap();
    let prefixes: Vec<_> = folders.common_prefixes().iter().map(|p| p.prefix().unwrap()).collect();
    assert_eq!((prefixes, folders.key_count()), (vec!["a/", "d/"], Some(4)));
    let inside = list().prefix("a/").delimiter("/").start_after("a/1").send().await.unwrap();
    assert_eq!(
        (inside.contents()[0].key(), inside.common_prefixes()[0].prefix()),
        (Some("a/2"), Some("a/b/"))
    );
    assert_eq!(error_of(list().continuation_token("?").send().await), (400, "InvalidArgument".into()));
    assert_eq!(error_of(list().bucket("elsewhere").send().await), (404, "NoSuchBucket".into()));

    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder().objects(named("a/1")).objects(named("nothing")).build().unwrap();
    let deleted = fixture.s3.delete_objects().bucket("media").delete(delete).send().await.unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (2, 0));
    assert_eq!(list().send().await.unwrap().key_count(), Some(5));
}

#[tokio::test]
async fn buckets_are_created_and_listed() {
    let fixture = Fixture::new().await;
    fixture.s3.create_bucket().bucket("third").send().await.unwrap();
    let listed = fixture.s3.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, ["media", "third", "uploads"]);
    fixture.s3.head_bucket().bucket("third").send().await.unwrap();
    assert_eq!(error_of(fixture.s3.head_bucket().bucket("fourth").send().await).0, 404);
    fixture.s3.get_bucket_location().bucket("third").send().await.unwrap();
    assert_eq!(
        error_of(fixture.s3.create_bucket().bucket("No").send().await),
        (400, "InvalidBucketName".into())
    );
}
