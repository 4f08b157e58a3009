"""Our Wiener images beside those of napari-sim-processor (BSD-3), on simulated stacks.

    pip download --no-deps napari-sim-processor==0.1.1
    unzip napari_sim_processor-0.1.1-py3-none-any.whl -d peer
    python -W ignore benchmarks/wiener_peer.py peer

Only its numeric classes are loaded, which need no Qt. It gets the true optics, and the best of eight settings
by the mean over all stacks; its images are scored against the object as they are and after the best shift, in
dB.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.optics import Optics
from dlsim_ij.quality import best_shift, fair_scores, shift_image
from dlsim_ij.reconstruction import FILTERS, estimate_parameters, wiener_sim
from dlsim_ij.simulation import Conditions, SimulatedStack, draw_structure, random_conditions, simulate_sim

SIDE_PX = 192
INNER = np.s_[32:-32, 32:-32]
STRUCTURES = ("microtubules", "mitochondria", "actin", "points")
LIGHT = ((1000.0, 0.0), (100.0, 0.5))  # photons, haze


def load_peer(folder: Path) -> Any:
    """Import the processors without the package around them, which wants Qt."""
    for name in ("napari_sim_processor", "napari_sim_processor.processors"):
        package = types.ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = package
    with contextlib.redirect_stdout(io.StringIO()):
        return importlib.import_module("napari_sim_processor.processors.convSimProcessor")


def peer_image(peer: Any, signal: np.ndarray, n_phases: int, settings: dict[str, Any]) -> np.ndarray:
    kind = peer.ConvSimProcessor if n_phases < 5 else peer.ConvSimProcessor3D
    processor, optics = kind(3, n_phases), Optics()
    known = {
        "debug": 0, "NA": optics.na, "n": 1.515, "wavelength": optics.emission_nm / 1000,
        "pixelsize": optics.pixel_size_um, "magnification": 1, "eta": 0.5, "alpha": 0.3, "a": 0.4,
    }  # fmt: skip
    for name, value in {**known, **settings}.items():
        setattr(processor, name, value)
    with contextlib.redirect_stdout(io.StringIO()):
        processor.calibrate(signal)
        return np.asarray(processor.reconstruct_rfftw(signal), dtype=np.float64)


def simulate(structure: str, photons: float, haze: float, n_phases: int) -> SimulatedStack:
    rng = np.random.default_rng(5)
    density = draw_structure(structure, (2 * SIDE_PX, 2 * SIDE_PX), 0.03, rng)
    patterns = random_conditions(rng, n_phases=n_phases, like_paper=1.0).patterns
    conditions = Conditions(
        patterns=patterns, photons=photons, haze=haze, flat=0.0, intensity=(1.0,) * (3 * n_phases)
    )
    return simulate_sim(density, conditions, rng)


def scores(truth: np.ndarray, image: np.ndarray) -> tuple[float, float]:
    moved = shift_image(image, *best_shift(truth[INNER], image[INNER]))
    return tuple(fair_scores(truth[INNER], one[INNER]).psnr_db for one in (image, moved))


def main(folder: Path) -> None:
    peer = load_peer(folder)
    choices = [
        {"w": w, "beta": beta, "a_type": kind}
        for w, beta, kind in itertools.product((0.1, 0.3), (0.95, 0.8), ("none", "exp"))
    ]
    print("| frames | image | as it is dB | registered dB |\n|---|---|---|---|")
    for n_phases in (3, 5):
        ours: dict[str, list[tuple[float, float]]] = {name: [] for name in FILTERS}
        theirs: list[list[tuple[float, float]]] = [[] for _ in choices]
        for structure, (photons, haze) in itertools.product(STRUCTURES, LIGHT):
            stack = simulate(structure, photons, haze, n_phases)
            signal = equalise_frames(stack.raw, estimate_offset(stack.raw))
            found = estimate_parameters(stack.raw, Optics(), n_phases=n_phases)
            for name, one in FILTERS.items():
                image = wiener_sim(signal, found.patterns, found.optics, filter=one)
                ours[name].append(scores(stack.object, image))
            for row, settings in zip(theirs, choices, strict=True):
                row.append(scores(stack.object, peer_image(peer, signal, n_phases, settings)))
        means = {name: np.mean(rows, axis=0) for name, rows in ours.items()}
        means["napari-sim-processor"] = max((np.mean(rows, axis=0) for rows in theirs), key=lambda m: m[1])
        for name, (plain, registered) in means.items():
            print(f"| 3 x {n_phases} | {name} | {plain:.1f} | {registered:.1f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
