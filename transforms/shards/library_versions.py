"""The versions that decide bytes: two builds with the same ones give the same files."""

from __future__ import annotations

from collections.abc import Mapping

import apache_beam
import numpy as np
import PIL
import pyarrow
import simplejpeg
from PIL import features

from ...schemas.errors import BuildError

__all__ = ["BYTES_VERSION", "check_versions", "codec_versions"]

BYTES_VERSION = 3  # the index has orientation and statistics; files that are cut off are counted
"""Goes up with every change of pixelbeam that makes other bytes of the same manifest and schema."""


def codec_versions() -> dict[str, str]:
    """The versions of everything that takes part in turning a row and its files into a record's values.

    What a file format adds to that, protobuf or HDF5, is its sink's to name.
    """
    versions = {
        # Its coder packs the rows, whose bytes shards' fingerprints are hashes of, and the order of equal ones.
        "apache-beam": apache_beam.__version__,
        "pixelbeam bytes": str(BYTES_VERSION),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        # It decides what a cell of a Parquet manifest is. Named where there is none, too: whether there is one
        # is known to the launcher alone, and a list that is always the same is one that can be compared.
        "pyarrow": pyarrow.__version__,
        "simplejpeg": simplejpeg.__version__,
    }
    for codec in ("jpg", "libjpeg_turbo", "zlib", "zlib_ng", "webp", "libtiff", "littlecms2"):
        check = features.version_feature if codec in features.features else features.version
        versions[codec] = str(check(codec) or "absent")
    return dict(sorted(versions.items()))


def check_versions(here: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Checks that a worker writes the bytes that the launcher would.

    Args:
        here: the worker's versions.
        expected: the launcher's.

    Raises:
        BuildError: they differ.
    """
    for name in sorted({**here, **expected}):
        got, wanted = here.get(name, "none"), expected.get(name, "none")
        if got != wanted:
            raise BuildError(
                f"this worker has {name} {got}, expected {wanted} as the launcher has; other versions may "
                "write other bytes, so install the launcher's on the workers"
            )
