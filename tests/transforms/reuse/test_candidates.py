from __future__ import annotations

import pyarrow as pa
from pixelbeam.transforms.reuse.candidates import dump_table, load_table


def test_a_table_comes_back_as_it_was():
    table = pa.table({"a": pa.array([1, None], pa.int64()), "b": pa.array(["é", ""], pa.string())})
    assert load_table(dump_table(table)).equals(table)
    empty = table.slice(0, 0)
    assert load_table(dump_table(empty)).equals(empty)
