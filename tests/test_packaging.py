"""What is installed: the wheel and the sdist, built and installed without a network."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes, message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
FOLDERS = ("schemas", "transforms", "pipeline", "readers")
OWN = "pixelbeam"  # the folder of the name's own module; installed, it holds the others
BESIDE = {"CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"}
PROVIDED_BY = {"pydantic-core": "pydantic", "keras": "tensorflow", "tensorflow-cpu": "tensorflow"}
FILES = {
    path.relative_to(ROOT).as_posix()
    for folder in (*FOLDERS, OWN)
    for pattern in ("*.py", "*.yaml", "py.typed")
    for path in (ROOT / folder).rglob(pattern)
}
INSTALLED = {f"pixelbeam/{name.removeprefix(f'{OWN}/')}" for name in FILES}
MODULES = sorted(
    name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for name in INSTALLED
    if name.endswith(".py")
)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and an sdist, built from a copy so that the repository stays clean."""
    copy = tmp_path_factory.mktemp("copy")
    for name in BESIDE:
        shutil.copy(ROOT / name, copy)
    for folder in (*FOLDERS, OWN):
        shutil.copytree(ROOT / folder, copy / folder)
    run("setup.py", "-q", "sdist", "bdist_wheel", cwd=copy)
    return copy / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> dict[str, bytes]:
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    (name,) = (name for name in wheel if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel[name])


def test_wheel_holds_every_module_and_preset(wheel: dict[str, bytes]) -> None:
    held = {name for name in wheel if ".dist-info/" not in name}
    assert held == INSTALLED


def test_every_folder_is_typed_and_presets_are_there() -> None:
    assert {name for name in FILES if name.endswith("py.typed")} == {
        f"{f}/py.typed" for f in (*FOLDERS, OWN)
    }
    assert {name for name in FILES if name.endswith(".yaml")} == {
        f"schemas/presets/{preset}.yaml"
        for preset in (
            "audio_visual",
            "image_classification",
            "image_regression",
            "instance_segmentation",
            "multi_label",
            "object_detection",
            "pose",
            "semantic_segmentation",
            "token_sequence",
            "video_classification",
        )
    }


def test_wheel_has_the_command(wheel: dict[str, bytes]) -> None:
    (name,) = (name for name in wheel if name.endswith(".dist-info/entry_points.txt"))
    assert wheel[name].decode().split("\n")[:2] == [
        "[console_scripts]",
        "pixelbeam = pixelbeam.pipeline.main:main",
    ]


def test_version_is_that_of_the_installation(metadata: Message) -> None:
    assert metadata["Version"] == importlib.metadata.version("pixelbeam")


def test_base_install_has_no_tensorflow(metadata: Message) -> None:
    required = metadata.get_all("Requires-Dist", [])
    assert [line for line in required if "tensorflow" in line and "extra ==" not in line] == []
    assert [line for line in required if "tensorflow" in line] != []
    extras = {"dev", "examples", "hdf5", "mutation", "s3", "train"}
    assert set(metadata.get_all("Provides-Extra", [])) == extras


def test_every_import_is_required(metadata: Message) -> None:
    required = {
        canonical(re.split(r"[^\w.-]", line)[0])
        for line in metadata.get_all("Requires-Dist", [])
        if 'extra == "dev"' not in line and 'extra == "mutation"' not in line
    }
    distributions = importlib.metadata.packages_distributions()
    missing = {
        name
        for name in third_party_imports()
        if not {PROVIDED_BY.get(o, o) for o in map(canonical, distributions[name])} & required
    }
    assert missing == set()


def canonical(distribution: str) -> str:
    return distribution.lower().replace("_", "-")


def third_party_imports() -> set[str]:
    names = {
        alias.name if isinstance(node, ast.Import) else node.module or ""
        for file in FILES
        if file.endswith(".py")
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        for alias in node.names
    }
    # `google` is a namespace that several distributions share: google.protobuf, google_crc32c.
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"google"}


def test_sdist_holds_all_that_the_wheel_is_built_from(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    generated = {name for name in held if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert held - generated == FILES | BESIDE


@pytest.fixture(scope="module", params=["*.tar.gz", "*.whl"], ids=["sdist", "wheel"])
def installed(request: pytest.FixtureRequest, dist: Path, tmp_path_factory: Any) -> Path:
    """A folder in which the sdist, or the wheel, is installed."""
    (path,) = dist.glob(request.param)
    folder: Path = tmp_path_factory.mktemp("installed")
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*install, "--target", folder, path, cwd=folder)
    return folder


def test_it_installs_and_imports_away_from_the_repository(installed: Path) -> None:
    code = (
        "import importlib\n"
        f"for name in {MODULES!r}: print(importlib.import_module(name).__file__)\n"
    )
    loaded = run("-c", code, cwd=installed, PYTHONPATH=str(installed)).split()
    assert {Path(name).relative_to(installed).as_posix() for name in loaded} == {
        name for name in INSTALLED if name.endswith(".py")
    }
    info = next(installed.glob("pixelbeam-*.dist-info"))
    assert message_from_string((info / "METADATA").read_text())["Name"] == "pixelbeam"


TELL = "import pixelbeam as pb; print(pb.__file__, pb.load_schema.__code__.co_filename, pb.Image)"


def test_it_is_one_package_from_the_root_of_a_checkout_too(installed: Path) -> None:
    """There the folder ``pixelbeam`` comes before the installed one, and finds its modules."""
    found = run("-c", TELL, cwd=ROOT, PYTHONPATH=str(installed)).split(maxsplit=2)
    elsewhere = run("-c", TELL, cwd=installed, PYTHONPATH=str(installed)).split(maxsplit=2)
    modules = str(installed / "pixelbeam" / "schemas" / "schema_files.py")
    kind = "<class 'pixelbeam.schemas.features.image.Image'>\n"
    assert found == [str(ROOT / "pixelbeam" / "__init__.py"), modules, kind]
    assert elsewhere == [str(installed / "pixelbeam" / "__init__.py"), modules, kind]


def test_workers_that_have_it_installed_build(installed: Path, tmp_path: Path) -> None:
    """Processes of their own, as an engine's are, to which the launcher's functions go by reference."""
    (tmp_path / "rows.csv").write_text("words,label\n" + "1 2 3,a\n4 5,b\n" * 20)
    program = (
        "import pixelbeam as pb\n"
        "schema = pb.Schema(features={\n"
        "    'words': pb.Int64(source='words', shape=[None]),\n"
        "    'label': pb.ClassLabel(source='label', vocabulary='from_manifest')})\n"
        "if __name__ == '__main__':\n"
        "    built = pb.build('rows.csv', schema=schema, output='out', num_shards=2,\n"
        "                     direct_running_mode='multi_processing', direct_num_workers=2)\n"
        "    print(pb.__file__, built.dataset.splits['train'].num_records)\n"
        "    print(pb.verify('out').faults)\n"
    )
    (tmp_path / "program.py").write_text(program)
    said = run("program.py", cwd=tmp_path, PYTHONPATH=str(installed)).splitlines()
    assert said == [f"{installed / 'pixelbeam' / '__init__.py'} 40", "[]"]


def test_mypy_sees_the_folders(tmp_path: Path) -> None:
    """On this layout mypy passes over nothing unless it is pointed at the folders."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in (*FOLDERS, OWN):
        shutil.copytree(ROOT / folder, tmp_path / folder)
        with (tmp_path / folder / "__init__.py").open("a") as file:
            file.write("\nwrong: int = 'text'\n")
    shutil.copytree(ROOT / ".mypy_path", tmp_path / ".mypy_path", symlinks=True)
    done = subprocess.run(
        [sys.executable, "-m", "mypy"], cwd=tmp_path, capture_output=True, text=True
    )
    wrong = set(re.findall(r"(\w+)/__init__\.py:\d+: error: Incompatible types", done.stdout))
    assert wrong == {*FOLDERS, OWN}, done.stdout + done.stderr
