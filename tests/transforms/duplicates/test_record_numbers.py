from __future__ import annotations

import numpy as np
from pixelbeam.schemas.dataset.file_names import ShardName
from pixelbeam.transforms.duplicates.record_numbers import RecordNumbers

NUMBERS = RecordNumbers({"test": 1, "train": 3, "val": 2})


def test_numbers_say_split_shard_and_place():
    names = [ShardName("test", 0, 1), ShardName("train", 0, 3), ShardName("train", 2, 3),
             ShardName("val", 1, 2)]  # fmt: skip
    records = np.concatenate([NUMBERS.of_shard(name, 3) for name in names])
    assert NUMBERS.num_shards == 6
    assert NUMBERS.shards_of(records).tolist() == [0] * 3 + [1] * 3 + [3] * 3 + [5] * 3
    assert NUMBERS.splits_of(records).tolist() == [0] * 3 + [1] * 6 + [2] * 3
    assert NUMBERS.indices_of(records).tolist() == [0, 1, 2] * 4
    assert [NUMBERS.shard(number) for number in (0, 1, 3, 5)] == names


def test_numbers_rise_as_records_lie():
    records = np.concatenate(
        [NUMBERS.of_shard(NUMBERS.shard(number), 4) for number in range(NUMBERS.num_shards)]
    )
    assert records.dtype == np.uint64
    assert (np.diff(records.astype(np.int64)) > 0).all()
    assert len(NUMBERS.of_shard(ShardName("val", 0, 2), 0)) == 0
