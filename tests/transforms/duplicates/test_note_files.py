from __future__ import annotations

import hashlib

from pixelbeam.schemas import Schema
from pixelbeam.schemas.errors import Reject
from pixelbeam.transforms.duplicates.known_twins import DUPLICATE
from pixelbeam.transforms.duplicates.note_files import TWIN_NOTES, FileNotes
from pixelbeam.transforms.rows import RejectedRow, RowFormat
from pixelbeam.transforms.shards.encode_rows import RowEncoder
from pixelbeam.transforms.shards.thread_pool import RowPool
from pixelbeam.transforms.storage.input_files import InputFiles
from pixelbeam.transforms.storage.input_log import ShardInputs
from pixelbeam.transforms.storage.output_folder import Folder
from support import IMAGE_SCHEMA, make_image


def rejected(path: str, reason: str, row: int = 2) -> RejectedRow:
    cells = (("label", "a"), ("path", path))
    return RejectedRow("m.csv", row, path, Reject("duplicate", reason, "said"), cells)


def write(folder, *rejects: RejectedRow) -> ShardInputs:
    schema: Schema = IMAGE_SCHEMA
    encoder = RowEncoder(schema, RowFormat(("label", "path"), "path"), InputFiles(str(folder)))
    pool = RowPool(2, 60)
    FileNotes(encoder, str(folder), Folder(str(folder / "out"))).write(TWIN_NOTES[3], rejects, pool)
    pool.close()
    return ShardInputs.from_bytes(
        (folder / "out" / ".pixelbeam" / "sources" / "twins-03").read_bytes()
    )


def test_the_files_of_twins_are_noted_and_of_no_others(tmp_path):
    for number in range(2):
        make_image(tmp_path / f"{number}.png", number)
    noted = write(
        tmp_path,
        rejected("1.png", DUPLICATE, 3),
        rejected("gone.png", DUPLICATE),
        rejected("0.png", "no_split"),
    )
    assert noted.root == str(tmp_path)
    assert list(noted.states) == ["1.png", "gone.png"]
    sha256 = hashlib.sha256((tmp_path / "1.png").read_bytes()).hexdigest()
    assert noted.states["1.png"].sha256 == sha256
    assert noted.states["gone.png"].fault == "file_not_found"


def test_without_twins_the_notes_are_there_and_empty(tmp_path):
    assert write(tmp_path).states == {}
    assert TWIN_NOTES[0] == "twins-00"
    assert len(TWIN_NOTES) == 16
