"""Where a running build is, seen from the results of its finished shards, so on any runner."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rich.console import Console

from ..schemas.dataset.file_names import STATE_FOLDER
from ..transforms.shards.plan import PLAN_FILE, Plan
from ..transforms.shards.shard_result import ShardResult
from ..transforms.storage.output_folder import Folder

__all__ = ["Progress", "ProgressWatch", "format_seconds", "report_progress"]

_TERMINAL_SECONDS = 1.0
_LOG_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is.

    Attributes:
        shards: finished shards.
        num_shards: all shards.
        rows: rows of the finished shards.
        num_rows: rows of all shards.
        rejects: rejects of the finished shards.
        fresh_rows: rows of the shards that were finished since the watch began.
        seconds: since the watch began.
        unit: what the rows are.
    """

    shards: int
    num_shards: int
    rows: int
    num_rows: int
    rejects: int
    fresh_rows: int
    seconds: float
    unit: str = "images"

    def __str__(self) -> str:
        text = f"{self.shards:,} of {self.num_shards:,} shards, {self.rows:,} of {self.num_rows:,} rows"
        text += f", {self.rejects:,} rejects"
        if self.fresh_rows and self.seconds > 0:
            rate, left = self.fresh_rows / self.seconds, max(0, self.num_rows - self.rows)
            text += f", {rate:,.0f} {self.unit}/s, {format_seconds(left / rate)} left"
        return text


class ProgressWatch:
    """Looks at an output folder; each look reads only the results that are new."""

    def __init__(self, output: Folder, clock: Callable[[], float] = time.monotonic):
        self._output, self._clock = output, clock
        self._results: dict[str, tuple[int, int]] = {}
        self._plan: Plan | None = None
        self._started = clock()
        self._look_at_results()
        self._resumed_rows = sum(rows for rows, _ in self._results.values())

    def look(self) -> Progress | None:
        """How far the build is; ``None`` while its plan is not yet made."""
        if self._plan is None and not self._find_plan():
            return None
        assert self._plan is not None
        self._look_at_results()
        splits = self._plan.splits.values()
        rows = sum(rows for rows, _ in self._results.values())
        return Progress(
            shards=len(self._results),
            num_shards=sum(split.num_shards for split in splits),
            rows=rows,
            num_rows=sum(split.num_rows for split in splits),
            rejects=sum(rejects for _, rejects in self._results.values()),
            fresh_rows=rows - self._resumed_rows,
            seconds=self._clock() - self._started,
            unit="clips" if self._plan.schema.clips else "images",
        )

    def _find_plan(self) -> bool:
        data = self._output.read(PLAN_FILE)
        if data is None:
            return False
        self._plan = Plan.from_json(data)
        return True

    def _look_at_results(self) -> None:
        stems = (file.rpartition(".") for file in self._output.sizes(f"{STATE_FOLDER}/shards"))
        new = [n for n, _, suffix in stems if suffix == "json" and n not in self._results]
        contents = self._output.read_all(map(ShardResult.path, new))
        for name, data in zip(new, contents, strict=True):
            with suppress(ValueError):  # what a power loss left behind is about to be replaced
                result = ShardResult.from_json(data or b"")
                self._results[name] = result.num_rows, result.num_rows - result.num_records


@contextmanager
def report_progress(watch: ProgressWatch, console: Console) -> Iterator[None]:
    """Says how far the build is while the body runs.

    On a terminal as one line that is kept up to date, elsewhere as a line for every tenth of the rows.
    """
    stop = threading.Event()
    reporter = _report_to_terminal if console.is_terminal else _report_to_log
    thread = threading.Thread(target=reporter, args=(watch, console, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _report_to_terminal(watch: ProgressWatch, console: Console, stop: threading.Event) -> None:
    with console.status("reading the manifest") as status:
        while not stop.wait(_TERMINAL_SECONDS):
            progress = watch.look()
            if progress is not None:
                status.update(str(progress))


def _report_to_log(watch: ProgressWatch, console: Console, stop: threading.Event) -> None:
    said = 0
    while not stop.wait(_LOG_SECONDS):
        progress = watch.look()
        if progress is not None and progress.num_rows:
            tenth = 10 * progress.rows // progress.num_rows
            if tenth > said:
                said = tenth
                console.print(f"  {progress}", highlight=False, soft_wrap=True)


def format_seconds(seconds: float) -> str:
    """A duration for people: ``4.2 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
