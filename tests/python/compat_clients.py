"""Everyday calls of S3 clients against `local s3`: the AWS CLI, s3cmd, rclone, @aws-sdk/client-s3 and minio-js.

Usage: compat_clients.py LOCAL NODE S3CMD RCLONE. Prints the result of each client, and `passed` at the end.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

LOCAL, NODE, S3CMD, RCLONE = sys.argv[1:]
CLIENTS = pathlib.Path(__file__).parents[1] / "clients"
MIB = 1024 * 1024
KEY, SECRET = "local", "locallocal"


def run(*command, stdin=None, **env):
    """stdout of a command that must succeed."""
    environment = {**os.environ, **env}
    done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"
    return done.stdout


def make_files(folder):
    """A tree with a file that is sent in parts, an empty one, and names that must be encoded."""
    files = {"large.bin": os.urandom(17 * MIB), "a b+ü.txt": b"text", "sub/empty": b"", "sub/%25.txt": b"percent"}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def assert_same(folder, files):
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert found.keys() == files.keys(), f"{sorted(found)} instead of {sorted(files)}"
    for name, content in files.items():
        assert found[name].read_bytes() == content, f"{name} differs"


def aws_cli(endpoint, folder):
    files = make_files(folder / "from")

    def aws(*arguments):
        return run(sys.executable, "-m", "awscli", "--endpoint-url", endpoint, "s3", *arguments)

    aws("mb", "s3://aws-cli")
    aws("mb", "s3://aws-cli-2")
    aws("sync", str(folder / "from"), "s3://aws-cli/tree")
    assert aws("ls", "s3://aws-cli/tree/").split() and "large.bin" in aws("ls", "--recursive", "s3://aws-cli")
    assert aws("sync", str(folder / "from"), "s3://aws-cli/tree") == "", "nothing has changed"
    # Above 8 MB this is a multipart upload of part copies.
    aws("cp", "--recursive", "s3://aws-cli/tree", "s3://aws-cli-2/tree")
    aws("sync", "s3://aws-cli-2/tree", str(folder / "to"))
    assert_same(folder / "to", files)
    aws("mv", "s3://aws-cli/tree/large.bin", "s3://aws-cli/moved.bin")
    aws("rm", "--recursive", "s3://aws-cli/tree")
    assert aws("ls", "--recursive", "s3://aws-cli").split()[-1:] == ["moved.bin"]
    aws("rb", "--force", "s3://aws-cli")
    aws("rb", "--force", "s3://aws-cli-2")


def s3cmd(endpoint, folder):
    files = make_files(folder / "from")
    host = endpoint.removeprefix("http://")
    config = folder / "s3cfg"
    config.write_text(
        f"[default]\naccess_key = {KEY}\nsecret_key = {SECRET}\nhost_base = {host}\nhost_bucket = {host}\n"
        "use_https = False\nbucket_location = us-east-1\nmultipart_chunk_size_mb = 5\n"
    )

    def s3(*arguments):
        return run(S3CMD, "--config", str(config), "--no-progress", *arguments)

    s3("mb", "s3://s3cmd")
    s3("sync", f"{folder / 'from'}/", "s3://s3cmd/tree/")
    assert "s3://s3cmd/tree/large.bin" in s3("ls", "--recursive", "s3://s3cmd")
    assert "upload:" not in s3("sync", f"{folder / 'from'}/", "s3://s3cmd/tree/"), "nothing has changed"
    s3("cp", "--recursive", "s3://s3cmd/tree/", "s3://s3cmd/copy/")
    s3("sync", "s3://s3cmd/copy/", f"{folder / 'to'}/")
    assert_same(folder / "to", files)
    s3("mv", "s3://s3cmd/copy/large.bin", "s3://s3cmd/moved.bin")
    assert "MD5 sum" in s3("info", "s3://s3cmd/moved.bin")
    s3("del", "--recursive", "--force", "s3://s3cmd/tree/")
    s3("rb", "--recursive", "--force", "s3://s3cmd")


def rclone(endpoint, folder):
    files = make_files(folder / "from")
    env = {
        "RCLONE_CONFIG": str(folder / "rclone.conf"),
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "Other",
        "RCLONE_CONFIG_S3_ENDPOINT": endpoint,
        "RCLONE_CONFIG_S3_ACCESS_KEY_ID": KEY,
        "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": SECRET,
        "RCLONE_CONFIG_S3_REGION": "us-east-1",
        "RCLONE_CONFIG_S3_UPLOAD_CUTOFF": "5M",
        "RCLONE_CONFIG_S3_COPY_CUTOFF": "5M",
    }

    def rc(*arguments, stdin=None):
        return run(RCLONE, "--retries", "1", *arguments, stdin=stdin, **env)

    rc("mkdir", "s3:rclone")
    rc("sync", str(folder / "from"), "s3:rclone/tree")
    assert "tree/large.bin" in rc("lsf", "--recursive", "s3:rclone")
    rc("check", "--download", str(folder / "from"), "s3:rclone/tree")
    rc("copy", "s3:rclone/tree", "s3:rclone/copy")
    rc("sync", "s3:rclone/copy", str(folder / "to"))
    assert_same(folder / "to", files)
    rc("rcat", "s3:rclone/streamed", stdin="text")
    assert rc("cat", "s3:rclone/streamed") == "text"
    rc("moveto", "s3:rclone/copy/large.bin", "s3:rclone/moved.bin")
    rc("delete", "s3:rclone/tree")
    rc("purge", "s3:rclone")


def node(script):
    def call(endpoint, _):
        output = run(NODE, str(CLIENTS / script), endpoint)
        assert output.strip() == "passed", output

    return call


def main():
    # rclone refuses to start with one.
    os.environ.pop("AWS_CA_BUNDLE", None)
    os.environ.update(
        AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET, AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true"
    )
    clients = {
        "aws-cli": aws_cli,
        "s3cmd": s3cmd,
        "rclone": rclone,
        "@aws-sdk/client-s3": node("aws_sdk.mjs"),
        "minio-js": node("minio.mjs"),
    }
    failed = False
    with tempfile.TemporaryDirectory() as data:
        server = subprocess.Popen([LOCAL, "s3", "--port", "0", "--data", data], stdout=subprocess.PIPE, text=True)
        try:
            endpoint = server.stdout.readline().split()[1]
            for name, client in clients.items():
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        client(endpoint, pathlib.Path(folder))
                        print(f"{name}: passed", flush=True)
                    except AssertionError as error:
                        failed = True
                        print(f"{name}: {error}", flush=True)
        finally:
            server.terminate()
            server.wait()
    print("failed" if failed else "passed")
    sys.exit(failed)


main()
