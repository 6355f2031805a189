import re
import subprocess
import sys
from pathlib import Path

import pytest
from mutation import Mutant, equal_mutants, find_mutants, mirrored_test

ROOT = Path(__file__).parents[2]
SOURCE = """\
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    length: int | None = 3


def clip(value: int, limit: int | None) -> int:
    if value < 0 and limit:
        return -1
    return value
"""


def test_each_comparison_number_and_condition_is_turned():
    assert [(m.line, m.before, m.after) for m in find_mutants("schemas/lines.py", SOURCE)] == [
        (6, "length: int | None = 3", "length: int | None = 2"),
        (6, "length: int | None = 3", "length: int | None = 4"),
        (10, "if value < 0 and limit:", "if not value < 0 and limit:"),
        (10, "if value < 0 and limit:", "if value < -1 and limit:"),
        (10, "if value < 0 and limit:", "if value < 0 or limit:"),
        (10, "if value < 0 and limit:", "if value < 1 and limit:"),
        (10, "if value < 0 and limit:", "if value <= 0 and limit:"),
        (10, "if value < 0 and limit:", "if value > 0 and limit:"),
        (11, "return -1", "return +1"),
        (11, "return -1", "return - 0"),
        (11, "return -1", "return - 2"),
    ]


def test_a_mutant_is_named_by_place_and_change():
    mutant = Mutant("schemas/lines.py", 10, "a < b", "a <= b", "")
    assert str(mutant) == "schemas/lines.py:10: a < b → a <= b"
    assert mutant.key == "schemas/lines.py: a < b → a <= b"


def test_tests_are_found_by_path():
    found = mirrored_test("schemas/images/resizing.py")
    assert found == "tests/schemas/images/test_resizing.py"
    found = mirrored_test("schemas/features/__init__.py")
    assert found == "tests/schemas/features/test_init.py"


def test_equal_mutants_stand_below_their_reason(tmp_path):
    (tmp_path / "equal.txt").write_text("# reason\nschemas/a.py: a < b → a <= b\n\n")
    assert equal_mutants(tmp_path / "equal.txt") == {"schemas/a.py: a < b → a <= b"}
    assert equal_mutants(tmp_path / "none.txt") == set()


@pytest.mark.slow
def test_mutants_of_a_module_meet_its_own_tests():
    command = [sys.executable, ROOT / "scripts" / "mutation.py", "schemas/dataset/checksum.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"schemas/dataset/checksum\.py: (\d+) of \1 killed", done.stdout)
