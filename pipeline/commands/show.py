"""``pixelbeam show``: which file a record came from, and where it lies."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ...schemas.dataset.file_names import DATASET_FILE, REJECTS_FILE, ShardName, index_file
from ...schemas.dataset.index import read_index, source_columns
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import DatasetError, OptionError
from ...transforms.path_keys import path_key
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.paths import check_filesystem
from ..output.own_files import shard_names
from ..terminal import printable, say

__all__ = ["Shown", "add_show_command", "show"]

_MOST = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """A record, as the index has it.

    Attributes:
        shard: its shard, such as ``train-00003-of-00016``.
        row: what the index says of it, by column.
    """

    shard: str
    row: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The same with ``split`` and ``shard`` before it, as JSON holds it."""
        return {"split": ShardName.parse(self.shard).split, "shard": self.shard, **self.row}


def show(
    directory: str, *, key: str | None = None, source: str | None = None, split: str | None = None
) -> Iterator[Shown]:
    """The records of a dataset that have a key, or come from a file.

    Args:
        directory: the dataset's, local or on any of Beam's filesystems.
        key: what names the row.
        source: the path of an image, as the manifest has it; one that came to be a step of a clip, too.
        split: looks in this one alone.

    Yields:
        In the order of the shards.

    Raises:
        DatasetError: there is no dataset, no such split, or it has no index.
        OptionError: what its filesystem needs is not installed.
    """
    check_filesystem(directory)
    folder = Folder(directory)
    info = _read_info(folder, directory)
    if split is not None and split not in info.splits:
        names = ", ".join(info.splits)
        raise DatasetError(f"{directory}: no split {split!r}; its splits are: {names}")
    shards = [s for s in shard_names(info) if split in (None, ShardName.parse(s).split)]
    files = [index_file(shard) for shard in shards]
    if shards and not any(name in info.files for name in files):
        raise DatasetError(f"{directory}: has no index, since it was built without")
    for shard, name, data in zip(shards, files, folder.read_all(files), strict=True):
        if data is None:
            raise DatasetError(f"{directory}: {name} is missing")
        try:
            yield from (Shown(shard, row) for row in _find(data, key, source))
        except pa.ArrowException as error:
            raise DatasetError(f"{directory}: {name} cannot be read: {error}") from None


def _read_info(folder: Folder, directory: str) -> DatasetInfo:
    data = folder.read(DATASET_FILE)
    if data is None:
        raise DatasetError(f"{directory}: no {DATASET_FILE}, so this is not a published dataset")
    return DatasetInfo.loads(data, directory)


def _find(data: bytes, key: str | None, source: str | None) -> Iterator[dict[str, Any]]:
    """The rows of an index file that are asked for; the other columns are read where there are some."""
    wanted: dict[str, set[str]] = {}
    if key is not None:
        wanted["key"] = {key, path_key(key)}
    if source is not None:
        wanted |= {column: {source, path_key(source)} for column in source_columns(data)}
    columns = read_index(data, list(wanted)).to_pydict()
    rows = sorted(
        {
            row
            for name, values in wanted.items()
            for row, cell in enumerate(columns[name])
            if not values.isdisjoint(cell if isinstance(cell, list) else (cell,))
        }
    )
    if rows:
        yield from read_index(data).take(pa.array(rows)).to_pylist()


def add_show_command(commands: Any) -> None:
    """Adds the command to the parser's, as ``argparse`` returns them."""
    parser = commands.add_parser(
        "show",
        allow_abbrev=False,
        help="which file a record came from",
        description="Prints where records lie and what they were made from, found by the key of their row or by "
        "a file. Exits with 1 when there is none.",
    )
    parser.add_argument("directory", metavar="DIR", help="the dataset's directory")
    parser.add_argument(
        "--key", metavar="KEY", help="what names the row: its join key, or its path"
    )
    parser.add_argument("--source", metavar="PATH", help="an image, as the manifest has it")
    parser.add_argument("--split", metavar="NAME", help="look in this split alone")
    parser.add_argument("--json", action="store_true", help="a line of JSON a record")
    parser.set_defaults(run=_show)


def _show(arguments: argparse.Namespace, others: Sequence[str]) -> int:
    if others:
        raise OptionError(f"{others[0]}: no such option; see pixelbeam show --help")
    if (arguments.key is None) == (arguments.source is None):
        raise OptionError("--key: expected it or --source, one of the two")
    directory = arguments.directory
    asked = {"key": arguments.key, "source": arguments.source}
    count = 0
    for count, shown in enumerate(show(directory, **asked, split=arguments.split), 1):
        if arguments.json:
            say(json.dumps(shown.to_dict()), sys.stdout)
        elif count <= _MOST:
            say("\n".join(_lines_of(directory, shown)), sys.stdout)
    if count > _MOST and not arguments.json:
        say(f"and {count - _MOST:,} more; --json prints them all", sys.stdout)
    if not count:
        what, value = next((name, value) for name, value in asked.items() if value is not None)
        rejects = list(_rejected(Folder(directory), what, value))
        say(printable(f"{directory}: no record has the {what} {value!r}"), sys.stdout)
        if rejects:
            say("\n".join(map(printable, rejects)), sys.stdout)
    return 0 if count else 1


def _lines_of(directory: str, shown: Shown) -> Iterator[str]:
    yield printable(f"{directory}: record {shown.row['index']} of {shown.shard}")
    for name, value in shown.row.items():
        if name == "index" or value is None:
            continue
        yield printable(f"  {name:<14} {_text(name, value)}")


def _text(name: str, value: Any) -> str:
    if isinstance(value, list):
        shown = [_text(name, item) for item in value[:3]]
        return ", ".join(shown) + (f", … ({len(value)})" if len(value) > 3 else "")
    is_hash = name.rpartition("/")[2] == "dhash" and isinstance(value, int)
    return f"{value:016x}" if is_hash else str(value)


def _rejected(folder: Folder, what: str, value: str) -> Iterator[str]:
    """Why a row of that key, or that names that file, became no record."""
    field = {"key": "key", "source": "path"}[what]
    for line in (folder.read(REJECTS_FILE) or b"").splitlines():
        reject = json.loads(line)
        if reject[field] in (value, path_key(value)):
            yield f"  rejected: {reject['manifest']}:{reject['row']}: {reject['reason']}: {reject['message']}"
