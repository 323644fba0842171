"""Test fixtures: valid template parameters, and the template as a stack in moto, as far as moto supports it."""

import io
import json
import pathlib
import re
import sys
import zipfile

import boto3
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

import cfn  # noqa: E402

GOOD = {
    "AllowedOrigins": "https://site.example,http://localhost:3000",
    "AuthJwtSecret": "0123456789abcdef0123456789abcdef",
    "CodeBucket": "code",
    "CodeKey": "edge/1.zip",
}
KEY = "-----BEGIN {0} KEY-----\nMIIBIjANBgkq+/=\n-----END {0} KEY-----\n"
# Every option set.
FULL = GOOD | {
    "AlarmEmail": "ops@site.example",
    "AuthAudience": "videos",
    "AuthClientId": "web,app",
    "AuthIssuer": "https://id.example/",
    "CallbackUrl": "https://site.example/hook",
    "DomainName": "video.site.example",
    "AcmCertificateArn": f"arn:aws:acm:us-east-1:{cfn.ACCOUNT}:certificate/1-2-3",
    "HostedZoneId": "Z0123456789",
    "InputExpirationDays": "30",
    "ReservedConcurrency": "50",
    "UploadsThroughCdn": "yes",
    "AuthJwtSecretPrevious": "fedcba9876543210fedcba9876543210",
    "WebAclArn": f"arn:aws:wafv2:us-east-1:{cfn.ACCOUNT}:global/webacl/site/1-2-3",
    "CdnPublicKey": KEY.format("PUBLIC"),
    "CdnPrivateKey": KEY.format("PRIVATE"),
}


def _subclasses(cls):
    for one in cls.__subclasses__():
        yield one
        yield from _subclasses(one)


# The import of `parsing` registers the models.
SUPPORTED = {model.cloudformation_type() for model in _subclasses(CloudFormationModel)} if parsing else set()


def reduced_for_moto(template):
    """The template as JSON, without the resources that moto doesn't support; references to them are resolved."""
    unsupported = {
        name
        for name, one in template.body["Resources"].items()
        if one["Type"] not in SUPPORTED or one["Properties"].get("FunctionName") == {"Ref": "EdgeAlias"}
    }

    def walk(value):
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            head = argument[0] if isinstance(argument, list) and argument else argument
            if name in ("Ref", "Fn::GetAtt") and head in unsupported:
                return template.resolve(value)
            if name == "Fn::Sub":
                text, names = argument if isinstance(argument, list) else (argument, {})
                for found in re.findall(r"\$\{([^}]+)\}", text):
                    if found.split(".")[0] in unsupported:
                        text = text.replace("${" + found + "}", template.resolve({"Fn::Sub": "${" + found + "}"}))
                return {name: [text, walk(names)]} if names else {name: text}
        return {key: walk(item) for key, item in value.items()}

    body = walk({key: value for key, value in template.body.items() if key != "Rules"})
    body["Resources"] = {name: one for name, one in body["Resources"].items() if name not in unsupported}
    outputs = body["Outputs"].items()
    body["Outputs"] = {name: one for name, one in outputs if one.get("Condition") != "SignsCallbacks"}
    return json.dumps(body)


def create(given, name="demo"):
    """Creates the stack in moto, inside `mock_aws`. Returns physical ids by logical ids."""
    s3, cloudformation = boto3.client("s3"), boto3.client("cloudformation")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("bootstrap", "#!/bin/sh")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="edge/1.zip", Body=code.getvalue())
    template = cfn.Template(given, name)
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=reduced_for_moto(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    resources = cloudformation.list_stack_resources(StackName=name)["StackResourceSummaries"]
    ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}
    for bucket in ("UploadBucket", "MediaBucket"):
        _complete_bucket(ids[bucket], template.resources()[bucket]["Properties"])
    _complete_table(ids["CatalogTable"], template.resources()["CatalogTable"]["Properties"])
    _complete_alias(ids["Edge"], template.resources()["ApiMayInvoke"]["Properties"])
    return ids


def _complete_bucket(bucket, properties):
    """Sets the bucket properties that moto's CloudFormation ignores, by S3's API."""
    s3 = boto3.client("s3")
    block = properties["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=properties["OwnershipControls"])
    rules = [
        {"Filter": {"Prefix": rule.get("Prefix", "")}, **_renamed(rule, {"Id": "ID"})}
        for rule in properties["LifecycleConfiguration"]["Rules"]
    ]
    for rule in rules:
        rule.pop("Prefix", None)
        if "ExpirationInDays" in rule:
            rule["Expiration"] = {"Days": int(rule.pop("ExpirationInDays"))}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    if "CorsConfiguration" in properties:
        names = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"}
        rules = [_renamed(rule, names) for rule in properties["CorsConfiguration"]["CorsRules"]]
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    if properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )


def _complete_table(table, properties):
    dynamodb = boto3.client("dynamodb")
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
    recovery = properties["PointInTimeRecoverySpecification"]
    dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=recovery)


def _complete_alias(function, permission):
    """Creates the alias and what may invoke it, which moto's CloudFormation doesn't support."""
    client = boto3.client("lambda")
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    client.add_permission(
        FunctionName=function,
        Qualifier="live",
        StatementId="api",
        **{name: permission[name] for name in ("Action", "Principal", "SourceArn")},
    )


def _renamed(value, names):
    return {names.get(key, key): item for key, item in value.items()}
