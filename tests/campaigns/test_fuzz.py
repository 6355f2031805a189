"""Fuzzing of what strangers give us: manifests, schemas and images, each with a few hundred inputs."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutate_images import mutate, originals
from pixelbeam.schemas import Schema
from pixelbeam.schemas.description.tensorflow_module import write_description
from pixelbeam.schemas.errors import BuildError, ManifestError, Reject, SchemaError
from pixelbeam.schemas.features.base import Encoded
from pixelbeam.transforms.manifests.formats.base import Projection
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.manifests.read_manifest import row_of, split_file
from pixelbeam.transforms.rows import ManifestRow, RejectedRow

pytestmark = pytest.mark.slow
many = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"a.jpg,cat",
                b'"a,b",dog',
                b'"open',
                b"a.jpg\tcat",
                b'{"path": "a", "label": 1}',
                b"\x00,\xff",
            ]
        ),
    ),
    max_size=8,
)


@many
@given(
    header=st.sampled_from(
        [
            b"path,label",
            b"path\tlabel",
            b'{"path": "x", "label": "y"}',
            b"",
            b"\xef\xbb\xbfpath,label",
        ]
    ),
    lines=LINES,
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    suffix=st.sampled_from(["csv", "tsv", "jsonl", "txt", "csv.gz", "parquet"]),
    cut=st.integers(0, 60),
    range_bytes=st.integers(1, 200),
)
def test_manifests_become_rows_and_rejects_or_an_error_that_is_said(
    tmp_path, header, lines, end, suffix, cut, range_bytes
):
    data = end.join([header, *lines])
    data = gzip.compress(data)[: -cut or None] if suffix.endswith("gz") else data
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(data)
    try:
        manifest = open_manifest(str(path))
    except ManifestError as error:
        assert 1 <= len(str(error).splitlines()) <= 3
        return
    file, projection = (
        manifest.files[0],
        Projection(manifest.columns[:2], frozenset(manifest.columns[:1])),
    )
    try:
        for part in split_file(manifest.format, file, range_bytes):
            for record in manifest.format.records(part, projection):
                row = row_of(part.name, record)
                assert isinstance(row, ManifestRow | RejectedRow)
                assert row.row >= 1
    except (BuildError, ManifestError) as error:
        assert "m." in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)
SETTINGS = [
    "type",
    "source",
    "height",
    "width",
    "resize",
    "vocabulary",
    "num_classes",
    "shape",
    "min",
    "default",
    "quality",
]
VALUES = JSON | st.sampled_from(
    [
        "image",
        "class_label",
        "class_labels",
        "int64",
        "float32",
        "string",
        "bytes",
        "crop",
        "raw",
        "png",
        8,
        [None],
        [2],
    ]
)
FEATURES = st.dictionaries(
    st.text(max_size=12), st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=7), max_size=3
)


@many
@given(st.one_of(JSON, st.fixed_dictionaries({"features": FEATURES})))
def test_schemas_are_schemas_or_an_error_with_its_place(declared):
    try:
        schema = Schema.from_dict(declared)
    except SchemaError as error:
        assert str(error)
        return
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    if not any(feature.needs_vocabulary for feature in schema.features.values()):
        compile(write_description(schema), "feature_description.py", "exec")


IMAGE = Schema.from_dict(
    {
        "features": {
            "i": {"type": "image", "source": "p", "height": 16, "width": 16, "upscale": True}
        }
    }
).features["i"]
WHOLE = originals()


@many
@given(st.sampled_from(sorted(WHOLE)), st.randoms(use_true_random=False), st.integers(1, 3))
def test_images_are_records_or_rejects(name, chooser, times):
    data = WHOLE[name]
    for _ in range(times):
        data = mutate(data, list(WHOLE.values()), chooser) or b"\0"
    try:
        assert isinstance(IMAGE.encode("i", data), Encoded)
    except Reject as reject:
        assert reject.stage in ("decode", "encode")
        assert reject.message
