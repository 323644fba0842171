"""Tests of the template's roles and resource policies, by a small evaluator of IAM policies.

Usage: iam.py. Prints `passed` as its last line.
"""

import os
import re

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

import cfnlint.helpers  # noqa: E402
from cfnlint.data import AdditionalSpecs  # noqa: E402
from stack import FULL, GOOD, cfn  # noqa: E402

# AWS's service authorization reference, a file of cfn-lint.
REFERENCE = cfnlint.helpers.load_resource(AdditionalSpecs, "Policies.json")


def as_list(value):
    return value if isinstance(value, list) else [value]


def matches(pattern, value):
    """Whether a value matches an IAM pattern with * and ?."""
    translated = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(translated, value, re.DOTALL) is not None


def condition_holds(conditions, context):
    """All operators and keys must match, each by any of its values. A missing key fails, except with IfExists."""
    for operator, keys in conditions.items():
        plain = operator.removesuffix("IfExists")
        for key, values in keys.items():
            if key not in context:
                if plain == operator:
                    return False
                continue
            test = {
                "StringEquals": lambda value: value == context[key],
                "StringLike": lambda value: matches(value, context[key]),
                "ArnEquals": lambda value: matches(value, context[key]),
                "ArnLike": lambda value: matches(value, context[key]),
                "Bool": lambda value: str(value).lower() == str(context[key]).lower(),
            }[plain]
            if not any(test(value) for value in as_list(values)):
                return False
    return True


def allowed(statements, action, resource, context=None, principal=None):
    """Evaluates like IAM: a Deny wins, otherwise an Allow is required."""
    allow = False
    for statement in statements:
        assert set(statement) <= {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}, statement
        applies = (
            any(matches(pattern.lower(), action.lower()) for pattern in as_list(statement["Action"]))
            and any(matches(pattern, resource) for pattern in as_list(statement.get("Resource", "*")))
            and _principal_matches(statement.get("Principal", "*"), principal)
            and condition_holds(statement.get("Condition", {}), context or {})
        )
        if applies and statement["Effect"] == "Deny":
            return False
        allow |= applies
    return allow


def _principal_matches(declared, principal):
    return declared == "*" or principal in as_list(declared.get("Service", [])) + as_list(declared.get("AWS", []))


def evaluator_follows_iam():
    """Deny, wildcards, case, missing keys and IfExists."""
    allow = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/b?"}
    assert allowed([allow], "s3:getobject", "arn:aws:s3:::a/bc") and not allowed(
        [allow], "s3:GetObject", "arn:aws:s3:::a/bcd"
    )
    assert not allowed([allow, allow | {"Effect": "Deny"}], "s3:GetObject", "arn:aws:s3:::a/bc")
    assert not allowed([], "s3:GetObject", "arn:aws:s3:::a/bc")
    conditional = allow | {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}
    assert not allowed([conditional], "s3:GetObject", "arn:aws:s3:::a/bc")
    assert allowed([conditional], "s3:GetObject", "arn:aws:s3:::a/bc", {"aws:SourceAccount": "1"})
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


UPLOAD = f"{UPLOADS}/inputs/a b+ü.mp4"
CAPTIONS = f"{UPLOADS}/captions/a/pt-BR.srt"


def secret(name):
    return arn("secretsmanager", f"secret:{name}-AbCdEf")


def common_permissions(logs):
    """What both functions need."""
    return [
        ("s3:GetObject", UPLOAD, {}),
        ("s3:AbortMultipartUpload", UPLOAD, {}),
        ("s3:GetObject", CAPTIONS, {}),
        ("s3:AbortMultipartUpload", CAPTIONS, {}),
        ("s3:ListBucket", UPLOADS, {}),
        ("s3:ListBucket", UPLOADS, {"s3:prefix": "inputs/"}),
        *((f"dynamodb:{action}", TABLE, {}) for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")),
        ("dynamodb:Query", f"{TABLE}/index/by-owner", {}),
        ("dynamodb:Query", f"{TABLE}/index/unfinished", {}),
        ("secretsmanager:GetSecretValue", secret("UploadTokenSecret"), {}),
        ("secretsmanager:GetSecretValue", secret("OriginSecret"), {}),
        ("secretsmanager:BatchGetSecretValue", "*", {}),
        ("logs:CreateLogStream", arn("logs", f"log-group:demo-{logs}:log-stream:1"), {}),
        ("logs:PutLogEvents", arn("logs", f"log-group:demo-{logs}:log-stream:1"), {}),
        ("xray:PutTraceSegments", "*", {}),
    ]


HTTP_ONLY = [
    ("s3:PutObject", UPLOAD, {}),
    ("s3:ListMultipartUploadParts", UPLOAD, {}),
    ("s3:PutObject", CAPTIONS, {}),
    ("s3:ListMultipartUploadParts", CAPTIONS, {}),
]
EVENTS_ONLY = [
    ("s3:DeleteObject", UPLOAD, {}),
    ("s3:DeleteObject", CAPTIONS, {}),
    ("s3:ListBucket", UPLOADS, {"s3:prefix": "captions/a/"}),
    ("s3:DeleteObject", f"{MEDIA}/assets/MP4/a_540.mp4", {}),
    ("s3:GetObject", f"{MEDIA}/assets/Storyboards/a.0000000.jpg", {}),
    ("s3:GetObject", f"{MEDIA}/assets/Thumbnails/a.0000001.jpg", {}),
    ("s3:PutObject", f"{MEDIA}/assets/Storyboards/a.vtt", {}),
    ("s3:GetObject", f"{MEDIA}/assets/HLS/a.m3u8", {}),
    ("s3:PutObject", f"{MEDIA}/assets/HLS/a.m3u8", {}),
    ("dynamodb:GetRecords", f"{TABLE}/stream/2026-01-01T00:00:00.000", {}),
    ("s3:ListBucket", MEDIA, {"s3:prefix": "assets/Thumbnails/ID."}),
    ("mediaconvert:CreateJob", QUEUE, {}),
    ("mediaconvert:SearchJobs", QUEUE, {}),
    ("mediaconvert:GetJob", JOB, {}),
    ("mediaconvert:CancelJob", JOB, {}),
    ("mediaconvert:TagResource", JOB, {}),
    ("mediaconvert:Probe", "*", {}),
    ("iam:PassRole", ROLE, {"iam:PassedToService": MC}),
    ("sqs:SendMessage", arn("sqs", "demo-deadletters"), {}),
]
# What neither function may do.
FORBIDDEN = [
    ("s3:PutObject", "arn:aws:s3:::demo-uploadbucket-of-others/inputs/a.mp4", {}),
    ("s3:GetObject", "arn:aws:s3:::another/inputs/a.mp4", {}),
    ("s3:PutObject", f"{UPLOADS}/assets/a.mp4", {}),
    ("s3:PutObject", f"{MEDIA}/index.html", {}),
    ("s3:GetObject", f"{MEDIA}/index.html", {}),
    ("s3:DeleteObject", f"{UPLOADS}/others.mp4", {}),
    ("s3:DeleteObject", f"{MEDIA}/index.html", {}),
    ("s3:PutObjectAcl", UPLOAD, {}),
    ("s3:PutBucketPolicy", UPLOADS, {}),
    ("s3:DeleteBucket", UPLOADS, {}),
    ("s3:ListBucket", UPLOADS, {"s3:prefix": ""}),
    ("s3:ListBucket", MEDIA, {}),
    ("s3:ListBucket", "arn:aws:s3:::another", {}),
    ("s3:ListAllMyBuckets", "*", {}),
    ("mediaconvert:CreateJob", arn("mediaconvert", "queues/Expensive"), {}),
    ("mediaconvert:CreateJob", arn("mediaconvert", "queues/Default", "eu-west-1"), {}),
    ("mediaconvert:SearchJobs", arn("mediaconvert", "queues/Expensive"), {}),
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
    ("secretsmanager:GetSecretValue", secret("another"), {}),
    ("secretsmanager:PutSecretValue", secret("OriginSecret"), {}),
    ("sts:AssumeRole", arn("iam", "role/Admin", ""), {}),
]


def function_roles_are_minimal():
    """Each function's role allows what that function does: the one that the internet reaches can neither start jobs nor
    touch outputs, and the other can't store any uploads."""
    resources = cfn.Template(GOOD).resources()
    for role, logs, own, others in [
        ("EdgeRole", "edgelogs", HTTP_ONLY, EVENTS_ONLY),
        ("EventsRole", "eventslogs", EVENTS_ONLY, HTTP_ONLY),
    ]:
        statements = statements_of(resources, role)
        for action, resource, context in common_permissions(logs) + own:
            assert allowed(statements, action, resource, context), f"{role} can't {action} on {resource}"
        for action, resource, context in FORBIDDEN + others:
            assert not allowed(statements, action, resource, context), f"{role} can {action} on {resource}"
    assert resources["Edge"]["Properties"]["Role"].endswith("role/demo-edgerole")
    assert resources["Events"]["Properties"]["Role"].endswith("role/demo-eventsrole")
    full = cfn.Template(FULL).resources()
    for name, value in full["Edge"]["Properties"]["Environment"]["Variables"].items():
        if value.startswith("arn:aws:secretsmanager:"):
            for role in ("EdgeRole", "EventsRole"):
                assert allowed(statements_of(full, role), "secretsmanager:GetSecretValue", value), f"{role}: {name}"


def media_convert_role_is_minimal():
    """MediaConvert may read inputs and write assets, for jobs of this account only."""
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


def bucket_policies_are_minimal():
    """Plain HTTP is denied; only this distribution may read the media bucket's assets."""
    resources = cfn.Template(GOOD).resources()
    policies = {
        name: resources[name]["Properties"]["PolicyDocument"]["Statement"]
        for name in ("UploadBucketPolicy", "MediaBucketPolicy")
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
    dead_letters = arn("sqs", "demo-deadletters")
    assert allowed(queue, "sqs:SendMessage", dead_letters, rule, "events.amazonaws.com")
    assert not allowed(
        queue, "sqs:SendMessage", dead_letters, {"aws:SourceArn": arn("events", "rule/another")}, "events.amazonaws.com"
    )


def only_api_and_rules_may_invoke():
    """Only the stack's own API may invoke the one function, only its rules and the catalog's stream the other."""
    resources = cfn.Template(GOOD).resources()
    permissions = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::Permission"]
    sources = {(one["FunctionName"], one["Principal"], one["SourceArn"]) for one in permissions}
    assert sources == {
        (arn("lambda", "function:demo-edge:live"), "apigateway.amazonaws.com", arn("execute-api", "demo-api/*")),
        *(
            ("demo-events", "events.amazonaws.com", arn("events", f"rule/demo-{rule}rule"))
            for rule in ("objectcreated", "jobstate", "reconcile")
        ),
    }
    assert not any(one["Type"] == "AWS::Lambda::Url" for one in resources.values())
    routes = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::ApiGatewayV2::Route"]
    targets = {}
    for route in routes:
        (integration,) = [name for name in resources if route["Target"] == f"integrations/demo-{name.lower()}"]
        targets[route["RouteKey"]] = resources[integration]["Properties"]["IntegrationUri"]
    assert targets == {"ANY /api/{proxy+}": arn("lambda", "function:demo-edge:live")}, targets
    (mapping,) = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Lambda::EventSourceMapping"]
    assert mapping["FunctionName"].endswith("function:demo-events"), mapping
    assert mapping["EventSourceArn"].startswith(TABLE + "/stream/"), mapping


def wildcards_are_minimal():
    """No Allow has a wildcard action; a wildcard resource is used only for actions that support no resources."""
    unrestricted = set()
    for role in ("EdgeRole", "EventsRole", "MediaConvertRole"):
        for statement in statements_of(cfn.Template(FULL).resources(), role):
            for action in as_list(statement["Action"]):
                assert "*" not in action, f"{role} allows {action}"
                service, name = action.lower().split(":")
                known = REFERENCE[service]["Actions"]
                assert name in known, f"{action} doesn't exist"
                if "*" in as_list(statement["Resource"]):
                    assert not known[name].get("Resources"), (
                        f"{action} could be allowed on {known[name]['Resources']} only"
                    )
                    unrestricted.add(action)
    assert unrestricted == {
        "dynamodb:ListStreams",
        "mediaconvert:Probe",
        "secretsmanager:BatchGetSecretValue",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }, unrestricted


CHECKS = [
    evaluator_follows_iam,
    function_roles_are_minimal,
    media_convert_role_is_minimal,
    bucket_policies_are_minimal,
    only_api_and_rules_may_invoke,
    wildcards_are_minimal,
]

if __name__ == "__main__":
    for check in CHECKS:
        check()
    print("passed")
