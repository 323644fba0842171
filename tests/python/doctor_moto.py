"""Tests of doctor.py on a stack in moto: a healthy stack passes all checks, and each fault fails the right one.

Usage: doctor_moto.py. Prints `passed` as its last line.
"""

import contextlib
import email.message
import io
import json
import os

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3  # noqa: E402
from moto import mock_aws  # noqa: E402
from moto.cloudformation.models import cloudformation_backends  # noqa: E402
from stack import GOOD, create  # noqa: E402

import doctor  # noqa: E402  (of deploy/, which `stack` puts on the path)


class FakeHttp:
    """HTTP replies in place of CloudFront, API and S3: the status of each kind of request."""

    def __init__(self):
        self.cdn, self.api_origin, self.bucket, self.preflight = 401, 403, 403, 204
        self.gateway_headers, self.media_preflight = True, 200

    def http(self, method, url, headers=None, body=None):
        reply_headers = email.message.Message()
        if method == "OPTIONS":
            reply_headers["access-control-allow-origin"] = headers["Origin"]
            return self.media_preflight if "/assets/" in url else self.preflight, reply_headers, b""
        if "cloudfront.net" in url:
            reply_headers["content-type"] = "application/problem+json"
            if url.endswith("/api/") and self.gateway_headers:
                reply_headers["access-control-allow-origin"] = headers["Origin"]
                reply_headers["strict-transport-security"] = "max-age=31536000"
            return self.cdn, reply_headers, b"{}"
        return self.api_origin if "execute-api" in url else self.bucket, reply_headers, b""


def session():
    """A session that adds EventBridge to notification configurations, which moto stores but doesn't return."""
    session = boto3.Session()
    session.events.register("after-call.s3.GetBucketNotificationConfiguration", add_notifications)
    return session


NOTIFICATIONS = {"EventBridgeConfiguration": {}}


def add_notifications(parsed, **_):
    parsed.update(NOTIFICATIONS)


def run_doctor(http):
    """The failed checks, and the output."""
    doctor.http = http.http
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        stack = doctor.Stack("demo", session())
        failed = doctor.run_checks(stack)
        doctor.print_points(stack, None, failed)
    return failed, output.getvalue()


def roll_back(ids, http):
    (stack,) = cloudformation_backends["123456789012"]["us-east-1"].stacks.values()
    stack.status = "ROLLBACK_COMPLETE"


def disable_rule(ids, http):
    boto3.client("events").disable_rule(Name=ids["JobStateRule"])


def remove_target(ids, http):
    boto3.client("events").remove_targets(Rule=ids["ObjectCreatedRule"], Ids=["edge"])


def delete_cors(ids, http):
    boto3.client("s3").delete_bucket_cors(Bucket=ids["UploadBucket"])


def change_cors(ids, **changes):
    s3 = boto3.client("s3")
    (rule,) = s3.get_bucket_cors(Bucket=ids["UploadBucket"])["CORSRules"]
    s3.put_bucket_cors(Bucket=ids["UploadBucket"], CORSConfiguration={"CORSRules": [rule | changes]})


def allow_content_type_only(ids, http):
    change_cors(ids, AllowedHeaders=["Content-Type"])


def allow_one_origin(ids, http):
    change_cors(ids, AllowedOrigins=["https://site.example"])


def delete_public_access_block(ids, http):
    boto3.client("s3").delete_public_access_block(Bucket=ids["MediaBucket"])


def allow_bucket_policy(ids, http):
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": True,
    }
    boto3.client("s3").put_public_access_block(Bucket=ids["UploadBucket"], PublicAccessBlockConfiguration=block)


def delete_lifecycle(ids, http):
    boto3.client("s3").delete_bucket_lifecycle(Bucket=ids["UploadBucket"])


def disable_eventbridge(ids, http):
    NOTIFICATIONS.clear()


def delete_role(ids, http):
    iam, name = boto3.client("iam"), ids["MediaConvertRole"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def trust_ec2(ids, http):
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    boto3.client("iam").update_assume_role_policy(RoleName=ids["MediaConvertRole"], PolicyDocument=document)


def configure_other_role(ids, http):
    function = boto3.client("lambda")
    env = function.get_function_configuration(FunctionName=ids["Edge"])["Environment"]["Variables"]
    env = {name: str(value) for name, value in env.items()} | {
        "MEDIA_CONVERT_ROLE": "arn:aws:iam::123456789012:role/other"
    }
    function.update_function_configuration(FunctionName=ids["Edge"], Environment={"Variables": env})


def disable_recovery(ids, http):
    off = {"PointInTimeRecoveryEnabled": False}
    boto3.client("dynamodb").update_continuous_backups(
        TableName=ids["CatalogTable"], PointInTimeRecoverySpecification=off
    )


def send_dead_letter(ids, http):
    boto3.client("sqs").send_message(QueueUrl=ids["DeadLetters"], MessageBody="{}")


def refuse_origin_secret(ids, http):
    http.cdn = 403


def open_api_origin(ids, http):
    http.api_origin = 401


def open_bucket(ids, http):
    http.bucket = 200


def refuse_preflight(ids, http):
    http.preflight = 404


def drop_gateway_headers(ids, http):
    http.gateway_headers = False


def refuse_media_preflight(ids, http):
    http.media_preflight = 403


def allow_stranger(ids, http):
    boto3.client("lambda").add_permission(
        FunctionName=ids["Events"], StatementId="x", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )


# Fault, name of the check that must fail, and a text that its message must contain.
FAULTS = [
    (roll_back, "the stack is complete", "delete-stack --stack-name demo"),
    (disable_rule, "EventBridge's rules", "JobStateRule"),
    (remove_target, "EventBridge's rules", "doesn't target the function"),
    (delete_cors, "lets browsers", "has no CORS rules"),
    (allow_content_type_only, "lets browsers", "x-amz-checksum-crc64nvme"),
    (allow_one_origin, "lets browsers", "http://localhost:3000"),
    (delete_public_access_block, "closed to the public", "mediabucket"),
    (allow_bucket_policy, "closed to the public", "lacks BlockPublicPolicy"),
    (delete_lifecycle, "notifies EventBridge", "never removes the parts"),
    (disable_eventbridge, "notifies EventBridge", "sends no events"),
    (delete_role, "MediaConvert may assume", "NoSuchEntity"),
    (trust_ec2, "MediaConvert may assume", "ec2.amazonaws.com"),
    (configure_other_role, "MediaConvert may assume", "role/other"),
    (disable_recovery, "the table is active", "point-in-time recovery"),
    (send_dead_letter, "dead-letter queue is empty", "1 events"),
    (refuse_origin_secret, "the CDN reaches", "origin secret"),
    (open_api_origin, "around the CDN", "the API answers 401"),
    (open_bucket, "around the CDN", "to unsigned requests"),
    (refuse_preflight, "may call the API", "404"),
    (drop_gateway_headers, "pages may read errors", "without CORS"),
    (refuse_media_preflight, "may fetch videos", "403"),
    (allow_stranger, "functions are active", "s3.amazonaws.com"),
]


def main():
    for fault, check, expected in [(None, "", ""), *FAULTS]:
        NOTIFICATIONS["EventBridgeConfiguration"] = {}
        with mock_aws(config={"lambda": {"use_docker": False}}):
            ids, http = create(GOOD), FakeHttp()
            if fault:
                fault(ids, http)
            failed, output = run_doctor(http)
            if not fault:
                assert "yes        CloudFormation" in output and "not tried  If-None-Match" in output, output
                assert failed == [] and output.count("ok ") == len(doctor.CHECKS), output
                continue
            assert len(failed) == 1 and check in failed[0], f"{fault.__name__}: {output}"
            if fault is drop_gateway_headers:
                assert "no         the gateway's own errors" in output, output
            message = output.partition("FAILED")[2]
            assert expected in message and "fix: " in message, f"{fault.__name__}: {output}"
    print("passed")


if __name__ == "__main__":
    main()
