"""A local DynamoDB, served by moto on a free port.

Usage: dynamodb_server.py TABLE...: creates those tables, prints `aws http://HOST:PORT`, exits when stdin is closed.
"""

import os
import sys
import threading

import boto3
import moto.server
import werkzeug.serving
from stack import GOOD, cfn

# The table of the template.
PROPERTIES = cfn.Template(GOOD).resources()["CatalogTable"]["Properties"]
SCHEMA = {
    part: PROPERTIES[part] for part in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
}


def main():
    app = moto.server.DomainDispatcherApplication(moto.server.create_backend_app)
    # Single-threaded, because moto's conditional writes aren't atomic between threads as DynamoDB's are.
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client(
        "dynamodb",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="locallocal",
    )
    for table in sys.argv[1:]:
        client.create_table(TableName=table, **SCHEMA)
    print(f"aws {address}", flush=True)
    sys.stdin.read()
    os._exit(0)


main()
