"""Deploys a packaged edge with template.yaml, by the AWS CLI and its credentials; or prints what it would do.

Usage: deploy.py STACK [--zip ZIP] [--architecture arm64|x86_64] [--dry-run] [--region REGION] [--bucket BUCKET]
[--parameter NAME=VALUE…]; a value of @PATH is the content of a file, without its final newline. Without a zip it only
validates the arguments, so that errors are found before the build. An error is printed as one sentence.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import boto3
import boto3.exceptions
import botocore.exceptions

import args
import cfn

# Parameters that this program sets itself.
RESERVED = ("CodeBucket", "CodeKey", "Architecture", "Release")
# In bytes; CloudFormation reads a larger template from a bucket.
MAX_TEMPLATE_IN_REQUEST = 51_200
# Raised by `upload_file`, by the connection, and by the services.
AWS_ERRORS = (boto3.exceptions.Boto3Error, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
# Placeholders for required parameters that a dry run may lack.
EXAMPLES = {
    "AllowedOrigins": "https://site.example",
    "AuthJwksUrl": "https://site.example/.well-known/jwks.json",
    "AuthIssuer": "https://site.example/",
    "AuthAudience": "videos",
}


def parse_arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask deploy", allow_abbrev=False)
    parser.add_argument("stack")
    parser.add_argument("--zip", type=pathlib.Path)
    parser.add_argument("--architecture", default="arm64")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--region")
    parser.add_argument(
        "--bucket", help="the bucket for the zip; default: greloupis-artifacts-ACCOUNT-REGION, created if missing"
    )
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def parse_parameters(assignments):
    """The template parameters of the command line."""
    values = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise cfn.TemplateError(f"--parameter {assignment} is wrong: it must be NAME=VALUE")
        if name in RESERVED:
            raise cfn.TemplateError(f"--parameter {name} is wrong: deploy sets it itself")
        values[name] = args.read_value(value, f"--parameter {name}")
    return values


def check_name(stack):
    # Bucket names, derived from it by CloudFormation, have at most 63 characters.
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{0,31}", stack):
        raise cfn.TemplateError(f"--stack {stack!r} is wrong: a letter, then letters, digits and hyphens, 32 at most")


def code_key(path):
    """A name derived from the content: no zip replaces another, which a rolled back stack needs."""
    return f"edge/{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.zip"


def print_plan(template, size):
    """Prints the resources that would be created, counted by type."""
    kinds = collections.Counter(resource["Type"] for resource in template.resources().values())
    print(
        f"would create or update the stack {template.stack}, {sum(kinds.values())} resources, edge.zip of {size:,} bytes:"
    )
    for kind, count in sorted(kinds.items()):
        print(f"  {count} × {kind}")
    print("with the outputs " + ", ".join(template.outputs()))
    verdict = (
        f"dry run passed: the stack {template.stack} can be deployed, as far as that can be known without an account"
    )
    print(f"\x1b[32m{verdict}\x1b[0m" if sys.stdout.isatty() else verdict)


def artifacts_bucket(session, region, bucket):
    """The name of the private bucket for the zip, which is created if it doesn't exist."""
    account = session.client("sts").get_caller_identity()["Account"]
    s3, name = session.client("s3"), bucket or f"greloupis-artifacts-{account}-{region}"
    created = False
    try:
        # A bucket of another account must neither receive nor deliver the code.
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise cfn.TemplateError(
                f"the bucket {name} can't be used: {error.response['Error']['Code']}; name another by --bucket"
            ) from None
        location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **location)
        created = True
        print(f"created the bucket {name}")
    # The settings of an existing bucket given by --bucket aren't changed.
    if created or not bucket:
        block = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(block, True))
    return name


def exists(session, stack):
    """Whether there is a stack to update. Raises a TemplateError for one that can only be deleted."""
    try:
        (description,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except botocore.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    status = description["StackStatus"]
    if status in cfn.UNUSABLE_STATES:
        raise cfn.TemplateError(
            f"the stack {stack} is in {status} and can't be changed: first {cfn.DELETE_ADVICE.format(stack)}"
        )
    # In this state a change set was created but never executed, so the stack has no resources.
    return status != "REVIEW_IN_PROGRESS"


def validated_template(options, values):
    """The template with these values, for a new stack. For an existing one, CloudFormation keeps the parameters that
    aren't given, so only CloudFormation can check the rules."""
    values = {"CodeBucket": "artifacts", "CodeKey": "edge.zip"} | values
    if options.dry_run:
        missing = {name: value for name, value in EXAMPLES.items() if name not in values}
        if "AuthClientId" in values:
            missing.pop("AuthAudience", None)
        if "AuthJwtSecret" in values:
            for name in ("AuthJwksUrl", "AuthIssuer", "AuthAudience"):
                missing.pop(name, None)
        for name, value in missing.items():
            if options.zip:
                print(f"not given, required for deployment, tried here with {value}: --parameter {name}=…")
        values = missing | values
    return cfn.Template(values, options.stack)


def open_session(options, values):
    """An AWS session, after the stack and the parameters were validated."""
    # boto3 itself reads only AWS_DEFAULT_REGION.
    session = boto3.Session(region_name=options.region or os.environ.get("AWS_REGION"))
    if not session.region_name:
        raise cfn.TemplateError("no region is set: give --region, or set AWS_REGION")
    if session.get_credentials() is None:
        raise cfn.TemplateError(
            "no AWS credentials were found: run `aws configure`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID"
        )
    if exists(session, options.stack):
        cfn.validate_given(values)
    else:
        validated_template(options, values)
    return session


def deploy(options, values):
    session = open_session(options, values)
    region = session.region_name
    bucket = artifacts_bucket(session, region, options.bucket)
    values = values | {"CodeBucket": bucket, "Release": str(int(time.time()))}
    session.client("s3").upload_file(str(options.zip), bucket, values["CodeKey"])
    print(f"uploaded edge.zip to s3://{bucket}/{values['CodeKey']}")
    # A file, because a command line with secrets would be visible to all users of the machine.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump([f"{name}={value}" for name, value in values.items()], file)
        file.flush()
        command = [sys.executable, "-m", "awscli", "cloudformation", "deploy", "--stack-name", options.stack]
        command += ["--template-file", str(cfn.PATH), "--capabilities", "CAPABILITY_IAM"]
        if cfn.PATH.stat().st_size > MAX_TEMPLATE_IN_REQUEST:
            command += ["--s3-bucket", bucket, "--s3-prefix", "template"]
        command += ["--no-fail-on-empty-changeset", "--region", region, "--parameter-overrides", f"file://{file.name}"]
        result = subprocess.run(command, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    if result.returncode:
        raise cfn.TemplateError(
            f"the stack {options.stack} wasn't deployed: the lines above and its events in the console say why"
        )
    (description,) = session.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
    for output in description.get("Outputs", []):
        print(f"{output['OutputKey']:<20} {output['OutputValue']}")


def main():
    options = parse_arguments()
    try:
        check_name(options.stack)
        values = parse_parameters(options.parameter) | {"Architecture": options.architecture}
        if options.zip:
            values["CodeKey"] = code_key(options.zip)
        if options.dry_run and options.zip:
            print_plan(validated_template(options, values), options.zip.stat().st_size)
        elif options.dry_run:
            validated_template(options, values)
        elif options.zip:
            deploy(options, values)
        else:
            open_session(options, values)
    except (cfn.TemplateError, *AWS_ERRORS) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
