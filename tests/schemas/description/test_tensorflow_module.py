import ast
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
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
from pixelbeam.schemas.features.base import Steps, ValueSpec
from pixelbeam.schemas.features.python_source import DecodeSource, literal
from pixelbeam.transforms.sinks.examples import serialize_sequence_example

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

    def decode_source(self, name):
        source = f"def _odd(value):\n    return value + {self.min}\n"
        return DecodeSource("_odd(1)", {"_odd": source})


class Ragged(Int64):
    """A kind of values that records do not hold."""

    def specs(self, name):
        return {name: ValueSpec("int64"), f"{name}/map": ValueSpec("int64", (None, None))}


def test_refuses_values_that_records_do_not_hold():
    expected = (
        r"^features\.a: 'a/map': got values of shape \[None, None\], expected sizes that differ"
    )
    with pytest.raises(ValueError, match=expected):
        write_description(Schema(features={"a": Ragged(source="x")}))


def test_refuses_two_functions_of_one_name():
    same = Schema(features={"a": Odd(source="x", min=1), "b": Odd(source="x", min=1)})
    assert write_description(same).count("def _odd") == 1
    differing = Schema(features={"a": Odd(source="x", min=1), "b": Odd(source="x", min=2)})
    with pytest.raises(ValueError, match="got two different functions '_odd', expected one"):
        write_description(differing)


SEQUENCE_GOLDEN = Path(__file__).with_name("sequence_description.golden.py.txt")


def a_clip():
    return Schema(
        record="sequence_example",
        context={"label": ClassLabel(source="label", vocabulary=["cat", 'dog "rex"'])},
        steps={
            "frames": Image(source="path", height=32, width=24),
            "depth": Image(source="path", resize="none", encoding="raw", channels=1),
            "box": Float32(source="box", shape=[2]),
            "tags": ClassLabels(source="tags", vocabulary=["a", "b", "c"]),
            "words": String(source="words", ragged=True),
        },
    )


def test_golden_of_a_sequence():
    # To write it anew: Path(...).write_text(write_description(a_clip())), then read the diff.
    assert write_description(a_clip()) == SEQUENCE_GOLDEN.read_text(encoding="ascii")


def test_a_sequence_of_every_layout_is_read_back():
    module = described(a_clip())
    frame = np.arange(32 * 24 * 3, dtype=np.uint8).reshape(32, 24, 3)
    depths = [np.full((2 + n, 3, 1), n, np.uint8) for n in range(3)]
    records = []
    for length in (3, 1):
        steps = {
            "frames": [Image(source="p", height=32, width=24), [frame] * length],
            "depth": [a_clip().steps["depth"], depths[:length]],
            "box": [a_clip().steps["box"], [[n, -n] for n in range(length)]],
            "tags": [a_clip().steps["tags"], [["a", "c"], [], ["b"]][:length]],
            "words": [a_clip().steps["words"], ["x", "y"][: length - 1]],
        }
        values = {"label": np.array(1)}
        for name, (feature, each) in steps.items():
            encoded = [feature.encode(name, one).values for one in each]
            for key in feature.specs(name):
                values[key] = Steps(tuple(one[key] for one in encoded))
        records.append(serialize_sequence_example(values))
    parsed = module.parse_sequence_example(tf.constant(records))
    assert {k: v.numpy().tolist() for k, v in module.count_steps(parsed).items()} == {
        "frames": [3, 1],
        "depth": [3, 1],
        "depth/shape": [3, 1],
        "box": [3, 1],
        "tags": [3, 1],
        "words": [2, 0],
    }
    decoded = module.decode(parsed)
    assert decoded["frames"].shape.as_list() == [2, None, 32, 24, 3]
    assert decoded["depth"].to_list() == [[d.tolist() for d in depths], [depths[0].tolist()]]
    assert decoded["box"].to_list() == [[[0, 0], [1, -1], [2, -2]], [[0, 0]]]
    assert decoded["tags"].to_list() == [[[1, 0, 1], [0, 0, 0], [0, 1, 0]], [[1, 0, 1]]]
    assert decoded["words"].to_list() == [[b"x", b"y"], []]
    assert decoded["label"].numpy().tolist() == [1, 1]
    padded = module.decode(parsed, padded=True)
    assert padded["frames"].shape == (2, 3, 32, 24, 3)
    assert padded["box"].numpy().tolist() == [[[0, 0], [1, -1], [2, -2]], [[0, 0]] * 3]
    assert padded["words"].numpy().tolist() == [[b"x", b"y"], [b"", b""]]


def test_classes_without_names_are_listed_by_their_numbers():
    label = {"type": "class_label", "source": "label", "num_classes": 3}
    source = write_description(Schema.from_dict({"features": {"label": label}}))
    listed = source[source.index("CLASS_NAMES = {") :].split("\n\n")[0]
    assert eval(listed.removeprefix("CLASS_NAMES = ")) == {"label": ["0", "1", "2"]}


@pytest.mark.parametrize(("width", "lines"), [(88, 1), (89, 4)])
def test_class_names_stand_on_one_line_where_they_fit(width, lines):
    names = ["a", "b" * (width - len('    "k": ["a", ""],'))]
    source = write_description(Schema(features={"k": ClassLabel(source="k", vocabulary=names)}))
    table = source[source.index("CLASS_NAMES = {") :].split("\n}")[0].splitlines()[1:]
    assert len(table) == lines
    assert (max(map(len, table)) == width) == (lines == 1)


def test_a_classless_schema_has_an_empty_table():
    assert "CLASS_NAMES = {}\n" in write_description(Schema(features={"n": Int64(source="n")}))


@pytest.mark.parametrize("declare", ["every_kind", "a_clip"])
def test_without_records_the_module_does_not_tell_how_to_read_them(declare):
    schema = globals()[declare]()
    with_records, without = (write_description(schema, has) for has in (True, False))
    assert "TFRecordDataset" in with_records
    assert "TFRecordDataset" not in without
    assert without.startswith('"""What this dataset holds, for TensorFlow. ')
    _, after, code = with_records.partition('"""\n\nimport tensorflow as tf\n')
    assert without.endswith(after + code)
