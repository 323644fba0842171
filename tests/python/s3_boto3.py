"""Tests of the local S3 with boto3 and the AWS CLI: their common operations.

Usage: s3_boto3.py ENDPOINT. Prints `passed` as its last line.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import re
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions
from boto3.s3.transfer import TransferConfig

ENDPOINT = sys.argv[1]
MIB = 1024 * 1024


def client(**settings):
    config = botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **settings)
    return boto3.client("s3", endpoint_url=ENDPOINT, config=config)


s3 = client()


def assert_refused(code, status, call, **arguments):
    """Runs a call that must fail with this code and status."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        actual = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert actual == (code, status), f"{actual} instead of {(code, status)}"
    else:
        raise AssertionError(f"was not refused with {code}")


def objects():
    body = os.urandom(100_000)
    key = "assets/a b+ü.bin"
    s3.put_object(Bucket="media", Key=key, Body=body, ContentType="video/mp4", Metadata={"tint": "red"})
    got = s3.get_object(Bucket="media", Key=key)
    assert got["Body"].read() == body
    assert (got["ContentType"], got["Metadata"]) == ("video/mp4", {"tint": "red"})
    part = s3.get_object(Bucket="media", Key=key, Range="bytes=10-19")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206 and part["Body"].read() == body[10:20]
    assert s3.head_object(Bucket="media", Key=key)["ContentLength"] == len(body)
    assert_refused("304", 304, s3.get_object, Bucket="media", Key=key, IfNoneMatch=got["ETag"])
    assert_refused("InvalidRange", 416, s3.get_object, Bucket="media", Key=key, Range="bytes=100000-")
    assert_refused("NoSuchKey", 404, s3.get_object, Bucket="media", Key="none")
    assert_refused("404", 404, s3.head_object, Bucket="media", Key="none")
    assert_refused("NoSuchBucket", 404, s3.list_objects_v2, Bucket="none")

    for number in range(25):
        s3.put_object(Bucket="media", Key=f"many/{number:03}", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="media", PaginationConfig={"PageSize": 10})
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert keys == [key] + [f"many/{number:03}" for number in range(25)], keys
    folders = s3.list_objects_v2(Bucket="media", Delimiter="/")["CommonPrefixes"]
    assert folders == [{"Prefix": "assets/"}, {"Prefix": "many/"}]
    deleted = s3.delete_objects(Bucket="media", Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(deleted["Deleted"]) == 26 and s3.list_objects_v2(Bucket="media")["KeyCount"] == 0


def multipart(folder):
    path = os.path.join(folder, "clip.mp4")
    body = os.urandom(17 * MIB)
    with open(path, "wb") as file:
        file.write(body)
    # Parts are sent by several threads, with the checksums that boto3 adds by default.
    transfer = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_file(path, "uploads", "clips/clip.mp4", Config=transfer)
    s3.download_file("uploads", "clips/clip.mp4", path + ".back", Config=transfer)
    with open(path + ".back", "rb") as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(body).digest()

    target = {"Bucket": "uploads", "Key": "clips/other.mp4"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target, ContentType="video/mp4")["UploadId"]}
    parts = []
    for number in (1, 2, 3):
        part = body[(number - 1) * 5 * MIB : number * 5 * MIB]
        etag = s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]
        parts.append({"PartNumber": number, "ETag": etag})
    listed = s3.list_parts(**upload)["Parts"]
    assert [(part["PartNumber"], part["ETag"], part["Size"]) for part in listed] == [
        (part["PartNumber"], part["ETag"], 5 * MIB) for part in parts
    ]
    assert [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket="uploads")["Uploads"]] == [
        upload["UploadId"]
    ]
    assert_refused(
        "InvalidPartOrder", 400, s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts[::-1]}
    )
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    assert done["ETag"].endswith('-3"') and done["ChecksumCRC64NVME"]
    assert s3.get_object(**target)["Body"].read() == body[: 15 * MIB]

    upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"part")
    s3.abort_multipart_upload(**upload)
    assert_refused("NoSuchUpload", 404, s3.list_parts, **upload)


def presigned():
    # boto3 presigns by version 2 unless `signature_version` is set.
    for signer in (s3, client(signature_version="s3v4")):
        key = {"Bucket": "uploads", "Key": "signed"}
        url = signer.generate_presigned_url("put_object", {**key, "ContentType": "video/mp4"}, 60)
        send(url)
        for wrong in (url.replace("/signed?", "/other?"), url.replace("&", "&partNumber=1&uploadId=1&", 1)):
            try:
                send(wrong)
            except urllib.error.HTTPError as error:
                assert error.code == 403, error
            else:
                raise AssertionError("a presigned URL was accepted for another request")
        with urllib.request.urlopen(signer.generate_presigned_url("get_object", key, 60)) as got:
            assert got.read() == b"signed"


def send(url):
    request = urllib.request.Request(url, b"signed", {"Content-Type": "video/mp4"}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def signed_parts():
    """Parts of an upload that declared CRC64NVME, by URLs that sign a part's checksum and length."""
    body, checksum, header = b"123456789", "rosUhgp5mIg=", "x-amz-checksum-crc64nvme"
    # boto3 computes no CRC64NVME by itself; by default it adds a CRC32.
    signer = client(signature_version="s3v4", request_checksum_calculation="when_required")
    target = {"Bucket": "uploads", "Key": "clips/signed.mp4"}
    declared = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    upload = {**target, "UploadId": signer.create_multipart_upload(**target, **declared)["UploadId"]}
    part = {**upload, "PartNumber": 1}
    assert_refused("InvalidRequest", 400, signer.upload_part, **part, Body=body)
    assert_refused("InvalidRequest", 400, s3.upload_part, **part, Body=body)
    assert_refused("BadDigest", 400, signer.upload_part, **part, Body=b"12345678", ChecksumCRC64NVME=checksum)
    bare = signer.generate_presigned_url("upload_part", part, 60)
    assert put_part(bare, body, {}) == (400, "InvalidRequest")
    assert put_part(bare, body, {header: checksum}) == (403, "AccessDenied")
    url = signer.generate_presigned_url(
        "upload_part", {**part, "ChecksumCRC64NVME": checksum, "ContentLength": len(body)}, 60
    )
    assert f"X-Amz-SignedHeaders=content-length%3Bhost%3B{header}&" in url, url
    assert put_part(url, b"12345678", {header: checksum}) == (403, "SignatureDoesNotMatch")
    assert put_part(url, body + b"0", {header: checksum}) == (403, "SignatureDoesNotMatch")
    assert put_part(url, body, {header: "AAAAAAAAAAA="}) == (403, "SignatureDoesNotMatch")
    assert put_part(url, body, {})[0] == 403
    assert put_part(url, b"987654321", {header: checksum}) == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(**upload)
    assert put_part(url, body, {header: checksum}) == (200, "")

    listed = s3.list_parts(**upload)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ("CRC64NVME", "FULL_OBJECT")
    assert [(entry["ChecksumCRC64NVME"], entry["Size"]) for entry in listed["Parts"]] == [(checksum, len(body))]
    stored = {"PartNumber": 1, "ETag": listed["Parts"][0]["ETag"], "ChecksumCRC64NVME": checksum}

    def complete(**settings):
        parts = [{**stored, **settings.pop("part", {})}]
        wanted = {"ChecksumCRC64NVME": checksum, "ChecksumType": "FULL_OBJECT", "MpuObjectSize": len(body)}
        return {**upload, "MultipartUpload": {"Parts": parts}, **wanted, **settings}

    wrong = "AAAAAAAAAAA="
    call = s3.complete_multipart_upload
    assert_refused("InvalidPart", 400, call, **complete(part={"ChecksumCRC64NVME": wrong}))
    assert_refused("BadDigest", 400, call, **complete(ChecksumCRC64NVME=wrong))
    assert_refused("InvalidRequest", 400, call, **complete(MpuObjectSize=len(body) + 1))
    assert call(**complete())["ChecksumCRC64NVME"] == checksum
    assert s3.head_object(**target, ChecksumMode="ENABLED")["ChecksumCRC64NVME"] == checksum


def put_part(url, body, headers):
    """Status and S3 error code of a part's `PUT`."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT")) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, re.search("<Code>(.*)</Code>", error.read().decode())[1]


def cors():
    rule = {"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET"], "ExposeHeaders": ["ETag"]}
    s3.put_bucket_cors(Bucket="media", CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket="media")["CORSRules"] == [rule]
    s3.delete_bucket_cors(Bucket="media")
    assert_refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket="media")


def cli(folder):
    def aws(*arguments):
        command = [sys.executable, "-m", "awscli", "--endpoint-url", ENDPOINT, "s3", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    path = os.path.join(folder, "clip.mp4")
    aws("cp", path, "s3://uploads/cli/clip.mp4")
    assert "clip.mp4" in aws("ls", "s3://uploads/cli/")
    aws("cp", "s3://uploads/cli/clip.mp4", path + ".cli")
    with open(path, "rb") as sent, open(path + ".cli", "rb") as back:
        assert sent.read() == back.read()
    aws("mv", "s3://uploads/signed", "s3://media/moved")
    assert s3.get_object(Bucket="media", Key="moved")["Body"].read() == b"signed"
    aws("rm", "--recursive", "s3://uploads/")
    assert s3.list_objects_v2(Bucket="uploads")["KeyCount"] == 0


with tempfile.TemporaryDirectory() as folder:
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["media", "uploads"]
    objects()
    multipart(folder)
    presigned()
    signed_parts()
    cors()
    cli(folder)
print("passed")
