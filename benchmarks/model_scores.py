"""Scores of models on the simulated test sets: gain over Wiener, other geometries, coverage of the intervals.

    python benchmarks/model_scores.py sim15 lowlight sim3              # shipped models, or folders
    python benchmarks/model_scores.py runs/mine/model --fields 8

Truth is the clean object (`object_target`) for a model's image "object", and the noise-free Wiener image for
"wiener". PSNR after least-squares gain and offset, in the range of the truth; means over the fields.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from fixed_fields import INNER, STRUCTURES, Field, fixed_fields

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.inference import Model, load_model, predict
from dlsim_ij.quality.doubtful import HALF_WIDTH_SD
from dlsim_ij.reconstruction import SOFT, STANDARD, VENDOR, wiener_sim

LEVELS = (300.0, 3.0)


def psnr_db(truth: np.ndarray, image: np.ndarray) -> float:
    truth, image = truth[INNER].ravel().astype(np.float64), image[INNER].ravel().astype(np.float64)
    centred = image - image.mean()
    gain = centred @ (truth - truth.mean()) / max(centred @ centred, 1e-30)
    rms = np.sqrt(np.mean((truth - truth.mean() - gain * centred) ** 2))
    return float(20 * np.log10(np.ptp(truth) / rms))


def wiener_images(field: Field) -> dict[str, np.ndarray]:
    raw, optics = field.stack.raw, field.stack.conditions.optics
    signal = equalise_frames(raw, estimate_offset(raw))
    images = {
        name: wiener_sim(signal, field.patterns, optics, filter=one)
        for name, one in (("vendor", VENDOR), ("soft", SOFT), ("standard", STANDARD))
    }
    return images


def measure(models: list[Model], fields: int, geometry: str, levels: tuple[float, ...]) -> dict[Any, Any]:
    """Return {(structure, photons): {column: [values]}}."""
    rows: dict[Any, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for structure in STRUCTURES:
        for field in fixed_fields(structure, levels, fields, geometry=geometry):
            row = rows[structure, field.photons]
            for name, image in wiener_images(field).items():
                row[f"Wiener {name}"].append(psnr_db(field.object, image))
                row[f"Wiener {name} vendor"].append(psnr_db(field.wiener, image))
            for model in models:
                for target in model.card.outputs or ("wiener",):
                    made = predict(
                        model, field.stack.raw, target=target if model.card.outputs else None,
                        patterns=field.patterns, optics=field.stack.conditions.optics,
                    )  # fmt: skip
                    truth = field.object if target == "object" else field.wiener
                    row[f"{model.name} {target}"].append(psnr_db(truth, made.image))
                    if made.uncertainty is not None:
                        error = np.abs(made.image - truth)[INNER]
                        inside = error <= HALF_WIDTH_SD * made.uncertainty[INNER]
                        row[f"{model.name} {target} within"].append(float(inside.mean()))
    return rows


def print_tables(rows: dict[Any, Any], models: list[Model]) -> None:
    targets = {m.name: list(m.card.outputs or ("wiener",)) for m in models}
    names = [f"{m} object" for m in targets if "object" in targets[m]]
    print(
        "| structure | photons | vendor | soft | standard |", " | ".join(names + ["gain"] * len(names)), "|"
    )
    print("|---" * (5 + 2 * len(names)) + "|")
    for (structure, photons), row in rows.items():
        wiener = [np.mean(row[f"Wiener {n}"]) for n in ("vendor", "soft", "standard")]
        found = [np.mean(row[n]) for n in names]
        cells = [f"{v:.1f}" for v in (*wiener, *found)] + [f"{v - max(wiener):+.1f}" for v in found]
        print(f"| {structure} | {photons:g} |", " | ".join(cells), "|")
    print("\nAgainst the noise-free Wiener image:\n")
    names = [f"{m} wiener" for m in targets if "wiener" in targets[m]]
    print("| structure | photons | vendor | soft | standard |", " | ".join(names), "|")
    print("|---" * (5 + len(names)) + "|")
    for (structure, photons), row in rows.items():
        cells = [np.mean(row[f"Wiener {n} vendor"]) for n in ("vendor", "soft", "standard")]
        cells += [np.mean(row[n]) for n in names]
        print(f"| {structure} | {photons:g} |", " | ".join(f"{v:.1f}" for v in cells), "|")
    names = [key for key in next(iter(rows.values())) if key.endswith("within")]
    print("\nPixels whose error lies within the 90 % interval:\n")
    print("| structure | photons |", " | ".join(n.removesuffix(" within") for n in names), "|")
    print("|---" * (2 + len(names)) + "|")
    for (structure, photons), row in rows.items():
        cells = [f"{100 * np.mean(row[n]):.1f}" for n in names]
        print(f"| {structure} | {photons:g} |", " | ".join(cells), "|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--fields", type=int, default=32)
    parser.add_argument("--geometry", nargs="*", default=["sample"], choices=["sample", "two-beam", "any"])
    parser.add_argument("--levels", type=float, nargs="*", default=list(LEVELS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    loaded = [load_model(name) for name in given.models]
    for geometry in given.geometry:
        print(f"\n## {geometry}\n")
        print_tables(measure(loaded, given.fields, geometry, tuple(given.levels)), loaded)
