from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st
from pixelbeam.schemas.errors import BuildError, ManifestError, Reject
from pixelbeam.transforms.manifests.join_labels import (
    Join,
    JoinLabels,
    join_key,
    join_rows,
    joined_columns,
)
from pixelbeam.transforms.rows import InlineBytes, ManifestRow, RejectedRow

JOIN = Join(("id", "path"), ("id", "label"), "id", ("label", "path", "id"))


def image(row, key="k", path="p"):
    return ManifestRow("images.csv", row, (key, path))


def label(row, value="cat", key="k"):
    return ManifestRow("labels.csv", row, (key, value))


def reject(row, reason, message, key="k"):
    columns = JOIN.image_columns if row.file == "images.csv" else JOIN.label_columns
    values = tuple(zip(columns, row.values, strict=True))
    return RejectedRow(row.file, row.row, key, Reject("join", reason, message), values=values)


AGAIN = "got the key 'k' of {} again, expected it once: {} has it too"
DIFFERENT = (
    "got different labels for the key 'k' at labels.csv:5 and labels.csv:17, expected them equal"
)
GROUPS = {
    "match": ([image(2)], [label(5)], ("cat", "p", "k"), []),
    "keys written differently": (
        [image(2, 1)],
        [label(5, key="1"), label(6, key=1)],
        ("cat", "p", 1),
        [reject(label(6, key=1), "duplicate_key", AGAIN.format("labels.csv:6", "labels.csv:5"))],
    ),
    "no label": (
        [image(2)],
        [],
        None,
        [reject(image(2), "no_label", "got no label for the key 'k' of images.csv:2")],
    ),
    "no image": (
        [],
        [label(5)],
        None,
        [reject(label(5), "no_image", "got no image for the key 'k' of labels.csv:5")],
    ),
    "image twice": (
        [image(9), image(2)],
        [label(5)],
        ("cat", "p", "k"),
        [reject(image(9), "duplicate_key", AGAIN.format("images.csv:9", "images.csv:2"))],
    ),
    "label twice": (
        [image(2)],
        [label(17), label(5)],
        ("cat", "p", "k"),
        [reject(label(17), "duplicate_key", AGAIN.format("labels.csv:17", "labels.csv:5"))],
    ),
    "labels disagree": (
        [image(2), image(9)],
        [label(17, "dog"), label(5), label(6)],
        None,
        [
            reject(image(9), "duplicate_key", AGAIN.format("images.csv:9", "images.csv:2")),
            reject(image(2), "ambiguous_label", DIFFERENT),
            reject(label(5), "ambiguous_label", DIFFERENT),
            reject(label(6), "ambiguous_label", DIFFERENT),
            reject(label(17, "dog"), "ambiguous_label", DIFFERENT),
        ],
    ),
    "labels disagree, no image": (
        [],
        [label(17, "dog"), label(5)],
        None,
        [
            reject(label(5), "ambiguous_label", DIFFERENT),
            reject(label(17, "dog"), "ambiguous_label", DIFFERENT),
        ],
    ),
}


@pytest.mark.parametrize("case", GROUPS)
def test_join_rows(case):
    images, labels, values, rejects = GROUPS[case]
    joined = join_rows(JOIN, "k", images, labels)
    assert joined.row == (None if values is None else ManifestRow("images.csv", 2, values))
    assert list(joined.rejects) == rejects


def test_join_key():
    cases = [(1, "1"), ("1", "1"), ("é", "é"), (None, None), ("", None), (0, "0"), (False, "False")]
    inline = [(InlineBytes(0, 0, 0, "a.jpg"), "a.jpg"), (InlineBytes(0, 0, 0), None)]
    for value, key in [*cases, *inline]:
        assert join_key(value) == key


def test_inline_bytes_of_images_are_joined_by_reference():
    inline = InlineBytes(0, 1, 2, "a.jpg")
    joined = join_rows(JOIN, "k", [image(2, path=inline)], [label(5)])
    assert joined.row == ManifestRow("images.csv", 2, ("cat", inline, "k"))


def test_inline_bytes_of_labels_are_refused():
    with pytest.raises(BuildError) as error:
        join_rows(JOIN, "k", [image(2)], [label(5, InlineBytes(0, 0, 0))])
    assert str(error.value) == (
        "labels.csv:5: got inline bytes in the label manifest, expected them in the manifest alone"
    )


def test_joined_columns():
    assert joined_columns(("path", "id"), ("id", "x", "label"), "id") == (
        "path",
        "id",
        "x",
        "label",
    )


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            ("path",),
            ("id",),
            "--join_on: no column 'id' in the manifest; its columns are: 'path'",
        ),
        (
            ("id",),
            ("a", "b"),
            "--join_on: no column 'id' in the label manifest; its columns are: 'a', 'b'",
        ),
        (
            ("id", "x"),
            ("id", "x"),
            "--labels: got a column 'x' in both manifests, expected only 'id' in both",
        ),
    ],
)
def test_columns_that_do_not_fit_together(images, labels, message):
    with pytest.raises(ManifestError) as error:
        joined_columns(images, labels, "id")
    assert str(error.value) == message


def test_a_column_that_neither_manifest_has():
    with pytest.raises(ManifestError) as error:
        JoinLabels(("id",), ("id", "label"), "id", ("id", "x"))
    assert str(error.value) == (
        "the joined manifests: no column 'x'; its columns are: 'id', 'label'"
    )


def run_join(images, labels, check):
    """Runs ``JoinLabels``; ``check`` gets the tag and the outputs of each PCollection."""
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        sides = {
            "images": pipeline | "Images" >> beam.Create(images),
            "labels": pipeline | "Labels" >> beam.Create(labels),
        }
        joined = sides | JoinLabels(("id", "path"), ("id", "label"), "id", ("path", "label"))
        counts = joined.counts | beam.CombineGlobally(sum)
        assert_that(joined.rows, equal_to(check["rows"]), label="Rows")
        assert_that(joined.rejects, equal_to(check["rejects"]), label="Rejects")
        assert_that(counts, equal_to([check["counts"]]), label="Counts")


def test_join_labels():
    no_key = "got no value in column 'id' of {}, expected a key to join by"
    run_join(
        [image(2, "a"), image(3, 7), image(4, None), image(5, "lonely")],
        [label(2, "cat", "a"), label(3, "dog", "7"), label(4, "x", ""), label(5, "x", "b")],
        {
            "rows": [
                ManifestRow("images.csv", 2, ("p", "cat")),
                ManifestRow("images.csv", 3, ("p", "dog")),
            ],
            "rejects": [
                reject(
                    image(4, None),
                    "missing_value",
                    no_key.format("images.csv:4"),
                    "images.csv:4",
                ),
                reject(
                    label(4, "x", ""),
                    "missing_value",
                    no_key.format("labels.csv:4"),
                    "labels.csv:4",
                ),
                reject(
                    image(5, "lonely"),
                    "no_label",
                    "got no label for the key 'lonely' of images.csv:5",
                    "lonely",
                ),
                reject(
                    label(5, "x", "b"),
                    "no_image",
                    "got no image for the key 'b' of labels.csv:5",
                    "b",
                ),
            ],
            "counts": 2,
        },
    )


def oracle(images, labels):
    """By brute force, row by row: what becomes of each, as (side, row number, outcome)."""
    outcomes = []
    for number, key in enumerate(images):
        values = {value for other, value in labels if other == key}
        if key in images[:number]:
            outcome = "duplicate_key"
        elif len(values) > 1:
            outcome = "ambiguous_label"
        else:
            outcome = values.pop() if values else "no_label"
        outcomes.append(("images.csv", number, outcome))
    for number, (key, _) in enumerate(labels):
        if len({value for other, value in labels if other == key}) > 1:
            outcome = "ambiguous_label"
        elif key in [other for other, _ in labels[:number]]:
            outcome = "duplicate_key"
        else:
            outcome = "matched" if key in images else "no_image"
        outcomes.append(("labels.csv", number, outcome))
    return Counter(outcomes)


KEYS = st.sampled_from("abcd")


@given(
    st.lists(KEYS, max_size=8),
    st.lists(st.tuples(KEYS, st.sampled_from(["cat", "dog"])), max_size=8),
    st.randoms(use_true_random=False),
)
def test_joins_like_brute_force(images, labels, random):
    image_rows = [image(number, key) for number, key in enumerate(images)]
    label_rows = [label(number, value, key) for number, (key, value) in enumerate(labels)]
    random.shuffle(image_rows)
    random.shuffle(label_rows)
    found, matched = [], 0
    for key in {*images, *(key for key, _ in labels)}:
        joined = join_rows(
            JOIN,
            key,
            [row for row in image_rows if row.values[0] == key],
            [row for row in label_rows if row.values[0] == key],
        )
        found += [(r.file, r.row, r.reject.reason) for r in joined.rejects]
        if joined.row is not None:
            found.append((joined.row.file, joined.row.row, joined.row.values[0]))
            matched += 1
    expected = oracle(images, labels)
    assert len(found) == len(images) + len(labels) - matched
    assert Counter(found) == Counter(
        {place: count for place, count in expected.items() if place[2] != "matched"}
    )
