"""The versions that decide bytes: two builds with the same ones give the same files."""

from __future__ import annotations

import numpy as np
import PIL
from PIL import features

__all__ = ["BYTES_VERSION", "codec_versions"]

BYTES_VERSION = 1
"""Goes up with every change of pixelbeam that makes other bytes of the same manifest and schema."""


def codec_versions() -> dict[str, str]:
    """The versions of everything that takes part in turning an image file into record bytes."""
    versions = {
        "pixelbeam bytes": str(BYTES_VERSION),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
    for codec in ("jpg", "libjpeg_turbo", "zlib", "zlib_ng", "webp", "libtiff"):
        check = features.version_feature if codec in features.features else features.version
        versions[codec] = str(check(codec) or "absent")
    return dict(sorted(versions.items()))
