"""A build of three numbers beside three files, and what it would have left behind, written by hand."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from pixelbeam.pipeline.graph.job import BuildJob, open_job
from pixelbeam.pipeline.options import BuildOptions
from pixelbeam.schemas import DatasetInfo, Int64, Schema
from pixelbeam.schemas.dataset.checksum import BLANK, fill_checksum
from pixelbeam.schemas.dataset.info import FileInfo, ShardFile, ShardInfo, SplitInfo
from pixelbeam.transforms.storage.output_folder import Folder

NUMBERS = Schema(features={"n": Int64(source="n")})
SHARDS = {"train-00000-of-00002.tfrecord": b"first", "train-00001-of-00002.tfrecord": b"second"}
FILES = sorted(["dataset.json", "feature_description.py", *SHARDS])


def make_root(folder: Path) -> Path:
    """Writes a manifest, and files whose times are old enough to be relied on, into ``root``."""
    root = folder / "root"
    root.mkdir()
    (root / "rows.csv").write_text("path,n\na.bin,1\nb.bin,2\nc.bin,3\n")
    for name in ("a.bin", "b.bin", "c.bin"):
        (root / name).write_text(name[0])
        os.utime(root / name, ns=(0, 10**18))
    return root


def open_build(folder: Path, **options: Any) -> BuildJob:
    """The build of the manifest in ``root`` into ``out``."""
    settings = {"schema": NUMBERS, "output": str(folder / "out"), **options}
    return open_job(BuildOptions(manifest=str(folder / "root/rows.csv"), **settings), threads=1)


def publish_by_hand(
    job: BuildJob, output: Folder | None = None, shards: dict[str, bytes] = SHARDS
) -> DatasetInfo:
    """Writes the files of a dataset of split ``train``; returns what describes it.

    Args:
        job: what made it.
        output: where to, if not to the job's own.
        shards: its shards' content by name.
    """
    output = output or job.output
    infos = [
        ShardInfo(num_records=1, files={"tfrecord": ShardFile(**_describe(name, data))})
        for name, data in shards.items()
    ]
    info = DatasetInfo(
        fingerprint="f00",
        declared=job.options.schema.to_dict(),
        description=FileInfo(**_describe("feature_description.py", b"code")),
        splits={"train": SplitInfo(num_records=len(shards), shards=infos)},
        rows=len(shards),
        command=job.command,
        checksum=BLANK,
    )
    for name, data in {**shards, "feature_description.py": b"code"}.items():
        output.write(name, data)
    output.write("dataset.json", fill_checksum(info.dumps()))
    output.clear_scratch()
    return DatasetInfo.loads(fill_checksum(info.dumps()), output.root)


def _describe(name: str, data: bytes) -> dict[str, Any]:
    return {"path": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def files_of(folder: Path) -> list[str]:
    """All files below a folder, those of the state too."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
