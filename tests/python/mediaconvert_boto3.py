"""Tests of the local MediaConvert with boto3. Each command runs one test, raises on failure, and prints its result as
JSON.

Usage: mediaconvert_boto3.py ENDPOINT COMMAND ARGUMENTS...
"""

import datetime
import json
import sys

import boto3
import botocore.config
import botocore.exceptions
from job_json import with_destinations

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


def assert_refused(call, code, status, text=""):
    """Runs `call`, which must fail with this code, status and text of the message."""
    try:
        response = call()
    except botocore.exceptions.ClientError as error:
        actual = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert actual == (code, status), f"{actual} instead of {(code, status)}: {error}"
        message = error.response["Error"]["Message"]
        assert text in message and message.endswith("."), f"{message!r} should contain {text!r}"
    else:
        raise AssertionError(f"{response} instead of {code}")


def settings_of(job_json, file_input, name, heights="", bucket="media"):
    """job.json for this input, with only the outputs of these heights and the thumbnails."""
    with open(job_json, encoding="utf-8") as file:
        settings = with_destinations(json.load(file), file_input, bucket, name)
    if heights:
        selected = [int(height) for height in heights.split(",")]
        for group in settings["OutputGroups"]:
            group["Outputs"] = [
                output
                for output in group["Outputs"]
                if "NameModifier" not in output or output["VideoDescription"]["Height"] in selected
            ]
        settings["OutputGroups"] = [group for group in settings["OutputGroups"] if group["Outputs"]]
    return settings


def create(job_json, file_input, name, heights="", token="", bucket="media"):
    """Creates a job; returns its id."""
    options = {"ClientRequestToken": token} if token else {}
    settings = settings_of(job_json, file_input, name, heights, bucket)
    response = client().create_job(
        Role=ROLE, Settings=settings, UserMetadata={"videoId": name}, Queue="Default", **options
    )
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 201
    job = response["Job"]
    assert job["Settings"] == settings, "the settings are returned unchanged"
    assert job["UserMetadata"] == {"videoId": name}
    assert job["Arn"] == f"arn:aws:mediaconvert:us-east-1:000000000000:jobs/{job['Id']}"
    assert job["Queue"].endswith(":queues/Default") and job["Role"] == ROLE
    return job["Id"]


def create_of(settings):
    """Creates a job with these settings as JSON; returns its id."""
    return client().create_job(Role=ROLE, Settings=json.loads(settings))["Job"]["Id"]


def get(job_id):
    """A job's state; checks its times."""
    job = client().get_job(Id=job_id)["Job"]
    for time in [job["CreatedAt"], *job["Timing"].values()]:
        age = datetime.datetime.now(datetime.timezone.utc) - time
        assert datetime.timedelta(-1) < age < datetime.timedelta(1), f"{time} isn't within a day of now"
    if job["Status"] in ("COMPLETE", "ERROR", "CANCELED"):
        assert job["Timing"]["SubmitTime"] <= job["Timing"]["FinishTime"]
    names = ["Status", "JobPercentComplete", "ErrorCode", "ErrorMessage", "OutputGroupDetails", "RetryCount"]
    return {name: job[name] for name in names if name in job}


def pages(*ids):
    """ListJobs returns exactly these jobs, which are given oldest first."""
    ids = list(ids)
    api = client()

    def list_ids(**options):
        found = []
        while True:
            response = api.list_jobs(MaxResults=1, **options)
            found += [job["Id"] for job in response["Jobs"]]
            if "NextToken" not in response:
                return found
            options["NextToken"] = response["NextToken"]

    assert list_ids(Order="ASCENDING") == ids
    assert list_ids(Order="DESCENDING") == list_ids() == ids[::-1]
    assert list_ids(Queue="Default", Order="ASCENDING") == ids
    states = ("SUBMITTED", "PROGRESSING", "COMPLETE", "CANCELED", "ERROR")
    by_state = {state: list_ids(Status=state) for state in states}
    assert sorted(sum(by_state.values(), [])) == sorted(ids)
    assert_refused(lambda: api.list_jobs(NextToken="?"), "BadRequestException", 400, "nextToken")
    assert_refused(lambda: api.list_jobs(Queue="Other"), "NotFoundException", 404, "queue")
    return by_state


def probe(uri):
    """The result of Probe, or its error code."""
    try:
        (result,) = client().probe(InputFiles=[{"FileUrl": uri}])["ProbeResults"]
    except botocore.exceptions.ClientError as error:
        return {"refused": error.response["Error"]["Code"]}
    assert isinstance(result["Metadata"].pop("LastModified"), datetime.datetime)
    return result


def invalid_requests(job_json):
    """Invalid requests are refused, and a request token is used for one job only."""
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
        assert_refused(lambda call=call: call(wrong), "InvalidSignatureException", 403, "signature")
        unknown = client(access_key="unknown")
        assert_refused(lambda call=call: call(unknown), "UnrecognizedClientException", 403, "access key")
        other_region = client(region="eu-central-1")
        assert_refused(lambda call=call: call(other_region), "InvalidSignatureException", 403, "region")

    api = client()
    assert api.describe_endpoints()["Endpoints"] == [{"Url": ENDPOINT}]
    assert_refused(lambda: api.get_job(Id="none"), "NotFoundException", 404, "no such job")
    assert_refused(lambda: api.cancel_job(Id="none"), "NotFoundException", 404, "no such job")

    def assert_bad_request(text, **changes):
        assert_refused(lambda: api.create_job(**{**with_role, **changes}), "BadRequestException", 400, text)

    def changed(path, value):
        copy = json.loads(json.dumps(settings))
        target = copy
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value
        return copy

    output = ("OutputGroups", 0, "Outputs", 0)
    assert_bad_request("/role", Role="")
    assert_bad_request("/role", Role="administrator")
    assert_bad_request("/settings", Settings={})
    assert_bad_request("/settings/inputs", Settings=changed(("Inputs",), []))
    assert_bad_request("/settings/outputGroups", Settings=changed(("OutputGroups",), []))
    assert_bad_request("fileInput", Settings=changed(("Inputs", 0, "FileInput"), "file:///etc/passwd"))
    assert_bad_request(
        "MS_SMOOTH", Settings=changed(("OutputGroups", 0, "OutputGroupSettings", "Type"), "MS_SMOOTH_GROUP_SETTINGS")
    )
    group = ("OutputGroups", 0, "OutputGroupSettings", "HlsGroupSettings")
    assert_bad_request("destination", Settings=changed((*group, "Destination"), "assets/HLS/"))
    assert_bad_request("AVI", Settings=changed((*output, "ContainerSettings", "Container"), "AVI"))
    assert_bad_request("userMetadata", UserMetadata={"key": "a;b"})
    assert_bad_request("userMetadata", UserMetadata={f"k{number}": "v" for number in range(11)})
    assert_bad_request("userMetadata", UserMetadata={"k": "v" * 257})
    assert_bad_request("clientRequestToken", ClientRequestToken="t" * 65)
    assert_bad_request("SECONDS_60", StatusUpdateInterval="SECONDS_45")
    assert_refused(lambda: api.create_job(**with_role, Queue="Other"), "NotFoundException", 404, "queue")

    first = api.create_job(**with_role, ClientRequestToken="once")["Job"]["Id"]
    again = api.create_job(**with_role, ClientRequestToken="once")["Job"]["Id"]
    other = api.create_job(**with_role, ClientRequestToken="twice")["Job"]["Id"]
    assert first == again != other
    return [first, other]


def resources(file_input):
    """Queues, presets, job templates and tags are created, used by a job, and deleted; returns the job's id."""
    api = client()
    arn = "arn:aws:mediaconvert:us-east-1:000000000000"
    queue = api.create_queue(Name="night", Status="PAUSED", Tags={"team": "a"})["Queue"]
    assert (queue["Arn"], queue["Type"], queue["SubmittedJobsCount"] if "SubmittedJobsCount" in queue else 0) == (
        f"{arn}:queues/night", "CUSTOM", 0
    )
    assert_refused(lambda: api.create_queue(Name="night"), "ConflictException", 409)
    assert [q["Name"] for q in api.list_queues()["Queues"]] == ["Default", "night"]
    assert_refused(lambda: api.delete_queue(Name="Default"), "ConflictException", 409)

    codec = {"Codec": "H_264", "H264Settings": {"RateControlMode": "QVBR", "MaxBitrate": 200000}}
    preset = {"ContainerSettings": {"Container": "MP4"}, "VideoDescription": {"Height": 90, "CodecSettings": codec}}
    api.create_preset(Name="small", Category="web", Settings=preset)
    crop = {"Crop": {"X": 1, "Y": 0, "Width": 10, "Height": 10}}
    wrong = {**preset, "VideoDescription": {**preset["VideoDescription"], **crop}}
    assert_refused(lambda: api.create_preset(Name="wrong", Settings=wrong), "BadRequestException", 400, "crop")
    assert [p["Name"] for p in api.list_presets(Category="web")["Presets"]] == ["small"]
    system = [p["Name"] for page in api.get_paginator("list_presets").paginate(ListBy="SYSTEM") for p in page["Presets"]]
    assert "System-Avc_16x9_720p_29_97fps_3500kbps" in system and len(system) > 20
    assert api.get_preset(Name=system[0])["Preset"]["Type"] == "SYSTEM"

    output = {"Preset": "small", "NameModifier": "_small"}
    hls = {"Preset": "System-Avc_16x9_270p_14_99fps_400kbps", "NameModifier": "_270"}
    groups = [
        {"OutputGroupSettings": {"Type": "FILE_GROUP_SETTINGS", "FileGroupSettings": {"Destination": "s3://media/r/"}},
         "Outputs": [output]},
        {"OutputGroupSettings": {"Type": "HLS_GROUP_SETTINGS", "HlsGroupSettings": {"Destination": "s3://media/r/"}},
         "Outputs": [hls]},
    ]
    template = {"Inputs": [{"VideoSelector": {"Rotate": "AUTO"}}], "OutputGroups": groups}
    api.create_job_template(Name="both", Settings=template, Queue="night", Priority=5)
    api.update_job_template(Name="both", Description="two outputs")
    assert api.get_job_template(Name="both")["JobTemplate"]["Description"] == "two outputs"

    settings = {"Inputs": [{"FileInput": file_input}]}
    job = api.create_job(Role=ROLE, JobTemplate="both", Settings=settings, Tags={"a": "b", "c": "d"})["Job"]
    assert (job["Queue"], job["Priority"]) == (f"{arn}:queues/night", 5)
    assert job["Settings"]["Inputs"][0] == {"VideoSelector": {"Rotate": "AUTO"}, "FileInput": file_input}
    assert api.list_jobs(Queue="night")["Jobs"][0]["Id"] == job["Id"]
    assert api.list_jobs(Queue="Default")["Jobs"] == []
    api.untag_resource(Arn=job["Arn"], TagKeys=["a"])
    api.tag_resource(Arn=job["Arn"], Tags={"e": "f"})
    assert api.list_tags_for_resource(Arn=job["Arn"])["ResourceTags"]["Tags"] == {"c": "d", "e": "f"}
    assert_refused(lambda: api.delete_queue(Name="night"), "ConflictException", 409)
    assert api.get_job(Id=job["Id"])["Job"]["Status"] == "SUBMITTED", "the queue is paused"
    assert api.get_queue(Name="night")["Queue"]["SubmittedJobsCount"] == 1
    api.update_queue(Name="night", Status="ACTIVE")

    hop = [{"WaitMinutes": 1, "Queue": "Default"}]
    for wrong in ({"HopDestinations": hop}, {"AccelerationSettings": {"Mode": "REQUIRED"}}):
        assert_refused(
            lambda wrong=wrong: api.create_job(Role=ROLE, JobTemplate="both", Settings=settings, **wrong),
            "BadRequestException", 400,
        )
    assert_refused(
        lambda: api.create_job(Role=ROLE, JobTemplate="none", Settings=settings), "NotFoundException", 404
    )
    api.delete_preset(Name="small")
    api.delete_job_template(Name="both")
    assert_refused(lambda: api.get_preset(Name="small"), "NotFoundException", 404)
    assert_refused(lambda: api.delete_job_template(Name="both"), "NotFoundException", 404)
    return job["Id"]


COMMANDS = {
    "create": create,
    "create_of": create_of,
    "get": get,
    "pages": pages,
    "probe": probe,
    "invalid_requests": invalid_requests,
    "resources": resources,
}
print(json.dumps(COMMANDS[sys.argv[2]](*sys.argv[3:])))
