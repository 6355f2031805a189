"""The twins of a build: collected from what its tasks have written, counted, and published as one list."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from typing import Any

from ...schemas.dataset.file_names import DUPLICATES_FILE
from ...schemas.dataset.info import DuplicatesInfo, ShardFile
from ...schemas.errors import BuildError
from ...transforms.duplicates.find_duplicates import findings_path, num_findings_files
from ...transforms.duplicates.known_twins import JOINED_FILE
from ...transforms.duplicates.search import Kind
from ...transforms.shards.plan import Plan
from ...transforms.storage.output_folder import Folder
from ..twins import TwinOptions

__all__ = ["publish_duplicates"]


def publish_duplicates(output: Folder, plan: Plan, twins: TwinOptions) -> DuplicatesInfo:
    """Publishes the list of twins, where there are any.

    Args:
        output: the dataset's folder.
        plan: says how many files hold them.
        twins: what twins are.

    Returns:
        The ``duplicates`` of ``dataset.json``.

    Raises:
        BuildError: a file is missing.
    """
    counts: dict[str, int] = defaultdict(int)
    records: dict[tuple[str, str, str], int] = defaultdict(int)
    names = [findings_path(number) for number in range(num_findings_files(plan))]
    with output.scratch() as scratch:
        path = scratch / DUPLICATES_FILE
        with path.open("wb") as file:
            for name, data in zip(names, output.read_all(names), strict=True):
                if data is None:
                    raise BuildError(f"{name} is missing; run the same command again")
                first, *lines = data.splitlines(keepends=True)
                for what, count in json.loads(first).items():
                    counts[what] += count
                file.writelines(lines)
                for twin in map(json.loads, lines):
                    record, other = twin["record"], twin["twin"]
                    records[record["split"], other["split"], twin["kind"]] += 1
                    counts["same_source"] += twin["kind"] == "exact" and _is_same(record, other)
                    counts["other_labels"] += record.get("labels") != other.get("labels")
        listed = output.publish(path, DUPLICATES_FILE) if records else None
    joined = output.read(JOINED_FILE) if twins.handling == "group" else None
    return DuplicatesInfo(
        distance=twins.distance,
        records=_nest(records),
        **counts,
        **(json.loads(joined) if joined is not None else {}),
        file=ShardFile(**asdict(listed)) if listed else None,
    )


def _is_same(record: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two records are of one file: by the one spelling in the key, or by the path in two manifests."""
    source = record.get("source")
    return record["key"] == other["key"] or (source is not None and source == other.get("source"))


def _nest(records: dict[tuple[str, str, str], int]) -> dict[str, dict[str, dict[str, int]]]:
    """Counts by split, the twin's split and kind, each in their order."""
    nested: dict[str, dict[str, dict[str, int]]] = {}
    kinds = [kind.name.lower() for kind in Kind]
    for split, other, kind in sorted(records, key=lambda key: (*key[:2], kinds.index(key[2]))):
        of_kind = nested.setdefault(split, {}).setdefault(other, {})
        of_kind[kind] = records[split, other, kind]
    return nested
