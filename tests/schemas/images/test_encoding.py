from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image
from pixelbeam.schemas.images.encoding import encode_jpeg

SHAPES = [(1, 1), (64, 48, 3), (700, 900, 3), (4200, 4000)]


def noise(shape):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def save(image, **settings):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [30, 100])
def test_the_bytes_are_those_of_save(quality):
    """Large ones before small ones, so that what was there before would show."""
    for shape in [*SHAPES, *reversed(SHAPES)]:
        image = noise(shape)
        assert encode_jpeg(image, {"quality": quality}) == save(image, quality=quality)


def test_a_failure_leaves_nothing_behind_for_the_next_image():
    image = noise((64, 64, 3))
    with pytest.raises(OSError, match="cannot write mode RGBA"):
        encode_jpeg(image.convert("RGBA"), {"quality": 90})
    with pytest.raises(ValueError, match="Invalid quality"):
        encode_jpeg(image, {"quality": "none"})
    assert encode_jpeg(image, {"quality": 90}) == save(image, quality=90)


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
