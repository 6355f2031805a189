import ast
from pathlib import Path

import pytest
from feature_cases import as_plain, described, round_trip
from hypothesis import given, settings
from hypothesis import strategies as st
from pixelbeam.schemas import (
    Bytes,
    ClassLabel,
    ClassLabels,
    Float32,
    Image,
    Int64,
    Schema,
    String,
    write_description,
)
from pixelbeam.schemas.feature import FeatureSource, literal

NASTY = [
    "'",
    '"',
    '"""',
    "\\",
    "\\N{DASH}",
    "a\nimport os",
    "\r",
    "\x00",
    "{}",
    "{0!r}",
    "%s",
    "é",
    "\u2028",
    "😀",
    '"); import os; os.system("true") #',
    "'\"",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(NASTY)
GOLDEN = Path(__file__).with_name("feature_description.golden.py.txt")


def every_kind():
    return Schema(
        features={
            "image": Image(source="path", height=32, width=24),
            "thumbnail": Image(source="path", resize="none", encoding="raw", channels=1),
            "label": ClassLabel(source="label", vocabulary=["cat", 'dog "rex"']),
            "tags": ClassLabels(source="tags", vocabulary=[f"tag number {n}" for n in range(6)]),
            "box": Float32(source="box", shape=[2, 2]),
            "counts": Int64(source="counts", shape=[None]),
            "name": String(source="name"),
            "mask": Bytes(source="mask"),
        }
    )


def test_golden():
    # To write it anew: Path(...).write_text(write_description(every_kind())), then read the diff.
    assert write_description(every_kind()) == GOLDEN.read_text(encoding="ascii")


def test_imports_tensorflow_and_nothing_else():
    tree = ast.parse(write_description(every_kind()))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == ["import tensorflow as tf"]


@settings(deadline=None)
@given(
    st.lists(TEXT.filter(bool), min_size=3, max_size=3, unique=True),
    st.lists(TEXT, min_size=1),
)
def test_names_are_never_code(feature_names, class_names):
    names = list(dict.fromkeys(filter(None, map(str.strip, class_names)))) or ["cat"]
    schema = Schema(
        features=dict(
            zip(
                feature_names,
                [
                    ClassLabel(source="a", vocabulary=names),
                    ClassLabels(source="b", vocabulary=names),
                    Int64(source="c"),
                ],
                strict=True,
            )
        )
    )
    source = write_description(schema)
    plain = write_description(
        Schema(
            features={
                "a": ClassLabel(source="a", vocabulary=["x"]),
                "b": ClassLabels(source="b", vocabulary=["x"]),
                "c": Int64(source="c"),
            }
        )
    )
    assert source.isascii()
    assert code_without_literals(source) == code_without_literals(plain)
    values = {
        ast.unparse(n.targets[0]): n.value
        for n in ast.parse(source).body
        if isinstance(n, ast.Assign)
    }
    assert ast.literal_eval(values["CLASS_NAMES"]) == dict.fromkeys(feature_names[:2], names)
    assert [ast.literal_eval(key) for key in values["FEATURE_DESCRIPTION"].keys] == feature_names


def code_without_literals(source):
    """The module's syntax tree with every constant, and the length of every list, taken out."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value, node.kind = None, None
        if isinstance(node, ast.List):
            assert all(isinstance(item, ast.Constant) for item in node.elts)
            node.elts = []
    return ast.dump(tree)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_names_are_read_back(name):
    schema = Schema(
        features={
            name: ClassLabel(source="a", vocabulary=[f"<{name}>", "other"]),
            f"{name}s": ClassLabels(source="b", vocabulary=["other", f"<{name}>"]),
        }
    )
    batch = round_trip(schema, [{name: f"<{name}>", f"{name}s": [f"<{name}>"]}])
    assert {key: as_plain(value) for key, value in batch.items()} == {
        name: [0],
        f"{name}s": [[0.0, 1.0]],
    }
    assert described(schema).CLASS_NAMES[name] == [f"<{name}>", "other"]


@given(
    st.recursive(
        st.text()
        | st.binary()
        | st.integers()
        | st.booleans()
        | st.none()
        | st.floats(allow_nan=False, allow_infinity=False),
        st.lists,
        max_leaves=6,
    )
)
def test_literal_is_ascii_and_reads_back(value):
    source = literal(value)
    assert source.isascii()
    assert "\n" not in source
    assert ast.literal_eval(source) == value


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {"a": 1}, object(), type("Sly", (str,), {})("x")]
)
def test_literal_refuses_what_is_not_plain(value):
    with pytest.raises(TypeError):
        literal(value)


def test_refuses_a_vocabulary_that_is_still_to_be_collected():
    schema = Schema(features={"label": ClassLabel(source="x", vocabulary="from_manifest")})
    with pytest.raises(
        ValueError, match=r"features\.label: got a vocabulary that is still to be collected"
    ):
        write_description(schema)


class Odd(Int64):
    """A kind whose function changes with the feature, which kinds must not do."""

    def source_code(self, name):
        source = f"def _odd(value):\n    return value + {self.min}\n"
        return FeatureSource(
            {name: "tf.io.FixedLenFeature([], tf.int64)"}, "_odd(1)", {"_odd": source}
        )


def test_refuses_two_functions_of_one_name():
    same = Schema(features={"a": Odd(source="x", min=1), "b": Odd(source="x", min=1)})
    assert write_description(same).count("def _odd") == 1
    differing = Schema(features={"a": Odd(source="x", min=1), "b": Odd(source="x", min=2)})
    with pytest.raises(ValueError, match="got two different functions '_odd', expected one"):
        write_description(differing)
