"""The dose curve: is a thinned stack what a dim acquisition gives; the real sample; what it costs.

python benchmarks/dose.py [--write PAGE]                     thinned against taken, on simulated fields
python benchmarks/dose.py --sample FOLDER [--write PAGE]     the public sample's HE thinned, against HER
python benchmarks/dose.py --time                             processor time of a field of 512 x 512
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np
from doc_tables import put, table

import dlsim_ij as dlsim
from dlsim_ij.acquisition import CountsCamera, detect_acquisition, thin_frames
from dlsim_ij.inference import load_model, predict
from dlsim_ij.quality import fair_scores
from dlsim_ij.reconstruction import VENDOR, equalise_frames, estimate_offset, wiener_sim
from dlsim_ij.report.dose_figure import fraction_name, need_text
from dlsim_ij.simulation import Camera, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_conditions

FIELDS, FULL = 4, 300.0
LEVELS = (1 / 5, 1 / 15, 1 / 20, 1 / 50, 1 / 150)


def thinned_against_taken(page: Path | None) -> None:
    model = load_model("sim15")
    cameras = {"no": Camera(row_column_electrons=0.0), "0.14 e": Camera()}
    print(f"{FIELDS} fields of microtubules at {FULL:g} photo-electrons, PSNR in dB against the object,")
    print("thinned / taken with so little light, pattern known from the bright stack\n")
    lines = []
    for name, camera in cameras.items():
        rows: dict[float, list[list[float]]] = {}
        for field in range(FIELDS):
            rng = np.random.default_rng(100 + field)
            cell = draw_structure("microtubules", (384, 384), 0.03, rng)
            drawn = paper_conditions(np.random.default_rng(field), photons=(FULL, FULL))
            conditions = dataclasses.replace(drawn, camera=camera)
            bright = simulate_sim(cell, conditions, np.random.default_rng([field, 1]))
            found = detect_acquisition(bright.raw, 0.06, n_angles=3, n_phases=5)
            own = CountsCamera.of_light(found.light)
            for number, fraction in enumerate(LEVELS):
                dim = dataclasses.replace(conditions, photons=fraction * FULL)
                taken = simulate_sim(cell, dim, np.random.default_rng([field, 2, number])).raw
                scored = []
                for frames in (thin_frames(bright.raw, own, fraction, seed=field), taken):
                    signal = equalise_frames(frames, estimate_offset(frames))
                    images = (
                        wiener_sim(signal, found.patterns, found.optics, filter=VENDOR),
                        predict(model, frames, patterns=found.patterns, optics=found.optics).image,
                    )
                    scored += [fair_scores(bright.object, image).psnr_db for image in images]
                rows.setdefault(fraction, []).append(scored)
        for fraction, scored in rows.items():
            a, b, c, d = np.mean(scored, axis=0)
            lines.append([fraction_name(fraction), name, f"{a:.2f} / {c:.2f}", f"{b:.2f} / {d:.2f}"])
    tell(page, "taken", table(["light", "row and column offsets", "wiener", "sim15"], lines))


def sample(folder: Path, page: Path | None) -> None:
    raw = dlsim.read_image(folder / "HE_X2" / "Sample_1")
    truth = dlsim.read_image(folder / "HER" / "Sample_1.tif").values
    for fit_each in (False, True):
        found = dlsim.dose_curve(
            raw, fractions=LEVELS, truth=truth, pixel_size_um=0.03, fit_each=fit_each, draws=3
        )
        print(f"\npatterns fitted {found.patterns_fitted}; PSNR / registered, mean +- sd of 3 draws, in dB")
        rows = []
        for fraction in (1.0, *LEVELS):
            lines = [line for line in found.summary.levels if line["fraction"] == fraction]
            cells = [
                f"{line['psnr_db_mean']:.2f} / {line['registered_psnr_db_mean']:.2f}"
                + (f" +- {line['registered_psnr_db_sd']:.2f}" if line["registered_psnr_db_sd"] else "")
                for line in lines
            ]
            rows.append([fraction_name(fraction), f"{lines[0]['photons_per_pixel']:.3g}", *cells])
        tell(page, found.patterns_fitted, table(["light", "photons", *found.methods], rows))
        if not fit_each:
            goals = f"{found.summary.target_db:.1f} dB", "1 dB less than its own full light"
            needs = [
                [
                    needed.method,
                    *(need_text(needed, found.photons_per_pixel, target=t) for t in (True, False)),
                ]
                for needed in found.summary.needed
            ]
            print(table(["method", *goals], needs))


def tell(page: Path | None, name: str, text: str) -> None:
    print(text)
    if page is not None:
        put(page, name, text)


def cost() -> None:
    rng = np.random.default_rng(0)
    cell = draw_structure("microtubules", (1024, 1024), 0.03, rng)
    raw = simulate_sim(cell, paper_conditions(rng, photons=(FULL, FULL)), rng).raw
    for models in ([], ["sim15"]):
        start = time.process_time()
        dlsim.dose_curve(raw, models=models, draws=3, pixel_size_um=0.06, threads=1)
        spent = time.process_time() - start
        print(f"512 x 512 x 15, 6 levels x 3 draws, {', '.join(models) or 'no'} network: {spent:.0f} s")
    found = detect_acquisition(raw, 0.06, n_angles=3, n_phases=5)
    own, model = CountsCamera.of_light(found.light), load_model("sim15")
    signal = equalise_frames(raw, 100.0)
    for name, work in (
        ("thin", lambda: thin_frames(raw, own, 0.1)),
        ("Wiener", lambda: wiener_sim(signal, found.patterns, found.optics, filter=VENDOR)),
        ("sim15", lambda: predict(model, raw, patterns=found.patterns, optics=found.optics, threads=1)),
    ):
        start = time.process_time()
        work()
        print(f"  {name}: {time.process_time() - start:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=Path)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    if given.sample:
        sample(given.sample, given.write)
    elif given.time:
        cost()
    else:
        thinned_against_taken(given.write)
