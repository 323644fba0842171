"""The doctor examines a stack in moto: a healthy one is well, and each thing broken is found and named.

Usage: doctor_moto.py. Says `content` in its last line.
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

import doctor  # noqa: E402  (of deploy/, which `stack` has put on the path)


class Net:
    """What the network would answer, in place of CloudFront, API and S3."""

    def __init__(self):
        self.cdn, self.around, self.strangers, self.preflight = 401, 403, 403, 204

    def http(self, method, url, headers=None, body=None):
        got = email.message.Message()
        if method == "OPTIONS":
            got["access-control-allow-origin"] = headers["Origin"]
            return self.preflight, got, b""
        if "cloudfront.net" in url:
            got["content-type"] = "application/problem+json"
            return self.cdn, got, b"{}"
        return self.around if "execute-api" in url else self.strangers, got, b""


def session():
    """moto keeps whether events go to EventBridge, but doesn't tell; what was put is told here."""
    made = boto3.Session()
    made.events.register("after-call.s3.GetBucketNotificationConfiguration", told)
    return made


TOLD = {"EventBridgeConfiguration": {}}


def told(parsed, **_):
    parsed.update(TOLD)


def examined(ids, net):
    """The checks that fail, and all that is said."""
    doctor.http = net.http
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        failed = doctor.examine(doctor.Stack("demo", session()))
    return failed, said.getvalue()


def rolled_back(ids, net):
    (stack,) = cloudformation_backends["123456789012"]["us-east-1"].stacks.values()
    stack.status = "ROLLBACK_COMPLETE"


def off_rule(ids, net):
    boto3.client("events").disable_rule(Name=ids["JobStateRule"])


def lost_target(ids, net):
    boto3.client("events").remove_targets(Rule=ids["ObjectCreatedRule"], Ids=["edge"])


def no_cors(ids, net):
    boto3.client("s3").delete_bucket_cors(Bucket=ids["UploadBucket"])


def cors(ids, **changes):
    s3 = boto3.client("s3")
    (rule,) = s3.get_bucket_cors(Bucket=ids["UploadBucket"])["CORSRules"]
    s3.put_bucket_cors(Bucket=ids["UploadBucket"], CORSConfiguration={"CORSRules": [rule | changes]})


def unexposed(ids, net):
    cors(ids, ExposeHeaders=["ETag"])


def one_origin(ids, net):
    cors(ids, AllowedOrigins=["https://site.example"])


def public(ids, net):
    boto3.client("s3").delete_public_access_block(Bucket=ids["MediaBucket"])


def half_public(ids, net):
    block = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": True,
    }
    boto3.client("s3").put_public_access_block(Bucket=ids["UploadBucket"], PublicAccessBlockConfiguration=block)


def no_lifecycle(ids, net):
    boto3.client("s3").delete_bucket_lifecycle(Bucket=ids["UploadBucket"])


def no_events(ids, net):
    TOLD.clear()


def no_role(ids, net):
    iam, name = boto3.client("iam"), ids["MediaConvertRole"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def trusting_role(ids, net):
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    boto3.client("iam").update_assume_role_policy(RoleName=ids["MediaConvertRole"], PolicyDocument=document)


def other_role(ids, net):
    function = boto3.client("lambda")
    env = function.get_function_configuration(FunctionName=ids["Edge"])["Environment"]["Variables"]
    env = {name: str(value) for name, value in env.items()} | {
        "MEDIA_CONVERT_ROLE": "arn:aws:iam::123456789012:role/other"
    }
    function.update_function_configuration(FunctionName=ids["Edge"], Environment={"Variables": env})


def no_recovery(ids, net):
    off = {"PointInTimeRecoveryEnabled": False}
    boto3.client("dynamodb").update_continuous_backups(
        TableName=ids["CatalogTable"], PointInTimeRecoverySpecification=off
    )


def dead_letter(ids, net):
    boto3.client("sqs").send_message(QueueUrl=ids["DeadLetters"], MessageBody="{}")


def wrong_secret(ids, net):
    net.cdn = 403


def open_api(ids, net):
    net.around = 401


def open_bucket(ids, net):
    net.strangers = 200


def no_preflight(ids, net):
    net.preflight = 404


# How to break it, the check that must fail, and what it must name.
HARMS = [
    (rolled_back, "the stack is complete", "delete-stack --stack-name demo"),
    (off_rule, "EventBridge's rules", "JobStateRule"),
    (lost_target, "EventBridge's rules", "doesn't lead to the function"),
    (no_cors, "lets browsers", "has no CORS rules"),
    (unexposed, "lets browsers", "x-amz-checksum-crc64nvme"),
    (one_origin, "lets browsers", "http://localhost:3000"),
    (public, "closed to the public", "mediabucket"),
    (half_public, "closed to the public", "lacks BlockPublicPolicy"),
    (no_lifecycle, "tells EventBridge", "for ever"),
    (no_events, "tells EventBridge", "sends no events"),
    (no_role, "MediaConvert may assume", "NoSuchEntity"),
    (trusting_role, "MediaConvert may assume", "ec2.amazonaws.com"),
    (other_role, "MediaConvert may assume", "role/other"),
    (no_recovery, "the table is active", "point-in-time recovery"),
    (dead_letter, "no event was given up", "1 events"),
    (wrong_secret, "the CDN leads", "origin secret"),
    (open_api, "around the CDN", "the API answers 401"),
    (open_bucket, "around the CDN", "to strangers"),
    (no_preflight, "may call the API", "404"),
]


def main():
    for harm, check, names in [(None, "", ""), *HARMS]:
        TOLD["EventBridgeConfiguration"] = {}
        with mock_aws(config={"lambda": {"use_docker": False}}):
            ids, net = create(GOOD), Net()
            if harm:
                harm(ids, net)
            failed, said = examined(ids, net)
            if not harm:
                assert failed == [] and said.count("ok ") == len(doctor.CHECKS), said
                continue
            assert len(failed) == 1 and check in failed[0], f"{harm.__name__}: {said}"
            told_of_it = said.partition("FAILED")[2]
            assert names in told_of_it and "to mend it: " in told_of_it, f"{harm.__name__}: {said}"
    print("content")


if __name__ == "__main__":
    main()
