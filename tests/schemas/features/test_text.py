import base64
import datetime

import pytest
from feature_cases import Case, check
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas import Bytes, String
from pixelbeam.schemas.dataset.statistics import merge_all

STRING = String(source="s")
BYTES = Bytes(source="s")
BASE64 = Bytes(source="s", encoding="base64")
HEX = Bytes(source="s", encoding="hex")

CASES = [
    Case(STRING, " naïve ", " naïve ".encode()),
    Case(STRING, "", b""),
    Case(STRING, 5, b"5"),
    Case(STRING, 0.5, b"0.5"),
    Case(STRING, True, b"true"),
    Case(STRING, datetime.date(2024, 2, 29), b"2024-02-29"),
    Case(STRING, b"caf\xc3\xa9", b"caf\xc3\xa9"),
    Case(String(source="s", default="none"), None, b"none"),
    Case(STRING, None, rejected=("missing_value", "got an empty cell, expected text")),
    Case(STRING, b"\xff", rejected=("not_utf8", "got b'\\xff', expected UTF-8 text")),
    Case(STRING, "\ud800", rejected=("not_utf8", "got '\\ud800', expected UTF-8 text")),
    Case(STRING, ["a"], rejected=("not_text", "got ['a'], expected text")),
    Case(BYTES, b"\x00\xff", b"\x00\xff"),
    Case(BYTES, "é", "é".encode()),
    Case(BASE64, "AP8=", b"\x00\xff"),
    Case(BASE64, b"AP8=", b"AP8="),
    Case(HEX, "00 ff", b"\x00\xff"),
    Case(Bytes(source="s", encoding="hex", default="ff"), None, b"\xff"),
    Case(BYTES, None, rejected=("missing_value", "got an empty cell, expected bytes")),
    Case(BYTES, 5, rejected=("not_bytes", "got 5, expected bytes or text")),
    Case(BASE64, "AP8", rejected=("bad_encoding", "got 'AP8', expected base64")),
    Case(BASE64, "é", rejected=("bad_encoding", "got 'é', expected base64")),
    Case(HEX, "0", rejected=("bad_encoding", "got '0', expected hex")),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case):
    check(case)


@given(st.binary())
def test_every_spelling_gives_the_same_bytes(data):
    assert BYTES.encode("s", data).values == {"s": data}
    assert HEX.encode("s", data.hex()).values == {"s": data}
    assert BASE64.encode("s", base64.b64encode(data).decode()).values == {"s": data}


def test_statistics_count_bytes():
    summaries = [STRING.encode("s", value).summary for value in ("a", "été")]
    assert STRING.statistics(merge_all(summaries, STRING.summary_types)) == {
        "count": 2,
        "bytes": 6,
        "max_bytes": 5,
    }


def test_text_and_bytes_are_no_input_of_a_network():
    for feature in (STRING, BYTES):
        assert feature.describes
        assert not feature.is_target
        assert feature.statistics({"count": 0}) == {"count": 0}


@pytest.mark.parametrize(
    ("encoding", "default"), [("base64", "AP8"), ("hex", "0"), ("utf8", "\ud800")]
)
def test_defaults_that_spell_no_bytes(encoding, default):
    with pytest.raises(ValueError, match=r"expected (base64|hex|UTF-8 text)"):
        Bytes(source="s", encoding=encoding, default=default)
    with pytest.raises(ValueError, match="expected text that UTF-8 can hold"):
        String(source="s", default="\ud800")
    with pytest.raises(ValueError, match=r"expected one of|Input should be"):
        Bytes(source="s", encoding="rot13", default=default)
