"""Images that the manifests have more than once: with other labels, or in several splits' manifests.

Rows meet by the hash of what the record is made of. What is shuffled of each are 24 bytes: that hash,
the label's number in a list, and the row's location; not an element a row, but some blocks a bundle.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np

from ..schemas.features.base import shorten
from ..schemas.features.source import is_column
from ..schemas.schema import Schema
from .rows import ManifestRow, RowFormat

__all__ = [
    "Contradictions",
    "FindContradictions",
    "LabelBlock",
    "LabelCollector",
    "find_contradictions",
]

_ENTRY = np.dtype([("image", ">u8"), ("file", "<u4"), ("row", "<u8"), ("label", "<u4")])
_HASH_BYTES = 8
_BUCKET_BITS = 10  # at 10^10 rows a bucket has 240 MB
_MOST_ROWS = 1 << 20
_BLOCK_ROWS = 128  # so that no element of the shuffle is large, though all rows be of one image
_FEW = 1 << 12
_NO_LABEL = 0


@dataclass(frozen=True, slots=True)
class LabelBlock:
    """The labels of some rows whose images share the first bits of their hashes.

    Attributes:
        files: the manifest files of the rows.
        labels: the labels as text.
        entries: an ``_ENTRY`` a row; its file and label are places in the two above.
    """

    files: tuple[str, ...]
    labels: tuple[str, ...]
    entries: bytes


@dataclass(frozen=True, slots=True)
class Contradictions:
    """The images that have more than one label, and those that are in more than one manifest.

    Attributes:
        count: how many have more than one label.
        example: two rows of one of them, as file, row and label: the first by file and row.
        shared: how many are in the manifests of several splits, where each manifest is a split.
        shared_example: the same as ``example`` of these.
    """

    count: int = 0
    example: tuple[tuple[str, int, str], ...] = ()
    shared: int = 0
    shared_example: tuple[tuple[str, int, str], ...] = ()

    def warnings(self) -> Iterator[str]:
        """A sentence for each of the two, where there are any."""
        if self.count:
            images = "1 image has" if self.count == 1 else f"{self.count:,} images have"
            rows = (f"{file}:{row} ({shorten(label)})" for file, row, label in self.example)
            yield f"{images} rows with different labels, such as {' and '.join(rows)}"
        if self.shared:
            images = "1 image is" if self.shared == 1 else f"{self.shared:,} images are"
            rows = (f"{file}:{row}" for file, row, _ in self.shared_example)
            yield f"{images} in the manifests of several splits, such as {' and '.join(rows)}"

    @classmethod
    def merge(cls, found: Iterable[Contradictions]) -> Contradictions:
        """All of several, no image being in two of them."""
        parts = list(found)
        return cls(
            sum(part.count for part in parts),
            min((part.example for part in parts if part.count), default=()),
            sum(part.shared for part in parts),
            min((part.shared_example for part in parts if part.shared), default=()),
        )


class LabelCollector:
    """Notes which label each image has, row by row.

    An image is what a row's record is made of beside its targets: the path, and where a record has
    several inputs (two images, a question) all of them, since then the label is of them together.

    Args:
        schema: says which columns are inputs and which are labels.
        row_format: what the rows' cells are.
    """

    def __init__(self, schema: Schema, row_format: RowFormat):
        features = schema.features if schema.clips is None else schema.context
        inputs = {c for f in schema.features.values() if not f.is_target for c in f.columns}
        self._path_key, self._schema = row_format.path_key, schema
        self._inputs = [
            (row_format.columns.index(column), column in schema.file_columns())
            for column in sorted(inputs - {row_format.key_column})
        ]
        self._labels = [
            (row_format.columns.index(feature.source), name)
            for name, feature in features.items()
            if feature.target_by_default
            and feature.is_target
            and is_column(feature.source)
            # What is of an image lists its objects, which other rows of the image may add to.
            and feature.owner is None
        ]
        self._key_index = (
            row_format.columns.index(row_format.key_column) if row_format.key_is_path else -1
        )
        self.start()

    @property
    def is_needed(self) -> bool:
        """Whether rows have both a path that names them and a label."""
        return bool(self._labels) and self._key_index >= 0

    def start(self) -> None:
        """Forgets all rows."""
        self._files: dict[str, int] = {}
        self._texts: dict[str, int] = {"": _NO_LABEL}
        self._known: dict[Any, int] = {}
        self._images, self._columns = bytearray(), (array("I"), array("Q"), array("I"))

    def add(self, key: str, row: ManifestRow) -> None:
        """Notes a row.

        Args:
            key: its key.
            row: the row.
        """
        values = row.values
        cells = values[self._labels[0][0]] if len(self._labels) == 1 else self._cells(values)
        try:
            # Cells as they are written are looked up first: few are new, and parsing them anew takes longer.
            label = self._known.get(cells)
        except TypeError:  # a list, as JSON and Parquet have them
            cells = repr(cells)
            label = self._known.get(cells)
        if label is None:
            label = self._known[cells] = self._number(values)
        if label == _NO_LABEL or type(values[self._key_index]) is not str:
            return
        if self._inputs:
            key = self._join(key, row)
        files, rows, labels = self._columns
        data = key.encode("utf-8", "surrogatepass")
        self._images += hashlib.blake2b(data, digest_size=_HASH_BYTES).digest()
        files.append(self._files.setdefault(row.file, len(self._files)))
        rows.append(row.row)
        labels.append(label)

    @property
    def is_full(self) -> bool:
        """Whether what was noted should be taken before more is."""
        return len(self._columns[0]) >= _MOST_ROWS

    def take(self) -> Iterator[tuple[int, LabelBlock]]:
        """What was noted, by bucket, and forgets it."""
        entries = np.empty(len(self._columns[0]), _ENTRY)
        entries["image"] = np.frombuffer(bytes(self._images), ">u8")
        for name, column in zip(("file", "row", "label"), self._columns, strict=True):
            entries[name] = column
        files, labels = tuple(self._files), tuple(self._texts)
        self.start()
        buckets = (entries["image"] >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)
        # Stable, so that rows of a bucket stay in the order in which they came.
        entries = entries[order := np.argsort(buckets, kind="stable")]
        starts = np.flatnonzero(np.diff(buckets[order], prepend=-1))
        for part in np.split(entries, starts[1:]) if len(entries) else ():
            bucket = int(part["image"][0]) >> (64 - _BUCKET_BITS)
            for start in range(0, len(part), _BLOCK_ROWS):
                yield bucket, _compact(files, labels, part[start : start + _BLOCK_ROWS])

    def _cells(self, values: tuple[Any, ...]) -> Any:
        return tuple([values[index] for index, _ in self._labels])

    def _number(self, values: tuple[Any, ...]) -> int:
        """The number of a row's label: that of the class names, in whatever way they are written."""
        names = [sorted(set(self._schema.observe(n, values[i]))) for i, n in self._labels]
        text = "; ".join(", ".join(found) for found in names) if any(names) else ""
        return self._texts.setdefault(text, len(self._texts))

    def _join(self, key: str, row: ManifestRow) -> str:
        values = row.values
        cells = [
            self._path_key(row, values[index])
            if is_path and type(values[index]) is str
            else repr(values[index])
            for index, is_path in self._inputs
        ]
        return "\0".join([key, *cells])


def _compact(files: Sequence[str], labels: Sequence[str], entries: Any) -> LabelBlock:
    """A block with those files and labels alone that its entries name."""
    entries = entries.copy()
    used, entries["file"] = _number_anew(entries["file"], len(files))
    named, entries["label"] = _number_anew(entries["label"], len(labels))
    return LabelBlock(
        tuple(files[index] for index in used),
        tuple(labels[index] for index in named),
        entries.tobytes(),
    )


def _number_anew(numbers: Any, count: int) -> tuple[Any, Any]:
    """The distinct ones of numbers below ``count``, rising, and which of these each is."""
    if count > _FEW:
        return np.unique(numbers, return_inverse=True)
    # A table of all takes a fifth of the time of sorting, as long as it is small.
    is_used = np.zeros(count, bool)
    is_used[numbers] = True
    used = np.flatnonzero(is_used)
    return used, (np.cumsum(is_used) - 1)[numbers]


def find_contradictions(blocks: Iterable[LabelBlock], by_split: bool = False) -> Contradictions:
    """The images of one bucket that have more than one label, given all of its blocks.

    Args:
        blocks: all blocks of the bucket.
        by_split: whether each manifest is a split, with which its files' names begin: then also the images
            that are in several.
    """
    blocks = list(blocks)
    files = sorted({file for block in blocks for file in block.files})
    labels = sorted({label for block in blocks for label in block.labels})
    # Each block numbers files and labels by itself; here all get the numbers that the sorted names have.
    file_numbers = {file: number for number, file in enumerate(files)}
    numbers = {label: number for number, label in enumerate(labels)}
    parts = []
    for block in blocks:
        part = np.frombuffer(block.entries, _ENTRY).copy()
        part["file"] = np.array([file_numbers[file] for file in block.files])[part["file"]]
        part["label"] = np.array([numbers[label] for label in block.labels])[part["label"]]
        parts.append(part)
    rows = np.concatenate(parts)
    # Equal images lie side by side then, whichever workers they came from; the example is the same one.
    rows = rows[np.lexsort((rows["row"], rows["file"], rows["image"]))]
    same = rows["image"][1:] == rows["image"][:-1]

    def count(differs: Any) -> tuple[int, tuple[tuple[str, int, str], ...]]:
        changes = np.flatnonzero(same & differs)
        if not len(changes):
            return 0, ()
        images, first = np.unique(rows["image"][changes], return_index=True)
        pairs = [(rows[change], rows[change + 1]) for change in changes[first]]
        pair = min(pairs, key=lambda pair: (pair[0]["file"], pair[0]["row"]))
        example = tuple((files[r["file"]], int(r["row"]), labels[r["label"]]) for r in pair)
        return len(images), example

    found = count(rows["label"][1:] != rows["label"][:-1])
    if not by_split:
        return Contradictions(*found)
    splits = np.array([file.partition("/")[0] for file in files])[rows["file"]]
    return Contradictions(*found, *count(splits[1:] != splits[:-1]))


class FindContradictions(beam.PTransform):
    """``(bucket, LabelBlock)`` to the one ``Contradictions``.

    Args:
        by_split: see ``find_contradictions``.
    """

    def __init__(self, by_split: bool = False):
        super().__init__()
        self._by_split = by_split

    def expand(self, blocks: beam.PCollection[tuple[int, LabelBlock]]) -> Any:
        """Wires ``find_contradictions``."""
        by_split = self._by_split
        return (
            blocks
            | "GroupByBucket" >> beam.GroupByKey()
            | "FindInBucket" >> beam.MapTuple(lambda _, found: find_contradictions(found, by_split))
            | "Merge" >> beam.CombineGlobally(Contradictions.merge)
        )
