"""Deploys a packaged edge with template.yaml, by the AWS CLI and the ordinary credentials; or says what it would do.

Usage: deploy.py STACK [--zip ZIP] [--architecture arm64|x86_64] [--dry-run] [--region REGION] [--bucket BUCKET]
[--parameter NAME=VALUE…]; a value of @PATH is a file's content, but for the line's end at its end. Without a zip it
only looks whether all is given, before anybody waits for a build. Ends with one sentence where something is wrong.
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

import boto3
import boto3.exceptions
import botocore.exceptions

import cfn
import words

# What this program gives itself.
OWN = ("CodeBucket", "CodeKey", "Architecture")
# Of `upload_file`, of the connection, and of the services.
AWS_ERRORS = (boto3.exceptions.Boto3Error, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
# What can't be defaulted; a dry run goes on with these.
EXAMPLES = {"AllowedOrigins": "https://site.example", "AuthJwksUrl": "https://site.example/.well-known/jwks.json"}


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask deploy", allow_abbrev=False)
    parser.add_argument("stack")
    parser.add_argument("--zip", type=pathlib.Path)
    parser.add_argument("--architecture", default="arm64")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--region")
    parser.add_argument(
        "--bucket", help="where the zip goes; one of greloupis-artifacts-ACCOUNT-REGION is made unless told"
    )
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def given(assignments):
    """The parameters of the command line."""
    values = {}
    for word in assignments:
        name, equals, value = word.partition("=")
        if not equals:
            raise cfn.Refused(f"--parameter {word} is wrong: it must be NAME=VALUE")
        if name in OWN:
            raise cfn.Refused(f"--parameter {name} is wrong: deploy gives it itself")
        values[name] = words.value(value, f"--parameter {name}")
    return values


def check_name(stack):
    # Names that CloudFormation makes of it have 63 characters at most.
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{0,31}", stack):
        raise cfn.Refused(f"--stack {stack!r} is wrong: a letter, then letters, digits and hyphens, 32 at most")


def code_key(path):
    """Named by its content, so that CloudFormation sees a change exactly when there is one."""
    return f"edge/{hashlib.sha256(path.read_bytes()).hexdigest()[:32]}.zip"


def plan(template, size):
    """What would be made, kind by kind."""
    kinds = collections.Counter(one["Type"] for one in template.resources().values())
    print(
        f"would make or change the stack {template.stack}, {sum(kinds.values())} resources, edge.zip of {size:,} bytes:"
    )
    for kind, count in sorted(kinds.items()):
        print(f"  {count} × {kind}")
    print("with the outputs " + ", ".join(template.outputs()))
    well = f"dry run passed: the stack {template.stack} can be deployed, as far as that can be known without an account"
    print(f"\x1b[32m{well}\x1b[0m" if sys.stdout.isatty() else well)


def artifacts(session, region, bucket):
    """A private bucket for the zip, made when it isn't there."""
    account = session.client("sts").get_caller_identity()["Account"]
    s3, name = session.client("s3"), bucket or f"greloupis-artifacts-{account}-{region}"
    made = False
    try:
        # Somebody else's bucket of that name must not get, or give, our code.
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise cfn.Refused(
                f"the bucket {name} can't be used: {error.response['Error']['Code']}; name another by --bucket"
            ) from None
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)
        made = True
        print(f"made the bucket {name}")
    # A bucket of somebody's own may have its reasons to be as it is.
    if made or not bucket:
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
    return name


def exists(session, stack):
    """Whether there is a stack to change. One that can only be deleted is refused, before anybody waits for a build."""
    try:
        (told,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except botocore.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    status = told["StackStatus"]
    if status in cfn.DEAD:
        raise cfn.Refused(f"the stack {stack} is in {status} and can't be changed: first {cfn.DELETE.format(stack)}")
    # A change set was made and never carried out.
    return status != "REVIEW_IN_PROGRESS"


def checked(args, values):
    """The template with these values, for a stack that isn't there yet. Of one that is, CloudFormation keeps what
    isn't given: whether all goes together, it alone can tell."""
    values = {"CodeBucket": "artifacts", "CodeKey": "edge.zip"} | values
    if args.dry_run:
        lacking = {name: value for name, value in EXAMPLES.items() if name not in values}
        if "AuthJwtSecret" in values:
            lacking.pop("AuthJwksUrl", None)
        for name, value in lacking.items():
            if args.zip:
                print(f"not given, needed to deploy, and tried here with {value}: --parameter {name}=…")
        values = lacking | values
    return cfn.Template(values, args.stack)


def connected(args, values):
    """A session that is good for this deployment."""
    # boto3 reads AWS_DEFAULT_REGION alone.
    session = boto3.Session(region_name=args.region or os.environ.get("AWS_REGION"))
    if not session.region_name:
        raise cfn.Refused("no region is set: give --region, or set AWS_REGION")
    if session.get_credentials() is None:
        raise cfn.Refused("no AWS credentials were found: run `aws configure`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID")
    if exists(session, args.stack):
        cfn.judge_given(values)
    else:
        checked(args, values)
    return session


def deploy(args, values):
    session = connected(args, values)
    region = session.region_name
    bucket = artifacts(session, region, args.bucket)
    values = values | {"CodeBucket": bucket}
    session.client("s3").upload_file(str(args.zip), bucket, values["CodeKey"])
    print(f"uploaded edge.zip to s3://{bucket}/{values['CodeKey']}")
    # Secrets on a command line could be read by everybody on this machine.
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump([f"{name}={value}" for name, value in values.items()], file)
        file.flush()
        command = [sys.executable, "-m", "awscli", "cloudformation", "deploy", "--stack-name", args.stack]
        command += ["--template-file", str(cfn.PATH), "--capabilities", "CAPABILITY_IAM"]
        command += ["--no-fail-on-empty-changeset", "--region", region, "--parameter-overrides", f"file://{file.name}"]
        ended = subprocess.run(command, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    if ended.returncode:
        raise cfn.Refused(
            f"the stack {args.stack} wasn't deployed: the lines above and its events in the console say why"
        )
    (told,) = session.client("cloudformation").describe_stacks(StackName=args.stack)["Stacks"]
    for output in told.get("Outputs", []):
        print(f"{output['OutputKey']:<20} {output['OutputValue']}")


def main():
    args = arguments()
    try:
        check_name(args.stack)
        values = given(args.parameter) | {"Architecture": args.architecture}
        if args.zip:
            values["CodeKey"] = code_key(args.zip)
        if args.dry_run and args.zip:
            plan(checked(args, values), args.zip.stat().st_size)
        elif args.dry_run:
            checked(args, values)
        elif args.zip:
            deploy(args, values)
        else:
            connected(args, values)
    except (cfn.Refused, *AWS_ERRORS) as sentence:
        sys.exit(str(sentence))


if __name__ == "__main__":
    main()
