"""Scores of models on the simulated test sets: gain over Wiener, other geometries, coverage of the intervals.

    python benchmarks/model_scores.py sim15 lowlight sim3                # shipped models, or folders
    python benchmarks/model_scores.py sim15 --geometry sample two-beam any --fields 32
    python benchmarks/model_scores.py sim15 lowlight sim3 --write docs/models.md --short README.md --cards

With --rows FILE, what was measured is kept there, and models of the same weights are not measured again.

Truth is the clean object (`object_target`) for a model's image "object", and the noise-free Wiener image for
"wiener". PSNR after least-squares gain and offset, in the range of the truth; means over the fields. The
gain is that over the best of the three Wiener presets.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from doc_tables import put, table
from fixed_fields import INNER, STRUCTURES, Field, fixed_fields

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.bundles.bundle import read_bundle
from dlsim_ij.files import write_json
from dlsim_ij.inference import Model, load_model
from dlsim_ij.inference.predictor import predict_every
from dlsim_ij.quality.doubtful import HALF_WIDTH_SD
from dlsim_ij.reconstruction import SOFT, VENDOR, wiener_sim
from dlsim_ij.reconstruction.wiener_filter import STANDARD

LEVELS = (300.0, 3.0)
PRESETS = {"vendor": VENDOR, "soft": SOFT, "standard": STANDARD}
Rows = dict[tuple[str, str, float], dict[str, list[float]]]  # (geometry, structure, photons) to columns


def psnr_db(truth: np.ndarray, image: np.ndarray) -> float:
    """Return the PSNR inside the margin, after the best gain and offset."""
    truth, image = truth[INNER].ravel().astype(np.float64), image[INNER].ravel().astype(np.float64)
    centred = image - image.mean()
    gain = centred @ (truth - truth.mean()) / max(centred @ centred, 1e-30)
    rms = np.sqrt(np.mean((truth - truth.mean() - gain * centred) ** 2))
    return float(20 * np.log10(np.ptp(truth) / rms))


def wiener_images(field: Field) -> dict[str, np.ndarray]:
    """Reconstruct with every preset."""
    signal = equalise_frames(field.stack.raw, estimate_offset(field.stack.raw))
    optics = field.stack.conditions.optics
    return {name: wiener_sim(signal, field.patterns, optics, filter=one) for name, one in PRESETS.items()}


def measure(
    models: Mapping[str, Model], fields: int, geometry: str, levels: tuple[float, ...], presets: bool
) -> Rows:
    """Score the models on every test field, and the presets if they are wanted."""
    rows: Rows = defaultdict(lambda: defaultdict(list))
    for structure in STRUCTURES:
        for field in fixed_fields(structure, levels, fields, geometry=geometry):
            row = rows[geometry, structure, field.photons]
            truths = {"object": field.object, "wiener": field.wiener}
            for name, image in (wiener_images(field) if presets else {}).items():
                for target, truth in truths.items():
                    row[f"Wiener {name} {target}"].append(psnr_db(truth, image))
            for name, model in models.items():
                every = predict_every(
                    model, field.stack.raw, patterns=field.patterns, optics=field.stack.conditions.optics
                )
                for target, made in every.items():
                    row[f"{name} {target}"].append(psnr_db(truths[target], made.image))
                    if made.uncertainty is not None:
                        error = np.abs(made.image - truths[target])[INNER]
                        inside = error <= HALF_WIDTH_SD * made.uncertainty[INNER]
                        row[f"{name} {target} within"].append(float(inside.mean()))
    return rows


class Kept:
    """Rows of earlier calls, by the sum of weights and calibration; without a file, those of this call."""

    def __init__(self, path: Path | None, fields: int) -> None:
        self._path, self._fields = path, fields
        told = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.exists() else {}
        # other fields are other rows
        self._known: dict[str, dict[str, list[float]]] = told if told.get("fields") == fields else {}

    def has(self, model: Model, geometry: str, levels: Sequence[float]) -> bool:
        """Whether the model was measured there."""
        return all(
            f"{_name(geometry, structure, level)}/{_sum(model)}" in self._known
            for structure in STRUCTURES
            for level in levels
        )

    def has_presets(self, geometry: str, levels: Sequence[float]) -> bool:
        """Whether the Wiener presets were measured there."""
        return all(_name(geometry, one, level) in self._known for one in STRUCTURES for level in levels)

    def add(self, models: Mapping[str, Model], geometry: str, rows: Rows) -> None:
        """Keep rows, each column with the weights it is of; those of the presets with no weights."""
        for (_, structure, photons), row in rows.items():
            place = _name(geometry, structure, photons)
            of_presets = {key: v for key, v in row.items() if key.startswith("Wiener ")}
            self._known[place] = of_presets or self._known[place]
            for name, model in models.items():
                own = {key.removeprefix(name): v for key, v in row.items() if key.startswith(f"{name} ")}
                self._known[f"{place}/{_sum(model)}"] = own
        if self._path is not None:
            write_json(self._path, {**self._known, "fields": self._fields}, overwrite=True)

    def rows(self, geometry: str, levels: Sequence[float], models: Mapping[str, Model]) -> Rows:
        """Return the rows of these models, as `measure` does."""
        found: Rows = {}
        for structure in STRUCTURES:
            for level in sorted(levels, reverse=True):
                place = _name(geometry, structure, level)
                row = dict(self._known[place])
                for name, model in models.items():
                    own = self._known[f"{place}/{_sum(model)}"]
                    row |= {f"{name}{key}": values for key, values in own.items()}
                found[geometry, structure, level] = row
        return found


def _sum(model: Model) -> str:
    """Return what changes with the images or the intervals of a model."""
    interval = model.card.interval
    told = "" if interval is None else interval.model_dump_json()
    return hashlib.sha256(f"{model.card.weights_sha256} {told}".encode()).hexdigest()


def _name(geometry: str, structure: str, level: float) -> str:
    return f"{geometry}/{structure}/{level:g}"


def quality_table(rows: Rows, models: Mapping[str, Model], target: str) -> str:
    """Return PSNR of the presets and the models, and the models' gain."""
    names = [name for name, model in models.items() if target in model.card.outputs]
    body = []
    for (geometry, structure, photons), row in rows.items():
        wiener = [float(np.mean(row[f"Wiener {preset} {target}"])) for preset in PRESETS]
        found = [float(np.mean(row[f"{name} {target}"])) for name in names]
        cells = [f"{v:.1f}" for v in (*wiener, *found)] + [f"{v - max(wiener):+.1f}" for v in found]
        body.append([geometry, structure, f"{photons:g}", *cells])
    head = ["geometry", "structure", "photons", *(f"Wiener {preset}" for preset in PRESETS)]
    return table([*head, *(f"`{n}`" for n in names), *(f"gain `{n}`" for n in names)], body)


def short_table(rows: Rows, models: Mapping[str, Model]) -> str:
    """Return the gains of the image "object" in the sample's geometry, one row per structure."""
    names = [name for name, model in models.items() if "object" in model.card.outputs]
    levels = sorted({key[2] for key in rows}, reverse=True)
    body = []
    for structure in STRUCTURES:
        cells = []
        for level in levels:
            row = rows["sample", structure, level]
            best = max(float(np.mean(row[f"Wiener {preset} object"])) for preset in PRESETS)
            cells += [f"{float(np.mean(row[f'{name} object'])) - best:+.1f} dB" for name in names]
        body.append([structure, *cells])
    return table(["", *(f"`{name}`, {level:g} photons" for level in levels for name in names)], body)


def coverage_table(rows: Rows) -> str:
    """Return how many pixels have an error within their 90 % interval, in percent."""
    names = [key for key in next(iter(rows.values())) if key.endswith("within")]
    body = [
        [*key[:2], f"{key[2]:g}", *(f"{100 * float(np.mean(row[name])):.1f}" for name in names)]
        for key, row in rows.items()
    ]
    head = ["geometry", "structure", "photons", *(name.removesuffix(" within") for name in names)]
    return table(head, body)


def card_scores(rows: Rows, name: str, fields: int) -> list[dict[str, Any]]:
    """Return the rows of one model for its card."""
    told = []
    for (geometry, structure, photons), row in rows.items():
        for target in ("wiener", "object"):
            if f"{name} {target}" not in row:
                continue
            best = max(float(np.mean(row[f"Wiener {preset} {target}"])) for preset in PRESETS)
            psnr = float(np.mean(row[f"{name} {target}"]))
            entry = {
                "geometry": geometry, "structure": structure, "photons": photons, "target": target,
                "fields": fields, "psnr_db": round(psnr, 2), "gain_over_wiener_db": round(psnr - best, 2),
            }  # fmt: skip
            if within := row.get(f"{name} {target} within"):
                entry["within_90_percent"] = round(100 * float(np.mean(within)), 1)
            told.append(entry)
    return told


def write_cards(rows: Rows, names: list[str], fields: int) -> None:
    """Put the scores into the models' cards."""
    for name in names:
        bundle = read_bundle(name)
        path = bundle.folder / "model.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        card["scores"]["test_sets"] = card_scores(rows, name, fields)
        write_json(path, card, overwrite=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--fields", type=int, default=32)
    parser.add_argument("--geometry", nargs="*", default=["sample"], choices=["sample", "two-beam", "any"])
    parser.add_argument("--levels", type=float, nargs="*", default=list(LEVELS))
    parser.add_argument("--rows", type=Path, metavar="FILE", help="keep what was measured there")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    parser.add_argument("--short", type=Path, metavar="PAGE", help="put a short table into this page")
    parser.add_argument("--cards", action="store_true", help="put the scores into the models' cards")
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = {name: load_model(name) for name in given.models}
    kept = Kept(given.rows, given.fields)
    rows: Rows = {}
    for geometry in given.geometry:
        new = {name: model for name, model in models.items() if not kept.has(model, geometry, given.levels)}
        if new:
            presets = not kept.has_presets(geometry, given.levels)
            kept.add(new, geometry, measure(new, given.fields, geometry, tuple(given.levels), presets))
        rows |= kept.rows(geometry, given.levels, models)
    tables = {
        "object-gains": quality_table(rows, models, "object"),
        "wiener-gains": quality_table(rows, models, "wiener"),
        "coverage": coverage_table(rows),
    }
    for name, text in tables.items():
        print(f"\n{name}\n\n{text}")
        if given.write is not None:
            put(given.write, name, text)
    if given.short is not None:
        put(given.short, "gains-short", short_table(rows, models))
    if given.cards:
        write_cards(rows, given.models, given.fields)


if __name__ == "__main__":
    main()
