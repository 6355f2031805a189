"""``pixelbeam schema``: what can be declared, printed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from ...schemas.description.reference import describe, json_schema, overview
from ...schemas.errors import OptionError

__all__ = ["add_schema_command"]


def add_schema_command(commands: Any) -> None:
    """Adds the command to the parser's, as ``argparse`` returns them."""
    parser = commands.add_parser(
        "schema",
        allow_abbrev=False,
        help="print what a schema can declare",
        description="Lists presets and kinds of features; with a NAME, prints a preset as YAML or the "
        "settings of a kind.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a preset, a kind, clips or schema")
    parser.add_argument("--json", action="store_true", help="a JSON Schema of schemas, for editors")
    parser.set_defaults(run=_show)


def _show(arguments: argparse.Namespace, others: Sequence[str]) -> int:
    if others:
        raise OptionError(f"{others[0]}: no such option; see pixelbeam schema --help")
    if arguments.json and arguments.name:
        raise OptionError(f"--json: got it beside {arguments.name!r}, expected one of the two")
    if arguments.json:
        print(json.dumps(json_schema(), indent=2))
    else:
        print(describe(arguments.name) if arguments.name else overview())
    return 0
