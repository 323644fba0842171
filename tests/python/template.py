"""Tests of deploy/template.yaml without an account: by cfn-lint, as a stack in moto, and by its resolved properties.

Usage: template.py [CHECK…]; without arguments all. Prints `passed` as its last line.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3  # noqa: E402
from moto import mock_aws  # noqa: E402
from moto.events.models import EventPattern  # noqa: E402
from stack import FULL, GOOD, ROOT, SUPPORTED, cfn, create  # noqa: E402

FIXTURES = ROOT / "tests/fixtures"


def lint():
    """cfn-lint reports nothing, warnings included, and does report errors."""
    assert lint_output(cfn.PATH) == ""
    # CloudFormation's limit for a template in a bucket.
    assert cfn.PATH.stat().st_size < 1_000_000
    broken = cfn.Template(GOOD).text.replace("PAY_PER_REQUEST", "PAY_PER_TABLE").replace("BlockPublicAcls", "BlockAll")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(broken)
        file.flush()
        output = lint_output(file.name)
    assert "PAY_PER_TABLE" in output and "BlockAll" in output, output


def lint_output(path):
    linter = pathlib.Path(sys.executable).with_name("cfn-lint")
    return subprocess.run([linter, "--", path], capture_output=True, text=True).stdout


@mock_aws
def created():
    """moto creates the stack, and its resources have the declared properties."""
    ids = create(GOOD)
    s3, bucket = boto3.client("s3"), ids["UploadBucket"]
    (rule,) = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert rule["AllowedOrigins"] == GOOD["AllowedOrigins"].split(",") and rule["AllowedMethods"] == ["PUT"]
    assert rule["AllowedHeaders"] == ["x-amz-checksum-crc64nvme", "Content-Type"]
    assert rule["ExposeHeaders"] == ["Date", "Retry-After"]
    (rule,) = s3.get_bucket_cors(Bucket=ids["MediaBucket"])["CORSRules"]
    assert rule["AllowedOrigins"] == GOOD["AllowedOrigins"].split(",") and rule["AllowedMethods"] == ["GET", "HEAD"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    parts, inputs = sorted(rules, key=lambda rule: "Expiration" in rule)
    assert parts["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (inputs["Expiration"]["Days"], inputs["Filter"]["Prefix"]) == (90, "inputs/"), inputs
    for name in (bucket, ids["MediaBucket"]):
        block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        assert list(block.values()) == [True] * 4, block
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        (owner,) = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
        assert owner["ObjectOwnership"] == "BucketOwnerEnforced"

    function = boto3.client("lambda").get_function_configuration(FunctionName=ids["Edge"])
    env = function["Environment"]["Variables"]
    assert (env["UPLOAD_BUCKET"], env["DESTINATION_BUCKET"]) == (bucket, ids["MediaBucket"])
    handler = boto3.client("lambda").get_function_configuration(FunctionName=ids["Events"])
    assert handler["Environment"]["Variables"] == env and handler["Role"] != function["Role"]
    assert env["CATALOG"] == f"dynamodb:{ids['CatalogTable']}" and env["AUTH_MODE"] == "jwt"
    role = boto3.client("iam").get_role(RoleName=ids["MediaConvertRole"])["Role"]
    assert env["MEDIA_CONVERT_ROLE"] == role["Arn"]
    assert (function["Runtime"], function["Handler"], function["Timeout"]) == ("provided.al2023", "bootstrap", 300)

    for name in ("UploadBucket", "MediaBucket", "CatalogTable"):
        resource = cfn.Template(GOOD).resources()[name]
        # Deleted after a failed creation, otherwise always kept.
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")

    table = boto3.client("dynamodb").describe_table(TableName=ids["CatalogTable"])["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    keys = {"table": table["KeySchema"]} | {
        one["IndexName"]: one["KeySchema"] for one in table["GlobalSecondaryIndexes"]
    }
    assert {name: [key["AttributeName"] for key in schema] for name, schema in keys.items()} == {
        "table": ["id"],
        "by-owner": ["owner", "created"],
        "unfinished": ["shard", "due_ms"],
    }
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    assert types == {"id": "S", "owner": "S", "created": "S", "shard": "S", "due_ms": "N"}

    events = boto3.client("events")
    for name in ("ObjectCreatedRule", "JobStateRule", "ReconcileRule"):
        assert events.describe_rule(Name=ids[name])["State"] == "ENABLED"
        (target,) = events.list_targets_by_rule(Rule=ids[name])["Targets"]
        assert (
            target["Arn"] == handler["FunctionArn"]
            and ids["DeadLetters"].split("/")[-1] in target["DeadLetterConfig"]["Arn"]
        )
    assert events.describe_rule(Name=ids["ReconcileRule"])["ScheduleExpression"] == "rate(1 hour)"
    assert json.loads(target["Input"]) == {"source": "greloupis", "detail-type": "Reconcile", "detail": {}}
    # An event passes from the bucket through the rule, to a queue in place of the function.
    sqs = boto3.client("sqs")
    queue = {"QueueUrl": ids["DeadLetters"], "WaitTimeSeconds": 0, "MaxNumberOfMessages": 10}
    arn = target["DeadLetterConfig"]["Arn"]
    for name in ("ObjectCreatedRule", "JobStateRule", "ReconcileRule"):
        events.remove_targets(Rule=ids[name], Ids=["edge"])
    events.put_targets(Rule=ids["ObjectCreatedRule"], Targets=[{"Id": "queue", "Arn": arn}])
    for key in ("inputs/a b.mp4", "assets/MP4/a_540.mp4"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"video")
        s3.put_object(Bucket=ids["MediaBucket"], Key=key, Body=b"video")
    (message,) = sqs.receive_message(**queue)["Messages"]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["bucket"]["name"], detail["object"]["key"]) == (bucket, "inputs/a b.mp4"), detail
    logs = boto3.client("logs").describe_log_groups(logGroupNamePrefix=ids["EdgeLogs"])["logGroups"]
    assert logs[0]["retentionInDays"] == 30


@mock_aws
def created_with_all_options():
    """moto creates the stack with every option except the DNS zone, which doesn't exist in moto."""
    ids = create({key: value for key, value in FULL.items() if key != "HostedZoneId"})
    env = boto3.client("lambda").get_function_configuration(FunctionName=ids["Edge"])["Environment"]["Variables"]
    assert env["CDN_BASE_URL"] == env["UPLOAD_BASE_URL"] == "https://video.site.example"
    assert ids["AlarmTopic"]
    rules = boto3.client("s3").get_bucket_lifecycle_configuration(Bucket=ids["UploadBucket"])["Rules"]
    assert {"Days": 30} in [rule.get("Expiration") for rule in rules]


def unsupported_types_are_known():
    """The types that moto doesn't support. When moto supports one, its properties should be tested in moto, too."""
    unsupported = {one["Type"] for one in cfn.Template(FULL).body["Resources"].values()} - SUPPORTED
    assert unsupported == {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CloudFront::CachePolicy",
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::Function",
        "AWS::CloudFront::KeyGroup",
        "AWS::CloudFront::OriginAccessControl",
        "AWS::CloudFront::PublicKey",
        "AWS::CloudFront::ResponseHeadersPolicy",
        "AWS::CloudWatch::Alarm",
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::SecretsManager::Secret",
    }, unsupported


def environment():
    """The function gets the variables that the edge reads, none of them empty, within Lambda's size limit."""
    for given in (GOOD, FULL):
        env = cfn.Template(given).resources()["Edge"]["Properties"]["Environment"]["Variables"]
        assert all(env.values()), env
        # Lambda's limit is 4 kB.
        size = sum(len(name) + len(str(value)) for name, value in env.items())
        assert size < 4_000, size
        # Secrets are named by their ARNs: the configuration of a function is readable by many.
        values = " ".join(map(str, env.values()))
        assert "{{resolve" not in values and not any(
            given[name] in values for name in ("AuthJwtSecret", "CdnPrivateKey") if name in given
        )
    minimal = cfn.Template(GOOD).resources()["Edge"]["Properties"]["Environment"]["Variables"]
    optional = {
        "CDN_KEY_PAIR_ID",
        "CDN_PRIVATE_KEY",
        "UPLOAD_BASE_URL",
        "CALLBACK_URL",
        "CALLBACK_SECRET",
        "CALLBACK_STYLE",
    }
    assert set(env) - set(minimal) == optional | {
        "AUTH_AUDIENCE",
        "AUTH_CLIENT_ID",
        "AUTH_ISSUER",
        "AUTH_JWT_SECRET_PREVIOUS",
    }
    secrets = {name: value for name, value in env.items() if str(value).startswith("arn:aws:secretsmanager:")}
    assert set(secrets) == {
        "UPLOAD_TOKEN_SECRET",
        "ORIGIN_SECRET",
        "AUTH_JWT_SECRET",
        "AUTH_JWT_SECRET_PREVIOUS",
        "CALLBACK_SECRET",
        "CDN_PRIVATE_KEY",
    }
    old = FULL | {"CallbackStyle": "greloupis", "CallbackAuthKey": "k" * 32}
    env = cfn.Template(old).resources()["Edge"]["Properties"]["Environment"]["Variables"]
    assert env["AWS_AUTH_KEY"].startswith("arn:aws:secretsmanager:") and "CALLBACK_SECRET" not in env
    jwks = jwks_parameters()
    assert_refused("needs AuthIssuer", jwks | {"AuthIssuer": "", "AuthAudience": "videos"})
    assert_refused("needs AuthAudience or AuthClientId", jwks | {"AuthClientId": ""})
    env = cfn.Template(jwks).resources()["Edge"]["Properties"]["Environment"]["Variables"]
    assert env["AUTH_CLIENT_ID"] == "3n4,5n6" and env["AUTH_OWNER_CLAIM"] == "sub"
    assert env["AUTH_JWKS_URL"] == "https://id.example/keys" and "AUTH_JWT_SECRET" not in env


def jwks_parameters():
    return {key: value for key, value in GOOD.items() if key != "AuthJwtSecret"} | {
        "AuthJwksUrl": "https://id.example/keys",
        "AuthIssuer": "https://id.example/",
        "AuthClientId": "3n4,5n6",
    }


def parameters():
    """A missing parameter, an invalid value and an invalid combination are refused, with a message."""
    for name in GOOD:
        assert_refused(name, {key: value for key, value in GOOD.items() if key != name})
    for name, values in {
        "AllowedOrigins": [
            "*",
            "",
            "site.example",
            "https://site.example/path",
            "https://a.example,*",
            "ftp://a.example",
        ],
        "AuthJwtSecret": ["short"],
        "MaxUploadBytes": ["0", "-1", "1e9", "much", "53687091200001"],
        "MaxOpenUploads": ["0", "1001"],
        "CallbackUrl": ["http://site.example/hook", "site.example"],
        "CallbackStyle": ["xml"],
        "DomainName": ["https://video.site.example", "video", "video site.example"],
        "AcmCertificateArn": ["arn:aws:acm:eu-west-1:123456789012:certificate/1", "certificate"],
        "CdnPublicKey": ["ssh-rsa AAAA", FULL["CdnPrivateKey"]],
        "CdnKeySlot": ["c"],
        "CodeBucket": ["Code", "a"],
        "CodeKey": ["edge"],
        "Architecture": ["arm"],
        "MemorySize": ["64", "20000"],
        "ReservedConcurrency": ["-1"],
        "LogRetentionDays": ["31"],
        "Rollout": ["LambdaLinear10PercentEvery1Minute"],
        "ReconcileRate": ["1 hour", "rate(0 minutes)", "rate(1 hours)", "cron(* * * * ? *)"],
        "AlarmEmail": ["ops"],
        "HostedZoneId": ["site.example"],
        "WebAclArn": ["acl", "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/a/1"],
        "AccessLogs": ["maybe"],
        "Nonsense": ["1"],
    }.items():
        for value in values:
            assert_refused(name, GOOD | {name: value})
    assert_refused("needs AuthJwtSecret", jwks_parameters() | {"AuthJwtSecretPrevious": "p" * 32})
    assert_refused("would log signed URLs", GOOD | {"AccessLogs": "yes", "UploadsThroughCdn": "yes"})
    assert_refused("not both", GOOD | {"AuthJwksUrl": "https://id.example/keys"})
    assert_refused("CallbackAuthKey", GOOD | {"CallbackUrl": "https://site.example/x", "CallbackStyle": "greloupis"})
    assert_refused("AcmCertificateArn", GOOD | {"DomainName": "video.site.example"})
    domain = {name: FULL[name] for name in ("DomainName", "AcmCertificateArn")}
    keys = {name: FULL[name] for name in ("CdnPublicKey", "CdnPrivateKey")}
    assert_refused("need CdnPrivateKey", GOOD | domain | {"CdnPublicKey": FULL["CdnPublicKey"]})
    assert_refused("needs its public key", GOOD | domain | {"CdnPrivateKey": FULL["CdnPrivateKey"]})
    assert_refused("needs its public key", GOOD | domain | keys | {"CdnKeySlot": "b"})
    assert_refused("need DomainName", GOOD | keys)
    message = assert_refused("AuthJwtSecret", GOOD | {"AuthJwtSecret": "hush"})
    assert "hush" not in message, "a secret is shown"
    cfn.Template(GOOD), cfn.Template(FULL)


def assert_refused(text, given):
    try:
        cfn.Template(given)
    except cfn.TemplateError as error:
        assert text in str(error), f"{error} doesn't contain {text}"
        return str(error)
    raise AssertionError(f"{text}: {given} is not refused")


def events():
    """The rules match the events that the edge handles, and none of other buckets or applications."""
    resources = cfn.Template(GOOD).resources()
    created = EventPattern.load(json.dumps(resources["ObjectCreatedRule"]["Properties"]["EventPattern"]))
    job = EventPattern.load(json.dumps(resources["JobStateRule"]["Properties"]["EventPattern"]))
    ours = resources["Edge"]["Properties"]["Environment"]["Variables"]

    upload = json.loads((FIXTURES / "s3-eventbridge.json").read_text())
    assert not created.matches_event(upload), "another bucket's object"
    upload["detail"]["bucket"]["name"] = ours["UPLOAD_BUCKET"]
    assert created.matches_event(upload) and not job.matches_event(upload)
    for change in ({"detail-type": "Object Deleted"}, {"source": "aws.s3.evil"}):
        assert not created.matches_event(upload | change)
    upload["detail"]["object"]["key"] = "assets/MP4/a_540.mp4"
    assert not created.matches_event(upload), "an output would start a job"
    upload["detail"]["object"]["key"] = "captions/a/de.srt"
    assert created.matches_event(upload)
    upload["detail"] |= {"bucket": {"name": ours["DESTINATION_BUCKET"]}, "object": {"key": "inputs/a.mp4"}}
    assert not created.matches_event(upload), "an output would start a job"

    for state in ("complete", "error", "canceled", "status"):
        event = json.loads((FIXTURES / f"mediaconvert-{state}.json").read_text())
        assert not job.matches_event(event), "another application's job"
        event["detail"]["userMetadata"]["application"] = ours["APPLICATION"]
        assert job.matches_event(event) and not created.matches_event(event), state
        event["detail"]["status"] = "PROGRESSING"
        assert not job.matches_event(event), "this state isn't used, and would cost an invocation"


def delivery():
    """Caching, forwarding and access control of CloudFront."""
    distribution = cfn.Template(GOOD).resources()["Distribution"]["Properties"]["DistributionConfig"]
    paths = [behavior["PathPattern"] for behavior in distribution["CacheBehaviors"]]
    assert paths == ["/api/*", "*.m3u8"], "inputs/* is optional"
    assert [origin["Id"] for origin in distribution["Origins"]] == ["media", "api"]
    assert distribution["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True} and "Aliases" not in distribution

    resources = cfn.Template(FULL).resources()
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    behaviors = {one["PathPattern"]: one for one in distribution["CacheBehaviors"]} | {
        "*": distribution["DefaultCacheBehavior"]
    }
    assert list(behaviors) == ["/api/*", "/inputs/*", "/captions/*", "*.m3u8", "*"]
    assert all(one["ViewerProtocolPolicy"] in ("https-only", "redirect-to-https") for one in behaviors.values())
    for path in ("/api/*", "/inputs/*", "/captions/*"):
        assert behaviors[path]["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
        assert behaviors[path]["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
        assert "TrustedKeyGroups" not in behaviors[path] and "PUT" in behaviors[path]["AllowedMethods"]
    for path in ("*.m3u8", "*"):
        assert (
            behaviors[path]["TrustedKeyGroups"] == ["demo-videokeys"] and "PUT" not in behaviors[path]["AllowedMethods"]
        )
    origins = {origin["Id"]: origin for origin in distribution["Origins"]}
    # Preflights are forwarded to S3 with the headers that it needs.
    for path in ("*.m3u8", "*"):
        assert behaviors[path]["OriginRequestPolicyId"] == "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf"
    (rule,) = resources["MediaBucket"]["Properties"]["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedHeaders"] == cors(resources)["AccessControlAllowHeaders"]["Items"]
    assert "OriginAccessControlId" in origins["media"] and "OriginAccessControlId" not in origins["uploads"]
    (secret,) = origins["api"]["OriginCustomHeaders"]
    arn = resources["Edge"]["Properties"]["Environment"]["Variables"]["ORIGIN_SECRET"]
    value = "{{resolve:secretsmanager:" + arn + ":SecretString:current}}"
    assert secret == {"HeaderName": "x-origin-secret", "HeaderValue": value}
    assert distribution["WebACLId"] == FULL["WebAclArn"] and "Logging" not in distribution
    own = resources["ApiHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    assert behaviors["/api/*"]["ResponseHeadersPolicyId"] == behaviors["/inputs/*"]["ResponseHeadersPolicyId"]
    assert "Retry-After" in own["CorsConfig"]["AccessControlExposeHeaders"]["Items"]
    assert not own["CorsConfig"]["OriginOverride"], "the edge's and S3's own CORS headers remain"
    assert own["SecurityHeadersConfig"]["StrictTransportSecurity"]["AccessControlMaxAgeSec"] > 0
    logged = cfn.Template(GOOD | {"AccessLogs": "yes"}).resources()
    assert logged["Distribution"]["Properties"]["DistributionConfig"]["Logging"]["Prefix"] == "cdn/"
    log_format = json.loads(logged["ApiStage"]["Properties"]["AccessLogSettings"]["Format"])
    assert "path" not in "".join(log_format.values()), "a path contains upload tokens"
    assert "AccessLogSettings" not in resources["ApiStage"]["Properties"] and "LogsBucket" not in resources
    assert distribution["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    errors = {one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in distribution["CustomErrorResponses"]}
    # The errors that CloudFront caches by default, as far as edge or S3 return them.
    assert {404, 500, 502, 503, 504} <= set(errors) and set(errors.values()) == {0}
    origins = cors(resources)["AccessControlAllowOrigins"]["Items"]
    assert origins == rule["AllowedOrigins"] == FULL["AllowedOrigins"].split(",") and cors(resources)["OriginOverride"]
    for given, scope in ((GOOD, "public"), (FULL, "private")):
        code = cfn.Template(given).resources()["BrowserCache"]["Properties"]["FunctionCode"]
        assert browser_cache(code, "/assets/HLS/a.m3u8") == f"{scope}, max-age=60"
        assert browser_cache(code, "/assets/HLS/a.captions.de.0123.m3u8") == f"{scope}, max-age=60"
        assert browser_cache(code, "/assets/HLS/a_540_00001.ts") == f"{scope}, max-age=31536000, immutable"
    key_rotation()


def observability():
    """The dashboard is valid JSON; logs keep Lambda's REPORT lines; a single bad file raises no alarm."""
    resources = cfn.Template(FULL).resources()
    widgets = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
    assert len(widgets) >= 6 and all(one["properties"]["metrics"] for one in widgets)
    for function in ("Edge", "Events"):
        assert resources[function]["Properties"]["LoggingConfig"]["SystemLogLevel"] == "INFO"
    alarms = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    assert set(alarms) == {
        "DeadLetterAlarm",
        "JobsFailedAlarm",
        "EdgeErrorsAlarm",
        "EdgeThrottlesAlarm",
        "ApiErrorsAlarm",
        "ApiLatencyAlarm",
        "CallbacksFailedAlarm",
        "ReleaseAlarm",
    }
    without_mail = {name for name, one in alarms.items() if one.get("AlarmActions") != ["demo-alarmtopic"]}
    assert without_mail == {"ReleaseAlarm"}, without_mail
    assert ">= 3" in alarms["JobsFailedAlarm"]["Metrics"][0]["Expression"]


def releases():
    """Each release publishes a version, which gets a part of the requests first; the alarm undoes it, before the function of
    the events is updated."""
    first, second = (cfn.Template(GOOD | {"Release": release}).resources() for release in ("1", "2"))
    assert first["EdgeVersion"]["Properties"]["Description"] != second["EdgeVersion"]["Properties"]["Description"]
    for function in ("Edge", "Events"):
        # Without a change Lambda publishes no version, and the update fails.
        assert first[function] != second[function]
    assert first["EdgeAlias"] == second["EdgeAlias"] and first["Events"]["DependsOn"] == "EdgeAlias"
    policy = first["EdgeAlias"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert policy == {"ApplicationName": "demo-releaseapplication", "DeploymentGroupName": "demo-releasegroup"}
    group = first["ReleaseGroup"]["Properties"]
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
    assert group["AlarmConfiguration"] == {"Enabled": True, "Alarms": [{"Name": "demo-releasealarm"}]}
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    alarm = first["ReleaseAlarm"]["Properties"]
    # It must be raised within the five minutes of the first step.
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 60
    assert "AlarmActions" not in alarm


def cors(resources):
    return resources["DeliveryHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]["CorsConfig"]


def key_rotation():
    """During a rotation both keys are accepted; afterwards only the new one."""
    for changes, group, signs in [
        ({}, ["a"], "a"),
        ({"CdnPublicKeyB": FULL["CdnPublicKey"], "CdnKeySlot": "b"}, ["a", "b"], "b"),
        ({"CdnPublicKeyB": FULL["CdnPublicKey"], "CdnKeySlot": "b", "CdnPublicKey": ""}, ["b"], "b"),
    ]:
        resources = cfn.Template(FULL | changes).resources()
        keys = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::CloudFront::PublicKey"]
        names = {one["PublicKeyConfig"]["Name"] for one in keys}
        assert len(names) == len(keys) == len(group), "CloudFront requires unique names"
        listed = resources["VideoKeys"]["Properties"]["KeyGroupConfig"]["Items"]
        assert listed == [f"demo-videokey{slot}" for slot in group], listed
        env = resources["Edge"]["Properties"]["Environment"]["Variables"]
        assert env["CDN_KEY_PAIR_ID"] == f"demo-videokey{signs}"


def browser_cache(code, uri):
    """Runs the CloudFront function; returns the cache-control header that it sets."""
    event = {"request": {"uri": uri}, "response": {"headers": {}}}
    script = f"{code}\nconsole.log(handler({json.dumps(event)}).headers['cache-control'].value)"
    return subprocess.run(["node", "-e", script], check=True, capture_output=True, text=True).stdout.strip()


CHECKS = [
    lint,
    created,
    created_with_all_options,
    unsupported_types_are_known,
    environment,
    parameters,
    events,
    delivery,
    observability,
    releases,
]

if __name__ == "__main__":
    for check in CHECKS:
        if len(sys.argv) == 1 or check.__name__ in sys.argv[1:]:
            check()
    print("passed")
