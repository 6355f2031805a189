"""What libtiff says of a damaged file, taken before it gets to the terminal.

libtiff tells errors to one function of the whole process, which writes to standard error. Its own is
replaced by one that knows which thread decodes: redirecting the descriptor would need a lock around every
TIFF file, and would swallow what others write. Where Pillow's libtiff cannot be reached (a Pillow that has
it built in, Windows), messages go to the terminal as ever.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import _imaging

__all__ = ["collect_messages", "join_messages"]

_MOST = 3
_LONGEST = 300
_NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|\d+)\b")
_of_thread = threading.local()
_lock = threading.Lock()
_kept: list[Any] = []

# void handler(const char *module, const char *format, va_list): on the systems with a libtiff that can be
# reached, a va_list is handed over as a pointer.
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)


@contextmanager
def collect_messages() -> Iterator[list[str]]:
    """Collects what libtiff tells of errors in this thread, a line each."""
    _take_over()
    messages: list[str] = []
    _of_thread.messages = messages
    try:
        yield messages
    finally:
        _of_thread.messages = None


def join_messages(messages: list[str]) -> str:
    """The first few as one text, with numbers as ``N``, so that equal faults can be counted."""
    return "; ".join(dict.fromkeys(_NUMBER.sub("N", message) for message in messages[:_MOST]))


def _take_over() -> None:
    """Sets the handler, once a process; libtiff needs it from then on."""
    if not _kept:
        with _lock:
            if not _kept:
                _kept.append(_set_handler())


def _set_handler() -> Any:
    if os.name != "posix":
        return None
    try:
        # The symbol is looked for in Pillow's module and in the libraries that it has loaded.
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        format_text = ctypes.CDLL(None).vsnprintf
    except (AttributeError, OSError):
        return None
    set_handler.argtypes, set_handler.restype = [_Handler], ctypes.c_void_p
    format_text.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p]
    before: list[Any] = []

    def take(module: bytes | None, text: bytes, values: int | None) -> None:
        messages = getattr(_of_thread, "messages", None)
        if messages is None:  # someone else's image
            if before:
                before[0](module, text, values)
            return
        buffer = ctypes.create_string_buffer(_LONGEST)
        format_text(buffer, _LONGEST, text, values)
        if len(messages) < _MOST:
            parts = (part for part in (module, buffer.value) if part)
            messages.append(": ".join(part.decode("utf-8", "replace") for part in parts))

    handler = _Handler(take)
    found = set_handler(handler)
    if found:
        before.append(_Handler(found))
    return handler
