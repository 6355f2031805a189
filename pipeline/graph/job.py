"""A build whose inputs were found: what its transforms are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...schemas.columns import check_column
from ...schemas.errors import ManifestError, OptionError
from ...schemas.optional import without_missing
from ...transforms.manifests.declared_classes import with_declared_classes
from ...transforms.manifests.join_labels import joined_columns
from ...transforms.manifests.open_manifest import (
    SPLIT_COLUMN,
    Manifest,
    open_manifest,
)
from ...transforms.manifests.split_manifests import find_roots, name_manifests, open_manifests
from ...transforms.reuse.old_dataset import OldDataset, open_old_dataset
from ...transforms.rows import RowFormat
from ...transforms.shards.encode_rows import RowEncoder
from ...transforms.shards.library_versions import codec_versions
from ...transforms.shards.shard_task import ShardTask
from ...transforms.splits import Splits
from ...transforms.storage.input_files import InputFiles
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.paths import absolute, check_filesystem
from ...transforms.storage.split_roots import SplitRoots
from ..options import BuildOptions
from ..twins import TwinOptions
from .identity import InputFile, check_unchanged, describe_command, identify
from .read_rows import row_format_of

__all__ = ["BuildJob", "open_job"]

_ROW_BYTES = 40


@dataclass(frozen=True, slots=True)
class BuildJob:
    """A build whose manifests were found and fit its schema.

    Attributes:
        options: what was asked for.
        manifests: the images': one, or one for each split.
        labels: the label manifest, if there is one.
        threads: threads in a shard task.
        manifest_files: what the manifests' files are, by name.
        label_files: the same of the label manifest's.
        folder: where to build it, if that is not ``--output`` itself.
        old: the dataset that records may be taken over from, if there is one.
        left_out: the optional features that the dataset goes without, each with the column that is missing.
    """

    options: BuildOptions
    manifests: tuple[Manifest, ...]
    labels: Manifest | None
    threads: int
    manifest_files: Mapping[str, InputFile]
    label_files: Mapping[str, InputFile] | None = None
    folder: Folder | None = None
    old: OldDataset | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> dict[str, Any]:
        """All that decides the dataset, free of this machine's paths."""
        return describe_command(self.options, self.manifest_files, self.label_files)

    def check_unchanged(self) -> None:
        """Checks that the manifests are still what they were when they were found.

        Raises:
            BuildError: one of them has changed in the meantime.
        """
        for manifest in self.manifests:
            check_unchanged(manifest, self.manifest_files)
        if self.labels is not None and self.label_files is not None:
            check_unchanged(self.labels, self.label_files)

    @property
    def output(self) -> Folder:
        """The dataset's folder, or the one that it is built in before it replaces another."""
        return self.folder or Folder(self.options.output)

    @property
    def inline_hashes(self) -> dict[str, str]:
        """SHA-256 of the manifests' files by name, where images may lie in them."""
        if not any(manifest.inline_columns for manifest in self.manifests):
            return {}
        return {name: file.content["sha256"] for name, file in self.manifest_files.items()}

    @property
    def twins(self) -> TwinOptions | None:
        """How twins are looked for; ``None`` where no record says what it was made from."""
        options = self.options
        reads_files = any(feature.reads_files for feature in options.schema.features.values())
        return options.twins if options.index != "none" and reads_files else None

    @property
    def about_rows(self) -> int:
        """How many rows there are, by the size of the manifests; good for an order of magnitude."""
        known = (file.content for file in self.manifest_files.values())
        return sum(file.get("files", file.get("bytes", 0) // _ROW_BYTES) for file in known)

    @property
    def row_format(self) -> RowFormat:
        """What the rows' cells are, and what names a row."""
        options = self.options
        row_format = row_format_of(options, options.columns(), self.inputs)
        clips = options.schema.clips
        # What names a window is the window: rows that share a path are then no longer the same image.
        is_cut = clips is not None and clips.window is not None
        return replace(row_format, key_is_path=False) if is_cut else row_format

    @property
    def encoder(self) -> RowEncoder:
        """What turns a row into a record."""
        return RowEncoder(self.options.schema, self.row_format, self.inputs)

    def open_old(self) -> BuildJob:
        """The job with what ``--reuse`` names, if it names anything.

        Raises:
            OptionError: it is no published dataset.
            DatasetError: it cannot be read.
        """
        if self.options.reuse is None or self.old is not None:
            return self
        old = open_old_dataset(self.options.reuse, self.options.schema, codec_versions())
        return replace(self, old=old)

    @property
    def shard_task(self) -> ShardTask:
        """What builds the shards."""
        options = self.options
        encoder = replace(self.encoder, sinks=options.sinks, index=options.index != "none")
        fits = self.old is not None and not self.old.reason
        return ShardTask(
            self.output,
            encoder,
            self.manifest_root,
            options.check_sources,
            self.inline_hashes,
            self.old if fits else None,
        )

    @property
    def inputs(self) -> InputFiles:
        """Reads the files that rows name, each manifest's relative to its own folder if to no other."""
        options, folders = self.options, find_roots(self.manifests)
        root = options.image_root or self.manifests[0].root
        own = options.image_root is None and len({m.root for m in self.manifests}) > 1
        return InputFiles(
            str(folders) if own else root,
            options.allow_outside,
            options.schema.on_unreadable,
            leave_out=absolute(options.output),
            splits=folders if own else None,
        )

    @property
    def manifest_root(self) -> str | SplitRoots:
        """What the names of the manifests' files are relative to."""
        return find_roots(self.manifests) or self.manifests[0].root


def open_job(options: BuildOptions, threads: int) -> BuildJob:
    """Finds the manifests, checks that they have the columns that the options name, and takes their classes.

    Raises:
        ManifestError: a manifest cannot be read, or lacks a column.
        SchemaError: the classes that a manifest declares do not fit the schema.
        OptionError: what a path's filesystem needs is not installed.
    """
    named = [path for _, path in name_manifests(options.manifest)]
    for path in (*named, options.labels, options.image_root, options.output, options.reuse):
        if path:
            check_filesystem(path)
    output = absolute(options.output)
    manifests = open_manifests(options.manifest, output)
    labels = open_manifest(options.labels, output) if options.labels else None
    # The options check themselves again: where the manifest declares splits, twins cannot share one.
    options = replace(options, splits=_splits_of(options, manifests))
    present = {column for m in manifests for column in _columns_of(options, m, labels)}
    schema, left_out = without_missing(options.schema, present, manifests[0].spec)
    options = replace(options, schema=schema)
    for manifest in manifests:
        _check_image_root(options, manifest, labels)
        _check_columns(options, manifest, labels)
        _check_frames(options, manifest)
    schema = with_declared_classes(options.schema, manifests, labels)
    options = replace(options, schema=schema)
    files = {name: file for manifest in manifests for name, file in identify(manifest).items()}
    label_files = identify(labels) if labels is not None else None
    return BuildJob(options, manifests, labels, threads, files, label_files, left_out=left_out)


def _splits_of(options: BuildOptions, manifests: tuple[Manifest, ...]) -> Splits:
    if manifests[0].split:
        return options.splits.of_manifests(SPLIT_COLUMN, options.manifest)
    own = manifests[0].split_column
    return options.splits.or_column(own, options.manifest) if own else options.splits


def _columns_of(
    options: BuildOptions, manifest: Manifest, labels: Manifest | None
) -> Sequence[str]:
    """The columns that rows have, labels joined."""
    if labels is None or not options.join_on:
        return manifest.columns
    return joined_columns(manifest.columns, labels.columns, options.join_on)


def _check_columns(options: BuildOptions, manifest: Manifest, labels: Manifest | None) -> None:
    where, columns = manifest.spec, _columns_of(options, manifest, labels)
    if labels is not None:
        where = f"{manifest.spec} joined with {options.labels}"
    try:
        options.schema.check_columns(columns, where)
    except ManifestError as error:
        raise ManifestError(f"{error}; {manifest.hint}" if manifest.hint else str(error)) from None
    for name, column in (
        ("--split_column", options.splits.column),
        ("--group_by", options.splits.group_by),
    ):
        if column:
            check_column(column, columns, where, f"for {name}")


def _check_image_root(options: BuildOptions, manifest: Manifest, labels: Manifest | None) -> None:
    """Arrays that a manifest names in itself are looked for where its images are."""
    if manifest.format.names_itself and options.image_root:
        raise OptionError(
            f"--image_root: got {options.image_root!r}, expected none: {manifest.spec} holds its own arrays, "
            "and paths in it are relative to its folder"
        )
    root = options.image_root or manifest.root
    if labels is not None and labels.format.names_itself and labels.root != root:
        raise OptionError(
            f"--labels: got {options.labels!r}, which holds its own arrays, expected a file in the folder "
            f"that paths are relative to, {root}"
        )


def _check_frames(options: BuildOptions, manifest: Manifest) -> None:
    if options.schema.clips is None or not (
        options.schema.clips.key or options.schema.clips.window
    ):
        return
    for column in manifest.inline_columns:
        if column in options.schema.frame_columns():
            raise ManifestError(
                f"{manifest.spec}: got images in column {column!r}, expected their paths: rows that are "
                "grouped to clips or cut into windows cannot carry them"
            )
