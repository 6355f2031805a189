import json

import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.manifests.formats.json_lines import JsonLines
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.storage.streams import HEAD_BYTES

LINES = {
    '{"path": "a.jpg", "label": 3}': ("a.jpg", 3),
    ' {"label": [1, 2.5, null, {"x": true}]} \r': (None, [1, 2.5, None, {"x": True}]),
    '{"path": "\\u732b \\ud83d\\ude00", "label": "é"}': ("猫 😀", "é"),
    '{"path": ""}': ("", None),
    "{}": (None, None),
    '{"path": "a.jpg", "other": 1, "label": 12345678901234567890123}': (
        "a.jpg",
        12345678901234567890123,
    ),
    '{"path": "a.jpg", "label": 1, "label": 2}': (
        "malformed_row",
        "got the key 'label' twice in an object, expected it once",
    ),
    '{"path": {"x": {"a": 1, "\\u0061": 1}}}': (
        "malformed_row",
        "got the key 'a' twice in an object, expected it once",
    ),
    "{path: 1}": (
        "malformed_row",
        "not JSON: Expecting property name enclosed in double quotes at character 2",
    ),
    '{"path": "a\0"}': ("malformed_row", "got a NUL byte at byte 12 of the line"),
    "[1]": ("malformed_row", "got a list, expected an object"),
    "null": ("malformed_row", "got null, expected an object"),
    "3.5": ("malformed_row", "got a number, expected an object"),
    '"a"': ("malformed_row", "got a string, expected an object"),
    "false": ("malformed_row", "got true or false, expected an object"),
    '{"path": "\\ud800"}': ("not_utf8", "got half of a surrogate pair ('\\ud800')"),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("range_bytes", [1, 1000])
def test_lines(line, range_bytes, tmp_path, outcomes):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"path": "", "label": 0}\n\n' + line.encode() + b'\n{"path": "z"}')
    assert outcomes(path, columns=("path", "label"), range_bytes=range_bytes) == [
        (1, ("", 0)),
        (3, LINES[line]),
        (4, ("z", None)),
    ]


@pytest.mark.parametrize("depth", [100_000])
def test_lines_that_would_exhaust_the_parser(depth, tmp_path, outcomes):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": ' + "[" * depth + '\n{"a": ' + "9" * depth + '}\n{"a": 2}\n')
    first, deep, long, last = outcomes(path)
    assert (first, last) == ((1, (1,)), (4, (2,)))
    assert (deep[1][0], long[1][0]) == ("malformed_row", "malformed_row")
    assert deep[1][1].startswith("not readable as JSON: maximum recursion depth exceeded")
    assert long[1][1].startswith("not readable as JSON: Exceeds the limit")


def test_bytes_that_are_no_utf8(tmp_path, outcomes):
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n{"a": "\xff"}\n')
    message = "got byte 0xff at byte 8 of the line, expected UTF-8 text"
    assert outcomes(path) == [(1, (1,)), (2, ("not_utf8", message))]


def test_columns_are_the_keys_of_the_head(tmp_path):
    path = tmp_path / "rows.jsonl"
    padding = json.dumps({"b": "x" * 1000})
    lines = ["nonsense", '{"b": 1, "a": 2}', '{"c": 3}', *[padding] * (HEAD_BYTES // 1000)]
    path.write_text("\n".join([*lines, '{"too late": 1}', ""]))
    assert open_manifest(str(path)).columns == ("b", "a", "c")


def test_rejects_are_read_again(tmp_path, outcomes):
    def reject(values):
        row = {"manifest": "m.csv", "row": 7, "key": "k", "stage": "load", "reason": "not_found"}
        return json.dumps({**row, "message": "", "feature": "", "path": "", "values": values})

    path = tmp_path / "rejects.jsonl"
    lines = [reject({"path": "a.jpg", "label": "3"}), reject({}), reject([1]), '{"path": 1}']
    path.write_text("\n".join(lines))
    assert open_manifest(str(path)).columns == ("path", "label")
    assert outcomes(path, range_bytes=1) == [
        (1, ("a.jpg", "3")),
        (2, (None, None)),
        (3, ("malformed_row", "got a list under 'values', expected an object")),
        (4, ("malformed_row", "got null under 'values', expected an object")),
    ]


def test_rejects_whose_cells_were_left_out_are_not_read_with_others(tmp_path, outcomes):
    row = {"stage": "load", "reason": "r", "values": {"path": "a.jpg", "n": None}}
    path = tmp_path / "rejects.jsonl"
    path.write_text(json.dumps({**row, "left_out": ["n"]}))
    assert open_manifest(str(path)).columns == ("path", "n")
    message = "the list of rejects left 'n' out; expected the row in the manifest itself"
    assert outcomes(path) == [(1, ("cell_left_out", message))]


HEADS = {
    "a list": (
        '[1,\n{"a": 2}]\n',
        "line 1: not JSON: Expecting value at character 4; expected a JSON object a line",
    ),
    "an array": ("[\n]", "an empty array; expected an array of objects"),
    "one bad element": (
        '[{"a": nan}]',
        "element 1: not JSON: Expecting value at character 7; expected an array of objects",
    ),
    "blank": ("\n \n", "nothing but blank lines; expected a JSON object a line"),
    "endless": (
        '{"a": "' + "x" * (1 << 20) + '"}\n',
        "no end of the first one in its first 1 MiB; expected a JSON object a line",
    ),
    "no name": (
        '{"": 1}',
        "column 1 of the header has no name, expected one "
        "(pandas writes such a column for the index: to_csv(…, index=False))",
    ),
}


@pytest.mark.parametrize("case", HEADS)
def test_heads_that_cannot_be_used(case, tmp_path):
    content, message = HEADS[case]
    path = tmp_path / "rows.json"
    path.write_text(content)
    with pytest.raises(ManifestError) as error:
        open_manifest(str(path))
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("head", "recognized"),
    [
        (b"{", True),
        (b" \n[", True),
        (b'\xef\xbb\xbf\n{"a"', True),
        (b"", False),
        (b" a{", False),
        (b"a,b", False),
    ],
)
def test_what_is_recognized(head, recognized):
    assert JsonLines().recognizes(head) is recognized


def test_a_file_of_several_may_leave_columns_out(tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps({f"c{number}": 1}))
    assert open_manifest(f"{tmp_path}/*.jsonl").columns == ("c1", "c2")


def test_rejects_are_told_by_all_three_of_their_keys(tmp_path, outcomes):
    path = tmp_path / "rows.json"
    for keys in (("stage", "reason"), ("stage", "values"), ("reason", "values")):
        path.write_text(json.dumps({key: {"a": 1} for key in keys}))
        assert open_manifest(str(path)).columns == keys
    path.write_text(json.dumps([{"a": 1}, {"stage": 1, "reason": 2, "values": {"b": 3}}]))
    assert open_manifest(str(path)).columns == ("a", "stage", "reason", "values")
    path.write_text(json.dumps([{"stage": 1, "reason": 2, "values": {"b": 3}}, {"a": 1}]))
    assert outcomes(path)[0] == (1, (3,))


def test_cells_are_left_out_where_they_are_listed(tmp_path, read):
    row = {"stage": "load", "reason": "r", "values": {"path": "a", "n": None}}
    path = tmp_path / "rejects.jsonl"
    path.write_text("\n".join(json.dumps(row | {"left_out": out}) for out in (["n", "m"], "n")))
    first, second = read(path)
    assert first.reject.message.startswith("the list of rejects left 'n', 'm' out; ")
    assert (first.values, second.values) == ((("path", "a"), ("n", None)), ("a", None))


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ('{"a": 1}', ("a",)),
        ('{"a": 1}\n{"b": 1}', ("a", "b")),
        ('{"a": 1}\n{"b": 1}\n' + " " * HEAD_BYTES, ("a", "b")),
        ('{"a": 1}\n{"b": "' + "x" * HEAD_BYTES + '"}', ("a",)),  # goes on behind the head
    ],
)
def test_the_whole_lines_of_a_head_say_what_the_columns_are(content, columns, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    assert open_manifest(str(path)).columns == columns
