"""Follows docs/operations.md on a stack in moto: runs its commands of dead letters and of the reconciler as they are written, and
changes the secrets that `rotate` doesn't change.

Usage: operations_moto.py. Prints `passed` as its last line.
"""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

import boto3  # noqa: E402
from moto.core.config import default_user_config  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402
from stack import GOOD, ROOT, cfn, create  # noqa: E402

import deploy  # noqa: E402  (of deploy/, which `stack` puts on the path)

DOCUMENT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
EVENT = {"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": "inputs/a.mp4"}}}


def section(title):
    """The text under a heading of the second level."""
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    return found


def shell(command, folder, **variables):
    """Runs a command of the document in a shell, with the AWS CLI of this Python; returns its output."""
    # Version 1 of the CLI takes SQS's endpoint from this option alone.
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    (folder / "aws").write_text(f'#!/bin/sh\nexec {sys.executable} -m awscli --endpoint-url {endpoint} "$@"\n')
    (folder / "aws").chmod(0o755)
    env = os.environ | variables | {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    # Version 1 always takes a payload as it is, and has no option for it.
    command = command.replace("--cli-binary-format raw-in-base64-out", "")
    result = subprocess.run(["sh", "-euc", command], cwd=folder, env=env, capture_output=True, text=True)
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout


def dead_letters(ids, folder):
    """The message is read, its event sent again, and the message deleted."""
    text, variables = section("Dead letters"), {"EVENTS": ids["Events"], "QUEUE": ids["DeadLetters"]}
    boto3.client("sqs").send_message(QueueUrl=ids["DeadLetters"], MessageBody=json.dumps({"requestPayload": EVENT}))
    (receive,) = re.findall(r"`(aws sqs receive-message [^`]+)`", text)
    (message,) = json.loads(shell(receive, folder, **variables))["Messages"]
    (folder / "event.json").write_text(json.dumps(json.loads(message["Body"])["requestPayload"]))
    (invoke,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert '"StatusCode": 202' in shell(invoke, folder, **variables)
    (delete,) = re.findall(r"`(aws sqs delete-message [^`]+)`", text)
    shell(delete.replace("…", message["ReceiptHandle"]), folder, **variables)
    attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = boto3.client("sqs").get_queue_attributes(QueueUrl=ids["DeadLetters"], AttributeNames=attributes)
    assert set(counts["Attributes"].values()) == {"0"}, counts


def reconciler(ids, folder):
    """The event of the document is the one that the rule sends, with limits."""
    (run,) = re.findall(r"```sh\n(.*?)```", section("Reconciler"), re.DOTALL)
    assert '"StatusCode": 202' in shell(run, folder, EVENTS=ids["Events"])
    event = json.loads((folder / "event.json").read_text())
    detail = event.pop("detail")
    (target,) = cfn.Template(GOOD).resources()["ReconcileRule"]["Properties"]["Targets"]
    assert event | {"detail": {}} == json.loads(target["Input"])
    assert detail == {"olderThanSeconds": 0, "newerThanHours": 168}


def owner_in_the_log(folder):
    """The hash of the document, which the edge's own test computes, too."""
    (command,) = re.findall(r"`(printf [^`]+)`", section("Logs"))
    expected = hashlib.sha256(b"demo:alice").hexdigest()[:16]
    assert shell(command, folder, APPLICATION="demo", OWNER="alice").strip() == expected


def token_key(folder):
    """AuthJwtSecret changes by the steps of the document: both keys are accepted, then the new one alone."""
    text = section("Key rotation")
    for step in ("`AuthJwtSecret=@new.txt`", "`AuthJwtSecretPrevious=@old.txt`", "`AuthJwtSecretPrevious=`"):
        assert step in text, step
    old, new = GOOD["AuthJwtSecret"], "n" * 32
    (folder / "old.txt").write_text(old)
    (folder / "new.txt").write_text(new)
    sent = [
        deployed(["AuthJwtSecret=@new.txt", "AuthJwtSecretPrevious=@old.txt"], folder),
        deployed(["AuthJwtSecretPrevious="], folder),
    ]
    assert sent[0]["AuthJwtSecret"] == new and sent[0]["AuthJwtSecretPrevious"] == old
    assert sent[1]["AuthJwtSecretPrevious"] == "" and "AuthJwtSecret" not in sent[1]
    assert all(int(values["Release"]) > 0 for values in sent), "the functions read the new values"
    both, one = (cfn.Template(GOOD | values).resources() for values in ({**sent[0]}, {"AuthJwtSecret": new, **sent[1]}))
    assert both["JwtSecret"]["Properties"]["SecretString"] == new
    assert both["PreviousJwtSecret"]["Properties"]["SecretString"] == old and "PreviousJwtSecret" not in one
    variable = "AUTH_JWT_SECRET_PREVIOUS"
    assert variable in both["Edge"]["Properties"]["Environment"]["Variables"]
    assert variable not in one["Edge"]["Properties"]["Environment"]["Variables"]


def deployed(parameters, folder):
    """The parameters with which deploy.py calls the AWS CLI to update the stack."""
    zip_file = folder / "edge.zip"
    zip_file.write_bytes(b"PK\x05\x06" + bytes(18))
    sent = []

    def run(command, **_):
        path = command[command.index("--parameter-overrides") + 1].removeprefix("file://")
        sent.append(dict(pair.split("=", 1) for pair in json.loads(pathlib.Path(path).read_text())))
        return subprocess.CompletedProcess(command, 0)

    sys.argv = ["deploy.py", "demo", "--zip", str(zip_file)]
    sys.argv += [argument for parameter in parameters for argument in ("--parameter", parameter)]
    # moto can't update a stack by a change set.
    real, deploy.subprocess.run = deploy.subprocess.run, run
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(folder):
            deploy.main()
    finally:
        deploy.subprocess.run = real
    return sent[0]


def main():
    default_user_config["lambda"]["use_docker"] = False
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    try:
        ids = create(GOOD)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            dead_letters(ids, folder)
            reconciler(ids, folder)
            owner_in_the_log(folder)
            token_key(folder)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
    print("passed")
