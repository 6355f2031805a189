from __future__ import annotations

import signal

# A shell that starts something in the background has it ignore SIGINT, and all that it starts in turn;
# tests send that signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
