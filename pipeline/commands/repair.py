"""``pixelbeam repair``: makes the damaged files of a dataset again, and proves them against their hashes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console

from ...schemas.dataset.file_names import DATASET_FILE
from ...schemas.dataset.info import DatasetInfo
from ...schemas.errors import DatasetError, ManifestError, OptionError, OutputError
from ...transforms.storage.output_folder import Folder
from ...transforms.storage.paths import check_filesystem, has_folder, use_options
from ..graph.identity import differences
from ..graph.job import BuildJob, open_job
from ..graph.recall import recall_options
from ..options import BeamOptions, BuildOptions, MaxRejects
from ..output.kept import Call, keep_call, kept_call, kept_dataset
from ..output.own_files import COMMAND_FILE, LOCK_FILE, is_ours, list_files
from ..output.replace import finish_replacing, is_replacing
from ..output.state import hold_output
from ..repairing.damage import look_at_dataset
from ..repairing.rebuild import ANEW, DiffersError, Rebuild
from ..running import choose_runner, is_local_runner
from ..terminal import printable
from .build import Built, build, check_image_root, choose_threads

__all__ = ["Repaired", "repair"]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair found and did.

    Attributes:
        files: files that were looked at, every byte of them.
        damage: what was wrong with those that were not as they were published, by name.
        shards: the shards that were built again.
        seconds: how long it took.
        strays: files with names of ours that are none of the dataset's; they stay.
        built: the dataset that took the damaged one's place, where that was accepted.
    """

    files: int
    damage: dict[str, str]
    shards: tuple[str, ...]
    seconds: float
    strays: tuple[str, ...] = ()
    built: Built | None = None


def repair(
    directory: str,
    call: Call | None = None,
    *,
    accept: bool = False,
    threads: int = 0,
    beam_options: PipelineOptions | None = None,
    console: Console | None = None,
) -> Repaired:
    """Makes the damaged and missing files of a dataset again.

    Args:
        directory: the dataset's directory, local or on a filesystem of Beam's.
        call: where its inputs are now, as far as they have moved since it was built.
        accept: where the published files cannot be had again, build the dataset anew from what there is.
        threads: threads in a shard task; chosen by runner by default.
        beam_options: the runner and its options; the local one without.
        console: where to say how it goes; nowhere without.

    Raises:
        UsageError: a manifest is missing or another one, or an option is wrong; nothing was changed.
        DatasetError: the directory holds no dataset, or one that is damaged beyond repair.
        BuildError: files would differ from those that were published, and nothing was changed; or it failed,
            and the same call continues it.
        KeyboardInterrupt: with how far it got; the same call continues it.
    """
    started = time.monotonic()
    beam_options = beam_options or BeamOptions([])
    console = console or Console(quiet=True)
    local = is_local_runner(beam_options)
    choose_runner(beam_options)  # so that a wrong one is said before everything is read
    use_options(beam_options)
    folder = _find_folder(directory)
    with _hold(folder):
        finish_replacing(folder)
        dataset = look_at_dataset(folder)
        info, damage = dataset.info, dataset.damage
        for name in sorted(damage.keys() & folder.folders()):
            raise DatasetError(f"{directory}: {name}: got a directory, expected a file; remove it")
        options = None

        def open_dataset() -> BuildJob:
            nonlocal options
            options = _recall(folder, info, call or Call(), threads)
            return _open(options, info, beam_options, local)

        try:
            shards = Rebuild(folder, dataset, open_dataset, beam_options, console).run()
        except DiffersError as differs:
            if not accept:
                raise differs.error from None
            options = options or _recall(folder, info, call or Call(), threads)
            if DATASET_FILE in damage:  # which says what it is that is replaced
                folder.write(DATASET_FILE, dataset.text)
        else:
            if options is not None:  # where it was built from, should that have moved
                keep_call(folder, options)
            names = list_files(folder)
            others = sorted(names.keys() - info.files.keys() - {DATASET_FILE})
            strays = tuple(name for name in others if is_ours(name, names))
            seconds = time.monotonic() - started
            return Repaired(len(info.files) + 1, damage, shards, seconds, strays)
    # What is whole of it, and fits, need not be encoded again.
    anew = replace(options, overwrite=True, reuse=directory)
    built = build(anew, beam_options, console)
    return Repaired(len(info.files) + 1, damage, (), time.monotonic() - started, built=built)


@contextmanager
def _hold(folder: Folder) -> Iterator[None]:
    """Holds a folder, and leaves nothing of that behind."""
    with hold_output(folder):
        try:
            yield
        finally:
            folder.clear_scratch()
            if folder.has_locks:
                folder.delete_files([LOCK_FILE])


def _find_folder(directory: str) -> Folder:
    """The folder of a dataset, if there is one or what it can be repaired from."""
    check_filesystem(directory)
    if has_folder(directory) is False:
        got = "a file" if os.path.exists(directory) else "nothing"
        raise OptionError(f"{directory}: got {got}, expected a dataset's directory")
    folder = Folder(directory)
    if is_replacing(folder) or folder.exists(DATASET_FILE):
        return folder
    if folder.exists(COMMAND_FILE):
        raise DatasetError(
            f"{directory}: no {DATASET_FILE}, but an unfinished build; run the same `pixelbeam build` command "
            "again to continue it"
        )
    if kept_dataset(folder) is None:
        raise DatasetError(
            f"{directory}: no {DATASET_FILE}, and no copy of one, so there is nothing to repair it by; "
            "if this was a dataset, build it anew"
        )
    return folder


def _recall(folder: Folder, info: DatasetInfo, given: Call, threads: int) -> BuildOptions:
    """The options that the dataset was built with; its inputs where they are now."""
    where, command = folder.root, info.command
    if not command:
        raise DatasetError(
            f"{where}: does not say what it was built from, so it cannot be repaired; build it anew"
        )
    kept, has_labels = kept_call(folder), "labels" in command
    manifest, labels = given.manifest or kept.manifest, given.labels or kept.labels
    if given.labels and not has_labels:
        raise OptionError(
            f"--labels: got {given.labels!r}, expected none: {where} was built without"
        )
    for option, path in (("--manifest", manifest), ("--labels", labels if has_labels else "none")):
        if not path:
            raise OptionError(
                f"{option}: got none, expected what {where} was built from: where that was is no longer known"
            )
    assert manifest is not None
    return recall_options(
        command,
        where,
        manifest,
        labels if has_labels else None,
        given.image_root or kept.image_root,
        threads=threads,
        max_rejects=MaxRejects.parse(given.max_rejects or kept.max_rejects or str(MaxRejects())),
    )


def _open(
    options: BuildOptions, info: DatasetInfo, beam_options: PipelineOptions, local: bool
) -> BuildJob:
    """Opens the build of a dataset, from the very manifests that it was built from."""
    where = options.output
    if local:
        check_image_root(options.image_root)
    try:
        job = open_job(options, choose_threads(options, beam_options, local))
    except ManifestError as error:
        raise ManifestError(
            f"{error}; --manifest and --labels say where what {where} was built from is now"
        ) from None
    other, softer, inputs = differences(info.command or {}, job.command)
    if other or softer:
        said = "; ".join(map(printable, [*other, *softer]))
        raise DatasetError(f"{where}: what it was built from cannot be asked for again: {said}")
    if inputs:
        said = "; ".join(map(printable, inputs))
        said = f"{where} was built from another manifest: {said}; nothing was changed"
        hint = f"--manifest names the one that it was built from; {ANEW}"
        raise DiffersError(OutputError(f"{said}\n{hint}"))
    return job
