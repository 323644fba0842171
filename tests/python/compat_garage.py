"""The edge with Garage as its storage: uploads with signed checksums, and without (`UPLOAD_CHECKSUM=none`).

Usage: compat_garage.py GARAGE LAMBDA_RUNTIME EDGE. Starts the three programs, prints each proof and `passed` at the end.
Garage is licensed under the AGPL, so it is only run, as a server of its own.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import botocore.config

GARAGE, LAMBDA_RUNTIME, EDGE = sys.argv[1:]
ROOT = pathlib.Path(__file__).parents[2]
MIB = 1024 * 1024
PAGE = "https://site.example"
CHECKSUM = "x-amz-checksum-crc64nvme"
START_TIMEOUT_SECONDS = 60
SECRET = secrets.token_hex(32)
ACCESS_KEY, SECRET_KEY = f"GK{secrets.token_hex(12)}", secrets.token_hex(32)

CONFIG = """
metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"

[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:{s3}"
"""


def crc64nvme(data):
    """CRC64NVME as S3 writes it: base64 of eight big-endian bytes."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x9A6C9329AC4BC9B5 if value & 1 else 0)
        table.append(value)
    crc = 2**64 - 1
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return base64.b64encode((crc ^ 2**64 - 1).to_bytes(8, "big")).decode()


def bearer():
    """A JWT that the edge accepts."""

    def encoded(part):
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    claims = {"sub": "garage", "exp": int(time.time()) + 3600}
    text = b".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return (text + b"." + encoded(hmac.digest(SECRET.encode(), text, hashlib.sha256))).decode()


def http(method, url, headers=None, body=None):
    """Status, headers and body of an answer."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def call(edge, method, path, body=None):
    """Status and JSON of a call of the edge."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {bearer()}"}
    status, _, text = http(method, edge + path, headers, body if body is None else json.dumps(body).encode())
    return status, json.loads(text) if text else None


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def garage(folder):
    """One node with an empty bucket, `uploads`."""
    rpc, s3 = free_ports(2)
    config = pathlib.Path(folder, "garage.toml")
    config.write_text(CONFIG.format(folder=folder, rpc=rpc, s3=s3, secret=secrets.token_hex(32)))
    config.chmod(0o600)
    names = {"ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY, "BUCKET": "uploads"}
    env = {**os.environ, "RUST_LOG": "error", **{f"GARAGE_DEFAULT_{name}": value for name, value in names.items()}}
    command = [GARAGE, "-c", config, "server", "--single-node", "--default-bucket"]
    server = subprocess.Popen(command, env=env)
    try:
        url = f"http://127.0.0.1:{s3}"
        settings = botocore.config.Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            request_checksum_calculation="when_required",
        )
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=settings,
        )
        wait_until_ready(server, client)
        yield url, client
    finally:
        server.terminate()
        server.wait()


def wait_until_ready(server, client):
    end = time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            return client.head_bucket(Bucket="uploads")
        except Exception:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def edge(folder, s3, checksum):
    """The edge's binary under the Lambda Runtime API; yields the address of its function URL."""
    env = {
        "ALLOWED_ORIGINS": PAGE,
        "AUTH_JWT_SECRET": SECRET,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL_S3": s3,
        "CATALOG": f"sqlite:{folder}/catalog-{checksum}.db",
        "CDN_BASE_URL": "https://cdn.example",
        "DESTINATION_BUCKET": "media",
        "MEDIA_CONVERT_ROLE": "arn:aws:iam::000000000000:role/garage",
        "UPLOAD_BUCKET": "uploads",
        "UPLOAD_CHECKSUM": checksum,
        "UPLOAD_TOKEN_SECRET": SECRET,
    }
    arguments = [argument for name, value in env.items() for argument in ("--env", f"{name}={value}")]
    command = [LAMBDA_RUNTIME, "--task", ROOT, *arguments, "--exit-with-parent", "--", EDGE]
    log = pathlib.Path(folder, f"edge-{checksum}.log")
    with log.open("w") as stderr:
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        yield server.stdout.readline().split()[1]
    except Exception:
        print(log.read_text(), file=sys.stderr)
        raise
    finally:
        server.stdin.close()
        server.wait()


def put(part, body, **changes):
    """Status and S3 error code of a part's `PUT`; a change of `None` leaves a header out."""
    headers = {**part.get("headers", {}), **{CHECKSUM: value for value in changes.values()}}
    headers = {name: value for name, value in headers.items() if value is not None}
    status, _, text = http("PUT", part["url"], {"origin": PAGE, **headers}, body)
    code = re.search("<Code>(.*)</Code>", text.decode())
    return status, code[1] if code else ""


def proved(what, actual, expected=True):
    assert actual == expected, f"{what}: {actual} instead of {expected}"
    print(f"  {what}: {'right' if expected is True else expected}")


def refused(what, answer, statuses):
    assert answer[0] in statuses, f"{what}: {answer}"
    print(f"  {what}: {answer[0]} {answer[1]}")


def upload(address, client, first, last, verified):
    """One upload of two parts, with every wrong request on the way."""
    body, sums = first + last, [crc64nvme(first), crc64nvme(last)]
    wanted = {"fileName": "clip.mp4", "size": len(body), "contentType": "video/mp4", "partSize": 5 * MIB}
    status, opened = call(address, "POST", "/uploads", {**wanted, "checksums": sums[:1]})
    assert status == 201, (status, opened)
    proved("the edge's checksum", opened["checksum"], "CRC64NVME" if verified else "none")
    path = f"/uploads/{opened['upload']}"
    part_one = opened["parts"][0]
    ask = {"partNumber": 2, "checksum": sums[1]} if verified else {"partNumber": 2}
    part_two = call(address, "POST", f"{path}/parts", {"parts": [ask]})[1]["parts"][0]
    proved("signed headers", part_one.get("headers", {}), {CHECKSUM: sums[0]} if verified else {})

    refused("part that is longer", put(part_two, last + b"x"), {403})
    refused("part that is shorter", put(part_two, last[:-1]), {403})
    if verified:
        refused("part without its checksum", put(part_two, last, checksum=None), {400, 403})
        refused("part with another checksum", put(part_two, last, checksum=sums[0]), {400, 403})
        refused("part with other bytes", put(part_two, last[::-1]), {400})
        bare = {"Bucket": "uploads", "Key": opened["key"], "PartNumber": 2}
        bare["UploadId"] = client.list_multipart_uploads(Bucket="uploads")["Uploads"][0]["UploadId"]
        url = client.generate_presigned_url("upload_part", bare, 60)
        refused("bare part under a declared checksum", put({"url": url}, last), {400})
    proved("first part", put(part_one, first), (200, ""))
    status, problem = call(address, "POST", f"{path}/complete", {"checksum": crc64nvme(body)})
    proved("completion without the second part", (status, problem["partNumbers"]), (409, [2]))
    proved("second part", put(part_two, last), (200, ""))
    listed = call(address, "GET", path)[1]["parts"]
    proved("listed checksums", [part.get("checksum") for part in listed], sums if verified else [None, None])
    if verified:
        status, problem = call(address, "POST", f"{path}/complete", {"checksum": sums[0]})
        proved("completion with another file's checksum", (status, problem["code"]), (409, "checksum_mismatch"))
    completed = [call(address, "POST", f"{path}/complete", {"checksum": crc64nvme(body)}) for _ in range(2)]
    proved("completion", (completed[0][0], completed[0][1].get("checksum")), (200, crc64nvme(body) if verified else None))
    proved("completion that is repeated", completed[1] == completed[0])
    stored = client.get_object(Bucket="uploads", Key=opened["key"])["Body"].read()
    proved("stored bytes", stored == body)


def preflight(s3, client):
    rule = {"AllowedOrigins": [PAGE], "AllowedMethods": ["PUT"], "AllowedHeaders": [CHECKSUM]}
    client.put_bucket_cors(Bucket="uploads", CORSConfiguration={"CORSRules": [rule]})
    asked = {"access-control-request-method": "PUT", "access-control-request-headers": CHECKSUM}
    status, headers, _ = http("OPTIONS", f"{s3}/uploads/inputs/clip.mp4", {"origin": PAGE, **asked})
    allowed = headers.get("access-control-allow-headers", "").lower()
    proved("preflight of a part", (status, headers.get("access-control-allow-origin"), allowed), (200, PAGE, CHECKSUM))


def main():
    first, last = os.urandom(5 * MIB), os.urandom(1000)
    with tempfile.TemporaryDirectory() as folder, garage(folder) as (s3, client):
        preflight(s3, client)
        for checksum in ("crc64nvme", "none"):
            print(f"UPLOAD_CHECKSUM={checksum}")
            with edge(folder, s3, checksum) as address:
                upload(address, client, first, last, checksum == "crc64nvme")
    print("passed")


main()
