"""What stays of a published dataset for its repair."""

from __future__ import annotations

import json
import os

import pytest
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from pixelbeam.pipeline.output.kept import (
    Call,
    keep_call,
    keep_dataset,
    kept_call,
    kept_dataset,
)
from pixelbeam.schemas.dataset.checksum import BLANK, fill_checksum
from pixelbeam.transforms.storage.output_folder import Folder
from support import IMAGE_SCHEMA

TEXT = fill_checksum(b'{"checksum": "%s"}' % BLANK.encode())


def test_a_call_has_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = os.getcwd()
    options = BuildOptions("a.csv", IMAGE_SCHEMA, "out", max_rejects=MaxRejects(count=3))
    assert Call.of(options) == Call(f"{here}/a.csv", None, None, "3")
    options = BuildOptions(
        "train=a.csv,val=s3://data/b.csv",
        IMAGE_SCHEMA,
        "out",
        labels="l.csv",
        join_on="path",
        image_root="images",
    )
    assert Call.of(options) == Call(
        f"train={here}/a.csv,val=s3://data/b.csv", f"{here}/l.csv", f"{here}/images", "0.01"
    )


def test_a_call_is_kept(tmp_path):
    options = BuildOptions(str(tmp_path / "a.csv"), IMAGE_SCHEMA, "out")
    keep_call(Folder(str(tmp_path)), options)
    assert kept_call(Folder(str(tmp_path))) == Call(
        f"{tmp_path}/a.csv", labels=None, image_root=None, max_rejects="0.01"
    )
    assert os.listdir(tmp_path / ".pixelbeam" / "published") == ["call.json"]


@pytest.mark.parametrize("said", [None, b"{", b"[1]", b'{"manifest": 3, "other": "a"}'])
def test_of_a_call_that_is_lost_nothing_is_known(tmp_path, said):
    folder = Folder(str(tmp_path))
    if said is not None:
        folder.write(".pixelbeam/published/call.json", said)
    assert kept_call(folder) == Call()


def test_a_part_of_a_call_is_known(tmp_path):
    folder = Folder(str(tmp_path))
    said = {"manifest": "/a.csv", "labels": None}
    folder.write(".pixelbeam/published/call.json", json.dumps(said).encode())
    assert kept_call(folder) == Call(manifest="/a.csv")


def test_the_copy_of_a_dataset_counts_if_it_is_whole(tmp_path):
    folder = Folder(str(tmp_path))
    assert kept_dataset(folder) is None
    keep_dataset(folder, TEXT)
    assert kept_dataset(folder) == TEXT
    keep_dataset(folder, TEXT[:-1] + b" ")
    assert kept_dataset(folder) is None
