"""The entry point of ``pixelbeam``: settles who may write to the terminal, then runs the command."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from .terminal import prepare_streams

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: the arguments after the program's name; those of the process without.

    Returns:
        The exit code: 0 published, 1 failed, 2 bad usage, 3 too many rejects, 130 interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in arguments
    if argv is not None:
        _quiet_logs(verbose)  # Beam already logs while it is imported
        from .command_line import run_command

        return run_command(arguments, verbose)
    _on_signals(_end_now)
    prepare_streams()
    _quiet_logs(verbose)
    # All that importing Beam makes stays as long as the process does: the garbage collector need not
    # look at it, neither now nor later, which is a sixth of the time that a small build takes.
    gc.disable()
    from .command_line import EXIT_INTERRUPTED, run_command

    gc.freeze()
    gc.enable()
    _on_signals(_interrupt)
    code = run_command(arguments, verbose)
    _on_signals(lambda number, frame: os._exit(code))  # all is said and done
    if code == EXIT_INTERRUPTED:
        # Python would first wait for the shard tasks' threads, which nobody waits for any more.
        os._exit(code)
    return code


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if (
            signal.getsignal(number) is not signal.SIG_IGN
        ):  # as a shell sets it for what it runs apart
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _on_signals(_end_now)  # the second time, nothing is waited for
    raise KeyboardInterrupt


def _end_now(number: int, frame: FrameType | None) -> None:
    """Ends the process where an exception would be shown, or swallowed, by whatever it meets."""
    os.write(2, b"pixelbeam: interrupted\n")
    os._exit(130)


def _quiet_logs(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s"
    )
    if not verbose:
        # Beam logs a failing bundle with its traceback before it raises; the error is said once.
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
