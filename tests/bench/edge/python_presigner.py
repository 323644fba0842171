"""Presigns parts in Python by boto3, run by awslambdaric."""

import json
import os

import boto3
from botocore.config import Config

# Created once at start, as AWS recommends.
S3 = boto3.client("s3", config=Config(signature_version="s3v4", s3={"addressing_style": "path"}))
BUCKET = os.environ["UPLOAD_BUCKET"]


def handler(event, context):
    request = json.loads(event["body"])
    parts = [
        {
            "partNumber": part["partNumber"],
            "url": S3.generate_presigned_url(
                "upload_part",
                Params={
                    "Bucket": BUCKET,
                    "Key": "inputs/v.mp4",
                    "UploadId": "u",
                    "PartNumber": part["partNumber"],
                    "ContentLength": part["size"],
                    "ChecksumCRC64NVME": part["checksum"],
                },
                ExpiresIn=3600,
            ),
        }
        for part in request["parts"]
    ]
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"parts": parts}),
    }
