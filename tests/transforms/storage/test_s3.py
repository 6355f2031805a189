from __future__ import annotations

import pytest
from apache_beam.io.aws.clients.s3 import boto3_client, messages
from apache_beam.options.pipeline_options import PipelineOptions
from botocore.stub import Stubber
from pixelbeam.transforms.storage.s3 import share_s3_client


@pytest.fixture
def make(monkeypatch):
    """Makes clients as Beam does, and gives its class back after the test."""
    monkeypatch.setattr(boto3_client, "Client", boto3_client.Client)
    share_s3_client()

    def client(*more: str, region: str = "eu-west-1") -> boto3_client.Client:
        flags = ["--s3_access_key_id=a", "--s3_secret_access_key=b", f"--s3_region_name={region}"]
        return boto3_client.Client(PipelineOptions([*flags, *more]))

    return client


def test_clients_share_a_pool_of_connections_for_the_same_settings(make):
    first, second = make(), make("--runner=DirectRunner")
    assert first is not second
    assert first.client is second.client
    other = make(region="us-east-2")
    assert other.client is not first.client
    regions = [client.client.meta.region_name for client in (first, other)]
    assert regions == ["eu-west-1", "us-east-2"]


def test_where_a_download_stands_is_each_clients_own(make):
    first = make()
    first._download_pos = 7
    assert (first._download_pos, make()._download_pos) == (7, 0)


def request(parts):
    return messages.CompleteMultipartUploadRequest("bucket", "key", "upload", parts)


def test_an_empty_file_is_put_instead_of_an_upload_without_parts(make):
    client = make(region="eu-west-2")
    place = {"Bucket": "bucket", "Key": "key"}
    with Stubber(client.client) as stub:
        stub.add_response("abort_multipart_upload", {}, {**place, "UploadId": "upload"})
        stub.add_response("put_object", {}, {**place, "Body": b""})
        client.complete_multipart_upload(request([]))
        stub.assert_no_pending_responses()


def test_an_upload_of_parts_is_completed(make):
    client = make(region="eu-west-3")
    parts = [{"ETag": "e", "PartNumber": 1}]
    expected = {
        "Bucket": "bucket",
        "Key": "key",
        "UploadId": "upload",
        "MultipartUpload": {"Parts": parts},
    }
    with Stubber(client.client) as stub:
        stub.add_response("complete_multipart_upload", {}, expected)
        client.complete_multipart_upload(request(parts))
        stub.assert_no_pending_responses()
