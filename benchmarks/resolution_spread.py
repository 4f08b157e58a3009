"""Compare the spread by thinning with that of repeated exposures.

python benchmarks/resolution_spread.py [repeats] [--json]

Five structures at four light levels, 256 x 256 px, camera with 2 counts per electron, offset 100, read noise
of 1 electron. `repeats` independent exposures give the true standard deviation of the resolution; eight of
them are thinned 20 times each, gain and offset estimated from the image. `ratio` is the median of their
standard deviations over the true one, `within` the share of exposures whose number lies within two of its
own standard deviations of the true mean (0.95 if all were normal).
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from dlsim_ij.quality.decorrelation import decorrelation_resolution
from dlsim_ij.quality.resolution import image_resolution
from dlsim_ij.simulation import STRUCTURES, Camera, draw_structure, random_conditions, simulate_sim

LEVELS = (10.0, 30.0, 100.0, 1000.0)
CAMERA = Camera(
    gain_adu_per_electron=2.0, offset_adu=100.0, read_noise_electrons=1.0, row_column_electrons=0.0
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repeats", nargs="?", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="one JSON line per case")
    options = parser.parse_args()
    ratios = []
    for number, name in enumerate(STRUCTURES):
        rng = np.random.default_rng([21, number])
        conditions = random_conditions(rng)
        density = draw_structure(name, (512, 512), conditions.optics.pixel_size_um / 2, rng)
        scene = simulate_sim(density, conditions, rng).electrons.mean(axis=0)
        for level in LEVELS:
            electrons = scene * (level / np.percentile(scene, 99.5))
            exposures = [CAMERA.expose(electrons[None], rng)[0] for _ in range(options.repeats)]
            found = [decorrelation_resolution(image).resolution_px for image in exposures]
            values = np.array([value for value in found if value])
            spreads, means, within = [], [], []
            for image in exposures[:8]:
                result = image_resolution(image, n_thinnings=20)
                if result.spread is None or not result.spread.sd or not result.resolution_px:
                    continue
                spreads.append(result.spread.sd)
                means.append(result.spread.mean)
                within.append(abs(result.resolution_px - values.mean()) < 2 * result.spread.sd)
            true = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
            row = {
                "structure": name,
                "photons": level,
                "no peak": options.repeats - len(values),
                "resolution_px": round(float(values.mean()), 3) if len(values) else None,
                "true sd_px": round(true, 3),
                "thinned": len(spreads),
                "thinned sd_px": round(float(np.median(spreads)), 3) if spreads else None,
                "ratio": round(float(np.median(spreads)) / true, 2) if spreads else None,
                "half-light mean_px": round(float(np.median([s[2] for s in spreads])), 3)
                if spreads
                else None,
                "within": round(float(np.mean(within)), 2) if within else None,
            }
            if row["ratio"]:
                ratios.append(row["ratio"])
            print(
                json.dumps(row) if options.json else "  ".join(f"{k}: {v}" for k, v in row.items()),
                flush=True,
            )
    summary = {f"ratio {int(100 * q)} %": round(float(np.quantile(ratios, q)), 2) for q in (0.1, 0.5, 0.9)}
    print(json.dumps(summary) if options.json else summary)


if __name__ == "__main__":
    main()
