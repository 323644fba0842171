"""Plays the AWS services that have no local part of ours (DynamoDB) by moto, on a port of its own.

Usage: aws.py TABLE...: makes those tables, prints `aws http://HOST:PORT`, ends when its stdin does.
"""

import os
import sys
import threading

import boto3
import moto.server
import werkzeug.serving

SCHEMA = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind}
        for name, kind in [("id", "S"), ("owner", "S"), ("created", "S"), ("shard", "S"), ("due_ms", "N")]
    ],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": partition, "KeyType": "HASH"},
                {"AttributeName": order, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index, partition, order in [("by-owner", "owner", "created"), ("unfinished", "shard", "due_ms")]
    ],
}


def main():
    app = moto.server.DomainDispatcherApplication(moto.server.create_backend_app)
    # One request after the other: moto's conditional writes aren't atomic between threads, DynamoDB's are.
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
