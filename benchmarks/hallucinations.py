"""How often planted errors are found: by the physics round trip, and by RSP and RSE.

python benchmarks/hallucinations.py [--json] [--fields 30] [--photons 3 10 30 100 300 1000] [--figure PATH]
python benchmarks/hallucinations.py --fields 200 --kinds truth wiener --errors     false alarms only

Each field is simulated anew: one of five structures, random illumination, haze and camera, cut from a larger
field so that its border is a real one; its acquisition is fitted from the frames. Six errors are planted, one
at a time, into the true image (as an ideal SIM would show it), the Wiener image, and the image of the network
`sim15`. The round trip, of all frames or of three, calls an error by its own expected range. RSP (and RSE
over the contrast of the
wide-field image, the same number in another form) and the largest error of the RSE's map over the RSE have
none, so the limit of each is the worst unmodified image of the same kind and light.

Rows: per cent found, one per kind of image, number of photo-electrons and error; `none` is a false alarm.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.ndimage

from dlsim_ij.acquisition import Acquisition, detect_acquisition
from dlsim_ij.errors import LayoutError
from dlsim_ij.quality import physics_residual, rse_rsp
from dlsim_ij.reconstruction import equalise_frames, estimate_offset, widefield, wiener_sim
from dlsim_ij.simulation import STRUCTURES, draw_structure, random_conditions, simulate_sim

SIDE_PX, AROUND_PX = 128, 16
PHOTONS = (3, 10, 30, 100, 300, 1000)
SINGLE_PHASE = (0, 5, 10)  # of each angle
KINDS = ("truth", "wiener", "network")
MEASURES = ("round trip", "3 frames", "RSP", "error map")
CALIBRATED = ("round trip", "3 frames")  # by their own expected range
Plant = Callable[[np.ndarray, tuple[int, int], np.random.Generator], np.ndarray]


def spot(shape: tuple[int, int], place: tuple[int, int], radius_px: float) -> np.ndarray:
    """Return 1 inside a soft-edged disc."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(y - place[0], x - place[1])
    return 1 / (1 + np.exp((distance - radius_px) / 1.5))


def filament(image: np.ndarray, place: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Add a line of 1.2 um, 140 nm wide, half as bright as the brightest structures."""
    angle = rng.uniform(0, np.pi)
    y, x = np.ogrid[: image.shape[0], : image.shape[1]]
    along = (y - place[0]) * np.sin(angle) + (x - place[1]) * np.cos(angle)
    across = (x - place[1]) * np.sin(angle) - (y - place[0]) * np.cos(angle)
    line = np.exp(-((across / 2) ** 2) / 2 - (np.maximum(np.abs(along) - 20, 0) / 2) ** 2 / 2)
    return image + 0.5 * line * (np.quantile(image, 0.998) - np.median(image))


def removed(image: np.ndarray, place: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Take away what stands out of the background within 0.36 um."""
    background = np.quantile(image, 0.2)
    return image - spot(image.shape, place, 12) * np.maximum(image - background, 0)


def doubled(image: np.ndarray, place: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Show what is within 0.36 um twice, half as bright, 180 nm apart."""
    angle = rng.uniform(0, 2 * np.pi)
    moved = scipy.ndimage.shift(image, (6 * np.sin(angle), 6 * np.cos(angle)), order=3, mode="nearest")
    mask = spot(image.shape, place, 12)
    return (1 - mask) * image + mask * (image + moved) / 2


def brighter(image: np.ndarray, place: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Make what is within 0.36 um half as bright again."""
    return image + 0.5 * spot(image.shape, place, 12) * (image - np.quantile(image, 0.2))


def shifted_here(image: np.ndarray, place: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Move what is within 0.36 um by one pixel, 30 nm."""
    mask = spot(image.shape, place, 12)
    return (1 - mask) * image + mask * shifted(image, place, rng)


def shifted(image: np.ndarray, place: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Move everything by one pixel, 30 nm."""
    step = ((0, 1), (1, 0), (0, -1), (-1, 0))[rng.integers(4)]
    return np.roll(image, step, axis=(0, 1))


ERRORS: dict[str, Plant] = {
    "added filament": filament,
    "removed": removed,
    "doubled": doubled,
    "50 % brighter": brighter,
    "1 px shift, local": shifted_here,
    "1 px shift, all": shifted,
}


def fields(
    count: int, photons: float, seed: int = 11
) -> Iterator[tuple[np.ndarray, np.ndarray, Acquisition]]:
    """Yield frames, true image and fitted acquisition of `count` fields that can be reconstructed."""
    number = found = 0
    while found < count and number < 8 * count:
        rng = np.random.default_rng([seed, number])
        name = list(STRUCTURES)[number % len(STRUCTURES)]
        number += 1
        side = 2 * (SIDE_PX + 2 * AROUND_PX)
        density, haze = (draw_structure(name, (side, side), 0.03, rng) for _ in range(2))
        conditions = random_conditions(rng, photons=(photons, 1.001 * photons))
        stack = simulate_sim(density, conditions, rng, haze_density=haze)
        raw = stack.raw[:, AROUND_PX:-AROUND_PX, AROUND_PX:-AROUND_PX]
        truth = stack.object[2 * AROUND_PX : -2 * AROUND_PX, 2 * AROUND_PX : -2 * AROUND_PX]
        try:
            acquisition = detect_acquisition(raw, 0.06)
        except LayoutError:
            continue
        if acquisition.fit:
            found += 1
            yield raw, truth, acquisition


def bright_place(truth: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Choose a place on a bright structure, away from the border."""
    inside = truth[50:-50, 50:-50]
    smooth = scipy.ndimage.gaussian_filter(inside, 2)
    places = np.argwhere(smooth >= np.quantile(smooth, 0.97))
    y, x = places[rng.integers(len(places))]
    return int(y) + 50, int(x) + 50


def marks(image: np.ndarray, raw: np.ndarray, even: np.ndarray, acquisition: Acquisition) -> dict[str, float]:
    """Measure; the higher the more suspicious, above 1 is an alarm of the round trip."""
    found, few = (physics_residual(image, raw, acquisition, frames_used=f) for f in (None, SINGLE_PHASE))
    match = rse_rsp(even, image, register=False, crop_zero_border=False)
    return {
        "round trip": found.value / found.expected[1],
        "3 frames": few.value / few.expected[1],
        "RSP": -match.rsp,
        "error map": float(match.error_map.max()) / match.rse,
    }


def run(
    count: int, photons: float, kinds: Sequence[str] = KINDS, errors: Sequence[str] = tuple(ERRORS)
) -> list[dict[str, Any]]:
    """Return the share of errors found with each measure, for each kind of image."""
    model = None
    if "network" in kinds:
        from dlsim_ij.inference import load_model, predict

        model = load_model("sim15")
    seen: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number, (raw, truth, acquisition) in enumerate(fields(count, photons)):
        rng = np.random.default_rng([12, number])
        even, place = widefield(raw), bright_place(truth, rng)
        images = {"truth": truth.astype(np.float64)}
        if "wiener" in kinds:
            signal = equalise_frames(raw, estimate_offset(raw))
            images["wiener"] = wiener_sim(signal, acquisition.patterns, acquisition.optics).astype(np.float64)
        if model is not None:
            made = predict(model, raw, patterns=acquisition.patterns, optics=acquisition.optics, threads=1)
            images["network"] = made.image.astype(np.float64)
        for kind in kinds:
            clean = images[kind]
            seen.setdefault((kind, "none"), []).append(marks(clean, raw, even, acquisition))
            for error in errors:
                wrong = ERRORS[error](clean, place, rng)
                seen.setdefault((kind, error), []).append(marks(wrong, raw, even, acquisition))
    rows = []
    for (kind, error), measured in seen.items():
        limits = {name: max(one[name] for one in seen[kind, "none"]) for name in MEASURES} | {
            "round trip": 1.0
        }
        shares = {name: float(np.mean([one[name] > limits[name] for one in measured])) for name in MEASURES}
        rows.append({"image": kind, "photons": photons, "error": error, "fields": len(measured), **shares})
    return rows


def draw(rows: list[dict[str, Any]], path: str) -> None:
    """Draw the share found against the light: a column per error, a row per kind of image."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    styles = {
        "round trip": ("#0b5fa5", "-", 2.2),
        "3 frames": ("#6aaee0", "-", 1.6),
        "RSP": ("#c4540a", "--", 1.4),
        "error map": ("#5b8c2a", ":", 1.4),
    }
    figure, axes = plt.subplots(len(KINDS), len(ERRORS), figsize=(13, 6.2), sharex=True, sharey=True)
    for row, kind in zip(axes, KINDS, strict=True):
        for axis, error in zip(row, ERRORS, strict=True):
            own = [one for one in rows if one["image"] == kind and one["error"] == error]
            for name, (colour, line, width) in styles.items():
                axis.plot([one["photons"] for one in own], [100 * one[name] for one in own],
                          line, color=colour, lw=width, marker="o", ms=3, label=name)  # fmt: skip
            axis.set_xscale("log")
            axis.set_ylim(-4, 104)
            axis.grid(alpha=0.25)
            if kind == KINDS[0]:
                axis.set_title(error, fontsize=10)
            if kind == KINDS[-1]:
                axis.set_xlabel("photo-electrons")
        row[0].set_ylabel(f"{kind} image\nfound, %")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fields", type=int, default=30)
    parser.add_argument("--photons", type=float, nargs="+", default=PHOTONS)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--errors", nargs="*", default=tuple(ERRORS), choices=tuple(ERRORS))
    parser.add_argument("--figure", help="draw the curves into this file")
    options = parser.parse_args()
    rows = [
        row
        for photons in options.photons
        for row in run(options.fields, photons, options.kinds, options.errors)
    ]
    if options.figure:
        draw(rows, options.figure)
    if options.json:
        print("\n".join(json.dumps(row) for row in rows))
        return
    print("image    photons  error              " + "  ".join(f"{name:>10}" for name in MEASURES))
    for row in rows:
        cells = "  ".join(f"{100 * row[name]:9.0f}%" for name in MEASURES)
        print(f"{row['image']:8} {row['photons']:7g}  {row['error']:18} {cells}   n = {row['fields']}")


if __name__ == "__main__":
    main()
