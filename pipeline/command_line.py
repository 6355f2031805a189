"""The commands of ``pixelbeam``: ``build``, ``verify``, ``repair``, ``show`` and ``schema``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from rich.console import Console

from ..schemas.dataset.file_names import REJECTS_FILE
from ..schemas.errors import (
    BuildError,
    OptionError,
    OutputError,
    PixelbeamError,
    SchemaError,
    TooManyRejects,
    UsageError,
)
from ..schemas.features.class_spelling import describe_names
from .calls import find_ours
from .commands.build import Built, build
from .commands.repair import Repaired, repair
from .commands.schema import add_schema_command
from .commands.show import add_show_command
from .commands.verify import STRAY, verify
from .options import (
    add_build_options,
    new_parser,
    parse_beam_options,
    parse_build_options,
)
from .output.kept import Call
from .output.state import OutputState
from .progress import format_seconds
from .running import uses_processes
from .terminal import own_terminal, printable, say
from .twins import describe_twins

__all__ = ["describe", "run_command"]

EXIT_FAILED, EXIT_USAGE, EXIT_REJECTS, EXIT_INTERRUPTED = 1, 2, 3, 130


def run_command(argv: Sequence[str], verbose: bool) -> int:
    """Runs a command.

    Args:
        argv: the arguments after the program's name.
        verbose: whether to show tracebacks.

    Returns:
        The exit code: 0 published, 1 failed, 2 bad usage, 3 too many rejects, 130 interrupted.
    """
    try:
        arguments, others = _parser().parse_known_args(argv)
        return int(arguments.run(arguments, others))
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", EXIT_INTERRUPTED)
    except (
        Exception
    ) as error:  # whatever a runner raises: said in two lines, shown whole on request
        # What was raised on purpose says all in its line, unless it tells of something else that broke,
        # such as another package's module on its import.
        if verbose and (not isinstance(error, PixelbeamError) or error.__cause__ is not None):
            traceback.print_exc()
        ours = find_ours(error)
        return _fail(_lines_of(ours), _exit_code(ours)) if ours else _fail(_say(error), EXIT_FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        prog="pixelbeam", description="Turns images and labels into training-ready datasets."
    )
    parser.add_argument("--version", action="version", version=f"pixelbeam {version('pixelbeam')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build_parser = commands.add_parser(
        "build",
        allow_abbrev=False,
        help="build a dataset",
        description="Builds a dataset. Any option of Beam's (--runner, …) may stand beside these.",
    )
    add_build_options(build_parser)
    build_parser.set_defaults(run=_build)
    verify_parser = commands.add_parser(
        "verify",
        allow_abbrev=False,
        help="re-read a dataset and prove it whole",
        description="Re-reads every file of a dataset: checksums, counts, every record against the "
        "schema, every image by decoding it. Exits with 1 when anything is wrong.",
    )
    verify_parser.add_argument("directory", metavar="DIR", help="the dataset's directory")
    verify_parser.add_argument("--quick", action="store_true", help="sizes and counts alone")
    verify_parser.add_argument("--verbose", action="store_true", help="show every traceback")
    verify_parser.set_defaults(run=_verify)
    _add_repair_command(commands)
    add_show_command(commands)
    add_schema_command(commands)
    return parser


def _add_repair_command(commands: Any) -> None:
    parser = commands.add_parser(
        "repair",
        allow_abbrev=False,
        help="make the damaged files of a dataset again",
        description="Makes the damaged and missing files of a dataset again from what it was built from, and "
        "proves them against the hashes that were published. Where they would differ it says why, exits with 1 "
        "and changes nothing. Any option of Beam's (--runner, …) may stand beside these.",
    )
    add = parser.add_argument
    add("directory", metavar="DIR", help="the dataset's directory")
    add("--manifest", metavar="FILE_OR_GLOB_OR_DIR",
        help="what it was built from, as in pixelbeam build (default: where it was then)")  # fmt: skip
    add("--labels", metavar="FILE_OR_GLOB",
        help="the label manifest that it was built with (default: where it was then)")  # fmt: skip
    add("--image_root", metavar="DIR",
        help="what relative paths are relative to (default: the folder that it was then)")  # fmt: skip
    add("--accept", action="store_true", help="where the published files cannot be had again, build the whole "
        "dataset anew from what there is now, and replace it (default: change nothing)")  # fmt: skip
    add("--max_rejects", metavar="N", help="with --accept, a count or a fraction that fails the build when "
        "passed (default: as it was built with)")  # fmt: skip
    add("--threads", type=int, default=0, metavar="N",
        help="threads in a shard task (default: chosen by runner)")  # fmt: skip
    add("--verbose", action="store_true", help="show the log of Beam and every traceback")
    parser.set_defaults(run=_repair)


def _repair(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    beam_options = parse_beam_options(beam_flags)
    named = ("manifest", "labels", "image_root", "max_rejects")
    call = Call(**{name: getattr(arguments, name) for name in named})
    with own_terminal(uses_processes(beam_options) and not arguments.verbose) as terminal:
        repaired = repair(
            arguments.directory,
            call,
            accept=arguments.accept,
            threads=arguments.threads,
            beam_options=beam_options,
            console=Console(file=terminal),
        )
    say(describe_repair(repaired, arguments.directory), sys.stdout)
    return 0


def describe_repair(repaired: Repaired, directory: str) -> str:
    """What was damaged, and what has become of it."""
    if repaired.built is not None:
        return describe(repaired.built, directory)
    count, files = len(repaired.damage), f"{repaired.files:,} files"
    if not count:
        lines = [f"{directory}: whole: {files}, nothing to repair"]
    else:
        lines = [
            f"{directory}: repaired: {count:,} of {files} in {format_seconds(repaired.seconds)}, each again as it "
            "was published"
        ]
        if shards := len(repaired.shards):
            lines.append(f"  built     {shards:,} shard{'s' * (shards > 1)}")
    lines += [f"  remark    {name} is no file of this dataset" for name in repaired.strays]
    return "\n".join(map(printable, lines))


def _build(arguments: argparse.Namespace, beam_flags: Sequence[str]) -> int:
    beam_options = parse_beam_options(beam_flags)
    options = parse_build_options(arguments)
    with own_terminal(uses_processes(beam_options) and not options.verbose) as terminal:
        built = build(options, beam_options, Console(file=terminal))
    say(describe(built, arguments.output), sys.stdout)
    return 0


def _verify(arguments: argparse.Namespace, others: Sequence[str]) -> int:
    if others:
        raise OptionError(f"{others[0]}: no such option; see pixelbeam verify --help")
    verified = verify(arguments.directory, arguments.quick, os.cpu_count() or 1)
    for fault in verified.faults:
        say(printable(str(fault)), sys.stdout)
    for remark in verified.remarks:
        say(f"remark: {printable(remark)}", sys.stdout)
    checked = f"{verified.files:,} files"
    if not arguments.quick:  # which reads none
        checked += f" and {verified.records:,} records"
    how = "sizes and counts" if arguments.quick else "every byte and record"
    if verified.faults and not arguments.quick:
        how += " that could be read"
    count = len(verified.faults)
    found = f"{count:,} fault{'s' * (count > 1)}" if count else "whole"
    say(
        f"{printable(arguments.directory)}: {found}: {checked}, {how} checked",
        sys.stdout,
    )
    if not verified.faults:
        return 0
    again = f"`pixelbeam repair {printable(arguments.directory)}` makes damaged files again"
    strays = [fault.file for fault in verified.faults if fault.message == STRAY]
    if len(strays) == len(verified.faults):  # of which repair leaves its hands
        again = "nothing is damaged; what the dataset does not know may be deleted"
    say(again, sys.stdout)
    return EXIT_FAILED


def describe(built: Built, output: str) -> str:
    """What was built, what was rejected and how to load it."""
    dataset = built.dataset
    records = sum(split.num_records for split in dataset.splits.values())
    lines = []
    if built.state is OutputState.PUBLISHED:
        looked = "nothing to do, as far as sizes and times tell"
        if built.by_content:
            looked = "nothing to do"
        if built.in_parts:
            files = (
                "1 array file was"
                if built.in_parts == 1
                else f"{built.in_parts:,} array files were"
            )
            looked = f"nothing to do, though {files} compared by size and time alone"
        if built.unseen:
            looked = f"whether its sources have changed was not looked at, {built.unseen}"
        if built.replaced:
            looked = looked.replace("nothing to do", "nothing else to do")
            lines.append(
                f"replaced the dataset in {output} by one that was already built: {records:,} records; "
                f"{looked}"
            )
        else:
            lines.append(
                f"{output} is already built: {records:,} records; {looked} "
                "(--overwrite builds it anew)"
            )
    else:
        rate = dataset.rows / built.seconds
        unit = "clips" if dataset.read_schema(output).clips else "images"
        lines.append(
            f"built {records:,} records in {format_seconds(built.seconds)} ({rate:,.0f} {unit}/s): {output}"
        )
    for name, split in dataset.splits.items():
        size = sum(file.bytes for shard in split.shards for file in shard.files.values())
        lines.append(
            f"  {name:<9} {split.num_records:,} records in {len(split.shards):,} shards, {size / 1e6:,.1f} MB"
        )
    if built.taken is not None:
        lines.append(f"  reuse     {built.taken:,} of {records:,} records were taken over")
        if built.taken < records:
            lines[-1] += "; the others' images are new, have changed, or cannot be read there"
    lines += _describe_rejects(built, output)
    lines += describe_twins(dataset.duplicates, output)
    for key, spec in dataset.read_schema(output).specs_by_key.items():
        if spec.domain is not None and spec.domain.class_names:
            lines.append(f"  classes   {key}: {describe_names(spec.domain.class_names)}")
    lines += [f"  warning   {warning}" for warning in dataset.warnings]
    first = next((name for name, split in dataset.splits.items() if split.num_records), None)
    if first is None:
        return "\n".join(map(printable, lines))
    lines += [
        "load it with:",
        "  import pixelbeam as pb",
        f"  {first} = pb.load({output!r}, {first!r}, batch_size=64, shuffle=True)",
    ]
    return "\n".join(map(printable, lines))


def _describe_rejects(built: Built, output: str) -> Iterator[str]:
    rejects = built.dataset.rejects
    if not rejects.count:
        yield "  rejects   none"
        return
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in rejects.by_reason.items())
    where = os.path.join(output, REJECTS_FILE)
    yield f"  rejects   {rejects.count:,} of {built.dataset.rows:,} rows ({reasons}): {where}"
    if built.looked_in:
        yield f"            {built.looked_in}"


def _exit_code(error: PixelbeamError) -> int:
    if isinstance(error, UsageError):
        return EXIT_USAGE
    return EXIT_REJECTS if isinstance(error, TooManyRejects) else EXIT_FAILED


def _fail(message: str, code: int) -> int:
    say(f"pixelbeam: {message}", sys.stderr)
    return code


def _lines_of(error: PixelbeamError) -> str:
    """What an error says: one line, but for those that are put together from several."""
    several = isinstance(error, BuildError | OutputError | SchemaError)
    return str(error) if several else printable(str(error))


def _say(error: BaseException) -> str:
    """An unexpected error in a line, without what Beam puts after it."""
    # A KeyError shows its text in quotes, of which Beam's addition would take the last one along.
    whole = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    text = whole.split("[while running", maxsplit=1)[0].strip().splitlines()
    name = type(error).__name__
    advice = "run the same command again to continue, or with --verbose for the traceback"
    return f"{name}: {text[0] if text else ''}\n{advice}"
