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
from ..schemas.schema import Schema
from ..transforms.splits import Splits

__all__ = [
    "DEFAULT_DISTANCE",
    "HANDLINGS",
    "TwinOptions",
    "add_twin_options",
    "describe_twins",
    "parse_twin_options",
]

HANDLINGS = ("report", "reject", "group")
DEFAULT_DISTANCE = 4
"""Of 64 bits. With it 91 to 100 % of copies are found that were encoded again or scaled, 84 to 88 % of mirrored
ones, and no two of 100 photos are taken for copies: ``benchmarks/duplicates.py``."""


@dataclass(frozen=True, slots=True)
class TwinOptions:
    """What twins are, and what is done about them.

    Attributes:
        distance: the bits in which perceptual hashes of twins may differ; ``None`` where only equal contents
            make twins.
        handling: what is done about twins, one of ``HANDLINGS``.

    Raises:
        OptionError: on construction, when a value is not possible.
    """

    distance: int | None = DEFAULT_DISTANCE
    handling: str = "report"

    def __post_init__(self) -> None:
        if self.handling not in HANDLINGS:
            raise OptionError(
                f"--on_duplicates: got {self.handling!r}, expected one of {', '.join(HANDLINGS)}"
            )
        if self.distance is not None and not 0 <= self.distance <= MOST_DISTANCE:
            raise _wrong_distance(self.distance)

    def describe(self) -> dict[str, Any]:
        """What of it decides a dataset beyond what is so by default."""
        said: dict[str, Any] = {}
        if self.handling != "report":
            said["on_duplicates"] = self.handling
        if self.distance != DEFAULT_DISTANCE:
            said["duplicate_distance"] = "none" if self.distance is None else self.distance
        return said

    @classmethod
    def recall(cls, command: Mapping[str, Any]) -> TwinOptions:
        """The options of a command that ``describe`` is part of."""
        distance = command.get("duplicate_distance", DEFAULT_DISTANCE)
        handling = command.get("on_duplicates", "report")
        return cls(None if distance == "none" else distance, handling)

    def check(self, schema: Schema, index: str, splits: Splits) -> None:
        """Checks that what is to be done about twins can be done.

        Raises:
            OptionError: it cannot, and what else would do.
        """
        if self.handling == "report":
            return
        got = f"--on_duplicates: got {self.handling!r}"
        if schema.record != "example" or not any(f.reads_files for f in schema.features.values()):
            raise OptionError(f"{got} for a schema without images a row, expected report")
        if index == "none":
            raise OptionError(
                f"{got} beside --index none, expected an index, which shows that no twin is left"
            )
        if self.handling == "group" and (splits.column or len(splits.fractions) < 2):
            raise OptionError(
                f"{got} without two fractions or more in --splits, which is where twins can go; with splits that "
                "are declared, expected report, or reject, which keeps the first of twins"
            )


def add_twin_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options to the parser of ``pixelbeam build``."""
    parser.add_argument(
        "--on_duplicates",
        default="report",
        metavar="HOW",
        help="report: list images that are there twice, within and across splits (default); reject: leave "
        "all but the first of the manifest out; group: put them into one split. The latter two decode "
        "every image once more, before the build",
    )
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
    handling = arguments.on_duplicates
    if text == "none":
        return TwinOptions(None, handling)
    if not text.isdecimal():
        raise _wrong_distance(arguments.duplicate_distance)
    return TwinOptions(int(text), handling)


def _wrong_distance(got: Any) -> OptionError:
    expected = f"expected 0 to {MOST_DISTANCE}, or none"
    return OptionError(f"--duplicate_distance: got {got!r}, {expected}")


def describe_twins(found: DuplicatesInfo | None, output: str) -> Iterator[str]:
    """What the end of a build says of twins: a line for those within splits, and one for each two splits.

    Where twins share a split, that none is in two of them is said as well, by what was found in the dataset.
    """
    if found is None:
        return
    if found.joined is not None:
        keys = "1 key" if found.joined == 1 else f"{found.joined:,} keys"
        shown = "" if found.across else "; no record has a twin in another split"
        yield f"  grouped   {keys} went to the split of a twin{shown}"
        if found.not_joined:
            yield f"            {found.not_joined:,} links of twins of twins were too long to follow"
    if not found.records:
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
    if found.other_labels:
        have = "record has" if found.other_labels == 1 else "records have"
        yield f"  labels    {found.other_labels:,} {have} other labels than the twin on the list"
    again = f"; {found.same_source:,} are the same file, listed again" if found.same_source else ""
    yield f"            {os.path.join(output, DUPLICATES_FILE)}{again}"


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
