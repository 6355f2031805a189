"""Replacing a published dataset: the new one is built inside the old one's state, then takes its place."""

from __future__ import annotations

from ...schemas.dataset.file_names import DATASET_FILE, INDEX_FOLDER, STATE_FOLDER
from ...schemas.dataset.info import DatasetInfo
from ...transforms.storage.input_log import INPUTS_FOLDER
from ...transforms.storage.output_folder import Folder
from .own_files import (
    COMMAND_FILE,
    KEPT_FOLDER,
    REPAIR_FOLDER,
    list_files,
    note_names,
    written_files,
)

__all__ = ["finish_replacing", "is_replacing", "next_folder"]

_NEXT = f"{STATE_FOLDER}/next"
_NEXT_DATASET = f"{_NEXT}/{DATASET_FILE}"


def next_folder(output: Folder) -> Folder:
    """Where the dataset is built that is to replace the one in a folder."""
    return Folder(output.path(_NEXT))


def is_replacing(output: Folder) -> bool:
    """Whether a dataset is complete that has yet to take the other's place."""
    return output.exists(_NEXT_DATASET)


def finish_replacing(output: Folder) -> None:
    """Puts the new dataset in the place of the old one; after a crash, the same again goes on.

    Readers find the old dataset, for a moment none, or the new one: never some files of each, since the
    old ``dataset.json`` goes first and the new one comes last.
    """
    data = output.read(_NEXT_DATASET)
    if data is None:
        return
    info = DatasetInfo.loads(data, output.path(_NEXT))
    new = info.files.keys()
    old = [name for name in written_files(output) if name not in new]
    output.delete([DATASET_FILE])
    output.delete_files([name for name in old if name != DATASET_FILE])
    output.delete_empty(INDEX_FOLDER)
    following = next_folder(output)
    _move(output, sorted(name for name in list_files(following) if name in new))
    if (noted := following.sizes(INPUTS_FOLDER)) or following.exists(INPUTS_FOLDER):
        # After a crash some are in their place already: what is the new one's is known by their names.
        gone = output.sizes(INPUTS_FOLDER).keys() - set(note_names(info))
        output.delete_files([f"{INPUTS_FOLDER}/{name}" for name in gone])
        _move(output, [f"{INPUTS_FOLDER}/{name}" for name in sorted(noted)])
    _move(output, [f"{KEPT_FOLDER}/{name}" for name in sorted(following.sizes(KEPT_FOLDER))])
    output.delete([REPAIR_FOLDER])  # of the dataset that was there
    # First what says that a build goes on there: after a crash behind the last move it would seem unfinished.
    output.delete_files([f"{_NEXT}/{COMMAND_FILE}"])
    output.move([_NEXT_DATASET], [DATASET_FILE])
    output.delete([_NEXT])


def _move(output: Folder, names: list[str]) -> None:
    output.move([f"{_NEXT}/{name}" for name in names], names)
