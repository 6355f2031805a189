from __future__ import annotations

import signal

from hypothesis import settings

# A first call that imports TensorFlow, or a busy machine, is no fault of the code.
settings.register_profile("pixelbeam", deadline=None)
settings.load_profile("pixelbeam")

# A shell that starts something in the background has it ignore SIGINT, and all that it starts in turn;
# tests send that signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
