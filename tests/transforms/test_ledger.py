from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.transforms.ledger import Ledger

LEDGERS = st.builds(Ledger, st.dictionaries(st.sampled_from("abc"), st.integers(1, 9), max_size=3))


@given(st.lists(LEDGERS, max_size=5), st.randoms())
def test_the_order_of_merging_does_not_matter(ledgers, random):
    before = [dict(ledger.accounts) for ledger in ledgers]
    total = Ledger.total(ledgers)
    assert {a: total[a] for a in "abc"} == {a: sum(x[a] for x in ledgers) for a in "abc"}
    assert [ledger.accounts for ledger in ledgers] == before
    random.shuffle(ledgers)
    assert Ledger.total(ledgers) == total
    half = len(ledgers) // 2
    assert Ledger.total([Ledger.total(ledgers[:half]), Ledger.total(ledgers[half:])]) == total


def test_accounts_open_with_what_is_added():
    ledger = Ledger()
    ledger.add("seen", 0)
    assert not ledger
    assert ledger["seen"] == 0
    ledger.add("seen", 3)
    ledger.add("seen", -3)
    ledger.add("dropped/b")
    ledger.add("dropped/a", 2)
    ledger.add("droppedother")
    assert ledger.accounts == {"seen": 0, "dropped/b": 1, "dropped/a": 2, "droppedother": 1}
    assert list(ledger.under("dropped").items()) == [("a", 2), ("b", 1)]


def test_json_gives_the_ledger_back():
    ledger = Ledger({"b": 2, "a": 1})
    assert list(ledger.to_json()) == ["a", "b"]
    assert Ledger.from_json(ledger.to_json()) == ledger


@pytest.mark.parametrize("found", [None, [], {"a": "1"}, {"a": True}])
def test_what_is_no_ledger_is_refused(found):
    with pytest.raises(ValueError, match="expected counts by account"):
        Ledger.from_json(found)
