from __future__ import annotations

from typing import Any, Literal

import pytest
from pixelbeam.schemas.features.base import SettingError
from pixelbeam.schemas.validation import explain, fault
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator


class Inner(BaseModel):
    flag: bool = Field(default=True, strict=True)
    name: str = Field(default="a", min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Inner:
        if self.name == "bad":
            raise SettingError("name", "got 'bad', expected another")
        return self


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int
    share: float = Field(default=0.5, gt=0, lt=1)
    size: int = Field(default=1, ge=1, le=9, strict=True)
    ratio: float = Field(default=0.0, allow_inf_nan=False)
    kind: Literal["a", "b"] = "a"
    line: str = Field(default="", pattern=r"^[^\n]*$")
    items: tuple[int, ...] = Field(default=(1,), min_length=1)
    table: dict[str, int] = Field(default_factory=dict)
    inner: Inner = Inner()
    lines: str = ""

    @field_validator("lines")
    @classmethod
    def _check_lines(cls, lines: str) -> str:
        if lines == "plain":
            raise ValueError("got plain")
        if lines:
            raise fault(lines.split("|"))
        return lines


def lines_of(settings: Any, place: str = "", count: bool = True) -> list[str]:
    given = {"count": 1, **settings} if count else settings
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(given)
    return list(explain(caught.value, place))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"count": "x"}, "count: got 'x', expected an integer"),
        ({"count": 1.5}, "count: got 1.5, expected an integer"),
        ({"count": []}, "count: got [], expected an integer"),
        ({"share": 0}, "share: got 0, expected more than 0.0"),
        ({"share": 1}, "share: got 1, expected less than 1.0"),
        ({"share": "x"}, "share: got 'x', expected a number"),
        ({"share": []}, "share: got [], expected a number"),
        ({"size": 0}, "size: got 0, expected at least 1"),
        ({"size": 10}, "size: got 10, expected at most 9"),
        ({"ratio": float("inf")}, "ratio: got inf, expected a finite number"),
        ({"kind": "c"}, "kind: got 'c', expected one of 'a' or 'b'"),
        (
            {"line": "a\nb"},
            "line: got 'a\\nb', expected text on one line, without control characters",
        ),
        ({"line": 1}, "line: got 1, expected text"),
        ({"items": []}, "items: got [], expected at least one feature"),
        ({"items": 1}, "items: got 1, expected a list"),
        ({"items": [1, "x"]}, "items.1: got 'x', expected an integer"),
        ({"table": 1}, "table: got 1, expected a mapping"),
        ({"table": {"a": "b"}}, "table.a: got 'b', expected an integer"),
        ({"inner": 1}, "inner: got 1, expected a mapping with 'features'"),
        ({"inner": {"flag": "x"}}, "inner.flag: got 'x', expected true or false"),
        ({"inner": {"name": ""}}, "inner.name: got '', expected at least one character"),
        ({"inner": {"name": "bad"}}, "inner.name: got 'bad', expected another"),
        ({"more": "x" * 99}, f"more: got '{'x' * 78}…, expected nothing: there is no such setting"),
        ({"lines": "plain"}, "lines: got plain"),
        ({"lines": "a.b: one"}, "a.b: one"),
    ],
)
def test_a_fault_in_a_line(settings, line):
    assert lines_of(settings) == [line]
    at_place = line if line == "a.b: one" else f"features.x.{line}"
    assert lines_of(settings, "features.x") == [at_place]


def test_what_is_not_there():
    assert lines_of({}, count=False) == ["count: missing, expected a value"]


def test_a_whole_of_another_type_has_the_place_alone():
    line = "got 5, expected a mapping with 'features'"
    assert lines_of(5, count=False) == [line]
    assert lines_of(5, "schema", count=False) == [f"schema: {line}"]


def test_every_fault_has_a_line():
    assert lines_of({"share": 0, "lines": "x: one||y: two", "size": 0, "more": 1}) == [
        "share: got 0, expected more than 0.0",
        "size: got 0, expected at least 1",
        "x: one",
        "y: two",
        "more: got 1, expected nothing: there is no such setting",
    ]


def test_what_is_not_listed_is_said_as_pydantic_says_it():
    with pytest.raises(ValidationError) as caught:
        type("M", (BaseModel,), {"__annotations__": {"x": bytes}}).model_validate({"x": 1})
    assert list(explain(caught.value)) == ["x: got 1, expected input should be a valid bytes"]
