"""Generated tables in documentation pages: the text between two marks belongs to the command that made it.

<!-- begin gains: python benchmarks/model_scores.py sim15 --write docs/models.md -->
| ... |
<!-- end gains -->
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from dlsim_ij.files import write_text


def put(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of `name`; the command of this process is kept with it."""
    old = page.read_text(encoding="utf-8")
    marks = re.compile(rf"<!-- begin {re.escape(name)}\b.*?<!-- end {re.escape(name)} -->", re.DOTALL)
    if len(marks.findall(old)) != 1:
        raise SystemExit(f"{page} has no place, or several, for the table '{name}'")
    script = Path(sys.argv[0]).resolve().relative_to(Path(__file__).resolve().parents[1])
    command = shlex.join(["python", script.as_posix(), *sys.argv[1:]])
    block = f"<!-- begin {name}: {command} -->\n\n{text.strip()}\n\n<!-- end {name} -->"
    write_text(page, marks.sub(lambda _: block, old), overwrite=True)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
