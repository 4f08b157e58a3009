"""Write the macros: each is a part of its own and the common one, since the language has no include.

    python fiji_macros/build.py            writes fiji_macros/dlsim_*.ijm
    python fiji_macros/build.py --check    says whether they are up to date

A library that every macro calls with ``runMacro`` would have to be found first, and its errors would name
its own lines; a macro that is one file runs from wherever it lies, and can be mailed.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = HERE / "parts"
COMMON = "common.ijm"


def built() -> dict[Path, str]:
    """Return the text of every macro by its path."""
    common = (PARTS / COMMON).read_text(encoding="ascii")
    return {
        HERE / f"dlsim_{part.stem}.ijm": part.read_text(encoding="ascii") + "\n" + common
        for part in sorted(PARTS.glob("*.ijm"))
        if part.name != COMMON
    }


def stale() -> list[Path]:
    """Return the macros that are missing, differ from their parts, or have none."""
    texts = built()
    differ = [path for path, text in texts.items() if not path.is_file() or path.read_text("utf-8") != text]
    return differ + [path for path in HERE.glob("dlsim_*.ijm") if path not in texts]


def main() -> int:
    """Write what is stale, or only name it."""
    texts = built()
    for path in stale():
        sys.stdout.write(f"{path}\n")
        if "--check" in sys.argv[1:]:
            continue
        if path in texts:
            path.write_text(texts[path], encoding="ascii", newline="\n")
        else:
            path.unlink()
    return int("--check" in sys.argv[1:] and bool(stale()))


if __name__ == "__main__":
    sys.exit(main())
