"""Several manifests in one build, each of them a split: ``train=a.csv,test=b.csv``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ...schemas.dataset.file_names import SPLIT_NAME
from ...schemas.errors import ManifestError, OptionError
from ..storage.paths import is_there
from ..storage.split_roots import SplitRoots
from .open_manifest import SPLIT_COLUMN, Manifest, open_manifest

__all__ = ["find_roots", "name_manifests", "open_manifests"]

_NAMED = re.compile(rf"(?:^|,)\s*({SPLIT_NAME.pattern})=")
_EXAMPLE = "expected something like train=a.csv,test=b.csv"


def find_roots(manifests: Sequence[Manifest]) -> SplitRoots | None:
    """The folders of manifests that are splits; ``None`` where one manifest is all."""
    if not manifests[0].split:
        return None
    return SplitRoots(tuple((manifest.split, manifest.root) for manifest in manifests))


def name_manifests(spec: str) -> list[tuple[str, str]]:
    """What ``--manifest`` names: manifests by split, or one without (``""``).

    Args:
        spec: ``train=a.csv,test=b.csv``, or one file, glob or directory. One that is there is meant as
            such, whatever its name.

    Raises:
        OptionError: a split is named twice, or has no manifest.
    """
    marks = list(_NAMED.finditer(spec))
    if not marks or marks[0].start() or is_there(spec):
        return [("", spec)]
    if is_there(spec[marks[0].end() :]):
        return [(marks[0][1], spec[marks[0].end() :])]
    # A comma that no name= follows belongs to a file's name.
    ends = [*(mark.start() for mark in marks[1:]), len(spec)]
    named = [
        (mark[1], spec[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)
    ]
    for split, path in named:
        if not path:
            raise OptionError(
                f"--manifest: got no manifest for {split!r}, {_EXAMPLE}; is a variable of the shell not set?"
            )
        first, _, other = path.partition(",")
        if other and is_there(path) is False:
            raise OptionError(f"--manifest: got {other!r} behind {split}={first}, {_EXAMPLE}")
    names = [split for split, _ in named]
    if len(set(names)) < len(names):
        raise OptionError(
            f"--manifest: got {', '.join(names)}, expected each split once; a glob names several files"
        )
    return named


def open_manifests(spec: str, leave_out: str = "") -> tuple[Manifest, ...]:
    """Opens what ``name_manifests`` finds; of a manifest that is a split, ``SPLIT_COLUMN`` is a column.

    Raises:
        OptionError: as ``name_manifests``.
        ManifestError: as ``open_manifest``, or one of several has splits itself.
    """
    return tuple(_open(split, path, leave_out) for split, path in name_manifests(spec))


def _open(split: str, path: str, leave_out: str) -> Manifest:
    manifest = open_manifest(path, leave_out)
    if not split:
        return manifest
    if manifest.split_column is not None:
        raise ManifestError(
            f"--manifest: got {split}={path}, which has splits itself; name it alone, or for each split "
            "a manifest of its own"
        )
    columns = tuple(column for column in manifest.columns if column != SPLIT_COLUMN)
    return replace(
        manifest, split=split, columns=(*columns, SPLIT_COLUMN), split_column=SPLIT_COLUMN
    )
