"""deploy.py and the AWS CLI against moto as a server, which stands in for an account.

Usage: deploy_moto.py. Says `content` in its last line.
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
from stack import GOOD, cfn, without_what_moto_lacks  # noqa: E402

import deploy  # noqa: E402  (of deploy/, which `stack` has put on the path)

ORIGINS = f"AllowedOrigins={GOOD['AllowedOrigins']}"


def run(*words):
    """What deploy prints, or the sentence with which it ends."""
    said = io.StringIO()
    sys.argv = ["deploy.py", *words]
    try:
        with contextlib.redirect_stdout(said):
            deploy.main()
    except SystemExit as end:
        return str(end.code)
    return said.getvalue()


def sentences(folder):
    """What is wrong with the words is one sentence, before AWS is asked."""
    (folder / "latin-1").write_bytes("ä".encode("latin-1") * 32)
    (folder / "lines").write_text(GOOD["AuthJwtSecret"] + "\n\n")
    for words, says in [
        (["de mo"], "--stack 'de mo' is wrong"),
        (["-"], "--stack '-' is wrong"),
        (["d" * 33], "32 at most"),
        (["demo", "--parameter", "AllowedOrigins"], "NAME=VALUE"),
        (["demo", "--parameter", "CodeKey=x.zip"], "deploy gives it itself"),
        (["demo", "--parameter", "AuthJwtSecret=@/no/such/file"], "can't be read"),
        (["demo", "--parameter", f"AuthJwtSecret=@{folder / 'latin-1'}"], "isn't UTF-8 text"),
        # As CloudFormation judges, to which a dot is no line's end.
        (["demo", "--parameter", f"AuthJwtSecret=@{folder / 'lines'}"], "AuthJwtSecret is wrong"),
        (["demo", "--parameter", "Colour=red"], "Colour is no parameter"),
        (["demo", "--parameter", "AllowedOrigins=*"], "AllowedOrigins '*' is wrong"),
    ]:
        said = run(*words, "--dry-run")
        assert says in said and "\n" not in said, said
    assert run("demo", "--dry-run") == "", "a dry run goes on with examples"


def nobody():
    """Without credentials or region, too."""
    kept = {name: os.environ.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    os.environ |= {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_CONFIG_FILE": "/dev/null",
    }
    boto3.DEFAULT_SESSION = None
    assert "no AWS credentials were found" in run("demo")
    os.environ |= kept
    region = os.environ.pop("AWS_DEFAULT_REGION")
    assert "no region is set" in run("demo")
    os.environ["AWS_DEFAULT_REGION"] = region


def deployed(folder):
    """A bucket is made for the zip, and the stack from the template. (moto can't update it.)"""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    assert "AllowedOrigins is missing" in run("demo"), "a new stack needs all parameters"
    assert "AuthJwtSecret or AuthJwksUrl" in run("demo", "--parameter", ORIGINS)
    # Only what the CLI sends is what moto can make; the checks before see the template itself.
    cfn.PATH = folder / "template.json"
    cfn.PATH.write_text(without_what_moto_lacks(cfn.Template(GOOD)), encoding="utf-8")
    edge, secret = folder / "edge.zip", folder / "secret"
    edge.write_bytes(b"PK\x05\x06" + bytes(18))
    # With the line's end that editors leave; what is deployed has none.
    secret.write_bytes(GOOD["AuthJwtSecret"].encode() + b"\r\n")
    words = ["demo", "--zip", str(edge), "--parameter", ORIGINS, "--parameter", f"AuthJwtSecret=@{secret}"]
    said = run(*words)
    assert "made the bucket greloupis-artifacts-123456789012-us-east-1" in said, said
    assert GOOD["AuthJwtSecret"] not in said, "a secret is shown"
    s3 = boto3.client("s3")
    (code,) = s3.list_objects_v2(Bucket="greloupis-artifacts-123456789012-us-east-1")["Contents"]
    assert code["Key"] == deploy.code_key(edge)
    block = s3.get_public_access_block(Bucket="greloupis-artifacts-123456789012-us-east-1")
    assert all(block["PublicAccessBlockConfiguration"].values())
    (function,) = boto3.client("lambda").list_functions()["Functions"]
    env = function["Environment"]["Variables"]
    assert env["AUTH_JWT_SECRET"] == GOOD["AuthJwtSecret"] and env["ALLOWED_ORIGINS"] == GOOD["AllowedOrigins"]
    assert run("demo") == "", "what a stack has needn't be given again"
    assert "AlowedOrigins is no parameter" in run("demo", "--parameter", "AlowedOrigins=https://site.example")
    assert "AllowedOrigins '*' is wrong" in run("demo", "--parameter", "AllowedOrigins=*")
    stopped()
    buckets(s3)
    deploy.artifacts = lambda *_: "nobodys-bucket"
    said = run("demo", "--zip", str(edge))
    assert "nobodys-bucket" in said and "NoSuchBucket" in said, said
    server.stop()


def stopped():
    """A stack that can only be deleted is refused, and one that was never made counts as none."""
    (stack,) = cloudformation_backends[cfn.ACCOUNT]["us-east-1"].stacks.values()
    for status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        stack.status = status
        said = run("demo")
        assert status in said and "aws cloudformation delete-stack --stack-name demo" in said, said
    stack.status = "REVIEW_IN_PROGRESS"
    assert "AllowedOrigins is missing" in run("demo")
    stack.status = "CREATE_COMPLETE"


def buckets(s3):
    """Its own bucket is used again; one that was given stays as it is."""
    session = boto3.Session()
    assert deploy.artifacts(session, "us-east-1", None) == "greloupis-artifacts-123456789012-us-east-1"
    s3.create_bucket(Bucket="site-artifacts")
    assert deploy.artifacts(session, "us-east-1", "site-artifacts") == "site-artifacts"
    try:
        raise AssertionError(s3.get_public_access_block(Bucket="site-artifacts"))
    except botocore.exceptions.ClientError as error:
        assert "NoSuchPublicAccessBlock" in str(error), error


if __name__ == "__main__":
    nobody()
    with tempfile.TemporaryDirectory() as temporary:
        sentences(pathlib.Path(temporary))
        deployed(pathlib.Path(temporary))
    print("content")
