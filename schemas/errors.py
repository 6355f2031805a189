"""Every error that pixelbeam raises on purpose.

::

    PixelbeamError
    ├── UsageError            bad usage, said before any work starts (exit code 2)
    │   ├── OptionError       a command-line option
    │   ├── SchemaError       a schema, with the place: ``features.image.resize: got …``
    │   ├── ManifestError     a manifest that cannot be read, or its header
    │   ├── OutputError       an output directory that must not be written to
    │   └── PluginError       a package with more kinds, sinks or formats is missing or broken
    ├── BuildError            a build that failed (exit code 1)
    │   └── TooManyRejects    more rejects than ``--max_rejects`` (exit code 3)
    └── DatasetError          a directory that is not a whole dataset (readers)

    Reject                    one row that cannot become a record; never leaves the task
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

__all__ = [
    "PASSING_REASONS",
    "BuildError",
    "DatasetError",
    "ManifestError",
    "OptionError",
    "OutputError",
    "PixelbeamError",
    "PluginError",
    "Reject",
    "SchemaError",
    "TooManyRejects",
    "UsageError",
]


class PixelbeamError(Exception):
    """Base of every error meant for the user; its text is one or two lines."""


class UsageError(PixelbeamError):
    """What was asked for cannot be done; nothing was started."""


class OptionError(UsageError):
    """A command-line option has a value that it cannot have."""


class SchemaError(UsageError):
    """A schema is wrong; the text starts with the place in the schema."""


class ManifestError(UsageError):
    """A manifest cannot be read at all, or lacks a column that the schema names."""


class OutputError(UsageError):
    """The output directory holds something that a build must not touch."""


class PluginError(UsageError):
    """A package that offers feature kinds, sinks or manifest formats is not installed, or broken."""


class BuildError(PixelbeamError):
    """A build started and could not be finished."""


class TooManyRejects(BuildError):
    """More rows were rejected than ``--max_rejects`` allows, or all of them.

    Attributes:
        by_reason: how many were, for each reason.
    """

    def __init__(self, message: str, by_reason: Mapping[str, int] | None = None):
        super().__init__(message)
        self.by_reason = dict(by_reason or {})


class DatasetError(PixelbeamError):
    """A directory is not a published dataset, or not whole."""


PASSING_REASONS = frozenset(
    {
        "bad_path",
        "file_not_found",
        "file_too_large",
        "no_filesystem",
        "no_frames",
        "not_a_file",
        "outside_file",
        "outside_root",
        "permission_denied",
        "time_limit",
        "unreadable",
    }
)
"""Reasons for a reject that lie outside the row and its files' content: another time it may be a record."""


@dataclass(unsafe_hash=True)
class Reject(Exception):
    """One row cannot become a record; two that say the same are equal.

    Attributes:
        stage: where it was found: ``read``, ``join``, ``split``, ``duplicate``, ``load``, ``decode`` or
            ``encode``.
        reason: a stable code in snake_case that tools may count, such as ``truncated_image``.
        message: a sentence for a person, with what was got and what was expected.
        feature: the feature's name, empty when the row as a whole is at fault.
        path: the file that is at fault as the manifest writes it, empty when there is none.
    """

    stage: str
    reason: str
    message: str
    feature: str = ""
    path: str = ""

    def __reduce__(self) -> tuple[type[Reject], tuple[str, ...]]:
        # An exception would be pickled by the arguments that stood without a name where it was made.
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}: {self.message}"

    def of(self, feature: str = "", path: str = "") -> Reject:
        """The same reject with the feature and path filled in where they are not yet known."""
        return replace(self, feature=self.feature or feature, path=self.path or path)
