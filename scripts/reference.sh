#!/usr/bin/env bash
# Makes docs/schema.md and docs/schema.json from the models; a test compares them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
use_venv dev
"$python" - "$root/docs" <<'END'
import json
import sys
from pathlib import Path

from pixelbeam.schemas.description.reference import json_schema, reference

docs = Path(sys.argv[1])
(docs / "schema.md").write_text(reference(), encoding="utf-8")
(docs / "schema.json").write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
END
