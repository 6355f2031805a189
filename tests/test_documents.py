"""What stands in README, CONTRIBUTING and docs is so: programs run, schemas load, no command hides."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import HEADER, Block, document_script, documents, program, read_blocks
from fresh_machine import put_samples
from pixelbeam.schemas import Schema

ROOT = Path(__file__).parents[1]
BLOCKS = {name: read_blocks(ROOT, name) for name in documents(ROOT)}
SCHEMAS = [block for blocks in BLOCKS.values() for block in blocks if block.language == "yaml"]
TOOLS = (
    r"pixelbeam|python3?|pip|mvn|docker|aws|\./run_\w+\.sh|scripts/\S+|\.venv/\S+|examples/\S+\.sh"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, blocks in BLOCKS.items() if program(blocks)])
def test_the_program_of_a_document_runs_without_a_warning(name: str, tmp_path: Path) -> None:
    """After the document's own builds; that its other commands run is ``scripts/fresh_machine.py``'s."""
    put_samples(tmp_path)
    wanted = [b for b in BLOCKS[name] if not b.commands or b.commands.startswith("pixelbeam ")]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", HEADER + document_script(without_files(wanted), tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "PYTHONWARNINGS": "error::UserWarning"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def without_files(blocks: list[Block]) -> list[Block]:
    return [block for block in blocks if not block.file]


@pytest.mark.parametrize("block", SCHEMAS, ids=lambda block: block.place)
def test_a_schema_of_a_document_is_right(block: Block) -> None:
    declared = yaml.safe_load(block.text)
    Schema.from_dict(declared if is_schema(declared) else {"features": declared}, block.place)


def is_schema(declared: dict[str, Any]) -> bool:
    return not {"record", "features"}.isdisjoint(declared)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_command_in_running_text_stands_in_a_block_too(name: str) -> None:
    """There it is run; ``pixelbeam verify`` and ``pixelbeam build …`` are names, not commands."""
    text = re.sub(r"^( *)```.*?^\1```$", "", (ROOT / name).read_text("utf-8"), flags=re.S | re.M)
    commands = {code for code in re.findall(r"`([^`\n]+)`", text) if re.match(rf"({TOOLS}) ", code)}
    commands = {code for code in commands if len(code.split()) > 2 and "…" not in code}
    blocks = "".join(b.commands for blocks in BLOCKS.values() for b in blocks)
    assert {command for command in commands if command not in blocks} == set()
