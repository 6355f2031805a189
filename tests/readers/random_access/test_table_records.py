"""Records of any table are a sequence."""

from __future__ import annotations

import os
import pickle
import re

import numpy as np
import pytest
from pixelbeam.readers.random_access.table_records import TableRecords
from pixelbeam.readers.record_table import Ragged
from pixelbeam.schemas import Int64, Schema, String

SCHEMA = Schema(features={"n": Int64(source="n"), "text": String(source="t")})


class Letters:
    """Five records: a number, a text and a list."""

    def __len__(self):
        return 5

    def read(self, rows):
        rows = np.asarray(rows, np.int64)
        texts = np.empty(len(rows), object)
        texts[:] = [b"abcde"[row : row + 1] for row in rows]
        return {"n": rows * 2, "text": texts, "list": Ragged(np.repeat(rows, rows), rows)}


def test_a_record_by_its_number():
    records = TableRecords(Letters(), SCHEMA)
    assert (len(records), records.schema) == (5, SCHEMA)
    assert records[0] == {"n": 0, "text": "a"}
    assert records[np.int64(4)] == {"n": 8, "text": "e"}
    assert records[-1] == {"n": 8, "text": "e"}
    assert records[-5] == {"n": 0, "text": "a"}


@pytest.mark.parametrize("index", [5, -6])
def test_numbers_of_no_record(index):
    message = f"^{re.escape(f'got record {index} of 5')}$"
    with pytest.raises(IndexError, match=message):
        TableRecords(Letters(), SCHEMA)[index]


def test_several_records():
    records = TableRecords(Letters(), SCHEMA)
    assert records.__getitems__([3, 1, 3]) == [
        {"n": 6, "text": "d"},
        {"n": 2, "text": "b"},
        {"n": 6, "text": "d"},
    ]
    assert records.__getitems__([]) == []
    batch = records.read([2, 0])
    assert batch["n"].tolist() == [4, 0]
    assert batch["text"] == ["c", "a"]


def test_values_as_they_are():
    batch = TableRecords(Letters(), None).read([2, 0, 1])
    assert list(batch) == ["n", "text", "list"]
    assert batch["n"].tolist() == [4, 0, 2]
    assert batch["text"].tolist() == [b"c", b"a", b"b"]
    assert [item.tolist() for item in batch["list"]] == [[2, 2], [], [1]]


def test_a_copy_has_threads_of_its_own():
    records = TableRecords(Letters(), SCHEMA)
    pool = records.read([0]) and records._pool()
    assert records._pool() is pool
    copy = pickle.loads(pickle.dumps(records))
    assert copy[3] == {"n": 6, "text": "d"}
    assert copy._pool() is not pool
    child = os.fork()
    if not child:
        os._exit(0 if records._pool() is not pool and records[1]["n"] == 2 else 1)
    assert os.waitpid(child, 0)[1] == 0
