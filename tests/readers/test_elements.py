import re

import h5py
import keras
import numpy as np
import pytest
from hdf5_datasets import RECORDS
from pixelbeam.readers import HDF5Dataset, load

ROLES = {"raw": "input", "packed": "input", "deep": "input", "label": "target"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scaling": "[0,1]"},
        {"scaling": "standardize", "channels_first": True},
        {"one_hot": True, "channels_first": True},
    ],
)
def test_batches_are_those_of_load(all_kinds, options):
    got, got_labels = HDF5Dataset(
        all_kinds, "train", features=ROLES, batch_size=RECORDS, **options
    )[0]
    batches = load(all_kinds, "train", features=list(ROLES), batch_size=RECORDS, **options)
    expected, labels = next(iter(batches))
    assert sorted(got) == sorted(expected)
    for name, values in got.items():
        wanted = expected[name].numpy()
        assert (values.dtype, values.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(values, wanted, rtol=1e-6, atol=1e-6)
    assert got_labels.dtype == labels.dtype
    np.testing.assert_array_equal(got_labels, labels)


@pytest.fixture
def digits(tmp_path):
    path = tmp_path / "digits.h5"
    with h5py.File(path, "w") as file:
        file["colour"] = np.full((10, 4, 6, 3), 51, np.uint8)
        file["grey"] = np.full((10, 4, 6), 13107, np.uint16)
        file["vector"] = np.full((10, 5), 51, np.uint8)
        file["label"] = np.arange(10)
    return path


def test_images_of_files_of_others(digits):
    roles = {"colour": "input", "grey": "input", "vector": "input", "label": "target"}
    batch, _ = HDF5Dataset(digits, features=roles, scaling="[0,1]", channels_first=True)[0]
    shapes = {name: (values.shape, values.dtype.name) for name, values in batch.items()}
    assert shapes == {
        "colour": ((10, 3, 4, 6), "float32"),
        "grey": ((10, 4, 6), "float32"),
        "vector": ((10, 5), "uint8"),
    }
    np.testing.assert_array_equal(batch["colour"], np.float32(0.2))
    np.testing.assert_array_equal(batch["grey"], np.float32(0.2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": "0-1"}, "scaling: got '0-1', expected None or one of '[0,1]', 'standardize'"),
        (
            {"scaling": "standardize"},
            "scaling: got 'standardize' for files without a dataset.json, which has mean and std; "
            "expected '[0,1]', or transform=",
        ),
        (
            {"one_hot": True},
            "one_hot: got True for files that do not say how many classes there are, expected those of "
            "a dataset that pixelbeam built; transform= can do it for others",
        ),
        (
            {"scaling": "[0,1]", "features": {"vector": "input"}},
            "scaling: got '[0,1]', but no input is an image, expected one of type uint8 or uint16 with "
            "[height, width] or [height, width, channels]",
        ),
    ],
)
def test_what_files_of_others_do_not_say(digits, options, message):
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        HDF5Dataset(digits, **{"features": {"colour": "input"}, **options})


def test_rows_are_those_that_were_asked_for(digits):
    roles = {"colour": "input", "label": "target"}
    stored = HDF5Dataset(digits, features=roles, rows=[7, 2, 2, -1, 0], batch_size=2)
    assert [stored[index][1].tolist() for index in range(len(stored))] == [[7, 2], [2, 9], [0]]
    for shuffle in (True, "batch"):
        part = HDF5Dataset(
            digits, features=roles, rows=slice(4, None), batch_size=2, shuffle=shuffle, seed=3
        )
        labels = [n for index in range(len(part)) for n in part[index][1].tolist()]
        assert sorted(labels) == [4, 5, 6, 7, 8, 9] != labels


def test_keras_trains_beside_text(named, sources):
    for train in sources(named):
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
        model.compile("sgd", loss=keras.losses.CategoricalCrossentropy(from_logits=True))
        model.fit(train, shuffle=False, verbose=0)


@pytest.fixture
def named(tmp_path):
    from pixelbeam.pipeline.commands.build import build
    from pixelbeam.pipeline.options import BuildOptions
    from pixelbeam.schemas import Schema
    from support import make_image, write_csv

    rows = []
    for number in range(4):
        make_image(tmp_path / f"{number}.png", number)
        rows.append((f"{number}.png", "ab"[number % 2]))
    image = {"type": "image", "source": "path", "height": 6, "width": 5, "encoding": "raw"}
    schema = Schema.from_dict(
        {
            "features": {
                "image": image,
                "name": {"type": "string", "source": "path"},
                "label": {"type": "class_label", "source": "label", "vocabulary": ["a", "b"]},
            }
        }
    )
    manifest = write_csv(tmp_path / "m.csv", rows, ("path", "label"))
    sinks = ("tfrecord", "hdf5")
    build(
        BuildOptions(
            manifest=str(manifest), schema=schema, output=str(tmp_path / "out"), sinks=sinks
        )
    )
    return tmp_path / "out"


@pytest.fixture
def sources():
    def open_all(folder):
        options = {"batch_size": 2, "scaling": "[0,1]", "one_hot": True}
        with pytest.warns(UserWarning, match="left 'name' out, for a model") as said:
            opened = [
                HDF5Dataset(folder, "train", **options),
                load(folder, "train", source="tfrecord", **options),
                load(folder, "train", source="hdf5", **options),
            ]
        assert [warning.filename for warning in said] == [__file__] * 3
        return opened

    return open_all


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("scaling", "[0,1]", "an image"),
        ("channels_first", True, "an image"),
        ("one_hot", True, "a class label"),
    ],
)
def test_options_that_would_do_nothing(all_kinds, option, value, kind):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        HDF5Dataset(all_kinds, "train", features={"box": "input"}, **{option: value})
    assert str(caught.value) == f"{option}: got it for a dataset of box, expected one with {kind}"
