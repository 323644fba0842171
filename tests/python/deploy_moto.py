"""Tests of deploy.py and the AWS CLI, against moto as a server in place of an AWS account.

Usage: deploy_moto.py. Prints `passed` as its last line.
"""

import contextlib
import io
import os
import pathlib
import sys
import tempfile

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3  # noqa: E402
import botocore.exceptions  # noqa: E402
from moto.cloudformation.models import cloudformation_backends  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402
from stack import GOOD, cfn, reduced_for_moto  # noqa: E402

import deploy  # noqa: E402  (of deploy/, which `stack` puts on the path)

ORIGINS = f"AllowedOrigins={GOOD['AllowedOrigins']}"


def run(*arguments):
    """The output of deploy.py, or its error message."""
    output = io.StringIO()
    sys.argv = ["deploy.py", *arguments]
    try:
        with contextlib.redirect_stdout(output):
            deploy.main()
    except SystemExit as exit:
        return str(exit.code)
    return output.getvalue()


def invalid_arguments_fail_before_requests(folder):
    """An invalid argument is reported as one sentence, before any request to AWS."""
    (folder / "latin-1").write_bytes("ä".encode("latin-1") * 32)
    (folder / "lines").write_text(GOOD["AuthJwtSecret"] + "\n\n")
    for arguments, expected in [
        (["de mo"], "--stack 'de mo' is wrong"),
        (["-"], "--stack '-' is wrong"),
        (["d" * 33], "32 at most"),
        (["demo", "--parameter", "AllowedOrigins"], "NAME=VALUE"),
        (["demo", "--parameter", "CodeKey=x.zip"], "deploy sets it itself"),
        (["demo", "--parameter", "AuthJwtSecret=@/no/such/file"], "can't be read"),
        (["demo", "--parameter", f"AuthJwtSecret=@{folder / 'latin-1'}"], "isn't UTF-8 text"),
        # As in CloudFormation, a dot in a pattern doesn't match a newline.
        (["demo", "--parameter", f"AuthJwtSecret=@{folder / 'lines'}"], "AuthJwtSecret is wrong"),
        (["demo", "--parameter", "Colour=red"], "Colour is no parameter"),
        (["demo", "--parameter", "AllowedOrigins=*"], "AllowedOrigins '*' is wrong"),
    ]:
        output = run(*arguments, "--dry-run")
        assert expected in output and "\n" not in output, output
    assert run("demo", "--dry-run") == "", "a dry run uses examples for missing parameters"


def missing_credentials_or_region_fails():
    credentials = {name: os.environ.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    os.environ |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_CONFIG_FILE": "/dev/null",
    }
    boto3.DEFAULT_SESSION = None
    assert "no AWS credentials were found" in run("demo")
    os.environ |= credentials
    region = os.environ.pop("AWS_DEFAULT_REGION")
    assert "no region is set" in run("demo")
    os.environ["AWS_DEFAULT_REGION"] = region


def new_stack_is_deployed(folder):
    """The bucket for the zip and the stack are created. (moto can't update a stack.)"""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    assert "AllowedOrigins is missing" in run("demo"), "a new stack needs all parameters"
    assert "AuthJwtSecret or AuthJwksUrl" in run("demo", "--parameter", ORIGINS)
    # The CLI sends a reduced template, which moto supports; the checks before it use the full one.
    cfn.PATH = folder / "template.json"
    cfn.PATH.write_text(reduced_for_moto(cfn.Template(GOOD)), encoding="utf-8")
    edge, secret = folder / "edge.zip", folder / "secret"
    edge.write_bytes(b"PK\x05\x06" + bytes(18))
    # The final newline isn't part of the deployed value.
    secret.write_bytes(GOOD["AuthJwtSecret"].encode() + b"\r\n")
    arguments = ["demo", "--zip", str(edge), "--parameter", ORIGINS, "--parameter", f"AuthJwtSecret=@{secret}"]
    output = run(*arguments)
    assert "created the bucket greloupis-artifacts-123456789012-us-east-1" in output, output
    assert GOOD["AuthJwtSecret"] not in output, "a secret is printed"
    s3 = boto3.client("s3")
    (code,) = s3.list_objects_v2(Bucket="greloupis-artifacts-123456789012-us-east-1")["Contents"]
    assert code["Key"] == deploy.code_key(edge)
    block = s3.get_public_access_block(Bucket="greloupis-artifacts-123456789012-us-east-1")
    assert all(block["PublicAccessBlockConfiguration"].values())
    function, _ = boto3.client("lambda").list_functions()["Functions"]
    env = function["Environment"]["Variables"]
    assert env["AUTH_JWT_SECRET"].startswith("arn:aws:secretsmanager:") and int(env["RELEASE"]) > 0 and env["ALLOWED_ORIGINS"] == GOOD["AllowedOrigins"]
    assert run("demo") == "", "an existing stack keeps its parameters"
    assert "AlowedOrigins is no parameter" in run("demo", "--parameter", "AlowedOrigins=https://site.example")
    assert "AllowedOrigins '*' is wrong" in run("demo", "--parameter", "AllowedOrigins=*")
    unusable_stack_fails()
    artifacts_bucket_is_reused(s3)
    deploy.artifacts_bucket = lambda *_: "missing-bucket"
    output = run("demo", "--zip", str(edge))
    assert "missing-bucket" in output and "NoSuchBucket" in output, output
    server.stop()


def unusable_stack_fails():
    """A stack that can only be deleted is refused; one without executed change sets counts as missing."""
    (stack,) = cloudformation_backends[cfn.ACCOUNT]["us-east-1"].stacks.values()
    for status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        stack.status = status
        output = run("demo")
        assert status in output and "aws cloudformation delete-stack --stack-name demo" in output, output
    stack.status = "REVIEW_IN_PROGRESS"
    assert "AllowedOrigins is missing" in run("demo")
    stack.status = "CREATE_COMPLETE"


def artifacts_bucket_is_reused(s3):
    """The default bucket is reused; the settings of one given by --bucket aren't changed."""
    session = boto3.Session()
    assert deploy.artifacts_bucket(session, "us-east-1", None) == "greloupis-artifacts-123456789012-us-east-1"
    s3.create_bucket(Bucket="site-artifacts")
    assert deploy.artifacts_bucket(session, "us-east-1", "site-artifacts") == "site-artifacts"
    try:
        raise AssertionError(s3.get_public_access_block(Bucket="site-artifacts"))
    except botocore.exceptions.ClientError as error:
        assert "NoSuchPublicAccessBlock" in str(error), error


if __name__ == "__main__":
    missing_credentials_or_region_fails()
    with tempfile.TemporaryDirectory() as temporary:
        invalid_arguments_fail_before_requests(pathlib.Path(temporary))
        new_stack_is_deployed(pathlib.Path(temporary))
    print("passed")
