"""Small inputs that claim, or grow into, far more than they hold: how soon each is refused, and at what cost.

    python tests/faults/bombs.py --write docs/reliability.md

Each in a process of its own. Seconds are of its processor, and memory is what it has used beyond what it had
after its imports.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import tifffile
from disturbed import environment, say, write_table
from fuzz_mutations import BOMBS as TEXTS

from dlsim_ij.errors import DlsimError

HEAD = ["input", "bytes", "becomes", "s", "MiB"]
LIMIT_SECONDS, LIMIT_MIB = 10.0, 1024.0


def _tiff(path: Path, size: int, compressed: bool) -> None:
    """Write a TIFF that claims size x size pixels and holds a thousand bytes."""
    data = zlib.compress(bytes(10**6)) if compressed else bytes(1000)
    entries = [
        (256, 4, size), (257, 4, size), (258, 3, 16), (259, 3, 8 if compressed else 1), (262, 3, 1),
        (273, 4, 8 + 2 + 9 * 12 + 4), (277, 3, 1), (278, 4, size), (279, 4, len(data)),
    ]  # fmt: skip
    directory = len(entries).to_bytes(2, "little")
    for tag, kind, value in entries:
        directory += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little")
        directory += value.to_bytes(4, "little")
    path.write_bytes(b"II*\0" + (8).to_bytes(4, "little") + directory + bytes(4) + data)


def _numpy(path: Path) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**8, 10**6)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(1000))


def _entities(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of OME-XML that tifffile has not made
        tifffile.imwrite(path, np.ones((3, 8, 8), np.uint16), description=TEXTS[1], metadata=None)


def _safetensors(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + b"{" * 1000)


def _image(path: Path) -> object:
    from dlsim_ij.images import read_image

    return read_image(path).values.sum()


def _settings(path: Path) -> object:
    from dlsim_ij.config import read_settings
    from dlsim_ij.training.settings import TrainingConfig

    return read_settings(path, TrainingConfig)


def _parameters(path: Path) -> object:
    from dlsim_ij.config import read_parameters

    return read_parameters(path)


def _checkpoint(path: Path) -> object:
    from dlsim_ij.training.checkpoint import load_checkpoint

    return load_checkpoint(path)


Bomb = tuple[str, Callable[[Path], object], Callable[[Path], object]]
BOMBS: dict[str, Bomb] = {
    "TIFF of 10^6 x 10^6 pixels": ("a.tif", lambda p: _tiff(p, 10**6, False), _image),
    "the same, deflated": ("a.tif", lambda p: _tiff(p, 10**6, True), _image),
    "npy of 10^8 x 10^6 values": ("a.npy", _numpy, _image),
    "OME-XML with entities of entities (10^10)": ("a.tif", _entities, _image),
    "YAML with aliases of aliases (10^10)": ("a.yaml", lambda p: p.write_text(TEXTS[0]), _settings),
    "YAML nested 100,000 deep": ("a.yaml", lambda p: p.write_text(TEXTS[2]), _settings),
    "JSON nested 100,000 deep": ("a.json", lambda p: p.write_text(TEXTS[3]), _parameters),
    "a number of 10 million digits": ("a.json", lambda p: p.write_text("9" * 10**7), _parameters),
    "safetensors with a header of 2^62 bytes": ("a.safetensors", _safetensors, _checkpoint),
}  # fmt: skip


def _memory(name: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split(maxsplit=1)[0]) / 1024


def defuse(name: str, folder: Path) -> dict[str, object]:
    """Read one in this process."""
    file, make, read = BOMBS[name]
    warm = folder / f"none{Path(file).suffix}"
    with contextlib.suppress(DlsimError):
        read(warm)  # the imports
    make(folder / file)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, begin = _memory("VmRSS"), time.process_time()
    try:
        read(folder / file)
        told = "taken for what it holds"
    except DlsimError as error:
        told = "refused" if error.hint else "refused without a hint"
    return {
        "bytes": (folder / file).stat().st_size, "told": told, "seconds": time.process_time() - begin,
        "mib": max(0.0, _memory("VmHWM") - before),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    given = parser.parse_args()
    rows, bad = [], 0
    for name in BOMBS:
        with TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, __file__, "--child", name, folder], capture_output=True, text=True,
                env=environment(), timeout=120, check=False,
            )  # fmt: skip
        if done.returncode:
            bad += 1
            rows.append([name, "", f"FAILED: {done.stderr.strip().splitlines()[-1]}", "", ""])
            sys.stdout.write(f"{done.stderr}\n")
        else:
            found = json.loads(done.stdout)
            bad += found["seconds"] > LIMIT_SECONDS or found["mib"] > LIMIT_MIB
            rows.append([name, f"{found['bytes']:,}", found["told"], f"{found['seconds']:.2f}",
                         f"{found['mib']:.0f}"])  # fmt: skip
        say(" | ".join(rows[-1]))
    write_table(given.write, "bombs", HEAD, rows)
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.stdout.write(json.dumps(defuse(sys.argv[2], Path(sys.argv[3]))))
    else:
        sys.exit(main())
