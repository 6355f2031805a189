from __future__ import annotations

import ast
import math

import pytest
from pixelbeam.schemas.features.python_source import DecodeSource, literal


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("abc", '"abc"'),
        ("it's", '"it\'s"'),
        ('"', "'\"'"),
        ("é\u2028\n\\", '"\\xe9\\u2028\\n\\\\"'),
        ("", '""'),
        (b"a\n\xff", "b'a\\n\\xff'"),
        (True, "True"),
        (-3, "-3"),
        (0.1, "0.1"),
        (None, "None"),
        ([], "[]"),
        (("a", [1, None]), '["a", [1, None]]'),
    ],
)
def test_source_that_is_the_value(value, source):
    assert literal(value) == source
    assert source.isascii()
    assert ast.literal_eval(source) == (["a", [1, None]] if type(value) is tuple else value)


@pytest.mark.parametrize("text", ["'", '"', "'\"", "\\'", '\\"', "\\", "a\0b", "\ud800", "#\r\n"])
def test_no_text_ends_its_string(text):
    assert ast.literal_eval(literal(text)) == text
    assert "\n" not in literal(text)


class Text(str):
    def __repr__(self):
        return "exit()"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.inf, "got inf of float"),
        (math.nan, "got nan of float"),
        ({"a": 1}, "got {'a': 1} of dict"),
        (Text("a"), "got exit() of Text"),
        ({1}, "got {1} of set"),
    ],
)
def test_nothing_else_becomes_source(value, said):
    for given in (value, [value]):
        with pytest.raises(TypeError) as caught:
            literal(given)
        assert str(caught.value) == f"{said}, expected a plain value"


def test_a_parsed_value_is_final_unless_something_is_said():
    assert DecodeSource() == DecodeSource(expression="", functions={})
