#!/usr/bin/env python3
"""Mutation testing: changes a module in one place, runs the tests that mirror it, and says which changes pass.

    pip install -e '.[mutation]'
    nice .venv/bin/python scripts/mutation.py [MODULE …] [--sample 40] [--seed 0]

``schemas/images/resizing.py`` is tested by ``tests/schemas/images/test_resizing.py`` alone. Survivors are
printed with their place and change. Those that mean the same as the code are listed, with the reason, in
``mutation_equal.txt`` beside this script, and counted apart.

The changes are cosmic-ray's. Its own runner starts a process for each, of which most spend all their time on
importing Beam; here a process that has imported the libraries forks for each. (mutmut 3 fails on this layout: it
runs tests on a copy below ``mutants/``, where relative imports across the top-level folders lead nowhere.)
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

__all__ = ["Mutant", "equal_mutants", "find_mutants", "main", "mirrored_test"]

ROOT = Path(__file__).resolve().parents[1]
EQUAL = Path(__file__).with_name("mutation_equal.txt")
FOLDERS = ("schemas", "transforms", "pipeline")

# A comparison, a number, a condition, arithmetic, the way out of a loop.
_OPERATORS = (
    "AddNot",
    "NumberReplacer",
    "ReplaceAndWithOr",
    "ReplaceBinaryOperator_Add_Sub",
    "ReplaceBinaryOperator_BitAnd_BitOr",
    "ReplaceBinaryOperator_BitOr_BitAnd",
    "ReplaceBinaryOperator_Div_Mul",
    "ReplaceBinaryOperator_FloorDiv_Div",
    "ReplaceBinaryOperator_LShift_RShift",
    "ReplaceBinaryOperator_Mod_Add",
    "ReplaceBinaryOperator_Mul_Add",
    "ReplaceBinaryOperator_RShift_LShift",
    "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBreakWithContinue",
    "ReplaceComparisonOperator_Eq_NotEq",
    "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_GtE_LtE",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_Gt_Lt",
    "ReplaceComparisonOperator_IsNot_Is",
    "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_LtE_GtE",
    "ReplaceComparisonOperator_LtE_Lt",
    "ReplaceComparisonOperator_Lt_Gt",
    "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_NotEq_Eq",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_USub_UAdd",
    "ZeroIterationForLoop",
)
# Imported once, before any fork; importing TensorFlow or Beam leaves no threads that a fork would miss.
_LIBRARIES = (
    "apache_beam",
    "h5py",
    "hypothesis",
    "numpy",
    "PIL.Image",
    "google.protobuf.message_factory",
    "google_crc32c",
    "pyarrow.parquet",
    "pydantic",
    "pytest",
    "simplejpeg",
    "yaml",
)
_PASSED_WITH_TENSORFLOW = 100
_PASSED = (0, _PASSED_WITH_TENSORFLOW)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change.

    Attributes:
        module: the file, relative to the root.
        line: of the change, from 1.
        before: what stands there, without indentation.
        after: what the mutant has there.
        source: the mutant's whole text.
    """

    module: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before} → {self.after}"

    @property
    def key(self) -> str:
        """What names it in ``mutation_equal.txt``: all but the line's number."""
        return f"{self.module}: {self.before} → {self.after}"


def main() -> int:
    """Mutates, tests, reports; exits with 1 where fewer than nine in ten are killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="files (default: all)")
    parser.add_argument("--sample", type=int, default=40, help="mutants a module, at most")
    parser.add_argument("--seed", default="0", help="of the sample")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    _import_once(_LIBRARIES)
    modules = options.modules or [
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    equal, totals = equal_mutants(EQUAL), [0, 0]
    for module in modules:
        test = mirrored_test(module)
        mutants = find_mutants(module, (ROOT / module).read_text(encoding="utf-8"))
        if not mutants:
            continue
        if not (ROOT / test).exists():
            print(f"{module}: no {test}", flush=True)
            continue
        chosen = random.Random(f"{options.seed}:{module}")
        sample = chosen.sample(mutants, min(options.sample, len(mutants)))
        killed, judged = _try_all(module, test, sample, equal)
        totals = [totals[0] + killed, totals[1] + judged]
    share = totals[0] / max(1, totals[1])
    print(f"in all: {totals[0]} of {totals[1]} killed ({share:.0%})")
    return 0 if share >= 0.9 else 1


def _import_once(libraries: Iterable[str]) -> None:
    """Imports for all forks; pytest has garbage collected at its end, and they need not look through these."""
    for library in libraries:
        importlib.import_module(library)
    gc.freeze()


def mirrored_test(module: str) -> str:
    """The file of a module's tests, found by its path."""
    path = Path(module)
    name = path.stem.strip("_")  # test_init.py is that of __init__.py
    return (Path("tests") / path.with_name(f"test_{name}.py")).as_posix()


def equal_mutants(path: Path) -> set[str]:
    """The keys of the mutants that mean the same as the code; a ``#`` starts the reason, before them."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line for line in lines if line and not line.startswith("#")}


def find_mutants(module: str, source: str) -> list[Mutant]:
    """Every change of a module, but for annotations, decorators and what is for type checkers alone."""
    from cosmic_ray.ast import get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    left_out = set(_lines_left_out(ast.parse(source)))
    mutants: dict[str, Mutant] = {}
    for name in _OPERATORS:
        operator = get_operator(f"core/{name}")()
        positions = [
            position
            for node in _nodes(get_ast(source))
            for position in operator.mutation_positions(node)
        ]
        for occurrence, (start, _) in enumerate(positions):
            if _is_left_out(start, left_out):
                continue
            mutated = mutate_code(source, operator, occurrence)
            mutant = mutated and _describe(module, source, mutated)
            if mutant:
                mutants.setdefault(mutant.source, mutant)
    return sorted(mutants.values(), key=lambda mutant: (mutant.line, mutant.after))


def _nodes(node: object) -> Iterator[object]:
    """In the order in which cosmic-ray counts occurrences."""
    yield node
    for child in getattr(node, "children", ()):
        yield from _nodes(child)


_Span = tuple[tuple[int, int], tuple[int, int]]


def _lines_left_out(tree: ast.Module) -> Iterator[_Span]:
    for node in ast.walk(tree):
        nodes: list[ast.expr | ast.stmt | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [a for a in (arguments.vararg, arguments.kwarg) if a]
            nodes = [node.returns, *(a.annotation for a in every), *node.decorator_list]
        elif isinstance(node, ast.AnnAssign):
            nodes = [node.annotation]
        elif isinstance(node, ast.ClassDef):
            nodes = [*node.decorator_list]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes = [node]
        for held in nodes:
            if held is not None:
                end = (held.end_lineno or held.lineno, held.end_col_offset or 0)
                yield (held.lineno, held.col_offset), end


def _is_left_out(at: tuple[int, int], spans: set[_Span]) -> bool:
    return any(start <= at < end for start, end in spans)


def _describe(module: str, source: str, mutated: str) -> Mutant | None:
    """The mutant, or nothing where the change is no Python."""
    try:
        compile(mutated, module, "exec", dont_inherit=True)
    except SyntaxError:
        return None
    pairs = zip(source.splitlines(), mutated.splitlines(), strict=False)
    for number, (before, after) in enumerate(pairs, 1):
        if before != after:
            return Mutant(module, number, before.strip(), after.strip(), mutated)
    return None


def _try_all(module: str, test: str, mutants: Sequence[Mutant], equal: set[str]) -> tuple[int, int]:
    """Tests mutants; returns how many were killed, of how many that are not equal."""
    source = (ROOT / module).read_text(encoding="utf-8")
    started = time.monotonic()
    unchanged = _run_tests(module, source, test, 300.0)
    if not unchanged.passed:
        sys.exit(f"{test}: fails with the module as it is\n{unchanged.said}")
    if unchanged.uses_tensorflow:
        _import_once(["tensorflow"])
    limit = 10 + 3 * (time.monotonic() - started)
    survivors = [m for m in mutants if _run_tests(module, m.source, test, limit).passed]
    alive = [mutant for mutant in survivors if mutant.key not in equal]
    judged = len(mutants) - len(survivors) + len(alive)
    killed = judged - len(alive)
    same = f", {len(survivors) - len(alive)} equal" if len(alive) < len(survivors) else ""
    seconds = time.monotonic() - started
    print(f"{module}: {killed} of {judged} killed{same} ({seconds:.0f} s)", flush=True)
    for mutant in sorted(alive, key=lambda mutant: mutant.line):
        print(f"  {mutant}", flush=True)
    return killed, judged


@dataclass(frozen=True, slots=True)
class _Outcome:
    passed: bool
    uses_tensorflow: bool = False
    said: str = ""


def _run_tests(module: str, source: str, test: str, limit: float) -> _Outcome:
    """Runs a test file in a fork that imports a module with this source; what takes too long fails."""
    with tempfile.TemporaryFile("w+b") as output:
        child = os.fork()
        if child == 0:
            _test_and_exit(module, source, test, output.fileno())
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                output.seek(0)
                said = output.read().decode(errors="replace")[-2000:]
                return _Outcome(code in _PASSED, code == _PASSED_WITH_TENSORFLOW, said)
            time.sleep(0.02)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return _Outcome(False, said=f"took more than {limit:.0f} s")


def _test_and_exit(module: str, source: str, test: str, output: int) -> None:
    """What the forked process does."""
    try:
        os.setsid()
        for stream in (1, 2):
            os.dup2(output, stream)
        sys.meta_path.insert(0, _MutantFinder(module, source))
        import pytest

        arguments = ["-x", "-q", "--no-header", "-p", "no:cacheprovider"]
        # Plugins that the parent has imported have no asserts that pytest would have to rewrite.
        arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([test, *arguments]))
        if code == 0 and "tensorflow" in sys.modules:
            code = _PASSED_WITH_TENSORFLOW
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


class _MutantFinder(importlib.abc.MetaPathFinder):
    """Finds one module, with another source."""

    def __init__(self, module: str, source: str):
        self._path = ROOT / module
        parts = Path(module).with_suffix("").parts
        self._name = ".".join(("pixelbeam", *parts)).removesuffix(".__init__")
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        folders = [str(self._path.parent)] if self._path.name == "__init__.py" else None
        loader = _MutantLoader(fullname, str(self._path))
        loader.mutant = self._source
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=loader, submodule_search_locations=folders
        )


class _MutantLoader(SourceFileLoader):
    mutant = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.mutant, self.path, "exec", dont_inherit=True)


if __name__ == "__main__":
    sys.exit(main())
