"""A package with a kind, a sink and a manifest format, as CONTRIBUTING shows it, installed and used."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import make_image

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", TEXT, re.DOTALL))
SCHEMA = """\
features:
  image: {type: image, source: path, height: 8, width: 8, encoding: raw}
  taken: {type: date, source: day}
  tags: {type: class_labels, source: tags, num_classes: 5}
  name: {type: string, source: path}
"""
SHARD = "train-00000-of-00002.lines"


@pytest.fixture(scope="module")
def extras(tmp_path_factory) -> Path:
    """The folder that the package is installed in, which is on nobody's path."""
    source = tmp_path_factory.mktemp("source")
    (pyproject,) = re.findall(r"```text\n(\[build-system\].*?)```", TEXT, re.DOTALL)
    (source / "pyproject.toml").write_text(pyproject)
    kind = FILES["schemas/features/date.py"]
    kind = kind.replace("from ..", "from pixelbeam.schemas.")
    (source / "pixelbeam_date.py").write_text(
        kind.replace("from .base", "from pixelbeam.schemas.features.base")
    )
    for name in ("pixelbeam_lines.py", "pixelbeam_ltsv.py"):
        (source / name).write_text(FILES[f"extras/{name}"])
    target = tmp_path_factory.mktemp("site")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *offline]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A manifest of twelve images, of which one has no day."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(12):
        make_image(folder / f"{number:02d}.png", number)
    rows = [f"path:{n:02d}.png\tday:1970-01-{n:02d}\ttags:{n % 5} {(n + 1) % 5}" for n in range(12)]
    (folder / "rows.ltsv").write_text("\n".join(rows) + "\n")
    (folder / "schema.yaml").write_text(SCHEMA)
    return folder


def run(site: Path | None, *command: str) -> tuple[int, str]:
    """Runs a program in a fresh process that has the packages of a folder."""
    path = {"PYTHONPATH": str(site)} if site else {}
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        cwd="/",
    )
    return done.returncode, done.stdout + done.stderr


def build(
    site: Path | None, data: Path, out: Path, *options: str, sinks: str = "lines"
) -> tuple[int, str]:
    return run(
        site, "-m", "pixelbeam.pipeline.main", "build", f"--manifest={data / 'rows.ltsv'}",
        f"--schema={data / 'schema.yaml'}", f"--output={out}", f"--sinks={sinks}", "--num_shards=2",
        "--max_rejects=1", *options,
    )  # fmt: skip


def verify(site: Path | None, out: Path) -> tuple[int, str]:
    return run(site, "-m", "pixelbeam.pipeline.main", "verify", str(out))


@pytest.fixture(scope="module")
def dataset(extras, data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built") / "out"
    code, said = build(extras, data, out, sinks="tfrecord,hdf5,lines")
    assert code == 0, said
    return out


def test_what_was_built(extras, dataset):
    info = json.loads((dataset / "dataset.json").read_bytes())
    assert (info["rows"], info["rejects"]["by_reason"]) == (12, {"not_a_date": 1})
    assert info["splits"]["train"]["statistics"]["taken"] == {"min": 0, "max": 10}
    shards = info["splits"]["train"]["shards"]
    assert [[*shard["files"]] for shard in shards] == [["hdf5", "lines", "tfrecord"]] * 2
    assert info["files"][SHARD]["kind"] == "shard"
    assert info["versions"]["pixelbeam-extras"] == "1.0"
    weekdays = [row["taken/weekday"] for row in index_rows(dataset)]
    assert sorted(weekdays) == sorted(datetime.date(1970, 1, n).isoweekday() for n in range(1, 12))
    files = (
        len([*dataset.iterdir(), *(dataset / "index").iterdir()]) - 2
    )  # but for .pixelbeam and index
    assert verify(extras, dataset) == (
        0,
        f"{dataset}: whole: {files} files and 11 records, every byte and record checked\n",
    )


def index_rows(out: Path) -> list[dict[str, Any]]:
    """What the index says of each record."""
    files = sorted((out / "index").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_the_index_gives_the_addresses_of_a_format_that_has_some(extras, data, tmp_path):
    code, said = build(extras, data, tmp_path / "out")
    assert code == 0, said
    code, said = verify(extras, tmp_path / "out")
    assert (code, "every byte and record checked" in said) == (0, True), said
    for row in index_rows(tmp_path / "out"):
        line = (tmp_path / "out" / f"{row['shard']}.lines").read_bytes()[row["offset"] :][
            : row["bytes"]
        ]
        crc, _, text = line.partition(b" ")
        assert (int(crc, 16), text[-1:]) == (zlib.crc32(text), b"\n")
        assert json.loads(text)["name"] == [
            "bytes",
            [base64.b64encode(row["key"].encode()).decode()],
        ]


READ = """
import sys
import numpy as np
from pixelbeam.readers import load
from pixelbeam.readers.published import open_dataset
from pixelbeam.readers.random_access.table_records import TableRecords
from pixelbeam.readers.sink_table import SinkTable
from pixelbeam.schemas.dataset.sink import offered_sinks

def flatten(batch):
    return {name: getattr(value, "to_list", value.numpy)() for name, value in batch.items()}

out = sys.argv[1]
lines, frames = (
    flatten(next(iter(load(out, "train", batch_size=11, source=source, targets=[]))))
    for source in ("lines", "tfrecord")
)
np.testing.assert_equal(lines, frames)
assert sorted(lines["taken"].tolist()) == [*range(11)]
dataset = open_dataset(out)
files = [dataset.path(file.path) for _, file in dataset.shard_files("train", "lines")]
records = TableRecords(SinkTable(offered_sinks()["lines"][0], files, dataset.schema), dataset.schema)
for number in (3, -1, 0):
    record = records[number]
    for name in ("image", "taken", "tags"):
        np.testing.assert_equal(record[name], lines[name][number])
assert "apache_beam" not in sys.modules
"""


def test_load_and_random_access_know_its_records(extras, dataset):
    code, said = run(extras, "-c", READ, str(dataset))
    assert code == 0, said


def test_a_corrupted_shard_of_the_third_sink_is_found(extras, dataset):
    data = (dataset / SHARD).read_bytes()
    second = data.index(b"\n") + 1
    flipped = bytearray(data)
    flipped[second + 30] ^= 1
    (dataset / SHARD).write_bytes(flipped)
    code, said = verify(extras, dataset)
    (dataset / SHARD).write_bytes(data)
    assert code == 1
    assert said.splitlines()[:2] == [
        f"{SHARD}: record 1 at byte {second}: the checksum of a line is wrong",
        f"{SHARD}: the SHA-256 is wrong: the file is not as it was published",
    ]


def test_without_the_package_each_thing_that_lacks_is_said_in_a_line(data, dataset, tmp_path):
    assert verify(None, dataset) == (
        1,
        f"pixelbeam: {dataset}: feature kind 'date' is not installed here; install the package that offers it, "
        "or a newer pixelbeam\n",
    )
    code, said = build(None, data, tmp_path / "out")
    assert code == 2
    assert said.startswith(
        f"pixelbeam: {data / 'schema.yaml'}: features.taken.type: got 'date', expected"
    )
    assert said.endswith("; or install the package that offers it\n")
    numbers = "features: {tags: {type: string, source: tags}}"
    (tmp_path / "schema.yaml").write_text(numbers)
    (tmp_path / "rows.ltsv").write_text("tags:a\n")
    code, said = build(None, tmp_path, tmp_path / "out")
    assert (code, said) == (
        2,
        "pixelbeam: --sinks: got 'lines', expected one of tfrecord, hdf5; or install the package that "
        "offers it\n",
    )  # fmt: skip
    code, said = build(None, tmp_path, tmp_path / "out", sinks="tfrecord")
    assert code == 2
    assert said.startswith(f"pixelbeam: {tmp_path / 'rows.ltsv'}: not a kind of manifest, expected")


def test_a_broken_package_is_named_in_a_line(extras, data, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for path in extras.iterdir():
        (site / path.name).symlink_to(path)
    (site / "pixelbeam_lines.py").unlink()
    (site / "pixelbeam_lines.py").write_text("import nothing_of_this_name")
    code, said = build(site, data, tmp_path / "out")
    assert (code, said) == (
        2,
        "pixelbeam: pixelbeam-extras 1.0: pixelbeam.sinks: lines: cannot be imported: ModuleNotFoundError: "
        "No module named 'nothing_of_this_name'; mend or uninstall the package\n",
    )


def test_shards_of_a_sink_that_is_gone_are_replaced_with_their_dataset(dataset, tmp_path):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(dataset, out)
    (tmp_path / "schema.yaml").write_text("features: {tags: {type: string, source: tags}}")
    (tmp_path / "rows.csv").write_text("tags\na\n")
    code, said = run(
        None, "-m", "pixelbeam.pipeline.main", "build", f"--manifest={tmp_path / 'rows.csv'}",
        f"--schema={tmp_path / 'schema.yaml'}", f"--output={out}", "--overwrite",
    )  # fmt: skip
    assert code == 0, said
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == [
        "dataset.json",
        "feature_description.py",
        "statistics.jsonl",
        "train-00000-of-00001.tfrecord",
    ]
