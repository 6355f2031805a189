"""Small published datasets, written with TensorFlow's own TFRecord writer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from feature_cases import serialize
from pixelbeam.schemas import DatasetInfo, Schema, write_description
from pixelbeam.schemas.dataset.checksum import BLANK, fill_checksum
from pixelbeam.schemas.dataset.info import FileInfo, ShardFile, ShardInfo, SplitInfo
from pixelbeam.schemas.dataset.statistics import merge_all


def write_dataset(folder: Path, schema: Schema, splits: dict[str, list[list[Any]]]) -> Path:
    """Publishes rows, by split and by shard, each a dict of manifest values by feature name."""
    folder.mkdir(exist_ok=True)
    code = write_description(schema).encode()
    (folder / "feature_description.py").write_bytes(code)
    info = DatasetInfo(
        fingerprint="f00",
        declared=schema.to_dict(),
        description=FileInfo(
            path="feature_description.py", sha256=hashlib.sha256(code).hexdigest()
        ),
        splits={name: _write_split(folder, schema, name, s) for name, s in splits.items()},
        rows=sum(len(shard) for shards in splits.values() for shard in shards),
    )
    write_info(folder, info)
    return folder


def write_info(folder: Path, info: DatasetInfo) -> None:
    """Writes ``dataset.json``, sealed by its checksum."""
    sealed = info.model_copy(update={"checksum": BLANK})
    (folder / "dataset.json").write_bytes(fill_checksum(sealed.dumps()))


def edit_info(folder: Path, edit: Callable[[Any], None]) -> None:
    """Changes what ``dataset.json`` says, and seals it again."""
    content = json.loads((folder / "dataset.json").read_bytes())
    edit(content)
    write_info(folder, DatasetInfo.model_validate(content))


def _write_split(folder: Path, schema: Schema, name: str, shards: list[list[Any]]) -> SplitInfo:
    written = []
    for index, rows in enumerate(shards):
        path = folder / f"{name}-{index:05d}-of-{len(shards):05d}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for row in rows:
                writer.write(serialize(schema, row))
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        file = ShardFile(path=path.name, bytes=len(data), sha256=digest)
        written.append(ShardInfo(num_records=len(rows), files={"tfrecord": file}))
    return SplitInfo(
        num_records=sum(map(len, shards)),
        shards=written,
        statistics=_statistics(schema, [row for rows in shards for row in rows]),
    )


def _statistics(schema: Schema, rows: list[Any]) -> dict[str, Any]:
    return {
        name: feature.statistics(
            merge_all((feature.encode(name, r[name]).summary for r in rows), feature.summary_types)
        )
        for name, feature in schema.features.items()
    }
