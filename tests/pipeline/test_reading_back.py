"""A dataset read with TensorFlow and its generated module alone, in a process without pixelbeam."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
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


def schema(**image):
    features = IMAGE_SCHEMA.to_dict()["features"]
    features["image"] |= {"decode": "exact", "quality": None, "subsampling": None, **image}
    return IMAGE_SCHEMA.from_dict(
        {"features": {**features, "path": {"type": "string", "source": "path"}}}
    )


def by_pillow(path, encoding: str) -> np.ndarray:
    """What the schema asks for, computed with nothing but Pillow: [32, 24, 3] uint8."""
    with Image.open(path) as image:
        fitted = ImageOps.fit(image.convert("RGB"), (24, 32), Image.Resampling.BILINEAR)
    if encoding != "jpeg":
        return np.asarray(fitted)
    buffer = io.BytesIO()
    fitted.save(buffer, "JPEG", quality=90, subsampling="4:2:0")
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("encoding", ["jpeg", "png", "raw"])
def test_every_label_and_pixel_equals_pillows(build_images, images, encoding):
    out = build_images(schema=schema(encoding=encoding), shard_size=ShardSize(num_shards=3))
    subprocess.run([sys.executable, "-c", READ, str(out)], check=True, capture_output=True, cwd="/")
    with np.load(out / "read.npz") as read:
        assert read["image"].shape == (40, 32, 24, 3) == (dataset_json(out)["rows"], 32, 24, 3)
        assert sorted(read["path"]) == sorted(path.name for path in images.glob("[0-9]*"))
        classes = ("cat", "dog", "newt")
        for path, label, pixels in zip(read["path"], read["label"], read["image"], strict=True):
            assert read["names"][label] == classes[int(path[:2]) % 3]
            np.testing.assert_array_equal(pixels, by_pillow(images / path, encoding))
