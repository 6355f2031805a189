"""The bounded pool of threads in a shard task: results in order, and no row that lasts for ever."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

__all__ = ["RowPool"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")

# Items in flight for each thread: enough that no thread waits, few enough that memory stays flat.
_AHEAD = 4


@dataclass(slots=True)
class _Job(Generic[_In, _Out]):
    """An item on its way, when it was begun, and what will become of it."""

    item: _In
    begun: float | None = None
    future: Future[_Out] = field(init=False)

    def run(self, function: Callable[[_In], _Out]) -> _Out:
        self.begun = time.monotonic()
        return function(self.item)


class RowPool:
    """Maps over items in threads.

    A thread cannot be stopped. One that overruns the time limit is left behind with its item, and the
    items that follow get a new pool; so a hostile image costs its own row, a thread, and no more.

    Attributes:
        threads: items that are worked on at the same time.
        seconds: the time limit of an item.
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

        Unlike ``Executor.map``, it takes the next item only when there is room for it.

        Args:
            function: what a thread does with an item.
            items: taken in the caller's thread.
            overrun: what becomes of an item that was not done within the time limit.
        """
        jobs: deque[_Job[_In, _Out]] = deque()
        try:
            for item in items:
                jobs.append(self._submit(_Job(item), function))
                if len(jobs) >= self.threads * _AHEAD:
                    yield self._finish(jobs, function, overrun)
            while jobs:
                yield self._finish(jobs, function, overrun)
        finally:
            for job in jobs:
                job.future.cancel()

    def close(self) -> None:
        """Waits for the threads that work, and ends them."""
        self._executor.shutdown()

    def _submit(self, job: _Job[Any, Any], function: Callable[[Any], Any]) -> _Job[Any, Any]:
        job.begun = None
        job.future = self._executor.submit(job.run, function)
        return job

    def _finish(
        self,
        jobs: deque[_Job[_In, _Out]],
        function: Callable[[_In], _Out],
        overrun: Callable[[_In], _Out],
    ) -> _Out:
        job = jobs.popleft()
        while not job.future.done():
            left = self.seconds - (time.monotonic() - job.begun if job.begun else 0)
            if left <= 0:
                self._replace_pool(jobs, function)
                return overrun(job.item)
            # It may have begun late; the loop asks how long it has really run.
            wait([job.future], timeout=left)
        return job.future.result()

    def _replace_pool(self, jobs: deque[_Job[_In, _Out]], function: Callable[[_In], _Out]) -> None:
        """Leaves the stuck thread behind; the items that no thread has begun go to a new pool."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._new_executor()
        for job in jobs:
            if job.future.cancelled():
                self._submit(job, function)

    def _new_executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, thread_name_prefix="pixelbeam")
