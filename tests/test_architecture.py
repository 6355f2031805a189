"""Which folder may import which, and the other rules of the house that a machine can hold."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "schemas": {"schemas"},
    "transforms": {"schemas", "transforms"},
    "pipeline": {"schemas", "transforms", "pipeline"},
    "readers": {"schemas", "readers"},
}
TENSORFLOW = {"tensorflow", "keras"}
NEVER_IMPORTS = {
    "schemas": TENSORFLOW | {"apache_beam"},
    "transforms": TENSORFLOW,
    "pipeline": TENSORFLOW,
    "readers": {"apache_beam"},
}
UNSAFE_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system"}
# Runs the module that this version writes itself, in which what users named is literals only.
MAY_EXECUTE = {"readers/tf_data/description.py": {"exec"}}
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers", "common"}
NOT_IN_TRANSFORM_NAMES = ("Transform", "Source", "Sink", "Reader", "Writer")

MODULES = sorted(
    path.relative_to(ROOT) for folder in MAY_IMPORT for path in ROOT.glob(f"{folder}/**/*.py")
)


def offenders(find_wrong: Callable[[Path], Any], modules: list[Path] = MODULES) -> dict[str, Any]:
    """What is wrong with each module that breaks a rule; not a test a module, which takes longer than the rule."""
    found = {str(module): find_wrong(module) for module in modules}
    return {name: wrong for name, wrong in found.items() if wrong}


@cache
def parse(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def imports(module: Path) -> Iterator[tuple[bool, str]]:
    """Each imported module: is the import relative, and its name without ``pixelbeam.``."""
    package = module.parent.parts
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Import):
            yield from ((False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            named = (node.module,) if node.module else tuple(alias.name for alias in node.names)
            yield from ((True, ".".join([*base, name])) for name in named)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield False, node.module


def first_words(module: Path, *, relative: bool) -> set[str]:
    return {name.split(".")[0] for is_relative, name in imports(module) if is_relative == relative}


def classes(module: Path) -> Iterator[tuple[str, str]]:
    """Each class with the source of its bases."""
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.ClassDef):
            yield node.name, ", ".join(map(ast.unparse, node.bases))


def exported(module: Path) -> list[str] | None:
    for node in parse(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def dotted(module: Path) -> str:
    parts = (
        module.parent.parts if module.stem == "__init__" else (*module.parent.parts, module.stem)
    )
    return ".".join(("pixelbeam", *parts))


def import_in_fresh_interpreter(folders: set[str], refused: tuple[str, ...] = ()) -> set[str]:
    """Imports every module of the folders and returns the top-level names that this has loaded.

    To look for a module that is refused ends the interpreter, whatever would catch an ``ImportError``.
    """
    names = [dotted(module) for module in MODULES if module.parts[0] in folders]
    code = (
        "import importlib, os, sys\n"
        "class Refusal:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name in {refused!r}: os._exit(9)\n"
        "sys.meta_path.insert(0, Refusal())\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(*{name.split('.')[0] for name, module in sys.modules.items() if module})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_folder_is_looked_at() -> None:
    assert {module.parts[0] for module in MODULES} == set(MAY_IMPORT)


def test_imports_point_one_way() -> None:
    def wrong(module: Path) -> set[str]:
        return first_words(module, relative=True) - MAY_IMPORT[module.parts[0]]

    assert offenders(wrong) == {}


def test_storage_alone_asks_what_kind_of_path_it_has() -> None:
    def wrong(module: Path) -> set[str]:
        names = {node.id for node in ast.walk(parse(module)) if isinstance(node, ast.Name)}
        return names & {"FileSystems", "is_local"}

    assert (
        offenders(wrong, [m for m in MODULES if not m.is_relative_to("transforms/storage")]) == {}
    )


def test_imports_across_the_folders_are_relative() -> None:
    def wrong(module: Path) -> set[str]:
        return first_words(module, relative=False) & {"pixelbeam", *MAY_IMPORT}

    assert offenders(wrong) == {}


def test_each_side_keeps_its_libraries_to_itself() -> None:
    def wrong(module: Path) -> set[str]:
        return first_words(module, relative=False) & NEVER_IMPORTS[module.parts[0]]

    assert offenders(wrong) == {}


def test_init_exports_nothing_of_another_folder() -> None:
    def wrong(module: Path) -> set[str]:
        imported = {
            alias.asname or alias.name
            for node in ast.walk(parse(module))
            if isinstance(node, ast.ImportFrom) and node.level > len(module.parent.parts)
            for alias in node.names
        }
        return imported & set(exported(module) or ())

    assert offenders(wrong, [m for m in MODULES if m.stem == "__init__"]) == {}


def test_schemas_never_name_beam() -> None:
    def wrong(module: Path) -> list[str]:
        text = (ROOT / module).read_text(encoding="utf-8")
        return re.findall(r"(?i)(?<!pixel)beam.*", text)

    assert offenders(wrong, [m for m in MODULES if m.parts[0] == "schemas"]) == {}


def test_names_say_something() -> None:
    def wrong(module: Path) -> list[str]:
        names = [*module.with_suffix("").parts, *(name for name, _ in classes(module))]
        words = {name: re.findall(r"[A-Z]?[a-z]+", name) for name in names}
        return [n for n, found in words.items() if EMPTY_WORDS & {w.lower() for w in found}]

    assert offenders(wrong) == {}


def test_nothing_unpickles_or_evaluates() -> None:
    def wrong(module: Path) -> set[str]:
        safe_loaders = {name for name, bases in classes(module) if bases == "yaml.SafeLoader"}
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(parse(module))
            if isinstance(node, ast.Call) and not safe_loaders & set(map(ast.unparse, node.args))
        }
        imported = first_words(module, relative=False) & UNSAFE_IMPORTS
        return imported | (calls & UNSAFE_CALLS - MAY_EXECUTE.get(module.as_posix(), set()))

    assert offenders(wrong) == {}


def test_do_fns_are_private_and_transforms_named_by_verbs() -> None:
    def wrong(module: Path) -> list[str]:
        return [
            name
            for name, bases in classes(module)
            if (("DoFn" in bases or "CombineFn" in bases) and not name.startswith("_"))
            or ("PTransform" in bases and any(word in name for word in NOT_IN_TRANSFORM_NAMES))
        ]

    assert offenders(wrong) == {}


def test_every_module_says_what_it_is_and_what_it_offers() -> None:
    def wrong(module: Path) -> bool:
        tree = parse(module)
        # An __init__.py may be nothing but its docstring.
        return not (ast.get_docstring(tree) and (exported(module) or len(tree.body) == 1))

    assert offenders(wrong) == {}


def find_kinds() -> set[str]:
    """``Feature`` and the names of all classes that are derived from it."""
    derived = [each for module in MODULES if "features" in module.parts for each in classes(module)]
    kinds: set[str] = set()
    found = {"Feature"}
    while found - kinds:
        kinds |= found
        found = {name for name, bases in derived if kinds & set(bases.split(", "))}
    return kinds


KINDS = find_kinds()


def test_kinds_are_found() -> None:
    assert {"Feature", "Image", "ClassLabel", "Int64", "OwnedFeature"} <= KINDS
    assert "Steps" not in KINDS


def test_nothing_asks_which_kind_a_feature_is() -> None:
    """What others need to know of a feature is an attribute or a method of it."""

    def wrong(module: Path) -> set[str]:
        asked = []
        for node in ast.walk(parse(module)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "isinstance",
                "issubclass",
            ):
                asked += [n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)]
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
                of_feature = re.search(r"\bfeature\b", ast.unparse(node.args[0]))
                asked += [ast.unparse(node)] * bool(of_feature)
            elif isinstance(node, ast.Compare):
                asked += re.findall(r"\bfeature\.type\b", ast.unparse(node))
            elif isinstance(node, ast.MatchClass):
                asked.append(ast.unparse(node.cls))
        # A schema takes features as well as what declares them, of whatever kind.
        allowed = {"Feature"} if module == Path("schemas/schema.py") else set()
        return {name for name in asked if name in KINDS - allowed or "feature" in name}

    assert offenders(wrong, [m for m in MODULES if "features" not in m.parts]) == {}


def test_building_never_loads_tensorflow() -> None:
    loaded = import_in_fresh_interpreter({"schemas", "transforms", "pipeline"})
    assert "apache_beam" in loaded
    assert not loaded & TENSORFLOW


def test_schemas_load_neither_beam_nor_tensorflow() -> None:
    assert not import_in_fresh_interpreter({"schemas"}) & {"apache_beam", *TENSORFLOW}


def test_reading_never_looks_for_beam() -> None:
    refused = ("apache_beam", "pixelbeam.transforms", "pixelbeam.pipeline")
    assert "pixelbeam" in import_in_fresh_interpreter({"schemas", "readers"}, refused)
