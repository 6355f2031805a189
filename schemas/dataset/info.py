"""``dataset.json``: what a published dataset says of itself, and the sign that it is published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import from_json
from typing_extensions import Self

from ..errors import DatasetError, SchemaError
from ..features import missing_kinds
from ..features.base import shorten
from ..schema import Schema
from .file_names import DATASET_FILE, INDEX_FOLDER

__all__ = [
    "FORMAT",
    "DatasetFile",
    "DatasetInfo",
    "DroppedInfo",
    "DuplicatesInfo",
    "FileInfo",
    "FramesInfo",
    "GapsInfo",
    "RejectsInfo",
    "ShardFile",
    "ShardInfo",
    "SplitInfo",
]

FORMAT = "pixelbeam/1"
_FAMILY = "pixelbeam/"


def _check_listed_name(name: str) -> str:
    """Refuses what ``_check_file_name`` does, but takes files in the index's folder."""
    _check_file_name(name.removeprefix(f"{INDEX_FOLDER}/"))
    return name


def _check_file_name(name: str) -> str:
    """Refuses what could lead out of the dataset's directory, on any system."""
    if not name or name in (".", "..") or any(mark in name for mark in "/\\:\0"):
        raise ValueError(f"got {shorten(name)}, expected the name of a file beside {DATASET_FILE}")
    return name


_FileName = Annotated[str, AfterValidator(_check_file_name)]
_ListedName = Annotated[str, AfterValidator(_check_listed_name)]
_Count = Annotated[int, Field(ge=0)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    """Part of ``dataset.json``; keys that this version does not know are kept beside its own."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


class _OptionalKeys(_Part):
    """Leaves the keys out that are ``None``, rather than writing nulls that mean nothing."""

    @model_serializer(mode="wrap")
    def _leave_out(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        absent = {name for name in type(self).model_fields if getattr(self, name) is None}
        return {name: value for name, value in serialize(self).items() if name not in absent}


class DatasetFile(_OptionalKeys):
    """What is known of a file beside ``dataset.json``.

    Attributes:
        kind: what it is: ``shard``, ``joined`` (over the shards of a split), ``description``, ``rejects``,
            ``dropped_frames``, ``duplicates``, ``statistics``, ``index``, ``addresses``, or one that a later
            version names.
        bytes: its size; not known of the generated module in the oldest datasets.
        sha256: of its content, in hex.
    """

    kind: str
    bytes: _Count | None = None
    sha256: _Sha256


class FileInfo(_OptionalKeys):
    """A file of the dataset, by its name in the dataset's directory."""

    path: _FileName
    sha256: _Sha256
    bytes: _Count | None = None


class ShardFile(_Part):
    """A shard in one format; ``bytes`` is its size."""

    path: _FileName
    bytes: _Count
    sha256: _Sha256


class ShardInfo(_Part):
    """A shard: its number of records, and its files by sink (``tfrecord``, ``hdf5``)."""

    num_records: _Count
    files: dict[str, ShardFile]


class SplitInfo(_Part):
    """A split: its shards in the order of their index, and statistics by feature name.

    ``files`` are those that lead to the whole split, by sink: the virtual file over HDF5 shards.
    """

    num_records: _Count
    shards: list[ShardInfo]
    files: dict[str, ShardFile] = Field(default_factory=dict)
    statistics: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_records(self) -> Self:
        total = sum(shard.num_records for shard in self.shards)
        if total != self.num_records:
            raise ValueError(f"got {self.num_records} in num_records, but {total} in its shards")
        return self


class RejectsInfo(_OptionalKeys):
    """The rows that did not become records, counted by reason, and their list where there are any."""

    count: _Count = 0
    by_reason: dict[str, _Count] = Field(default_factory=dict)
    file: ShardFile | None = None


class DroppedInfo(_OptionalKeys):
    """The frames that were left out of their clips because of a fault, as ``RejectsInfo`` has rows."""

    count: _Count = 0
    by_reason: dict[str, _Count] = Field(default_factory=dict)
    file: ShardFile | None = None


class GapsInfo(_Part):
    """The clips in which frames were missing between others, and how many of these in all."""

    clips: _Count = 0
    missing: _Count = 0


class FramesInfo(_Part):
    """What became of the frames of a dataset's clips.

    ``seen + repeated = in_records + in_rejects + sum(skipped) + dropped.count``.

    Attributes:
        seen: frames that were found.
        repeated: further uses of them in other windows.
        in_records: frames in records.
        in_rejects: frames that are lost with their clips.
        skipped: frames left out as declared, by the setting that leaves them out.
        dropped: frames left out because of a fault.
        gaps: frames that were not there.
    """

    seen: _Count
    repeated: _Count
    in_records: _Count
    in_rejects: _Count
    skipped: dict[str, _Count]
    dropped: DroppedInfo
    gaps: GapsInfo


class DuplicatesInfo(_OptionalKeys):
    """The records that have a twin, counted, and their list where there are any.

    Attributes:
        distance: the bits in which perceptual hashes of twins may differ; absent where only equal contents
            were looked for.
        records: by split and by the split of the twins, how many records have one, by the kind of the nearest
            one: ``exact``, ``near``, ``mirrored``. In a record's own split, only those before it count.
        same_source: how many of these, all features and splits together, have an exact twin of the same key or
            path: the file is listed twice.
        other_labels: how many of these have other labels than their twin, be it exact, near or mirrored.
        plain: values whose perceptual hash says too little to compare it, such as of images of one colour.
        not_compared: pairs of hashes that were left out since too many others are alike.
        joined: where twins share a split: how many keys, or groups, went with another one for it.
        not_joined: likewise: links between twins that were too far from each other to be followed.
        file: the list, a line for each record and split that is counted in ``records``.
    """

    distance: _Count | None = None
    records: dict[str, dict[str, dict[str, _Count]]] = Field(default_factory=dict)
    same_source: _Count = 0
    other_labels: _Count = 0
    plain: _Count = 0
    not_compared: _Count = 0
    joined: _Count | None = None
    not_joined: _Count | None = None
    file: ShardFile | None = None

    @property
    def across(self) -> int:
        """How many records have a twin in another split, each counted once a split."""
        return sum(
            sum(kinds.values())
            for split, others in self.records.items()
            for other, kinds in others.items()
            if other != split
        )


class DatasetInfo(_OptionalKeys):
    """The content of ``dataset.json``.

    Attributes:
        format: the version of the layout of the directory.
        fingerprint: of the command and the manifest that the dataset was built from.
        declared: the schema as plain dicts, vocabularies filled in; ``schema`` in the file. See
            ``read_schema``.
        description: the generated module.
        splits: the splits by name.
        rows: the number of manifest rows.
        rejects: the rows that did not become records.
        warnings: what is right as far as anybody can tell, and yet seldom meant; a sentence each.
        frames: of clips, what became of their frames.
        duplicates: the twins among the records; absent where none were looked for.
        command: all options that decided the dataset, and the hashes of its manifests.
        versions: of the libraries that decided its bytes.
        files: every file of the dataset but this one, by name. Those that other keys name are taken from
            there, so it is whole for datasets that were written without it.
        checksum: SHA-256 of the file itself; see ``checksum.py``.
    """

    format: str = FORMAT
    fingerprint: str
    declared: dict[str, Any] = Field(alias="schema")
    description: FileInfo
    splits: dict[str, SplitInfo]
    rows: _Count
    rejects: RejectsInfo = RejectsInfo()
    warnings: list[str] = Field(default_factory=list)
    frames: FramesInfo | None = None
    duplicates: DuplicatesInfo | None = None
    command: dict[str, Any] | None = None
    versions: dict[str, str] | None = None
    files: dict[_ListedName, DatasetFile] = Field(default_factory=dict)
    checksum: _Sha256 | None = None

    @model_validator(mode="after")
    def _complete_files(self) -> Self:
        files = {**self.files, **dict(self.named_files())}
        object.__setattr__(self, "files", dict(sorted(files.items())))  # else it is frozen
        return self

    def named_files(self) -> Iterator[tuple[str, DatasetFile]]:
        """The files that other keys than ``files`` name, each as often as they do."""
        for split in self.splits.values():
            for shard in split.shards:
                yield from (_named("shard", file) for file in shard.files.values())
            yield from (_named("joined", file) for file in split.files.values())
        yield _named("description", self.description)
        if self.rejects.file is not None:
            yield _named("rejects", self.rejects.file)
        if self.dropped_frames.file is not None:
            yield _named("dropped_frames", self.dropped_frames.file)
        if self.duplicates is not None and self.duplicates.file is not None:
            yield _named("duplicates", self.duplicates.file)

    @property
    def dropped_frames(self) -> DroppedInfo:
        """The frames dropped from clips; none where there are no clips."""
        return self.frames.dropped if self.frames is not None else DroppedInfo()

    def dumps(self) -> bytes:
        """The file's bytes: indented UTF-8 JSON in the order of the attributes, a newline at the end."""
        return self.model_dump_json(indent=2, by_alias=True).encode() + b"\n"

    @classmethod
    def loads(cls, data: bytes | str, directory: str) -> DatasetInfo:
        """Reads what ``dumps`` wrote.

        Args:
            data: the content of ``dataset.json``.
            directory: where it lies, for messages.

        Raises:
            DatasetError: it is not JSON, was not written by pixelbeam or by a newer one, or is damaged.
        """
        where = f"{directory}: {DATASET_FILE}"
        try:
            parsed = from_json(data)
        except ValueError as error:
            raise DatasetError(f"{where} is not JSON: {error}") from None
        _check_format(parsed.get("format") if isinstance(parsed, dict) else None, where)
        try:
            return cls.model_validate(parsed)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(map(str, fault["loc"]))
            message = fault["msg"].removeprefix("Value error, ")
            raise DatasetError(f"{where} is damaged: {place}: {message}") from None

    def read_schema(self, directory: str) -> Schema:
        """The dataset's schema.

        Raises:
            DatasetError: it has a kind or setting that this version does not know.
        """
        if missing := missing_kinds(self.declared):
            raise DatasetError(
                f"{directory}: feature kind {missing[0]!r} is not installed here; install the package that "
                "offers it, or a newer pixelbeam"
            )
        try:
            return Schema.from_dict(self.declared)
        except SchemaError as error:
            raise DatasetError(
                f"{directory}: {DATASET_FILE} has a schema that is not: {error}"
            ) from None


def _named(kind: str, file: FileInfo | ShardFile) -> tuple[str, DatasetFile]:
    return file.path, DatasetFile(kind=kind, bytes=file.bytes, sha256=file.sha256)


def _check_format(found: Any, where: str) -> None:
    if found == FORMAT:
        return
    if isinstance(found, str) and found.startswith(_FAMILY):
        raise DatasetError(
            f"{where} has the format {shorten(found)}, this version reads {FORMAT!r}; "
            "read it with another version of pixelbeam"
        )
    raise DatasetError(
        f"{where} was not written by pixelbeam: got {shorten(found)} as its format, expected {FORMAT!r}"
    )
