"""Scores on the paper's public sample, against the vendor's image. Nothing was ever chosen by them.

    python benchmarks/real_sample.py ../shared/data/microtubule-sample/microtuble
    python benchmarks/real_sample.py ../shared/data/microtubule-sample/microtuble --write README.md

Full light, the dark frames that come with it (1/150), and full light thinned (`acquisition.thin_frames`,
three draws). Patterns come from the bright frames, as a calibration; the dark frames are fitted freely too
("no calibration").
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from doc_tables import put, table

import dlsim_ij as dlsim
from dlsim_ij.acquisition import detect_acquisition, fit_patterns, thin_frames
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.thinning import CountsCamera
from dlsim_ij.images import Enlargement, undo_enlargement
from dlsim_ij.inference import Model, load_model, predict
from dlsim_ij.optics import Optics, Pattern
from dlsim_ij.quality import scores
from dlsim_ij.reconstruction import FILTERS, wiener_sim

FRACTIONS = (15, 20, 50, 150)
DRAWS = 3


def signal(frames: np.ndarray) -> np.ndarray:
    return equalise_frames(frames, estimate_offset(frames))


def images(
    frames: np.ndarray, patterns: list[Pattern], source: Enlargement, models: list[Model]
) -> dict[str, np.ndarray]:
    made = {
        f"Wiener, {name}": source.to_input_grid(
            wiener_sim(signal(frames), patterns, Optics(), filter=FILTERS[name])
        )
        for name in ("vendor", "soft")
    }
    for model in models:
        for target in model.card.outputs:
            image = predict(model, frames, patterns=patterns, target=target).image
            ensemble = ", ensemble" if model.ensemble else ""
            made[f"`{model.name}`, {target}{ensemble}"] = source.to_input_grid(image)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="*", default=["sim15", "lowlight", "sim3"])
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into this page")
    given = parser.parse_args()
    torch.set_num_threads(1)
    models = [load_model(name) for name in given.models]
    models += [load_model(name, ensemble=True) for name in given.models if name == "lowlight"]
    truth = dlsim.read_image(given.folder / "HER" / "Sample_1.tif").values.squeeze()
    stacks = {n: dlsim.read_image(given.folder / f"{n}_X2" / "Sample_1").values for n in ("HE", "LE")}
    bright, dark = (undo_enlargement(stacks[name]) for name in ("HE", "LE"))
    found = detect_acquisition(bright.frames, 0.06, n_angles=3, n_phases=5)
    patterns = list(found.patterns)
    assert found.light is not None
    camera = CountsCamera.of_light(found.light)
    rows: list[list[str]] = []

    def add(light: str, name: str, one: list[np.ndarray]) -> None:
        measured = [scores(truth, image) for image in one]
        values = [[s.psnr_db, s.ssim, s.registered.psnr_db, s.registered.ssim] for s in measured]
        psnr, ssim, moved, moved_ssim = np.mean(values, axis=0)
        rows.append([light, name, f"{psnr:.2f}", f"{ssim:.3f}", f"{moved:.2f}", f"{moved_ssim:.3f}"])

    add("full", "widefield", [stacks["HE"].mean(axis=0)])
    for name, image in images(bright.frames, patterns, bright, models).items():
        add("full", name, [image])
    for fraction in FRACTIONS:
        drawn = [
            images(thin_frames(bright.frames, camera, 1 / fraction, seed=draw), patterns, bright, models)
            for draw in range(DRAWS)
        ]
        for name in drawn[0]:
            add(f"full, thinned to 1/{fraction}", name, [draw[name] for draw in drawn])
    calibrated = fit_patterns(signal(dark.frames), 3, 5, Optics(), known=patterns)
    for name, image in images(dark.frames, calibrated, dark, models).items():
        add("1/150", name, [image])
    free = fit_patterns(signal(dark.frames), 3, 5, Optics())
    for name, image in images(dark.frames, free, dark, models[:2]).items():
        add("1/150, no calibration", name, [image])
    text = table(["light", "image", "PSNR dB", "SSIM", "registered dB", "SSIM"], rows)
    print(text)
    if given.write is not None:
        put(given.write, "real-sample", text)


if __name__ == "__main__":
    main()
