"""Beam's S3 client, shared: Beam itself makes a new one for each operation.

A new one costs about 0.1 s of CPU, many times what reading an image does, and threads that make theirs
at the same time wait for one another.
"""

from __future__ import annotations

import copy
from functools import cache
from threading import Lock
from typing import Any

from apache_beam.io.aws.clients.s3 import boto3_client
from apache_beam.options.pipeline_options import PipelineOptions, S3Options

__all__ = ["share_s3_client"]

_LOCK = Lock()


class _Client(boto3_client.Client):
    """Beam's client, but able to write an empty file, where Beam completes an upload without parts."""

    def complete_multipart_upload(self, request: Any) -> None:
        if request.parts:
            super().complete_multipart_upload(request)
            return
        target = {"Bucket": request.bucket, "Key": request.object}
        self.client.abort_multipart_upload(**target, UploadId=request.upload_id)
        self.client.put_object(**target, Body=b"")


def share_s3_client() -> None:
    """Makes Beam's S3 filesystem use one connection pool a process instead of one an operation."""
    boto3_client.Client = _shared_client


def _shared_client(options: PipelineOptions) -> _Client:
    given = options.view_as(S3Options).get_all_options()
    settings = {name: value for name, value in given.items() if name.startswith("s3_")}
    with _LOCK:
        template = _make_client(tuple(sorted(settings.items())))
    # What is shared is boto3's client; where a download stands is each copy's own.
    return copy.copy(template)


@cache
def _make_client(settings: tuple[tuple[str, Any], ...]) -> _Client:
    return _Client(dict(settings))
