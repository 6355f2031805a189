"""``import pixelbeam as pb``: every name is there, and brings in no more than it needs."""

import ast
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pixelbeam as pb
import pytest
from pixelbeam.schemas import errors
from pixelbeam.schemas.features import feature_kinds, object_kinds

ROOT = Path(__file__).parents[1]
FACADE = ROOT / "pixelbeam" / "__init__.py"
KINDS = {
    kind.__name__: kind for kinds in (feature_kinds(), object_kinds()) for kind in kinds.values()
}


def typed_names() -> dict[str, str]:
    """What type checkers are told: the module of each name."""
    (block,) = (
        node
        for node in ast.parse(FACADE.read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.name: f"pixelbeam.{node.module}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


TYPED = typed_names()


def names_of(*folders: str) -> list[str]:
    return [name for name, module in TYPED.items() if module.split(".")[1] in folders]


def run(code: str, cwd: Path = Path("/")) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", TYPED)
def test_a_name_is_what_type_checkers_take_it_for(name: str) -> None:
    assert getattr(pb, name) is getattr(import_module(TYPED[name]), name)


def test_all_names_are_typed_and_documented() -> None:
    assert set(pb.__all__) == set(TYPED) - set(KINDS) | {"__version__"}
    assert [name for name in TYPED if not getattr(pb, name).__doc__] == []


def test_every_error_for_users_is_there() -> None:
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    raised = {kind.__name__ for kind in kinds if issubclass(kind, errors.PixelbeamError)}
    assert raised == {name for name, module in TYPED.items() if module == errors.__name__}


@pytest.mark.parametrize("name", KINDS)
def test_feature_kinds_are_found(name: str) -> None:
    assert getattr(pb, name) is KINDS[name]


def test_dir_lists_all_names_and_kinds() -> None:
    assert dir(pb) == sorted({*pb.__all__, *KINDS})


@pytest.mark.parametrize("name", ["nothing", "Nothing", "_private"])
def test_other_names_are_errors(name: str) -> None:
    with pytest.raises(AttributeError, match=f"^module 'pixelbeam' has no attribute '{name}'$"):
        getattr(pb, name)


def test_version_is_that_of_the_installation() -> None:
    assert pb.__version__ == metadata.version("pixelbeam")


def test_importing_pixelbeam_imports_nothing_else() -> None:
    code = "import sys; before = {*sys.modules}; import pixelbeam; print(*{*sys.modules} - before)"
    loaded = {name.split(".")[0] for name in run(code).split()}
    assert loaded - sys.stdlib_module_names <= {"pixelbeam"}


@pytest.mark.parametrize(
    ("names", "never"),
    [
        (names_of("pipeline", "transforms"), ("tensorflow", "keras")),
        (names_of("readers"), ("apache_beam",)),
        (
            [*names_of("schemas"), *KINDS, "__version__", "__doc__"],
            ("apache_beam", "tensorflow", "keras"),
        ),
    ],
    ids=["building", "reading", "declaring"],
)
def test_a_name_loads_no_more_than_it_needs(names: list[str], never: tuple[str, ...]) -> None:
    """Each after the one before, so that what one loads too much shows at once."""
    code = (
        "import sys, pixelbeam as pb\n"
        f"for name in {names!r}:\n"
        "    getattr(pb, name)\n"
        f"    print(name, *(module for module in {never!r} if module in sys.modules))\n"
    )
    assert run(code).split() == names


def test_records_need_neither_tensorflow_nor_beam() -> None:
    code = (
        "import sys, pixelbeam as pb; pb.HDF5Records; print({'tensorflow', 'keras', 'apache_beam'}"
    )
    assert run(f"{code} & {{*sys.modules}})") == "set()\n"


def test_from_the_root_of_the_checkout_it_is_the_same_module() -> None:
    code = "import pixelbeam as pb; print(pb.__file__, pb.Schema.__module__)"
    assert run(code, ROOT) == run(code) == f"{FACADE} pixelbeam.schemas.schema\n"
