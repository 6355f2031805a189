from pathlib import Path

import pytest
from pixelbeam.schemas.errors import ManifestError
from pixelbeam.transforms.manifests.formats.annotations import yolo
from pixelbeam.transforms.manifests.formats.annotations.yolo import Yolo, read_set
from pixelbeam.transforms.manifests.open_manifest import open_manifest

BOX = "0 0.5 0.5 0.25 0.5\n"
COLUMNS = ("file_name", "split", "bbox", "category", "category_id", "segmentation", "score")


def put(root: Path, **files: str | None) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or "")


def make(
    root: Path, text: str = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
) -> Path:
    put(
        root,
        **{
            "data.yaml": text,
            "images/train/b.jpg": None,
            "images/train/deep/a.PNG": None,
            "images/train/notes.md": None,
            "images/val/c.jpg": None,
            "images/val/d.jpg": None,
            "labels/train/b.txt": BOX + "1 0.1 0.2 0.5 0.2 0.5 0.8\n",
            "labels/train/deep/a.txt": "",
            "labels/val/c.txt": "1 0.5 0.5 0.5 0.5 0.75\n",
        },
    )
    return root / "data.yaml"


def boxes(*values):
    return {"boxes": list(values), "format": "cxcywh", "normalized": True, "size": None}


def masks(*values):
    return {"masks": list(values), "normalized": True, "size": None}


ROWS = [
    (1, ("images/train/b.jpg", "train", boxes([0.5, 0.5, 0.25, 0.5], pytest.approx([0.3, 0.5, 0.4, 0.6])),
         ["cat", "dog"], [0, 1], masks(None, {"polygons": [[0.1, 0.2, 0.5, 0.2, 0.5, 0.8]]}), [None, None])),
    (2, ("images/train/deep/a.PNG", "train", boxes(), [], [], masks(), [])),
    (3, ("images/val/c.jpg", "val", boxes([0.5, 0.5, 0.5, 0.5]), ["dog"], [1], masks(None), [0.75])),
    (4, ("images/val/d.jpg", "val", boxes(), [], [], masks(), [])),
]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_an_image_is_a_row(rows, tmp_path, outcomes, monkeypatch):
    monkeypatch.setattr(yolo, "_PART_ROWS", rows)
    path = make(tmp_path)
    manifest = open_manifest(str(path))
    assert set(manifest.columns) == set(COLUMNS)
    assert (manifest.root, manifest.split_column) == (str(tmp_path), "split")
    assert outcomes(path, columns=COLUMNS) == ROWS
    assert manifest.format.classes(str(path), "category") == {0: "cat", 1: "dog"}
    assert manifest.format.classes(str(path), "category_id") == {0: "0", 1: "1"}
    assert manifest.format.classes(str(path), "split") is None


@pytest.mark.parametrize(
    "text",
    [
        "path: .\ntrain: ./images/train\nval: [images/val]\nnames: {1: dog, 0: cat}\nnc: 2\n",
        "path: ../{0}\ntrain: images/train/\nval: images/val\ntest:\nnames: [cat, dog]\n",
        "train: [images/train, images/val/c.jpg.txt]\nval: images/val\nnames: [cat, dog]\n",
        "train: ../images/train\nval: ../images/val\nnames: [cat, dog]\n",  # Roboflow's
    ],
)
def test_ways_to_name_the_images(text, tmp_path, outcomes):
    put(tmp_path / "set", **{"images/val/c.jpg.txt": "./c.jpg\n\nimages/val/d.jpg\n"})
    path = make(tmp_path / "set", text.replace("{0}", "set"))
    if "c.jpg.txt" in text:
        names = [(n, row[:2]) for n, row in outcomes(path, columns=COLUMNS)]
        assert names == [
            (1, ("images/train/b.jpg", "train")),
            (2, ("images/train/deep/a.PNG", "train")),
            (3, ("images/val/c.jpg", "train")),
            (4, ("images/val/d.jpg", "train")),
            (5, ("images/val/c.jpg", "val")),
            (6, ("images/val/d.jpg", "val")),
        ]
    else:
        assert outcomes(path, columns=COLUMNS) == ROWS


def test_another_root(tmp_path, outcomes):
    make(tmp_path / "data")
    put(tmp_path, **{"conf/a.yml": "path: ../data\ntrain: images/train\nnames: [cat, dog]\n"})
    manifest = open_manifest(str(tmp_path / "conf" / "a.yml"))
    assert (manifest.root, manifest.split_column) == (str(tmp_path / "data"), None)
    assert outcomes(tmp_path / "conf" / "a.yml", columns=COLUMNS) == ROWS[:2]


def test_files_of_two_roots_are_no_glob(tmp_path):
    for name in ("a", "b"):
        make(tmp_path / name)
    with pytest.raises(ManifestError, match="expected one folder for all files of a glob"):
        open_manifest(str(tmp_path / "*" / "data.yaml"))


def test_a_folder_far_away(memory_files, outcomes):
    memory_files["memory://b/set/data.yaml"] = b"train: images\nnames: [cat]\n"
    memory_files["memory://b/set/images/x/a.jpg"] = b""
    memory_files["memory://b/set/images/b.jpg"] = b""
    memory_files["memory://b/set/labels/x/a.txt"] = BOX.encode()
    assert outcomes("memory://b/set/data.yaml", columns=("file_name", "category")) == [
        (1, ("images/b.jpg", [])),
        (2, ("images/x/a.jpg", ["cat"])),
    ]


def test_keypoints(tmp_path, outcomes):
    text = "train: images/train\nnames: [cat, dog]\nkpt_shape: [1, 3]\n"
    path = make(tmp_path, text)
    put(tmp_path, **{"labels/train/b.txt": "0 .5 .5 .2 .2 0.25 0.75 1\n"})
    assert "keypoints" in open_manifest(str(path)).columns
    assert outcomes(path, columns=("keypoints",)) == [
        (1, ({"keypoints": [[0.25, 0.75, 1]], "normalized": True, "size": None},)),
        (2, ({"keypoints": [], "normalized": True, "size": None},)),
    ]


def test_a_line_that_cannot_be_read_costs_its_image(tmp_path, read):
    path = make(tmp_path)
    put(tmp_path, **{"labels/train/b.txt": BOX + "7 .5 .5 .5 .5\n"})
    rejected, *rest = read(path, ("file_name", "bbox"))
    assert rejected.reject.reason == "unknown_category"
    assert rejected.reject.path == "images/train/b.jpg"
    assert rejected.reject.message == (
        "labels/train/b.txt: line 2: got the class 7, expected one that the data set's names have"
    )
    assert rejected.values == (("file_name", "images/train/b.jpg"),)
    assert [row.values[0] for row in rest] == [ROWS[n][1][0] for n in (1, 2, 3)]


def test_the_identity_is_all_that_rows_follow_from(tmp_path):
    first = Yolo().identity(str(make(tmp_path / "a")))
    assert first["files"] == 4
    # The same data set elsewhere, under another path.
    text = f"path: {tmp_path / 'b'}\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"
    path = make(tmp_path / "b", text)
    assert Yolo().identity(str(path)) == first
    changes = [
        {"labels/val/d.txt": ""},  # a background that now says so
        {"labels/train/b.txt": BOX},
        {"images/train/new.jpg": None},
        {"data.yaml": "train: images/train\nval: images/val\nnames: [cat, cow]\n"},
    ]
    seen = [first]
    for change in changes:
        put(tmp_path / "b", **change)
        seen.append(Yolo().identity(str(path)))
        assert seen[-1] not in seen[:-1]


def test_a_split_without_any_label_is_refused(tmp_path):
    path = make(tmp_path)
    (tmp_path / "labels/val/c.txt").unlink()
    with pytest.raises(ManifestError) as caught:
        Yolo().identity(str(path))
    assert str(caught.value) == (
        f"{path}: val: none of its 2 images has a label file, expected {tmp_path}/labels/val/c.txt or others; "
        "leave val out of the file if it has no labels"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not readable as YAML: while parsing a flow node"),
        ("a: &a [1]\ntrain: *a", "not readable as YAML: got an alias, expected none"),
        ("features: {}", "no train, val, test in it, expected a YOLO data set"),
        ("- 1", "no train, val, test in it, expected a YOLO data set"),
        ("train: x\nnames: [a]\npath: 3", "path: got 3, expected a folder"),
        ("train: [1]\nnames: [a]", "train: got 1, expected a folder, a list or a .txt"),
        ("train: x", "names: got None, expected the classes' names"),
        ("train: x\nnames: []", "names: got [], expected the classes' names"),
        ("train: x\nnames: [yes]", "names: got 0: True, expected the classes' names"),
        ("train: x\nnames: {a: 1}", "names: got 'a': 1, expected the classes' names"),
        ("train: x\nnames: [a]\nnc: 2", "nc: got 2, expected 1, as names has"),
        ("train: x\nnames: [a]\nkpt_shape: [17]", "kpt_shape: got [17], expected [points, 2] or"),
        ("train: x\nnames: [a]\nkpt_shape: [17, 4]", "kpt_shape: got [17, 4], expected"),
    ],
)
def test_what_is_no_data_set_is_said(text, message, tmp_path):
    path = tmp_path / "data.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        open_manifest(str(path))
    assert str(caught.value).startswith(f"{path}: {message}")


def test_folders_that_are_not_there_or_empty(tmp_path):
    path = make(tmp_path, "train: none\nnames: [a]\n")
    with pytest.raises(ManifestError, match=r"data.yaml: train: .*/none cannot be read: No such"):
        Yolo().identity(str(path))
    path = make(tmp_path, "train: labels\nnames: [a]\n")
    with pytest.raises(ManifestError, match=r"data.yaml: train: no image in 'labels'"):
        Yolo().identity(str(path))


def test_names_may_be_numbers_alone(tmp_path):
    assert read_set(str(make(tmp_path, "train: x\nnc: 2\n"))).names == {0: "0", 1: "1"}
