"""Memory for batches, used again once a batch is gone.

A batch of images is many megabytes. Fresh memory of that size comes from the system page by page, which
takes longer than the copy that fills it.
"""

from __future__ import annotations

import math
import mmap
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["empty"]

_ALIGNMENT = 64  # what TensorFlow asks of memory that it takes over without a copy
_LARGE_BYTES = 1 << 20
_KEPT_BYTES = 256 << 20

_free: list[mmap.mmap] = []
_lock = threading.RLock()  # a batch may go while the lock is held, since any allocation may collect


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """A new array of no particular content, which TensorFlow takes over without a copy.

    Its memory is used again when neither it nor any view of it is left.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE_BYTES:
        buffer = np.empty(size + _ALIGNMENT, np.uint8)
        start = -buffer.ctypes.data % _ALIGNMENT
        return buffer[start : start + size].view(dtype).reshape(shape)
    memory = _take(size)
    root = np.frombuffer(memory, np.uint8)  # every view of it keeps it
    weakref.finalize(root, _give_back, memory).atexit = False
    return root.view(dtype).reshape(shape)


def _take(size: int) -> mmap.mmap:
    with _lock:
        for index, memory in enumerate(_free):
            if len(memory) == size:
                return _free.pop(index)
    if not hasattr(mmap, "MAP_PRIVATE"):  # Windows, where no process is forked
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def _give_back(memory: mmap.mmap) -> None:
    with _lock:
        _free.append(memory)
        while sum(map(len, _free)) > _KEPT_BYTES:
            _free.pop(0)
