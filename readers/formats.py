"""Which of a dataset's file formats is read."""

from __future__ import annotations

from ..schemas.dataset.sink import offered_sinks
from ..schemas.errors import DatasetError
from .published import Published

__all__ = ["FORMATS", "choose_source"]

FORMATS = ("tfrecord", "hdf5")
"""Those of our own: the first one that is there is read where nobody says which."""


def choose_source(dataset: Published, split: str, chosen: str | None) -> str:
    """The format that a split is read from: the one asked for, else the first that is there.

    Formats of other packages are looked for only where it takes them.

    Raises:
        DatasetError: there is no such split, or it has only formats that are not installed.
        PluginError: a package that offers a format is broken.
        ValueError: there is no such format.
    """
    if chosen is None:
        shards = dataset.shards(split)
        if not shards:
            return FORMATS[0]
        there = [name for name in shards[0].files if all(name in s.files for s in shards)]
        own = [name for name in FORMATS if name in there]
        if own:
            return own[0]
        for name in there:
            if name in offered_sinks(FORMATS):
                return name
        raise DatasetError(
            f"{dataset.directory}: split {split!r} has {', '.join(there)} files alone, for which no sink is "
            "installed here; install the package that offers it"
        )
    if chosen not in FORMATS and chosen not in offered_sinks(FORMATS):
        names = [*FORMATS, *offered_sinks(FORMATS)]
        expected = " or ".join(map(repr, names))
        raise ValueError(
            f"source: got {chosen!r}, expected {expected}; or install the package that offers it"
        )
    return chosen
