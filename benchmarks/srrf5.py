"""`srrf5` and SRRF of the same five frames, measured against SRRF of 200: the tables of docs/srrf5.md.

python benchmarks/srrf5.py [--fields 32] [--model srrf5] [--field-px 64] [--structure NAME ...] [--json FILE]
    [--write docs/srrf5.md]

Fields come from seeds that no training uses. Every image is compared with the SRRF image (TRA, x5) of all 200
frames above their background, 4 camera pixels within the border: PSNR after the best gain and offset, in the
range of the truth; SSIM; resolution by decorrelation analysis. "smoothed" is SRRF of the five frames under
the Gaussian that suits the truth best, which no user knows: what a network must beat to be more than a blur.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from doc_tables import put
from scipy import ndimage

from dlsim_ij.datasets.blinking_fields import group_starts, make_field
from dlsim_ij.datasets.blinking_inputs import MAGNIFICATION, N_FRAMES, normalised_signal, radiality_image
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import Model, load_model, predict
from dlsim_ij.quality import decorrelation_resolution, fair_scores, mean_interval, paired_difference

STRUCTURES = ("microtubules", "mitochondria", "adhesions", "actin")
METHODS = ("SRRF of 5", "SRRF of 5, smoothed", "mean of 5, enlarged", "srrf5", "SRRF of 200")
SIGMAS_PX = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # output pixels
LIGHT = {  # photo-electrons at the bright level of the mean of five
    (0, 30): "up to 30 e",
    (30, 100): "30 to 100 e",
    (100, np.inf): "above 100 e",
}
_SEED = 20_260_128  # no training has it
_BORDER_PX = 4


def measure(structure: str, place: int, number: int, side_px: int, model: Model) -> dict[str, Any]:
    """Return light level and, for each method, PSNR, SSIM and resolution (camera pixels) of one field."""
    rng = np.random.default_rng([_SEED, place, number])
    field = make_field(structure, side_px, rng)
    (start,) = group_starts(1, rng)
    raw = field.raw[start : start + N_FRAMES]
    signal, scaling = normalised_signal(raw)
    five = radiality_image(signal, threads=1)
    inner = slice(MAGNIFICATION * _BORDER_PX, -MAGNIFICATION * _BORDER_PX)
    truth = field.truth[inner, inner]
    blurred = [ndimage.gaussian_filter(five, sigma) for sigma in SIGMAS_PX]
    images = {
        "SRRF of 5": five,
        "SRRF of 5, smoothed": max(blurred, key=lambda one: fair_scores(truth, one[inner, inner]).psnr_db),
        "mean of 5, enlarged": bicubic_enlarge(signal.mean(axis=0), MAGNIFICATION),
        "srrf5": predict(model, raw, threads=1).image,
        "SRRF of 200": field.truth,
    }
    row: dict[str, Any] = {
        "structure": structure,
        "electrons": scaling.scale / field.conditions.camera.gain_adu_per_electron,
    }
    for name, image in images.items():
        found = fair_scores(truth, image[inner, inner])
        resolution = decorrelation_resolution(image[inner, inner]).resolution_px
        row[name] = {
            "psnr_db": found.psnr_db,
            "ssim": found.ssim,
            "resolution_px": None if resolution is None else resolution / MAGNIFICATION,
        }
    return row


def structure_table(rows: list[dict[str, Any]]) -> str:
    """Return the table of structures and methods."""
    lines = [
        "| structure | image | PSNR dB | SSIM | resolution, camera px | of that of SRRF of 200 |",
        "|---|---|---|---|---|---|",
    ]
    for structure in dict.fromkeys(row["structure"] for row in rows):
        own = [row for row in rows if row["structure"] == structure]
        for name in METHODS:
            psnr, ssim = (_mean(own, name, key) for key in ("psnr_db", "ssim"))
            scores = ("", "") if name == "SRRF of 200" else (f"{psnr:.2f}", f"{ssim:.3f}")
            ratio = np.exp(np.mean(np.log(_ratios(own, name))))
            resolution = _mean(own, name, "resolution_px")
            lines.append(
                f"| {structure} | {name} | {scores[0]} | {scores[1]} | {resolution:.2f} | {ratio:.2f} |"
            )
    return "\n".join(lines)


def gain_table(rows: list[dict[str, Any]]) -> str:
    """Return what `srrf5` gains over SRRF of the same frames, by structure and by light."""
    lines = [
        "| fields | number | SRRF of 5, dB | srrf5 gains, dB | 95 % interval | higher in | over smoothed |",
        "|---|---|---|---|---|---|---|",
    ]
    groups = {name: [r for r in rows if r["structure"] == name] for name in STRUCTURES}
    for (low, high), label in LIGHT.items():
        groups[label] = [r for r in rows if low <= r["electrons"] < high]
    groups["all"] = rows
    for label, own in groups.items():
        if not own:
            continue
        psnr = {name: [row[name]["psnr_db"] for row in own] for name in METHODS}
        gain = paired_difference(psnr["srrf5"], psnr["SRRF of 5"])
        over = paired_difference(psnr["srrf5"], psnr["SRRF of 5, smoothed"])
        interval = "" if gain.low is None else f"{gain.low:+.2f} to {gain.high:+.2f}"
        base = mean_interval(psnr["SRRF of 5"]).mean
        lines.append(
            f"| {label} | {gain.n} | {base:.2f} | {gain.mean:+.2f} | {interval} "
            f"| {gain.n_higher} of {gain.n} | {over.mean:+.2f} |"
        )
    return "\n".join(lines)


def _mean(rows: list[dict[str, Any]], name: str, key: str) -> float:
    return float(np.mean([row[name][key] for row in rows if row[name][key] is not None]))


def _ratios(rows: list[dict[str, Any]], name: str) -> list[float]:
    pairs = [(row[name]["resolution_px"], row["SRRF of 200"]["resolution_px"]) for row in rows]
    return [own / truth for own, truth in pairs if own is not None and truth is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=32, help="per structure")
    parser.add_argument("--field-px", type=int, default=64)
    parser.add_argument("--model", default="srrf5")
    parser.add_argument("--structure", nargs="+", choices=STRUCTURES, default=STRUCTURES)
    parser.add_argument("--json", type=Path, help="write every field's numbers there")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    words = parser.parse_args()
    model = load_model(words.model, device="cpu")
    rows = [
        measure(name, STRUCTURES.index(name), number, words.field_px, model)
        for name in words.structure
        for number in range(words.fields)
    ]
    if words.json:
        words.json.write_text(json.dumps(rows), encoding="utf-8")
    for name, text in (("srrf5-gains", gain_table(rows)), ("srrf5-structures", structure_table(rows))):
        print(text, end="\n\n")
        if words.write is not None:
            put(words.write, name, text)


if __name__ == "__main__":
    main()
