"""What the measures of a run cost beside the reconstruction itself.

python benchmarks/measuring.py [--json] [--sides 192 512 1024]

Columns: `plain_s`, reconstruction with widefield and Wiener image; `measures_s`, what resolution, RSP, RSE
and the error map add; `frc_s`, what two reconstructions from half of the light add to that. The demo stack,
repeated to the side in camera pixels, with noise; one run each after a first small one.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import dlsim_ij as dlsim
from dlsim_ij.inference import load_model

DEMO = Path(__file__).parents[1] / "examples" / "demo_raw.tif"


def stack(side_px: int) -> np.ndarray:
    raw = dlsim.read_image(DEMO).values.astype(np.float64)
    repeats = -(-side_px // raw.shape[-1])
    tiled = np.tile(raw, (1, repeats, repeats))[:, :side_px, :side_px]
    noise = np.random.default_rng(0).normal(0, 3, tiled.shape)
    return np.clip(np.rint(tiled + noise), 0, None).astype(np.uint16)


def seconds(frames: np.ndarray, model: Any, **options: bool) -> float:
    start = time.perf_counter()
    dlsim.reconstruct(frames, model=model, pixel_size_um=0.06, **options)
    return time.perf_counter() - start


def measured(side_px: int, model: Any) -> dict[str, float]:
    frames = stack(side_px)
    plain = seconds(frames, model, measures=False)
    measures = seconds(frames, model)
    frc = seconds(frames, model, frc=True)
    return {
        "side_px": side_px,
        "plain_s": round(plain, 2),
        "measures_s": round(measures - plain, 2),
        "frc_s": round(frc - measures, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sides", type=int, nargs="+", default=[192, 512, 1024])
    options = parser.parse_args()
    model = load_model("sim15")
    seconds(stack(96), model, frc=True)
    rows = [measured(side, model) for side in options.sides]
    if options.json:
        for row in rows:
            print(json.dumps(row))
        return
    print(*(f"{name:>11}" for name in rows[0]))
    for row in rows:
        print(*(f"{value:11}" for value in row.values()))


if __name__ == "__main__":
    main()
