"""Checks a deployed stack, with the credentials of the AWS CLI. Prints one line for each check, and for a failed one
how to fix it. Changes nothing; with a token, a few bytes are uploaded and the upload is aborted.

Usage: doctor.py STACK [--region REGION] [--token TOKEN] [--convert-again VIDEO]; a token of @PATH is the content of a file.
"""

import argparse
import base64
import datetime
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions

import args
import cfn

REDEPLOY_ADVICE = "run `cargo xtask deploy --stack {}` again"
TIMEOUT_SECONDS = 30


class CheckFailed(Exception):
    """A failed check: the problem, and in `fix` how to fix it."""

    def __init__(self, problem, fix):
        super().__init__(problem)
        self.fix = fix


def require(condition, problem, fix):
    if not condition:
        raise CheckFailed(problem, fix)


def http(method, url, headers=None, body=None):
    """Status, headers and body of a response; an error status isn't an exception."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
    except OSError as error:
        # The query of a presigned URL is a secret.
        location = url.split("?")[0]
        raise CheckFailed(
            f"{location} can't be reached: {error}", "check the network and whether the host name resolves"
        ) from None


class Stack:
    """A stack and its resources, as described by CloudFormation."""

    def __init__(self, name, session):
        self.name, self.session = name, session
        cloudformation = session.client("cloudformation")
        (self.description,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        unusable = self.description["StackStatus"] in cfn.UNUSABLE_STATES
        self.redeploy = (cfn.DELETE_ADVICE if unusable else REDEPLOY_ADVICE).format(name)
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in self.description.get("Outputs", [])}
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
        self.ids = {resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "") for resource in listed}

    def client(self, service):
        return self.session.client(service)

    def id(self, logical):
        require(self.ids.get(logical), f"the stack has no {logical}", self.redeploy)
        return self.ids[logical]

    def output(self, name):
        require(name in self.outputs, f"the stack has no output {name}", self.redeploy)
        return self.outputs[name]

    def function(self, logical="Edge"):
        return self.client("lambda").get_function_configuration(FunctionName=self.id(logical))

    def setting(self, name):
        """A variable of the function's environment."""
        return self.function().get("Environment", {}).get("Variables", {}).get(name, "")

    def origins(self):
        return [origin for origin in self.setting("ALLOWED_ORIGINS").split(",") if origin]


def is_complete(stack):
    """the stack is complete"""
    status = stack.description["StackStatus"]
    complete = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE")
    require(status in complete, f"the stack is in {status}", f"read its events in the console; then {stack.redeploy}")


def buckets_are_closed(stack):
    """both buckets are closed to the public"""
    for logical in ("UploadBucket", "MediaBucket"):
        bucket = stack.id(logical)
        try:
            response = stack.client("s3").get_public_access_block(Bucket=bucket)
            flags = response["PublicAccessBlockConfiguration"]
        except botocore.exceptions.ClientError as error:
            require(
                "NoSuchPublicAccessBlock" in error.response["Error"]["Code"],
                str(error),
                "get the permission s3:GetBucketPublicAccessBlock",
            )
            flags = {}
        missing = [flag for flag in BLOCK_PUBLIC_ACCESS if not flags.get(flag)]
        require(
            not missing, f"{bucket} lacks {', '.join(missing)}", f"enable Block Public Access for {bucket}, all four"
        )


BLOCK_PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def uploads_have_cors(stack):
    """the upload bucket lets browsers of the allowed origins send parts"""
    bucket = stack.id("UploadBucket")
    fix = f"revert manual changes of the CORS rules of {bucket} and {stack.redeploy}"
    try:
        rules = stack.client("s3").get_bucket_cors(Bucket=bucket)["CORSRules"]
    except botocore.exceptions.ClientError as error:
        raise CheckFailed(f"{bucket} has no CORS rules ({error.response['Error']['Code']})", fix) from None
    for origin in stack.origins():
        matching = [rule for rule in rules if origin in rule["AllowedOrigins"] and "PUT" in rule["AllowedMethods"]]
        require(matching, f"CORS of {bucket} doesn't let {origin} PUT", fix)
        allowed = {name.lower() for name in matching[0].get("AllowedHeaders", [])}
        require(
            allowed & {"*", CHECKSUM_HEADER},
            f"CORS of {bucket} doesn't let {origin} send {CHECKSUM_HEADER}, which every part brings",
            fix,
        )
    require(not any("*" in rule["AllowedOrigins"] for rule in rules), f"CORS of {bucket} allows every origin", fix)


CHECKSUM_HEADER = "x-amz-checksum-crc64nvme"


def uploads_emit_events(stack):
    """the upload bucket notifies EventBridge of new objects, and removes unfinished parts"""
    s3, bucket = stack.client("s3"), stack.id("UploadBucket")
    notifications = s3.get_bucket_notification_configuration(Bucket=bucket)
    require(
        "EventBridgeConfiguration" in notifications,
        f"{bucket} sends no events to EventBridge",
        f"enable EventBridge in the properties of {bucket}",
    )
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except botocore.exceptions.ClientError:
        rules = []
    aborts = any("AbortIncompleteMultipartUpload" in rule and rule["Status"] == "Enabled" for rule in rules)
    require(aborts, f"{bucket} never removes the parts of unfinished uploads, which are billed", stack.redeploy)


def role_is_trusted(stack):
    """MediaConvert may assume its role, and the functions name that role"""
    name = stack.id("MediaConvertRole")
    try:
        role = stack.client("iam").get_role(RoleName=name)["Role"]
    except botocore.exceptions.ClientError as error:
        raise CheckFailed(f"the role {name} can't be read: {error.response['Error']['Code']}", stack.redeploy) from None
    statements = role["AssumeRolePolicyDocument"]["Statement"]
    services = [statement["Principal"].get("Service") for statement in statements if statement["Effect"] == "Allow"]
    require(
        services == ["mediaconvert.amazonaws.com"],
        f"the role {name} trusts {services}",
        f"let {name} trust mediaconvert.amazonaws.com alone",
    )
    for logical in FUNCTIONS:
        configured = stack.function(logical)["Environment"]["Variables"].get("MEDIA_CONVERT_ROLE")
        require(configured == role["Arn"], f"{logical} names another role, {configured}", stack.redeploy)


FUNCTIONS = ("Edge", "Events")


def rules_are_enabled(stack):
    """EventBridge's rules are enabled and target the function of events"""
    events, arn = stack.client("events"), stack.function("Events")["FunctionArn"]
    for logical in ("ObjectCreatedRule", "JobStateRule", "ReconcileRule"):
        rule = stack.id(logical).split("|")[-1]
        state = events.describe_rule(Name=rule)["State"]
        require(state == "ENABLED", f"the rule {rule} is {state}", f"enable it: aws events enable-rule --name {rule}")
        targets = [target["Arn"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
        require(arn in targets, f"the rule {rule} doesn't target the function", stack.redeploy)


def function_is_ready(stack):
    """the functions are active and may be called, one by the API, the other by the rules"""
    api, rules = "apigateway.amazonaws.com", "events.amazonaws.com"
    # The API invokes an alias of the one, the version that is rolled out.
    for logical, alias, service in (("Edge", {"Qualifier": "live"}, api), ("Events", {}, rules)):
        function = stack.function(logical)
        state, update = function.get("State", "Active"), function.get("LastUpdateStatus", "Successful")
        require(
            state == "Active" and update == "Successful",
            f"{logical} is {state}, its update {update}",
            f"wait a minute; then {stack.redeploy}",
        )
        policy = stack.client("lambda").get_policy(FunctionName=function["FunctionName"], **alias)["Policy"]
        callers = {statement["Principal"]["Service"] for statement in json.loads(policy)["Statement"]}
        require(callers == {service}, f"{logical} may be called by {sorted(callers)}", stack.redeploy)


def function_handles_events(stack):
    """the function starts and handles events"""
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": stack.id("UploadBucket")}
    response = stack.client("lambda").invoke(FunctionName=stack.id("Events"), Payload=json.dumps(test))
    payload = response["Payload"].read().decode(errors="replace")
    require(
        "FunctionError" not in response, f"the function fails: {payload[:300]}", "its log says which setting is wrong"
    )


def table_is_complete(stack):
    """the table is active, with its indexes and point-in-time recovery"""
    dynamodb, name = stack.client("dynamodb"), stack.id("CatalogTable")
    table = dynamodb.describe_table(TableName=name)["Table"]
    require(table["TableStatus"] == "ACTIVE", f"the table {name} is {table['TableStatus']}", "wait a minute")
    indexes = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
    require(
        {"by-owner", "unfinished"} <= indexes,
        f"the table {name} has the indexes {sorted(indexes)} only",
        stack.redeploy,
    )
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    state = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    require(state == "ENABLED", f"point-in-time recovery of {name} is {state}", f"enable it for {name}")


def dead_letters_are_empty(stack):
    """the dead-letter queue is empty"""
    query = {"QueueUrl": stack.id("DeadLetters"), "AttributeNames": ["ApproximateNumberOfMessages"]}
    count = stack.client("sqs").get_queue_attributes(**query)["Attributes"]["ApproximateNumberOfMessages"]
    require(
        int(count) == 0,
        f"{count} events are in the dead-letter queue",
        "read one in the SQS console: it names the error; fix that, then invoke the function with the event again",
    )


def cdn_reaches_edge(stack):
    """the CDN reaches the edge, which requires a token"""
    status, headers, body = http("GET", stack.output("CdnBaseUrl") + "/api/videos")
    kind = headers.get("content-type", "")
    refused = status == 401 and kind.startswith("application/problem+json")
    hint = "a 403 means that the origin secret differs: " if status == 403 else ""
    require(refused, f"GET /api/videos without a token answers {status} {kind} {body[:100]!r}", hint + stack.redeploy)


def origins_are_closed(stack):
    """neither the API nor the buckets can be reached around the CDN"""
    status, _, _ = http("GET", stack.output("ApiOrigin") + "/api/videos")
    require(
        status == 403,
        f"the API answers {status} to requests that bypass CloudFront",
        "check that the function has ORIGIN_SECRET; " + stack.redeploy,
    )
    region = stack.session.region_name
    for logical, key in (("MediaBucket", "assets/doctor"), ("UploadBucket", "inputs/doctor")):
        bucket = stack.id(logical)
        status, _, _ = http("GET", f"https://{bucket}.s3.{region}.amazonaws.com/{key}")
        require(
            status == 403, f"{bucket} answers {status} to unsigned requests", f"enable Block Public Access for {bucket}"
        )


def pages_may_call(stack):
    """pages of the allowed origins may call the API"""
    for origin in stack.origins():
        request_headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        status, headers, _ = http("OPTIONS", stack.output("CdnBaseUrl") + "/api/uploads", request_headers)
        allowed = headers.get("access-control-allow-origin")
        require(
            status < 300 and allowed == origin,
            f"a preflight from {origin} is answered {status}, allowing {allowed}",
            f"add {origin} to AllowedOrigins; {stack.redeploy}",
        )


def gateway_errors_are_readable(stack):
    """pages may read errors of CloudFront and the gateway, which don't come from the edge"""
    origin = stack.origins()[0]
    # No route of the API has this path, so the gateway itself answers.
    status, headers, _ = http("GET", stack.output("CdnBaseUrl") + "/api/", {"Origin": origin})
    allowed = headers.get("access-control-allow-origin")
    require(
        allowed == origin and headers.get("strict-transport-security"),
        f"GET /api/ is answered {status} without CORS and HSTS headers, allowing {allowed}",
        stack.redeploy,
    )


def media_preflights_are_answered(stack):
    """players of the allowed origins may fetch videos"""
    for origin in stack.origins():
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range",
        }
        status, reply, _ = http("OPTIONS", stack.output("CdnBaseUrl") + "/assets/HLS/doctor.m3u8", headers)
        allowed = reply.get("access-control-allow-origin")
        require(
            status < 300 and allowed == origin,
            f"a preflight of a video from {origin} is answered {status}, allowing {allowed}",
            f"check the CORS rules of the media bucket; {stack.redeploy}",
        )


def crc64nvme(data):
    """The value of `x-amz-checksum-crc64nvme`: base64 of eight big-endian bytes."""
    crc = 2**64 - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x9A6C9329AC4BC9B5 if crc & 1 else 0)
    return base64.b64encode((crc ^ 2**64 - 1).to_bytes(8, "big")).decode()


NO_CHECKSUM_FIX = "if this store has no CRC64NVME, set UPLOAD_CHECKSUM=none"


def round_trip(endpoint, token, origin=None):
    """Uploads a few bytes as a browser does, checks that they and no others are stored, and aborts the upload."""
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body, other = b"greloupis doctor\n", b"another content\n\n"
    request = {
        "fileName": "doctor.mp4",
        "size": len(body),
        "contentType": "video/mp4",
        "checksums": [crc64nvme(body)],
    }
    status, _, reply = http("POST", endpoint + "/uploads", bearer, json.dumps(request).encode())
    refused_by_store = "storage_unavailable" in reply.decode(errors="replace")
    require(
        status == 201,
        f"POST /uploads answers {status}: {reply[:300].decode(errors='replace')}",
        NO_CHECKSUM_FIX
        if refused_by_store
        else "the answer to a 401 names the claim of the token that doesn't match the parameters Auth…; a wrong signature means "
        "another AuthJwtSecret",
    )
    opened = json.loads(reply)
    verifies = opened["checksum"] != "none"
    upload = f"{endpoint}/uploads/{urllib.parse.quote(opened['upload'], safe='')}"
    try:
        (part,) = opened["parts"]
        headers = {**part.get("headers", {}), **({"Origin": origin} if origin else {})}
        status, got, reply = http("PUT", part["url"], headers, body)
        require(
            status == 200,
            f"S3 answers {status} to a signed part: {reply[:200].decode(errors='replace')}",
            "check the permissions of the function's role, which signs the URL"
            + (f"; {NO_CHECKSUM_FIX}" if verifies else ""),
        )
        if origin:
            require(
                got.get("access-control-allow-origin") in (origin, "*"),
                f"S3 doesn't let {origin} read its response",
                "check the CORS rules of the upload bucket",
            )
        status, _, reply = http("GET", upload, bearer)
        stored = json.loads(reply).get("parts", [])
        sizes = [part["size"] for part in stored]
        require(
            status == 200 and sizes == [len(body)],
            f"GET /uploads answers {status} with parts of {sizes} bytes",
            "read the function's log",
        )
        if verifies:
            require(
                stored[0].get("checksum") == crc64nvme(body),
                "the store doesn't keep the CRC64NVME of a part",
                NO_CHECKSUM_FIX,
            )
            status, _, _ = http("PUT", part["url"], headers, other)
            require(status == 400, f"the store answers {status} to bytes of another checksum", NO_CHECKSUM_FIX)
        status, _, _ = http("PUT", part["url"], headers, body + b"!")
        require(status >= 400, f"the store answers {status} to more bytes than are signed", "use another store")
    finally:
        status, _, _ = http("DELETE", upload, bearer)
    require(status == 204, f"DELETE /uploads answers {status}", "read the function's log")


CHECKS = [
    is_complete,
    buckets_are_closed,
    uploads_have_cors,
    uploads_emit_events,
    role_is_trusted,
    rules_are_enabled,
    function_is_ready,
    function_handles_events,
    table_is_complete,
    dead_letters_are_empty,
    cdn_reaches_edge,
    origins_are_closed,
    pages_may_call,
    gateway_errors_are_readable,
    media_preflights_are_answered,
]


def metric_sum(stack, name):
    """The sum of a metric of the last two weeks; None if there is none."""
    now = datetime.datetime.now(datetime.timezone.utc)
    points = stack.client("cloudwatch").get_metric_statistics(
        Namespace="Greloupis",
        MetricName=name,
        Dimensions=[{"Name": "Application", "Value": stack.name}],
        StartTime=now - datetime.timedelta(days=14),
        EndTime=now,
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points) if points else None


def has_jobs(stack):
    """Whether a conversion has succeeded lately."""
    return True if metric_sum(stack, "JobsSucceeded") else None


def revalidates(stack, token):
    """Whether the CDN forwards If-None-Match and returns 304, tried on the caller's latest video."""
    bearer, api = {"Authorization": f"Bearer {token}"}, stack.output("CdnBaseUrl") + "/api/videos"
    status, _, body = http("GET", api + "?limit=1", bearer)
    videos = json.loads(body).get("videos") if status == 200 else None
    if not videos:
        return None
    url = f"{api}/{videos[0]['videoId']}"
    _, headers, _ = http("GET", url, bearer)
    status, _, _ = http("GET", url, bearer | {"If-None-Match": headers.get("etag", "")})
    return status == 304


def caches_no_error(stack, token):
    """Whether the second of two equal failing calls reaches the edge, too."""
    url = stack.output("CdnBaseUrl") + "/api/videos/doctor-has-no-such-video"
    replies = [http("GET", url, {"Authorization": f"Bearer {token}"}) for _ in range(2)]
    return all(status == 404 and "age" not in headers for status, headers, _ in replies)


def released_version(stack):
    """The number of the version that the API invokes; the first was created without CodeDeploy."""
    return stack.client("lambda").get_alias(FunctionName=stack.id("Edge"), Name="live")["FunctionVersion"]


# What only a live account can prove: a sentence, and the check that proves it, or a function of stack and token that
# returns True, False or None (not tried). `round_trip` is the signed one.
POINTS = [
    ("CloudFormation creates the stack", is_complete),
    ("the functions read their secrets, and CloudFront sends the origin secret", cdn_reaches_edge),
    ("the gateway's own errors have CORS and HSTS headers", gateway_errors_are_readable),
    ("preflights of videos reach the media bucket", media_preflights_are_answered),
    ("Authorization passes CloudFront; S3 refuses other bytes and lists each part's CRC64NVME", round_trip),
    ("If-None-Match passes CloudFront, and 304 passes back", revalidates),
    ("CloudFront caches no error of the API", caches_no_error),
    (
        "S3 accepts parts through CloudFront (UploadsThroughCdn)",
        lambda stack, token: None if not stack.setting("UPLOAD_BASE_URL") else round_trip,
    ),
    ("metric lines become metrics", lambda stack, token: True if metric_sum(stack, "UploadsOpened") else None),
    ("MediaConvert assumes its role, reads and writes", lambda stack, token: has_jobs(stack)),
    ("job events carry userMetadata and match the rule", lambda stack, token: has_jobs(stack)),
    (
        "a domain with its certificate and DNS records",
        lambda stack, token: cdn_reaches_edge if "cloudfront.net" not in stack.output("CdnBaseUrl") else None,
    ),
    ("CodeDeploy moves requests to a new version", lambda stack, token: True if released_version(stack) != "1" else None),
    ("a failing release is undone by its alarm", None),
    ("signed cookies open private videos in a player; a key is changed", None),
    ("Probe reads with the function's own permission", None),
    ("SearchJobs finds a new job within the lease", None),
    ("a completion of minutes is found after the API's 30 s", None),
    ("S3 answers 409 to concurrent completions", None),
]


def prove(stack, token, point, failed):
    """`yes`, `no` or `not tried` for a point, after the checks."""
    needs_token = point in (round_trip, revalidates, caches_no_error)
    if point is None or (needs_token and not token):
        return "not tried"
    try:
        outcome = point if point in (*CHECKS, round_trip) else point(stack, token)
    except (CheckFailed, ValueError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        outcome = False
    if outcome is round_trip:
        if not token:
            return "not tried"
        outcome = SIGNED not in failed
    elif callable(outcome):
        outcome = outcome.__doc__ not in failed
    return {True: "yes", False: "no", None: "not tried"}[outcome]


SIGNED = "a signed round trip: opened, sent, listed, aborted"


def print_points(stack, token, failed):
    print("what only a live account can prove:")
    for sentence, point in POINTS:
        print(f"  {prove(stack, token, point, failed):<10} {sentence}")


def run_checks(stack, token=None, checks=CHECKS):
    """Runs the checks and prints their results. Returns the names of the failed ones."""
    named = [(check.__doc__, lambda check=check: check(stack)) for check in checks]
    if token:
        signed = lambda: round_trip(stack.output("CdnBaseUrl") + "/api", token, stack.origins()[0])
        named.append((SIGNED, signed))
    failed = []
    for name, check in named:
        try:
            check()
        except (CheckFailed, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            fix = getattr(error, "fix", "check that your credentials may read this")
            print(f"FAILED  {name}: {error}\n        fix: {fix}")
            failed.append(name)
        else:
            print(f"ok      {name}")
    return failed


def convert_again(stack, video_id):
    """Has the stored file of a failed video converted again."""
    event = {"source": "greloupis", "detail-type": "Convert Again", "detail": {"videoId": video_id}}
    response = stack.client("lambda").invoke(FunctionName=stack.id("Events"), Payload=json.dumps(event))
    require(
        "FunctionError" not in response,
        f"the video {video_id} isn't converted again: it must exist and have failed or been canceled",
        f"look at GET /videos/{video_id}; the function's log has the reason",
    )


def main():
    parser = argparse.ArgumentParser(prog="cargo xtask doctor")
    parser.add_argument("stack")
    parser.add_argument("--region")
    parser.add_argument("--token", help="a bearer token of the site, or @FILE with one, for a signed round trip")
    parser.add_argument("--convert-again", metavar="VIDEO", help="only has a failed video's file converted again")
    options = parser.parse_args()
    try:
        token = options.token and args.read_value(options.token, "--token")
    except cfn.TemplateError as error:
        sys.exit(str(error))
    # boto3 itself reads only AWS_DEFAULT_REGION.
    region = options.region or os.environ.get("AWS_REGION")
    try:
        stack = Stack(options.stack, boto3.Session(region_name=region))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(f"the stack {options.stack} can't be checked: {error}")
    if options.convert_again:
        try:
            convert_again(stack, options.convert_again)
        except (CheckFailed, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            sys.exit(f"{error}\n        fix: {getattr(error, 'fix', 'check that your credentials may invoke the function')}")
        print(f"the video {options.convert_again} is converted again")
        return
    failed = run_checks(stack, token)
    print_points(stack, token, failed)
    if not token:
        print("        --token TOKEN (a bearer token of the site) adds a signed round trip")
    if failed:
        sys.exit(f"{len(failed)} checks failed")
    print(f"the stack {options.stack} is healthy")


if __name__ == "__main__":
    main()
