"""Make the stack of `make demo`: microtubules, 8 photo-electrons per pixel at the brightest places.

    python examples/make_demo_stack.py [FOLDER]

Writes demo_raw.tif, demo_truth.tif and demo_parameters.json, beside this script unless told otherwise.
"""

import sys
import tempfile
from pathlib import Path

from dlsim_ij.cli.main import run

HERE = Path(__file__).parent


def main(folder: Path = HERE) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        words = ["--structure", "microtubules", "--photons", "8", "--size", "192", "--seed", "4"]
        code = run(["simulate", "-o", work, *words])
        if code:
            raise SystemExit(code)
        for kind in ("raw.tif", "truth.tif", "parameters.json"):
            (Path(work) / f"microtubules_001_{kind}").replace(folder / f"demo_{kind}")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
