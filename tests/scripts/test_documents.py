"""Blocks of Markdown files as a script; each test writes its document."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from documents import HEADER, Block, document_script, documents, program, read_blocks

FENCE = "```"


def write(folder: Path, text: str) -> list[Block]:
    (folder / "a.md").write_text(text.replace("~~~", FENCE), encoding="utf-8")
    return read_blocks(folder, "a.md")


def run(script: str, cwd: Path) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", HEADER + script],
        cwd=cwd,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_blocks_have_their_line_and_language_and_lose_their_indentation(tmp_path: Path) -> None:
    text = "# A\n\n~~~bash\nls\n~~~\n\n- item\n\n  ~~~yaml\n  a: 1\n    b: 2\n  ~~~\n"
    assert write(tmp_path, text) == [
        Block("a.md", 4, "bash", "ls\n"),
        Block("a.md", 10, "yaml", "a: 1\n  b: 2\n"),
    ]


@pytest.mark.parametrize("language", ["", "sh"])
def test_a_block_in_no_known_language_could_be_a_command_that_nobody_runs(
    tmp_path: Path, language: str
) -> None:
    expected = "expected one of bash, console, json, python, text, yaml"
    message = re.escape(f"a.md:3: got a block in {language!r}, {expected}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        write(tmp_path, f"text\n\n~~~{language}\nls\n~~~\n")


def test_commands_of_a_console_are_the_lines_behind_the_prompt() -> None:
    block = Block("a.md", 1, "console", "$ ls \\\n    -l\n$ pwd\n/tmp\n")
    assert block.commands == "ls \\\n    -l\npwd\n"
    assert Block("a.md", 1, "yaml", "$ ls\n").commands == ""


def test_a_block_says_why_it_is_not_run() -> None:
    block = Block("a.md", 1, "bash", "# not tested: needs a bucket\naws s3 ls\n")
    assert block.untested == "needs a bucket"
    assert Block("a.md", 1, "bash", "ls\n").untested is None
    assert document_script([block], Path("unused")) == ""


def test_a_program_has_its_lines_where_the_document_has_them(tmp_path: Path) -> None:
    text = "text\n\n~~~python\na = 1\n~~~\n\n~~~python\n# not tested: why\nb\n~~~\n\n~~~python\nc = a\n~~~\n"
    assert program(write(tmp_path, text)) == "\n\n\na = 1\n" + "\n" * 8 + "c = a\n"


def test_what_a_document_says_is_done_in_order_and_in_one_shell(tmp_path: Path) -> None:
    text = """~~~bash
mkdir inner && cd inner
NAME=shared
~~~
~~~python
# inner/new/file.py
made = 1
~~~
~~~console
$ echo "$NAME" > inner/name
never run
~~~
~~~python
print(open("inner/name").read(), open("inner/new/file.py").read())
~~~
"""
    code, printed = run(document_script(write(tmp_path, text), tmp_path), tmp_path)
    assert (code, printed) == (
        0,
        "\n== a.md:2\n\n== a.md:6\n\n== a.md:10\n\n== a.md, its Python\n"
        "shared\n # inner/new/file.py\nmade = 1\n\n",
    )


@pytest.mark.parametrize("failing", ["false", "cat nothing | sort", "echo $(false) && (exit 3)"])
def test_a_command_that_fails_stops_the_document_and_is_named(tmp_path: Path, failing: str) -> None:
    text = f"~~~bash\ntrue\n~~~\n~~~bash\n{failing}\n~~~\n~~~bash\necho later\n~~~\n"
    code, printed = run(document_script(write(tmp_path, text), tmp_path), tmp_path)
    assert code != 0
    assert printed.splitlines()[-1] == "FAILED: a.md:5"
    assert "later" not in printed


def test_a_program_that_fails_names_the_line_of_the_document(tmp_path: Path) -> None:
    text = "text\n\n~~~python\n1 / 0\n~~~\n"
    code, printed = run(document_script(write(tmp_path, text), tmp_path), tmp_path)
    assert code != 0
    assert f'File "{tmp_path}/a.md.py", line 4, in <module>' in printed
    assert printed.splitlines()[-1] == "FAILED: a.md, its Python"


def test_documents_are_all_that_is_for_readers(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "docs/b.md", "docs/a.md"):
        (tmp_path / name).touch()
    assert documents(tmp_path) == ["README.md", "docs/a.md", "docs/b.md", "CONTRIBUTING.md"]
