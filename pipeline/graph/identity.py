"""What a build is made from, so that inputs that have changed are told from inputs that have not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ...schemas.errors import BuildError
from ...transforms.manifests.open_manifest import Manifest, ManifestFile
from ...transforms.storage.streams import local_stamp
from ..options import BuildOptions

__all__ = ["InputFile", "check_unchanged", "describe_command", "differences", "identify"]

_FILES_AT_ONCE = 8
_SHOWN = 3
_INPUTS = ("manifest", "labels")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A manifest's file, or a class's folder, as it was when the build began.

    Attributes:
        content: ``bytes`` and ``sha256`` of a file, ``files`` and ``sha256`` of a folder's listing.
        touched: size and modification time of a local file before it was hashed, where they are enough to tell
            whether it was changed; else ``None``.
    """

    content: dict[str, Any]
    touched: tuple[int, int] | None = None


def identify(manifest: Manifest) -> dict[str, InputFile]:
    """The files of a manifest by their names in the build, each read from start to end.

    Raises:
        ManifestError: one cannot be read.
    """
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        found = pool.map(lambda file: _identify(manifest, file), manifest.files)
        names = (manifest.name_of(file.name) for file in manifest.files)
        return dict(zip(names, found, strict=True))


def _identify(manifest: Manifest, file: ManifestFile) -> InputFile:
    # Before it is read, so that a later change is seen.
    touched = None if manifest.format.reads_others else local_stamp(file.path)
    return InputFile(manifest.format.identity(file.path), touched)


def check_unchanged(manifest: Manifest, files: Mapping[str, InputFile]) -> None:
    """Checks that workers have read what was identified: they read it later.

    Raises:
        BuildError: a file or a listing has changed in the meantime.
    """
    for file in manifest.files:
        known = files[manifest.name_of(file.name)]
        if known.touched is not None and local_stamp(file.path) == known.touched:
            continue
        if manifest.format.identity(file.path) != known.content:
            raise BuildError(
                f"{file.path}: changed while the build was running; nothing was published, "
                "run the same command again"
            )


def describe_command(
    options: BuildOptions,
    manifest: Mapping[str, InputFile],
    labels: Mapping[str, InputFile] | None,
) -> dict[str, Any]:
    """All that the user asked for that decides the dataset, free of this machine's paths."""
    command: dict[str, Any] = {
        "manifest": {name: file.content for name, file in manifest.items()},
        "schema": options.schema.to_dict(),
        "sinks": list(options.sinks),
        "splits": dict(options.splits.fractions) if not options.splits.column else None,
        "split_column": options.splits.column,
        "group_by": options.splits.group_by,
        "allow_outside": options.allow_outside,
        "row_timeout": float(options.row_timeout),
        "num_shards": options.shard_size.num_shards,
        "records_per_shard": options.shard_size.records_per_shard,
        "shard_size": options.shard_size.shard_bytes,
        "seed": options.seed,
    }
    if options.index != "none":  # which is what every dataset is that knows of no index
        command["index"] = options.index
    command |= options.twins.describe()
    if labels is not None:
        command["labels"] = {name: file.content for name, file in labels.items()}
        command["join_on"] = options.join_on
    return command


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    """How a command differs from an earlier one into the same folder, a phrase each.

    Returns:
        What makes it another command; options that decide rejects alone; manifests whose content has
        changed.
    """
    other: list[str] = []
    softer: list[str] = []
    inputs: list[str] = []
    for key in dict.fromkeys([*new, *old]):
        before, after = old.get(key), new.get(key)
        if key == "index":
            before, after = before or "none", after or "none"
        if before == after or (
            key == "versions" and before is None
        ):  # noted by no earlier pixelbeam
            continue
        if key in _INPUTS and isinstance(before, dict) and isinstance(after, dict):
            inputs += _changed_files(key, before, after)
        elif key in (
            "row_timeout",
            "allow_outside",
            "image_root",
            "versions",
            "duplicate_distance",
        ):
            softer += _differences({key: before}, {key: after})
        else:
            other += _differences({key: before}, {key: after})
    return other, softer, inputs


def _changed_files(key: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    names = [
        name for name in dict.fromkeys([*after, *before]) if before.get(name) != after.get(name)
    ]
    for name in names[:_SHOWN]:
        yield f"{key} {name} {_what_changed(before.get(name), after.get(name))}"
    if len(names) > _SHOWN:
        yield f"{len(names) - _SHOWN:,} more files of the {key}"


def _what_changed(before: Any, after: Any) -> str:
    if before is None or after is None:
        return "is new" if before is None else "is gone"
    for unit in ("files", "bytes"):
        sizes = [side.get(unit) if isinstance(side, dict) else None for side in (before, after)]
        if None not in sizes and sizes[0] != sizes[1]:
            return f"has {sizes[1]:,} {unit}, had {sizes[0]:,}"
    return (
        "has other files" if isinstance(after, dict) and "files" in after else "has other content"
    )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*new, *old]):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _differences(before, after, f"{place}{key}.")
        else:
            yield f"{place}{key} is {_short(after)}, was {_short(before)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
