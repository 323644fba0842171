"""Examines a living stack with the ordinary AWS credentials. Each check is one line, and what is wrong says how to
mend it. Changes nothing, but for a few bytes that are uploaded and aborted where a token is given.

Usage: doctor.py STACK [--region REGION] [--token TOKEN]; a token of @PATH is a file's content.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions

import cfn
import words

AGAIN = "run `cargo xtask deploy --stack {}` again"


class Trouble(Exception):
    """What is wrong, and how to mend it."""

    def __init__(self, what, mend):
        super().__init__(what)
        self.mend = mend


def must(holds, what, mend):
    if not holds:
        raise Trouble(what, mend)


def http(method, url, headers=None, body=None):
    """Status, headers and body of an answer, whatever its status."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()
    except OSError as error:
        # A part's URL is a secret; its path isn't.
        place = url.split("?")[0]
        raise Trouble(
            f"{place} can't be reached: {error}", "look whether the name resolves and a network is there"
        ) from None


class Stack:
    """What CloudFormation says that it has made."""

    def __init__(self, name, session):
        self.name, self.session = name, session
        cloudformation = session.client("cloudformation")
        (self.told,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.again = (cfn.DELETE if self.told["StackStatus"] in cfn.DEAD else AGAIN).format(name)
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in self.told.get("Outputs", [])}
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
        self.ids = {resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "") for resource in listed}

    def client(self, service):
        return self.session.client(service)

    def id(self, logical):
        must(self.ids.get(logical), f"the stack has no {logical}", self.again)
        return self.ids[logical]

    def output(self, name):
        must(name in self.outputs, f"the stack has no output {name}", self.again)
        return self.outputs[name]

    def function(self):
        return self.client("lambda").get_function_configuration(FunctionName=self.id("Edge"))

    def setting(self, name):
        """A variable of the function's environment."""
        return self.function().get("Environment", {}).get("Variables", {}).get(name, "")

    def origins(self):
        return [origin for origin in self.setting("ALLOWED_ORIGINS").split(",") if origin]


def is_complete(stack):
    """the stack is complete"""
    status = stack.told["StackStatus"]
    good = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE")
    must(status in good, f"the stack is in {status}", f"look at its events in the console; then {stack.again}")


def buckets_are_closed(stack):
    """both buckets are closed to the public"""
    for logical in ("UploadBucket", "MediaBucket"):
        bucket = stack.id(logical)
        try:
            answer = stack.client("s3").get_public_access_block(Bucket=bucket)
            flags = answer["PublicAccessBlockConfiguration"]
        except botocore.exceptions.ClientError as error:
            must(
                "NoSuchPublicAccessBlock" in error.response["Error"]["Code"],
                str(error),
                "ask for s3:GetBucketPublicAccessBlock",
            )
            flags = {}
        off = [flag for flag in _PUBLIC if not flags.get(flag)]
        must(not off, f"{bucket} lacks {', '.join(off)}", f"switch Block Public Access on for {bucket}, all four")


_PUBLIC = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def uploads_have_cors(stack):
    """the upload bucket lets browsers of the allowed origins send parts"""
    bucket = stack.id("UploadBucket")
    mend = f"remove what was changed of the CORS rules of {bucket} by hand and {stack.again}"
    try:
        rules = stack.client("s3").get_bucket_cors(Bucket=bucket)["CORSRules"]
    except botocore.exceptions.ClientError as error:
        raise Trouble(f"{bucket} has no CORS rules ({error.response['Error']['Code']})", mend) from None
    for origin in stack.origins():
        fitting = [rule for rule in rules if origin in rule["AllowedOrigins"] and "PUT" in rule["AllowedMethods"]]
        must(fitting, f"CORS of {bucket} doesn't let {origin} PUT", mend)
        exposed = {name.lower() for name in fitting[0].get("ExposeHeaders", [])}
        for header in ("etag", "x-amz-checksum-crc64nvme"):
            must(header in exposed, f"CORS of {bucket} doesn't expose {header}, so uploads can't be checked", mend)
    must(not any("*" in rule["AllowedOrigins"] for rule in rules), f"CORS of {bucket} allows every origin", mend)


def uploads_make_events(stack):
    """the upload bucket tells EventBridge of new objects, and drops unfinished parts"""
    s3, bucket = stack.client("s3"), stack.id("UploadBucket")
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    must(
        "EventBridgeConfiguration" in told,
        f"{bucket} sends no events to EventBridge",
        f"switch EventBridge on in the properties of {bucket}",
    )
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except botocore.exceptions.ClientError:
        rules = []
    aborts = any("AbortIncompleteMultipartUpload" in rule and rule["Status"] == "Enabled" for rule in rules)
    must(aborts, f"{bucket} keeps parts of unfinished uploads for ever, and they cost", stack.again)


def role_is_trusted(stack):
    """MediaConvert may assume its role, and the function names that role"""
    name = stack.id("MediaConvertRole")
    try:
        role = stack.client("iam").get_role(RoleName=name)["Role"]
    except botocore.exceptions.ClientError as error:
        raise Trouble(f"the role {name} can't be read: {error.response['Error']['Code']}", stack.again) from None
    statements = role["AssumeRolePolicyDocument"]["Statement"]
    services = [statement["Principal"].get("Service") for statement in statements if statement["Effect"] == "Allow"]
    must(
        services == ["mediaconvert.amazonaws.com"],
        f"the role {name} trusts {services}",
        f"let {name} trust mediaconvert.amazonaws.com alone",
    )
    named = stack.setting("MEDIA_CONVERT_ROLE")
    must(named == role["Arn"], f"the function names another role, {named}", stack.again)


def rules_are_on(stack):
    """EventBridge's rules are on and lead to the function"""
    events, arn = stack.client("events"), stack.function()["FunctionArn"]
    for logical in ("ObjectCreatedRule", "JobStateRule", "ReconcileRule"):
        rule = stack.id(logical).split("|")[-1]
        state = events.describe_rule(Name=rule)["State"]
        must(state == "ENABLED", f"the rule {rule} is {state}", f"enable it: aws events enable-rule --name {rule}")
        targets = [target["Arn"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
        must(arn in targets, f"the rule {rule} doesn't lead to the function", stack.again)


def function_is_ready(stack):
    """the function is active and may be called by the API and the rules"""
    function = stack.function()
    state, update = function.get("State", "Active"), function.get("LastUpdateStatus", "Successful")
    must(
        state == "Active" and update == "Successful",
        f"the function is {state}, its update {update}",
        f"wait a minute; then {stack.again}",
    )
    policy = stack.client("lambda").get_policy(FunctionName=function["FunctionName"])["Policy"]
    callers = [json.dumps(statement.get("Principal")) for statement in json.loads(policy)["Statement"]]
    for service in ("apigateway.amazonaws.com", "events.amazonaws.com"):
        must(any(service in caller for caller in callers), f"{service} may not call the function", stack.again)


def function_answers(stack):
    """the function starts, and takes events"""
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": stack.id("UploadBucket")}
    answer = stack.client("lambda").invoke(FunctionName=stack.id("Edge"), Payload=json.dumps(test))
    said = answer["Payload"].read().decode(errors="replace")
    must("FunctionError" not in answer, f"the function fails: {said[:300]}", "its log says which setting is wrong")


def table_is_whole(stack):
    """the table is active, with its indexes and point-in-time recovery"""
    dynamodb, name = stack.client("dynamodb"), stack.id("CatalogTable")
    table = dynamodb.describe_table(TableName=name)["Table"]
    must(table["TableStatus"] == "ACTIVE", f"the table {name} is {table['TableStatus']}", "wait a minute")
    indexes = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
    must({"by-owner", "unfinished"} <= indexes, f"the table {name} has the indexes {sorted(indexes)} only", stack.again)
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    state = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    must(state == "ENABLED", f"point-in-time recovery of {name} is {state}", f"switch it on for {name}")


def nothing_is_dead(stack):
    """no event was given up"""
    asked = {"QueueUrl": stack.id("DeadLetters"), "AttributeNames": ["ApproximateNumberOfMessages"]}
    count = stack.client("sqs").get_queue_attributes(**asked)["Attributes"]["ApproximateNumberOfMessages"]
    must(
        int(count) == 0,
        f"{count} events lie in the dead-letter queue",
        "read one in the SQS console: it says what failed; mend that, then invoke the function with it again",
    )


def cdn_leads_to_the_edge(stack):
    """the CDN leads to the edge, which asks for a token"""
    status, headers, body = http("GET", stack.output("CdnBaseUrl") + "/api/videos")
    kind = headers.get("content-type", "")
    holds = status == 401 and kind.startswith("application/problem+json")
    hint = "a 403 says that the origin secret differs: " if status == 403 else ""
    must(holds, f"GET /api/videos without a token answers {status} {kind} {body[:100]!r}", hint + stack.again)


def nobody_comes_around(stack):
    """neither the API nor the buckets can be reached around the CDN"""
    status, _, _ = http("GET", stack.output("ApiOrigin") + "/api/videos")
    must(
        status == 403,
        f"the API answers {status} to whoever comes around CloudFront",
        "look whether the function has ORIGIN_SECRET; " + stack.again,
    )
    region = stack.session.region_name
    for logical, key in (("MediaBucket", "assets/doctor"), ("UploadBucket", "inputs/doctor")):
        bucket = stack.id(logical)
        status, _, _ = http("GET", f"https://{bucket}.s3.{region}.amazonaws.com/{key}")
        must(status == 403, f"{bucket} answers {status} to strangers", f"switch Block Public Access on for {bucket}")


def pages_may_call(stack):
    """pages of the allowed origins may call the API"""
    for origin in stack.origins():
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        status, headers, _ = http("OPTIONS", stack.output("CdnBaseUrl") + "/api/uploads", asked)
        allowed = headers.get("access-control-allow-origin")
        must(
            status < 300 and allowed == origin,
            f"a preflight from {origin} is answered {status}, allowing {allowed}",
            f"name {origin} in AllowedOrigins; {stack.again}",
        )


def round_trip(endpoint, token, origin=None):
    """Uploads a few bytes as a browser does, looks whether they arrived, and aborts."""
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = b"the doctor was here\n"
    wanted = {"fileName": "doctor.mp4", "size": len(body), "contentType": "video/mp4"}
    status, _, said = http("POST", endpoint + "/uploads", bearer, json.dumps(wanted).encode())
    must(
        status == 201,
        f"POST /uploads answers {status}: {said[:300].decode(errors='replace')}",
        "a 401 says that the token doesn't fit AuthJwtSecret, AuthAudience or AuthIssuer",
    )
    opened = json.loads(said)
    upload = f"{endpoint}/uploads/{urllib.parse.quote(opened['upload'], safe='')}"
    try:
        (part,) = opened["parts"]
        headers = {**part.get("headers", {}), **({"Origin": origin} if origin else {})}
        status, got, said = http("PUT", part["url"], headers, body)
        must(
            status == 200,
            f"S3 answers {status} to a signed part: {said[:200].decode(errors='replace')}",
            "look at the function's role: it signs, and S3 judges by what it may do",
        )
        if origin:
            allowed, exposed = (
                got.get("access-control-allow-origin"),
                got.get("access-control-expose-headers", "").lower(),
            )
            must(
                allowed in (origin, "*") and "etag" in exposed,
                f"S3 lets {origin} read too little of its answer",
                "look at the CORS rules of the upload bucket",
            )
        status, _, said = http("GET", upload, bearer)
        stored = [one["size"] for one in json.loads(said).get("parts", [])]
        must(
            status == 200 and stored == [len(body)],
            f"GET /uploads answers {status} with parts of {stored} bytes",
            "look at the function's log",
        )
    finally:
        status, _, _ = http("DELETE", upload, bearer)
    must(status == 204, f"DELETE /uploads answers {status}", "look at the function's log")


CHECKS = [
    is_complete,
    buckets_are_closed,
    uploads_have_cors,
    uploads_make_events,
    role_is_trusted,
    rules_are_on,
    function_is_ready,
    function_answers,
    table_is_whole,
    nothing_is_dead,
    cdn_leads_to_the_edge,
    nobody_comes_around,
    pages_may_call,
]


def examine(stack, token=None, checks=CHECKS):
    """Runs the checks; the names of those that failed."""
    named = [(check.__doc__, lambda check=check: check(stack)) for check in checks]
    if token:
        trip = lambda: round_trip(stack.output("CdnBaseUrl") + "/api", token, stack.origins()[0])
        named.append(("a signed round trip: opened, sent, listed, aborted", trip))
    failed = []
    for name, check in named:
        try:
            check()
        except (Trouble, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as trouble:
            mend = getattr(trouble, "mend", "look whether your credentials may read this")
            print(f"FAILED  {name}: {trouble}\n        to mend it: {mend}")
            failed.append(name)
        else:
            print(f"ok      {name}")
    return failed


def main():
    parser = argparse.ArgumentParser(prog="cargo xtask doctor")
    parser.add_argument("stack")
    parser.add_argument("--region")
    parser.add_argument("--token", help="a bearer token of the site, or @FILE with one, for a signed round trip")
    args = parser.parse_args()
    try:
        token = args.token and words.value(args.token, "--token")
    except cfn.Refused as sentence:
        sys.exit(str(sentence))
    # boto3 reads AWS_DEFAULT_REGION alone.
    region = args.region or os.environ.get("AWS_REGION")
    try:
        stack = Stack(args.stack, boto3.Session(region_name=region))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(f"the stack {args.stack} can't be examined: {error}")
    failed = examine(stack, token)
    if not token:
        print("        with --token TOKEN (one of the site's bearer tokens) a signed round trip is made, too")
    if failed:
        sys.exit(f"{len(failed)} checks failed")
    print(f"the stack {args.stack} is well")


if __name__ == "__main__":
    main()
