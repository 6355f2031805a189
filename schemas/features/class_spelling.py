"""Class names as text: which are numbers, how they are sorted, and which are seldom meant."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from .base import shorten

__all__ = ["SPLIT_NAMES", "describe_names", "name_warnings", "plain_name", "sort_names"]

SPLIT_NAMES = frozenset(
    [
        "train",
        "training",
        "val",
        "valid",
        "validation",
        "dev",
        "test",
        "testing",
        "eval",
        "evaluation",
    ]
)
"""What the splits of datasets are called, in lower case."""

# Digits behind a zero are a name (a zip code, agent 007): the zero would be lost in a number.
_WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,999})(\.0{0,999})?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,1000}(\.[0-9]{1,1000})?")
_BOOLEANS = frozenset(["false", "true"])
_SHOWN_WHOLE, _SHOWN_AT_ENDS, _SHOWN_CHARACTERS = 10, 3, 40
_MOST_ADVISED = 100_000  # labels that are ids or sizes would make a layer of as many outputs


def plain_name(text: str) -> str:
    """The class name that a text spells: without white space around it, a whole number as its digits.

    ``2``, ``2.0``, ``2.`` and ``+2`` are one class, since tables write integers with gaps as floats;
    ``007`` and ``2.5`` are names as they stand, and so is ``1e3``.
    """
    text = text.strip()
    # Most names end with a letter, and a comparison costs a tenth of the pattern.
    if text[-1:] > "9" or not _WHOLE.fullmatch(text):
        return text
    digits = text.partition(".")[0].lstrip("+")
    return "0" if digits == "-0" else digits


def sort_names(names: Iterable[str]) -> list[str]:
    """Sorts by value where every name is a number, with equal ones as text; otherwise by code point."""
    by_text = sorted(set(names))
    if all(map(_NUMBER.fullmatch, by_text)):
        return sorted(by_text, key=Decimal)
    return by_text


def describe_names(names: Sequence[str]) -> str:
    """The number of each class, ``cat=0, dog=1``; of many classes the first and last few."""
    shown = [f"{_cut(name)}={number}" for number, name in enumerate(names)]
    if len(names) <= _SHOWN_WHOLE:
        return ", ".join(shown)
    ends = [*shown[:_SHOWN_AT_ENDS], "…", *shown[-_SHOWN_AT_ENDS:]]
    return f"{', '.join(ends)} ({len(names):,} classes)"


def name_warnings(names: Sequence[str]) -> Iterator[str]:
    """What is seldom meant in a vocabulary: a sentence each.

    Args:
        names: the class names in the order of their numbers.
    """
    yield from _gaps(names)
    yield from _mixed(names)
    yield from _look_alikes(names)
    splits = [name for name in names if name.casefold() in SPLIT_NAMES]
    if splits:
        yield (
            f"got {_listed(map(shorten, splits))} among the classes, which splits are called; "
            "if they are splits, name their column with --split_column"
        )


def _gaps(names: Sequence[str]) -> Iterator[str]:
    """Of numbers that are not those of their classes."""
    if not all(map(_WHOLE.fullmatch, names)):
        return
    values = [int(plain_name(name)) for name in names]
    moved = _moved(names)
    if moved:
        fits = min(values) >= 0 and max(values) < _MOST_ADVISED
        advice = f"; to keep them, declare num_classes: {max(values) + 1}" if fits else ""
        yield (
            "the class names are numbers, but not those of their classes: "
            f"class {_listed(moved)}{advice}"
        )


def _mixed(names: Sequence[str]) -> Iterator[str]:
    """Of numbers that a few other names keep from being sorted as such, and of booleans beside them."""
    others = [name for name in names if not _NUMBER.fullmatch(name)]
    numbers, words = len(names) - len(others), [n for n in others if n not in _BOOLEANS]
    if not others or not numbers or numbers < len(words) or list(names) != sorted(names):
        return
    moved = _moved(names)
    if moved or len(words) < len(others):
        shown = _listed(map(shorten, others))
        example = f": class {_listed(moved)}" if moved else ""
        yield (
            f"{numbers:,} of {len(names):,} class names are numbers; {shown} "
            f"{'is' if len(others) == 1 else 'are'} not, so all are sorted as text{example}"
        )


def _moved(names: Sequence[str]) -> list[str]:
    """The whole numbers among the names that are not those of their classes."""
    return [
        f"{_cut(name)} is {number}"
        for number, name in enumerate(names)
        if _WHOLE.fullmatch(name) and int(plain_name(name)) != number
    ]


def _look_alikes(names: Sequence[str]) -> Iterator[str]:
    """Of names that a reader takes for one another; each pair for the least that tells it apart."""
    kinds: dict[str, Callable[[str], str]] = {
        "Unicode form": _unicode_form,
        "blanks": lambda name: _without_blanks(_unicode_form(name)),
        "case": lambda name: _unicode_form(_without_blanks(_unicode_form(name)).casefold()),
    }
    told: set[frozenset[str]] = set()
    for kind, fold in kinds.items():
        groups = defaultdict(list)
        for name in names:
            groups[fold(name)].append(name)
        alike = [g for g in groups.values() if len(g) > 1 and frozenset(g) not in told]
        told.update(map(frozenset, alike))
        if alike:
            example = " and ".join(map(ascii if kind == "Unicode form" else shorten, alike[0][:2]))
            more = f" (and {len(alike) - 1:,} more)" if len(alike) > 1 else ""
            yield f"got classes that differ only in {kind}: {example}{more}"


def _unicode_form(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFKC", name)


def _without_blanks(name: str) -> str:
    """Without white space, and without characters of no width."""
    return "".join(c for c in name if c.isprintable() and not c.isspace())


def _listed(items: Iterable[str]) -> str:
    listed = list(items)
    return ", ".join(listed[:_SHOWN_AT_ENDS] + ["…"] * (len(listed) > _SHOWN_AT_ENDS))


def _cut(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARACTERS else name[: _SHOWN_CHARACTERS - 1] + "…"
