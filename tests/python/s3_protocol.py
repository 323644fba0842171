"""Requests that the clients of S3 send, and what S3 answers: one function for each behaviour.

Usage: s3_protocol.py ENDPOINT. Runs all, prints the failed ones, and `passed` as its last line if there is none.
"""

import base64
import email.utils
import hashlib
import http.client
import os
import sys
import time
import traceback
import urllib.parse
import zlib

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.exceptions

ENDPOINT = sys.argv[1]
HOST = ENDPOINT.removeprefix("http://")
MIB = 1024 * 1024
BUCKET = "protocol"


def client(**settings):
    config = botocore.config.Config(
        s3={"addressing_style": "path"}, signature_version="s3v4", retries={"total_max_attempts": 1}, **settings
    )
    return boto3.client("s3", endpoint_url=ENDPOINT, config=config)


s3 = client()
CREDENTIALS = boto3.Session().get_credentials()
REGION = "us-east-1"


def signer(content_sha256):
    auth = botocore.auth.S3SigV4Auth(CREDENTIALS, "s3", REGION)
    # As given: botocore would compute another.
    auth.payload = lambda request: content_sha256
    return auth


def send(method, path, headers=None, body=b"", host=None, sign=True):
    """Status, headers and body of a signed request. `body` may be an iterable, which is sent in HTTP chunks."""
    address = f"http://{host or HOST}{path}"
    headers = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", **(headers or {})} if sign else headers or {}
    if sign:
        request = botocore.awsrequest.AWSRequest(method, address, headers)
        signer(headers["x-amz-content-sha256"]).add_auth(request)
        headers = dict(request.headers)
    connection = http.client.HTTPConnection(HOST, timeout=60)
    chunked = not isinstance(body, bytes)
    if host:
        headers = {"host": host, **headers}
    connection.request(method, path, body, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def code(answer):
    """Status and error code of an answer."""
    status, _, body = answer
    return status, body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


def refused(call, **arguments):
    """Status and error code of a call that must fail."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    raise AssertionError("was not refused")


def equal(actual, expected):
    assert actual == expected, f"{actual} instead of {expected}"


def put(key, body=b"", **arguments):
    return s3.put_object(Bucket=BUCKET, Key=key, Body=body, **arguments)


def get(key, **arguments):
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)


def md5(data):
    return hashlib.md5(data).hexdigest()


def listing_version_1():
    for name in ("a", "b/1", "b/2", "c", "d/1"):
        put(f"v1/{name}")
    keys = [entry.key for entry in boto3.resource("s3", endpoint_url=ENDPOINT).Bucket(BUCKET).objects.filter(Prefix="v1/")]
    equal(keys, ["v1/a", "v1/b/1", "v1/b/2", "v1/c", "v1/d/1"])
    pages = s3.get_paginator("list_objects").paginate(
        Bucket=BUCKET, Prefix="v1/", Delimiter="/", PaginationConfig={"PageSize": 1}
    )
    pages = list(pages)
    entries = [
        entry.get("Key") or entry.get("Prefix")
        for page in pages
        for entry in page.get("Contents", []) + page.get("CommonPrefixes", [])
    ]
    equal(entries, ["v1/a", "v1/b/", "v1/c", "v1/d/"])
    page = s3.list_objects(Bucket=BUCKET, Prefix="v1/", Marker="v1/b/1", MaxKeys=1)
    equal([entry["Key"] for entry in page["Contents"]], ["v1/b/2"])
    assert page["IsTruncated"] and "NextMarker" not in page and page["Contents"][0]["Owner"]["ID"]


def streamed_body_without_length():
    """`aws-chunked` over `Transfer-Encoding: chunked`, as the JavaScript SDK sends any stream."""
    data = os.urandom(100_000)
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()

    def body(trailer):
        for start in range(0, len(data), 65536):
            part = data[start : start + 65536]
            yield f"{len(part):x}\r\n".encode() + part + b"\r\n"
        yield b"0\r\n" + f"x-amz-checksum-crc32:{trailer}\r\n\r\n".encode()

    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked",
        "transfer-encoding": "chunked",
    }
    equal(code(send("PUT", f"/{BUCKET}/stream", headers, body(crc))), (200, ""))
    got = get("stream", ChecksumMode="ENABLED")
    equal((got["Body"].read() == data, got["ChecksumCRC32"], got.get("ContentEncoding")), (True, crc, None))
    equal(code(send("PUT", f"/{BUCKET}/wrong", headers, body("AAAAAA=="))), (400, "BadDigest"))
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="stream")["UploadId"]
    equal(code(send("PUT", f"/{BUCKET}/stream?partNumber=1&uploadId={upload}", headers, body(crc))), (200, ""))
    equal(s3.list_parts(Bucket=BUCKET, Key="stream", UploadId=upload)["Parts"][0]["Size"], len(data))
    longer = {**headers, "x-amz-decoded-content-length": str(len(data) + 1)}
    equal(send("PUT", f"/{BUCKET}/wrong", longer, body(crc))[0], 400)


def signed_chunks_without_length():
    """Chunks that are signed one by one (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`)."""
    data = os.urandom(70_000)

    def put_signed(key, tampered):
        headers = {
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-decoded-content-length": str(len(data)),
            "content-encoding": "aws-chunked",
            "transfer-encoding": "chunked",
        }
        path = f"/{BUCKET}/{key}"
        request = botocore.awsrequest.AWSRequest("PUT", ENDPOINT + path, headers)
        auth = signer(headers["x-amz-content-sha256"])
        auth.add_auth(request)
        date = request.headers["X-Amz-Date"]
        scope = f"{date[:8]}/{REGION}/s3/aws4_request"
        signature = request.headers["Authorization"].rpartition("Signature=")[2]
        empty = hashlib.sha256(b"").hexdigest()
        body = []
        for part in (data[:65536], data[65536:], b""):
            text = "\n".join(
                ["AWS4-HMAC-SHA256-PAYLOAD", date, scope, signature, empty, hashlib.sha256(part).hexdigest()]
            )
            signature = auth.signature(text, request)
            sent = part[::-1] if tampered and part else part
            body.append(f"{len(part):x};chunk-signature={signature}\r\n".encode() + sent + b"\r\n")
        connection = http.client.HTTPConnection(HOST, timeout=60)
        connection.request("PUT", path, iter(body), dict(request.headers), encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    equal(code(put_signed("chunks", False)), (200, ""))
    assert get("chunks")["Body"].read() == data
    equal(code(put_signed("tampered", True)), (403, "SignatureDoesNotMatch"))


def etags_are_md5():
    data = os.urandom(1000)
    equal(put("etag", data)["ETag"], f'"{md5(data)}"')
    equal(s3.head_object(Bucket=BUCKET, Key="etag")["ETag"], f'"{md5(data)}"')
    parts = [os.urandom(5 * MIB), b"last"]
    etags = multipart("etag-parts", parts)
    equal(etags[:-1], [f'"{md5(part)}"' for part in parts])
    joined = b"".join(hashlib.md5(part).digest() for part in parts)
    equal(etags[-1], f'"{md5(joined)}-2"')
    copied = s3.copy_object(Bucket=BUCKET, Key="etag-copy", CopySource=f"{BUCKET}/etag-parts")
    equal(copied["CopyObjectResult"]["ETag"], f'"{md5(b"".join(parts))}"')


def multipart(key, bodies, part_arguments=None, **arguments):
    """Uploads parts; returns their ETags and that of the object."""
    target = {"Bucket": BUCKET, "Key": key}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target, **arguments)["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        stored = s3.upload_part(**upload, PartNumber=number, Body=body, **(part_arguments or {}))
        parts.append({"PartNumber": number, "ETag": stored["ETag"]})
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    return [part["ETag"] for part in parts] + [done["ETag"]]


def part_copies():
    data = os.urandom(6 * MIB)
    multipart("part-source", [data[: 5 * MIB], data[5 * MIB :]])
    target = {"Bucket": BUCKET, "Key": "part-copy"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    source = {"CopySource": {"Bucket": BUCKET, "Key": "part-source"}}
    first = s3.upload_part_copy(**upload, **source, PartNumber=1, CopySourceRange=f"bytes=100-{5 * MIB + 999}")
    equal(first["CopyPartResult"]["ETag"], f'"{md5(data[100 : 5 * MIB + 1000])}"')
    second = s3.upload_part_copy(**upload, **source, PartNumber=2)
    for wrong in ("bytes=5-", "bytes=9-5", f"bytes=0-{len(data)}", "0-5"):
        equal(
            refused(s3.upload_part_copy, **upload, **source, PartNumber=3, CopySourceRange=wrong),
            (400, "InvalidArgument"),
        )
    stale = {**upload, **source, "PartNumber": 3, "CopySourceIfMatch": '"0"'}
    equal(refused(s3.upload_part_copy, **stale), (412, "PreconditionFailed"))
    missing = {**upload, "PartNumber": 3, "CopySource": f"{BUCKET}/none"}
    equal(refused(s3.upload_part_copy, **missing), (404, "NoSuchKey"))
    parts = [{"PartNumber": n, "ETag": r["CopyPartResult"]["ETag"]} for n, r in ((1, first), (2, second))]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert get("part-copy")["Body"].read() == data[100 : 5 * MIB + 1000] + data


def buckets_are_deleted_when_empty():
    s3.create_bucket(Bucket="short-lived")
    s3.put_object(Bucket="short-lived", Key="a", Body=b"")
    equal(refused(s3.delete_bucket, Bucket="short-lived"), (409, "BucketNotEmpty"))
    s3.delete_object(Bucket="short-lived", Key="a")
    s3.create_multipart_upload(Bucket="short-lived", Key="open")
    s3.delete_bucket(Bucket="short-lived")
    equal(refused(s3.head_bucket, Bucket="short-lived"), (404, "404"))
    equal(refused(s3.delete_bucket, Bucket="short-lived"), (404, "NoSuchBucket"))
    elsewhere = {"LocationConstraint": "eu-west-1"}
    equal(
        refused(s3.create_bucket, Bucket="elsewhere", CreateBucketConfiguration=elsewhere),
        (400, "IllegalLocationConstraintException"),
    )


def parts_of_an_object_are_readable_by_number():
    first, last = os.urandom(5 * MIB), os.urandom(10)
    multipart("numbered", [first, last])
    got = get("numbered", PartNumber=2)
    equal((got["Body"].read(), got["PartsCount"], got["ResponseMetadata"]["HTTPStatusCode"]), (last, 2, 206))
    equal(got["ContentRange"], f"bytes {5 * MIB}-{5 * MIB + 9}/{5 * MIB + 10}")
    head = s3.head_object(Bucket=BUCKET, Key="numbered", PartNumber=1)
    equal((head["ContentLength"], head["PartsCount"]), (5 * MIB, 2))
    equal(refused(get, key="numbered", PartNumber=3), (416, "InvalidPartNumber"))
    equal(refused(get, key="numbered", PartNumber=1, Range="bytes=0-1"), (400, "InvalidRequest"))
    put("single", b"abc")
    single = get("single", PartNumber=1)
    equal((single["Body"].read(), single.get("PartsCount")), (b"abc", None))
    equal(refused(get, key="single", PartNumber=2), (416, "InvalidPartNumber"))


def virtual_host_style():
    port = HOST.rpartition(":")[2]
    host = f"{BUCKET}.localhost:{port}"
    equal(send("PUT", "/virtual", body=b"abc", host=host)[0], 200)
    equal(get("virtual")["Body"].read(), b"abc")
    equal(send("GET", "/virtual", host=host)[2], b"abc")
    assert b"<Key>virtual</Key>" in send("GET", "/?prefix=virtual", host=host)[2]
    rule = {"AllowedOrigins": ["http://page"], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    asked = {"origin": "http://page", "access-control-request-method": "PUT"}
    status, headers, _ = send("OPTIONS", "/virtual", asked, host=host, sign=False)
    equal((status, headers["access-control-allow-origin"]), (200, "http://page"))
    headers = send("PUT", "/virtual", {"origin": "http://page"}, b"abc", host=host)[1]
    equal(headers["access-control-allow-origin"], "http://page")
    s3.delete_bucket_cors(Bucket=BUCKET)


def presigned(seconds=60, operation="get_object", **arguments):
    url = s3.generate_presigned_url(operation, {"Bucket": BUCKET, "Key": "presigned", **arguments}, seconds)
    return url.removeprefix(ENDPOINT)


def presigned_urls_have_the_limits_of_s3():
    put("presigned", b"abc")
    equal(send("GET", presigned(604800), sign=False)[2], b"abc")
    too_long = code(send("GET", presigned(604801), sign=False))
    equal(too_long, (400, "AuthorizationQueryParametersError"))
    both = send("GET", presigned(), {"authorization": "Bearer token"}, sign=False)
    equal(code(both), (400, "InvalidArgument"))


def headers_in_the_query_of_a_presigned_url_count():
    """The JavaScript SDK signs `x-amz-*` headers as parameters."""
    request = botocore.awsrequest.AWSRequest("PUT", f"{ENDPOINT}/{BUCKET}/hoisted?x-amz-checksum-crc32=NSRBwg%3D%3D")
    botocore.auth.S3SigV4QueryAuth(CREDENTIALS, "s3", REGION, 60).add_auth(request)
    path = request.url.removeprefix(ENDPOINT)
    equal(code(send("PUT", path, body=b"abc", sign=False)), (200, ""))
    equal(code(send("PUT", path, body=b"abd", sign=False)), (400, "BadDigest"))
    request = botocore.awsrequest.AWSRequest("PUT", f"{ENDPOINT}/{BUCKET}/hoisted?x-amz-acl=public-read")
    botocore.auth.S3SigV4QueryAuth(CREDENTIALS, "s3", REGION, 60).add_auth(request)
    answer = send("PUT", request.url.removeprefix(ENDPOINT), body=b"abc", sign=False)
    equal(code(answer), (400, "AccessControlListNotSupported"))


def copies():
    put("copied", b"abc", ContentType="text/a", Metadata={"a": "1"}, Tagging="x=1", StorageClass="STANDARD_IA")
    source = {"CopySource": f"{BUCKET}/copied"}
    equal(refused(s3.copy_object, Bucket=BUCKET, Key="copied", **source), (400, "InvalidRequest"))
    s3.copy_object(Bucket=BUCKET, Key="copied", **source, MetadataDirective="REPLACE", ContentType="text/b")
    got = get("copied")
    equal((got["Body"].read(), got["ContentType"], got["Metadata"], got["TagCount"]), (b"abc", "text/b", {}, 1))
    equal(code(copy_with({"if-none-match": "*"})), (412, "PreconditionFailed"))
    equal(code(copy_with({"if-match": '"0"'})), (412, "PreconditionFailed"))
    equal(code(copy_with({"if-match": got["ETag"]})), (200, ""))
    s3.copy_object(Bucket=BUCKET, Key="other", **source, TaggingDirective="REPLACE", Tagging="y=2")
    equal(s3.get_object_tagging(Bucket=BUCKET, Key="other")["TagSet"], [{"Key": "y", "Value": "2"}])
    s3.copy_object(Bucket=BUCKET, Key="summed", **source, ChecksumAlgorithm="SHA256")
    expected = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    equal(get("summed", ChecksumMode="ENABLED")["ChecksumSHA256"], expected)


def copy_with(headers):
    put("copy-source", b"abc")
    return send("PUT", f"/{BUCKET}/copied", {"x-amz-copy-source": f"/{BUCKET}/copy-source", **headers})


def deletions_with_conditions():
    etag = put("deleted", b"abc")["ETag"]
    equal(refused(s3.delete_object, Bucket=BUCKET, Key="deleted", IfMatch='"0"'), (412, "PreconditionFailed"))
    several = [{"Key": "deleted", "ETag": '"0"'}, {"Key": "never"}]
    result = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": several})
    equal([(e["Key"], e["Code"]) for e in result["Errors"]], [("deleted", "PreconditionFailed")])
    equal([e["Key"] for e in result["Deleted"]], ["never"])
    get("deleted")
    equal(refused(s3.delete_object, Bucket=BUCKET, Key="deleted", VersionId="1")[0], 501)
    s3.delete_object(Bucket=BUCKET, Key="deleted", IfMatch=etag)
    equal(refused(get, key="deleted"), (404, "NoSuchKey"))


def unknown_subresources_change_nothing():
    put("kept", b"abc")
    for query in ("renameObject", "partNumber=1", "retention", "legal-hold", "anything", "acl", "versionId=1"):
        equal(code(send("PUT", f"/{BUCKET}/kept?{query}", body=b"")), (501, "NotImplemented"))
    equal(code(send("PUT", f"/{BUCKET}/kept?uploadId=1", body=b"")), (400, "InvalidArgument"))
    equal(code(send("PUT", f"/{BUCKET}/kept", {"x-amz-rename-source": "/a"}, b"")), (501, "NotImplemented"))
    equal(code(send("GET", f"/{BUCKET}?versions")), (501, "NotImplemented"))
    equal(code(send("DELETE", f"/{BUCKET}?policy")), (501, "NotImplemented"))
    equal(get("kept")["Body"].read(), b"abc")


def identical_completion_is_answered_again():
    target = {"Bucket": BUCKET, "Key": "twice"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"abc")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    first = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    second = s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    equal(second["ETag"], first["ETag"])
    other = {"Parts": [{"PartNumber": 2, "ETag": etag}]}
    equal(refused(s3.complete_multipart_upload, **upload, MultipartUpload=other), (404, "NoSuchUpload"))
    s3.put_object(**target, Body=b"new")
    equal(refused(s3.complete_multipart_upload, **upload, MultipartUpload=parts), (404, "NoSuchUpload"))
    equal(get("twice")["Body"].read(), b"new")


def attributes_are_kept_or_refused():
    put("kept", b"abc", Tagging="a=1&b=%C3%BC", StorageClass="STANDARD_IA", ServerSideEncryption="AES256", ACL="private")
    head = s3.head_object(Bucket=BUCKET, Key="kept")
    equal((head["StorageClass"], head["ServerSideEncryption"]), ("STANDARD_IA", "AES256"))
    tags = s3.get_object_tagging(Bucket=BUCKET, Key="kept")["TagSet"]
    equal(tags, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü"}])
    equal([e["StorageClass"] for e in s3.list_objects_v2(Bucket=BUCKET, Prefix="kept")["Contents"]], ["STANDARD_IA"])
    s3.put_object_tagging(Bucket=BUCKET, Key="kept", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    equal(get("kept")["TagCount"], 1)
    s3.delete_object_tagging(Bucket=BUCKET, Key="kept")
    equal(s3.get_object_tagging(Bucket=BUCKET, Key="kept")["TagSet"], [])
    equal(s3.get_object_acl(Bucket=BUCKET, Key="kept")["Grants"][0]["Permission"], "FULL_CONTROL")
    for arguments, expected in (
        ({"ACL": "public-read"}, (400, "AccessControlListNotSupported")),
        ({"GrantRead": "id=1"}, (501, "NotImplemented")),
        ({"ServerSideEncryption": "aws:kms"}, (501, "NotImplemented")),
        ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}, (501, "NotImplemented")),
        ({"StorageClass": "DEEP_ARCHIVE"}, (501, "NotImplemented")),
        ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": 2_000_000_000}, (501, "NotImplemented")),
        ({"WebsiteRedirectLocation": "/a"}, (501, "NotImplemented")),
        ({"Metadata": {"a": "x" * 2048}}, (400, "MetadataTooLarge")),
        ({"Tagging": "a=1&a=2"}, (400, "InvalidTag")),
    ):
        unencrypted = client()
        call = {"Bucket": BUCKET, "Key": "refused", "Body": b"", **arguments}
        # SSE-C keys are refused by botocore itself without TLS.
        unencrypted.meta.events.unregister("before-parameter-build.s3.PutObject", unique_id="sse-md5")
        equal((arguments, refused(unencrypted.put_object, **call)), (arguments, expected))
    equal(refused(get, key="refused"), (404, "NoSuchKey"))


def checksums_of_all_algorithms():
    data = [os.urandom(5 * MIB), b"last"]

    def sha256(part):
        return hashlib.sha256(part).digest()

    put("sha256", b"abc", ChecksumAlgorithm="SHA256")
    equal(
        get("sha256", ChecksumMode="ENABLED")["ChecksumSHA256"], base64.b64encode(sha256(b"abc")).decode()
    )
    target = {"Bucket": BUCKET, "Key": "composite"}
    created = s3.create_multipart_upload(**target, ChecksumAlgorithm="SHA256")
    equal(created["ChecksumType"], "COMPOSITE")
    upload = {**target, "UploadId": created["UploadId"]}
    parts = []
    for number, body in enumerate(data, 1):
        stored = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": stored["ETag"], "ChecksumSHA256": stored["ChecksumSHA256"]})
    listed = s3.list_parts(**upload)["Parts"]
    equal([part["ChecksumSHA256"] for part in listed], [part["ChecksumSHA256"] for part in parts])
    wrong = [{**parts[0], "ChecksumSHA256": parts[1]["ChecksumSHA256"]}, parts[1]]
    equal(refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": wrong}), (400, "InvalidPart"))
    bare = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    equal(refused(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": bare}), (400, "InvalidRequest"))
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    composite = base64.b64encode(sha256(b"".join(sha256(part) for part in data))).decode() + "-2"
    equal((done["ChecksumSHA256"], done["ChecksumType"]), (composite, "COMPOSITE"))
    equal(s3.head_object(**target, ChecksumMode="ENABLED")["ChecksumSHA256"], composite)

    created = s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    upload = {**target, "UploadId": created["UploadId"]}
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(data, 1)
    ]
    crc = base64.b64encode(zlib.crc32(b"".join(data)).to_bytes(4, "big")).decode()
    finish = {**upload, "MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
    equal(refused(s3.complete_multipart_upload, **finish, ChecksumCRC32="AAAAAA=="), (400, "BadDigest"))
    equal(s3.complete_multipart_upload(**finish, ChecksumCRC32=crc)["ChecksumCRC32"], crc)
    sha_full = {**target, "ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}
    equal(refused(s3.create_multipart_upload, **sha_full), (400, "InvalidRequest"))


def response_headers_are_replaced_in_head_too():
    put("replaced", b"abc", ContentType="text/a")
    for call in (s3.get_object, s3.head_object):
        got = call(
            Bucket=BUCKET, Key="replaced", ResponseContentType="text/b", ResponseContentDisposition="attachment"
        )
        equal((got["ContentType"], got["ContentDisposition"]), ("text/b", "attachment"))


def ranges():
    put("presigned", b"0123456789")
    etag, modified = get("presigned")["ETag"], get("presigned")["LastModified"]

    def read(**headers):
        status, _, body = send("GET", presigned(), {n.replace("_", "-"): v for n, v in headers.items()}, sign=False)
        return status, body

    equal(read(range="bytes=2-4"), (206, b"234"))
    # Several ranges, and ranges that are none, are answered with the object, as S3 does.
    for other in ("bytes=0-1,4-5", "lines=1-2", "bytes=x"):
        equal(read(range=other), (200, b"0123456789"))
    equal(read(range="bytes=2-4", if_range=etag), (206, b"234"))
    equal(read(range="bytes=2-4", if_range='"0"'), (200, b"0123456789"))
    date = email.utils.formatdate(modified.timestamp(), usegmt=True)
    equal(read(range="bytes=2-4", if_range=date), (206, b"234"))
    equal(read(range="bytes=2-4", if_range="Sun, 06 Nov 1994 08:49:37 GMT"), (200, b"0123456789"))


def dates_in_three_forms():
    put("presigned", b"abc")
    later = time.gmtime(time.time() + 86400)
    for form in ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"):
        date = time.strftime(form, later)
        equal((form, send("GET", presigned(), {"if-modified-since": date}, sign=False)[0]), (form, 304))
        equal((form, send("GET", presigned(), {"if-unmodified-since": date}, sign=False)[0]), (form, 200))
    equal(send("GET", presigned(), {"if-modified-since": "yesterday"}, sign=False)[0], 200)


def listing_version_2_details():
    put("v2/a")
    put("v2/b")
    page = s3.list_objects_v2(Bucket=BUCKET, Prefix="v2/", MaxKeys=1)
    assert "Owner" not in page["Contents"][0]
    owned = s3.list_objects_v2(Bucket=BUCKET, Prefix="v2/", FetchOwner=True)
    assert owned["Contents"][0]["Owner"]["ID"]
    following = s3.list_objects_v2(Bucket=BUCKET, Prefix="v2/", ContinuationToken=page["NextContinuationToken"])
    equal([entry["Key"] for entry in following["Contents"]], ["v2/b"])
    for wrong in ("", "abcd", "dG9rZW4", "%"):
        equal(
            (wrong, refused(s3.list_objects_v2, Bucket=BUCKET, ContinuationToken=wrong)),
            (wrong, (400, "InvalidArgument")),
        )
    put("v2/\x01control")
    raw = boto3.client("s3", endpoint_url=ENDPOINT)
    equal(raw.list_objects_v2(Bucket=BUCKET, Prefix="v2/\x01")["Contents"][0]["Key"], "v2/\x01control")


def empty_delimiter_is_none():
    put("delimiter/a")
    for call in (s3.list_objects, s3.list_objects_v2):
        page = call(Bucket=BUCKET, Prefix="delimiter/", Delimiter="")
        equal(("Delimiter" in page, len(page["Contents"])), (False, 1))


def buckets_are_listed_in_pages():
    names = [f"{BUCKET}-page-{index}" for index in range(3)]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = s3.get_paginator("list_buckets").paginate(Prefix=f"{BUCKET}-page-", PaginationConfig={"PageSize": 2})
    equal([[bucket["Name"] for bucket in page["Buckets"]] for page in pages], [names[:2], names[2:]])
    equal(s3.list_buckets(BucketRegion="eu-west-1")["Buckets"], [])
    for wrong in ({"MaxBuckets": 10_001}, {"ContinuationToken": "%"}):
        equal((wrong, refused(client(parameter_validation=False).list_buckets, **wrong)), (wrong, (400, "InvalidArgument")))


def errors_have_the_request_id():
    for method, path, sign in (("GET", f"/{BUCKET}/missing", True), ("GET", f"/{BUCKET}?policy", True), ("GET", "/", False)):
        status, headers, body = send(method, path, sign=sign)
        identifier = headers["x-amz-request-id"]
        assert status >= 400 and f"<RequestId>{identifier}</RequestId>".encode() in body, (path, body)


def tags_are_counted():
    put("tagged", Tagging="a=1&b=2")
    for call in (s3.get_object, s3.head_object):
        headers = call(Bucket=BUCKET, Key="tagged")["ResponseMetadata"]["HTTPHeaders"]
        equal(headers["x-amz-tagging-count"], "2")
        assert "x-amz-tagging-count" not in call(Bucket=BUCKET, Key="delimiter/a")["ResponseMetadata"]["HTTPHeaders"]


def parts_tell_the_encryption_of_their_upload():
    put("plain", b"abc")
    arguments = {"Bucket": BUCKET, "Key": "encrypted"}
    upload = s3.create_multipart_upload(**arguments, ServerSideEncryption="AES256")["UploadId"]
    part = {**arguments, "UploadId": upload, "PartNumber": 1}
    copied = s3.upload_part_copy(**part, CopySource=f"{BUCKET}/plain")
    for answer in (s3.upload_part(**part, Body=b"abc"), copied):
        equal(answer["ServerSideEncryption"], "AES256")
    s3.abort_multipart_upload(**arguments, UploadId=upload)


def encoding_of_the_transfer_is_not_kept():
    for sent, kept in (("deflate, aws-chunked, gzip", "deflate, gzip"), ("gzip, aws-chunked", "gzip"), ("aws-chunked", None)):
        put("encoded", ContentEncoding=sent)
        equal((sent, get("encoded").get("ContentEncoding")), (sent, kept))


def object_replaced_while_it_is_read():
    parts = [os.urandom(8 * MIB), os.urandom(8 * MIB)]
    multipart("replaced-object", parts)
    body = get("replaced-object")["Body"]
    first = body.read(1000)
    put("replaced-object", b"new")
    assert first + body.read() == b"".join(parts), "the rest is not of the object that was asked for"
    equal(get("replaced-object")["Body"].read(), b"new")


def main():
    s3.create_bucket(Bucket=BUCKET)
    behaviours = [
        value
        for name, value in globals().items()
        if callable(value) and getattr(value, "__module__", "") == "__main__" and name not in HELPERS
    ]
    failed = []
    for behaviour in behaviours:
        try:
            behaviour()
        except Exception:
            failed.append(behaviour.__name__)
            print(f"{behaviour.__name__}:\n{traceback.format_exc()}", file=sys.stderr)
    print("failed: " + " ".join(failed) if failed else "passed")


HELPERS = ("client", "signer", "send", "code", "refused", "equal", "put", "get", "md5", "multipart", "presigned", "copy_with", "main")
main()
