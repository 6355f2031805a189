"""A dataset read with TensorFlow and its generated module alone, in a process without pixelbeam."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
from PIL import Image, ImageOps
from pixelbeam.transforms.shards.plan_shards import ShardSize
from support import IMAGE_SCHEMA, dataset_json

READ = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pixelbeam", "apache_beam"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
folder, sys.path = sys.argv[1], [sys.argv[1], *sys.path]
import numpy as np, tensorflow as tf, feature_description
files = sorted(tf.io.gfile.glob(folder + "/train-*.tfrecord"))
dataset = tf.data.TFRecordDataset(files).batch(7).map(feature_description.parse_example)
batches = [
    {name: value.numpy() for name, value in batch.items()}
    for batch in dataset.map(feature_description.decode)
]
whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
whole["path"] = whole["path"].astype("U")
names = np.array(feature_description.CLASS_NAMES["label"])
np.savez(folder + "/read.npz", names=names, **whole)
assert not {"pixelbeam", "apache_beam"} & set(sys.modules)
"""


ENCODINGS = ("jpeg", "png", "raw")


def schema():
    """The image in each encoding, with its label and its path."""
    features = IMAGE_SCHEMA.to_dict()["features"]
    image = {**features.pop("image"), "decode": "exact", "quality": None, "subsampling": None}
    images = {encoding: {**image, "encoding": encoding} for encoding in ENCODINGS}
    path = {"type": "string", "source": "path"}
    return IMAGE_SCHEMA.from_dict({"features": {**images, **features, "path": path}})


def by_pillow(path, encoding: str) -> np.ndarray:
    """What the schema asks for, computed with nothing but Pillow: [32, 24, 3] uint8."""
    with Image.open(path) as image:
        fitted = ImageOps.fit(image.convert("RGB"), (24, 32), Image.Resampling.BILINEAR)
    if encoding != "jpeg":
        return np.asarray(fitted)
    buffer = io.BytesIO()
    fitted.save(buffer, "JPEG", quality=90, subsampling="4:2:0")
    return np.asarray(Image.open(buffer))


def test_every_label_and_pixel_equals_pillows(build_images, images):
    out = build_images(schema=schema(), shard_size=ShardSize(num_shards=3))
    subprocess.run([sys.executable, "-c", READ, str(out)], check=True, capture_output=True, cwd="/")
    with np.load(out / "read.npz") as file:
        read = dict(file)
    assert sorted(read["path"]) == sorted(path.name for path in images.glob("[0-9]*"))
    classes = ("cat", "dog", "newt")
    for path, label in zip(read["path"], read["label"], strict=True):
        assert read["names"][label] == classes[int(path[:2]) % 3]
    for encoding in ENCODINGS:
        assert read[encoding].shape == (40, 32, 24, 3) == (dataset_json(out)["rows"], 32, 24, 3)
        for path, pixels in zip(read["path"], read[encoding], strict=True):
            np.testing.assert_array_equal(pixels, by_pillow(images / path, encoding))
