"""What a build is asked to do: the options, checked before any work starts."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from apache_beam.options.pipeline_options import PipelineOptions

from ..schemas.errors import OptionError
from ..schemas.schema import Schema
from ..schemas.schema_files import load_schema, preset_names
from ..transforms.shards.check_inputs import CHECKS
from ..transforms.shards.plan_shards import ShardSize
from ..transforms.sinks.registry import check_sinks, installed_sinks
from ..transforms.splits import Splits
from .twins import TwinOptions, add_twin_options, parse_twin_options
from .vocabularies import with_vocabularies_of

__all__ = [
    "BeamOptions",
    "BuildOptions",
    "MaxRejects",
    "add_build_options",
    "new_parser",
    "parse_beam_options",
    "parse_build_options",
    "parse_size",
]

INDEXES = ("parquet", "none")
_DEFAULT_SHARD_BYTES = 128_000_000
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True, slots=True)
class MaxRejects:
    """How many rejects a build may have: a count, or a fraction of the rows."""

    count: int | None = None
    fraction: float | None = 0.01

    @classmethod
    def parse(cls, text: str) -> MaxRejects:
        """Parses ``20`` (a count) or ``0.01`` (a fraction).

        Raises:
            OptionError: neither.
        """
        if re.fullmatch(r"\d+", text):
            return cls(count=int(text), fraction=None)
        try:
            fraction = float(text)
        except ValueError:
            fraction = -1.0
        if not 0 <= fraction <= 1:
            raise OptionError(
                f"--max_rejects: got {text!r}, expected a count like 20 or a fraction like 0.01"
            )
        return cls(count=None, fraction=fraction)

    def allows(self, rejects: int, rows: int) -> bool:
        """Whether a build with so many rejects among so many rows may be published."""
        return rejects <= (self.count if self.count is not None else (self.fraction or 0.0) * rows)

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.fraction:g}"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """The options of ``pixelbeam build``, each as the command line names it.

    Raises:
        OptionError: on construction, when options don't go together.
    """

    manifest: str
    schema: Schema
    output: str
    labels: str | None = None
    join_on: str | None = None
    image_root: str | None = None
    allow_outside: bool = False
    sinks: tuple[str, ...] = ("tfrecord",)
    index: str = "parquet"
    splits: Splits = field(default_factory=Splits)
    shard_size: ShardSize = field(
        default_factory=lambda: ShardSize(shard_bytes=_DEFAULT_SHARD_BYTES)
    )
    seed: int = 0
    threads: int = 0
    row_timeout: float = 60.0
    max_rejects: MaxRejects = field(default_factory=MaxRejects)
    overwrite: bool = False
    reuse: str | None = None
    check_sources: str = "stat"
    twins: TwinOptions = field(default_factory=TwinOptions)
    verbose: bool = False

    def __post_init__(self) -> None:
        # An empty path is the working folder to some functions and an error to others.
        for name in ("manifest", "output", "labels", "join_on", "image_root", "reuse"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise OptionError(
                    f"--{name}: got {value!r}, expected a name; is a variable of the shell not set?"
                )
        check_sinks(self.sinks, self.schema)
        if (self.labels is None) != (self.join_on is None):
            given, lacking = ("--labels", "--join_on") if self.labels else ("--join_on", "--labels")
            raise OptionError(f"{given}: got it alone, expected {lacking} beside it")
        if self.check_sources not in CHECKS:
            raise OptionError(
                f"--check_sources: got {self.check_sources!r}, expected one of {', '.join(CHECKS)}"
            )
        if self.index not in INDEXES:
            raise OptionError(f"--index: got {self.index!r}, expected {' or '.join(INDEXES)}")
        self.twins.check(self.schema, self.index, self.splits)
        if self.threads < 0:
            raise OptionError(
                f"--threads: got {self.threads}, expected 1 or more (0: chosen by runner)"
            )
        # True is an int to Python; other seeds, such as 1.0, would hash as other texts.
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise OptionError(f"--seed: got {self.seed!r}, expected an integer")
        # Said so, NaN is refused too.
        if not self.row_timeout > 0:
            raise OptionError(
                f"--row_timeout: got {self.row_timeout:g}, expected more than 0 seconds"
            )

    def columns(self) -> tuple[str, ...]:
        """The columns that the build needs, sorted."""
        wanted = {*self.schema.columns(), *self.splits.columns}
        if self.join_on:
            wanted.add(self.join_on)
        return tuple(sorted(wanted))


_IN_OUR_WORDS = (
    (r"argument (\S+): invalid int value: (.*)", r"\1: got \2, expected an integer"),
    (r"argument (\S+): invalid float value: (.*)", r"\1: got \2, expected a number"),
    (r"argument (\S+): expected one argument", r"\1: got nothing, expected a value"),
    (r"argument (\S+): ignored explicit argument (.*)", r"\1: got \2, expected no value"),
    (
        r"argument (\S+): invalid choice: (.*) \(choose from (.*)\)",
        r"\1: got \2, expected one of \3",
    ),
    (r"the following arguments are required: (.*)", r"\1: missing"),
    (r"argument (\S+: .*)", r"\1"),
)
"""What ``argparse`` says, and how errors are said here: options are keywords of ``pb.build`` too."""


def _raise_option_error(message: str, hint: str = "") -> NoReturn:
    for theirs, ours in _IN_OUR_WORDS:
        found = re.fullmatch(theirs, message, re.DOTALL)
        if found is not None:
            message = found.expand(ours)
            break
    raise OptionError(message + hint) from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _raise_option_error(message, f"; see {self.prog} --help")


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``pixelbeam build`` to a parser."""
    add = parser.add_argument
    add("--manifest", required=True, metavar="FILE_OR_GLOB_OR_DIR",
        help="CSV, TSV, JSON (lines, or an array), Parquet, a 'path label' list (text ones also gzipped), a glob "
        "of them, or a directory of images in a folder per class, per split and class, or in none; "
        "or several, each a split with paths relative to its own folder: train=a.csv,test=b.csv")  # fmt: skip
    add("--labels", metavar="FILE_OR_GLOB", help="label manifest, joined to the first by --join_on")
    add("--join_on", metavar="COLUMN", help="column that manifest and label manifest share")
    add(
        "--image_root",
        metavar="DIR",
        help="what relative paths are relative to (default: the manifest's folder)",
    )
    add("--allow_outside", action="store_true",
        help="trust the manifest with paths that lead out of --image_root (default: rejects)")  # fmt: skip
    add("--schema", required=True, metavar="NAME_OR_FILE",
        help=f"a YAML file, or a preset: {', '.join(preset_names())}")  # fmt: skip
    add("--vocabulary_from", metavar="DIR", help="take the class names of this published dataset, by "
        "feature name, instead of collecting them; names that it lacks are rejects")  # fmt: skip
    add(
        "--output",
        required=True,
        metavar="DIR",
        help="local directory, or one on any filesystem of Beam's",
    )
    add(
        "--sinks",
        default="tfrecord",
        metavar="NAMES",
        help=f"{', '.join(installed_sinks())}; comma-separated (default: tfrecord)",
    )
    add("--index", default="parquet", metavar="HOW", help="parquet: a row a record beside each shard, with where "
        "it lies, what it was made from and its labels (default); or none")  # fmt: skip
    add(
        "--splits",
        metavar="FRACTIONS",
        help="train=0.9,val=0.1: fractions by a stable hash (default: all in train)",
    )
    add("--split_column", metavar="COLUMN", help="take the split from this column instead")
    add(
        "--group_by",
        metavar="COLUMN",
        help="rows with the same value stay in one split (a person, a video)",
    )
    add("--num_shards", type=int, metavar="N", help="shards a split")
    add("--records_per_shard", type=int, metavar="N", help="records a shard, on average")
    add(
        "--shard_size",
        metavar="SIZE",
        help="bytes a shard, on average, such as 128MB (the default)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the hash that splits and shuffles (default: 0)",
    )
    add(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="threads in a shard task (default: chosen by runner)",
    )
    add("--row_timeout", type=float, default=60.0, metavar="SECONDS",
        help="a row that takes longer is a reject (default: 60)")  # fmt: skip
    add("--max_rejects", default="0.01", metavar="N", help="a count or a fraction that fails the "
        "build when passed (default: 0.01)")  # fmt: skip
    add("--overwrite", action="store_true", help="replace a published dataset (default: refuse)")
    add("--reuse", metavar="DIR", help="take over encoded images of this published dataset where file, "
        "settings and libraries are the same; the result is what it is without, only faster")  # fmt: skip
    add("--check_sources", default="stat", metavar="HOW",
        help="how the images of an unfinished or published dataset are compared with what they were: "
        "stat (size and time, or etag; the default) or content")  # fmt: skip
    add_twin_options(parser)
    add("--verbose", action="store_true", help="show the log of Beam and every traceback")


def parse_build_options(arguments: argparse.Namespace) -> BuildOptions:
    """Turns parsed arguments into options; ``schema`` may be one already.

    Raises:
        OptionError: an option has a value that it cannot have.
        SchemaError: the schema is wrong.
    """
    if arguments.split_column and arguments.splits:
        raise OptionError("--split_column: got it beside --splits, expected one of the two")
    fractions = {"fractions": Splits.parse(arguments.splits)} if arguments.splits else {}
    # From pb.build it may be one already; from the command line it is a name.
    schema = arguments.schema
    if not isinstance(schema, Schema):
        schema = load_schema(schema)
    if arguments.vocabulary_from is not None:
        schema = with_vocabularies_of(schema, arguments.vocabulary_from)
    return BuildOptions(
        manifest=arguments.manifest,
        labels=arguments.labels,
        join_on=arguments.join_on,
        image_root=arguments.image_root,
        allow_outside=arguments.allow_outside,
        schema=schema,
        output=arguments.output,
        sinks=tuple(name.strip() for name in arguments.sinks.split(",")),
        index=arguments.index,
        splits=Splits(column=arguments.split_column, group_by=arguments.group_by, **fractions),
        shard_size=_shard_size(arguments),
        seed=arguments.seed,
        threads=arguments.threads,
        row_timeout=arguments.row_timeout,
        max_rejects=MaxRejects.parse(arguments.max_rejects),
        overwrite=arguments.overwrite,
        reuse=arguments.reuse,
        check_sources=arguments.check_sources,
        twins=parse_twin_options(arguments),
        verbose=arguments.verbose,
    )


def _shard_size(arguments: argparse.Namespace) -> ShardSize:
    given = {"num_shards": arguments.num_shards, "records_per_shard": arguments.records_per_shard}
    if arguments.shard_size is not None:
        given["shard_bytes"] = parse_size(arguments.shard_size)
    given = {name: value for name, value in given.items() if value is not None}
    return ShardSize(**given) if given else ShardSize(shard_bytes=_DEFAULT_SHARD_BYTES)


def parse_size(text: str) -> int:
    """Parses ``128MB`` or ``1.5GiB`` into bytes.

    Raises:
        OptionError: the text is not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise OptionError(f"--shard_size: got {text!r}, expected a size like 128MB")
    size = float(match[1]) * _UNITS[(match[2] or "").upper()]
    # Beyond it arithmetic on sizes fails far from here, and says nothing of the option.
    if size > sys.maxsize:
        raise OptionError(f"--shard_size: got {text[:20]!r}, expected a size like 128MB")
    return int(size)


class JobServerOptions(PipelineOptions):
    """Options of Beam's portable runners that its Python SDK passes on but does not declare."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument(
            "--environment_expiration_millis",
            type=int,
            help="a worker older than this is replaced for new bundles (Flink, Spark)",
        )


class BeamOptions(PipelineOptions):
    """Beam's options, with each view made once.

    Beam asks for views for every step of a pipeline, and makes a parser for each: a fifth of the time that a small
    build takes. The views of one object share their values anyway.
    """

    def view_as(self, cls: type[Any]) -> Any:
        """The options as one of Beam's classes of options."""
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]

    def __getstate__(self) -> Any:
        # A copy has values of its own, of which these would be no views.
        state = dict(super().__getstate__())
        state.pop("_views", None)
        return state


def parse_beam_options(flags: Sequence[str]) -> PipelineOptions:
    """Parses the options that are Beam's own.

    Raises:
        OptionError: neither pixelbeam nor Beam knows an option.
    """
    parsers: list[Any] = []
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    parser = parsers[0]
    parser.error = _raise_option_error
    _, unknown = parser.parse_known_args(list(flags))
    if unknown:
        raise OptionError(
            f"{unknown[0].partition('=')[0]}: no such option, neither of pixelbeam nor of Beam; "
            "see pixelbeam build --help"
        )
    return BeamOptions(list(flags))


def new_parser(**settings: Any) -> argparse.ArgumentParser:
    """A parser that raises ``OptionError`` where ``argparse`` would print and exit."""
    return _Parser(allow_abbrev=False, **settings)
