"""What the documents tell a reader to run: the fenced blocks of the Markdown files, as a shell script.

A ``bash`` block is commands, and so is what follows ``$`` in a ``console`` block. A ``python`` block is a
piece of the document's one program, unless its first line names a file (``# tests/test_date.py``), which
then has the rest. A block that cannot run everywhere says so, with the reason, in its first line::

    # not tested: needs a Google Cloud project

Needs nothing but Python, for a fresh machine has nothing else.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HEADER", "LANGUAGES", "Block", "document_script", "documents", "program", "read_blocks"]

LANGUAGES = ("bash", "console", "json", "python", "text", "yaml")
"""What a block may be in; one without a language could be a command that nobody runs."""

HEADER = """\
set -eEuo pipefail
start=$PWD
trap 'echo "FAILED: $place" >&2' ERR
"""
"""What a script of ``document_script`` starts with: it stops at the first command that fails."""

_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_NOT_TESTED = re.compile(r"# not tested: (.+)")
_FILE = re.compile(r"# (\S+/\S+\.py)\n")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        document: the Markdown file, relative to the repository's root.
        line: of the block's first line in it, counted from 1.
        language: what stands behind the fence.
        text: the block, without the fences' indentation.
    """

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """``README.md:12``."""
        return f"{self.document}:{self.line}"

    @property
    def untested(self) -> str | None:
        """Why the block is not run; ``None`` for one that is."""
        found = _NOT_TESTED.match(self.text)
        return found[1] if found else None

    @property
    def file(self) -> str | None:
        """The file whose content a ``python`` block is."""
        found = _FILE.match(self.text) if self.language == "python" else None
        return found[1] if found else None

    @property
    def commands(self) -> str:
        """What a shell is to run; empty for what is no command."""
        if self.language == "bash":
            return self.text
        if self.language != "console":
            return ""
        lines, goes_on = [], False
        for line in self.text.splitlines():
            if goes_on or line.startswith("$ "):
                lines.append(line.removeprefix("$ "))
                goes_on = line.endswith("\\")
        return "".join(f"{line}\n" for line in lines)


def documents(root: Path) -> list[str]:
    """The Markdown files that are for readers: README first, for the others go on from it."""
    names = (path.relative_to(root).as_posix() for path in sorted(root.glob("docs/*.md")))
    return ["README.md", *names, "CONTRIBUTING.md"]


def read_blocks(root: Path, document: str) -> list[Block]:
    """Every fenced block of a document, in order.

    Raises:
        ValueError: a block has no language, or an unknown one.
    """
    text = (root / document).read_text(encoding="utf-8")
    blocks = []
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 2
        if found[2] not in LANGUAGES:
            expected = f"expected one of {', '.join(LANGUAGES)}"
            raise ValueError(f"{document}:{line - 1}: got a block in {found[2]!r}, {expected}")
        blocks.append(Block(document, line, found[2], textwrap.dedent(found[3])))
    return blocks


def program(blocks: Iterable[Block]) -> str:
    """The ``python`` blocks of a document as one program, each line at its number in the document."""
    lines: list[str] = []
    for block in blocks:
        if block.language == "python" and not block.untested and not block.file:
            lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    return "".join(f"{line}\n" for line in lines)


def document_script(blocks: Iterable[Block], folder: Path) -> str:
    """The source of a bash script that does what a document says, and stops where that fails.

    Its commands run where the script is sourced, files are written below there, and the program runs
    last.

    Args:
        blocks: of one document.
        folder: where the program is put.
    """
    blocks = list(blocks)
    pieces = []
    for block in blocks:
        if block.untested:
            continue
        if block.commands:
            pieces.append(_step(block.place, block.commands))
        if block.file:
            target = shlex.quote(block.file)
            folder_of_it = shlex.quote(str(Path(block.file).parent))
            write = f"cat >{target} <<'END_OF_FILE'\n{block.text}END_OF_FILE\n"
            pieces.append(_step(block.place, f"mkdir -p {folder_of_it}\n{write}"))
    if source := program(blocks):
        path = folder / f"{Path(blocks[0].document).stem}.md.py"
        path.write_text(source, encoding="utf-8")
        pieces.append(
            _step(f"{blocks[0].document}, its Python", f"python {shlex.quote(str(path))}\n")
        )
    return "".join(pieces)


def _step(place: str, commands: str) -> str:
    """Commands that start in the script's first folder, and say where they stand."""
    said = 'cd "$start"\nprintf \'\\n== %s\\n\' "$place"\n'
    return f"place={shlex.quote(place)}\n{said}{commands}"
