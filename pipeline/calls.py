"""The commands as Python functions: what the command line takes as options, they take as keywords."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from ..schemas import errors
from ..schemas.errors import OptionError, PixelbeamError
from ..schemas.schema import Schema
from .commands.build import Built
from .commands.build import build as build_dataset
from .commands.repair import Repaired
from .commands.repair import repair as repair_dataset
from .commands.verify import Verified
from .commands.verify import verify as verify_dataset
from .options import (
    add_build_options,
    new_parser,
    parse_beam_options,
    parse_build_options,
)
from .output.kept import Call

__all__ = ["build", "find_ours", "repair", "verify"]

_Path = str | os.PathLike[str]

# How a runner that passes on an error of a worker as text, such as Flink's, tells of one of ours.
_TOLD = re.compile(
    r"^pixelbeam\.schemas\.errors\.(\w+): (.*?)(?=\n\n|\n\S*Traceback|\Z)", re.M | re.S
)


def build(
    manifest: _Path | Mapping[str, _Path],
    *,
    schema: Schema | _Path,
    output: _Path,
    console: Console | None = None,
    beam_options: PipelineOptions | None = None,
    **options: Any,
) -> Built:
    """Builds and publishes a dataset, as ``pixelbeam build`` does.

    ::

        built = build("photos.csv", schema="image_classification", output="out",
                      splits={"train": 0.9, "val": 0.1}, sinks=["tfrecord", "hdf5"])
        built.dataset.splits["train"].num_records

    A call that was interrupted is continued by the same call. A dataset that is there already and whose inputs
    are the same is left alone; ``built.state`` says so.

    Args:
        manifest: a file, a glob or a folder; or several, by the split that each is.
        schema: the schema, a preset's name, or a YAML file.
        output: the dataset's folder, local or on any of Beam's filesystems.
        console: where to show progress; nowhere without.
        beam_options: Beam's, such as those of a notebook, in place of keywords.
        **options: every other option of ``pixelbeam build`` (``pixelbeam build --help``) or of Beam's
            (``runner="FlinkRunner"``) by its name: text or numbers as the command takes them, a list or mapping
            for what it separates by commas, ``True`` for an option without a value. ``None`` and ``False`` leave
            an option out.

    Raises:
        OptionError: an option that neither pixelbeam nor Beam knows, or a value that it cannot have.
        SchemaError: the schema is wrong.
        ManifestError: the manifest cannot be read, or lacks a column.
        OutputError: the output holds another dataset, or one whose inputs have changed since.
        BuildError: the build failed; the same call continues it.
        TooManyRejects: more rows were rejected than ``max_rejects`` allows; nothing was published.
    """
    if isinstance(schema, Mapping):  # else it would be taken for an option's list of settings
        raise OptionError(
            "--schema: got a dict, expected a Schema; Schema.from_dict makes one of it"
        )
    name = "a Schema" if isinstance(schema, Schema) else schema
    given = {"manifest": manifest, "schema": name, "output": output, **options}
    # Through the command line's own parser: its checks, defaults and messages hold here too.
    parser = new_parser(prog="pixelbeam build")
    add_build_options(parser)
    arguments, beams = parser.parse_known_args(list(_arguments(given)))
    if isinstance(schema, Schema):
        arguments.schema = schema
    beam_options = _beam_options(beams, beam_options)
    with _raising_ours():
        return build_dataset(parse_build_options(arguments), beam_options, console)


def verify(directory: _Path, *, quick: bool = False) -> Verified:
    """Re-reads a dataset and proves it whole, or says what is wrong and where.

    Args:
        directory: the dataset's, local or on any of Beam's filesystems.
        quick: compares sizes and counts alone.

    Returns:
        What was checked, and the ``faults`` that were found; there are none in a whole dataset.

    Raises:
        DatasetError: it holds no ``dataset.json`` that can be read.
        OptionError: it is no directory, or what its filesystem needs is not installed.
    """
    return verify_dataset(os.fspath(directory), quick, os.cpu_count() or 1)


def repair(
    directory: _Path,
    *,
    manifest: _Path | Mapping[str, _Path] | None = None,
    labels: _Path | None = None,
    image_root: _Path | None = None,
    accept: bool = False,
    max_rejects: float | str | None = None,
    threads: int = 0,
    console: Console | None = None,
    beam_options: PipelineOptions | None = None,
    **options: Any,
) -> Repaired:
    """Makes the damaged files of a dataset again, as ``pixelbeam repair`` does.

    ::

        repaired = pb.repair("out")
        repaired.damage       # {"train-00003-of-00016.tfrecord": "the SHA-256 is wrong"}

    Args:
        directory: the dataset's, local or on any of Beam's filesystems.
        manifest: what it was built from, if that has moved since: as in ``build``.
        labels: the same of its label manifest.
        image_root: the same of the folder that paths are relative to.
        accept: where the published files cannot be had again, build the dataset anew from what there is now.
        max_rejects: how many rejects it may have then; as it was built with by default.
        threads: threads in a shard task; chosen by runner by default.
        console: where to show progress; nowhere without.
        beam_options: Beam's, such as those of a notebook, in place of keywords.
        **options: Beam's options (``runner="FlinkRunner"``) by name.

    Returns:
        What was damaged, and which shards were built again.

    Raises:
        OptionError: an option that Beam does not know, or a value that it cannot have.
        ManifestError: the manifest cannot be read.
        OutputError: the manifest is another one, or the dataset is in use; nothing was changed.
        DatasetError: there is no dataset, or nothing that it could be repaired by.
        BuildError: the files would be others than those that were published, and nothing was changed; or it
            failed, and the same call continues it.
    """
    given: dict[str, Any] = {"manifest": manifest, "labels": labels, "image_root": image_root}
    given["max_rejects"] = max_rejects
    call = Call(**{n: _text(n, value) for n, value in given.items() if value is not None})
    beam_options = _beam_options(list(_arguments(options)), beam_options)
    with _raising_ours():
        return repair_dataset(
            os.fspath(directory),
            call,
            accept=accept,
            threads=threads,
            beam_options=beam_options,
            console=console,
        )


def _beam_options(flags: Sequence[str], given: PipelineOptions | None) -> PipelineOptions:
    """Beam's options: those that were given, or those that keywords are."""
    if given is None:
        return parse_beam_options(flags)
    if flags:
        raise OptionError(f"{flags[0]}: no option of pixelbeam's, and beam_options has Beam's")
    return given


@contextmanager
def _raising_ours() -> Iterator[None]:
    """Raises our errors as such where a runner tells of them in the text of its own."""
    try:
        yield
    except PixelbeamError:
        raise
    except Exception as error:  # whatever a runner raises
        if ours := find_ours(error):
            raise ours from error
        raise


def find_ours(error: Exception) -> PixelbeamError | None:
    """The error of ours that one is, or that a runner tells of in the text of its own."""
    if isinstance(error, PixelbeamError):
        found = [(type(error).__name__, str(error))]
    else:
        found = _TOLD.findall(str(error))
    for name, text in reversed(found):
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, PixelbeamError):
            return kind(text.split(" [while running", maxsplit=1)[0].strip())
    return None


def _arguments(given: Mapping[str, Any]) -> Iterator[str]:
    """The command line's arguments of what stands in keywords."""
    for name, value in given.items():
        if value is None or value is False:
            continue
        # With "=", a value may begin with a hyphen.
        yield f"--{name}" if value is True else f"--{name}={_text(name, value)}"


def _text(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_text(name, item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ",".join(_text(name, item) for item in value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, str | Real):
        return str(value)
    raise OptionError(f"--{name}: got {value!r}, expected text, a number, a list or a mapping")
