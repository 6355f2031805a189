"""YOLO: a ``data.yaml`` that names folders of images, each with a label file.

The format: https://docs.ultralytics.com/datasets/detect/#ultralytics-yolo-format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import yaml

from .....schemas.errors import ManifestError
from .....schemas.features.base import shorten
from ....storage.listings import walk_folder
from ....storage.paths import absolute, has_folder, relative_to, resolve_path
from ....storage.streams import HEAD_BYTES, READ_FAILURES, read_chunks, read_head
from ..base import NOT_UTF8, Malformed, ManifestFormat, Part, Projection, Record
from ..class_folders import is_image_name
from .cells import boxes_cell, keypoints_cell, masks_cell
from .small_files import SmallFiles, split_path
from .yolo_labels import LabelError, YoloObjects, label_path, parse_labels

__all__ = ["Yolo", "YoloImage", "YoloSet", "list_rows", "read_set"]

SPLITS = ("train", "val", "test")
SPLIT = "split"

_PART_ROWS = 1 << 14
_EXPECTED_NAMES = "expected the classes' names, as a list or by their numbers"


@dataclass(frozen=True, slots=True)
class YoloSet:
    """What a ``data.yaml`` says.

    Attributes:
        path: the file.
        root: the folder that its paths are relative to.
        splits: by name, the folders and lists of images, as they are written.
        names: of the classes, by their numbers.
        keypoints: how many an object has, and the numbers of each; ``None`` where it has none.
    """

    path: str
    root: str
    splits: tuple[tuple[str, tuple[str, ...]], ...]
    names: dict[int, str]
    keypoints: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class YoloImage:
    """A row.

    Attributes:
        split: its split.
        path: the image's full path.
        name: the same relative to the set's root.
    """

    split: str
    path: str
    name: str


@dataclass(frozen=True)
class Yolo(ManifestFormat):
    """A row is an image: those of ``train``, then ``val``, then ``test``, counted from 1.

    The images of a folder, at any depth, are sorted by their paths; those of a list are in its order. An image
    whose label file is empty or not there is a background. Columns: ``file_name``, ``split``, ``bbox``,
    ``segmentation``, ``category``, ``category_id``, ``score`` and, where ``kpt_shape`` is given,
    ``keypoints``. A line that cannot be read makes its image malformed.
    """

    endings = (".yaml", ".yml")
    reads_others = True

    def columns(self, path: str) -> tuple[str, ...]:  # noqa: D102 - the interface's
        keypoints = ("keypoints",) if read_set(path).keypoints else ()
        objects = ("bbox", "segmentation", "category", "category_id", "score", *keypoints)
        return ("file_name", SPLIT, *objects)

    def image_root(self, path: str) -> str | None:
        """``path`` in the file, or the file's own folder."""
        return read_set(path).root

    def split_column(self, path: str) -> str | None:
        """``split``, unless all there is is ``train``, which can then be split further."""
        names = [name for name, _ in read_set(path).splits]
        return None if names == ["train"] else SPLIT

    def classes(self, path: str, column: str) -> dict[str | int, str] | None:
        """The names, by their numbers."""
        if column not in ("category", "category_id"):
            return None
        names = read_set(path).names.items()
        return {number: name if column == "category" else str(number) for number, name in names}

    def identity(self, path: str) -> dict[str, Any]:
        """How many images there are, and a hash of their names and labels, and of the classes.

        Raises:
            ManifestError: the file or a folder cannot be read, or no image of a split has a label file.
        """
        found, files = read_set(path), SmallFiles()
        rows = list(list_rows(found))
        _check_labels(found, rows, files)
        said = [sorted(found.names.items()), found.keypoints]
        digest = hashlib.sha256(json.dumps(said).encode())
        contents = files.read_all(label_path(row.path) for row in rows)
        for row, content in zip(rows, contents, strict=True):
            label = "" if content is None else hashlib.sha256(content).hexdigest()
            line = "\0".join((row.split, row.name, label))
            digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
        return {"files": len(rows), "sha256": digest.hexdigest()}

    def parts(self, part: Part, size: int, range_bytes: int) -> list[Part]:  # noqa: D102
        count = sum(1 for _ in list_rows(read_set(part.path)))
        return [
            replace(part, row=start + 1, start=start, stop=min(start + _PART_ROWS, count))
            for start in range(0, count, _PART_ROWS)
        ]

    def records(self, part: Part, projection: Projection) -> Iterator[Record]:  # noqa: D102
        found = read_set(part.path)
        rows = list(islice(list_rows(found), part.start, part.stop))
        contents = SmallFiles().read_all(label_path(row.path) for row in rows)
        for number, (row, content) in enumerate(zip(rows, contents, strict=True), part.row):
            yield number, _read_row(found, row, content, projection.columns)


class _PlainLoader(yaml.SafeLoader):
    """Refuses aliases, of which a few lines can make more than the memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "got an alias, expected none", None)
        return super().compose_node(parent, index)


def read_set(path: str) -> YoloSet:
    """Reads a ``data.yaml``.

    Raises:
        ManifestError: it is none; the message starts with the place.
    """
    text, whole = read_head(path)
    if not whole:
        raise ManifestError(f"{path}: larger than {HEAD_BYTES >> 20} MiB, expected a YOLO data set")
    try:
        said = yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader that takes less
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ManifestError(f"{path}: not readable as YAML: {reason:.200}") from None
    if not isinstance(said, dict) or not any(said.get(split) for split in SPLITS):
        raise ManifestError(f"{path}: no {', '.join(SPLITS)} in it, expected a YOLO data set")
    folder = split_path(absolute(path))[0]
    root = said.get("path") or "."
    if not isinstance(root, str):
        raise ManifestError(f"{path}: path: got {shorten(root)}, expected a folder")
    splits = tuple((s, _read_sources(path, s, said[s])) for s in SPLITS if said.get(s))
    return YoloSet(
        path, resolve_path(folder, root), splits, _read_names(path, said), _read_shape(path, said)
    )


def list_rows(found: YoloSet) -> Iterator[YoloImage]:
    """The images of a set, in the order of the rows.

    Raises:
        ManifestError: a folder or a list is not there, or has no images.
    """
    for split, sources in found.splits:
        for source in sources:
            count = 0
            for path in _list_images(found, split, source):
                count += 1
                yield YoloImage(split, path, relative_to(path, found.root))
            if not count:
                raise ManifestError(f"{found.path}: {split}: no image in {source!r}")


def _list_images(found: YoloSet, split: str, source: str) -> Iterator[str]:
    path = resolve_path(found.root, source)
    if source.lower().endswith(".txt"):
        folder = split_path(path)[0]
        for line in b"".join(read_chunks(path)).decode("utf-8-sig", "surrogateescape").splitlines():
            if line.strip():
                # Of a list, ./ is the folder that it lies in; other paths are relative to the set's.
                own = line.strip().startswith("./")
                yield resolve_path(folder if own else found.root, line.strip())
        return
    if has_folder(path) is False and source.startswith("../"):
        # Roboflow's files lie beside the folders that they name so.
        path = resolve_path(found.root, source[3:])
    try:
        names = sorted(name for name in walk_folder(path) if is_image_name(name))
    except READ_FAILURES as error:
        reason = getattr(error, "strerror", None) or error
        raise ManifestError(f"{found.path}: {split}: {path} cannot be read: {reason}") from error
    for name in names:
        yield resolve_path(path, name)


def _check_labels(found: YoloSet, rows: Sequence[YoloImage], files: SmallFiles) -> None:
    """Checks that there are labels at all: else every image would be a background."""
    for split, _ in found.splits:
        paths = [label_path(row.path) for row in rows if row.split == split]
        if not any(map(files.has, paths)):
            raise ManifestError(
                f"{found.path}: {split}: none of its {len(paths)} images has a label file, expected {paths[0]} "
                f"or others; leave {split} out of the file if it has no labels"
            )


def _read_row(
    found: YoloSet, row: YoloImage, content: bytes | None, columns: Sequence[str]
) -> tuple[Any, ...] | Malformed:
    known: dict[str, Any] = {"file_name": row.name, SPLIT: row.split}
    values = tuple((column, known[column]) for column in columns if column in known)
    try:
        row.name.encode()
        objects = parse_labels(content, found.names, found.keypoints)
    except UnicodeEncodeError:
        return Malformed(NOT_UTF8, f"got the file name {row.name!a}, expected UTF-8 text")
    except LabelError as error:
        label = relative_to(label_path(row.path), found.root)
        return Malformed(error.reason, f"{label}: {error}", path=row.name, values=values)
    cells = known | _cells(found, objects)
    return tuple(cells[column] for column in columns)


def _cells(found: YoloSet, objects: YoloObjects) -> dict[str, Any]:
    return {
        "bbox": boxes_cell(objects.boxes, "cxcywh", normalized=True),
        "segmentation": masks_cell(objects.masks, normalized=True),
        "keypoints": keypoints_cell(objects.keypoints, normalized=True),
        "category": [found.names[number] for number in objects.classes],
        "category_id": objects.classes,
        "score": objects.scores,
    }


def _read_sources(path: str, split: str, said: Any) -> tuple[str, ...]:
    sources = said if isinstance(said, list) else [said]
    for source in sources:
        if not isinstance(source, str):
            got = shorten(source)
            raise ManifestError(f"{path}: {split}: got {got}, expected a folder, a list or a .txt")
    return tuple(sources)


def _read_names(path: str, said: dict[Any, Any]) -> dict[int, str]:
    names, count = said.get("names"), said.get("nc")
    if names is None and isinstance(count, int):
        return {number: str(number) for number in range(count)}
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(numbered, dict) or not numbered:
        raise ManifestError(f"{path}: names: got {shorten(names)}, {_EXPECTED_NAMES}")
    for number, name in numbered.items():
        is_name = isinstance(name, str | int) and not isinstance(name, bool)
        if not isinstance(number, int) or not is_name:
            got = f"{shorten(number)}: {shorten(name)}"
            raise ManifestError(
                f"{path}: names: got {got}, {_EXPECTED_NAMES}, in quotes if need be"
            )
    if isinstance(count, int) and count != len(numbered):
        raise ManifestError(f"{path}: nc: got {count}, expected {len(numbered)}, as names has")
    return {number: str(numbered[number]) for number in sorted(numbered)}


def _read_shape(path: str, said: dict[Any, Any]) -> tuple[int, int] | None:
    shape = said.get("kpt_shape")
    if shape is None:
        return None
    fits = isinstance(shape, list) and len(shape) == 2 and all(isinstance(n, int) for n in shape)
    if not fits or shape[0] < 1 or shape[1] not in (2, 3):
        got = shorten(shape)
        raise ManifestError(f"{path}: kpt_shape: got {got}, expected [points, 2] or [points, 3]")
    return shape[0], shape[1]
