from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from pictures import exif, picture, save
from PIL import Image
from pixelbeam.schemas.errors import Reject
from pixelbeam.schemas.images import encoding
from pixelbeam.schemas.images.encoding import encode, encode_jpeg

SHAPES = [(1, 1), (64, 48, 3), (700, 900, 3), (4200, 4000)]


def noise(shape):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def save_jpeg(image, **settings):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [30, 100])
def test_the_bytes_are_those_of_save(quality):
    """Large ones before small ones, so that what was there before would show."""
    for shape in [*SHAPES, *reversed(SHAPES)]:
        image = noise(shape)
        assert encode_jpeg(image, {"quality": quality}) == save_jpeg(image, quality=quality)


def test_a_failure_leaves_nothing_behind_for_the_next_image():
    image = noise((64, 64, 3))
    with pytest.raises(OSError, match="cannot write mode RGBA"):
        encode_jpeg(image.convert("RGBA"), {"quality": 90})
    with pytest.raises(ValueError, match="Invalid quality"):
        encode_jpeg(image, {"quality": "none"})
    assert encode_jpeg(image, {"quality": 90}) == save_jpeg(image, quality=90)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc/self/fd")
def test_threads_close_their_files():
    def count():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for _ in range(3):
        thread = threading.Thread(target=encode_jpeg, args=(noise((8, 8)), {"quality": 90}))
        thread.start()
        thread.join()
    del thread
    assert count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_has_a_file_of_its_own():
    code = (
        "import os; from PIL import Image; from pixelbeam.schemas.images import encoding as j\n"
        "encode = lambda: j.encode_jpeg(Image.new('L', (8, 8)), {'quality': 90})\n"
        "encode(); parent = os.fstat(j._of_thread.file.fileno()).st_ino\n"
        "child = os.fork()\n"
        "if not child: encode(); os._exit(os.fstat(j._of_thread.file.fileno()).st_ino == parent)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux's memfd_create")
@pytest.mark.parametrize(
    ("size", "at_once"), [((8, 8), True), ((4096, 4096), True), ((4097, 4096), False)]
)
def test_only_large_images_keep_other_threads_waiting(size, at_once, monkeypatch):
    """Those that take a descriptor let go of Python's lock; one of 16 Mi pixels would keep much memory."""
    rewound = []
    monkeypatch.setattr(encoding._MemoryFile, "rewind", lambda file: rewound.append(file))
    monkeypatch.setattr(encoding._MemoryFile, "written", lambda file: b"at once")
    image = Image.new("L", size)
    found = encode_jpeg(image, {"quality": 1})
    assert (len(rewound), found == b"at once") == (at_once, at_once)
    assert at_once or found == save_jpeg(image, quality=1)
    monkeypatch.undo()
    assert encode_jpeg(noise((8, 8)), {"quality": 90}) == save_jpeg(noise((8, 8)), quality=90)


def test_without_descriptors_the_bytes_are_the_same(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(encoding, "_of_thread", None)
    assert encode_jpeg(noise((8, 8)), {"quality": 90}) == save_jpeg(noise((8, 8)), quality=90)


@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_no_metadata_is_written(name):
    image = picture()
    image.info = {
        "comment": b"a secret", "exif": exif(6).tobytes(), "icc_profile": b"a secret",
        "transparency": (0, 0, 0), "xmp": b"a secret", "dpi": (300, 300),
    }  # fmt: skip
    data = encode(image, name, quality=None if name == "png" else 90)
    assert b"secret" not in data
    info = set(Image.open(io.BytesIO(data)).info)
    assert info <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background"}


def test_jpeg_settings_are_obeyed():
    got = encode(picture(), "jpeg", quality=71, subsampling="4:4:4")
    assert got == save(picture(), "JPEG", quality=71, subsampling=0)
    assert got != encode(picture(), "jpeg", quality=71, subsampling="4:2:0")


def test_webp_without_loss_keeps_the_colours_under_full_transparency():
    image = picture(channels=4)
    image.putalpha(picture(channels=1).point(lambda level: 0 if level < 100 else 255))
    data = encode(image, "webp", lossless=True)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(image))


@pytest.mark.parametrize(("name", "largest"), [("webp", 16383), ("jpeg", 65500)])
def test_a_side_that_the_format_cannot_hold_is_a_reject(name, largest):
    for size in ((largest + 1, 1), (1, largest + 1)):
        with pytest.raises(Reject) as caught:
            encode(Image.new("RGB", size), name, quality=90)
        assert str(caught.value) == (
            f"encode: image_too_large: got {size[0]}x{size[1]} (width x height) pixels, "
            f"expected at most {largest} a side with encoding {name}"
        )


def test_the_largest_sides_can_be_encoded():
    assert encode(Image.new("L", (65500, 1)), "jpeg", quality=90)
    assert encode(Image.new("RGB", (16383, 1)), "webp", quality=90)


def test_png_is_compressed_by_level_4():
    image = Image.radial_gradient("L")
    three, four, five = (save(image, "PNG", compress_level=level) for level in (3, 4, 5))
    assert encode(image, "png") == four
    assert four not in (three, five)


def test_webp_settings_are_obeyed():
    assert encode(picture(), "webp", quality=71) == save(picture(), "WEBP", quality=71)
    exact = save(picture(channels=4), "WEBP", lossless=True, exact=True)
    assert encode(picture(channels=4), "webp", lossless=True, quality=71) == exact
