"""A corpus of damaged images, as a build: every one is a record or a reject."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from pixelbeam.pipeline.commands.build import build
from pixelbeam.pipeline.commands.verify import verify
from pixelbeam.pipeline.options import BuildOptions, MaxRejects
from support import IMAGE_SCHEMA, dataset_json, make_image, rejects_of, write_csv

pytestmark = pytest.mark.slow


def test_the_corpus(tmp_path):
    script = Path(__file__).with_name("mutate_images.py")
    subprocess.run([sys.executable, str(script), str(tmp_path / "corpus")], check=True)
    names = sorted(path.name for path in (tmp_path / "corpus").iterdir())
    manifest = write_csv(tmp_path / "corpus" / "rows.csv", [(name, "x") for name in names])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out = tmp_path / "out"
    build(BuildOptions(str(manifest), IMAGE_SCHEMA, str(out), max_rejects=MaxRejects(fraction=1.0)))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    dataset = dataset_json(out)
    records, rejects = dataset["splits"]["train"]["num_records"], dataset["rejects"]
    print(
        f"{len(names)} images: {records} records, {rejects['count']} rejects, {rejects['by_reason']}"
    )
    print(f"peak memory grew by {grown:.0f} MB")
    assert len(names) >= 500
    assert records + rejects["count"] == len(names)
    assert records > 50
    assert rejects["count"] > 200
    assert {reject["stage"] for reject in rejects_of(out)} <= {"decode", "encode"}
    assert "time_limit" not in rejects["by_reason"]
    assert grown < 1500
    assert verify(str(out)).faults == []


def test_one_corrupt_jpeg_among_20000_costs_its_own_row(tmp_path):
    for number in range(20):
        make_image(tmp_path / f"{number}.jpg", number)
    data = (tmp_path / "0.jpg").read_bytes()
    (tmp_path / "broken.jpg").write_bytes(data[: len(data) // 2])
    rows = [(f"{number % 20}.jpg", "ab"[number % 2]) for number in range(19_999)]
    rows.insert(12_345, ("broken.jpg", "a"))
    out = tmp_path / "out"
    build(BuildOptions(str(write_csv(tmp_path / "rows.csv", rows)), IMAGE_SCHEMA, str(out)))
    dataset = dataset_json(out)
    assert dataset["rows"] == 20_000
    assert dataset["splits"]["train"]["num_records"] == 19_999
    (reject,) = rejects_of(out)
    assert (reject["row"], reject["path"], reject["reason"]) == (
        12_347,
        "broken.jpg",
        "truncated_image",
    )
