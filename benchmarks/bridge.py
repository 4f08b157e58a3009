"""Time the way from numpy to ImageJ and back, the start of the engine, and a call of Python from a macro.

    python benchmarks/bridge.py [--json] [--repeats N] [--pyimagej] [--write docs/fiji.md]

With ``--pyimagej`` (and DLSIM_FIJI, DLSIM_IMGLYB, PyImageJ installed) its own conversions stand beside ours.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from doc_tables import put, table


def call_ms(fiji: Any, call: str, image: np.ndarray[Any, Any], gives_back: bool, repeats: int) -> float:
    """Return the processor time of one call in a loop of a macro, which a busy machine does not change."""
    stamps: list[float] = []

    def verb(given: xr.DataArray, options: Any) -> Any:
        stamps.append(time.thread_time())
        return given if gives_back else ""

    code = f"for (i = 0; i < {10 * repeats}; i++) {{ {call} }}"
    fiji.run_macro(code, image=image, verbs={"call": verb})
    return 1e3 * float(np.median(np.diff(stamps[len(stamps) // 2 :])))


def best_ms(work: Callable[[], Any], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    times = []
    for _ in range(repeats):
        begin = clock()
        work()
        times.append(clock() - begin)
    return 1e3 * min(times)


def _pyimagej_way(fiji: Any) -> Callable[[], None]:
    """Return what one `Ext.dlsim` call is without it: macro, image to Python, image back, macro."""
    python, image = fiji.gateway.py, fiji.to_imageplus(np.zeros((512, 512), np.float32))
    code = "#@output String done\ndone = 1;"

    def work() -> None:
        python.run_macro(code)
        pixels = np.asarray(python.from_java(image))
        python.to_imageplus(xr.DataArray(pixels, dims=("row", "col"))).close()
        python.run_macro(code)

    return work


def rows(engine: str, repeats: int, beside: bool) -> list[dict[str, Any]]:
    from dlsim_ij.fiji import Fiji

    wall, cpu = time.perf_counter(), time.process_time()
    fiji = Fiji(engine=engine).start()
    found = [
        {"what": f"start of {fiji.name} {fiji.version}, wall", "ms": 1e3 * (time.perf_counter() - wall)},
        {"what": "start, process time", "ms": 1e3 * (time.process_time() - cpu)},
    ]
    random = np.random.default_rng(0)
    images = {
        f"{name} {kind}": (random.random(shape) * 250).astype(kind)
        for name, shape in {
            "512 x 512": (512, 512),
            "2048 x 2048": (2048, 2048),
            "15 x 512 x 512": (15, 512, 512),
        }.items()
        for kind in ("uint8", "uint16", "float32")
    }
    for name, image in images.items():
        there = fiji.to_imageplus(image)
        found.append(
            {
                "what": f"{name}: to ImageJ",
                "ms": best_ms(lambda image=image: fiji.to_imageplus(image), repeats),
            }
        )
        found.append(
            {
                "what": f"{name}: to numpy",
                "ms": best_ms(lambda there=there: fiji.from_imageplus(there), repeats),
            }
        )
    if beside:
        python = fiji.gateway.py
        for name, image in images.items():
            if not name.endswith("float32"):
                continue
            dims = ["t", "row", "col"][3 - image.ndim :]

            def to_java(image: Any = image, dims: Any = dims) -> None:
                python.to_imageplus(xr.DataArray(image, dims=dims)).close()

            there = fiji.to_imageplus(image)
            found.append({"what": f"{name}: to ImageJ, PyImageJ", "ms": best_ms(to_java, repeats)})
            found.append(
                {
                    "what": f"{name}: to numpy, PyImageJ",
                    "ms": best_ms(lambda there=there: python.from_java(there), repeats),
                }
            )
        found.append(
            {
                "what": "512 x 512: macro, to Python, back, macro with PyImageJ",
                "ms": best_ms(_pyimagej_way(fiji), repeats, time.process_time),
            }
        )
    square = images["512 x 512 float32"]
    found.append({"what": "an empty macro", "ms": best_ms(lambda: fiji.run_macro("a = 1;"), repeats)})
    for what, call, gives_back in (
        ("one Ext.dlsim call on 512 x 512 float32", 'a = Ext.dlsim("call", "");', False),
        ("the same, and an image comes back", 'Ext.dlsim("call", ""); close();', True),
    ):
        found.append({"what": what, "ms": call_ms(fiji, call, square, gives_back, repeats)})
    found.append(
        {"what": "resize x2 of 512 x 512 float32", "ms": best_ms(lambda: fiji.resize(square, 2), repeats)}
    )
    plain = Fiji(engine="none")
    found.append({"what": "the same in numpy", "ms": best_ms(lambda: plain.resize(square, 2), repeats)})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="imagej", choices=["imagej", "fiji"])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--pyimagej", action="store_true", help="also time PyImageJ's conversions")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into a page")
    options = parser.parse_args()
    found = rows("fiji" if options.pyimagej else options.engine, options.repeats, options.pyimagej)
    for row in found:
        print(json.dumps(row) if options.json else f"{row['ms']:9.2f} ms  {row['what']}")
    if options.write is not None:
        _write(options.write, {row["what"]: row["ms"] for row in found}, options.pyimagej)
    return 0


def _two(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def _write(page: Path, ms: dict[str, float], beside: bool) -> None:
    ways = ["to ImageJ", "to numpy", *(["to ImageJ, PyImageJ", "to numpy, PyImageJ"] if beside else [])]
    names = [what.partition(":")[0] for what in ms if what.endswith("float32: to numpy")]
    cells = [[name, *(f"{_two(ms[f'{name}: {way}'])}" for way in ways)] for name in names]
    put(page, "arrays-pyimagej" if beside else "arrays", table(["milliseconds", *ways], cells))
    there, back = ms["one Ext.dlsim call on 512 x 512 float32"], ms["the same, and an image comes back"]
    calls = [
        ["an empty macro", ms["an empty macro"]],
        ["`Ext.dlsim`: the image to Python, a string back", there],
        ["`Ext.dlsim`: the image to Python, an image back", back],
    ]
    if beside:
        chain = ms["512 x 512: macro, to Python, back, macro with PyImageJ"]
        calls.append(["PyImageJ's `run_macro`, `from_java`, `to_imageplus`, `run_macro`", chain])
    rows = [[what, _two(value)] for what, value in calls]
    put(page, "calls-pyimagej" if beside else "calls", table(["512 x 512 float32", "milliseconds"], rows))


if __name__ == "__main__":
    sys.exit(main())
