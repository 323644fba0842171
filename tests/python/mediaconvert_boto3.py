"""boto3 as a judge of the local MediaConvert. Each command does one thing and fails loudly; what the test needs to
go on is printed as JSON.

Usage: mediaconvert_boto3.py ENDPOINT COMMAND ARGUMENTS...
"""

import datetime
import json
import sys

import boto3
import botocore.config
import botocore.exceptions
from job_json import filled

ENDPOINT = sys.argv[1]
ROLE = "arn:aws:iam::000000000000:role/local"


def client(secret_key="locallocal", access_key="local", region="us-east-1"):
    return boto3.client(
        "mediaconvert",
        endpoint_url=ENDPOINT,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def refused(call, code, status, says=""):
    """Runs `call`, which must be refused in just this way."""
    try:
        answer = call()
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert found == (code, status), f"{found} instead of {(code, status)}: {error}"
        message = error.response["Error"]["Message"]
        assert says in message and message.endswith("."), f"{message!r} should say {says!r}"
    else:
        raise AssertionError(f"{code} was due, not {answer}")


def settings_of(job_json, file_input, name, heights="", bucket="media"):
    """job.json for this input, with only the outputs of these heights and the pictures."""
    with open(job_json, encoding="utf-8") as file:
        settings = filled(json.load(file), file_input, bucket, name)
    if heights:
        wanted = [int(height) for height in heights.split(",")]
        for group in settings["OutputGroups"]:
            outputs = group["Outputs"]
            outputs = [o for o in outputs if "NameModifier" not in o or o["VideoDescription"]["Height"] in wanted]
            group["Outputs"] = outputs
        settings["OutputGroups"] = [group for group in settings["OutputGroups"] if group["Outputs"]]
    return settings


def create(job_json, file_input, name, heights="", token="", bucket="media"):
    """A job; its id."""
    more = {"ClientRequestToken": token} if token else {}
    settings = settings_of(job_json, file_input, name, heights, bucket)
    answer = client().create_job(
        Role=ROLE, Settings=settings, UserMetadata={"videoId": name}, Queue="Default", **more
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    job = answer["Job"]
    assert job["Settings"] == settings, "the settings come back as they were handed in"
    assert job["UserMetadata"] == {"videoId": name}
    assert job["Arn"] == f"arn:aws:mediaconvert:us-east-1:000000000000:jobs/{job['Id']}"
    assert job["Queue"].endswith(":queues/Default") and job["Role"] == ROLE
    return job["Id"]


def get(job_id):
    """A job's state, times checked."""
    job = client().get_job(Id=job_id)["Job"]
    for time in [job["CreatedAt"], *job["Timing"].values()]:
        age = datetime.datetime.now(datetime.timezone.utc) - time
        assert datetime.timedelta(-1) < age < datetime.timedelta(1), f"{time} isn't of today"
    if job["Status"] in ("COMPLETE", "ERROR", "CANCELED"):
        assert job["Timing"]["SubmitTime"] <= job["Timing"]["FinishTime"]
    wanted = ["Status", "JobPercentComplete", "ErrorCode", "ErrorMessage", "OutputGroupDetails", "RetryCount"]
    return {name: job[name] for name in wanted if name in job}


def pages(*ids):
    """ListJobs: these jobs, oldest first, are all that there are."""
    ids = list(ids)
    api = client()

    def listed(**wanted):
        found = []
        while True:
            answer = api.list_jobs(MaxResults=1, **wanted)
            found += [job["Id"] for job in answer["Jobs"]]
            if "NextToken" not in answer:
                return found
            wanted["NextToken"] = answer["NextToken"]

    assert listed(Order="ASCENDING") == ids
    assert listed(Order="DESCENDING") == listed() == ids[::-1]
    assert listed(Queue="Default", Order="ASCENDING") == ids
    states = ("SUBMITTED", "PROGRESSING", "COMPLETE", "CANCELED", "ERROR")
    by_state = {state: listed(Status=state) for state in states}
    assert sorted(sum(by_state.values(), [])) == sorted(ids)
    refused(lambda: api.list_jobs(NextToken="?"), "BadRequestException", 400, "nextToken")
    refused(lambda: api.list_jobs(Queue="Other"), "NotFoundException", 404, "queue")
    return by_state


def probe(uri):
    """What Probe says of a file; of one that it refuses, how."""
    try:
        (result,) = client().probe(InputFiles=[{"FileUrl": uri}])["ProbeResults"]
    except botocore.exceptions.ClientError as error:
        return {"refused": error.response["Error"]["Code"]}
    assert isinstance(result["Metadata"].pop("LastModified"), datetime.datetime)
    return result


def faults(job_json):
    """Everything that must be refused, and one job's token honoured."""
    settings = settings_of(job_json, "s3://uploads/inputs/none.mp4", "none", "360")
    with_role = {"Role": ROLE, "Settings": settings}
    calls = {
        "signature": lambda api: api.list_jobs(),
        "create": lambda api: api.create_job(**with_role),
        "probe": lambda api: api.probe(InputFiles=[{"FileUrl": "s3://uploads/inputs/none.mp4"}]),
        "endpoints": lambda api: api.describe_endpoints(),
        "cancel": lambda api: api.cancel_job(Id="x"),
    }
    for call in calls.values():
        wrong = client(secret_key="wrong")
        refused(lambda call=call: call(wrong), "InvalidSignatureException", 403, "signature")
        stranger = client(access_key="stranger")
        refused(lambda call=call: call(stranger), "UnrecognizedClientException", 403, "access key")
        elsewhere = client(region="eu-central-1")
        refused(lambda call=call: call(elsewhere), "InvalidSignatureException", 403, "region")

    api = client()
    assert api.describe_endpoints()["Endpoints"] == [{"Url": ENDPOINT}]
    refused(lambda: api.get_job(Id="none"), "NotFoundException", 404, "no such job")
    refused(lambda: api.cancel_job(Id="none"), "NotFoundException", 404, "no such job")

    def bad(says, **changes):
        refused(lambda: api.create_job(**{**with_role, **changes}), "BadRequestException", 400, says)

    def changed(path, value):
        copy = json.loads(json.dumps(settings))
        place = copy
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return copy

    output = ("OutputGroups", 0, "Outputs", 0)
    bad("/role", Role="")
    bad("/role", Role="administrator")
    bad("/settings", Settings={})
    bad("/settings/inputs", Settings=changed(("Inputs",), []))
    bad("/settings/outputGroups", Settings=changed(("OutputGroups",), []))
    bad("fileInput", Settings=changed(("Inputs", 0, "FileInput"), "file:///etc/passwd"))
    bad("DASH", Settings=changed(("OutputGroups", 0, "OutputGroupSettings", "Type"), "DASH_ISO_GROUP_SETTINGS"))
    group = ("OutputGroups", 0, "OutputGroupSettings", "HlsGroupSettings")
    bad("destination", Settings=changed((*group, "Destination"), "assets/HLS/"))
    bad("AVI", Settings=changed((*output, "ContainerSettings", "Container"), "AVI"))
    bad("userMetadata", UserMetadata={"key": "a;b"})
    bad("userMetadata", UserMetadata={f"k{number}": "v" for number in range(11)})
    bad("userMetadata", UserMetadata={"k": "v" * 257})
    bad("clientRequestToken", ClientRequestToken="t" * 65)
    refused(lambda: api.create_job(**with_role, Queue="Other"), "NotFoundException", 404, "queue")

    first = api.create_job(**with_role, ClientRequestToken="once")["Job"]["Id"]
    again = api.create_job(**with_role, ClientRequestToken="once")["Job"]["Id"]
    other = api.create_job(**with_role, ClientRequestToken="twice")["Job"]["Id"]
    assert first == again != other
    return [first, other]


COMMANDS = {"create": create, "get": get, "pages": pages, "probe": probe, "faults": faults}
print(json.dumps(COMMANDS[sys.argv[2]](*sys.argv[3:])))
