from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.transforms.shards import thread_pool
from pixelbeam.transforms.shards.thread_pool import RowPool


def double(number):
    return number * 2


def never(item):
    raise AssertionError(f"{item} overran")


@settings(deadline=None)
@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_mapping_keeps_the_order(items, threads):
    pool = RowPool(threads, 60)
    assert list(pool.map(double, items, never)) == [double(item) for item in items]
    pool.close()


def count_in_flight(function, count):
    """The most items that were taken and had not come back."""
    taken, most = [], 0

    def items():
        for number in range(count):
            taken.append(number)
            yield number

    pool = RowPool(2, 60)
    for done, _ in enumerate(pool.map(function, items(), never)):
        most = max(most, len(taken) - done)
    pool.close()
    return most


def test_no_more_items_are_taken_than_may_be_in_flight():
    """Four jobs a thread, of up to sixteen items that are done at once."""
    assert 9 < count_in_flight(double, 1000) <= 2 * 4 * 16


def test_slow_items_go_one_by_one():
    assert count_in_flight(lambda number: time.sleep(0.03), 20) == 2 * 4


@pytest.mark.parametrize(
    ("items", "seconds", "expected"),
    [(1, 0.0, 1), (1, 0.02, 1), (1, 0.019, 1), (1, 0.01, 2), (2, 0.01, 4), (4, 0.1, 1), (1, 5.0, 1),
     (1, 1e-9, 16), (16, 0.02, 16), (15, 0.02, 15), (1, 1.0, 1)],
)  # fmt: skip
def test_a_job_takes_items_for_20_milliseconds(items, seconds, expected):
    job = thread_pool._Job([0] * items)
    assert job.seconds == 0
    job.seconds = seconds
    assert thread_pool._items_a_job(job) == expected


def test_a_job_says_how_long_it_took():
    job = thread_pool._Job([1, 2])
    job.run(lambda number: time.sleep(0.01))
    assert 0.02 <= job.seconds < 10


def test_what_has_not_begun_is_left_where_results_are_no_longer_wanted(monkeypatch):
    """Of four jobs of four items in one thread, which is at the second item of the first of them."""
    monkeypatch.setattr(thread_pool, "_items_a_job", lambda job: 4)
    started, release, done = threading.Event(), threading.Event(), []

    def note(number):
        done.append(number)
        if number == 9:
            started.set()
            assert release.wait(60)
        return number

    pool = RowPool(1, 60)
    results = pool.map(note, range(100), never)
    assert [next(results) for _ in range(5)] == list(range(5))
    assert started.wait(60)
    results.close()
    release.set()
    pool.close()
    assert done == list(range(10))


def test_an_item_overruns_at_its_limit():
    pool = RowPool(1, 0.05)
    release = threading.Event()
    assert list(pool.map(lambda _: release.wait(0.5), [1], lambda item: "overran")) == ["overran"]
    release.set()
    pool.close()


def test_an_error_reaches_the_caller():
    pool = RowPool(2, 60)
    with pytest.raises(ZeroDivisionError):
        list(pool.map(lambda number: 1 // number, [1, 0, 1], never))
    pool.close()


def test_stuck_items_cost_themselves_and_nothing_else():
    """More items get stuck than there are threads, and every other one is done, of the same job too."""
    release, begun = threading.Event(), []

    def stick(number):
        begun.append(number)
        if number % 10 == 3:
            release.wait(60)
        return number

    pool = RowPool(2, 0.05)
    outcomes = list(pool.map(stick, range(60), lambda number: f"{number} overran"))
    assert outcomes == [f"{n} overran" if n % 10 == 3 else n for n in range(60)]
    release.set()
    pool.close()
    for thread in threading.enumerate():
        if thread.name.startswith("pixelbeam"):
            thread.join()
    assert sorted(begun) == list(range(60))


def test_waiting_for_a_thread_is_not_overrunning():
    """Ten items of 30 ms in one thread last longer than the limit of 200 ms together, not alone."""
    pool = RowPool(1, 0.2)
    assert list(pool.map(lambda n: time.sleep(0.03) or n, range(10), never)) == list(range(10))
    pool.close()
