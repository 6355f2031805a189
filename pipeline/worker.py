"""A worker process of the local runner; it ends when its launcher does, however that came about."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

__all__ = ["main"]

_LOOK_SECONDS = 0.2


def main(launcher: int) -> None:
    """Works for a launcher until that is done, or gone.

    Beam's own worker, that is; which, left alone, waits up to a minute for a launcher that is gone.

    Args:
        launcher: the process that started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the launcher decides
    threading.Thread(target=_end_with, args=(launcher,), daemon=True).start()
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def _end_with(launcher: int) -> None:
    # Whoever loses its parent gets another one.
    while os.getppid() == launcher:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
