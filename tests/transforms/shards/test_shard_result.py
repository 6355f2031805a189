from __future__ import annotations

import json

import pytest
from pixelbeam.transforms.ledger import Ledger
from pixelbeam.transforms.shards.shard_result import ShardResult
from pixelbeam.transforms.storage.output_folder import PublishedFile

RESULT = ShardResult(
    "train-00000-of-00001",
    "f00",
    3,
    2,
    {"tfrecord": PublishedFile("train-00000-of-00001.tfrecord", 90, "0" * 64)},
    {"file_not_found": 1},
    {"label": {"count": 2}},
    Ledger({"seen": 3}),
)


def test_json_gives_the_result_back():
    assert ShardResult.from_json(RESULT.to_json()) == RESULT


def change(fields, name, value=None):
    return {k: v for k, v in fields.items() if k != name} | ({} if value is None else value)


@pytest.mark.parametrize(
    "data",
    [
        RESULT.to_json()[:-1],
        RESULT.to_json()[:-2] + b"}",
        b"{}",
        # What a build of another version has left behind is built anew, never a crash.
        json.dumps(change(json.loads(RESULT.to_json()), "ledger")).encode(),
        json.dumps(change(json.loads(RESULT.to_json()), "ledger", {"frames": {}})).encode(),
        json.dumps(json.loads(RESULT.to_json()) | {"more": 1}).encode(),
        json.dumps(json.loads(RESULT.to_json()) | {"files": {"tfrecord": {"path": "x"}}}).encode(),
    ],
)
def test_what_is_not_a_whole_result_is_refused(data):
    with pytest.raises(
        ValueError, match=r"not a (whole )?result|expected counts by account|delimiter|Expecting"
    ):
        ShardResult.from_json(data)
