import json

import pytest
import same_bytes
from same_bytes import MAY_BE_NEW, MAY_DIFFER, compare_datasets

DATASET = {
    "fingerprint": "f00",
    "versions": {"pillow": "11"},
    "splits": {"train": {"num_records": 3, "files": {"hdf5": {"path": "train.h5"}}}},
    "rejects": {"count": 0},
}


@pytest.fixture
def pair(tmp_path):
    for side in ("before", "after"):
        (tmp_path / side / "index").mkdir(parents=True)
        (tmp_path / side / "dataset.json").write_text(json.dumps(DATASET))
        (tmp_path / side / "train-00000-of-00001.tfrecord").write_bytes(b"records")
        (tmp_path / side / "index" / "a.idx").write_bytes(b"0 7")
        (tmp_path / side / ".pixelbeam").mkdir()
        (tmp_path / side / ".pixelbeam" / "times").write_text(side)
    return tmp_path / "before", tmp_path / "after"


def test_notes_on_sources_and_named_keys_may_differ(pair):
    changed = json.loads(json.dumps(DATASET))
    changed |= {"fingerprint": "f01", "versions": {}, "files": {"train.h5": {}}}
    changed["splits"]["train"]["files"] = {}
    (pair[1] / "dataset.json").write_text(json.dumps(changed))
    assert compare_datasets(*pair) == []


@pytest.mark.parametrize("name", MAY_BE_NEW)
def test_a_file_that_may_be_new_is_compared_where_both_have_it(pair, name):
    before, after = pair
    (after / name).write_bytes(b"1")
    assert compare_datasets(before, after) == []
    (before / name).write_bytes(b"2")
    assert len(compare_datasets(before, after)) == 1
    (after / name).unlink()
    assert compare_datasets(before, after) == [f"{name}: only before"]


def test_every_other_difference_is_named(pair):
    before, after = pair
    changed = json.loads(json.dumps(DATASET))
    changed["splits"]["train"]["num_records"] = 2
    changed["rows"] = 3
    (after / "dataset.json").write_text(json.dumps(changed))
    (after / "train-00000-of-00001.tfrecord").write_bytes(b"others!")
    (after / "index" / "a.idx").unlink()
    (after / "new").touch()
    assert compare_datasets(before, after) == [
        "dataset.json: splits.train.num_records: 3 before, 2 after",
        "dataset.json: rows: null before, 3 after",
        "index/a.idx: only before",
        "new: only after",
        "train-00000-of-00001.tfrecord: a94e7bcfcbed before, 7ab00dcd4748 after",
    ]


def test_each_key_that_may_differ_has_a_reason():
    assert all(MAY_DIFFER.values())
    assert all(MAY_BE_NEW.values())


def test_the_table_names_what_differs(pair, capsys):
    differences = {"before": [], "after": ["new: only after"]}
    assert not same_bytes._print_table(differences, pair[0].parent)
    assert capsys.readouterr().out.splitlines() == [
        "dataset     files       bytes",
        "before          3         169  same",
        "after           3         169  differs",
        "  new: only after",
        "2 datasets      6         338  1 of 2 datasets differ",
    ]
