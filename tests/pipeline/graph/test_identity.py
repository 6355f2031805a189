"""What a build was made from, and how it differs from an earlier one."""

from __future__ import annotations

import hashlib
import os

import pytest
from number_datasets import NUMBERS, make_root, open_build
from pixelbeam.pipeline.graph.identity import check_unchanged, differences, identify
from pixelbeam.schemas.errors import BuildError
from pixelbeam.transforms.shards.plan_shards import ShardSize
from pixelbeam.transforms.splits import Splits

ROWS = b"path,n\na.bin,1\nb.bin,2\nc.bin,3\n"
FILE = {"bytes": len(ROWS), "sha256": hashlib.sha256(ROWS).hexdigest()}


@pytest.fixture
def root(tmp_path):
    return make_root(tmp_path)


def test_a_manifest_is_known_by_its_files(tmp_path, root):
    (manifest,) = open_build(tmp_path).manifests
    status = (root / "rows.csv").stat()
    found = identify(manifest)
    assert {name: file.content for name, file in found.items()} == {"rows.csv": FILE}
    assert found["rows.csv"].touched == (status.st_size, status.st_mtime_ns)


def test_a_manifest_is_hashed_again_only_where_it_was_touched(tmp_path, root, monkeypatch):
    (manifest,) = open_build(tmp_path).manifests
    files, read = identify(manifest), []
    identity = type(manifest.format).identity

    def note(self, path):
        read.append(path)
        return identity(self, path)

    monkeypatch.setattr(type(manifest.format), "identity", note)
    check_unchanged(manifest, files)
    assert read == []
    os.utime(root / "rows.csv", ns=(0, 10**18))
    check_unchanged(manifest, files)
    assert read == [f"{root}/rows.csv"]
    (root / "rows.csv").write_bytes(ROWS + b"d.bin,4\n")
    with pytest.raises(BuildError) as caught:
        check_unchanged(manifest, files)
    assert str(caught.value) == (
        f"{root}/rows.csv: changed while the build was running; nothing was published, "
        "run the same command again"
    )


def test_a_manifest_that_reads_further_files_is_always_looked_at_again(tmp_path, root, monkeypatch):
    manifest = open_build(tmp_path).manifests[0]
    files = identify(manifest)
    monkeypatch.setattr(type(manifest.format), "reads_others", True)
    (file,) = identify(manifest).values()
    assert file.touched is None
    assert file.content == files["rows.csv"].content


def test_a_command_is_all_that_decides_the_dataset(tmp_path, root):
    command = {
        "manifest": {"rows.csv": FILE},
        "schema": NUMBERS.to_dict(),
        "sinks": ["tfrecord"],
        "index": "parquet",
        "splits": {"train": 1.0},
        "split_column": None,
        "group_by": None,
        "allow_outside": False,
        "row_timeout": 60.0,
        "num_shards": None,
        "records_per_shard": None,
        "shard_size": 128_000_000,
        "seed": 0,
    }
    assert open_build(tmp_path).command == command
    # As the commands of datasets from before there was one, which are still the same then.
    assert "index" not in open_build(tmp_path, index="none").command
    labels = root / "labels.csv"
    labels.write_text("path,m\na.bin,1\n")
    content = {"bytes": 15, "sha256": hashlib.sha256(labels.read_bytes()).hexdigest()}
    settings = {"labels": str(labels), "join_on": "path", "splits": Splits(column="n"), "seed": 3}
    settings |= {"row_timeout": 5, "allow_outside": True, "shard_size": ShardSize(num_shards=2)}
    assert open_build(tmp_path, **settings).command == {
        **command,
        "labels": {"labels.csv": content},
        "join_on": "path",
        "splits": None,
        "split_column": "n",
        "seed": 3,
        "row_timeout": 5.0,
        "allow_outside": True,
        "num_shards": 2,
        "shard_size": None,
    }


def file(size, sha256="0"):
    return {"bytes": size, "sha256": sha256}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"seed": 1}, {"seed": 1}, ([], [], [])),
        ({"seed": 1, "a": [1]}, {"seed": 2, "a": [1]}, (["seed is 2, was 1"], [], [])),
        ({"a": 1, "b": 2}, {"b": 3, "c": None}, (["b is 3, was 2", "a is null, was 1"], [], [])),
        (
            {"schema": {"x": {"min": 1, "max": 2}, "y": 1}},
            {"schema": {"x": {"min": 1, "max": 3}, "z": 1}},
            (["schema.x.max is 3, was 2", "schema.z is 1, was null", "schema.y is null, was 1"], [], []),
        ),
        ({"row_timeout": 60.0}, {"row_timeout": 5.0}, ([], ["row_timeout is 5.0, was 60.0"], [])),
        ({"allow_outside": False}, {"allow_outside": True}, ([], ["allow_outside is true, was false"], [])),
        ({"image_root": "a"}, {"image_root": "b"}, ([], ['image_root is "b", was "a"'], [])),
        ({"versions": {"x": "1"}}, {"versions": {"x": "2"}}, ([], ['versions.x is "2", was "1"'], [])),
        ({}, {"versions": {"x": "2"}}, ([], [], [])),
        ({}, {"versions": {"x": "2"}, "seed": 1}, (["seed is 1, was null"], [], [])),
        ({"versions": {"x": "1"}}, {}, ([], ['versions is null, was {"x": "1"}'], [])),
        ({}, {"labels": {"l": file(1)}}, (['labels is {"l": {"bytes": 1, "sha256": "0"}}, was null'], [], [])),
        (
            {"manifest": {"a": file(1), "b": file(2), "c": file(3)}},
            {"manifest": {"a": file(1), "b": file(2, "1"), "d": file(4), "c": file(1300)}},
            ([], [], ["manifest b has other content", "manifest d is new", "manifest c has 1,300 bytes, had 3"]),
        ),
        (
            {"labels": {name: file(1) for name in "abcde"}},
            {"labels": {"f": file(1)}},
            ([], [], ["labels f is new", "labels a is gone", "labels b is gone", "3 more files of the labels"]),
        ),
        (
            {"manifest": {"cat": {"files": 3, "sha256": "0"}, "dog": {"files": 3, "sha256": "0"}}},
            {"manifest": {"cat": {"files": 3, "sha256": "1"}, "dog": {"files": 4, "sha256": "1"}}},
            ([], [], ["manifest cat has other files", "manifest dog has 4 files, had 3"]),
        ),
        (
            {"manifest": {"a": "old", "b": file(1)}},
            {"manifest": {"a": file(1), "b": "new"}},
            ([], [], ["manifest a has other content", "manifest b has other content"]),
        ),
        ({"a": "x" * 58}, {"a": "y" * 59}, ([f'a is "{"y" * 56}…, was "{"x" * 58}"'], [], [])),
    ],
)  # fmt: skip
def test_how_commands_differ(old, new, expected):
    assert differences(old, new) == expected
