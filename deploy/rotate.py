"""Changes a secret of a deployed stack without an outage: the edge accepts the new and the previous value.

Usage: rotate.py STACK ORIGIN|TOKEN|CALLBACK [--region REGION] [--finish]. Without --finish the secret gets a new value, and
the present one becomes the previous; with it the previous one ends. Prints each step, no value.
"""

import argparse
import json
import os
import secrets
import string
import sys
import time

import boto3
import botocore.exceptions

import cfn

# The logical ids of the secrets, and how long the previous value is needed after the change.
SECRETS = {
    "ORIGIN": ("OriginSecret", "some minutes, until `doctor` passes"),
    "TOKEN": ("UploadTokenSecret", "7 days, the lifetime of an upload"),
    "CALLBACK": ("CallbackSecret", "until the site verifies with the new value"),
}
# The parameter that is changed to start the functions anew: a function reads the secrets at its start.
RELEASE = "Release"
LENGTH = 64
# For CloudFront and for a release, which take some minutes.
POLLING = {"Delay": 15, "MaxAttempts": 120}


def generate():
    """64 letters and digits: valid base64, as webhook keys are, and a valid header value."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(LENGTH))


def rotated(text, finish):
    """The next value of a secret: JSON with `current` and `previous`."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = {"current": text}
    if not finish:
        return {"current": generate(), "previous": value["current"]}
    if not value.get("previous"):
        raise cfn.TemplateError("there is no previous value to remove")
    return {"current": value["current"], "previous": ""}


class Stack:
    def __init__(self, name, session):
        self.name, self.session = name, session
        pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
        listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
        self.ids = {resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "") for resource in listed}

    def client(self, service):
        return self.session.client(service)

    def id(self, logical):
        if not self.ids.get(logical):
            raise cfn.TemplateError(f"the stack {self.name} has no {logical}")
        return self.ids[logical]

    def change_secret(self, logical, finish):
        """Stores the next value; returns it."""
        manager, secret = self.client("secretsmanager"), self.id(logical)
        value = rotated(manager.get_secret_value(SecretId=secret)["SecretString"], finish)
        manager.put_secret_value(SecretId=secret, SecretString=json.dumps(value))
        print(f"{logical}: " + ("the previous value ended" if finish else "a new value, and the previous one"))
        return value

    def restart_functions(self):
        """Starts the functions anew, as a release that changes nothing else, and waits until they have done so."""
        client = self.client("cloudformation")
        (stack,) = client.describe_stacks(StackName=self.name)["Stacks"]
        values = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack.get("Parameters", [])}
        if RELEASE not in values:
            raise cfn.TemplateError(f"the stack {self.name} is of an older version: first run `cargo xtask deploy`")
        kept = [{"ParameterKey": name, "UsePreviousValue": True} for name in values if name != RELEASE]
        release = str(max(int(time.time()), int(values[RELEASE]) + 1))
        client.update_stack(
            StackName=self.name,
            UsePreviousTemplate=True,
            Parameters=[*kept, {"ParameterKey": RELEASE, "ParameterValue": release}],
            Capabilities=["CAPABILITY_IAM"],
        )
        client.get_waiter("stack_update_complete").wait(StackName=self.name, WaiterConfig=POLLING)
        print("the functions started anew")

    def update_distribution(self, value):
        """Lets CloudFront send another origin secret, and waits until all its servers do."""
        client, distribution = self.client("cloudfront"), self.id("Distribution")
        found = client.get_distribution_config(Id=distribution)
        config = found["DistributionConfig"]
        headers = [
            header
            for origin in config["Origins"]["Items"]
            for header in origin.get("CustomHeaders", {}).get("Items", [])
            if header["HeaderName"].lower() == "x-origin-secret"
        ]
        if not headers:
            raise cfn.TemplateError(f"the distribution {distribution} sends no x-origin-secret")
        for header in headers:
            header["HeaderValue"] = value
        client.update_distribution(Id=distribution, IfMatch=found["ETag"], DistributionConfig=config)
        client.get_waiter("distribution_deployed").wait(Id=distribution, WaiterConfig=POLLING)
        print("Distribution: sends the new value")


def rotate(stack, name, finish=False):
    logical, wait = SECRETS[name]
    value = stack.change_secret(logical, finish)
    # Before CloudFront sends the new value, every function must accept it.
    stack.restart_functions()
    if name == "ORIGIN" and not finish:
        stack.update_distribution(value["current"])
    if not finish:
        command = f"cargo xtask rotate --stack {stack.name} {name} --finish"
        print(f"both values are accepted; wait {wait}; then end the previous one: {command}")


def main():
    parser = argparse.ArgumentParser(prog="cargo xtask rotate", allow_abbrev=False)
    parser.add_argument("stack")
    parser.add_argument("secret", choices=sorted(SECRETS))
    parser.add_argument("--region")
    parser.add_argument("--finish", action="store_true", help="ends the previous value")
    options = parser.parse_args()
    try:
        session = boto3.Session(region_name=options.region or os.environ.get("AWS_REGION"))
        rotate(Stack(options.stack, session), options.secret, options.finish)
    except cfn.TemplateError as error:
        sys.exit(str(error))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        sys.exit(f"{options.secret} of {options.stack} can't be rotated: {error}")


if __name__ == "__main__":
    main()
