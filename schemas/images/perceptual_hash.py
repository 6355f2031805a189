"""A hash that pictures share which look alike: what near duplicates are found by."""

from __future__ import annotations

from operator import lt

import numpy as np
from PIL import Image

from .pixel_sums import sample

__all__ = ["dhash"]

_GRID = (9, 8)
_DIGITS = bytes.maketrans(b"\0\1", b"01")


def dhash(image: Image.Image) -> int:
    """The difference hash: whether it gets brighter from each cell of a grey grid to the next one.

    Pictures that were encoded again or scaled differ in a few of the 64 bits, others in about half of them; see
    N. Krawetz, "Kind of like that" (2013). Nine by eight cells are drawn with Pillow's bilinear filter from a
    regular sample of at most 64 by 64 pixels, so that a picture of any size costs the same.

    Args:
        image: upright and without what it is padded with; of 8 bits a channel, or ``I;16``. Alpha is ignored.

    Returns:
        64 bits, that of the top left pair first; 0 for a picture of one colour.
    """
    sampled = sample(image)
    if sampled.mode == "I;16":
        sampled = Image.fromarray((np.asarray(sampled) >> 8).astype(np.uint8))
    cells = sampled.convert("L").resize(_GRID, Image.Resampling.BILINEAR).tobytes()
    # Without NumPy, whose calls would take half of the time for so few numbers.
    brighter = bytearray(map(lt, cells, cells[1:]))
    del brighter[_GRID[0] - 1 :: _GRID[0]]  # from the end of a row to the begin of the next
    return int(brighter.translate(_DIGITS), 2)
