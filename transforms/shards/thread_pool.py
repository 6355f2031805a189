"""The bounded pool of threads in a shard task: results in order, and no row that lasts for ever."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, Generic, TypeVar

__all__ = ["RowPool"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")

# Jobs in flight for each thread: enough that no thread waits, few enough that memory stays flat.
_AHEAD = 4
# Handing a job to a thread and back costs about 0.1 ms, which is much for small images; so quick items
# share a job. Slow ones, which may also be large or far away, go one by one.
_JOB_SECONDS = 0.02
_MOST_ITEMS = 16


class _Job(Generic[_In, _Out]):
    """A few items on their way, and what has become of them so far.

    Attributes:
        items: taken in order.
        results: of the items that are done.
        begun: the index of the item that a thread is at, and when it began it; ``None`` before.
        seconds: how long the whole job took, once it is done.
        abandoned: tells the thread to leave the items that it has not begun.
        future: of the run.
    """

    __slots__ = ("abandoned", "begun", "future", "items", "results", "seconds")

    def __init__(self, items: list[_In]):
        self.items = items
        self.results: list[_Out] = []
        self.begun: tuple[int, float] | None = None
        self.seconds = 0.0
        self.abandoned = False
        self.future: Future[None]

    def run(self, function: Callable[[_In], _Out]) -> None:
        started = time.monotonic()
        for index, item in enumerate(self.items):
            if self.abandoned:
                return
            self.begun = index, time.monotonic()
            self.results.append(function(item))
        self.seconds = time.monotonic() - started


class RowPool:
    """Maps over items in threads.

    A thread cannot be stopped. One that overruns the time limit is left behind with its item, and the
    items that follow get a new pool; so a hostile image costs its own row, a thread, and no more.

    Attributes:
        threads: items that are worked on at the same time.
        seconds: the time limit of an item; infinite for none.
    """

    def __init__(self, threads: int, seconds: float):
        self.threads, self.seconds = threads, seconds
        self._executor = self._new_executor()

    def map(
        self,
        function: Callable[[_In], _Out],
        items: Iterable[_In],
        overrun: Callable[[_In], _Out],
    ) -> Iterator[_Out]:
        """Maps over items: results in the items' order, a few items a thread in flight.

        Unlike ``Executor.map``, it takes the next items only when there is room for them.

        Args:
            function: what a thread does with an item.
            items: taken in the caller's thread.
            overrun: what becomes of an item that was not done within the time limit.
        """
        jobs: deque[_Job[_In, _Out]] = deque()
        source = iter(items)
        size = 1
        try:
            while taken := list(islice(source, size)):
                jobs.append(self._submit(_Job(taken), function))
                if len(jobs) >= self.threads * _AHEAD:
                    job = jobs[0]
                    yield from self._finish(jobs, function, overrun)
                    size = _items_a_job(job)
            while jobs:
                yield from self._finish(jobs, function, overrun)
        finally:
            for job in jobs:
                job.abandoned = True
                job.future.cancel()

    def close(self) -> None:
        """Waits for the threads that work, and ends them."""
        self._executor.shutdown()

    def _submit(self, job: _Job[_In, _Out], function: Callable[[_In], _Out]) -> _Job[_In, _Out]:
        job.future = self._executor.submit(job.run, function)
        return job

    def _finish(
        self,
        jobs: deque[_Job[_In, _Out]],
        function: Callable[[_In], _Out],
        overrun: Callable[[_In], _Out],
    ) -> list[_Out]:
        """The results of the first job, or of its items up to one that got stuck."""
        job = jobs.popleft()
        while not job.future.done():
            index, begun = job.begun or (0, time.monotonic())
            left = self.seconds - (time.monotonic() - begun)
            if left <= 0:
                results = [*job.results[:index], overrun(job.items[index])]
                self._leave_behind(job, job.items[index + 1 :], jobs, function)
                return results
            # Its item may have begun late; the loop asks how long that has really run.
            wait([job.future], timeout=min(left, threading.TIMEOUT_MAX))
        job.future.result()
        return job.results

    def _leave_behind(
        self,
        job: _Job[_In, _Out],
        rest: list[_In],
        jobs: deque[_Job[_In, _Out]],
        function: Callable[[_In], _Out],
    ) -> None:
        """Leaves a stuck thread behind with its item; all that is not yet begun goes to a new pool."""
        job.abandoned = True
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._new_executor()
        waiting = [other for other in jobs if other.future.cancelled()]
        if rest:
            jobs.appendleft(_Job(rest))
            waiting.insert(0, jobs[0])
        for other in waiting:
            self._submit(other, function)

    def _new_executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix="pixelbeam")


def _items_a_job(job: _Job[Any, Any]) -> int:
    """How many items the next job takes, judged by one that is done."""
    if job.seconds == 0:
        return 1
    return max(1, min(_MOST_ITEMS, int(_JOB_SECONDS * len(job.items) / job.seconds)))
