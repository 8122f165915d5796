"""An object store on the loopback."""

import pytest

KEYS = {"s3_access_key_id": "CANARY-key", "s3_secret_access_key": "CANARY-secret", "s3_region": "us-east-1"}


def client_of(endpoint):
    """Return a client of the store, which the program does not use."""
    # The import takes a second, which tests without an object store need not spend.
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=KEYS["s3_region"],
        aws_access_key_id=KEYS["s3_access_key_id"],
        aws_secret_access_key=KEYS["s3_secret_access_key"],
    )


@pytest.fixture(scope="session")
def object_store():
    """Run an S3-compatible store with a bucket named ``answers``, and return its settings."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client_of(endpoint).create_bucket(Bucket="answers")
    yield {"location": "s3://answers", "s3_endpoint": endpoint, **KEYS}
    server.stop()
