"""Fit how the half widths of a model are stretched in each field, and put it into the card.

    python benchmarks/calibrate_intervals.py sim15 lowlight sim3          # only tell
    python benchmarks/calibrate_intervals.py sim15 lowlight sim3 --write  # and write the cards

Models are shipped names or folders. The fields have a seed of their own: neither training nor tests use them.
All geometries and light from 1.5 to 2000 photons in turn. The fit is pinball regression of the logarithm of
|error| / half width on the numbers of the field (`inference.calibration`). Printed before and after, in
percent: pixels within the interval for each structure and range of light; "after" is measured on fields that
the fit had left out (four folds).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from doc_tables import table
from fixed_fields import INNER, STRUCTURES, one_field
from scipy.optimize import minimize

from dlsim_ij.bundles.bundle import read_bundle
from dlsim_ij.bundles.card import Stretch
from dlsim_ij.datasets.inputs import input_kind
from dlsim_ij.files import write_json
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import Model, load_model
from dlsim_ij.inference.calibration import FieldNumbers, field_numbers
from dlsim_ij.inference.network_input import make_input
from dlsim_ij.inference.predictor import run_network

SEED = 20_270_415
RANGES = ((100.0, 2000.0), (15.0, 100.0), (4.0, 15.0), (1.5, 4.0))
GEOMETRIES = ("sample", "two-beam", "any")
PIXELS = 2000  # of a field, drawn at random
FOLDS = 4
SMOOTHING = 0.03  # of the corner of the pinball, in the logarithm
SMALLEST = 1e-4  # of the normalised range
TERMS = ("constant", "noise", "density", "grain")


@dataclass(frozen=True)
class Sample:
    """Pixels of one image of one field."""

    structure: str
    number: int
    light: int  # which of RANGES
    field: FieldNumbers
    error: np.ndarray
    half_width: np.ndarray


def collect(models: dict[str, Model], fields: int) -> dict[tuple[str, str], list[Sample]]:
    """Apply the models to the fields of the fit; by model and image."""
    samples: dict[tuple[str, str], list[Sample]] = {
        (name, target): [] for name, model in models.items() for target in model.card.outputs
    }
    start = time.perf_counter()
    for number in range(fields):
        for structure in STRUCTURES:
            rng = np.random.default_rng([SEED, STRUCTURES.index(structure), number, 1])
            levels = [float(np.exp(rng.uniform(*np.log(one)))) for one in RANGES]
            geometry = GEOMETRIES[number % len(GEOMETRIES)]
            for light, field in enumerate(one_field(structure, number, levels, geometry=geometry, seed=SEED)):
                stack, truths = field.stack, {"object": field.object, "wiener": field.wiener}
                for name, model in models.items():
                    made = make_input(
                        model.card, stack.raw, patterns=field.patterns, optics=stack.conditions.optics,
                        resize=bicubic_enlarge,
                    )  # fmt: skip
                    images, half_widths = np.split(run_network(model, made.channels), 2)
                    frames = input_kind(model.card.input["kind"]).frames
                    for k, target in enumerate(model.card.outputs):
                        error = np.abs(images[k] - truths[target] / made.counts.scale)[INNER].ravel()
                        drawn = rng.choice(error.size, PIXELS, replace=False)
                        numbers = field_numbers(images[k], made.channels[frames].mean(axis=0))
                        half_width = half_widths[k][INNER].ravel()
                        samples[name, target].append(
                            Sample(structure, number, light, numbers, error[drawn], half_width[drawn])
                        )
        print(f"{number + 1} of {fields}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return samples


def terms_of(field: FieldNumbers) -> np.ndarray:
    """Return what the coefficients are multiplied with, in the order of TERMS."""
    return np.array([1.0, field.noise, field.density, field.grain])


def fit(samples: list[Sample], level: float) -> np.ndarray:
    """Return the coefficients at which `level` of the errors lie within the stretched half widths."""
    of_fields = np.array([terms_of(sample.field) for sample in samples])
    centre, spread = of_fields.mean(axis=0), of_fields.std(axis=0)
    centre[0], spread[0] = 0, 1
    scaled = np.repeat((of_fields - centre) / spread, PIXELS, axis=0)
    ratio = np.concatenate([np.log((s.error + SMALLEST) / (s.half_width + SMALLEST)) for s in samples])

    def loss(coefficients: np.ndarray) -> tuple[float, np.ndarray]:
        excess = (ratio - scaled @ coefficients) / SMOOTHING
        value = SMOOTHING * np.logaddexp(0, excess) - (1 - level) * SMOOTHING * excess
        above = 0.5 * (1 + np.tanh(excess / 2))
        return float(value.mean()), -scaled.T @ (above - (1 - level)) / len(ratio)

    found = minimize(loss, np.zeros(len(TERMS)), jac=True, method="L-BFGS-B").x / spread
    found[0] -= found[1:] @ centre[1:]
    return np.asarray(found)


def within(samples: list[Sample], coefficients: np.ndarray | None) -> list[float]:
    """Return the share of pixels within the interval, by sample."""
    shares = []
    for s in samples:
        factor = 1.0 if coefficients is None else np.exp(terms_of(s.field) @ coefficients)
        shares.append(float((s.error <= factor * s.half_width).mean()))
    return shares


def left_out(samples: list[Sample], level: float) -> list[float]:
    """Return the same with coefficients that come from other fields."""
    shares = dict.fromkeys(range(len(samples)), 0.0)
    for fold in range(FOLDS):
        inside = [i for i, s in enumerate(samples) if s.number % FOLDS == fold]
        found = fit([s for s in samples if s.number % FOLDS != fold], level)
        shares |= dict(zip(inside, within([samples[i] for i in inside], found), strict=True))
    return list(shares.values())


def by_cell(samples: list[Sample], shares: list[float]) -> list[str]:
    """Return the mean of each structure, darkest light first."""
    places = [(sample.structure, sample.light) for sample in samples]
    values = np.array(shares)
    cells = []
    for structure in STRUCTURES:
        lights = [[place == (structure, n) for place in places] for n in reversed(range(len(RANGES)))]
        cells.append(" ".join(f"{100 * values[chosen].mean():.1f}" for chosen in lights))
    return cells


def stretch_of(samples: list[Sample], coefficients: np.ndarray) -> Stretch:
    """Return what the card holds."""
    ranges = {}
    for name in ("noise", "density", "grain"):
        values = [getattr(sample.field, name) for sample in samples]
        ranges[name] = (round(min(values), 3), round(max(values), 3))
    told = {name: round(float(v), 4) for name, v in zip(TERMS, coefficients, strict=True)}
    return Stretch(**told, ranges=ranges)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--fields", type=int, default=36, help="of each structure, each at four light levels")
    parser.add_argument("--write", action="store_true", help="put the calibration into the cards")
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = {name: load_model(name) for name in given.models}
    for name, model in models.items():
        if model.card.interval is None:
            raise SystemExit(f"{name} tells no intervals")
    samples = collect(models, given.fields)
    rows: list[list[str]] = []
    for name, model in models.items():
        assert model.card.interval is not None
        level, found = model.card.interval.level, []
        for target in model.card.outputs:
            own = samples[name, target]
            coefficients = fit(own, level)
            rows.append([name, target, "before", *by_cell(own, within(own, None))])
            rows.append([name, target, "after", *by_cell(own, left_out(own, level))])
            found.append(stretch_of(own, coefficients).model_dump(mode="json"))
        calibration: dict[str, Any] = {
            "images": found,
            "fitted_on": {"seed": SEED, "fields": given.fields, "photons": [list(r) for r in RANGES]},
        }
        print(name, json.dumps(found))
        if given.write:
            path = Path(read_bundle(name).folder) / "model.json"
            card = json.loads(path.read_text(encoding="utf-8"))
            card["interval"] = {"level": level, "calibration": calibration}
            write_json(path, card, overwrite=True)
    light = ", ".join(f"{low:g} to {high:g}" for low, high in reversed(RANGES))
    print(f"\nPercent within the interval at {light} photons:\n")
    print(table(["model", "image", "", *STRUCTURES], rows))


if __name__ == "__main__":
    main()
