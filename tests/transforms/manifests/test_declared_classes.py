import json
from pathlib import Path

import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.schemas.schema import Schema
from pixelbeam.transforms.manifests.declared_classes import find_classes, with_declared_classes
from pixelbeam.transforms.manifests.open_manifest import open_manifest
from pixelbeam.transforms.manifests.split_manifests import open_manifests

SCHEMA = Schema.from_dict(
    {
        "features": {
            "image": {"type": "image", "source": "file_name", "height": 8, "width": 8},
            "labels": {
                "type": "class_labels",
                "source": "category",
                "vocabulary": "from_manifest",
                "default": [],
            },
            "fixed": {"type": "class_labels", "source": "category", "vocabulary": ["x"]},
        }
    }
)


def write(path: Path, **categories: int) -> Path:
    found = [{"id": number, "name": name} for name, number in categories.items()]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [],
        "categories": found,
    }
    path.write_text(json.dumps(document))
    return path


def test_the_classes_are_the_manifests_in_the_order_of_their_ids(tmp_path):
    manifest = open_manifest(str(write(tmp_path / "a.json", zebra=1, cat=90, ant=12)))
    assert find_classes([manifest], "category") == (("zebra", "ant", "cat"), (1, 12, 90))
    assert find_classes([manifest], "file_name") == ((), None)
    assert find_classes([manifest], "category_id") == (("1", "12", "90"), None)
    schema = with_declared_classes(SCHEMA, [manifest])
    assert schema.features["labels"].vocabulary == ("zebra", "ant", "cat")
    assert schema.features["labels"].source_ids == (1, 12, 90)
    assert "source_ids" not in schema.to_dict()["features"]["fixed"]
    assert schema.features["fixed"] == SCHEMA.features["fixed"]
    # What is filled in is left alone: a dataset's own schema gives the dataset again.
    assert with_declared_classes(schema, [manifest]).to_dict() == schema.to_dict()


def test_the_classes_of_several_manifests_are_joined(tmp_path):
    write(tmp_path / "a.json", cat=1, dog=3)
    write(tmp_path / "b.json", ant=2, cat=1)
    manifests = open_manifests(f"train={tmp_path / 'a.json'},val={tmp_path / 'b.json'}")
    assert find_classes(manifests, "category") == (("cat", "ant", "dog"), (1, 2, 3))


def test_two_categories_of_one_name_are_one_class(tmp_path):
    path = tmp_path / "a.json"
    categories = [{"id": n, "name": name} for n, name in enumerate(["coin", "coin", "x"])]
    images = [{"id": 1, "file_name": "a.jpg"}]
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    assert find_classes([open_manifest(str(path))], "category") == (("coin", "x"), (0, 2))


def test_manifests_that_disagree_are_refused(tmp_path):
    first, second = write(tmp_path / "a.json", cat=1), write(tmp_path / "b.json", dog=1)
    manifest = open_manifest(str(tmp_path / "*.json"))
    with pytest.raises(ManifestError) as caught:
        find_classes([manifest], "category")
    assert str(caught.value) == (
        f"{second}: category 1 is 'dog', and 'cat' in {first}, expected the same categories in all manifests"
    )


def test_a_manifest_that_declares_none_has_its_classes_collected(tmp_path):
    (tmp_path / "a.csv").write_text("file_name,category\na.jpg,cat\n")
    plain = open_manifest(str(tmp_path / "a.csv"))
    declaring = open_manifest(str(write(tmp_path / "a.json", cat=1)))
    assert with_declared_classes(SCHEMA, [plain]) is SCHEMA
    assert find_classes([declaring, plain], "category") == ((), None)


def test_classes_of_the_labels_manifest(tmp_path):
    (tmp_path / "a.csv").write_text("file_name\na.jpg\n")
    labels = open_manifest(str(write(tmp_path / "a.json", cat=7, bat=8)))
    schema = with_declared_classes(SCHEMA, [open_manifest(str(tmp_path / "a.csv"))], labels)
    assert schema.features["labels"].vocabulary == ("cat", "bat")
