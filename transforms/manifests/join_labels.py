"""Joining a label manifest to the manifest of the images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from ...schemas.columns import check_column
from ...schemas.errors import BuildError, ManifestError, Reject
from ..rows import InlineBytes, ManifestRow, RejectedRow, RowsRead

__all__ = ["Join", "JoinLabels", "Joined", "join_key", "join_rows", "joined_columns", "missing_key"]


def joined_columns(
    image_columns: Sequence[str], label_columns: Sequence[str], join_on: str
) -> tuple[str, ...]:
    """The columns of two joined manifests: those of the images, then those of the labels.

    Raises:
        ManifestError: a manifest lacks ``join_on``, or both have another column of the same name.
    """
    for side, columns in (("manifest", image_columns), ("label manifest", label_columns)):
        check_column(join_on, columns, "--join_on", f"in the {side}")
    for column in label_columns:
        if column in image_columns and column != join_on:
            raise ManifestError(
                f"--labels: got a column {column!r} in both manifests, "
                f"expected only {join_on!r} in both"
            )
    return (*image_columns, *(column for column in label_columns if column != join_on))


def join_key(value: Any) -> str | None:
    """The text that a cell is joined by, so that ``1`` and ``'1'`` meet; none where it is empty.

    Inline bytes are joined by the path that stands beside them.
    """
    if isinstance(value, InlineBytes):
        value = value.path
    return None if value is None else str(value) or None


@dataclass(frozen=True)
class Join:
    """How two manifests are joined.

    Attributes:
        image_columns: the columns of the images' rows, as they were read.
        label_columns: the columns of the labels' rows, as they were read.
        join_on: the column that both share.
        columns: the columns of the joined rows; one that both have comes from the images' side.
    """

    image_columns: tuple[str, ...]
    label_columns: tuple[str, ...]
    join_on: str
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        every = joined_columns(self.image_columns, self.label_columns, self.join_on)
        for column in self.columns:
            check_column(column, every, "the joined manifests")

    def row(self, image: ManifestRow, label: ManifestRow) -> ManifestRow:
        """The joined row, which stands where the image's row stands.

        Raises:
            BuildError: the label's cells hold inline bytes, which only the image's file can.
        """
        labels = dict(zip(self.label_columns, label.values, strict=True))
        images = dict(zip(self.image_columns, image.values, strict=True))
        values = tuple([images[c] if c in images else labels[c] for c in self.columns])
        if any(isinstance(value, InlineBytes) for value in labels.values()):
            raise BuildError(
                f"{label.location}: got inline bytes in the label manifest, "
                "expected them in the manifest alone"
            )
        return ManifestRow(image.file, image.row, values)


@dataclass(frozen=True, slots=True)
class Joined:
    """What the rows of one key become.

    Attributes:
        rejects: every row of the key that is not in ``row``.
        row: the joined row.
    """

    rejects: tuple[RejectedRow, ...]
    row: ManifestRow | None = None


def join_rows(
    join: Join, key: str, images: Iterable[ManifestRow], labels: Iterable[ManifestRow]
) -> Joined:
    """Joins the rows of one key.

    The first row of a key, by file and row, is used; each later one of the same manifest is a
    reject. Where label rows of a key disagree, none is trusted, and all rows of it are rejects.
    """
    image, more_images = _first(images)
    label, more_labels = _first(labels)
    rejects = [_duplicate(join.image_columns, key, row, image) for row in more_images]
    other = _disagreeing(join, label, more_labels)
    if label is not None and other is not None:
        rejects += _ambiguous(join, key, image, [label, *more_labels], (label, other))
        return Joined(tuple(rejects))
    rejects += [_duplicate(join.label_columns, key, row, label) for row in more_labels]
    if image is not None and label is not None:
        return Joined(tuple(rejects), join.row(image, label))
    return Joined((*rejects, *_unmatched(join, key, image, label)))


def _first(rows: Iterable[ManifestRow]) -> tuple[ManifestRow | None, list[ManifestRow]]:
    # Beam's groups have no order, and which row is kept must not depend on chance.
    ordered = sorted(rows, key=lambda row: (row.file, row.row))
    return (ordered[0], ordered[1:]) if ordered else (None, [])


def _reject(
    columns: Sequence[str], key: str, row: ManifestRow, reason: str, message: str
) -> RejectedRow:
    values = tuple(zip(columns, row.values, strict=True))
    return RejectedRow(row.file, row.row, key, Reject("join", reason, message), values=values)


def _duplicate(
    columns: Sequence[str], key: str, row: ManifestRow, first: ManifestRow | None
) -> RejectedRow:
    used = first.location if first else "another row"
    message = f"got the key {key!r} of {row.location} again, expected it once: {used} has it too"
    return _reject(columns, key, row, "duplicate_key", message)


def _disagreeing(
    join: Join, first: ManifestRow | None, others: Iterable[ManifestRow]
) -> ManifestRow | None:
    """The first of the later label rows whose cells differ; the key may be written differently."""
    if first is None:
        return None
    at = join.label_columns.index(join.join_on)
    cells = _without(first.values, at)
    return next((row for row in others if _without(row.values, at) != cells), None)


def _without(values: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return values[:index] + values[index + 1 :]


def _ambiguous(
    join: Join,
    key: str,
    image: ManifestRow | None,
    labels: Sequence[ManifestRow],
    differing: tuple[ManifestRow, ManifestRow],
) -> Iterator[RejectedRow]:
    locations = " and ".join(row.location for row in differing)
    message = f"got different labels for the key {key!r} at {locations}, expected them equal"
    if image is not None:
        yield _reject(join.image_columns, key, image, "ambiguous_label", message)
    for row in labels:
        yield _reject(join.label_columns, key, row, "ambiguous_label", message)


def _unmatched(
    join: Join, key: str, image: ManifestRow | None, label: ManifestRow | None
) -> Iterator[RejectedRow]:
    if image is not None:
        message = f"got no label for the key {key!r} of {image.location}"
        yield _reject(join.image_columns, key, image, "no_label", message)
    if label is not None:
        message = f"got no image for the key {key!r} of {label.location}"
        yield _reject(join.label_columns, key, label, "no_image", message)


def missing_key(columns: Sequence[str], join_on: str, row: ManifestRow) -> RejectedRow:
    """The reject of a row whose cell to join by is empty."""
    message = f"got no value in column {join_on!r} of {row.location}, expected a key to join by"
    return _reject(columns, row.location, row, "missing_value", message)


class JoinLabels(beam.PTransform):
    """Joins the rows of two manifests: ``{"images": rows, "labels": rows} | JoinLabels(…)``.

    Args:
        image_columns: the columns of the images' rows.
        label_columns: the columns of the labels' rows.
        join_on: the column that both share.
        columns: the columns of the joined rows, in their order; one that both have comes from the
            images' side.

    Takes ``{"images": rows, "labels": rows}``; returns ``RowsRead``: its rows stand where the image's row
    stands, its rejects are of stage ``join``, and its counts add up to the label rows that were joined:
    ``rows + rejects = image rows + label rows - counts``.

    Raises:
        ManifestError: at construction, when the columns do not fit together.
    """

    def __init__(
        self,
        image_columns: Sequence[str],
        label_columns: Sequence[str],
        join_on: str,
        columns: Sequence[str],
    ) -> None:
        super().__init__()
        self._join = Join(tuple(image_columns), tuple(label_columns), join_on, tuple(columns))

    def expand(self, sides: dict[str, beam.PCollection[ManifestRow]]) -> RowsRead:
        """Wires the transform."""
        join = self._join
        images = sides["images"] | "KeyImages" >> _key_rows(join.image_columns, join.join_on)
        labels = sides["labels"] | "KeyLabels" >> _key_rows(join.label_columns, join.join_on)
        joined = (
            {"images": images.rows, "labels": labels.rows}
            | "GroupByKey" >> beam.CoGroupByKey()
            | "JoinRows"
            >> beam.ParDo(_JoinRowsFn(join)).with_outputs("rejects", "counts", main="rows")
        )
        rejects = (
            images.rejects,
            labels.rejects,
            joined.rejects,
        ) | "FlattenRejects" >> beam.Flatten()
        return RowsRead(joined.rows, rejects, joined.counts)


def _key_rows(columns: Sequence[str], join_on: str) -> Any:
    return beam.ParDo(_KeyRowFn(tuple(columns), join_on)).with_outputs("rejects", main="rows")


class _KeyRowFn(beam.DoFn):
    def __init__(self, columns: tuple[str, ...], join_on: str) -> None:
        self._columns = columns
        self._join_on = join_on
        self._index = columns.index(join_on)

    def process(self, row: ManifestRow) -> Iterator[Any]:
        key = join_key(row.values[self._index])
        if key is None:
            reject = missing_key(self._columns, self._join_on, row)
            yield beam.pvalue.TaggedOutput("rejects", reject)
        else:
            yield key, row


class _JoinRowsFn(beam.DoFn):
    def __init__(self, join: Join) -> None:
        self._join = join
        self._matched = 0

    def start_bundle(self) -> None:
        # One number a bundle is enough, where an element a row would be as many as there are rows.
        self._matched = 0

    def process(self, group: tuple[str, dict[str, Iterable[ManifestRow]]]) -> Iterator[Any]:
        key, sides = group
        joined = join_rows(self._join, key, sides["images"], sides["labels"])
        for reject in joined.rejects:
            yield beam.pvalue.TaggedOutput("rejects", reject)
        if joined.row is not None:
            self._matched += 1
            yield joined.row

    def finish_bundle(self) -> Iterator[Any]:
        window = GlobalWindow()
        count = WindowedValue(self._matched, window.max_timestamp(), [window])
        yield beam.pvalue.TaggedOutput("counts", count)
