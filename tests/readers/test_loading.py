import hashlib
import io
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from datasets import write_dataset, write_info
from PIL import Image as Pillow
from pixelbeam.readers import dataset_info, input_fn, load, steps_per_epoch
from pixelbeam.schemas import (
    ClassLabel,
    ClassLabels,
    Float32,
    Image,
    Int64,
    Schema,
    String,
    write_description,
)
from pixelbeam.schemas.errors import DatasetError

SHARDS = [10, 7, 6]
COUNT = sum(SHARDS)
LABELLED = Schema(
    features={
        "image": Image(source="path", height=4, width=6, encoding="png"),
        "label": ClassLabel(source="label", vocabulary=["a", "b", "c"]),
    }
)
NUMBERED = Schema(features={"n": Int64(source="n")})


def picture(number, width=6, height=4):
    """The bytes and the pixels of a PNG file."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "png")
    return file.getvalue(), pixels


def in_shards(rows, sizes=SHARDS):
    remaining = iter(rows)
    return [[next(remaining) for _ in range(size)] for size in sizes]


def numbers(dataset):
    return [int(n) for element in dataset for n in np.ravel(element)]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    rows = [{"image": picture(n)[0], "label": "abc"[n % 3]} for n in range(COUNT)]
    splits = {"train": in_shards(rows), "val": [rows[:5]]}
    return write_dataset(tmp_path_factory.mktemp("labelled"), LABELLED, splits)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    rows = [{"n": n} for n in range(COUNT)]
    splits = {"train": in_shards(rows), "empty": [[]], "large": [[{"n": n} for n in range(2000)]]}
    return write_dataset(tmp_path_factory.mktemp("numbered"), NUMBERED, splits)


@pytest.fixture
def small(tmp_path):
    """A dataset of one's own, to be damaged."""
    return write_dataset(tmp_path / "OUT", NUMBERED, {"train": [[{"n": 1}], [{"n": 2}]]})


def test_batches_hold_what_was_encoded_in_stored_order(labelled):
    dataset = load(labelled, "train", batch_size=10)
    assert dataset.element_spec == (
        tf.TensorSpec((None, 4, 6, 3), tf.uint8),
        tf.TensorSpec((None,), tf.int64),
    )
    batches = list(dataset.as_numpy_iterator())
    assert [len(labels) for _, labels in batches] == [10, 10, 3]
    images = np.concatenate([images for images, _ in batches])
    np.testing.assert_array_equal(images, [picture(n)[1] for n in range(COUNT)])
    assert [n for _, labels in batches for n in labels] == [n % 3 for n in range(COUNT)]


def test_without_batch_size_there_are_single_records(labelled):
    dataset = load(labelled, "train")
    assert dataset.cardinality() == COUNT
    image, label = next(dataset.skip(4).as_numpy_iterator())
    np.testing.assert_array_equal(image, picture(4)[1], strict=True)
    assert label == 1
    assert len(list(dataset)) == COUNT


@pytest.mark.parametrize("drop_remainder", [False, True])
@pytest.mark.parametrize("repeat", [False, 2])
def test_cardinality_is_known_and_right(labelled, drop_remainder, repeat):
    dataset = load(labelled, "train", batch_size=10, drop_remainder=drop_remainder, repeat=repeat)
    steps = steps_per_epoch(labelled, "train", 10, drop_remainder)
    assert steps == (2 if drop_remainder else 3)
    assert dataset.cardinality() == steps * (repeat or 1)
    assert len(list(dataset)) == steps * (repeat or 1)


def test_drop_remainder_makes_the_batch_size_static(labelled):
    dataset = load(labelled, "train", batch_size=10, drop_remainder=True, one_hot=True)
    assert dataset.element_spec == (
        tf.TensorSpec((10, 4, 6, 3), tf.uint8),
        tf.TensorSpec((10, 3), tf.float32),
    )


def test_repeat_for_ever_keeps_epochs_apart(numbered):
    dataset = load(numbered, "train", batch_size=20, repeat=True)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert [len(batch) for batch in dataset.take(4)] == [20, 3, 20, 3]


def test_an_empty_split(numbered):
    dataset = load(numbered, "empty", batch_size=4, shuffle=True)
    assert dataset.cardinality() == 0
    assert list(dataset) == []
    assert dataset.element_spec == tf.TensorSpec((None,), tf.int64)


def test_shuffle_gives_every_record_in_another_order_each_epoch(numbered):
    dataset = load(numbered, "train", batch_size=5, shuffle=True)
    first, second = numbers(dataset), numbers(dataset)
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first != second != list(range(COUNT))


def test_a_seed_gives_the_same_order_in_each_run(numbered):
    def epochs(seed):
        dataset = load(numbered, "train", batch_size=5, shuffle=True, seed=seed, repeat=2)
        return numbers(dataset)

    assert epochs(1) == epochs(1) != epochs(2)
    assert epochs(1)[:COUNT] != epochs(1)[COUNT:]


def test_the_buffer_can_be_chosen(numbered):
    shuffled = numbers(load(numbered, "large", shuffle=10, seed=1))
    assert sorted(shuffled) == list(range(2000))
    assert max(place - n for place, n in enumerate(shuffled)) > 0
    # A record comes at most as much earlier as the buffer is long.
    assert max(n - place for place, n in enumerate(shuffled)) < 10


def test_a_buffer_takes_no_more_memory_than_there_are_records(numbered):
    code = f"""
import resource
from pixelbeam.readers import load
numbers = lambda d: sorted(int(n) for n in d)
numbers(load({str(numbered)!r}, "train", shuffle=23))  # what TensorFlow itself takes
now = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")][0]
resource.setrlimit(resource.RLIMIT_AS, ((now + 500_000) * 1024,) * 2)
for shuffle in (10**8, 10**12):
    print(numbers(load({str(numbered)!r}, "train", shuffle=shuffle)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stdout) == (0, f"{list(range(COUNT))}\n" * 2), done.stderr[-2000:]


def test_image_dtypes_and_scaling(labelled):
    pixels = np.stack([picture(n)[1] for n in range(COUNT)])

    def images(**options):
        return next(load(labelled, "train", batch_size=COUNT, **options).as_numpy_iterator())[0]

    np.testing.assert_array_equal(images(image_dtype="uint8"), pixels, strict=True)
    as_floats = pixels.astype(np.float32)
    np.testing.assert_array_equal(images(image_dtype="float32"), as_floats, strict=True)
    scaled = images(scaling="[0,1]")
    np.testing.assert_array_equal(scaled, as_floats / np.float32(255), strict=True)
    half = images(scaling="[0,1]", image_dtype=tf.float16)
    np.testing.assert_array_equal(half, scaled.astype(np.float16), strict=True)
    standardized = images(scaling="standardize")
    mean, std = scaled.mean((0, 1, 2)), scaled.std((0, 1, 2))
    np.testing.assert_allclose(standardized, (scaled - mean) / std, atol=1e-5)
    assert standardized.dtype == np.float32


def test_every_split_is_standardized_by_train(labelled):
    train = next(iter(load(labelled, "train", batch_size=5, scaling="standardize")))[0]
    val = next(iter(load(labelled, "val", batch_size=5, scaling="standardize")))[0]
    np.testing.assert_array_equal(train, val)


def test_a_split_without_train_is_standardized_by_itself(tmp_path):
    schema = Schema(features={"image": LABELLED.features["image"]})
    rows = [{"image": picture(n)[0]} for n in range(3)]
    folder = write_dataset(tmp_path, schema, {"test": [rows]})
    images = next(load(folder, "test", batch_size=3, scaling="standardize").as_numpy_iterator())
    np.testing.assert_allclose(images.mean((0, 1, 2)), [0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(images.std((0, 1, 2)), [1, 1, 1], atol=1e-6)


def test_one_colour_is_standardized_to_zero(tmp_path):
    file = io.BytesIO()
    Pillow.new("RGB", (6, 4), (10, 20, 30)).save(file, "png")
    schema = Schema(features={"image": LABELLED.features["image"]})
    folder = write_dataset(tmp_path, schema, {"train": [[{"image": file.getvalue()}] * 2]})
    images = next(load(folder, "train", batch_size=2, scaling="standardize").as_numpy_iterator())
    np.testing.assert_allclose(images, np.zeros((2, 4, 6, 3)), atol=1e-6)


def test_16_bits_are_scaled_by_their_own_white(tmp_path):
    file = io.BytesIO()
    Pillow.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(file, "png")
    deep = Image(source="p", height=1, width=3, channels=1, encoding="png", dtype="uint16")
    schema = Schema(features={"image": deep})
    folder = write_dataset(tmp_path, schema, {"train": [[{"image": file.getvalue()}]]})
    (stored,) = load(folder, "train").as_numpy_iterator()
    assert (stored.dtype, stored.ravel().tolist()) == (np.uint16, [0, 32768, 65535])
    (scaled,) = load(folder, "train", scaling="[0,1]").as_numpy_iterator()
    np.testing.assert_allclose(scaled.ravel(), [0, 32768 / 65535, 1])
    with pytest.raises(ValueError, match="got 'uint8', but feature 'image' is stored as uint16"):
        load(folder, "train", image_dtype="uint8")


@pytest.mark.parametrize("batch_size", [None, 2])
def test_channels_first(labelled, batch_size):
    image, _ = next(
        load(labelled, "train", batch_size=batch_size, channels_first=True).as_numpy_iterator()
    )
    first = image if batch_size is None else image[0]
    np.testing.assert_array_equal(first, picture(0)[1].transpose(2, 0, 1))


def test_one_hot(labelled):
    _, labels = next(load(labelled, "train", batch_size=3, one_hot=True).as_numpy_iterator())
    np.testing.assert_array_equal(labels, np.eye(3, dtype=np.float32), strict=True)


SEVERAL = Schema(
    features={
        "image": Image(source="path", resize="none", encoding="png"),
        "name": String(source="name"),
        "counts": Int64(source="counts", shape=[None]),
        "tags": ClassLabels(source="tags", num_classes=3),
        "age": Float32(source="age", target=True),
    }
)


KEPT = [name for name in SEVERAL.features if name != "name"]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    rows = [
        {
            "image": picture(n, width=3 + n, height=2 + n)[0],
            "name": f"n{n}",
            "counts": list(range(n)),
            "tags": [n],
            "age": n / 2,
        }
        for n in range(3)
    ]
    return write_dataset(tmp_path_factory.mktemp("several"), SEVERAL, {"train": [rows]})


def test_several_inputs_and_targets_are_dicts(several):
    inputs, targets = load(
        several, "train", batch_size=2, features=list(SEVERAL.features)
    ).element_spec
    assert list(inputs) == ["image", "name", "counts"]
    assert targets == {
        "age": tf.TensorSpec((None,), tf.float32),
        "tags": tf.TensorSpec((None, 3), tf.float32),
    }


def test_targets_can_be_chosen(several):
    inputs, target = next(iter(load(several, "train", batch_size=3, targets=["name"])))
    assert sorted(inputs) == ["age", "counts", "image", "tags"]
    assert target.numpy().tolist() == [b"n0", b"n1", b"n2"]


def test_no_targets_give_one_dict_of_everything(several, numbered):
    everything = load(several, "train", batch_size=3, targets=[]).element_spec
    assert sorted(everything) == ["age", "counts", "image", "name", "tags"]
    assert load(numbered, "train", targets=[]).element_spec == {"n": tf.TensorSpec((), tf.int64)}


def test_without_a_target_elements_are_inputs(numbered):
    assert load(numbered, "train", batch_size=2).element_spec == tf.TensorSpec((None,), tf.int64)


def test_images_of_different_sizes_are_ragged_batches(several):
    inputs, _ = next(iter(load(several, "train", batch_size=3, features=KEPT, scaling="[0,1]")))
    images = inputs["image"]
    assert isinstance(images, tf.RaggedTensor)
    for n in range(3):
        expected = picture(n, width=3 + n, height=2 + n)[1] / np.float32(255)
        np.testing.assert_array_equal(images[n].to_tensor(), expected.astype(np.float32))
    assert inputs["counts"].to_list() == [[], [0], [0, 1]]


@pytest.mark.parametrize("channels_first", [False, True])
def test_images_of_different_sizes_are_dense_alone(several, channels_first):
    for n, (inputs, _) in enumerate(
        load(several, "train", features=KEPT, channels_first=channels_first)
    ):
        expected = picture(n, width=3 + n, height=2 + n)[1]
        expected = expected.transpose(2, 0, 1) if channels_first else expected
        np.testing.assert_array_equal(inputs["image"].numpy(), expected, strict=True)
        assert inputs["counts"].numpy().tolist() == list(range(n))


class TestInputContext:
    @staticmethod
    def read(folder, pipelines, **options):
        fn = input_fn(folder, "train", batch_size=4, **options)
        return [
            fn(tf.distribute.InputContext(pipelines, index, pipelines))
            for index in range(pipelines)
        ]

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_each_pipeline_reads_files_of_its_own(self, numbered, shuffle):
        first, second = self.read(numbered, 2, shuffle=shuffle)
        assert sorted(numbers(first)) == [*range(10), *range(17, 23)]
        assert sorted(numbers(second)) == list(range(10, 17))
        assert (first.cardinality(), second.cardinality()) == (4, 2)

    @pytest.mark.parametrize("shuffle", [False, True])
    def test_fewer_files_than_pipelines_are_split_by_record(self, numbered, shuffle):
        pipelines = self.read(numbered, 5, shuffle=shuffle)
        assert [sorted(numbers(p)) for p in pipelines] == [
            list(range(index, COUNT, 5)) for index in range(5)
        ]
        assert [int(p.cardinality()) for p in pipelines] == [2, 2, 2, 1, 1]

    def test_without_a_context_everything_is_read(self, numbered):
        assert numbers(input_fn(numbered, "train", batch_size=4)()) == list(range(COUNT))

    def test_faults_are_told_before_the_function_is_called(self, numbered):
        with pytest.raises(DatasetError):
            input_fn(numbered, "tset", batch_size=4)
        with pytest.raises(ValueError, match="batch_size"):
            input_fn(numbered, "train", batch_size=0)

    def test_a_strategy_takes_it(self, numbered):
        strategy = tf.distribute.MirroredStrategy(["cpu:0"])
        fn = input_fn(numbered, "train", batch_size=4)
        distributed = strategy.distribute_datasets_from_function(fn)
        assert [n for batch in distributed for n in batch.numpy()] == list(range(COUNT))
        distributed = strategy.experimental_distribute_dataset(fn())
        assert [n for batch in distributed for n in batch.numpy()] == list(range(COUNT))


def test_keras_trains_on_it(labelled):
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    train = load(labelled, "train", batch_size=8, shuffle=True, scaling="[0,1]")
    val = load(labelled, "val", batch_size=8, scaling="[0,1]")
    history = model.fit(train, validation_data=val, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()


def test_dataset_info(labelled):
    info = dataset_info(labelled)
    assert {name: split.num_records for name, split in info.splits.items()} == {
        "train": COUNT,
        "val": 5,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size: got 0, expected an integer of at least 1"),
        ({"batch_size": True}, "batch_size: got True, expected an integer of at least 1"),
        ({"shuffle": -1}, "shuffle: got -1, expected an integer of at least 1"),
        ({"repeat": 0}, "repeat: got 0, expected an integer of at least 1"),
        (
            {"drop_remainder": True},
            "drop_remainder: got True without a batch_size, expected both",
        ),
        (
            {"batch_size": 100, "drop_remainder": True},
            "batch_size: got 100 with drop_remainder, which leaves nothing of 23 records",
        ),
        ({"seed": "a"}, "seed: got 'a', expected an integer, or None for another order each run"),
        ({"seed": True}, "seed: got True, expected an integer, or None for another order each run"),
        ({"seed": 1.5}, "seed: got 1.5, expected an integer, or None for another order each run"),
        (
            {"mask": True},
            "mask: got it for a dataset of examples, expected one of clips, or max_boxes beside it",
        ),
        ({"frames": 0}, "frames: got it for a dataset of examples, expected one of clips"),
        ({"sampling": "head"}, "sampling: got it for a dataset of examples, expected one of clips"),
        (
            {"frames": 2, "pad_to": 2, "buckets": [1]},
            "frames: got it for a dataset of examples, expected one of clips",
        ),
        ({"targets": "label"}, "targets: got 'label', expected a list: ['label']"),
        ({"targets": ["labels"]}, "targets: got 'labels', expected some of image, label"),
        (
            {"targets": ["image", "label"]},
            "targets: got all features (image, label), which leaves no input; "
            "targets=[] gives one dict of everything",
        ),
        (
            {"scaling": "[-1,1]"},
            "scaling: got '[-1,1]', expected None or one of '[0,1]', 'standardize'",
        ),
        (
            {"image_dtype": "floats"},
            "image_dtype: got 'floats', expected one of uint8, uint16, float16, bfloat16, float32",
        ),
        (
            {"image_dtype": "int64"},
            "image_dtype: got 'int64', expected one of uint8, uint16, float16, bfloat16, float32",
        ),
        (
            {"image_dtype": "uint8", "scaling": "[0,1]"},
            "image_dtype: got 'uint8' with scaling '[0,1]', expected a floating-point type",
        ),
    ],
)
def test_arguments_that_cannot_be(labelled, options, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        load(labelled, "train", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scaling": "[0,1]"}, "scaling: got it for a dataset of n, expected one with an image"),
        (
            {"image_dtype": "float32"},
            "image_dtype: got it for a dataset of n, expected one with an image",
        ),
        (
            {"channels_first": True},
            "channels_first: got it for a dataset of n, expected one with an image",
        ),
        ({"one_hot": True}, "one_hot: got it for a dataset of n, expected one with a class label"),
    ],
)
def test_options_that_would_do_nothing(numbered, options, message):
    for read in (load, input_fn):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
            read(numbered, "train", **options)
        assert str(caught.value) == message


@pytest.mark.parametrize("batch_size", [None, 2])
def test_white_of_16_bits_is_more_than_float16_holds(tmp_path, batch_size):
    image = Image(source="path", height=1, width=3, encoding="raw", channels=1, dtype="uint16")
    row = {"deep": np.array([[0, 257, 65535]], np.uint16)}
    folder = write_dataset(tmp_path, Schema(features={"deep": image}), {"train": [[row, row]]})
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        load(folder, "train", image_dtype="float16")
    assert str(caught.value) == (
        "image_dtype: got 'float16' without a scaling, but feature 'deep' has levels up to 65535, which "
        "float16 does not reach (65504, then infinity); expected scaling='[0,1]' or 'standardize' beside "
        "it, or float32"
    )

    def levels(**options):
        pixels = next(iter(load(folder, "train", batch_size=batch_size, **options)))
        return tf.cast(pixels, tf.float64).numpy().ravel()[:3].tolist()

    assert levels(image_dtype="float16", scaling="[0,1]") == [0, float(np.float16(1 / 255)), 1]
    assert levels(image_dtype="bfloat16") == [0, 256, 65536]
    assert levels(image_dtype="float32") == [0, 257, 65535]


def test_channels_first_needs_one_size_in_a_batch(several):
    with pytest.raises(ValueError, match="read them with batch_size=None"):
        load(several, "train", batch_size=2, channels_first=True)


def test_standardize_needs_statistics(tmp_path):
    schema = Schema(features={"image": LABELLED.features["image"]})
    folder = write_dataset(tmp_path, schema, {"train": [[]]})
    with pytest.raises(DatasetError) as caught:
        load(folder, "train", scaling="standardize")
    assert str(caught.value) == (
        f"{folder}: no mean and std of 'image' in the statistics of split 'train', "
        "expected them for scaling='standardize'"
    )


def test_a_shard_that_lost_a_record_is_an_error(small):
    info = dataset_info(small)
    name = info.splits["train"].shards[0].files["tfrecord"].path
    data = (small / name).read_bytes()
    split = info.splits["train"].model_copy(update={"num_records": 3})
    shards = [shard.model_copy(update={"num_records": 1}) for shard in split.shards]
    shards[0] = shards[0].model_copy(update={"num_records": 2})
    split = split.model_copy(update={"shards": shards})
    write_info(small, info.model_copy(update={"splits": {"train": split}}))
    assert (small / name).read_bytes() == data
    with pytest.raises(tf.errors.FailedPreconditionError):
        list(load(small, "train"))


@pytest.mark.parametrize("source", ["tfrecord", "hdf5"])
def test_only_the_features_asked_for_are_read(all_kinds, source):
    options = {"source": source, "batch_size": 30, "targets": []}
    everything = next(iter(load(all_kinds, "train", **options)))
    some = next(iter(load(all_kinds, "train", features=["text/name", "box"], **options)))
    assert list(some) == ["box", "text/name"]
    for name, value in some.items():
        np.testing.assert_array_equal(value, everything[name])
    fn = input_fn(all_kinds, "train", features=["box", "label"], source=source, batch_size=30)
    box, label = next(iter(fn()))
    np.testing.assert_array_equal(box, everything["box"])
    np.testing.assert_array_equal(label, everything["label"])


def test_a_broken_feature_that_is_not_asked_for(tmp_path):
    other = LABELLED.model_copy(update={"features": {"label": LABELLED.features["label"]}})
    write_dataset(tmp_path, other, {"train": [[{"label": "a"}, {"label": "c"}]]})
    info = dataset_info(tmp_path)
    code = write_description(LABELLED).encode()
    (tmp_path / "feature_description.py").write_bytes(code)
    described = info.description.model_copy(update={"sha256": hashlib.sha256(code).hexdigest()})
    declared = LABELLED.to_dict()
    write_info(tmp_path, info.model_copy(update={"description": described, "declared": declared}))
    labels = load(tmp_path, "train", features=["label"], targets=[], batch_size=2)
    assert [batch["label"].numpy().tolist() for batch in labels] == [[0, 2]]
    with pytest.raises(tf.errors.InvalidArgumentError):  # the records hold no image
        list(load(tmp_path, "train", batch_size=2))
