"""What a feature kind is: the interface that each file in ``schemas/features/`` implements."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer, model_validator
from typing_extensions import Self

from ..dataset.statistics import Statistic
from .python_source import DecodeSource
from .source import check_source, source_columns
from .value_spec import Domain, ValueSpec

__all__ = [
    "Domain",
    "Encoded",
    "Feature",
    "FeatureValue",
    "IndexType",
    "OwnedFeature",
    "RecordValue",
    "SettingError",
    "Steps",
    "ValueSpec",
    "shorten",
]

_SELDOM = ("optional", "source_ids")
IndexType: TypeAlias = Literal["int32", "int64", "uint64", "float32", "text"]
FeatureValue: TypeAlias = (
    "bytes | list[bytes] | NDArray[np.int64] | NDArray[np.float32] "
    "| NDArray[np.uint8] | NDArray[np.uint16]"
)
"""One value, as every sink takes it.

``bytes``: one string; ``list[bytes]``: a list of strings; an int64 or float32 array of any shape:
numbers; a uint8 or uint16 array ``[height, width, channels]``: raw pixels.
"""


@dataclass(frozen=True, slots=True)
class Steps:
    """The value of a step feature: one ``FeatureValue`` for each step of a record, in order.

    Attributes:
        values: the steps; numbers that all have one shape may be one array ``[steps, *shape]``.
    """

    values: tuple[FeatureValue, ...] | NDArray[np.int64] | NDArray[np.float32]


RecordValue: TypeAlias = "FeatureValue | Steps"
"""One value of a record: ``Steps`` for what a ``sequence_example`` declares under ``steps``."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a row's value became.

    Attributes:
        values: the record's values by Example key, most often just the feature's name.
        summary: this value's share of the statistics: plain JSON by key, merged as the kind's
            ``summary_types`` say.
        became: what is handed on to the features that are ``of`` this one and never stored, such as how an
            image was turned and scaled: an instance of the kind's ``becomes``.
        indexed: gives what the index says of the value, by the names of the kind's ``index_columns``.
    """

    values: Mapping[str, FeatureValue]
    summary: dict[str, Any] = field(default_factory=dict)
    became: Any = None
    indexed: Callable[[], Mapping[str, Any]] = dict


class Feature(BaseModel):
    """One declared value of a record.

    Attributes:
        source: the manifest column that the value comes from, or a path with columns in braces, such
            as ``frames/{clip}/{frame}.jpg`` or ``audio.h5::/{label}``: see docs/clips.md.
        target: whether ``load`` yields it among the targets; classes are, and others are not, unless
            it is declared.
        ragged: of a step feature, whether it may have another number of steps than the others.
        optional: whether the dataset goes without the feature where the manifest has no such column. It is
            left out of the schema then, and that is said.
        storage: how HDF5 files store numbers: as they are, which can be memory-mapped, or in compressed
            chunks. TFRecord files do not know it.

    A kind is a subclass in a file of its own in ``schemas/features/`` with a ``type`` field whose
    ``Literal`` default is the name that schemas use. It is found by being there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads_files: ClassVar[bool] = False
    """True when a text value in the manifest is the path of a file; ``encode`` then gets its bytes."""

    reads_arrays: ClassVar[bool] = False
    """True when a text value such as ``a.h5::/b`` is an array in a file; ``encode`` then gets the array."""

    encodes_steps: ClassVar[bool] = False
    """True when ``encode_steps`` takes the steps of a clip as one array."""

    target_by_default: ClassVar[bool] = False
    """What ``is_target`` is while a schema says nothing of it: true for classes."""

    is_image: ClassVar[bool] = False
    """True when ``decoded`` is pixels ``[height, width, channels]``, which readers may scale and transpose."""

    becomes: ClassVar[type | None] = None
    """The type of ``Encoded.became``; ``None`` where nothing can be ``of`` this kind."""

    takes: ClassVar[type | None] = None
    """What an owner has to become for this kind to be ``of`` it; ``None`` where it is of nothing."""

    describes: ClassVar[bool] = False
    """True when values describe a record, as text does: no input of a network beside others."""

    index_columns: ClassVar[Mapping[str, IndexType]] = {}
    """What the index says of each value beside where it comes from: types by name."""

    recalls: ClassVar[bool] = False
    """True when ``recall`` gives what was encoded for another dataset, so that ``--reuse`` can take it over."""

    summary_types: ClassVar[Mapping[str, Statistic]] = {}
    """How two summaries are merged: a ``Sum``, ``Min``, ``Counts``, … for each key that they may have."""

    type: str
    source: Annotated[str, Field(min_length=1), AfterValidator(check_source)]
    target: bool | None = None
    ragged: bool = False
    optional: bool = False
    storage: Literal["contiguous", "lzf", "gzip", "zstd", "blosc2"] = "contiguous"

    def __init_subclass__(cls, **settings: Any) -> None:
        # pydantic evaluates annotations among the names of the class: ``takes: ClassVar[type | None]`` would
        # be ``"date" | None``. Of these it need only know that they are no fields.
        for name, said in inspect.get_annotations(cls).items():
            if isinstance(said, str) and re.match(r"(typing\.)?ClassVar\b", said):
                cls.__annotations__[name] = ClassVar[Any]
        super().__init_subclass__(**settings)

    @model_serializer(mode="wrap")
    def _leave_out_usual(self, serialize: Any) -> dict[str, Any]:
        # Schemas that do without these settings stay what they were when there were none such.
        settings: dict[str, Any] = serialize(self)
        return {key: value for key, value in settings.items() if value or key not in _SELDOM}

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        compressed = self.storage != "contiguous"
        if compressed and not any(spec.is_numeric for spec in self.specs("").values()):
            got = f"got {self.storage!r} for values that HDF5 does not compress"
            raise SettingError("storage", f"{got}, expected contiguous")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The manifest columns that the source names; none when it is a file as a whole."""
        return source_columns(self.source)

    @property
    def is_target(self) -> bool:
        """Whether ``load`` yields the feature among the targets when it is not told otherwise."""
        return self.target_by_default if self.target is None else self.target

    def encode(self, name: str, value: Any) -> Encoded:
        """Turns a manifest value into record values.

        Args:
            name: the feature's name, the key of the record value.
            value: what the manifest holds: ``str`` from text manifests, any JSON or Arrow scalar or
                list from the typed ones, ``bytes`` when ``reads_files``; ``None`` when the cell is
                missing or empty. A source that is an array in a file gives a NumPy array, or a Python
                scalar; several rows that share a key, where the feature ``takes_rows``, a list of arrays.

        Raises:
            Reject: the value cannot become what is declared; the message names the value.
        """
        raise NotImplementedError

    def encode_after(self, name: str, value: Any, became: Mapping[str, Any]) -> Encoded:
        """Encodes a value of a row, or of a step, some of whose others are encoded already.

        Args:
            name: as in ``encode``.
            value: as in ``encode``.
            became: by name, what those of the same part became that come first in ``Schema.encoding_order``.
        """
        return self.encode(name, value)

    def settle(self, root: Feature) -> Self:
        """The feature with what follows from the one that it is of in the end, such as an image's size.

        Args:
            root: what the chain of owners ends in; asked of features that have one, when a schema is made.

        Raises:
            SettingError: a setting says something else.
        """
        return self

    def read_named(self, value: Any, read: Callable[[str], bytes]) -> Any:
        """A value in which the paths of files have become what is in them; asked where not ``reads_files``.

        Args:
            value: what the manifest holds.
            read: reads a file; raises a ``Reject`` where it cannot.
        """
        return value

    def recall(self, name: str, values: Mapping[str, Any], said: Mapping[str, Any]) -> Encoded:
        """What ``encode`` gave for a value of a dataset, from what is kept of it; asked only where ``recalls``.

        Args:
            name: the feature's name.
            values: of the record by key, as ``flatten_record`` leaves them.
            said: what the index says of the value, by the names of ``index_columns``.

        Returns:
            The very same, the summary included, which has to be kept in the index for that.
        """
        raise NotImplementedError

    def encode_steps(self, name: str, steps: NDArray[Any]) -> Encoded | None:
        """Turns all steps of a clip into record values at once; asked only where ``encodes_steps``.

        Args:
            name: the feature's name.
            steps: an array ``[steps, …]`` of at least one step; each is what ``encode`` would be given.

        Returns:
            The values as arrays ``[steps, *shape]``, and one summary: what ``encode`` gives for the steps
            one by one. ``None`` where it would not take one of them, or must look at each.
        """
        return None

    def decode_source(self, name: str) -> DecodeSource:
        """How the generated module decodes the feature with TensorFlow; by default it takes what it parsed."""
        return DecodeSource()

    def decode_value(self, name: str, values: Mapping[str, Any]) -> Any:
        """Decodes one record, or one step, with NumPy to what ``decode_source`` gives of it.

        Args:
            name: the feature's name.
            values: by the keys of ``specs``, what was read back: text and bytes as bytes-like objects,
                numbers as arrays of their shape, raw pixels as arrays of any shape or as little-endian bytes.

        Returns:
            By ``decoded``: an array, ``str`` for text, or ``bytes``. By default, what is stored.
        """
        return values[name]

    def check(self, value: FeatureValue) -> None:
        """Checks a value that was read back, beyond its type and shape.

        Args:
            value: the value under the feature's own name: a list of bytes, or an array [n].

        Raises:
            ValueError: it cannot be what ``encode`` made; the text says what was got and expected.
        """

    def specs(self, name: str) -> dict[str, ValueSpec]:
        """What the record values are that ``encode`` gives, by the same keys."""
        raise NotImplementedError

    @property
    def decoded(self) -> ValueSpec:
        """What a reader gives of one record, or of one step: most often what is stored under the name.

        Numbers of which this is the very spec that is stored are taken as they are, many at a time.
        """
        return self.specs("")[""]

    def statistics(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Turns the merged summaries of a split into what ``dataset.json`` says of the feature."""
        return summary

    def warnings(self, name: str, summary: Mapping[str, Any]) -> Iterable[str]:
        """What a user should know of a dataset that was built without a fault: a sentence each.

        Args:
            name: the feature's name.
            summary: the merged summaries of the whole dataset; empty when there is no record.
        """
        return ()

    @property
    def owner(self) -> str | None:
        """The feature of the same part of a record that this one is ``of``, which is encoded before it."""
        return None

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Width and height of every picture that it becomes; ``None`` where they differ, or it becomes none."""
        return None

    @property
    def pixel_limit(self) -> int | None:
        """Width times height that a picture may have, where the files that ``reads_files`` are pictures.

        A step feature may then name an animation, or a folder of pictures, for its steps.
        """
        return None

    @property
    def takes_rows(self) -> bool:
        """Whether several rows of an array that share a key are the value; they come as a list."""
        return False

    @property
    def rows_advice(self) -> str:
        """How to declare the feature so that it ``takes_rows``; empty where that cannot be."""
        return ""

    @property
    def one_hot_classes(self) -> int | None:
        """How many classes there are, where each record has one, which readers may one-hot encode."""
        return None

    @property
    def needs_vocabulary(self) -> bool:
        """Whether the classes are still to be collected from the manifest."""
        return False

    def observe(self, value: Any) -> tuple[str, ...]:
        """The class names that a manifest value names; asked only while ``needs_vocabulary``."""
        return ()

    def with_vocabulary(self, names: tuple[str, ...]) -> Self:
        """The feature with the collected class names (unsorted, distinct) filled in."""
        raise NotImplementedError


class OwnedFeature(Feature):
    """What the kinds share that belong to another feature: boxes to an image, areas to boxes.

    Attributes:
        of: the feature that it belongs to, in the same part of the record.
    """

    of: str = Field(min_length=1)

    @property
    def owner(self) -> str | None:
        """See ``Feature.owner``."""
        return self.of

    def encode(self, name: str, value: Any, owner: Any = None) -> Encoded:
        """See ``Feature.encode``.

        Args:
            name: the feature's name.
            value: what the manifest holds.
            owner: what the feature became that this one is ``of``, an instance of ``takes``.
        """
        raise NotImplementedError

    def encode_after(self, name: str, value: Any, became: Mapping[str, Any]) -> Encoded:
        """See ``Feature.encode_after``."""
        return self.encode(name, value, became[self.of])


class SettingError(ValueError):
    """A setting that does not go with the others; for the validators of whole features.

    Attributes:
        setting: the field at fault, which joins the place that the message starts with.
        message: what was got and what was expected.
    """

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(setting, message)
        self.setting = setting
        self.message = message

    def __str__(self) -> str:
        return f"{self.setting}: {self.message}"


def shorten(value: Any, limit: int = 80) -> str:
    """A value as messages show it: its ``repr``, cut to ``limit`` characters."""
    if isinstance(value, str | bytes | list | tuple) and len(value) > limit:
        return repr(value[:limit])[: limit - 1] + "…"  # repr of all would write out megabytes
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
