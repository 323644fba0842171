"""Who may do what: a small evaluator of IAM policies, and by it the template's roles and bucket policies.

Usage: iam.py. Says `content` in its last line.
"""

import os
import re

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

import cfnlint.helpers  # noqa: E402
from cfnlint.data import AdditionalSpecs  # noqa: E402
from stack import FULL, GOOD, cfn  # noqa: E402

# AWS's service authorization reference, as cfn-lint brings it along.
REFERENCE = cfnlint.helpers.load_resource(AdditionalSpecs, "Policies.json")


def listed(value):
    return value if isinstance(value, list) else [value]


def like(pattern, value):
    """Whether a pattern of IAM with * and ? fits."""
    translated = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(translated, value, re.DOTALL) is not None


def condition_holds(conditions, context):
    """All operators, all keys; any of a key's values. A key that the request lacks fails, but for IfExists."""
    for operator, keys in conditions.items():
        plain = operator.removesuffix("IfExists")
        for key, wanted in keys.items():
            if key not in context:
                if plain == operator:
                    return False
                continue
            fits = {
                "StringEquals": lambda one: one == context[key],
                "StringLike": lambda one: like(one, context[key]),
                "ArnEquals": lambda one: like(one, context[key]),
                "ArnLike": lambda one: like(one, context[key]),
                "Bool": lambda one: str(one).lower() == str(context[key]).lower(),
            }[plain]
            if not any(fits(one) for one in listed(wanted)):
                return False
    return True


def allowed(statements, action, resource, context=None, principal=None):
    """As IAM decides: a Deny wins, then an Allow is needed."""
    allows = False
    for statement in statements:
        assert set(statement) <= {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}, statement
        fits = (
            any(like(one.lower(), action.lower()) for one in listed(statement["Action"]))
            and any(like(one, resource) for one in listed(statement.get("Resource", "*")))
            and _is(statement.get("Principal", "*"), principal)
            and condition_holds(statement.get("Condition", {}), context or {})
        )
        if fits and statement["Effect"] == "Deny":
            return False
        allows |= fits
    return allows


def _is(named, principal):
    return named == "*" or principal in listed(named.get("Service", [])) + listed(named.get("AWS", []))


def the_evaluator_can_judge():
    """It knows Deny, wildcards, case, missing keys and IfExists."""
    allow = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/b?"}
    assert allowed([allow], "s3:getobject", "arn:aws:s3:::a/bc") and not allowed(
        [allow], "s3:GetObject", "arn:aws:s3:::a/bcd"
    )
    assert not allowed([allow, allow | {"Effect": "Deny"}], "s3:GetObject", "arn:aws:s3:::a/bc")
    assert not allowed([], "s3:GetObject", "arn:aws:s3:::a/bc")
    where = allow | {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}
    assert not allowed([where], "s3:GetObject", "arn:aws:s3:::a/bc")
    assert allowed([where], "s3:GetObject", "arn:aws:s3:::a/bc", {"aws:SourceAccount": "1"})
    lenient = allow | {"Condition": {"StringLikeIfExists": {"s3:prefix": "in/*"}}}
    assert allowed([lenient], "s3:GetObject", "arn:aws:s3:::a/bc")
    assert not allowed([lenient], "s3:GetObject", "arn:aws:s3:::a/bc", {"s3:prefix": "out/"})


def statements_of(resources, role):
    policies = resources[role]["Properties"]["Policies"]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def arn(service, rest, region=cfn.REGION, account=cfn.ACCOUNT):
    return f"arn:aws:{service}:{region}:{account}:{rest}"


UPLOADS, MEDIA = "arn:aws:s3:::demo-uploadbucket", "arn:aws:s3:::demo-mediabucket"
TABLE, ROLE = arn("dynamodb", "table/demo-catalogtable"), arn("iam", "role/demo-mediaconvertrole", "")
QUEUE, JOB = arn("mediaconvert", "queues/Default"), arn("mediaconvert", "jobs/1793620800000-abc123")
MC = "mediaconvert.amazonaws.com"


def the_edge():
    """The function's role lets it do all of its work, and nothing to its neighbours."""
    statements = statements_of(cfn.Template(GOOD).resources(), "EdgeRole")
    film = f"{UPLOADS}/inputs/a b+ü.mp4"
    for action, resource, context in [
        *((f"s3:{action}", film, {}) for action in ("PutObject", "GetObject", "DeleteObject")),
        *((f"s3:{action}", film, {}) for action in ("AbortMultipartUpload", "ListMultipartUploadParts")),
        ("s3:ListBucket", UPLOADS, {}),
        ("s3:ListBucket", UPLOADS, {"s3:prefix": "inputs/"}),
        ("s3:ListBucket", MEDIA, {"s3:prefix": "assets/Thumbnails/ID."}),
        ("mediaconvert:CreateJob", QUEUE, {}),
        ("mediaconvert:SearchJobs", QUEUE, {}),
        ("mediaconvert:GetJob", JOB, {}),
        ("mediaconvert:TagResource", JOB, {}),
        ("mediaconvert:Probe", "*", {}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": MC}),
        *((f"dynamodb:{action}", TABLE, {}) for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")),
        ("dynamodb:Query", f"{TABLE}/index/by-owner", {}),
        ("dynamodb:Query", f"{TABLE}/index/unfinished", {}),
        ("sqs:SendMessage", arn("sqs", "demo-deadletters"), {}),
        ("logs:CreateLogStream", arn("logs", "log-group:demo-edgelogs:log-stream:1"), {}),
        ("logs:PutLogEvents", arn("logs", "log-group:demo-edgelogs:log-stream:1"), {}),
        ("xray:PutTraceSegments", "*", {}),
    ]:
        assert allowed(statements, action, resource, context), f"the edge can't {action} on {resource}"
    for action, resource, context in [
        ("s3:PutObject", "arn:aws:s3:::demo-uploadbucket-of-others/inputs/a.mp4", {}),
        ("s3:GetObject", "arn:aws:s3:::another/inputs/a.mp4", {}),
        ("s3:PutObject", f"{UPLOADS}/assets/a.mp4", {}),
        ("s3:PutObject", f"{MEDIA}/assets/MP4/a_540.mp4", {}),
        ("s3:GetObject", f"{MEDIA}/assets/MP4/a_540.mp4", {}),
        ("s3:DeleteObject", f"{MEDIA}/assets/MP4/a_540.mp4", {}),
        ("s3:PutObjectAcl", film, {}),
        ("s3:PutBucketPolicy", UPLOADS, {}),
        ("s3:DeleteBucket", UPLOADS, {}),
        ("s3:ListBucket", UPLOADS, {"s3:prefix": ""}),
        ("s3:ListBucket", MEDIA, {}),
        ("s3:ListBucket", "arn:aws:s3:::another", {}),
        ("s3:ListAllMyBuckets", "*", {}),
        ("mediaconvert:CreateJob", arn("mediaconvert", "queues/Expensive"), {}),
        ("mediaconvert:CreateJob", arn("mediaconvert", "queues/Default", "eu-west-1"), {}),
        ("mediaconvert:SearchJobs", arn("mediaconvert", "queues/Expensive"), {}),
        ("mediaconvert:CancelJob", JOB, {}),
        ("iam:PassRole", ROLE, {}),
        ("iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
        ("iam:PassRole", arn("iam", "role/Admin", ""), {"iam:PassedToService": MC}),
        ("dynamodb:Scan", TABLE, {}),
        ("dynamodb:DeleteTable", TABLE, {}),
        ("dynamodb:GetItem", arn("dynamodb", "table/another"), {}),
        ("dynamodb:Query", arn("dynamodb", "table/another/index/by-owner"), {}),
        ("sqs:SendMessage", arn("sqs", "another"), {}),
        ("sqs:ReceiveMessage", arn("sqs", "demo-deadletters"), {}),
        ("logs:PutLogEvents", arn("logs", "log-group:another:log-stream:1"), {}),
        ("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:any"), {}),
        ("sts:AssumeRole", arn("iam", "role/Admin", ""), {}),
    ]:
        assert not allowed(statements, action, resource, context), f"the edge can {action} on {resource}"


def the_converter():
    """MediaConvert, asked by this account alone, reads inputs and writes assets."""
    resources = cfn.Template(GOOD).resources()
    statements = statements_of(resources, "MediaConvertRole")
    assert allowed(statements, "s3:GetObject", f"{UPLOADS}/inputs/a.mp4")
    assert allowed(statements, "s3:PutObject", f"{MEDIA}/assets/HLS/a.m3u8")
    for action, resource in [
        ("s3:PutObject", f"{UPLOADS}/inputs/a.mp4"),
        ("s3:DeleteObject", f"{UPLOADS}/inputs/a.mp4"),
        ("s3:GetObject", "arn:aws:s3:::another/inputs/a.mp4"),
        ("s3:PutObject", f"{MEDIA}/index.html"),
    ]:
        assert not allowed(statements, action, resource), f"MediaConvert can {action} on {resource}"
    trust = resources["MediaConvertRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    ours = {"aws:SourceAccount": cfn.ACCOUNT, "aws:SourceArn": QUEUE}
    assert allowed(trust, "sts:AssumeRole", ROLE, ours, MC)
    assert not allowed(trust, "sts:AssumeRole", ROLE, ours, "lambda.amazonaws.com")
    theirs = {"aws:SourceAccount": "999999999999", "aws:SourceArn": QUEUE.replace(cfn.ACCOUNT, "999999999999")}
    assert not allowed(trust, "sts:AssumeRole", ROLE, theirs, MC)


def the_buckets():
    """No plain HTTP; of the media bucket's assets this distribution may read, and nobody else."""
    resources = cfn.Template(GOOD).resources()
    policies = {
        one: resources[one]["Properties"]["PolicyDocument"]["Statement"]
        for one in ("UploadBucketPolicy", "MediaBucketPolicy")
    }
    cdn = {"aws:SourceArn": arn("cloudfront", "distribution/demo-distribution", ""), "aws:SecureTransport": "true"}
    media = policies["MediaBucketPolicy"]
    assert allowed(media, "s3:GetObject", f"{MEDIA}/assets/a.ts", cdn, "cloudfront.amazonaws.com")
    assert not allowed(
        media,
        "s3:GetObject",
        f"{MEDIA}/assets/a.ts",
        cdn | {"aws:SecureTransport": "false"},
        "cloudfront.amazonaws.com",
    )
    assert not allowed(media, "s3:GetObject", f"{MEDIA}/other", cdn, "cloudfront.amazonaws.com")
    assert not allowed(media, "s3:PutObject", f"{MEDIA}/assets/a.ts", cdn, "cloudfront.amazonaws.com")
    another = cdn | {"aws:SourceArn": arn("cloudfront", "distribution/ANOTHER", "")}
    assert not allowed(media, "s3:GetObject", f"{MEDIA}/assets/a.ts", another, "cloudfront.amazonaws.com")
    assert not allowed(media, "s3:GetObject", f"{MEDIA}/assets/a.ts", {"aws:SecureTransport": "true"}, "stranger")
    for name, bucket in (("UploadBucketPolicy", UPLOADS), ("MediaBucketPolicy", MEDIA)):
        (deny,) = [one for one in policies[name] if one["Effect"] == "Deny"]
        everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}, deny]
        for resource in (bucket, f"{bucket}/inputs/a.mp4"):
            assert not allowed(everything, "s3:PutObject", resource, {"aws:SecureTransport": "false"})
            assert allowed(everything, "s3:PutObject", resource, {"aws:SecureTransport": "true"})
    queue = resources["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    rule = {"aws:SourceArn": arn("events", "rule/demo-jobstaterule")}
    dead = arn("sqs", "demo-deadletters")
    assert allowed(queue, "sqs:SendMessage", dead, rule, "events.amazonaws.com")
    assert not allowed(
        queue, "sqs:SendMessage", dead, {"aws:SourceArn": arn("events", "rule/another")}, "events.amazonaws.com"
    )


def who_may_invoke():
    """The function listens to its own API and rules only."""
    resources = cfn.Template(GOOD).resources()
    permissions = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::Permission"]
    sources = {(one["Principal"], one["SourceArn"]) for one in permissions}
    assert sources == {
        ("apigateway.amazonaws.com", arn("execute-api", "demo-api/*")),
        *(
            ("events.amazonaws.com", arn("events", f"rule/demo-{rule}rule"))
            for rule in ("objectcreated", "jobstate", "reconcile")
        ),
    }
    assert not any(one["Type"] == "AWS::Lambda::Url" for one in resources.values())


def stars():
    """No Allow of all actions of anything; all resources only for actions that AWS knows no resources of."""
    everywhere = set()
    for role in ("EdgeRole", "MediaConvertRole"):
        for statement in statements_of(cfn.Template(FULL).resources(), role):
            for action in listed(statement["Action"]):
                assert "*" not in action, f"{role} allows {action}"
                service, name = action.lower().split(":")
                known = REFERENCE[service]["Actions"]
                assert name in known, f"{action} doesn't exist"
                if "*" in listed(statement["Resource"]):
                    assert not known[name].get("Resources"), (
                        f"{action} could be allowed on {known[name]['Resources']} only"
                    )
                    everywhere.add(action)
    assert everywhere == {"mediaconvert:Probe", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}, everywhere


CHECKS = [the_evaluator_can_judge, the_edge, the_converter, the_buckets, who_may_invoke, stars]

if __name__ == "__main__":
    for check in CHECKS:
        check()
    print("content")
