"""From COCO's format to a trained detector: shapes pasted into real photos, nothing downloaded.

Pastes circles, squares and triangles into parts of photos (scikit-learn's two, or your own), some of them turned
as phones turn theirs, and writes down where they are as `instances.json`. Builds a dataset from that with
`pixelbeam build`, and trains a small network that finds them again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from digits import silent_stderr
from PIL import Image, ImageDraw
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.datasets import load_sample_images

with silent_stderr():
    import keras
    import tensorflow as tf
    from pixelbeam.readers import load

SCHEMA = Path(__file__).with_name("detection.yaml")
SHAPES = ("circle", "square", "triangle")
GOOD_ENOUGH = 0.6
_IMAGES, _MOST_SHAPES = 600, 3
_GRID = 16  # cells a side, each of which may find one shape
_TURNED = 6  # EXIF's number for a camera that was held on its side
_CANDIDATES, _OVERLAP = 20, 0.5


def paste_shapes(photo: Image.Image, rng: random.Random) -> tuple[Image.Image, list[Any]]:
    """A part of a photo with some shapes; returns each shape's class and its box, x, y, width and height."""
    width, height = rng.randint(100, 200), rng.randint(100, 200)
    left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
    image = photo.crop((left, top, left + width, top + height))
    draw = ImageDraw.Draw(image)
    shapes: list[Any] = []
    for _ in range(rng.randint(1, _MOST_SHAPES)):
        side = rng.randint(20, 50)
        x, y = rng.randint(0, width - side), rng.randint(0, height - side)
        apart = (
            x + side < a or a + c < x or y + side < b or b + d < y for _, (a, b, c, d) in shapes
        )
        if not all(apart):
            continue  # they do not hide each other
        shape, colour = rng.choice(SHAPES), tuple(rng.choices(range(256), k=3))
        corners = [(x, y), (x + side - 1, y + side - 1)]
        if shape == "circle":
            draw.ellipse(corners, fill=colour, outline="white")
        elif shape == "square":
            draw.rectangle(corners, fill=colour, outline="white")
        else:
            tip = [(x + side / 2, y), (x + side - 1, y + side - 1), (x, y + side - 1)]
            draw.polygon(tip, fill=colour, outline="white")
        shapes.append((shape, [x, y, side, side]))
    return image, shapes


def export_shapes(folder: Path, photos: Path | None) -> Path:
    """Writes the images, and COCO's file that says what is in them."""
    folder.mkdir(parents=True, exist_ok=True)
    found = (
        [Image.open(path).convert("RGB") for path in sorted(photos.glob("*.jpg"))] if photos else []
    )
    found = found or [Image.fromarray(pixels) for pixels in load_sample_images().images]
    found = [photo for photo in found if min(photo.size) >= 200]
    rng = random.Random(0)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(_IMAGES):
        image, shapes = paste_shapes(found[number % len(found)], rng)
        # COCO's numbers are those of the image as people see it.
        images.append(
            {
                "id": number,
                "file_name": f"{number:04}.jpg",
                "width": image.width,
                "height": image.height,
            }
        )
        for shape, box in shapes:
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": 10 * (1 + SHAPES.index(shape)),
                    "bbox": box, "area": box[2] * box[3], "iscrowd": 0,
                }
            )  # fmt: skip
        exif = Image.Exif()
        if number % 4 == 0:  # stored on its side, with a note that it is
            exif[0x0112], image = _TURNED, image.transpose(Image.Transpose.ROTATE_90)
        image.save(folder / f"{number:04}.jpg", quality=95, exif=exif)
    categories = [{"id": 10 * (1 + number), "name": name} for number, name in enumerate(SHAPES)]
    path = folder / "instances.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return path


def build_dataset(manifest: Path, output: Path) -> None:
    """Runs the command that one would type."""
    command = [
        *("pixelbeam", "build"),
        *("--manifest", str(manifest)),
        *("--schema", str(SCHEMA)),
        *("--output", str(output)),
        *("--splits", "train=0.8,val=0.2"),
        *("--duplicate_distance", "none"),  # they are all parts of a few photos
    ]
    print("$", *command, flush=True)
    pixelbeam = shutil.which("pixelbeam", path=Path(sys.executable).parent) or "pixelbeam"
    done = subprocess.run([pixelbeam, *command[1:]])
    if done.returncode:
        sys.exit(done.returncode)  # pixelbeam has said why


def centres() -> Any:
    """Where the cells' centres are, x and y as shares of the image: [grid, grid, 2]."""
    steps = (tf.range(_GRID, dtype=tf.float32) + 0.5) / _GRID
    return tf.stack(tf.meshgrid(steps, steps), axis=-1)


def to_cells(images: Any, objects: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What each cell is to find: its class, and how far from its centre the edges of its box are."""
    boxes, cells = objects["boxes"], centres()[None, :, :, None]
    middle, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    away = tf.abs(cells - middle[:, None, None]) - 0.2 * size[:, None, None]
    inside = tf.reduce_all(away <= 0.5 / _GRID, axis=-1) & (objects["labels"] >= 0)[:, None, None]
    chosen = tf.argmax(tf.cast(inside, tf.int32), axis=-1)  # shapes do not overlap
    found = tf.reduce_any(inside, axis=-1)
    labels = tf.where(found, tf.gather(objects["labels"], chosen, batch_dims=1), -1)
    box = tf.gather(boxes, chosen, batch_dims=1)
    edges = tf.concat([centres() - box[..., :2], box[..., 2:] - centres()], axis=-1) * _GRID
    weights = tf.cast(found, tf.float32)[..., None]
    return images, {
        "classes": tf.one_hot(labels, len(SHAPES)),
        "edges": tf.concat([edges * weights, weights], axis=-1),
    }


def edge_loss(expected: Any, edges: Any) -> Any:
    """How far the edges are off, in cells, where there is a shape."""
    weights = expected[..., 4:]
    off = keras.ops.abs(expected[..., :4] - edges) * weights
    return keras.ops.sum(off) / (4 * keras.ops.sum(weights) + 1)


def build_model(steps: int) -> keras.Model:
    """A small convolutional network with a class and a box for each of 16 x 16 cells, for so many steps."""
    layers = keras.layers
    image = keras.Input((128, 128, 3))
    x = image
    for filters in (16, 32, 64):
        x = layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    for dilation in (2, 4):  # shapes are larger than what a cell sees
        x = layers.Conv2D(64, 3, padding="same", dilation_rate=dilation, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    rare = keras.initializers.Constant(-4.0)  # most cells have nothing
    classes = layers.Conv2D(len(SHAPES), 1, bias_initializer=rare, name="classes")(x)
    edges = layers.Conv2D(4, 1, activation="softplus", name="edges")(x)
    model = keras.Model(image, {"classes": classes, "edges": edges})
    rate = keras.optimizers.schedules.CosineDecay(0.003, decay_steps=steps)
    focal = keras.losses.BinaryFocalCrossentropy(from_logits=True, reduction="sum")
    model.compile(
        keras.optimizers.Adam(rate),
        {"classes": focal, "edges": edge_loss},
        loss_weights={"classes": 0.02, "edges": 1.0},
    )
    return model


def detect(predicted: dict[str, Any], number: int) -> list[list[float]]:
    """The boxes found in an image, as COCO lists them: image, x, y, width, height, score, class."""
    scores = tf.sigmoid(predicted["classes"][number])
    edges, cells = predicted["edges"][number] / _GRID, centres()
    boxes = tf.reshape(tf.concat([cells - edges[..., :2], cells + edges[..., 2:]], -1), [-1, 4])
    found = []
    for label in range(len(SHAPES)):
        of_label = tf.reshape(scores[..., label], [-1])
        for cell in tf.image.non_max_suppression(boxes, of_label, _CANDIDATES, _OVERLAP).numpy():
            left, top, right, bottom = boxes[cell].numpy().tolist()
            found.append(
                [number, left, top, right - left, bottom - top, float(of_label[cell]), label]
            )
    return found


def mean_average_precision(model: keras.Model, validation: Any) -> float:
    """COCO's mAP at an overlap of 0.5, by its own tools, on what the records hold."""
    images, objects = next(iter(validation))
    predicted = model.predict(images, verbose=0)
    results = [found for number in range(len(images)) for found in detect(predicted, number)]
    expected: list[dict[str, Any]] = []
    for number, (boxes, labels) in enumerate(zip(objects["boxes"], objects["labels"], strict=True)):
        for (left, top, right, bottom), label in zip(boxes.numpy().tolist(), labels, strict=True):
            if label >= 0:
                box = [left, top, right - left, bottom - top]
                one = {"image_id": number, "category_id": int(label), "bbox": box, "iscrowd": 0}
                expected.append({"id": len(expected) + 1, "area": box[2] * box[3], **one})
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number} for number in range(len(images))],
        "annotations": expected,
        "categories": [{"id": number, "name": name} for number, name in enumerate(SHAPES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(np.array(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[1])


def train(output: Path, epochs: int) -> float:
    """Trains on the one split and returns the mAP on the other."""
    keras.utils.set_random_seed(0)
    options: Any = {"max_boxes": _MOST_SHAPES, "keras_boxes": True, "scaling": "[0,1]"}
    training = load(output, "train", batch_size=16, shuffle=True, seed=0, **options)
    validation = load(output, "val", batch_size=_IMAGES, **options)
    model = build_model(steps=epochs * len(training))
    model.fit(training.map(to_cells), epochs=epochs, shuffle=False, verbose=2)
    return mean_average_precision(model, validation)


def main() -> int:
    """Exports, builds, trains, and says what to do next."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="a folder of JPEG files to paste shapes into")
    parser.add_argument("--data", type=Path, default=Path("data/shapes"), help="the images")
    parser.add_argument("--output", type=Path, default=Path("out/shapes"), help="the dataset")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()

    manifest = export_shapes(options.data, options.photos)
    build_dataset(manifest, options.output)
    precision = train(options.output, options.epochs)
    print(f"\nvalidation mAP at 0.5: {precision:.3f} (at least {GOOD_ENOUGH} is expected)")
    print(f"the dataset lies in {options.output}; its images are in {options.data}")
    print("for your own images, with COCO's instances.json:")
    print("  ./run_local.sh --manifest instances.json --image_root images \\")
    print("    --schema object_detection --output out/mine")
    return 0 if precision >= GOOD_ENOUGH else 1


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
