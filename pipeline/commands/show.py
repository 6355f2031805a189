"""``pixelbeam show``: which file a record came from, and where it lies."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa

from ...schemas.dataset.file_names import (
    DATASET_FILE,
    DROPPED_FILE,
    REJECTS_FILE,
    ShardName,
    index_file,
)
from ...schemas.dataset.index import read_index, source_columns
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import DatasetError, OptionError, Reject
from ...schemas.features.source import fill_source
from ...schemas.schema import Schema
from ...transforms.manifests.split_manifests import name_manifests
from ...transforms.path_keys import PathRoot, path_key
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.paths import absolute, check_filesystem, is_there
from ..output.kept import kept_call
from ..output.own_files import shard_names
from ..terminal import printable, say

__all__ = ["add_show_command", "show"]

_MOST = 20


def show(
    directory: str, *, key: str | None = None, source: str | None = None, split: str | None = None
) -> Iterator[dict[str, Any]]:
    """The records of a dataset that have a key, or come from a file.

    Args:
        directory: the dataset's, local or on any of Beam's filesystems.
        key: what names the row; of a clip that was cut, also the clip's, for all of its windows.
        source: the path of an image, in any spelling, as the manifest may have it or from here; of a clip, that
            of any of its frames.
        split: looks in this one alone.

    Yields:
        What the index says of each, by column, in the order of the shards.

    Raises:
        DatasetError: there is no dataset, no such split, or it has no index, or not the one that was published.
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
    sources = None if source is None else _spellings(folder, source)
    if shards and not any(name in info.files for name in files):
        raise DatasetError(f"{directory}: has no index, since it was built without")
    for name, data in zip(files, folder.read_all(files), strict=True):
        if data is None:
            raise DatasetError(f"{directory}: {name} is missing")
        if hashlib.sha256(data).hexdigest() != info.files[name].sha256:
            raise DatasetError(
                f"{directory}: {name} is damaged: its SHA-256 differs from the one in {DATASET_FILE}"
            )
        yield from _find(data, key, sources)


def _read_info(folder: Folder, directory: str) -> DatasetInfo:
    data = folder.read(DATASET_FILE)
    if data is None:
        raise DatasetError(f"{directory}: no {DATASET_FILE}, so this is not a published dataset")
    return DatasetInfo.loads(data, directory)


def _spellings(folder: Folder, source: str) -> set[str]:
    """How a dataset's index may have a path that somebody gives: as it is, and relative to the image root."""
    call = kept_call(folder)
    roots = [call.image_root] if call.image_root else []
    if not roots and call.manifest:
        manifests = [path for _, path in name_manifests(call.manifest)]
        roots = [folder for path in manifests for folder in (path, path.rpartition("/")[0])]
    paths = [source, absolute(source)] if is_there(source) else [source]
    found = [PathRoot.find(root) for root in roots if root]
    return {path_key(source), *(path_key(path, root) for path in paths for root in found)}


def _find(data: bytes, key: str | None, sources: set[str] | None) -> Iterator[dict[str, Any]]:
    """The rows of an index file that are asked for; the other columns are read where there are some."""
    columns = {} if key is None else {"key": _is_key(key)}
    if sources is not None:
        columns |= {column: _is_source(sources) for column in source_columns(data)}
    cells = read_index(data, list(columns)).to_pydict()
    rows = sorted(
        {
            row
            for name, fits in columns.items()
            for row, cell in enumerate(cells[name])
            if fits(cell)
        }
    )
    if rows:
        yield from read_index(data).take(pa.array(rows)).to_pylist()


def _is_key(asked: str) -> Callable[[Any], bool]:
    spellings = {asked, path_key(asked)}
    windows = re.compile(rf"{re.escape(asked)}\[\d+:\d+\]")
    return lambda key: key in spellings or windows.fullmatch(key) is not None


def _is_source(asked: set[str]) -> Callable[[Any], bool]:
    def fits(cell: Any) -> bool:
        paths = cell if isinstance(cell, list) else [cell]
        return any(isinstance(path, str) and path_key(path) in asked for path in paths)

    return fits


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
    parser.add_argument(
        "--source",
        metavar="PATH",
        help="an image or frame, by its path: as the manifest may have it, or from here",
    )
    parser.add_argument("--split", metavar="NAME", help="look in this split alone")
    parser.add_argument("--json", action="store_true", help="a line of JSON a record")
    parser.set_defaults(run=_show)


def _show(arguments: argparse.Namespace, others: Sequence[str]) -> int:
    if others:
        raise OptionError(f"{others[0]}: no such option; see pixelbeam show --help")
    if (arguments.key is None) == (arguments.source is None):
        raise OptionError("--key: expected it or --source, one of the two")
    for option, value in (("--key", arguments.key), ("--source", arguments.source)):
        if value == "":
            raise OptionError(f"{option}: got nothing; is a variable of the shell not set?")
    directory = arguments.directory
    asked = {"key": arguments.key, "source": arguments.source}
    try:
        return _show_found(arguments, asked)
    except DatasetError:
        # Where records cannot be found, what was lost still can: the lists of it need no index.
        if arguments.split is None and not arguments.json:
            _show_lost(directory, asked)
        raise


def _show_found(arguments: argparse.Namespace, asked: dict[str, str | None]) -> int:
    directory, count = arguments.directory, 0
    for count, row in enumerate(show(directory, **asked, split=arguments.split), 1):
        if arguments.json:
            readable = {name: _readable(name, value) for name, value in row.items()}
            say(json.dumps(readable), sys.stdout)
        elif count <= _MOST:
            say("\n".join(_lines_of(directory, row)), sys.stdout)
    if arguments.json:
        return 0 if count else 1
    if count > _MOST:
        say(f"and {count - _MOST:,} more; --json prints them all", sys.stdout)
    if not count:
        what, value = next((name, value) for name, value in asked.items() if value is not None)
        say(printable(f"{directory}: no record has the {what} {value!r}"), sys.stdout)
    if arguments.split is None:  # what was lost has none
        _show_lost(directory, asked)
    return 0 if count else 1


def _show_lost(directory: str, asked: dict[str, str | None]) -> None:
    for line in _lost(Folder(directory), **asked):
        say(printable(line), sys.stdout)


def _lines_of(directory: str, row: dict[str, Any]) -> Iterator[str]:
    yield printable(f"{directory}: record {row['index']} of {row['shard']}")
    for name, value in row.items():
        if name not in ("split", "shard", "index") and value is not None:
            yield printable(f"  {name:<14} {_text(_readable(name, value))}")


def _readable(name: str, value: Any) -> Any:
    """Hashes in hex: as numbers, they are larger than many a reader of JSON holds."""
    if name.rpartition("/")[2] != "dhash":
        return value
    if isinstance(value, list):
        return [_readable(name, item) for item in value]
    return f"{value:016x}" if isinstance(value, int) else value


def _text(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    return ", ".join(map(str, value[:3])) + (f", … ({len(value)})" if len(value) > 3 else "")


def _lost(folder: Folder, key: str | None, source: str | None) -> Iterator[str]:
    """Rows and frames of that key, or that name that file, that became nothing, and why."""
    sources = set() if source is None else _spellings(folder, source)
    fits = _is_source(sources) if key is None else _is_key(key)
    data = folder.read(DATASET_FILE) if source is not None else None
    schema = None if data is None else DatasetInfo.loads(data, folder.root).read_schema(folder.root)
    for file, what in ((REJECTS_FILE, "rejected"), (DROPPED_FILE, "frame dropped")):
        for line in (folder.read(file) or b"").splitlines():
            lost = json.loads(line)
            # What is at fault may be another cell than the one with the path.
            cells = [lost["key"]] if key is not None else [lost["path"], *lost["values"].values()]
            found = any(isinstance(cell, str | list) and fits(cell) for cell in cells)
            # Of a clip that is rejected, each frame leads to it; one that was dropped is one frame.
            if source is not None and file == REJECTS_FILE and not found:
                found = any(
                    _holds(frames, path)
                    for frames in _sources_of(lost["values"], schema)
                    for path in sources
                )
            if found:
                why = f"{lost['reason']}: {lost['message']}"
                yield f"  {what}: {lost['manifest']}:{lost['row']}: {why}"


def _sources_of(values: Mapping[str, Any], schema: Schema | None) -> Iterator[str]:
    """What the cells of a row lead to: files, folders and globs, as far as they are known."""
    for feature in schema.features.values() if schema else ():
        if feature.reads_files:
            with suppress(KeyError, Reject):  # a cell that could not be read may be what is wrong
                filled = fill_source(feature.source, values)
                yield from (filled,) if isinstance(filled, str) else ()


def _holds(frames: str, asked: str) -> bool:
    """Whether a file is one of those that a folder or a glob stands for."""
    where = path_key(frames)
    levels = "**" in where or asked.count("/") == where.count("/")
    return asked.startswith(f"{where}/") or (levels and fnmatchcase(asked, where))
