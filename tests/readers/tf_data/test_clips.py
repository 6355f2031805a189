"""Reading clips: which frames are decoded, and what a batch of clips of different lengths is."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import tensorflow as tf
from clips import FRAME, clip_schema, pixels, png
from datasets import write_info
from pixelbeam.readers import load
from pixelbeam.readers.options import ReadOptions
from pixelbeam.readers.tf_data.clips import choose_steps
from pixelbeam.schemas import DatasetInfo, write_description
from pixelbeam.schemas.dataset.info import FileInfo, ShardFile, ShardInfo, SplitInfo
from pixelbeam.schemas.features.base import Steps
from pixelbeam.schemas.images.tensorflow_source import DECODE_ONE
from pixelbeam.transforms.sinks.examples import serialize_sequence_example

LENGTHS = (3, 20, 8, 5, 12, 20)
SAMPLINGS = ("uniform", "random", "head", "window")
STEPS = {"frames": FRAME, "number": {"type": "int64", "source": "frame"}}
SCHEMA = clip_schema(
    {"label": {"type": "class_label", "source": "label", "num_classes": 9}},
    {**STEPS, "sound": {"type": "float32", "source": "sound", "ragged": True}},
)


def write_clips(folder, schema=SCHEMA, encoded=png):
    """Publishes clips of ``LENGTHS`` whose labels are their numbers."""
    code = write_description(schema).encode()
    (folder / "feature_description.py").write_bytes(code)
    path = folder / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for clip, length in enumerate(LENGTHS):
            values = {
                "label": np.array(clip),
                "frames": Steps(tuple(encoded(clip, frame) for frame in range(length))),
                "number": Steps(tuple(np.arange(length))),
                "tokens": Steps(tuple(np.arange(frame % 3) for frame in range(length))),
                "sound": Steps(tuple(np.arange(clip, dtype=np.float32))),
            }
            writer.write(serialize_sequence_example(values))
    data = path.read_bytes()
    shard = ShardFile(path=path.name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    info = ShardInfo(num_records=len(LENGTHS), files={"tfrecord": shard})
    digest = hashlib.sha256(code).hexdigest()
    dataset = DatasetInfo(
        fingerprint="f00",
        declared=schema.to_dict(),
        description=FileInfo(path="feature_description.py", sha256=digest),
        splits={"train": SplitInfo(num_records=len(LENGTHS), shards=[info])},
        rows=len(LENGTHS),
    )
    write_info(folder, dataset)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"))


def read(folder, **options):
    """All batches, as lists of (features, labels) with NumPy or ragged values."""
    return list(load(folder, "train", **options))


def expected_frames(clip, numbers, length):
    """The frames of a clip, filled up with black."""
    frames = np.zeros((length, 6, 8, 3), np.uint8)
    for place, number in enumerate(numbers):
        frames[place] = pixels(clip, number)
    return frames


def test_without_options_batches_are_ragged(clips):
    batches = read(clips, batch_size=4)
    assert [type(inputs["frames"]) for inputs, _ in batches] == [tf.RaggedTensor] * 2
    numbers = [row for inputs, _ in batches for row in inputs["number"].to_list()]
    assert numbers == [list(range(length)) for length in LENGTHS]
    frames = batches[0][0]["frames"]
    assert frames.shape.as_list() == [4, None, 6, 8, 3]
    np.testing.assert_array_equal(frames[1], expected_frames(1, range(20), 20))
    assert batches[1][0]["sound"].to_list() == [[0, 1, 2, 3], [0, 1, 2, 3, 4]]
    assert [labels.numpy().tolist() for _, labels in batches] == [[0, 1, 2, 3], [4, 5]]


def test_single_clips(clips):
    for clip, (inputs, label) in enumerate(read(clips)):
        np.testing.assert_array_equal(inputs["number"], np.arange(LENGTHS[clip]))
        assert inputs["frames"].shape == (LENGTHS[clip], 6, 8, 3)
        assert label == clip


def middles(length, frames):
    return [(2 * place + 1) * length // (2 * frames) for place in range(frames)]


def assert_chosen(sampling, frames, length, numbers, real):
    """Checks the steps chosen from a clip, of which so many are real and the others filled up."""
    assert real == (frames if sampling in ("uniform", "random") else min(frames, length))
    chosen = numbers[:real]
    assert numbers[real:] == [0] * (frames - real)
    if sampling == "uniform":
        assert numbers == middles(length, frames)
    if sampling == "head":
        assert chosen == list(range(real))
    if sampling == "window":
        assert chosen == list(range(chosen[0], chosen[0] + real))
        assert chosen[-1] < length
    if sampling == "random":
        ends = [n * length // frames for n in range(frames + 1)]
        parts = zip(numbers, ends[:-1], ends[1:], strict=True)
        assert all(low <= n < max(high, low + 1) for n, low, high in parts)
        assert length < frames or len(set(numbers)) == frames


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_sampled_frames_are_those_that_it_says(clips, sampling):
    seen = set()
    epochs = read(clips, batch_size=6, frames=4, sampling=sampling, seed=1, mask=True, repeat=6)
    for inputs, labels in epochs:
        assert inputs["frames"].shape == (6, 4, 6, 8, 3)
        for clip, length in enumerate(LENGTHS):
            numbers = inputs["number"][clip].numpy().tolist()
            mask = inputs["mask"][clip].numpy().tolist()
            real = sum(mask)
            assert mask == [n < real for n in range(4)]
            assert_chosen(sampling, 4, length, numbers, real)
            expected = expected_frames(clip, numbers[:real], 4)
            np.testing.assert_array_equal(inputs["frames"][clip], expected)
        seen.add(tuple(inputs["number"].numpy().ravel()))
        assert inputs["sound"].numpy().tolist() == [
            [*range(clip), *[0] * (5 - clip)] for clip in range(6)
        ]
        assert labels.numpy().tolist() == [0, 1, 2, 3, 4, 5]
    assert len(epochs) == 6
    assert (len(seen) > 1) == (sampling in ("random", "window"))


@pytest.mark.parametrize("frames", [1, 4, 8])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_any_number_of_steps_is_chosen_as_it_says(sampling, frames):
    numbers = {"number": tf.ragged.range(LENGTHS)}
    seen = set()
    for seed in range(6):
        chosen = choose_steps(numbers, ["number"], frames, sampling, tf.constant([seed, 7]))
        rows = chosen["number"].to_list()
        for row, length in zip(rows, LENGTHS, strict=True):
            filled = row + [0] * (frames - len(row))
            assert_chosen(sampling, frames, length, filled, len(row))
        seen.add(str(rows))
    assert (len(seen) > 1) == (sampling in ("random", "window"))


def test_only_sampled_frames_are_decoded(tmp_path, monkeypatch):
    counted = tmp_path / "decoded"
    decoder = "    return tf.io.decode_png("
    count = (
        "    def count(encoded):\n"
        f"        with open({str(counted)!r}, 'a') as file:\n"
        "            file.write('x')\n"
        "        return encoded\n"
        "    encoded = tf.py_function(count, [encoded], tf.string)\n"
    )
    code = DECODE_ONE["png"]
    assert decoder in code
    monkeypatch.setitem(DECODE_ONE, "png", code.replace(decoder, count + decoder))
    write_clips(tmp_path)
    for sampling in ("random", "uniform", "window", "head"):
        counted.write_text("")
        read(tmp_path, batch_size=3, frames=2, sampling=sampling)
        assert counted.stat().st_size == 2 * len(LENGTHS)
    counted.write_text("")
    read(tmp_path, batch_size=3, pad_to=6)
    assert counted.stat().st_size == sum(min(6, length) for length in LENGTHS)
    counted.write_text("")
    read(tmp_path, batch_size=3)
    assert counted.stat().st_size == sum(LENGTHS)


def test_frames_that_are_not_sampled_may_be_broken(tmp_path):
    write_clips(tmp_path, encoded=lambda clip, frame: png(clip, frame) if frame < 2 else b"broken")
    (inputs, _), *_ = read(tmp_path, batch_size=6, frames=2, sampling="head")
    np.testing.assert_array_equal(inputs["frames"][1], expected_frames(1, range(2), 2))
    with pytest.raises(tf.errors.InvalidArgumentError):
        read(tmp_path, batch_size=6)


def test_padding_and_masks(clips):
    for pad_to, length in (("longest", 20), (7, 7), (30, 30)):
        (inputs, _), = read(clips, batch_size=6, pad_to=pad_to, mask=True)  # fmt: skip
        assert inputs["frames"].shape == (6, length, 6, 8, 3)
        for clip, count in enumerate(LENGTHS):
            real = range(min(count, length))
            np.testing.assert_array_equal(
                inputs["frames"][clip], expected_frames(clip, real, length)
            )
            assert inputs["mask"][clip].numpy().sum() == len(real)
    spec = load(clips, "train", batch_size=6, pad_to=7).element_spec
    assert spec[0]["frames"].shape.as_list() == [None, 7, 6, 8, 3]


def test_buckets_put_clips_of_similar_lengths_together(clips):
    batches = read(clips, batch_size=2, buckets=[6, 13], pad_to="longest", mask=True)
    found = sorted(sorted(LENGTHS[label] for label in labels.numpy()) for _, labels in batches)
    assert found == [[3, 5], [8, 12], [20, 20]]
    assert sorted(int(inputs["frames"].shape[1]) for inputs, _ in batches) == [5, 12, 20]


def test_a_seed_makes_the_choice_the_same_and_each_epoch_another(clips):
    settings = {"batch_size": 2, "frames": 3, "sampling": "random", "shuffle": True, "repeat": 2}
    one, two, other = (
        [inputs["number"].numpy().tolist() for inputs, _ in read(clips, seed=seed, **settings)]
        for seed in (1, 1, 2)
    )
    assert one == two != other
    assert sorted(map(str, one[:3])) != sorted(map(str, one[3:]))


def test_scaling_and_channels_first(clips):
    (inputs, _), = read(clips, batch_size=6, frames=2, scaling="[0,1]", channels_first=True)  # fmt: skip
    expected = np.moveaxis(expected_frames(4, middles(12, 2), 2), -1, -3) / 255
    np.testing.assert_allclose(inputs["frames"][4], expected, rtol=1e-6)
    assert next(iter(load(clips, "train", channels_first=True)))[0]["frames"].shape == (3, 3, 6, 8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frames": 2, "mask": True, "channels_first": True, "scaling": "[0,1]"},
        {"buckets": [6], "pad_to": 30},
    ],
)
def test_drop_remainder_makes_the_number_of_clips_static(clips, options):
    dataset = load(clips, "train", batch_size=2, drop_remainder=True, targets=[], **options)
    shapes = {name: spec.shape.as_list() for name, spec in dataset.element_spec.items()}
    assert {name: shape[0] for name, shape in shapes.items()} == dict.fromkeys(shapes, 2)
    usual = load(clips, "train", batch_size=2, targets=[], **options).element_spec
    assert {name: [2, *spec.shape.as_list()[1:]] for name, spec in usual.items()} == shapes
    assert all(clip["number"].shape[0] == 2 for clip in dataset)


def test_the_number_of_batches_is_known(clips):
    assert load(clips, "train", batch_size=4, frames=2).cardinality() == 2
    assert load(clips, "train", batch_size=4, drop_remainder=True).cardinality() == 1
    assert load(clips, "train").cardinality() == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames: got 0, expected an integer of at least 1"),
        ({"pad_to": "most"}, "pad_to: got 'most', expected an integer of at least 1 or 'longest'"),
        (
            {"frames": 2, "sampling": "first"},
            "sampling: got 'first', expected one of 'random', 'uniform', 'head', 'window'",
        ),
        ({"sampling": "head"}, "sampling: got 'head' without frames, expected both"),
        ({"frames": 2, "pad_to": 3}, "pad_to: got 3 beside frames, expected one of the two"),
        (
            {"mask": True},
            "mask: got True for ragged batches, expected frames or pad_to beside it",
        ),
        (
            {"buckets": [5, 2]},
            "buckets: got [5, 2], expected rising numbers of steps, such as [16, 64]",
        ),
        ({"buckets": [5]}, "buckets: got them without a batch_size, expected both"),
        (
            {"channels_first": True, "batch_size": 2},
            "channels_first: feature 'frames' has clips of different lengths, which a batch cannot hold "
            "channels first; give frames or pad_to, or read them with batch_size=None",
        ),
    ],
)
def test_options_that_do_not_fit(clips, options, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared as a whole
        load(clips, "train", **options)
    assert str(caught.value) == message


def test_options_of_clips_need_clips():
    from support import IMAGE_SCHEMA

    with pytest.raises(
        ValueError, match=r"^frames: got it for a dataset of examples, expected one of clips$"
    ):
        ReadOptions(frames=2).check_clips(IMAGE_SCHEMA)
    ReadOptions().check_clips(IMAGE_SCHEMA)
    ReadOptions(frames=2).check_clips(SCHEMA)


def test_steps_of_every_kind_are_chosen_alike():
    features = {
        "a": tf.ragged.constant([[b"0", b"1", b"2"], [b"3"]]),
        "b": tf.ragged.constant([[[1], [], [2, 3]], [[4]]], ragged_rank=2),
        "c": tf.constant([7, 8]),
    }
    chosen = choose_steps(features, ["a", "b"], 2, "uniform", tf.constant([1, 2], tf.int64))
    assert chosen["a"].to_list() == [[b"0", b"2"], [b"3", b"3"]]
    assert chosen["b"].to_list() == [[[1], [2, 3]], [[4], [4]]]
    assert chosen["c"] is features["c"]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_frames_are_chosen_where_the_first_step_feature_is_a_list(tmp_path, sampling):
    tokens = {"type": "int64", "source": "tokens", "shape": [None]}
    schema = clip_schema({}, {"tokens": tokens, **STEPS})
    folder = write_clips(tmp_path, schema)
    (inputs,) = read(folder, batch_size=6, frames=4, sampling=sampling, seed=1, mask=True)
    for clip, length in enumerate(LENGTHS):
        real = min(4, length) if sampling in ("head", "window") else 4
        assert inputs["mask"][clip].numpy().tolist() == [n < real for n in range(4)]
        expected = np.zeros((4, inputs["tokens"].shape[2]), np.int64)
        for place, number in enumerate(inputs["number"][clip].numpy()[:real]):
            expected[place, : number % 3] = np.arange(number % 3)
        np.testing.assert_array_equal(inputs["tokens"][clip], expected)
