from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# A first call that imports TensorFlow, or a busy machine, is no fault of the code.
settings.register_profile("pixelbeam", deadline=None)
settings.load_profile("pixelbeam")

# A shell that starts something in the background has it ignore SIGINT, and all that it starts in turn;
# tests send that signal.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: else the last process goes on with one when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
