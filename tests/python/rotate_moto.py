"""Tests of rotate.py on a stack in moto: the value changes, the previous one stays until it is ended, the functions start
anew, and CloudFront gets the new value after them.

Usage: rotate_moto.py. Prints `passed` as its last line.
"""

import contextlib
import io
import json
import os

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3  # noqa: E402
from moto import mock_aws  # noqa: E402
from stack import GOOD, cfn, create  # noqa: E402

import rotate  # noqa: E402  (of deploy/, which `stack` puts on the path)

ORIGIN_HEADER = {"HeaderName": "x-origin-secret", "HeaderValue": "first"}


def create_distribution():
    """moto creates no distribution of a template. Returns the id of one with an origin like the template's."""
    origins = {
        "Quantity": 1,
        "Items": [
            {
                "Id": "api",
                "DomainName": "api.example",
                "CustomHeaders": {"Quantity": 1, "Items": [ORIGIN_HEADER]},
                "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
            }
        ],
    }
    behavior = {"TargetOriginId": "api", "ViewerProtocolPolicy": "https-only", "CachePolicyId": "x"}
    config = {"CallerReference": "1", "Comment": "", "Enabled": True, "Origins": origins}
    config["DefaultCacheBehavior"] = behavior
    return boto3.client("cloudfront").create_distribution(DistributionConfig=config)["Distribution"]["Id"]


def sent_value(distribution):
    config = boto3.client("cloudfront").get_distribution_config(Id=distribution)["DistributionConfig"]
    (header,) = config["Origins"]["Items"][0]["CustomHeaders"]["Items"]
    return header["HeaderValue"]


def run(stack, name, finish=False):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        rotate.rotate(stack, name, finish)
    return output.getvalue()


def release(function):
    env = boto3.client("lambda").get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    return int(env["RELEASE"])


@mock_aws(config={"lambda": {"use_docker": False}})
def rotation():
    rotate.POLLING = {"Delay": 0, "MaxAttempts": 9}
    # moto keeps the previous value only of a parameter that was given.
    parameters = cfn.read(cfn.PATH.read_text(encoding="utf-8"))["Parameters"]
    defaults = {name: str(parameter["Default"]) for name, parameter in parameters.items() if "Default" in parameter}
    ids = create(defaults | GOOD)
    stack = rotate.Stack("demo", boto3.Session())
    manager = boto3.client("secretsmanager")
    for logical in ("OriginSecret", "UploadTokenSecret"):
        stack.ids[logical] = manager.create_secret(Name=logical, SecretString='{"current":"first","previous":""}')["ARN"]
    # A secret from before rotations existed.
    stack.ids["CallbackSecret"] = manager.create_secret(Name="CallbackSecret", SecretString="first")["ARN"]
    stack.ids["Distribution"] = create_distribution()
    value = lambda logical: json.loads(manager.get_secret_value(SecretId=stack.ids[logical])["SecretString"])

    for name, (logical, _) in rotate.SECRETS.items():
        output = run(stack, name)
        new = value(logical)
        assert new["previous"] == "first" and len(new["current"]) == 64 and new["current"].isalnum(), new
        assert new["current"] not in output and "first" not in output, "a secret is printed"
        assert output.index("started anew") < output.index(f"{name} --finish"), output
        assert release(ids["Edge"]) == release(ids["Events"]) > 0
        if name == "ORIGIN":
            assert sent_value(stack.ids["Distribution"]) == new["current"]
            assert output.index("started anew") < output.index("Distribution: sends"), output
        # Twice without an end: the value in use stays accepted.
        run(stack, name)
        assert value(logical)["previous"] == new["current"]
        current = value(logical)["current"]
        run(stack, name, finish=True)
        assert value(logical) == {"current": current, "previous": ""}
        try:
            run(stack, name, finish=True)
        except cfn.TemplateError as error:
            assert "no previous value" in str(error)
        else:
            raise AssertionError("a rotation ends twice")
    assert sent_value(stack.ids["Distribution"]) == value("OriginSecret")["current"]


if __name__ == "__main__":
    rotation()
    print("passed")
