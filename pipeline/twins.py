"""The options that say what twins are, and what is done about them."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..schemas.dataset.file_names import DUPLICATES_FILE
from ..schemas.dataset.info import DuplicatesInfo
from ..schemas.errors import OptionError
from ..schemas.images.hash_bands import MOST_DISTANCE

__all__ = [
    "DEFAULT_DISTANCE",
    "TwinOptions",
    "add_twin_options",
    "describe_twins",
    "parse_twin_options",
]

DEFAULT_DISTANCE = 4
"""Of 64 bits. With it 91 to 100 % of copies are found that were encoded again or scaled, 84 to 88 % of mirrored
ones, and no two of 100 photos are taken for copies: ``benchmarks/duplicates.py``."""


@dataclass(frozen=True, slots=True)
class TwinOptions:
    """What twins are, and what is done about them.

    Attributes:
        distance: the bits in which perceptual hashes of twins may differ; ``None`` where only equal contents
            make twins.

    Raises:
        OptionError: on construction, when a value is not possible.
    """

    distance: int | None = DEFAULT_DISTANCE

    def __post_init__(self) -> None:
        if self.distance is not None and not 0 <= self.distance <= MOST_DISTANCE:
            raise _wrong_distance(self.distance)

    def describe(self) -> dict[str, Any]:
        """What of it decides a dataset beyond what is so by default."""
        if self.distance == DEFAULT_DISTANCE:
            return {}
        return {"duplicate_distance": "none" if self.distance is None else self.distance}

    @classmethod
    def recall(cls, command: Mapping[str, Any]) -> TwinOptions:
        """The options of a command that ``describe`` is part of."""
        distance = command.get("duplicate_distance", DEFAULT_DISTANCE)
        return cls(None if distance == "none" else distance)


def add_twin_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to the parser of ``pixelbeam build``."""
    parser.add_argument(
        "--duplicate_distance",
        default=str(DEFAULT_DISTANCE),
        metavar="BITS",
        help=f"bits of 64 in which the perceptual hashes of near duplicates may differ: 0 to {MOST_DISTANCE} "
        f"(default: {DEFAULT_DISTANCE}), or none to look for equal files alone",
    )


def parse_twin_options(arguments: argparse.Namespace) -> TwinOptions:
    """Turns parsed arguments into options.

    Raises:
        OptionError: an option has a value that it cannot have.
    """
    text = arguments.duplicate_distance.strip()
    if text == "none":
        return TwinOptions(None)
    if not text.isdecimal():
        raise _wrong_distance(arguments.duplicate_distance)
    return TwinOptions(int(text))


def _wrong_distance(got: Any) -> OptionError:
    expected = f"expected 0 to {MOST_DISTANCE}, or none"
    return OptionError(f"--duplicate_distance: got {got!r}, {expected}")


def describe_twins(found: DuplicatesInfo | None, output: str) -> Iterator[str]:
    """What the end of a build says of twins: a line for those within splits, and one for each two splits."""
    if found is None or not found.records:
        return
    within: Counter[str] = Counter()
    for split, others in found.records.items():
        within.update(others.get(split, {}))
    if within:
        count = within.total()
        said = (
            "1 record has one before it in its"
            if count == 1
            else f"{count:,} records have one before them in their"
        )
        yield f"  twins     {said} split ({_kinds(within)})"
    splits = sorted(found.records)
    for place, one_split in enumerate(splits):
        for other in splits[place + 1 :]:
            there = found.records.get(one_split, {}).get(other, {})
            if not there:
                continue
            here = found.records[other][one_split]
            yield (
                f"  leaks     {sum(there.values()):,} of {one_split} have a twin in {other} ({_kinds(there)}), "
                f"{sum(here.values()):,} of {other} in {one_split} ({_kinds(here)})"
            )
    again = f"; {found.same_source:,} are the same file, listed again" if found.same_source else ""
    yield f"            {os.path.join(output, DUPLICATES_FILE)}{again}"


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
